/* SPDX-License-Identifier: Apache-2.0 */
/* Networks behind nodes and IPv4 addresses inside (docs/routes.md). A node's routing entry hints
 * that it offers something; what, it says itself, inside a session; what of that is accepted,
 * policy says. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "core/node/networks_internal.h"

#define SETTLE_US MS(20)	/* changes of routes are looked at together */
#define SETTLE_EACH_US 10	/* and this much later for each destination */
#define ASK_AGAIN_US SECONDS(1) /* then doubling */
#define ASK_AGAIN_MAX_US SECONDS(60)
#define IPV4_HINT_LEN 6 /* prefix 4, its length 1, choice 1 */
#define OFFERS_HINT_LEN 8
/* Hints come by relays, who may have made them up: of the table they get a half, and there a node
 * that did not answer for so long gives way to another. */
#define UNHEARD_MAX (NODE_OFFERERS_MAX / 2)
#define UNHEARD_WAIT_US SECONDS(8) /* to the next question: the fourth */
#define REVIEW_AGAIN_US SECONDS(1) /* while there are more than there is room for */
#define KEEP_FACTOR 2		   /* the node in use stays until another is this much nearer */

/* ---- bytes ---- */

size_t offers_encode(const struct prefix *list, size_t n, uint8_t ret[OFFERS_LEN_MAX])
{
	struct writer w = writer_of(ret, OFFERS_LEN_MAX);

	write_u8(&w, OFFERS_VERSION);
	write_u8(&w, (uint8_t)n);
	for (size_t i = 0; i < n; i++) {
		write_u8(&w, list[i].len);
		write_bytes(&w, list[i].ip, sizeof(list[i].ip));
	}
	assert(!w.overrun);
	return w.len;
}

static bool has_host_bits(const struct prefix *p)
{
	for (unsigned bit = p->len; bit < 128; bit++)
		if (p->ip[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

int offers_decode(struct span body, struct prefix ret[NODE_OFFERS_MAX], size_t *ret_n)
{
	struct reader r = reader_of(body);
	uint8_t version = read_u8(&r);
	size_t n = read_u8(&r);

	if (r.overrun || version != OFFERS_VERSION || n > NODE_OFFERS_MAX || r.left != 17 * n)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		ret[i].len = read_u8(&r);
		read_copy(&r, ret[i].ip, sizeof(ret[i].ip));
		if (ret[i].len > 128 || has_host_bits(&ret[i]))
			return -EBADMSG;
	}
	*ret_n = n;
	return 0;
}

static uint64_t digest_of(struct span body)
{
	static const uint8_t key[16] = "x0 offers digest";

	return siphash64(key, &body, 1);
}

/* ---- ours ---- */

static int take_offers(struct networks *w, const struct prefix *offers, size_t n)
{
	struct prefix_table *own;
	int r = prefix_table_new(&own);

	if (r < 0)
		return r;
	n = min_u64(n, NODE_OFFERS_MAX);
	for (size_t i = 0; i < n; i++)
		if (!prefix_fault(&offers[i]))
			(void)prefix_table_add(own, &offers[i], 1);
	prefix_table_sort(own);
	w->config.n_offers = 0;
	for (size_t i = 0; i < prefix_table_count(own); i++)
		w->config.offers[w->config.n_offers++] = prefix_table_at(own, i)->prefix;
	prefix_table_free(w->own);
	w->own = own;
	return 0;
}

int networks_new(const struct node_networks *config, struct networks **ret)
{
	struct networks *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->due_us = w->again_us = NEVER_US;
	w->config.has_ipv4 = config->has_ipv4;
	w->config.ipv4 = config->ipv4;
	r = take_offers(w, config->offers, config->n_offers);
	if (r == 0)
		r = prefix_table_new(&w->accepted);
	if (r < 0) {
		networks_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void networks_free(struct networks *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_offerers; i++)
		free(w->offerers[i]);
	prefix_table_free(w->own);
	prefix_table_free(w->accepted);
	free(w->claims);
	free(w);
}

/* Says with our routing entry which address we take and that we offer something. */
static void announce(struct node *n)
{
	struct networks *w = n->networks;
	uint8_t hints[2 + IPV4_HINT_LEN + 2 + OFFERS_HINT_LEN];
	uint8_t body[OFFERS_LEN_MAX];
	struct writer h = writer_of(hints, sizeof(hints));

	if (w->config.has_ipv4 && w->choice < PREFIX_IPV4_CHOICES) {
		write_u8(&h, ROUTE_ATTRIBUTE_IPV4);
		write_u8(&h, IPV4_HINT_LEN);
		write_bytes(&h, w->config.ipv4.ip + 12, 4);
		write_u8(&h, (uint8_t)(w->config.ipv4.len - PREFIX_IPV4_LEN));
		write_u8(&h, (uint8_t)w->choice);
	}
	if (w->config.n_offers > 0) {
		size_t len = offers_encode(w->config.offers, w->config.n_offers, body);

		write_u8(&h, ROUTE_ATTRIBUTE_OFFERS);
		write_u8(&h, OFFERS_HINT_LEN);
		write_u64(&h, digest_of(SPAN(body, len)));
	}
	(void)routes_set_attributes(n->routes, SPAN(hints, h.len), n->now_us);
}

void networks_begin(struct node *n)
{
	struct networks *w = n->networks;

	if (w->config.has_ipv4)
		prefix_ipv4_of(&w->config.ipv4, n->self, w->choice, w->address);
	if (w->config.has_ipv4 || w->config.n_offers > 0)
		announce(n);
}

/* ---- asking and answering ---- */

static void send_service(struct node *n, struct peer *p, enum wire_service service,
			 struct span body)
{
	struct wire_service_message m = { .service = (uint16_t)service, .body = body };
	uint8_t plaintext[OFFERS_LEN_MAX + 8];
	int len = wire_service_encode(&m, plaintext, sizeof(plaintext));

	if (len < 0)
		return;
	if (path_send(n, p, CLASS_INTERACTIVE, SPAN(plaintext, (size_t)len)) == -EAGAIN &&
	    service == SERVICE_OFFERS_ASK)
		peer_wait(n, p, CLASS_INTERACTIVE, SPAN(plaintext, (size_t)len));
}

void networks_asked(struct node *n, struct peer *p)
{
	const struct networks *w = n->networks;
	uint8_t body[OFFERS_LEN_MAX];
	size_t len = offers_encode(w->config.offers, w->config.n_offers, body);

	send_service(n, p, SERVICE_OFFERS, SPAN(body, len));
}

static struct offerer *offerer_of(const struct networks *w, uint64_t id)
{
	for (size_t i = 0; i < w->n_offerers; i++)
		if (w->offerers[i]->id == id)
			return w->offerers[i];
	return NULL;
}

/* Only what we asked for: of nodes that hint. */
void networks_told(struct node *n, struct peer *p, struct span body)
{
	struct offerer *o = offerer_of(n->networks, p->id);
	struct prefix list[NODE_OFFERS_MAX];
	size_t n_list;

	if (offers_decode(body, list, &n_list) < 0) {
		n->counters.malformed++;
		return;
	}
	if (!o)
		return;
	memcpy(o->list, list, n_list * sizeof(list[0]));
	o->n = n_list;
	n->networks->n_unheard -= !o->has_told;
	o->has_told = true;
	o->told = digest_of(body);
	memcpy(o->spiffe_id, p->spiffe_id, sizeof(o->spiffe_id));
	networks_dirty(n);
}

bool networks_is_awaited(const struct offerer *o)
{
	return !o->has_told || o->told != o->hint;
}

static void ask(struct node *n, struct offerer *o)
{
	struct peer *p = peer_make(n, o->id);

	o->ask_us = n->now_us + o->wait_us;
	o->wait_us = min_u64(2 * o->wait_us, ASK_AGAIN_MAX_US);
	if (p)
		send_service(n, p, SERVICE_OFFERS_ASK, (struct span){ 0 });
}

/* ---- what routes hint ---- */

static bool is_given_up(const struct offerer *o)
{
	return !o->has_told && o->wait_us > UNHEARD_WAIT_US;
}

/* NULL: there is no room for another. Once there is none, it is not looked for again in a walk. */
static struct offerer *offerer_new(struct networks *w)
{
	struct offerer *o = NULL;

	if (w->n_left_out > 0)
		return NULL;
	if (w->n_offerers < NODE_OFFERERS_MAX && w->n_unheard < UNHEARD_MAX) {
		o = calloc(1, sizeof(*o));
		if (o) {
			w->offerers[w->n_offerers++] = o;
			w->n_unheard++;
		}
		return o;
	}
	for (size_t i = 0; i < w->n_offerers && !o; i++)
		if (is_given_up(w->offerers[i]))
			o = w->offerers[i];
	if (o)
		*o = (struct offerer){ 0 };
	return o;
}

/* Where in the routing table it is: at. */
static void hint_offers(struct node *n, size_t at, uint64_t id, struct span value)
{
	struct networks *w = n->networks;
	struct offerer *o = offerer_of(w, id);
	uint64_t hint;

	if (value.len != OFFERS_HINT_LEN)
		return;
	hint = load_u64(value.at);
	if (!o) {
		o = offerer_new(w);
		if (!o) {
			if (w->n_left_out++ == 0)
				w->turn = at - 1; /* the first one of the next walk */
			return;
		}
		o->id = id;
		o->hint = ~hint;
	}
	o->is_seen = true;
	if (o->hint != hint) {
		o->hint = hint;
		o->wait_us = ASK_AGAIN_US;
		/* a hint that changes all the time costs a question a second */
		o->ask_us = max_u64(o->ask_us, n->now_us);
	}
}

static void add_claim(struct networks *w, const struct claim *c)
{
	if (w->n_claims == w->claims_size) {
		size_t size = w->claims_size ? 2 * w->claims_size : 16;
		struct claim *claims = realloc(w->claims, size * sizeof(*claims));

		if (!claims)
			return;
		w->claims = claims;
		w->claims_size = size;
	}
	w->claims[w->n_claims++] = *c;
}

static void hint_ipv4(struct node *n, uint64_t id, struct span value)
{
	struct networks *w = n->networks;
	struct claim c = { .id = id };

	if (value.len != IPV4_HINT_LEN || !w->config.has_ipv4)
		return;
	if (memcmp(value.at, w->config.ipv4.ip + 12, 4) != 0 ||
	    value.at[4] + PREFIX_IPV4_LEN != w->config.ipv4.len) {
		w->stranger = id;
		return;
	}
	if (value.at[5] >= PREFIX_IPV4_CHOICES)
		return;
	c.choice = value.at[5];
	prefix_ipv4_of(&w->config.ipv4, id, c.choice, c.address);
	add_claim(w, &c);
}

/* Those that no longer offer, or are forgotten; who is out of reach may come back. */
static void drop_offerers(struct node *n)
{
	struct networks *w = n->networks;
	size_t kept = 0;

	w->n_unheard = 0;
	for (size_t i = 0; i < w->n_offerers; i++) {
		struct offerer *o = w->offerers[i];
		struct route route;
		bool is_away = !o->is_seen && routes_lookup(n->routes, o->id, &route) &&
			       route.next_hop == 0;

		if (o->is_seen || is_away) {
			w->offerers[kept++] = o;
			w->n_unheard += !o->has_told;
		} else {
			free(o);
		}
	}
	w->n_offerers = kept;
}

/* From behind one place of the routing table to another. */
static void walk_part(struct node *n, size_t cursor, size_t last)
{
	struct route route;

	while (routes_next(n->routes, &cursor, &route) && cursor <= last) {
		if (!route.next_hop)
			continue;
		hint_offers(n, cursor, route.destination,
			    routes_attribute(n->routes, route.destination, ROUTE_ATTRIBUTE_OFFERS));
		hint_ipv4(n, route.destination,
			  routes_attribute(n->routes, route.destination, ROUTE_ATTRIBUTE_IPV4));
	}
}

static void walk_routes(struct node *n)
{
	struct networks *w = n->networks;
	size_t turn = w->turn;

	for (size_t i = 0; i < w->n_offerers; i++)
		w->offerers[i]->is_seen = false;
	w->n_claims = 0;
	w->stranger = 0;
	w->n_left_out = 0;
	walk_part(n, turn, SIZE_MAX);
	walk_part(n, 0, turn);
	w->n_claims = claims_settle(w->claims, w->n_claims);
	drop_offerers(n);
}

/* ---- what is accepted ---- */

const char *networks_why_not(const struct node *n, const struct offerer *o, const struct prefix *p,
			     bool *ret_is_choice, char reason[POLICY_REASON_SIZE])
{
	const struct networks *w = n->networks;
	struct prefix overlay = { .len = OVERLAY_PREFIX_BITS };
	struct policy_reason because;
	char text[PREFIX_TEXT_SIZE];

	*ret_is_choice = false;
	memcpy(overlay.ip, n->address, OVERLAY_PREFIX_BITS / 8);
	if (prefix_fault(p))
		return prefix_fault(p);
	if (!prefix_is_default(p) && (prefix_overlaps(p, &overlay) ||
				      (w->config.has_ipv4 && prefix_overlaps(p, &w->config.ipv4))))
		return "has addresses of the mesh itself inside";
	if (prefix_is_ipv4(p) && !w->config.has_ipv4)
		return "there is no IPv4 inside here; set ipv4.prefix";
	if (prefix_table_exactly(w->own, p))
		return "this node offers it too";
	prefix_format(p, text);
	if (policy_decide(n->policy, o->spiffe_id, POLICY_PREFIX, text, &because) != POLICY_ALLOW) {
		memcpy(reason, because.text, POLICY_REASON_SIZE);
		return reason;
	}
	if (prefix_is_exit(p) && w->exit != o->id && w->exit != NODE_EXIT_ANY) {
		*ret_is_choice = true;
		return prefix_is_default(p)
			       ? "not in use: x0 exit use NAME"
			       : "as short as an exit, so used with one only: x0 exit use NAME";
	}
	return NULL;
}

uint32_t networks_metric_to(const struct node *n, uint64_t id)
{
	struct route route;

	if (!routes_lookup(n->routes, id, &route) || !route.next_hop)
		return ROUTE_METRIC_INFINITY;
	return route.metric;
}

/* The nearest, then the lowest id; whoever it was before stays until another is much nearer, for
 * connections through an exit end when it changes. */
static uint64_t choose_via(const struct node *n, const struct prefix_entry *e, uint64_t before)
{
	uint32_t best_metric = ROUTE_METRIC_INFINITY;
	uint64_t best = 0;

	for (unsigned i = 0; i < e->n_nodes; i++) {
		uint32_t metric = networks_metric_to(n, e->nodes[i]);

		if (metric < best_metric || (metric == best_metric && best && e->nodes[i] < best)) {
			best = e->nodes[i];
			best_metric = metric;
		}
	}
	if (best && before && prefix_entry_has(e, before) &&
	    networks_metric_to(n, before) / KEEP_FACTOR <= best_metric &&
	    networks_metric_to(n, before) < ROUTE_METRIC_INFINITY)
		return before;
	return best;
}

static bool same_table(struct prefix_table *a, struct prefix_table *b)
{
	if (prefix_table_count(a) != prefix_table_count(b))
		return false;
	for (size_t i = 0; i < prefix_table_count(a); i++) {
		const struct prefix_entry *x = prefix_table_at(a, i), *y = prefix_table_at(b, i);

		if (!prefix_equal(&x->prefix, &y->prefix) || x->via != y->via)
			return false;
	}
	return true;
}

/* True when something changed. */
static bool rebuild(struct node *n)
{
	struct networks *w = n->networks;
	char reason[POLICY_REASON_SIZE];
	struct prefix_table *t;
	bool is_choice, is_same;

	if (prefix_table_new(&t) < 0)
		return false;
	for (size_t i = 0; i < w->n_offerers; i++)
		for (size_t j = 0; j < w->offerers[i]->n; j++)
			if (!networks_why_not(n, w->offerers[i], &w->offerers[i]->list[j],
					      &is_choice, reason))
				(void)prefix_table_add(t, &w->offerers[i]->list[j],
						       w->offerers[i]->id);
	prefix_table_sort(t);
	for (size_t i = 0; i < prefix_table_count(t); i++) {
		struct prefix_entry *e = prefix_table_at(t, i);
		const struct prefix_entry *old = prefix_table_exactly(w->accepted, &e->prefix);

		e->via = choose_via(n, e, old ? old->via : 0);
	}
	is_same = same_table(t, w->accepted);
	prefix_table_free(w->accepted);
	w->accepted = t;
	return !is_same;
}

/* True when our address changed. */
static bool review_address(struct node *n)
{
	struct networks *w = n->networks;
	unsigned choice;

	if (!w->config.has_ipv4)
		return false;
	choice = claims_choose(w->claims, w->n_claims, &w->config.ipv4, n->self, w->choice);
	if (choice == w->choice)
		return false;
	w->choice = choice;
	if (choice < PREFIX_IPV4_CHOICES)
		prefix_ipv4_of(&w->config.ipv4, n->self, choice, w->address);
	announce(n);
	return true;
}

static void review(struct node *n)
{
	bool is_news;

	n->networks->due_us = NEVER_US;
	n->networks->n_changes = routes_changes(n->routes);
	walk_routes(n);
	is_news = review_address(n);
	is_news |= rebuild(n);
	n->networks->again_us =
		n->networks->n_left_out > 0 ? n->now_us + REVIEW_AGAIN_US : NEVER_US;
	if (is_news)
		(void)node_event(n, EVENT_NETWORKS, n->self);
}

/* ---- time ---- */

void networks_dirty(struct node *n)
{
	struct networks *w = n->networks;

	if (w->due_us == NEVER_US)
		w->due_us =
			n->now_us + SETTLE_US + SETTLE_EACH_US * routes_count_reachable(n->routes);
}

void networks_notice(struct node *n)
{
	if (n->networks->n_changes != routes_changes(n->routes))
		networks_dirty(n);
}

void networks_tick(struct node *n)
{
	struct networks *w = n->networks;

	if (n->now_us >= min_u64(w->due_us, w->again_us))
		review(n);
	for (size_t i = 0; i < w->n_offerers; i++)
		if (networks_is_awaited(w->offerers[i]) && n->now_us >= w->offerers[i]->ask_us)
			ask(n, w->offerers[i]);
}

uint64_t networks_deadline_us(const struct node *n)
{
	const struct networks *w = n->networks;
	uint64_t at = min_u64(w->due_us, w->again_us);

	for (size_t i = 0; i < w->n_offerers; i++)
		if (networks_is_awaited(w->offerers[i]))
			at = min_u64(at, w->offerers[i]->ask_us);
	return at;
}

/* ---- commands ---- */

void node_set_offers(struct node *n, const struct prefix *offers, size_t n_offers, uint64_t now_us)
{
	n->now_us = now_us;
	if (take_offers(n->networks, offers, n_offers) < 0)
		return;
	carried_forget_flows(n); /* those to what is no longer offered too */
	announce(n);
	networks_dirty(n);
	node_pump(n);
}

void node_set_exit(struct node *n, uint64_t id, uint64_t now_us)
{
	n->now_us = now_us;
	n->networks->exit = id;
	review(n); /* at once: the caller is about to look */
	node_pump(n);
}
