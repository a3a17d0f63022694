/* SPDX-License-Identifier: Apache-2.0 */
/* Events for who follows them: the journal holds them once, and each WebSocket only the number of
 * the next one. So a reader that stands still costs nothing; when the journal has gone on past it,
 * it is closed and told from where to resume. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "daemon/api.h"
#include "daemon/api_internal.h"

#define EVENTS_DEFAULT 100
#define CLOSE_POLICY 1008 /* IANA WebSocket Close Code Number Registry */
#define CLOSE_TRY_AGAIN 1013

/* ---- into the journal ---- */

static void time_text(int64_t unix_ms, char ret[32])
{
	time_t s = (time_t)(unix_ms / 1000);
	char date[24] = "";
	struct tm tm;

	if (gmtime_r(&s, &tm))
		(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(ret, 32, "%s.%03dZ", date, (int)(unix_ms % 1000));
}

void api_take_event(struct api_thread *t, const struct api_event_record *e)
{
	char text[JOURNAL_TEXT_MAX];
	char when[32];
	json_t *j;
	size_t len;

	time_text(e->unix_ms, when);
	j = json_pack("{s:s, s:I, s:s, s:s, s:s, s:s}", "type", "event", "seq",
		      (json_int_t)journal_next(t->journal), "time", when, "topic",
		      journal_topic_name(e->topic), "event", e->name, "peer", e->peer);
	if (e->endpoint[0])
		(void)json_object_set_new(j, "endpoint", json_string(e->endpoint));
	if (e->why[0])
		(void)json_object_set_new(j, "why", json_string(e->why));
	if (e->metric)
		(void)json_object_set_new(j, "metric", json_integer(e->metric));
	if (e->hops)
		(void)json_object_set_new(j, "hops", json_integer((json_int_t)e->hops));
	len = j ? json_dumpb(j, text, sizeof(text), JSON_COMPACT) : 0;
	json_decref(j);
	if (len == 0 || journal_add(t->journal, e->topic, SPAN(text, len)) < 0)
		atomic_fetch_add(&t->shared->events_dropped, 1);
}

static bool topics_of(const char *list, unsigned *ret, struct api_problem *p)
{
	size_t len;

	*ret = JOURNAL_ALL_TOPICS;
	if (!list || journal_topics_parse(list, ret) == 0)
		return true;
	*p = (struct api_problem){ .status = 422, .code = "unknown_topic", .field = "topics" };
	len = (size_t)snprintf(p->detail, sizeof(p->detail), "topics are");
	for (unsigned t = 0; t < N_TOPICS && len < sizeof(p->detail); t++)
		len += (size_t)snprintf(p->detail + len, sizeof(p->detail) - len, "%s %s",
					t > 0 ? "," : "", journal_topic_name(t));
	return false;
}

/* ---- GET /api/v1/events ---- */

json_t *api_events_json(const struct api_thread *t, const json_t *args,
			struct api_problem *ret_problem)
{
	const json_t *since = json_object_get(args, "since");
	const json_t *limit = json_object_get(args, "limit");
	json_int_t max = limit ? json_integer_value(limit) : EVENTS_DEFAULT;
	uint64_t next = journal_next(t->journal);
	uint64_t seq = journal_oldest(t->journal);
	json_t *list = json_array();
	struct span text;
	unsigned topics;

	if (!topics_of(json_string_value(json_object_get(args, "topics")), &topics, ret_problem)) {
		json_decref(list);
		return NULL;
	}
	if (since)
		seq = (uint64_t)json_integer_value(since);
	else if (next - seq > (uint64_t)max)
		seq = next - (uint64_t)max;
	for (; max > 0 && journal_find(t->journal, topics, &seq, &text); max--, seq++)
		(void)json_array_append_new(list,
					    json_loadb((const char *)text.at, text.len, 0, NULL));
	return json_pack("{s:I, s:I, s:o}", "oldest", (json_int_t)journal_oldest(t->journal),
			 "next", (json_int_t)(seq < next ? seq : next), "events", list);
}

/* ---- WebSockets ---- */

static struct api_socket *socket_of(struct api_thread *t, uint64_t id)
{
	struct api_socket *s = &t->sockets[http_place_of(id) % t->n_sockets];

	return s->id == id ? s : NULL;
}

bool api_socket_open(void *arg, uint64_t socket, const struct http_request *q,
		     struct http_refusal *ret_why)
{
	struct api_thread *t = arg;
	static struct api_problem p; /* of this thread alone; what ret_why points to */
	const struct api_operation *o;
	struct api_socket *s = &t->sockets[http_place_of(socket) % t->n_sockets];
	char principal[256];
	char allow[64];
	bool is_owner;
	json_t *args = NULL;
	unsigned topics = 0;

	p = (struct api_problem){ 0 };
	o = api_match("GET", q->path, allow, &p);
	if (o && ((int)q->listener == t->metrics_listener || strcmp(o->verb, "socket") != 0)) {
		p = (struct api_problem){
			.status = 404,
			.code = "not_found",
			.detail = "the WebSocket is at /ws",
		};
		o = NULL;
	}
	if (o && api_admit(t, q, o, principal, &is_owner, &p))
		args = api_arguments(o, q->path, q->args, q->n_args, "", SPAN(NULL, 0), &p);
	if (!args || !topics_of(json_string_value(json_object_get(args, "topics")), &topics, &p)) {
		json_decref(args);
		*ret_why =
			(struct http_refusal){ p.status, p.field, p.detail, p.code ? p.code : "" };
		return false;
	}
	*s = (struct api_socket){ .id = socket,
				  .topics = topics,
				  .next = journal_next(t->journal),
				  .wanted = journal_next(t->journal) };
	if (!is_owner) {
		(void)snprintf(s->identity, sizeof(s->identity), "%s", q->identity);
		s->peer = q->peer;
	}
	if (json_object_get(args, "since"))
		s->wanted = s->next = (uint64_t)json_integer_value(json_object_get(args, "since"));
	json_decref(args);
	api_tick_later(t);
	return true;
}

void api_socket_closed(void *arg, uint64_t socket)
{
	struct api_socket *s = socket_of(arg, socket);

	if (s)
		*s = (struct api_socket){ 0 };
}

/* First of all it is told where it is; what it wanted and is not there any more (or belongs to a
 * daemon before this one) is a gap. */
static void greet(const struct api_thread *t, struct api_socket *s, struct http_message *ret)
{
	uint64_t oldest = journal_oldest(t->journal);
	uint64_t next = journal_next(t->journal);
	bool is_lost = s->wanted < oldest || s->wanted > next;

	s->is_greeted = true;
	if (is_lost)
		s->next = s->wanted > next ? next : oldest;
	ret->len = (size_t)snprintf(ret->text, sizeof(ret->text),
				    "{\"type\":\"hello\",\"version\":\"%s\",\"oldest\":%" PRIu64
				    ",\"next\":%" PRIu64 ",\"begins\":%" PRIu64 ",\"is_gap\":%s}",
				    t->shared->version, oldest, next, s->next,
				    is_lost ? "true" : "false");
}

/* NULL, or why it may not follow any more. */
static const char *why_not(struct api_thread *t, const struct api_socket *s)
{
	const char *fault;

	if (!s->identity[0])
		return NULL;
	fault = api_fault_of(t, s->peer);
	if (fault)
		return fault;
	return policy_decide_timed(t->now->policy, s->identity, POLICY_API, "socket", NULL,
				   loop_now_ns, &t->decisions) == POLICY_ALLOW
		       ? NULL
		       : "the policy does not allow this any more";
}

void api_socket_ready(void *arg, uint64_t socket, struct http_message *ret)
{
	struct api_thread *t = arg;
	struct api_socket *s = socket_of(t, socket);
	const char *why;
	struct span text;

	if (!s)
		return;
	why = why_not(t, s);
	if (why) {
		ret->close = CLOSE_POLICY;
		ret->len = (size_t)snprintf(ret->text, sizeof(ret->text), "%s", why);
		return;
	}
	if (!s->is_greeted) {
		greet(t, s, ret);
		return;
	}
	if (s->next < journal_oldest(t->journal)) {
		ret->close = CLOSE_TRY_AGAIN;
		ret->len = (size_t)snprintf(ret->text, sizeof(ret->text),
					    "too slow: events are lost; resume with since=%" PRIu64,
					    journal_oldest(t->journal));
		return;
	}
	if (!journal_find(t->journal, s->topics, &s->next, &text))
		return;
	s->next++;
	memcpy(ret->text, text.at, text.len);
	ret->len = text.len;
}

/* {"topics": ["links", "peers"]}: others from now on. */
bool api_socket_message(void *arg, uint64_t socket, struct span text, const char **ret_reason)
{
	struct api_socket *s = socket_of(arg, socket);
	json_t *j = json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *list = json_object_get(j, "topics");
	const json_t *topic;
	unsigned topics = 0;
	unsigned one;
	size_t i;

	*ret_reason = "the one message there is: {\"topics\": [...]}";
	json_array_foreach(list, i, topic)
	{
		const char *name = json_string_value(topic);

		if (!name || journal_topics_parse(name, &one) < 0) {
			topics = 0;
			break;
		}
		topics |= one;
	}
	if (json_object_size(j) != 1)
		topics = 0;
	json_decref(j);
	if (s && topics)
		s->topics = topics;
	return topics != 0;
}
