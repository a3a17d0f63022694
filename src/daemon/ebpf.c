/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's eyes: asking the keeper for them, telling them which sessions, keys and rules there
 * are, and showing what they count. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/units.h"
#include "core/handshake/schedule.h"
#include "core/policy/compiled.h"
#include "daemon/daemon_internal.h"
#include "daemon/ebpf_counters.h"

#define REFRESH_EVERY 5 /* seconds: interfaces that came or went */
#define DENIED_LOGGED 4 /* samples a second */
#define TRIES_MAX 10	/* seconds, for the keeper to have them loaded */

_Static_assert(sizeof(struct policy_ports) == sizeof(struct ebpf_class) &&
		       offsetof(struct policy_ports, ping) == offsetof(struct ebpf_class, ping),
	       "the same bits");

_Static_assert(CONFIG_LISTEN_MAX <= EBPF_LISTEN_MAX, "all of listen");

struct ebpf {
	struct ebpf_view *view;		  /* NULL: not there */
	struct policy_compiler *compiler; /* NULL: to be made */
	uint64_t version;		  /* of the node's sessions, as in the tables */
	unsigned seconds;
	bool is_given_up;
	bool is_told; /* what is on and off was logged */
	bool is_policy_told;
	char why[KEEPER_WHY_SIZE];	  /* there is none */
	char policy_why[KEEPER_WHY_SIZE]; /* the policy could not be compiled */
};

static uint64_t wish(const struct config *c, unsigned program)
{
	const uint64_t wishes[EBPF_N_PROGRAMS] = {
		[EBPF_GUARD] = c->ebpf_guard,
		[EBPF_METER] = c->ebpf_meter,
		[EBPF_FLOW] = c->ebpf_flow,
		[EBPF_ENFORCE] = c->ebpf_enforce,
	};

	return wishes[program];
}

static bool is_wanted(const struct config *c)
{
	bool is = false;

	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++)
		is |= wish(c, p) != CONFIG_EBPF_OFF;
	return is;
}

bool ebpf_options_fill(const struct config *c, struct log *log, struct ebpf_options *ret)
{
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++)
		ret->wishes[p] = (enum ebpf_wish)wish(c, p);
	ret->where = (enum ebpf_where)c->ebpf_attach;
	(void)snprintf(ret->tun_name, sizeof(ret->tun_name), "%.15s", c->tun_name);
	for (size_t i = 0; i < c->n_listen; i++)
		ret->listen[ret->n_listen++] = c->listen[i];
	for (size_t i = 0; i < c->n_ebpf_block && i < EBPF_BLOCKED_MAX; i++) {
		struct netlink_prefix *to = &ret->blocked[ret->n_blocked++];

		memcpy(to->ip, c->ebpf_block[i].ip, sizeof(to->ip));
		to->len = c->ebpf_block[i].len;
	}
	ret->log = log;
	return is_wanted(c);
}

/* ---- what the programs are told ---- */

static void sync_keys(struct daemon *d)
{
	struct network_key keys[NODE_NETWORK_KEYS_MAX];
	uint8_t macs[EBPF_KEYS_MAX][16];
	size_t n = node_network_keys(d->node, keys);

	for (size_t i = 0; i < n && i < EBPF_KEYS_MAX; i++) {
		struct network_keys derived;

		network_keys_derive(d->ops, keys[i].key, &derived);
		memcpy(macs[i], derived.kmac, sizeof(macs[i]));
		bytes_wipe(&derived, sizeof(derived));
	}
	ebpf_view_set_keys(d->ebpf->view, (const uint8_t(*)[16])macs, (unsigned)n);
	bytes_wipe(keys, sizeof(keys));
	bytes_wipe(macs, sizeof(macs));
}

static void sync_indices(struct daemon *d)
{
	uint32_t indices[NODE_INDICES_MAX];
	size_t cursor = 0;
	uint64_t id;
	size_t n;

	ebpf_view_indices_begin(d->ebpf->view);
	while ((n = node_next_indices(d->node, &cursor, indices, &id)) > 0)
		for (size_t i = 0; i < n; i++)
			if (indices[i])
				ebpf_view_indices_put(d->ebpf->view, indices[i], id);
	ebpf_view_indices_end(d->ebpf->view);
}

static bool has_compiler(struct daemon *d)
{
	struct ebpf *e = d->ebpf;
	int r;

	if (e->compiler || e->policy_why[0])
		return e->compiler != NULL;
	r = policy_compiler_new(d->policy, &e->compiler);
	if (r == -ENOBUFS)
		(void)snprintf(
			e->policy_why, sizeof(e->policy_why),
			"the policy has more than %d patterns with * among ports: the daemon "
			"alone decides",
			POLICY_COMPILED_PATTERNS_MAX);
	else if (r < 0)
		(void)snprintf(e->policy_why, sizeof(e->policy_why), "out of memory");
	return r == 0;
}

static void put_sender(struct daemon *d, uint64_t id)
{
	struct policy_ports may;
	struct ebpf_class class;
	char name[NODE_NAME_MAX + 1];
	char spiffe_id[SPIFFE_ID_SIZE];

	if (ebpf_view_sender_keep(d->ebpf->view, id) || !node_name_of(d->node, id, name) ||
	    spiffe_id_format(d->member->domain, name, spiffe_id) < 0)
		return;
	policy_compile(d->ebpf->compiler, spiffe_id, &may);
	memcpy(&class, &may, sizeof(class));
	ebpf_view_sender_put(d->ebpf->view, id, &class);
}

static void sync_senders(struct daemon *d)
{
	struct ebpf *e = d->ebpf;
	bool is_new = !e->compiler;
	uint32_t ignored[NODE_INDICES_MAX];
	size_t cursor = 0;
	uint64_t id;

	if (!ebpf_view_has_rules(e->view))
		return;
	if (!has_compiler(d)) {
		ebpf_view_senders_begin(e->view, true); /* disarmed until the policy changes */
		return;
	}
	ebpf_view_senders_begin(e->view, is_new);
	/* whoever has a receiver index here may send, confirmed or not */
	while (node_next_indices(d->node, &cursor, ignored, &id) > 0)
		if (id)
			put_sender(d, id);
	ebpf_view_senders_end(e->view);
}

/* Before what an input led to goes out: nobody can know of a new index or be let in earlier. */
void ebpf_sync(struct daemon *d)
{
	struct ebpf *e = d->ebpf;

	if (!e || !e->view || e->version == node_sessions_version(d->node))
		return;
	e->version = node_sessions_version(d->node);
	sync_indices(d);
	sync_keys(d);
	sync_senders(d);
}

void ebpf_policy_changed(struct daemon *d)
{
	struct ebpf *e = d->ebpf;

	if (!e)
		return;
	policy_compiler_free(e->compiler);
	e->compiler = NULL;
	e->policy_why[0] = '\0';
	if (e->view)
		sync_senders(d);
}

/* ---- beginning and ending ---- */

static int take_descriptors(struct daemon *d)
{
	struct ebpf *e = d->ebpf;
	int fds[EBPF_N_DESCRIPTORS];
	char ignored[KEEPER_WHY_SIZE];
	int r = keeper_ebpf_fd(d->keeper, EBPF_FD_TABLE, &fds[EBPF_FD_TABLE], e->why);

	if (r < 0)
		return r;
	if (keeper_ebpf_fd(d->keeper, EBPF_FD_RULES, &fds[EBPF_FD_RULES], ignored) < 0)
		fds[EBPF_FD_RULES] = -1;
	if (keeper_ebpf_fd(d->keeper, EBPF_FD_RING, &fds[EBPF_FD_RING], ignored) < 0)
		fds[EBPF_FD_RING] = -1;
	r = ebpf_view_new(fds[EBPF_FD_TABLE], fds[EBPF_FD_RULES], fds[EBPF_FD_RING], &e->view);
	if (r < 0) {
		(void)snprintf(e->why, sizeof(e->why), "its tables cannot be mapped: %s",
			       strerror(-r));
		e->is_given_up = true;
		return r;
	}
	ebpf_view_set_own(e->view, node_overlay_address(d->node));
	e->version = ~node_sessions_version(d->node); /* another */
	ebpf_sync(d);
	return 0;
}

static void log_off(struct daemon *d, const char *feature, const char *why)
{
	log_warning(d->log, "feature_off", log_str("feature", feature), log_str("why", why));
}

static void tell(struct daemon *d)
{
	struct ebpf *e = d->ebpf;

	if (e->policy_why[0] && !e->is_policy_told)
		log_off(d, "ebpf.enforce", e->policy_why);
	e->is_policy_told = e->policy_why[0] != '\0';
	if (e->is_told)
		return;
	e->is_told = true;
	if (!e->view)
		log_off(d, "ebpf", e->why);
	for (unsigned p = 0; e->view && p < EBPF_N_PROGRAMS; p++) {
		const struct ebpf_state *s = &ebpf_view_table(e->view)->states[p];
		char name[32];

		(void)snprintf(name, sizeof(name), "ebpf.%s",
			       ebpf_program_name((enum ebpf_program)p));
		if (s->is_on)
			log_info(d->log, "feature_on", log_str("feature", name),
				 log_str("where", s->why));
		else if (wish(d->options->config, p) != CONFIG_EBPF_OFF)
			log_off(d, name, s->why);
	}
}

int ebpf_begin(struct daemon *d)
{
	const struct config *c = d->options->config;

	d->ebpf = calloc(1, sizeof(*d->ebpf));
	if (!d->ebpf)
		return -ENOMEM;
	d->ebpf->is_given_up = !is_wanted(c);
	if (d->ebpf->is_given_up)
		(void)snprintf(d->ebpf->why, sizeof(d->ebpf->why),
			       "switched off in the configuration");
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++) {
		if (wish(c, p) != CONFIG_EBPF_ON)
			continue;
		if (!d->ebpf->view) {
			(void)keeper_ebpf_refresh(d->keeper);
			(void)take_descriptors(d);
			tell(d);
		}
		if (!d->ebpf->view || !ebpf_view_table(d->ebpf->view)->states[p].is_on)
			return -EPERM;
	}
	return 0;
}

static void log_denied(struct daemon *d)
{
	struct ebpf_denied denied;
	uint8_t source[16];
	char text[ENDPOINT_TEXT_SIZE];

	for (unsigned n = 0; ebpf_view_next_denied(d->ebpf->view, &denied); n++) {
		struct endpoint from = { .port = denied.source_port };

		if (n >= DENIED_LOGGED)
			continue; /* read all the same, so that there is room for the next */
		memcpy(source, denied.source, sizeof(source));
		memcpy(from.ip, source, sizeof(from.ip));
		endpoint_format(&from, text);
		log_warning(d->log, "kernel_denied", log_str("from", text),
			    log_u64("protocol", denied.protocol),
			    log_u64("port", denied.destination_port));
	}
}

/* Loading takes the keeper some 30 ms, so it is asked for a second after the start, when the
 * first packets have long found their way, and the result is fetched a second later. */
void ebpf_tick(struct daemon *d)
{
	struct ebpf *e = d->ebpf;
	unsigned second;

	if (!e || e->is_given_up)
		return;
	second = e->seconds++;
	if (e->view) {
		log_denied(d);
		ebpf_sync(d);
		tell(d);
		if (second % REFRESH_EVERY == 0)
			(void)keeper_ebpf_refresh(d->keeper);
	} else if (second == 1) {
		(void)keeper_ebpf_refresh(d->keeper);
	} else if (second > 1 && take_descriptors(d) < 0) {
		e->is_given_up |= e->why[0] != '\0' || second > TRIES_MAX;
		if (e->is_given_up && !e->why[0])
			(void)snprintf(e->why, sizeof(e->why), "the keeper does not load it");
		if (e->is_given_up)
			tell(d);
	} else if (e->view) {
		tell(d);
	}
}

void ebpf_end(struct daemon *d)
{
	if (!d->ebpf)
		return;
	policy_compiler_free(d->ebpf->compiler);
	ebpf_view_free(d->ebpf->view);
	free(d->ebpf);
	d->ebpf = NULL;
}

/* ---- what they count ---- */

/* null: the kernel does not count them, unless it is told to (kernel.bpf_stats_enabled). */
static json_t *runs_json(const struct ebpf_runs *r)
{
	return r->n == 0 ? json_null()
			 : json_pack("{s:I, s:I}", "n", (json_int_t)r->n, "ns", (json_int_t)r->ns);
}

static json_t *attachments_json(const struct ebpf_table *t, unsigned program)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++) {
		const struct ebpf_attachment *a = &t->attachments[i];

		if (a->mode == EBPF_MODE_NONE || a->program != program)
			continue;
		(void)json_array_append_new(
			list, json_pack("{s:s#, s:s, s:s, s:I}", "where", a->name,
					strnlen(a->name, sizeof(a->name)), "mode",
					ebpf_mode_name((enum ebpf_mode)a->mode), "direction",
					a->direction == EBPF_OUT ? "out" : "in", "id",
					(json_int_t)a->id));
	}
	return list;
}

static json_t *peers_json(const struct daemon *d, const struct ebpf_table *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < EBPF_PEERS_MAX; i++) {
		const struct ebpf_peer *p = &t->peers[i];
		char id[17], name[NODE_NAME_MAX + 1];

		if (p->id == 0)
			continue;
		node_id_text(p->id, id);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:I, s:I}", "node",
					node_name_of(d->node, p->id, name) ? name : id, "node_id",
					id, "packets", (json_int_t)p->packets, "bytes",
					(json_int_t)p->bytes));
	}
	return list;
}

static const char *why_of(const struct daemon *d, unsigned program)
{
	const struct ebpf *e = d->ebpf;

	if (wish(d->options->config, program) == CONFIG_EBPF_OFF)
		return "switched off in the configuration";
	if (!e || !e->view)
		return e && e->is_given_up ? e->why : "not loaded yet: a second after the start";
	if (program == EBPF_ENFORCE && e->policy_why[0])
		return e->policy_why;
	return ebpf_view_table(e->view)->states[program].why;
}

static bool is_on(const struct daemon *d, unsigned program)
{
	const struct ebpf *e = d->ebpf;

	return e && e->view && ebpf_view_table(e->view)->states[program].is_on &&
	       !(program == EBPF_ENFORCE && e->policy_why[0]);
}

json_t *ebpf_json(const struct daemon *d)
{
	json_t *list = json_array();
	struct ebpf_slot sum = { 0 };

	if (d->ebpf && d->ebpf->view)
		ebpf_view_sum(d->ebpf->view, &sum);
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++) {
		json_t *j = json_pack("{s:s, s:b, s:s}", "name",
				      ebpf_program_name((enum ebpf_program)p), "is_on", is_on(d, p),
				      "why", why_of(d, p));

		if (is_on(d, p)) {
			const struct ebpf_table *t = ebpf_view_table(d->ebpf->view);

			(void)json_object_set_new(j, "attached", attachments_json(t, p));
			(void)json_object_set_new(
				j, "counters",
				ebpf_counters_json((enum ebpf_program)p, &sum,
						   ebpf_view_classes(d->ebpf->view)));
			(void)json_object_set_new(j, "runs", runs_json(&t->runs[p]));
			if (p == EBPF_METER)
				(void)json_object_set_new(j, "peers", peers_json(d, t));
		}
		(void)json_array_append_new(list, j);
	}
	return list;
}

/* Where it is off as a whole one line says so, and not four. */
void ebpf_features(const struct daemon *d, json_t *list)
{
	const struct ebpf *e = d->ebpf;

	if (e && !e->view && e->is_given_up) {
		(void)json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "name", "ebpf",
							    "is_on", 0, "why", e->why));
		return;
	}
	for (unsigned p = 0; e && e->view && p < EBPF_N_PROGRAMS; p++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "ebpf.%s",
			       ebpf_program_name((enum ebpf_program)p));
		(void)json_array_append_new(list,
					    json_pack("{s:s, s:b, s:s}", "name", name, "is_on",
						      is_on(d, p), "why", why_of(d, p)));
	}
}
