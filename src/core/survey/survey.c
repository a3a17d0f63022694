/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asked and when, what they said, and who is told and when. */
#include "core/survey/survey.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/units.h"

/* A node that is asked. */
struct node {
	uint64_t id;
	bool is_wanted; /* it is among those that are reachable */
	uint64_t ask_us, wait_us;
	uint64_t told_us; /* 0: never */
	bool is_silent;	  /* as last counted in the version */
	enum survey_status status;
	uint32_t epoch, sequence; /* of the report in links */
	uint32_t uptime_s;
	char version[SURVEY_VERSION_SIZE];
	size_t n_all, n;
	struct survey_link *links;
	/* a report of several messages, under way */
	uint32_t coming_sequence;
	size_t n_coming; /* links that it will have */
	unsigned parts;	 /* a bit for each that came */
	struct survey_link *coming;
};

/* A node that is told. */
struct watcher {
	uint64_t id;
	uint64_t until_us;
	uint64_t due_us;
	uint64_t last_us; /* of the last report */
	unsigned n_again;
	bool is_refused; /* one message that says so is due, and then it is forgotten */
	enum survey_status status;
};

struct own_link {
	struct survey_link link;
	uint64_t sampled_us, sent_bytes, received_bytes; /* as of the last rate */
};

struct survey {
	uint64_t self;
	uint32_t epoch;
	char program[SURVEY_VERSION_SIZE];
	uint64_t start_us;
	uint64_t looked_until_us;
	uint64_t version;
	uint32_t sequence;
	bool is_all;
	size_t n_nodes;
	struct node nodes[SURVEY_NODES_MAX];
	size_t n_watchers;
	struct watcher watchers[SURVEY_WATCHERS_MAX];
	size_t n_all, n_own;
	struct own_link own[SURVEY_LINKS_MAX];
	struct survey_link told[SURVEY_LINKS_MAX]; /* own, for who reads them here */
	/* the report under way, and to whom */
	size_t telling; /* index of the watcher; SIZE_MAX: nobody */
	size_t next_part;
	uint64_t second_us;
	unsigned n_messages; /* in that second */
	unsigned n_refusals; /* of them */
};

int survey_new(uint64_t self, uint32_t epoch, const char *version, uint64_t start_us,
	       struct survey **ret)
{
	struct survey *s = calloc(1, sizeof(*s));
	size_t len = strnlen(version, SURVEY_VERSION_SIZE - 1);

	if (!s)
		return -ENOMEM;
	s->self = self;
	memcpy(s->program, version, len);
	s->start_us = start_us;
	s->epoch = epoch;
	s->is_all = true;
	s->telling = SIZE_MAX;
	*ret = s;
	return 0;
}

static void node_done(struct node *n)
{
	free(n->links);
	free(n->coming);
	*n = (struct node){ 0 };
}

void survey_free(struct survey *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_nodes; i++)
		node_done(&s->nodes[i]);
	free(s);
}

/* ---- looking ---- */

bool survey_is_looked_at(const struct survey *s, uint64_t now_us)
{
	return now_us < s->looked_until_us;
}

void survey_look(struct survey *s, uint64_t now_us)
{
	s->looked_until_us = now_us + SURVEY_LOOK_US;
}

size_t survey_n_watchers(const struct survey *s, uint64_t now_us)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_watchers; i++)
		n += !s->watchers[i].is_refused && now_us < s->watchers[i].until_us;
	return n;
}

bool survey_is_wanted(const struct survey *s, uint64_t now_us)
{
	return survey_is_looked_at(s, now_us) || survey_n_watchers(s, now_us) > 0;
}

/* ---- those that are asked ---- */

static struct node *node_of(struct survey *s, uint64_t id)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i].id == id)
			return &s->nodes[i];
	return NULL;
}

static void forget(struct survey *s, size_t i)
{
	s->version += s->nodes[i].told_us != 0;
	node_done(&s->nodes[i]);
	s->nodes[i] = s->nodes[--s->n_nodes];
	s->nodes[s->n_nodes] = (struct node){ 0 };
}

static bool is_fresh(const struct node *n, uint64_t now_us)
{
	return n->told_us != 0 && now_us < n->told_us + SURVEY_SILENT_US;
}

/* A full table has room where somebody is not wanted any more. */
static bool make_room(struct survey *s)
{
	for (size_t i = 0; s->n_nodes == SURVEY_NODES_MAX && i < s->n_nodes; i++)
		if (!s->nodes[i].is_wanted)
			forget(s, i);
	return s->n_nodes < SURVEY_NODES_MAX;
}

/* Who cannot be reached for a moment stays, with what it said, until that is old: its route may
 * just be changing. */
void survey_set_nodes(struct survey *s, const uint64_t *ids, size_t n, bool is_all, uint64_t now_us)
{
	s->is_all = is_all && n <= SURVEY_NODES_MAX;
	n = min_u64(n, SURVEY_NODES_MAX);
	for (size_t i = 0; i < s->n_nodes; i++)
		s->nodes[i].is_wanted = false;
	for (size_t i = 0; i < n; i++) {
		struct node *known = node_of(s, ids[i]);

		if (known)
			known->is_wanted = true;
	}
	for (size_t i = 0; i < n; i++)
		if (ids[i] != s->self && !node_of(s, ids[i]) && make_room(s))
			s->nodes[s->n_nodes++] = (struct node){ .id = ids[i],
								.is_wanted = true,
								.ask_us = now_us,
								.wait_us = SURVEY_RETRY_US };
	for (size_t i = s->n_nodes; i > 0; i--)
		if (!s->nodes[i - 1].is_wanted && !is_fresh(&s->nodes[i - 1], now_us))
			forget(s, i - 1);
}

/* ---- what they say ---- */

static bool is_other(const struct survey_link *a, size_t n_a, const struct survey_link *b,
		     size_t n_b)
{
	if (n_a != n_b)
		return true;
	for (size_t i = 0; i < n_a; i++) {
		size_t k = 0;

		while (k < n_b && b[k].id != a[i].id)
			k++;
		if (k == n_b || a[i].state != b[k].state || a[i].class != b[k].class)
			return true;
	}
	return false;
}

static bool is_later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static void take_report(struct survey *s, struct node *n, const struct survey_part *p,
			struct survey_link *links)
{
	bool is_news = n->told_us == 0 || n->is_silent || n->status != p->status ||
		       n->n_all != p->n_all || is_other(n->links, n->n, links, p->n_told);

	free(n->links);
	n->links = links;
	n->n = p->n_told;
	n->n_all = p->n_all;
	n->status = p->status;
	n->sequence = p->sequence;
	n->is_silent = false;
	s->version += is_news;
}

static void give_up_coming(struct node *n)
{
	free(n->coming);
	n->coming = NULL;
}

static bool has_twice(const struct survey_link *links, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (links[k].id == links[i].id)
				return true;
	return false;
}

/* Of a report of several messages each takes its place, in whatever order they come. 1: it is
 * whole. -EPROTO: they are not of one report, or name a link twice. */
static int gather(struct survey *s, struct node *n, const struct survey_part *p)
{
	size_t n_parts = (p->n_told + SURVEY_LINKS_PART - 1) / SURVEY_LINKS_PART;

	if (!n->coming || n->coming_sequence != p->sequence) {
		if (n->coming && is_later(n->coming_sequence, p->sequence))
			return 0;
		free(n->coming);
		n->coming = calloc(SURVEY_LINKS_MAX, sizeof(*n->coming));
		n->coming_sequence = p->sequence;
		n->n_coming = p->n_told;
		n->parts = 0;
	}
	if (!n->coming)
		return -ENOMEM;
	if (n->n_coming != p->n_told) /* else some of the links might be none */
		return -EPROTO;
	for (size_t i = 0; i < p->n; i++)
		n->coming[p->part * SURVEY_LINKS_PART + i] = p->links[i];
	n->parts |= 1u << p->part;
	if (n->parts != (1u << (n_parts ? n_parts : 1)) - 1)
		return 0;
	if (n_parts > 1 && has_twice(n->coming, p->n_told)) {
		give_up_coming(n);
		return -EPROTO;
	}
	take_report(s, n, p, TAKE(n->coming));
	return 1;
}

int survey_told(struct survey *s, uint64_t from, struct span body, uint64_t now_us)
{
	struct node *n = node_of(s, from);
	struct survey_part p;
	int r = survey_part_decode(body, &p);

	if (r < 0)
		return r;
	if (!n || !survey_is_looked_at(s, now_us))
		return -ENOENT;
	if (n->epoch != p.epoch) {
		give_up_coming(n);
		n->sequence = p.sequence - 1; /* its numbers begin anew */
	} else if (is_fresh(n, now_us) && !is_later(p.sequence, n->sequence)) {
		return 0; /* it was overtaken */
	}
	n->epoch = p.epoch;
	r = gather(s, n, &p);
	if (r <= 0)
		return r;
	n->told_us = now_us;
	n->uptime_s = p.uptime_s;
	memcpy(n->version, p.version, sizeof(n->version));
	n->wait_us = SURVEY_RETRY_US;
	return 0;
}

/* ---- those that are told ---- */

static struct watcher *watcher_of(struct survey *s, uint64_t id)
{
	for (size_t i = 0; i < s->n_watchers; i++)
		if (s->watchers[i].id == id)
			return &s->watchers[i];
	return NULL;
}

static bool drop_watcher(struct survey *s, size_t i)
{
	s->watchers[i] = s->watchers[--s->n_watchers];
	if (s->telling == i)
		s->telling = SIZE_MAX;
	else if (s->telling == s->n_watchers)
		s->telling = i;
	return true;
}

static bool drop_any(struct survey *s, uint64_t now_us)
{
	for (size_t i = 0; i < s->n_watchers; i++)
		if (s->watchers[i].is_refused || now_us >= s->watchers[i].until_us)
			return drop_watcher(s, i);
	return false;
}

static void begin_second(struct survey *s, uint64_t now_us)
{
	if (now_us < s->second_us + SECONDS(1))
		return;
	s->second_us = now_us;
	s->n_messages = s->n_refusals = 0;
}

/* Who is refused is forgotten at once, so nothing is known of when it was told so last. */
static bool may_refuse(struct survey *s, uint64_t now_us)
{
	begin_second(s, now_us);
	return s->n_refusals < SURVEY_REFUSALS_PER_SECOND && ++s->n_refusals > 0;
}

/* The last place is kept for saying no. */
static struct watcher *watcher_make(struct survey *s, uint64_t id, bool is_allowed, uint64_t now_us)
{
	struct watcher *w = watcher_of(s, id);
	bool is_refused;

	if (w)
		return w;
	if (s->n_watchers == SURVEY_WATCHERS_MAX && !drop_any(s, now_us))
		return NULL;
	is_refused = !is_allowed || s->n_watchers == SURVEY_WATCHERS_MAX - 1;
	if (is_refused && !may_refuse(s, now_us))
		return NULL;
	w = &s->watchers[s->n_watchers++];
	*w = (struct watcher){ .id = id, .due_us = now_us };
	w->is_refused = is_refused;
	w->status = !is_allowed ? SURVEY_DENIED : is_refused ? SURVEY_FULL : SURVEY_TOLD;
	return w;
}

int survey_asked(struct survey *s, uint64_t from, struct span body, bool is_allowed,
		 uint64_t now_us)
{
	struct watcher *w;
	unsigned flags;
	int r = survey_ask_decode(body, &flags);

	if (r < 0)
		return r;
	w = watcher_make(s, from, is_allowed, now_us);
	if (!w)
		return 0;
	if (!is_allowed) {
		w->is_refused = true;
		w->status = SURVEY_DENIED;
	}
	w->until_us = now_us + SURVEY_LEASE_US;
	if (flags & SURVEY_ASK_NOW)
		w->due_us = min_u64(w->due_us, max_u64(now_us, w->last_us + SURVEY_SPACE_US));
	return 0;
}

static void tell_all(struct survey *s, uint64_t now_us)
{
	for (size_t i = 0; i < s->n_watchers; i++) {
		struct watcher *w = &s->watchers[i];
		uint64_t at = max_u64(now_us + SURVEY_SETTLE_US, w->last_us + SURVEY_SPACE_US);

		w->due_us = min_u64(w->due_us, at);
		w->n_again = SURVEY_AGAIN;
	}
}

/* ---- our own links ---- */

static void take_rate(struct own_link *to, const struct own_link *before, uint64_t now_us)
{
	uint64_t passed_us = before ? now_us - before->sampled_us : 0;

	to->sampled_us = now_us;
	to->sent_bytes = to->link.sent_bytes;
	to->received_bytes = to->link.received_bytes;
	if (!before)
		return;
	if (passed_us < SURVEY_SAMPLE_US) {
		to->sampled_us = before->sampled_us;
		to->sent_bytes = before->sent_bytes;
		to->received_bytes = before->received_bytes;
		to->link.sent_bps = before->link.sent_bps;
		to->link.received_bps = before->link.received_bps;
		return;
	}
	/* counters begin anew with a new peer */
	to->link.sent_bps = (to->sent_bytes - min_u64(to->sent_bytes, before->sent_bytes)) * 8 *
			    US_PER_MS / (passed_us / US_PER_MS);
	to->link.received_bps =
		(to->received_bytes - min_u64(to->received_bytes, before->received_bytes)) * 8 *
		US_PER_MS / (passed_us / US_PER_MS);
}

static const struct own_link *own_of(const struct own_link *list, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].link.id == id)
			return &list[i];
	return NULL;
}

void survey_set_links(struct survey *s, const struct survey_link *links, size_t n, size_t n_all,
		      uint64_t now_us)
{
	struct own_link before[SURVEY_LINKS_MAX];
	struct survey_link told[SURVEY_LINKS_MAX];
	size_t n_before = s->n_own;
	bool is_news;

	n = min_u64(n, SURVEY_LINKS_MAX);
	memcpy(before, s->own, sizeof(before));
	for (size_t i = 0; i < n; i++) {
		s->own[i] = (struct own_link){ .link = links[i] };
		take_rate(&s->own[i], own_of(before, n_before, links[i].id), now_us);
		told[i] = s->own[i].link;
	}
	is_news = n_all != s->n_all || is_other(s->told, s->n_own, told, n);
	memcpy(s->told, told, n * sizeof(told[0]));
	s->n_own = n;
	s->n_all = min_u64(n_all, UINT16_MAX);
	if (s->telling != SIZE_MAX && s->next_part > 0) { /* its parts are of one moment */
		s->next_part = 0;
		s->sequence++;
	}
	if (!is_news)
		return;
	s->version++;
	tell_all(s, now_us);
}

/* ---- time ---- */

static void look_away(struct survey *s)
{
	while (s->n_nodes > 0)
		forget(s, s->n_nodes - 1);
}

void survey_tick(struct survey *s, uint64_t now_us)
{
	if (!survey_is_looked_at(s, now_us))
		look_away(s);
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct node *n = &s->nodes[i];

		if (n->told_us == 0 || n->is_silent || is_fresh(n, now_us))
			continue;
		n->is_silent = true;
		n->n = 0; /* who knows how they are now? */
		n->ask_us = min_u64(n->ask_us, now_us);
		s->version++;
	}
	for (size_t i = s->n_watchers; i > 0; i--)
		if (!s->watchers[i - 1].is_refused && now_us >= s->watchers[i - 1].until_us)
			(void)drop_watcher(s, i - 1);
}

uint64_t survey_deadline_us(const struct survey *s, uint64_t now_us)
{
	uint64_t at = NEVER_US;

	if (s->telling != SIZE_MAX)
		at = now_us;
	for (size_t i = 0; i < s->n_watchers; i++)
		at = min_u64(at, min_u64(s->watchers[i].due_us, s->watchers[i].until_us));
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct node *n = &s->nodes[i];

		at = min_u64(at, n->is_wanted ? n->ask_us : NEVER_US);
		if (n->told_us != 0 && !n->is_silent)
			at = min_u64(at, n->told_us + SURVEY_SILENT_US);
	}
	if (s->n_nodes > 0)
		at = min_u64(at, s->looked_until_us);
	if (s->n_messages >= SURVEY_MESSAGES_PER_SECOND) /* nothing goes out before */
		at = max_u64(at, s->second_us + SECONDS(1));
	return at;
}

/* ---- messages ---- */

static bool may_send(struct survey *s, uint64_t now_us)
{
	begin_second(s, now_us);
	if (s->n_messages >= SURVEY_MESSAGES_PER_SECOND)
		return false;
	s->n_messages++;
	return true;
}

static bool next_question(struct survey *s, struct survey_message *ret, uint64_t now_us)
{
	if (!survey_is_looked_at(s, now_us))
		return false;
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct node *n = &s->nodes[i];
		bool has_report = is_fresh(n, now_us);

		if (!n->is_wanted || now_us < n->ask_us)
			continue;
		if (!may_send(s, now_us))
			return false;
		ret->to = n->id;
		ret->is_report = false;
		ret->len = SURVEY_ASK_LEN;
		ret->body[0] = 1;
		ret->body[1] = has_report ? 0 : SURVEY_ASK_NOW;
		n->ask_us = now_us + (has_report ? SURVEY_RENEW_US : n->wait_us);
		if (!has_report)
			n->wait_us = min_u64(2 * n->wait_us, SURVEY_RENEW_US);
		return true;
	}
	return false;
}

static bool choose_watcher(struct survey *s, uint64_t now_us)
{
	for (size_t i = 0; s->telling == SIZE_MAX && i < s->n_watchers; i++) {
		struct watcher *w = &s->watchers[i];

		if (now_us < w->due_us)
			continue;
		w->last_us = now_us;
		w->due_us = now_us + (w->n_again > 0 ? SURVEY_AGAIN_US : SURVEY_TELL_US);
		w->n_again -= w->n_again > 0;
		s->telling = i;
		s->next_part = 0;
		s->sequence++;
	}
	return s->telling != SIZE_MAX;
}

static bool next_report(struct survey *s, struct survey_message *ret, uint64_t now_us)
{
	const struct watcher *w;
	struct survey_part p = { .sequence = 0 };

	if (!choose_watcher(s, now_us) || !may_send(s, now_us))
		return false;
	w = &s->watchers[s->telling];
	p.status = w->status;
	p.epoch = s->epoch;
	p.sequence = s->sequence;
	if (w->status == SURVEY_TOLD) {
		p.uptime_s = (uint32_t)((now_us - s->start_us) / US_PER_S);
		memcpy(p.version, s->program, sizeof(p.version));
		p.n_all = (uint16_t)s->n_all;
		p.n_told = s->n_own;
		p.part = s->next_part;
		p.n = min_u64(s->n_own - p.part * SURVEY_LINKS_PART, SURVEY_LINKS_PART);
		memcpy(p.links, s->told + p.part * SURVEY_LINKS_PART, p.n * sizeof(p.links[0]));
	}
	ret->to = w->id;
	ret->is_report = true;
	ret->len = survey_part_encode(&p, ret->body);
	s->next_part++;
	if (s->next_part * SURVEY_LINKS_PART < p.n_told)
		return true;
	if (w->is_refused)
		(void)drop_watcher(s, s->telling);
	s->telling = SIZE_MAX;
	return true;
}

bool survey_next_message(struct survey *s, struct survey_message *ret, uint64_t now_us)
{
	return next_report(s, ret, now_us) || next_question(s, ret, now_us);
}

/* ---- views ---- */

uint64_t survey_version(const struct survey *s)
{
	return s->version;
}

bool survey_has_all(const struct survey *s)
{
	return s->is_all;
}

bool survey_next(const struct survey *s, size_t *cursor, uint64_t now_us, struct survey_view *ret)
{
	const struct node *n;

	if (*cursor >= s->n_nodes)
		return false;
	n = &s->nodes[(*cursor)++];
	*ret = (struct survey_view){
		.id = n->id,
		.status = n->status,
		.told_us = n->told_us,
		.uptime_s = n->uptime_s,
		.version = n->version,
		.n_all = n->n_all,
		.n_links = n->n,
		.links = n->links,
	};
	if (!is_fresh(n, now_us)) {
		ret->state = n->told_us ? SURVEY_SILENT : SURVEY_AWAITED;
		ret->n_links = 0;
	} else {
		ret->state = n->status == SURVEY_TOLD ? SURVEY_ANSWERS : SURVEY_REFUSES;
	}
	return true;
}

void survey_own(const struct survey *s, uint64_t now_us, struct survey_view *ret)
{
	*ret = (struct survey_view){
		.id = s->self,
		.state = SURVEY_ANSWERS,
		.told_us = now_us,
		.uptime_s = (uint32_t)((now_us - s->start_us) / US_PER_S),
		.version = s->program,
		.n_all = s->n_all,
		.n_links = s->n_own,
		.links = s->told,
	};
}
