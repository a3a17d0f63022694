/* SPDX-License-Identifier: Apache-2.0 */
/* Translation tables: ours to tell, and those of the others, kept in step by their checksums. */
#include <errno.h>
#include <string.h>

#include "core/batman/internal.h"

#define CHANGE_LEN 12
#define OWN_VERSION 1

/* ---- ours ---- */

void own_table(const struct batnode *n, uint8_t change[CHANGE_LEN], struct batwire_tt *ret)
{
	struct writer w = writer_of(change, CHANGE_LEN);
	struct batwire_tt_change client = { 0 };

	memcpy(client.address, n->config.client, 6);
	batwire_tt_change_write(&w, &client);
	*ret = (struct batwire_tt){ .version = OWN_VERSION,
				    .n_vlans = 1,
				    .changes = SPAN(change, CHANGE_LEN) };
	ret->vlans[0].crc = batwire_client_crc(&client);
}

static int send_tt(struct batnode *n, const struct originator *to, const struct batwire_tt *tt)
{
	struct batwire_unicast_tvlv u = { .ttl = BATWIRE_TTL };
	uint8_t container[BATWIRE_TVLV_LEN + 4 + 8 * BATWIRE_VLANS_MAX + CHANGE_LEN];
	struct writer t = writer_of(container, sizeof(container));
	struct writer w;
	int r;

	if (!to->best)
		return -EAGAIN;
	batwire_tt_write(&t, tt);
	u.tvlvs = SPAN(container, t.len);
	memcpy(u.to, to->address, 6);
	memcpy(u.from, own_address(n), 6);
	r = frame_begin(n, to->best->interface, to->best->neighbour, &w);
	if (r < 0)
		return r;
	batwire_unicast_tvlv_write(&w, &u);
	return frame_end(n, &w);
}

/* ---- theirs ---- */

static void key_of(const struct originator *o, const struct batwire_tt_change *c, uint8_t ret[14])
{
	memcpy(ret, c->address, 6);
	store_u16(ret + 6, c->vid);
	memcpy(ret + 8, o->address, 6);
}

/* The sum of a VLAN's clients; a free one where there is none yet; NULL where all are taken. */
static struct vlan_sum *sum_of(struct originator *o, uint16_t vid)
{
	struct vlan_sum *free_one = NULL;

	for (size_t i = 0; i < BATWIRE_VLANS_MAX; i++) {
		if (o->sums[i].n_clients > 0 && o->sums[i].vid == vid)
			return &o->sums[i];
		if (o->sums[i].n_clients == 0 && !free_one)
			free_one = &o->sums[i];
	}
	if (free_one)
		*free_one = (struct vlan_sum){ .vid = vid };
	return free_one;
}

static uint32_t crc_of(const struct client *c)
{
	struct batwire_tt_change change = { .flags = c->flags };

	memcpy(change.address, c->key, 6);
	change.vid = load_u16(c->key + 6);
	return batwire_client_crc(&change);
}

/* Another originator may announce the same client: it is the next to send to. */
static void choose_again(struct batnode *n, const uint8_t key[8])
{
	for (size_t i = 0; i < BATNODE_CLIENTS_MAX; i++) {
		struct client *c = &n->clients[i];

		if (c->is_used && memcmp(c->key, key, 8) == 0) {
			(void)map_put(n->by_client, key, c);
			return;
		}
	}
}

static void client_forget(struct batnode *n, struct client *c)
{
	struct vlan_sum *sum = sum_of(c->of, load_u16(c->key + 6));

	if (sum && sum->n_clients > 0) {
		sum->n_clients--;
		sum->crc ^= crc_of(c);
	}
	c->of->n_clients--;
	c->is_used = false;
	(void)map_remove(n->by_key, c->key);
	if (map_get(n->by_client, c->key) == c) {
		(void)map_remove(n->by_client, c->key);
		if (!is_group(c->key))
			choose_again(n, c->key);
	}
}

void clients_forget(struct batnode *n, struct originator *o)
{
	for (size_t i = 0; o->n_clients > 0 && i < BATNODE_CLIENTS_MAX; i++)
		if (n->clients[i].is_used && n->clients[i].of == o)
			client_forget(n, &n->clients[i]);
	o->has_table = false;
}

static struct client *client_room(struct batnode *n)
{
	for (size_t i = 0; i < BATNODE_CLIENTS_MAX; i++)
		if (!n->clients[i].is_used)
			return &n->clients[i];
	return NULL;
}

static void client_add(struct batnode *n, struct originator *o,
		       const struct batwire_tt_change *change, const uint8_t key[14])
{
	struct vlan_sum *sum = sum_of(o, change->vid);
	struct client *c = client_room(n);

	if (!sum || !c || map_put(n->by_key, key, c) < 0)
		return; /* the checksum will not agree, and the table is not in step */
	*c = (struct client){ .is_used = true, .flags = change->flags, .of = o };
	memcpy(c->key, key, sizeof(c->key));
	sum->n_clients++;
	sum->crc ^= crc_of(c);
	o->n_clients++;
	if (is_group(c->key))
		return;
	(void)map_remove(n->by_client, c->key); /* who announced it last has it: it roamed */
	(void)map_put(n->by_client, c->key, c);
}

static void apply(struct batnode *n, struct originator *o, const struct batwire_tt *tt)
{
	struct reader r = reader_of(tt->changes);
	struct batwire_tt_change change;
	uint8_t key[14];

	while (batwire_tt_change_next(&r, &change)) {
		struct client *c;

		key_of(o, &change, key);
		c = map_get(n->by_key, key);
		if (c)
			client_forget(n, c); /* its flags may differ now */
		if (!(change.flags & BATWIRE_CLIENT_DELETE))
			client_add(n, o, &change, key);
	}
	o->tt_version = tt->version;
}

static bool is_in_step(struct originator *o, const struct batwire_tt *tt)
{
	for (unsigned i = 0; i < tt->n_vlans; i++) {
		const struct vlan_sum *sum = sum_of(o, tt->vlans[i].vid);

		if (!sum || sum->crc != tt->vlans[i].crc)
			return false;
	}
	return true;
}

static void ask(struct batnode *n, struct originator *o, const struct batwire_tt *tt)
{
	struct batwire_tt request = *tt;

	if (o->asked_us > 0 && n->now_us - o->asked_us < TT_REQUEST_WAIT_US)
		return;
	request.flags = BATWIRE_TT_REQUEST | BATWIRE_TT_FULL_TABLE;
	request.changes = (struct span){ 0 };
	if (send_tt(n, o, &request) == 0)
		o->asked_us = n->now_us;
}

void tt_input(struct batnode *n, struct originator *o, const struct batwire_tt *tt)
{
	bool is_next =
		o->has_table ? (uint8_t)(tt->version - o->tt_version) == 1 : tt->version == 1;

	if (o->has_table && tt->version == o->tt_version && is_in_step(o, tt))
		return;
	if (is_next && (tt->changes.len > 0 || tt->version == 1)) {
		if (!o->has_table)
			clients_forget(n, o);
		apply(n, o, tt);
		o->has_table = is_in_step(o, tt);
		if (o->has_table)
			return;
	}
	ask(n, o, tt);
}

static void answer_input(struct batnode *n, struct originator *o, const struct batwire_tt *tt)
{
	if (tt->flags & BATWIRE_TT_FULL_TABLE)
		clients_forget(n, o);
	else if (!o->has_table)
		return;
	apply(n, o, tt);
	o->has_table = is_in_step(o, tt);
	o->asked_us = 0;
}

static void request_input(struct batnode *n, struct originator *o)
{
	uint8_t change[CHANGE_LEN];
	struct batwire_tt own;

	/* A packet has room for many requests, and who they are from is anybody's word. */
	if (n->now_us < o->answer_us)
		return;
	o->answer_us = n->now_us + TT_ANSWER_WAIT_US;
	own_table(n, change, &own);
	own.flags = BATWIRE_TT_RESPONSE | BATWIRE_TT_FULL_TABLE;
	(void)send_tt(n, o, &own);
}

int tvlv_input(struct batnode *n, struct span packet)
{
	struct batwire_unicast_tvlv u;
	struct batwire_tvlv tvlv;
	struct batwire_tt tt;
	struct originator *o;
	struct reader r;
	int error = batwire_unicast_tvlv_read(packet, &u);

	if (error < 0)
		return error;
	if (memcmp(u.to, own_address(n), 6) != 0)
		return -EPROTO;
	o = originator_find(n, u.from);
	if (!o)
		return -EAGAIN;
	r = reader_of(u.tvlvs);
	while ((error = batwire_tvlv_next(&r, &tvlv)) > 0) {
		if (tvlv.type != BATWIRE_TVLV_TT || tvlv.version != 1 ||
		    batwire_tt_read(tvlv.body, &tt) < 0)
			continue;
		if ((tt.flags & BATWIRE_TT_KIND_MASK) == BATWIRE_TT_REQUEST)
			request_input(n, o);
		else if ((tt.flags & BATWIRE_TT_KIND_MASK) == BATWIRE_TT_RESPONSE)
			answer_input(n, o, &tt);
	}
	return error;
}

/* ---- whose is it ---- */

struct originator *client_find(const struct batnode *n, const uint8_t address[6], uint16_t vid)
{
	const struct client *c;
	uint8_t key[8];

	memcpy(key, address, 6);
	store_u16(key + 6, vid);
	c = map_get(n->by_client, key);
	return c ? c->of : NULL;
}

bool batnode_client(const struct batnode *n, const uint8_t client[6], uint8_t ret_originator[6])
{
	const struct originator *o = client_find(n, client, 0);

	if (o)
		memcpy(ret_originator, o->address, 6);
	return o != NULL;
}
