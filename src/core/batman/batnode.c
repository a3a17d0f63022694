/* SPDX-License-Identifier: Apache-2.0 */
/* A node of B.A.T.M.A.N. V: what goes out by the clock, and what comes in by its type. */
#include "core/batman/batnode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/batman/internal.h"

DEFINE_FREEP(struct batnode, batnode_free)

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static bool is_sound(const struct batnode_config *c)
{
	if (c->n_interfaces < 1 || c->n_interfaces > BATNODE_INTERFACES_MAX || is_group(c->client))
		return false;
	if (c->elp_interval_ms < 40 || c->ogm_interval_ms < 40)
		return false;
	for (size_t i = 0; i < c->n_interfaces; i++)
		if (is_group(c->interfaces[i].address) || c->interfaces[i].throughput == 0)
			return false;
	return true;
}

int batnode_new(const struct batnode_config *config, struct rng *rng, uint64_t now_us,
		struct batnode **ret)
{
	CLEANUP(batnode_freep) struct batnode *n = calloc(1, sizeof(*n));
	uint8_t key[16];
	int r;

	if (!n)
		return -ENOMEM;
	if (!is_sound(config))
		return -EINVAL;
	n->config = *config;
	n->rng = rng;
	n->now_us = now_us;
	n->elp_us = n->ogm_us = n->purge_us = now_us;
	n->elp_seqno = (uint32_t)rng_next(rng);
	/* A node that starts anew goes on where its clock says that it was, or a little ahead: the
	 * others believe one that falls back or leaps, but not twice in half a minute. */
	n->ogm_seqno = (uint32_t)(now_us / MS(config->ogm_interval_ms));
	n->bcast_seqno = (uint32_t)(now_us / BCAST_PACE_US);
	store_u64(key, rng_next(rng));
	store_u64(key + 8, rng_next(rng));
	r = map_new(6, BATNODE_ORIGINATORS_MAX, key, &n->by_address);
	if (r == 0)
		r = map_new(14, BATNODE_CLIENTS_MAX, key, &n->by_key);
	if (r == 0)
		r = map_new(8, BATNODE_CLIENTS_MAX, key, &n->by_client);
	if (r < 0)
		return r;
	*ret = TAKE(n);
	return 0;
}

void batnode_free(struct batnode *n)
{
	if (!n)
		return;
	if (n->by_address)
		map_free(n->by_address);
	if (n->by_key)
		map_free(n->by_key);
	if (n->by_client)
		map_free(n->by_client);
	free(n);
}

/* ---- out ---- */

static struct queued *queue_end(struct batnode *n)
{
	return &n->queue[(n->queue_first + n->n_queued) % BATNODE_ACTIONS_MAX];
}

int frame_begin(struct batnode *n, size_t interface, const uint8_t to[6], struct writer *ret)
{
	struct queued *q = queue_end(n);

	if (n->n_queued == BATNODE_ACTIONS_MAX)
		return -ENOBUFS;
	q->is_delivery = false;
	q->interface = interface;
	*ret = writer_of(q->bytes, sizeof(q->bytes));
	write_bytes(ret, to, 6);
	write_bytes(ret, n->config.interfaces[interface].address, 6);
	write_u16(ret, BATWIRE_ETHERTYPE);
	return 0;
}

int frame_end(struct batnode *n, const struct writer *w)
{
	if (w->overrun)
		return -EMSGSIZE;
	queue_end(n)->len = w->len;
	n->n_queued++;
	return 0;
}

static int deliver(struct batnode *n, struct span frame)
{
	struct queued *q = queue_end(n);

	if (memcmp(frame.at, n->config.client, 6) != 0 && !is_group(frame.at))
		return -EPROTO;
	if (n->n_queued == BATNODE_ACTIONS_MAX)
		return -ENOBUFS;
	if (frame.len > sizeof(q->bytes))
		return -EMSGSIZE;
	q->is_delivery = true;
	q->len = frame.len;
	memcpy(q->bytes, frame.at, frame.len);
	n->n_queued++;
	return 0;
}

bool batnode_next_action(struct batnode *n, struct batnode_action *ret)
{
	const struct queued *q = &n->queue[n->queue_first];

	if (n->n_queued == 0)
		return false;
	*ret = (struct batnode_action){
		.is_delivery = q->is_delivery,
		.interface = q->interface,
		.frame = SPAN(q->bytes, q->len),
	};
	n->queue_first = (n->queue_first + 1) % BATNODE_ACTIONS_MAX;
	n->n_queued--;
	return true;
}

/* ---- by the clock ---- */

static void send_elp(struct batnode *n)
{
	struct batwire_elp elp = { .seqno = n->elp_seqno++,
				   .interval_ms = n->config.elp_interval_ms };
	struct writer w;

	memcpy(elp.originator, own_address(n), 6);
	for (size_t i = 0; i < n->config.n_interfaces; i++) {
		if (n->is_down[i])
			continue;
		if (frame_begin(n, i, broadcast, &w) < 0)
			return;
		batwire_elp_write(&w, &elp);
		(void)frame_end(n, &w);
	}
}

static void send_ogm(struct batnode *n)
{
	uint8_t change[12], tvlvs[64];
	struct writer t = writer_of(tvlvs, sizeof(tvlvs));
	struct batwire_ogm ogm = { .ttl = BATWIRE_TTL,
				   .seqno = n->ogm_seqno++,
				   .throughput = BATWIRE_THROUGHPUT_MAX };
	struct batwire_tt tt;
	struct writer w;

	own_table(n, change, &tt);
	tt.flags = BATWIRE_TT_OGM_DIFF;
	batwire_tt_write(&t, &tt);
	ogm.tvlvs = SPAN(tvlvs, t.len);
	memcpy(ogm.originator, own_address(n), 6);
	for (size_t i = 0; i < n->config.n_interfaces; i++) {
		if (n->is_down[i])
			continue;
		if (frame_begin(n, i, broadcast, &w) < 0)
			return;
		batwire_ogm_write(&w, &ogm);
		(void)frame_end(n, &w);
	}
}

void batnode_tick(struct batnode *n, uint64_t now_us)
{
	n->now_us = now_us;
	if (now_us >= n->elp_us) {
		send_elp(n);
		n->elp_us = now_us +
			    rng_jitter(n->rng, MS(n->config.elp_interval_ms), TIMER_JITTER_PERCENT);
	}
	if (now_us >= n->ogm_us) {
		send_ogm(n);
		n->ogm_us = now_us +
			    rng_jitter(n->rng, MS(n->config.ogm_interval_ms), TIMER_JITTER_PERCENT);
	}
	if (now_us >= n->purge_us) {
		routes_purge(n);
		n->purge_us = now_us + PURGE_US;
	}
}

uint64_t batnode_deadline_us(const struct batnode *n)
{
	return min_u64(n->purge_us, min_u64(n->elp_us, n->ogm_us));
}

void batnode_set_link(struct batnode *n, size_t interface, bool is_up, uint64_t now_us)
{
	if (interface >= n->config.n_interfaces || n->is_down[interface] == !is_up)
		return;
	n->now_us = now_us;
	n->is_down[interface] = !is_up;
	if (!is_up)
		interface_forget(n, interface);
	else
		n->elp_us = n->ogm_us = now_us; /* let itself be known at once */
}

/* ---- in ---- */

static int icmp_input(struct batnode *n, struct span packet)
{
	struct batwire_icmp icmp;
	const struct originator *back;
	struct writer w;
	int r = batwire_icmp_read(packet, &icmp);

	if (r < 0)
		return r;
	if (memcmp(icmp.to, own_address(n), 6) != 0 || icmp.kind != BATWIRE_ECHO_REQUEST)
		return -EPROTO;
	back = originator_find(n, icmp.from);
	if (!back || !back->best)
		return -EAGAIN;
	if (icmp.has_records && icmp.n_records < BATWIRE_RECORDS_MAX)
		memcpy(icmp.records[icmp.n_records++], own_address(n), 6);
	icmp.kind = BATWIRE_ECHO_REPLY;
	icmp.ttl = BATWIRE_TTL;
	memcpy(icmp.to, icmp.from, 6);
	memcpy(icmp.from, own_address(n), 6);
	r = frame_begin(n, back->best->interface, back->best->neighbour, &w);
	if (r < 0)
		return r;
	batwire_icmp_write(&w, &icmp);
	return frame_end(n, &w);
}

/* True once for each broadcast of an originator; those too old to tell count as seen. */
static bool is_new_broadcast(struct originator *o, uint32_t seqno)
{
	int32_t ahead = (int32_t)(seqno - o->bcast_seqno);

	if (!o->has_bcast || ahead <= -OGM_MAX_AGE * 16 || ahead >= 64) {
		o->has_bcast = true;
		o->bcast_seqno = seqno;
		o->bcast_seen = 1;
		return true;
	}
	if (ahead > 0) {
		o->bcast_seen = o->bcast_seen << ahead | 1;
		o->bcast_seqno = seqno;
		return true;
	}
	if (ahead <= -64 || o->bcast_seen >> -ahead & 1)
		return false;
	o->bcast_seen |= UINT64_C(1) << -ahead;
	return true;
}

static int data_input(struct batnode *n, struct span packet)
{
	struct batwire_data data;
	struct originator *from;
	int r = batwire_data_read(packet, &data);

	if (r < 0)
		return r;
	if (data.type == BATWIRE_BCAST) {
		if (memcmp(data.from, own_address(n), 6) == 0)
			return 0; /* our own, from a neighbour who repeats it */
		from = originator_find(n, data.from);
		if (!from)
			return -EPROTO;
		return is_new_broadcast(from, data.seqno) ? deliver(n, data.frame) : 0;
	}
	if (memcmp(data.to, own_address(n), 6) != 0 ||
	    (data.type == BATWIRE_UNICAST_4ADDR && data.subtype != BATWIRE_SUBTYPE_DATA))
		return -EPROTO;
	return deliver(n, data.frame);
}

int packet_input(struct batnode *n, size_t interface, struct span packet, bool is_whole)
{
	struct span joined;
	uint8_t type;
	int r = batwire_type(packet, &type);

	if (r < 0)
		return r;
	switch (type) {
	case BATWIRE_ICMP:
		return icmp_input(n, packet);
	case BATWIRE_UNICAST:
	case BATWIRE_UNICAST_4ADDR:
	case BATWIRE_BCAST:
		return data_input(n, packet);
	case BATWIRE_UNICAST_TVLV:
		return tvlv_input(n, packet);
	case BATWIRE_FRAGMENT:
		if (!is_whole)
			return -EPROTO; /* a fragment of fragments is nobody's */
		r = fragment_input(n, packet, &joined);
		return r > 0 ? packet_input(n, interface, joined, false) : r;
	default:
		return -EPROTO;
	}
}

int batnode_input(struct batnode *n, size_t interface, struct span frame, uint64_t now_us)
{
	struct span packet;
	const uint8_t *from;
	uint8_t type;
	int r;

	n->now_us = now_us;
	if (interface >= n->config.n_interfaces)
		return -EINVAL;
	if (n->is_down[interface])
		return -ENETDOWN;
	if (frame.len < ETHERNET_LEN || load_u16(frame.at + 12) != BATWIRE_ETHERTYPE)
		return -EBADMSG;
	from = frame.at + 6;
	if (is_group(from) || memcmp(from, n->config.interfaces[interface].address, 6) == 0)
		return -EPROTO;
	if (!is_group(frame.at) &&
	    memcmp(frame.at, n->config.interfaces[interface].address, 6) != 0)
		return -EPROTO; /* for another machine: the interface hears all */
	packet = SPAN(frame.at + ETHERNET_LEN, frame.len - ETHERNET_LEN);
	r = batwire_type(packet, &type);
	if (r < 0)
		return r;
	if (type == BATWIRE_ELP)
		return elp_input(n, interface, from, packet);
	if (type == BATWIRE_OGM2)
		return ogm_input(n, interface, from, packet);
	return packet_input(n, interface, packet, true);
}

/* ---- our client's ---- */

static int send_broadcast(struct batnode *n, struct span frame)
{
	struct batwire_data data = {
		.type = BATWIRE_BCAST, .ttl = BATWIRE_TTL, .seqno = n->bcast_seqno++, .frame = frame
	};
	struct writer w;
	int r = 0;

	memcpy(data.from, own_address(n), 6);
	for (size_t i = 0; r == 0 && i < n->config.n_interfaces; i++) {
		if (n->is_down[i])
			continue;
		r = frame_begin(n, i, broadcast, &w);
		if (r < 0)
			return r;
		batwire_data_write(&w, &data);
		r = frame_end(n, &w);
	}
	return r;
}

int batnode_output(struct batnode *n, struct span frame, uint64_t now_us)
{
	struct batwire_data data = { .type = BATWIRE_UNICAST, .ttl = BATWIRE_TTL, .frame = frame };
	const struct originator *to;
	struct writer w;
	int r;

	n->now_us = now_us;
	if (frame.len < ETHERNET_LEN)
		return -EBADMSG;
	if (is_group(frame.at))
		return send_broadcast(n, frame);
	to = client_find(n, frame.at, 0);
	if (!to || !to->best)
		return -EHOSTUNREACH;
	memcpy(data.to, to->address, 6);
	data.tt_version = to->tt_version;
	r = frame_begin(n, to->best->interface, to->best->neighbour, &w);
	if (r < 0)
		return r;
	batwire_data_write(&w, &data);
	return frame_end(n, &w);
}
