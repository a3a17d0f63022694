/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated world: its nodes, their clocks, and the running of it all. */
#include "sim/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/siphash.h"
#include "core/node/node_internal.h"
#include "sim/checked_ops.h"
#include "sim/pki.h"
#include "sim/world.h"

#define UNIX_MS_AT_0 INT64_C(1790000000000) /* some day in 2026 */
#define UDP_PROTOCOL 17

#define WORKERS 2	 /* of each node */
#define JOB_US_MAX MS(2) /* a job takes up to this long; results overtake each other */

/* ---- trace and failure ---- */

void sim_note(struct sim *s, uint64_t a, uint64_t b, uint64_t c)
{
	static const uint8_t key[16] = "trace of the run";
	uint8_t bytes[40];
	const struct span part = SPAN_OF(bytes);

	store_u64(bytes, s->trace);
	store_u64(bytes + 8, s->now_us);
	store_u64(bytes + 16, a);
	store_u64(bytes + 24, b);
	store_u64(bytes + 32, c);
	s->trace = siphash64(key, &part, 1);
}

void sim_fail(struct sim *s, const char *format, ...)
{
	char text[200];
	va_list arguments;

	if (s->failure[0])
		return; /* the first one counts */
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	(void)snprintf(s->failure, sizeof(s->failure), "seed %llu at %llu us: %s",
		       (unsigned long long)s->config.seed, (unsigned long long)s->now_us, text);
}

/* ---- clocks ---- */

uint64_t sim_local_us(const struct sim_host *h, uint64_t true_us)
{
	int64_t drift = (int64_t)(true_us / 1000000) * h->drift_ppm +
			(int64_t)(true_us % 1000000) * h->drift_ppm / 1000000;

	return (uint64_t)((int64_t)true_us + h->offset_us + drift);
}

/* The first true time at which the node's clock shows at least local. */
static uint64_t true_us(const struct sim_host *h, uint64_t local, uint64_t now_us)
{
	uint64_t now_local = sim_local_us(h, now_us);
	uint64_t wait;

	if (local == NEVER_US)
		return NEVER_US;
	if (local <= now_local)
		return now_us;
	wait = local - now_local;
	wait = (uint64_t)((int64_t)wait - (int64_t)wait * h->drift_ppm / 1000000);
	return now_us + wait + 1;
}

/* ---- nodes ---- */

/* A job is run when its time is over, which no node can tell from having run all that while. */
static void give_out_jobs(struct sim *s, size_t node)
{
	struct sim_host *h = &s->hosts[node];
	struct hs_job *job;

	while ((job = node_next_job(h->node)))
		sim_push(s, (struct sim_happening){ .at_us = s->now_us + 1 +
							     rng_below(&h->work, JOB_US_MAX),
						    .type = SIM_JOB,
						    .node = node,
						    .boot = h->boot,
						    .job = job });
}

void sim_drain(struct sim *s, size_t node)
{
	struct sim_host *h = &s->hosts[node];
	struct node_action a;
	uint64_t deadline;

	while (h->node && node_next_action(h->node, &a)) {
		switch (a.type) {
		case NODE_SEND:
			sim_note(s, a.type, node, a.data.len);
			sim_transmit(s, node, &a.endpoint, a.data);
			break;
		case NODE_DELIVER:
			sim_note(s, a.type, node, a.data.len);
			if (!s->config.deliver ||
			    !s->config.deliver(s->config.watch_arg, node, a.data))
				sim_check_delivery(s, node, a.data);
			break;
		case NODE_EVENT:
			s->totals.events++;
			sim_note(s, a.type, node, (uint64_t)a.event.type << 32 | a.event.metric);
			sim_check_event(s, node, &a.event);
			if (s->config.watch)
				s->config.watch(s->config.watch_arg, node, &a.event, s->now_us);
			break;
		case NODE_STORE:
		case NODE_ISSUE:
		case NODE_RENEWED:
		case NODE_COSIGN:
			if (s->config.act) /* else: the simulated nodes are members already */
				s->config.act(s->config.watch_arg, h->node, node, &a);
			break;
		}
	}
	if (checked_ops_reuses() > 0)
		sim_fail(s, "a nonce was used twice under one key");
	if (checked_ops_too_old() > 0)
		sim_fail(s, "a key was used for longer than it may be");
	if (!h->node)
		return;
	give_out_jobs(s, node);
	deadline = true_us(h, node_deadline_us(h->node), s->now_us);
	if (deadline < h->armed_us || h->armed_us <= s->now_us) {
		h->armed_us = max_u64(deadline, s->now_us + 1);
		if (deadline != NEVER_US)
			sim_push(s, (struct sim_happening){ .at_us = h->armed_us,
							    .type = SIM_TIMER,
							    .node = node,
							    .boot = h->boot });
	}
}

static void sim_entropy(void *arg, uint8_t *ret, size_t len)
{
	struct rng *r = arg;

	uint8_t eight[8];

	for (size_t n; len > 0; len -= n, ret += n) {
		n = len < sizeof(eight) ? len : sizeof(eight);
		store_u64(eight, rng_next(r));
		memcpy(ret, eight, n);
	}
}

static void add_contacts(struct sim *s, size_t node)
{
	struct sim_host *h = &s->hosts[node];
	uint64_t now = sim_local_us(h, s->now_us);

	for (size_t i = 0; i < s->n_links; i++) {
		struct sim_link *l = &s->links[i];
		struct endpoint to;

		if (l->a == node)
			to = sim_endpoint(s, i, true);
		else if (l->b == node && l->both)
			to = sim_endpoint(s, i, false);
		else
			continue;
		(void)node_add_contact(h->node, &to, "", now);
	}
}

int sim_boot(struct sim *s, size_t node, int64_t offset_us, int32_t drift_ppm)
{
	struct sim_host *h = &s->hosts[node];
	struct node_config config = { 0 };
	struct network_key key = { .key = "network key of the simulation" };
	uint64_t now;
	int r;

	assert(!h->node);
	h->offset_us = offset_us;
	h->drift_ppm = drift_ppm;
	h->boot++;
	h->armed_us = NEVER_US;
	now = sim_local_us(h, s->now_us);
	h->boot_epoch =
		max_u64(h->boot_epoch + 1, (uint64_t)(UNIX_MS_AT_0 / 1000) + now / US_PER_S);
	sim_pki_fill(s->config.pki, node, &config);
	config.entropy = (struct entropy){ .fill = sim_entropy, .arg = &h->entropy };
	config.seed = rng_next(&s->rng);
	config.aead_offer = AEAD_AES_256_GCM;
	config.n_workers = WORKERS;
	config.mtu_bytes = s->config.mtu_bytes ? s->config.mtu_bytes : FORWARD_MTU_DEFAULT;
	config.policy = s->policy;
	config.tells_denied = s->config.tells_denied;
	config.has_multipath = s->config.has_multipath;
	config.has_flowlets = s->config.has_flowlets;
	config.limits = s->config.limits;
	config.n_threads = s->config.n_threads;
	config.flat_max = s->config.flat_max;
	config.zone_max = s->config.zone_max;
	if (s->config.networks)
		config.networks = s->config.networks[node];
	config.identity.boot_epoch = h->boot_epoch;
	config.network_keys = &key;
	config.n_network_keys = 1;
	config.ops = s->ops;
	config.trust.ops = s->ops;
	r = node_new(&config, now, UNIX_MS_AT_0 + (int64_t)(now / US_PER_MS), &h->node);
	if (r < 0)
		return r;
	assert(node_id(h->node) == h->id);
	sim_note(s, 1001, node, h->boot);
	add_contacts(s, node);
	node_tick(h->node, now);
	sim_drain(s, node);
	return 0;
}

void sim_set_wall_clock(struct sim *s, size_t node, int64_t off_s)
{
	uint64_t now = sim_local_us(&s->hosts[node], s->now_us);

	sim_note(s, 1003, node, (uint64_t)off_s);
	node_clock(s->hosts[node].node, now,
		   UNIX_MS_AT_0 + (int64_t)(now / US_PER_MS) + off_s * 1000);
	sim_drain(s, node);
}

void sim_crash(struct sim *s, size_t node)
{
	sim_note(s, 1002, node, 0);
	node_free(s->hosts[node].node);
	s->hosts[node].node = NULL;
	s->hosts[node].boot++;
}

void sim_forget(struct sim *s, size_t node)
{
	s->hosts[node].boot_epoch = 0;
}

bool sim_is_running(const struct sim *s, size_t node)
{
	return s->hosts[node].node != NULL;
}

struct node *sim_node(struct sim *s, size_t node)
{
	return s->hosts[node].node;
}

uint64_t sim_node_us(const struct sim *s, size_t node)
{
	return sim_local_us(&s->hosts[node], s->now_us);
}

void sim_poke(struct sim *s, size_t node)
{
	sim_drain(s, node);
}

uint64_t sim_id(const struct sim *s, size_t node)
{
	return s->hosts[node].id;
}

/* ---- running ---- */

static void happen(struct sim *s, struct sim_happening *h)
{
	struct sim_host *host = &s->hosts[h->node];
	uint64_t now = sim_local_us(host, s->now_us);

	if (!host->node || host->boot != h->boot)
		return;
	switch (h->type) {
	case SIM_DATAGRAM: {
		struct endpoint from = sim_endpoint(s, h->link, !h->to_b);

		if (s->links[h->link].is_cut)
			return;
		sim_note(s, 2000, h->node, h->len);
		node_input_lent(host->node, &from, 0, h->bytes, h->len, now);
		break;
	}
	case SIM_TIMER:
		if (s->now_us != host->armed_us)
			return; /* replaced by an earlier one */
		if (now < node_deadline_us(host->node)) {
			sim_drain(s, h->node);
			return;
		}
		node_tick(host->node, now);
		break;
	case SIM_JOB:
		sim_note(s, 2001, h->node, 0);
		hs_job_run(h->job);
		node_job_done(host->node, TAKE(h->job), now);
		break;
	}
	sim_drain(s, h->node);
}

bool sim_run(struct sim *s, uint64_t until_us)
{
	while (s->n_heap > 0 && s->heap[0].at_us <= until_us && !s->failure[0]) {
		struct sim_happening h = sim_pop(s);

		assert(h.at_us >= s->now_us);
		s->now_us = h.at_us;
		checked_ops_time(s->now_us);
		happen(s, &h);
		free(h.bytes);
		hs_job_free(h.job);
	}
	if (!s->failure[0])
		s->now_us = max_u64(s->now_us, until_us);
	checked_ops_time(s->now_us);
	return !s->failure[0];
}

uint64_t sim_now_us(const struct sim *s)
{
	return s->now_us;
}

const char *sim_failure(const struct sim *s)
{
	return s->failure;
}

/* ---- packets ---- */

uint64_t sim_send(struct sim *s, size_t from, size_t to, size_t payload_len)
{
	return sim_send_marked(s, from, to, payload_len, 0);
}

uint64_t sim_send_marked(struct sim *s, size_t from, size_t to, size_t payload_len, uint8_t dscp)
{
	uint8_t packet[FORWARD_MTU_MAX] = { 0x60 };
	struct sim_host *h = &s->hosts[from];
	uint64_t number = s->n_packets + 1;

	payload_len = max_u64(8, min_u64(payload_len, (s->config.mtu_bytes ? s->config.mtu_bytes
									   : FORWARD_MTU_DEFAULT) -
							      SIM_INNER_HEADERS));
	assert(h->node);
	if (s->n_packets == s->packets_size) {
		size_t size = s->packets_size ? 2 * s->packets_size : 1024;
		struct sim_packet *packets = realloc(s->packets, size * sizeof(*packets));

		assert(packets);
		s->packets = packets;
		s->packets_size = size;
	}
	s->packets[s->n_packets++] = (struct sim_packet){
		.from = from, .to = to, .sent_us = s->now_us, .payload_len = payload_len
	};
	store_u16(packet, (uint16_t)(0x6000 | dscp << 6));
	store_u16(packet + 4, (uint16_t)(payload_len + 8));
	packet[6] = UDP_PROTOCOL;
	packet[7] = 64;
	memcpy(packet + 8, node_overlay_address(h->node), 16);
	sim_pki_address(s->config.pki, to, packet + 24);
	store_u16(packet + 40, 1000);
	store_u16(packet + 42, 2000);
	store_u16(packet + 44, (uint16_t)(payload_len + 8));
	store_u64(packet + SIM_INNER_HEADERS, number);
	s->totals.packets_sent++;
	sim_note(s, 3000, from, to);
	node_input_packet(h->node, SPAN(packet, SIM_INNER_HEADERS + payload_len),
			  sim_local_us(h, s->now_us));
	sim_drain(s, from);
	return number;
}

struct sim_error sim_error_of(const struct sim *s, uint64_t packet)
{
	return s->packets[packet - 1].error;
}

bool sim_is_delivered(const struct sim *s, uint64_t packet)
{
	return s->packets[packet - 1].delivered_us != 0;
}

uint64_t sim_delivery_us(const struct sim *s, uint64_t packet)
{
	const struct sim_packet *p = &s->packets[packet - 1];

	return p->delivered_us ? p->delivered_us - p->sent_us : 0;
}

void sim_totals(const struct sim *s, struct sim_totals *ret)
{
	*ret = s->totals;
	ret->seals = checked_ops_seals();
}

uint64_t sim_trace(const struct sim *s)
{
	return s->trace;
}

/* ---- making ---- */

DEFINE_FREEP(struct sim, sim_free)

int sim_new(const struct sim_config *config, struct sim **ret)
{
	struct policy_rule rule = { .effect = config->allow_all ? POLICY_ALLOW : POLICY_DENY,
				    .any_action = true,
				    .from = "*",
				    .resource = "*" };
	CLEANUP(sim_freep) struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	assert(config->n_nodes <= SIM_NODES_MAX);
	s->config = *config;
	checked_ops_reset();
	s->ops = checked_ops(sim_pki_ops(config->pki));
	rng_seed(&s->rng, config->seed);
	s->hosts = calloc(config->n_nodes, sizeof(*s->hosts));
	s->links = calloc(SIM_LINKS_MAX, sizeof(*s->links));
	if (!s->hosts || !s->links ||
	    policy_new(config->rules ? config->rules : &rule, config->rules ? config->n_rules : 1,
		       &s->policy) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_nodes; i++) {
		s->hosts[i].id = sim_pki_id(config->pki, i);
		rng_seed(&s->hosts[i].entropy, rng_next(&s->rng));
		rng_seed(&s->hosts[i].work, config->seed + i);
	}
	*ret = TAKE(s);
	return 0;
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->hosts && i < s->config.n_nodes; i++)
		node_free(s->hosts[i].node);
	for (size_t i = 0; i < s->n_heap; i++) {
		free(s->heap[i].bytes);
		hs_job_free(s->heap[i].job);
	}
	free(s->heap);
	free(s->hosts);
	free(s->links);
	free(s->packets);
	policy_free(s->policy);
	checked_ops_reset();
	free(s);
}
