/* SPDX-License-Identifier: Apache-2.0 */
/* When beacons are sent, which are answered, and what an answer leads to. */
#include "core/discover/discover.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"

#define ANSWER_SPREAD_US MS(50) /* so that not all who heard one hello answer at once */
#define ANSWER_SPREAD_EACH_US MS(2)

/* Beacons opened last, by their filters, which only members can choose: recorded ones shall not use
 * up what may be decrypted. */
#define SEEN_SETS 256
#define SEEN_WAYS 4

struct interface {
	uint32_t index; /* 0: free */
	bool has_ipv4, has_ipv6;
	uint64_t next_us;
	uint64_t interval_us;
	/* Those of the last hello and the one before, for answers under way. */
	uint8_t challenge[2][BEACON_CHALLENGE_LEN];
	uint64_t challenge_us[2]; /* when it was made */
};

struct heard {
	struct discover_heard is; /* node_id 0: free */
	uint32_t boot_epoch;
	uint32_t counter;
	uint64_t answer_us; /* the next may be given from then on */
	uint64_t meet_us;   /* the next handshake may begin from then on */
	uint64_t wait_us;
};

struct answer {
	uint32_t interface; /* 0: free */
	struct endpoint to;
	uint64_t node_id;
	uint32_t boot_epoch;
	uint8_t challenge[BEACON_CHALLENGE_LEN];
	size_t key;
	uint64_t due_us;
};

/* So many a second, and up to twice of that at once. */
struct allowance {
	uint64_t at_us;
	uint64_t left; /* in millionths */
};

struct discover {
	struct discover_config config;
	struct rng rng;
	uint8_t network_keys[DISCOVER_KEYS_MAX][NETWORK_KEY_LEN];
	struct beacon_keys keys[DISCOVER_KEYS_MAX];
	size_t n_keys;
	uint32_t counter;
	uint64_t hastened_us;
	struct interface interfaces[DISCOVER_INTERFACES_MAX];
	struct heard heard[DISCOVER_HEARD_MAX];
	size_t n_heard;
	struct answer answers[DISCOVER_ANSWERS_MAX];
	struct allowance opens, meets;
	uint64_t seen[SEEN_SETS][SEEN_WAYS]; /* the newest first; 0: free */
	struct discover_action actions[DISCOVER_ACTIONS_MAX];
	size_t first_action, n_actions;
	struct discover_counters counters;
};

int discover_new(const struct discover_config *config, struct discover **ret)
{
	struct discover *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->config = *config;
	rng_seed(&d->rng, config->seed);
	*ret = d;
	return 0;
}

void discover_free(struct discover *d)
{
	if (!d)
		return;
	bytes_wipe(d, sizeof(*d));
	free(d);
}

void discover_set_keys(struct discover *d, const uint8_t (*keys)[NETWORK_KEY_LEN], size_t n)
{
	if (n > DISCOVER_KEYS_MAX)
		n = DISCOVER_KEYS_MAX;
	if (n == d->n_keys && bytes_equal_ct(keys[0], d->network_keys[0], n * NETWORK_KEY_LEN))
		return;
	bytes_wipe(d->network_keys, sizeof(d->network_keys));
	bytes_wipe(d->keys, sizeof(d->keys));
	for (size_t i = 0; i < n; i++) {
		memcpy(d->network_keys[i], keys[i], NETWORK_KEY_LEN);
		beacon_keys_derive(d->config.ops, keys[i], &d->keys[i]);
	}
	d->n_keys = n;
	memset(d->answers, 0, sizeof(d->answers)); /* each names a key by its place */
}

static bool take(struct allowance *a, uint64_t per_s, uint64_t now_us)
{
	uint64_t most = 2 * per_s * US_PER_S;
	uint64_t passed_us = min_u64(now_us - min_u64(now_us, a->at_us), SECONDS(2));

	a->left = min_u64(a->left + passed_us * per_s, most);
	a->at_us = now_us;
	if (a->left < US_PER_S)
		return false;
	a->left -= US_PER_S;
	return true;
}

/* ---- interfaces ---- */

static struct interface *interface_at(struct discover *d, uint32_t index)
{
	for (size_t i = 0; i < DISCOVER_INTERFACES_MAX; i++)
		if (d->interfaces[i].index == index)
			return &d->interfaces[i];
	return NULL;
}

static void begin_anew(struct discover *d, struct interface *i, uint64_t now_us)
{
	i->interval_us = DISCOVER_INTERVAL_MIN_US;
	i->next_us = now_us + rng_jitter(&d->rng, DISCOVER_FIRST_US, 50);
}

int discover_interface_add(struct discover *d, uint32_t index, bool has_ipv4, bool has_ipv6,
			   uint64_t now_us)
{
	struct interface *i = interface_at(d, index);

	has_ipv4 = has_ipv4 && d->config.port_ipv4 != 0;
	has_ipv6 = has_ipv6 && d->config.port_ipv6 != 0;
	if (i && i->has_ipv4 == has_ipv4 && i->has_ipv6 == has_ipv6)
		return 0;
	if (!i)
		i = interface_at(d, 0);
	if (!i)
		return -ENOBUFS;
	if (i->index == 0)
		*i = (struct interface){ .index = index };
	i->has_ipv4 = has_ipv4;
	i->has_ipv6 = has_ipv6;
	begin_anew(d, i, now_us);
	return 0;
}

void discover_interface_remove(struct discover *d, uint32_t index)
{
	struct interface *i = index ? interface_at(d, index) : NULL;

	if (!i)
		return;
	*i = (struct interface){ .index = 0 };
	for (size_t k = 0; k < DISCOVER_ANSWERS_MAX; k++)
		if (d->answers[k].interface == index)
			d->answers[k].interface = 0;
}

void discover_hasten(struct discover *d, uint64_t now_us)
{
	if (d->hastened_us != 0 && now_us < d->hastened_us + DISCOVER_HASTEN_US)
		return;
	d->hastened_us = now_us;
	for (size_t i = 0; i < DISCOVER_INTERFACES_MAX; i++)
		if (d->interfaces[i].index != 0)
			begin_anew(d, &d->interfaces[i], now_us);
}

/* ---- sending ---- */

static struct discover_action *act(struct discover *d, enum discover_action_type type,
				   uint32_t interface)
{
	struct discover_action *a;

	if (d->n_actions == DISCOVER_ACTIONS_MAX) {
		d->counters.limited++;
		return NULL;
	}
	a = &d->actions[(d->first_action + d->n_actions) % DISCOVER_ACTIONS_MAX];
	*a = (struct discover_action){ .type = type, .interface = interface };
	d->n_actions++;
	return a;
}

bool discover_next_action(struct discover *d, struct discover_action *ret)
{
	if (d->n_actions == 0)
		return false;
	*ret = d->actions[d->first_action];
	d->first_action = (d->first_action + 1) % DISCOVER_ACTIONS_MAX;
	d->n_actions--;
	return true;
}

/* What is not sealed for want of memory is as if the network had lost it. */
static bool seal(struct discover *d, size_t key, enum beacon_type type, bool is_ipv4,
		 const uint8_t challenge[BEACON_CHALLENGE_LEN], struct discover_action *a)
{
	uint8_t salt[BEACON_SALT_LEN];
	struct beacon b = {
		.type = type,
		.port = is_ipv4 ? d->config.port_ipv4 : d->config.port_ipv6,
		.boot_epoch = d->config.boot_epoch,
		.counter = ++d->counter,
		.node_id = d->config.self,
	};

	memcpy(b.challenge, challenge, sizeof(b.challenge));
	entropy_fill(&d->config.entropy, salt, sizeof(salt));
	if (beacon_seal(d->config.ops, &d->keys[key], salt, &b, a->data) == 0)
		return true;
	d->n_actions--; /* it is the last one */
	return false;
}

static void send_hello(struct discover *d, const struct interface *i, bool is_ipv4)
{
	struct discover_action *a = act(d, DISCOVER_SEND_ALL, i->index);

	if (!a)
		return;
	a->is_ipv4 = is_ipv4;
	if (seal(d, 0, BEACON_HELLO, is_ipv4, i->challenge[0], a))
		d->counters.hellos_sent++;
}

static void hello(struct discover *d, struct interface *i, uint64_t now_us)
{
	memcpy(i->challenge[1], i->challenge[0], BEACON_CHALLENGE_LEN);
	i->challenge_us[1] = i->challenge_us[0];
	entropy_fill(&d->config.entropy, i->challenge[0], BEACON_CHALLENGE_LEN);
	i->challenge_us[0] = now_us;
	if (i->has_ipv6)
		send_hello(d, i, false);
	if (i->has_ipv4)
		send_hello(d, i, true);
	i->next_us = now_us + rng_jitter(&d->rng, i->interval_us, DISCOVER_JITTER_PERCENT);
	i->interval_us = min_u64(2 * i->interval_us, DISCOVER_INTERVAL_MAX_US);
}

static void give_answer(struct discover *d, struct answer *w)
{
	struct discover_action *a;

	if (!d->config.is_linked(d->config.arg, w->node_id, w->boot_epoch)) {
		a = act(d, DISCOVER_SEND, w->interface);
		if (a)
			a->endpoint = w->to;
		if (a && seal(d, w->key, BEACON_ANSWER, endpoint_is_ipv4(&w->to), w->challenge, a))
			d->counters.answers_sent++;
	}
	w->interface = 0;
}

void discover_tick(struct discover *d, uint64_t now_us)
{
	for (size_t i = 0; i < DISCOVER_ANSWERS_MAX; i++)
		if (d->answers[i].interface != 0 && now_us >= d->answers[i].due_us)
			give_answer(d, &d->answers[i]);
	for (size_t i = 0; i < DISCOVER_INTERFACES_MAX && d->n_keys > 0; i++)
		if (d->interfaces[i].index != 0 && now_us >= d->interfaces[i].next_us)
			hello(d, &d->interfaces[i], now_us);
}

uint64_t discover_deadline_us(const struct discover *d)
{
	uint64_t at = NEVER_US;

	if (d->n_keys == 0)
		return NEVER_US;
	for (size_t i = 0; i < DISCOVER_ANSWERS_MAX; i++)
		if (d->answers[i].interface != 0)
			at = min_u64(at, d->answers[i].due_us);
	for (size_t i = 0; i < DISCOVER_INTERFACES_MAX; i++)
		if (d->interfaces[i].index != 0)
			at = min_u64(at, d->interfaces[i].next_us);
	return at;
}

/* ---- who was heard ---- */

static bool is_linked(const struct discover *d, const struct heard *h)
{
	return d->config.is_linked(d->config.arg, h->is.node_id, h->boot_epoch);
}

static struct heard *heard_get(struct discover *d, uint64_t node_id)
{
	for (size_t i = 0; i < d->n_heard; i++)
		if (d->heard[i].is.node_id == node_id)
			return &d->heard[i];
	return NULL;
}

/* Of a full table goes whoever has been silent for longest and is no neighbour. */
static struct heard *heard_make(struct discover *d, uint64_t node_id)
{
	struct heard *h = heard_get(d, node_id);

	if (h)
		return h;
	if (d->n_heard < DISCOVER_HEARD_MAX) {
		h = &d->heard[d->n_heard++];
	} else {
		for (size_t i = 0; i < d->n_heard; i++)
			if ((!h || d->heard[i].is.heard_us < h->is.heard_us) &&
			    !is_linked(d, &d->heard[i]))
				h = &d->heard[i];
	}
	if (h)
		*h = (struct heard){ .is.node_id = node_id, .wait_us = DISCOVER_MEET_MIN_US };
	return h;
}

static bool is_replay(const struct heard *h, const struct beacon *b)
{
	if (b->boot_epoch != h->boot_epoch)
		return b->boot_epoch < h->boot_epoch;
	return b->counter <= h->counter;
}

static struct heard *note(struct discover *d, uint32_t interface, const struct endpoint *from,
			  const struct beacon *b, uint64_t now_us)
{
	struct heard *h = heard_make(d, b->node_id);

	if (!h) {
		d->counters.limited++;
		return NULL;
	}
	h->boot_epoch = b->boot_epoch;
	h->counter = b->counter;
	h->is.heard_us = now_us;
	h->is.interface = interface;
	h->is.endpoint = *from;
	h->is.endpoint.port = b->port;
	if (is_linked(d, h))
		h->wait_us = DISCOVER_MEET_MIN_US;
	return h;
}

static void hello_heard(struct discover *d, uint32_t interface, const struct endpoint *from,
			const struct beacon *b, size_t key, uint64_t now_us)
{
	struct heard *h = note(d, interface, from, b, now_us);
	uint64_t spread_us = ANSWER_SPREAD_US + d->n_heard * ANSWER_SPREAD_EACH_US;
	struct answer *w = NULL;

	if (!h || is_linked(d, h))
		return;
	for (size_t i = 0; i < DISCOVER_ANSWERS_MAX && !w; i++)
		if (d->answers[i].interface == 0)
			w = &d->answers[i];
	if (!w || now_us < h->answer_us) {
		d->counters.limited += !w;
		return;
	}
	h->answer_us = now_us + DISCOVER_ANSWER_US;
	*w = (struct answer){
		.interface = interface,
		.to = *from,
		.node_id = b->node_id,
		.boot_epoch = b->boot_epoch,
		.key = key,
		.due_us = now_us + rng_below(&d->rng, spread_us),
	};
	memcpy(w->challenge, b->challenge, sizeof(w->challenge));
}

static bool is_our_challenge(const struct interface *i, const struct beacon *b, uint64_t now_us)
{
	for (unsigned k = 0; k < 2; k++)
		if (i->challenge_us[k] != 0 &&
		    now_us < i->challenge_us[k] + DISCOVER_CHALLENGE_US &&
		    bytes_equal_ct(i->challenge[k], b->challenge, BEACON_CHALLENGE_LEN))
			return true;
	return false;
}

/* Those under way count: whether they lead to a link is known when the next may begin. */
static size_t n_begun(const struct discover *d, uint64_t now_us)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_heard; i++)
		n += d->heard[i].is.is_begun &&
		     (now_us < d->heard[i].meet_us || is_linked(d, &d->heard[i]));
	return n;
}

static void answer_heard(struct discover *d, const struct interface *i, const struct endpoint *from,
			 const struct beacon *b, uint64_t now_us)
{
	struct discover_action *a;
	struct heard *h;

	if (!is_our_challenge(i, b, now_us)) {
		d->counters.replayed++;
		return;
	}
	h = note(d, i->index, from, b, now_us);
	if (!h || is_linked(d, h) || now_us < h->meet_us)
		return;
	if (n_begun(d, now_us) >= DISCOVER_BEGUN_MAX ||
	    !take(&d->meets, DISCOVER_MEETS_PER_S, now_us)) {
		d->counters.limited++;
		return;
	}
	a = act(d, DISCOVER_MEET, i->index);
	if (!a)
		return;
	a->endpoint = h->is.endpoint;
	a->node_id = b->node_id;
	h->is.is_begun = true;
	h->meet_us = now_us + h->wait_us;
	h->wait_us = min_u64(2 * h->wait_us, DISCOVER_MEET_MAX_US);
	d->counters.met++;
}

/* ---- hearing ---- */

/* Of this network: IPv6 link-local addresses say so themselves (RFC 4291 section 2.5.6); answers
 * go to no other port than that of beacons, whoever forges the source. */
static bool may_come_from(uint32_t interface, const struct endpoint *from)
{
	if (from->port != DISCOVER_PORT)
		return false;
	if (endpoint_is_ipv4(from))
		return from->ip[12] != 0 && from->ip[12] != 127 && from->ip[12] < 224;
	return endpoint_is_link_local(from) && from->scope == interface;
}

static uint64_t *seen_like(struct discover *d, uint64_t filter)
{
	return d->seen[filter % SEEN_SETS];
}

static bool was_seen(struct discover *d, uint64_t filter)
{
	const uint64_t *set = seen_like(d, filter);

	for (size_t i = 0; i < SEEN_WAYS; i++)
		if (set[i] == filter)
			return true;
	return false;
}

static void note_seen(struct discover *d, uint64_t filter)
{
	uint64_t *set = seen_like(d, filter);

	memmove(set + 1, set, (SEEN_WAYS - 1) * sizeof(set[0]));
	set[0] = filter;
}

static int open_beacon(struct discover *d, struct span datagram, uint64_t now_us,
		       struct beacon *ret, size_t *ret_key)
{
	uint64_t filter;
	int r;

	for (size_t k = 0; k < d->n_keys; k++) {
		if (!beacon_is_plausible(&d->keys[k], datagram))
			continue;
		filter = load_u64(datagram.at + BEACON_SALT_LEN);
		if (was_seen(d, filter))
			return -EALREADY;
		if (!take(&d->opens, DISCOVER_OPENED_PER_S, now_us))
			return -ENOBUFS;
		*ret_key = k;
		r = beacon_open(d->config.ops, &d->keys[k], datagram, ret);
		if (r == 0)
			note_seen(d, filter);
		return r;
	}
	return -EKEYREJECTED;
}

void discover_input(struct discover *d, uint32_t interface, const struct endpoint *from,
		    struct span datagram, uint64_t now_us)
{
	struct interface *i = interface ? interface_at(d, interface) : NULL;
	const struct heard *h;
	struct beacon b;
	size_t key = 0;
	int r;

	if (!i)
		return; /* it has just gone */
	r = open_beacon(d, datagram, now_us, &b, &key);
	if (r < 0) {
		d->counters.limited += r == -ENOBUFS;
		d->counters.malformed += r == -EPROTO;
		d->counters.replayed += r == -EALREADY;
		d->counters.forged += r != -ENOBUFS && r != -EPROTO && r != -EALREADY;
		return;
	}
	if (b.node_id == d->config.self)
		return; /* the kernel gives us our own, too */
	if (!may_come_from(interface, from)) {
		d->counters.malformed++;
		return;
	}
	h = heard_get(d, b.node_id);
	if (h && is_replay(h, &b)) {
		d->counters.replayed++;
		return;
	}
	d->counters.heard++;
	if (b.type == BEACON_HELLO)
		hello_heard(d, interface, from, &b, key, now_us);
	else
		answer_heard(d, i, from, &b, now_us);
}

/* ---- views ---- */

const struct discover_counters *discover_counters(const struct discover *d)
{
	return &d->counters;
}

size_t discover_interfaces(const struct discover *d, uint32_t ret[DISCOVER_INTERFACES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < DISCOVER_INTERFACES_MAX; i++)
		if (d->interfaces[i].index != 0)
			ret[n++] = d->interfaces[i].index;
	return n;
}

bool discover_next_heard(const struct discover *d, size_t *cursor, struct discover_heard *ret)
{
	if (*cursor >= d->n_heard)
		return false;
	*ret = d->heard[(*cursor)++].is;
	return true;
}
