/* SPDX-License-Identifier: Apache-2.0 */
/* The API's thread: its loop, what it asks of the main loop and who waits for that, and the answers
 * it gives a second time. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/units.h"
#include "daemon/api.h"
#include "daemon/api_internal.h"
#include "shell/host/host.h"

#define TICK_US SECONDS(1)
#define PER_ADDRESS_MAX 64
#define RETIRED_US SECONDS(2 * HTTP_HANDSHAKE_S)

/* ---- answering ---- */

static void answer_text(struct api_thread *t, uint64_t request, unsigned status,
			const char *content_type, const char *text, size_t len)
{
	char trace[TRACEPARENT_SIZE];
	const struct http_response r = {
		.status = status,
		.content_type = content_type,
		.traceresponse = api_trace_response(t, request, trace),
		.body = SPAN(text, len),
		.retry_after_s = status == 503,
	};

	(void)http_respond(t->http, request, &r);
}

void api_answer_problem(struct api_thread *t, uint64_t request, const struct api_problem *p,
			const char *allow, bool asks_for_token)
{
	char text[1024];
	char trace[TRACEPARENT_SIZE];
	const struct http_response r = {
		.traceresponse = api_trace_response(t, request, trace),
		.status = p->status,
		.content_type = "application/problem+json",
		.body = SPAN(text, api_problem_json(p, text, sizeof(text))),
		.allow = allow,
		.asks_for_token = asks_for_token,
		.retry_after_s = p->status == 503,
	};

	(void)http_respond(t->http, request, &r);
}

void api_answer_json(struct api_thread *t, uint64_t request, json_t *value)
{
	CLEANUP(heap_free_wipedp) char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	const struct api_problem memory = { .status = 503,
					    .code = "out_of_memory",
					    .detail = "out of memory" };

	json_decref(value);
	if (text)
		answer_text(t, request, 200, "application/json", text, strlen(text));
	else
		api_answer_problem(t, request, &memory, NULL, false);
}

/* ---- who waits ---- */

static struct pending *pending_new(struct api_thread *t)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (t->pending[i].request == 0)
			return &t->pending[i];
	return NULL;
}

static unsigned count_long(const struct api_thread *t)
{
	unsigned n = 0;

	for (size_t i = 0; i < PENDING_MAX; i++)
		n += t->pending[i].request != 0 && t->pending[i].is_long;
	return n;
}

static void send_call(struct api_thread *t, const struct api_call *call)
{
	struct api_call *to = ring_room(t->shared->calls, sizeof(*to));

	if (!to) {
		json_decref(call->args);
		return; /* a cancel: what it would end ends by itself */
	}
	*to = *call;
	ring_commit(t->shared->calls);
	loop_wake_send(t->shared->call_wake);
}

void api_forget(struct api_thread *t, uint64_t request)
{
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &t->pending[i];

		if (p->request != request)
			continue;
		if (p->call && p->is_change) { /* it goes on, and is to be logged */
			p->request = NOBODY;
			p->deadline_us = loop_now_us() + CHANGE_KEPT_US;
			return;
		}
		if (p->call)
			send_call(t, &(struct api_call){ .id = p->call });
		*p = (struct pending){ 0 };
		return;
	}
}

static void refuse_busy(struct api_thread *t, uint64_t request)
{
	const struct api_problem busy = {
		.status = 503,
		.code = "busy",
		.detail = "too many requests wait for the node already; again in a second",
	};

	api_answer_problem(t, request, &busy, NULL, false);
}

/* ---- views ---- */

static struct view *view_of(struct api_thread *t, const struct api_operation *o)
{
	for (size_t i = 0; i < t->n_views; i++)
		if (t->views[i].operation == o)
			return &t->views[i];
	return NULL;
}

static const char *type_of(const struct api_operation *o)
{
	return strcmp(o->verb, "metrics") == 0 ? METRICS_CONTENT_TYPE : "application/json";
}

static void read_process(struct api_thread *t, struct metrics_process *ret)
{
	struct host_process p;

	host_process(&p);
	*ret = (struct metrics_process){
		.start_s = (double)t->shared->start_unix_ms / 1000,
		.cpu_s = p.cpu_s,
		.resident_bytes = p.resident_bytes,
		.virtual_bytes = p.virtual_bytes,
		.descriptors = p.descriptors,
		.descriptors_max = p.descriptors_max,
	};
}

/* To those of the main loop, which made the source, this thread's. */
static void add_decisions(const struct api_thread *t, const json_t *source)
{
	json_t *times = json_object_get(source, "decisions");
	json_t *sum_us = json_object_get(times, "sum_us");
	json_t *count;
	size_t i;

	json_array_foreach(json_object_get(times, "counts"), i, count)
	{
		if (i <= POLICY_N_BOUNDS)
			(void)json_integer_set(count, json_integer_value(count) +
							      (json_int_t)t->decisions.n[i]);
	}
	(void)json_integer_set(sum_us, json_integer_value(sum_us) +
					       (json_int_t)(t->decisions.sum_ns / NS_PER_US));
}

static char *metrics_of(struct api_thread *t, const json_t *source, size_t *ret_len)
{
	struct metrics_process process;
	struct http_counters c;

	http_counters(t->http, &c);
	t->metrics.connections = c.connections;
	t->metrics.sockets = c.sockets;
	t->metrics.refused_connections = c.refused_connections;
	t->metrics.limited = c.limited;
	t->metrics.answer_bytes = c.answer_bytes;
	t->metrics.answers_refused = c.answers_refused;
	t->metrics.sockets_dropped = c.sockets_dropped;
	t->metrics.events_dropped = atomic_load(&t->shared->events_dropped);
	add_decisions(t, source);
	read_process(t, &process);
	return metrics_text(source, &t->metrics, &process, ret_len);
}

static void fill_view(struct api_thread *t, struct view *v, const json_t *value)
{
	free(v->text);
	free(v->open_text);
	v->text = v->open_text = NULL;
	v->len = 0;
	v->status = 200;
	if (strcmp(v->operation->verb, "metrics") == 0) {
		v->text = metrics_of(t, value, &v->len);
		v->open_text = v->text ? metrics_openmetrics(v->text, &v->open_len) : NULL;
	} else {
		v->text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		v->len = v->text ? strlen(v->text) : 0;
	}
	if (strcmp(v->operation->verb, "health.ready") == 0 &&
	    !json_is_true(json_object_get(value, "is_ready")))
		v->status = 503;
	/* What was changed meanwhile this answer may not show. */
	v->made_us = v->is_stale ? 0 : loop_now_us();
	v->is_stale = false;
}

static void forget_views(struct api_thread *t)
{
	for (size_t i = 0; i < t->n_views; i++) {
		t->views[i].made_us = 0;
		t->views[i].is_stale = t->views[i].call != 0;
	}
}

static void answer_view(struct api_thread *t, uint64_t request, const struct view *v,
			bool wants_open)
{
	if (wants_open && v->open_text)
		answer_text(t, request, v->status, METRICS_OPEN_CONTENT_TYPE, v->open_text,
			    v->open_len);
	else
		answer_text(t, request, v->status, type_of(v->operation), v->text, v->len);
}

static bool answer_from_view(struct api_thread *t, uint64_t request, const struct view *v,
			     bool wants_open)
{
	if (!v->text || v->made_us == 0 || loop_now_us() - v->made_us > VIEW_FRESH_US)
		return false;
	answer_view(t, request, v, wants_open);
	return true;
}

/* ---- asking ---- */

void api_ask(struct api_thread *t, uint64_t request, const struct api_operation *o, json_t *args,
	     const char *principal, bool is_owner, bool wants_open)
{
	struct view *v = o->flags & API_VIEW ? view_of(t, o) : NULL;
	struct pending *p = pending_new(t);
	struct api_call call = { .operation = o, .args = args, .is_owner = is_owner };
	const struct trace_context *context = api_trace_context(t, request);
	bool has_call = v && v->call && !v->is_stale;
	bool is_long = !v && !(o->flags & API_CHANGES);

	if (v && answer_from_view(t, request, v, wants_open)) {
		json_decref(args);
		return;
	}
	if (!p || (!has_call && t->n_calls >= API_CALLS_MAX) ||
	    (is_long && count_long(t) >= LONG_CALLS_MAX)) {
		json_decref(args);
		refuse_busy(t, request);
		return;
	}
	*p = (struct pending){
		.request = request,
		.operation = o,
		.view = v,
		.deadline_us = loop_now_us() + CALL_US,
		.is_change = (o->flags & API_CHANGES) != 0,
		.is_long = is_long,
		.wants_open = wants_open,
	};
	(void)snprintf(p->principal, sizeof(p->principal), "%s", principal);
	api_tick_later(t);
	if (has_call) {
		json_decref(args);
		return;
	}
	call.id = t->next_call++;
	if (context)
		call.context = *context;
	(void)snprintf(call.principal, sizeof(call.principal), "%s", principal);
	t->n_calls++;
	if (v) {
		v->call = call.id;
		v->is_stale = false; /* one that began before a change is not waited for any more */
	} else {
		p->call = call.id;
	}
	send_call(t, &call);
}

/* ---- what the main loop said ---- */

static void answer_failure(struct api_thread *t, uint64_t request, const struct api_reply *r)
{
	struct api_problem p = { .status = api_status_of(r->code), .code = r->code };

	(void)snprintf(p.detail, sizeof(p.detail), "%s", r->message);
	api_answer_problem(t, request, &p, NULL, false);
}

static void log_change(struct api_thread *t, const struct pending *p, const struct api_reply *r)
{
	if (!p->is_change)
		return;
	forget_views(t);
	log_notice(t->shared->log, "api_change", log_str("operation", p->operation->verb),
		   log_str("principal", p->principal),
		   log_str("result", r->value ? "done" : r->code),
		   log_hex("trace_id", api_trace_id(t, p->request)));
}

static void take_view(struct api_thread *t, struct view *v, const struct api_reply *r)
{
	v->call = 0;
	if (r->value)
		fill_view(t, v, r->value);
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &t->pending[i];
		uint64_t request = p->request;
		bool wants_open = p->wants_open;

		if (request == 0 || p->view != v)
			continue;
		*p = (struct pending){ 0 };
		if (r->value && v->text)
			answer_view(t, request, v, wants_open);
		else
			answer_failure(t, request, r);
	}
}

static void take_reply(struct api_thread *t, const struct api_reply *r)
{
	if (t->n_calls > 0)
		t->n_calls--;
	for (size_t i = 0; i < t->n_views; i++) {
		if (t->views[i].call == r->id) {
			take_view(t, &t->views[i], r);
			return;
		}
	}
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending p = t->pending[i];

		if (p.request == 0 || p.call != r->id)
			continue;
		t->pending[i] = (struct pending){ 0 };
		log_change(t, &p, r);
		if (r->value)
			api_answer_json(t, p.request, json_incref(r->value));
		else
			answer_failure(t, p.request, r);
		return;
	}
}

/* ---- how things stand ---- */

/* Nobody waits, nothing follows, nothing is to be freed: then nothing wakes this thread. */
static bool needs_tick(const struct api_thread *t)
{
	struct http_counters c;

	http_counters(t->http, &c);
	if (c.sockets > 0 || (t->now && t->now->next))
		return true;
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (t->pending[i].request != 0)
			return true;
	return false;
}

void api_tick_later(struct api_thread *t)
{
	if (t->is_ticking)
		return;
	t->is_ticking = true;
	loop_timer_arm(t->timer, loop_now_us() + TICK_US);
}

static void free_retired(struct api_thread *t, uint64_t now_us)
{
	struct api_published **at = t->now ? &t->now->next : NULL;

	while (at && *at) {
		struct api_published *p = *at;

		if (now_us - p->retired_us < RETIRED_US) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		api_published_free(p);
	}
}

static void take_published(struct api_thread *t)
{
	struct api_published *p = atomic_exchange(&t->shared->published, NULL);

	if (!p)
		return;
	p->next = t->now;
	if (t->now)
		t->now->retired_us = loop_now_us();
	t->now = p;
	api_tick_later(t);
	http_set_tls(t->http, p->tls);
	http_clear_hosts(t->http);
	for (size_t i = 0; i < p->n_hosts; i++)
		(void)http_allow_host(t->http, p->hosts[i]);
	http_wake_sockets(t->http); /* who may not follow any more is closed now */
	forget_views(t);
}

static void on_wake(void *arg)
{
	struct api_thread *t = arg;
	const struct api_event_record *e;
	const struct api_reply *r;
	bool is_news = false;
	size_t len;

	if (atomic_load(&t->shared->is_stopping)) {
		loop_stop(t->loop);
		return;
	}
	take_published(t);
	while ((r = ring_next(t->shared->replies, &len))) {
		take_reply(t, r);
		json_decref(r->value);
		ring_release(t->shared->replies);
	}
	while ((e = ring_next(t->shared->events, &len))) {
		api_take_event(t, e);
		ring_release(t->shared->events);
		is_news = true;
	}
	if (is_news)
		http_wake_sockets(t->http);
}

static void on_tick(void *arg, uint64_t now_us)
{
	static const struct api_problem late = {
		.status = 504,
		.code = "no_answer",
		.detail = "the node did not answer in time",
	};
	struct api_thread *t = arg;
	bool is_followed = false;

	for (unsigned i = 0; i < t->n_sockets && !is_followed; i++)
		is_followed = t->sockets[i].id && t->sockets[i].topics != JOURNAL_ALL_TOPICS &&
			      t->sockets[i].topics & 1u << TOPIC_TOPOLOGY;
	atomic_store(&t->shared->is_topology_followed, is_followed);
	for (size_t i = 0; i < PENDING_MAX; i++) {
		uint64_t request = t->pending[i].request;

		if (request == 0 || now_us < t->pending[i].deadline_us)
			continue;
		if (request == NOBODY) {
			t->pending[i] = (struct pending){ 0 };
			continue;
		}
		api_forget(t, request);
		api_answer_problem(t, request, &late, NULL, false);
	}
	free_retired(t, now_us);
	t->is_ticking = false;
	if (needs_tick(t))
		api_tick_later(t);
}

/* ---- the whole ---- */

static int make_tables(struct api_thread *t)
{
	const struct api_operation *o;
	json_t *document;

	t->n_sockets = (unsigned)t->shared->config->api_connections;
	t->sockets = calloc(t->n_sockets, sizeof(*t->sockets));
	t->views = calloc(api_n_operations(), sizeof(*t->views));
	if (!t->sockets || !t->views || api_traces_new(t->shared, &t->traces) < 0 ||
	    journal_new(t->shared->first_event, &t->journal) < 0)
		return -ENOMEM;
	for (size_t i = 0; (o = api_operation_at(i)); i++) {
		struct metrics_endpoint *e;

		if (o->flags & API_VIEW)
			t->views[t->n_views++].operation = o;
		if (!o->method || t->metrics.n_endpoints + 1 >= METRICS_ENDPOINTS_MAX)
			continue;
		e = &t->metrics.endpoints[t->metrics.n_endpoints++];
		e->method = o->method;
		e->path = o->path;
		t->by_operation[i] = e;
	}
	t->metrics.endpoints[t->metrics.n_endpoints++] =
		(struct metrics_endpoint){ .method = "any", .path = "other" };
	document = api_openapi(t->shared->version);
	t->openapi = document ? json_dumps(document, JSON_INDENT(1)) : NULL;
	t->openapi_len = t->openapi ? strlen(t->openapi) : 0;
	json_decref(document);
	return t->openapi ? 0 : -ENOMEM;
}

static int make_server(struct api_thread *t, char why[HTTP_WHY_SIZE])
{
	const struct config *c = t->shared->config;
	struct http_handlers handlers;
	struct http_limits limits = {
		.connections = (unsigned)c->api_connections,
		.per_address = PER_ADDRESS_MAX,
		.address = { (uint32_t)c->api_rate_per_s, (uint32_t)c->api_rate_per_s * 2 },
		.answer_bytes = API_ANSWERS_MAX,
		.identity = { (uint32_t)c->api_rate_per_s, (uint32_t)c->api_rate_per_s * 2 },
	};
	int r;

	entropy_fill(&kernel_entropy, limits.secret, sizeof(limits.secret));
	api_http_handlers(t, &handlers);
	r = http_server_new(t->loop, &handlers, &limits, &t->http, why);
	if (r < 0)
		return r;
	(void)snprintf(why, HTTP_WHY_SIZE, "out of memory");
	return loop_timer_new(t->loop, on_tick, t, &t->timer);
}

/* Whatever of them was not taken is closed. */
static int listen_all(struct api_thread *t, struct api_thread_options *o)
{
	int *const plain[] = { &o->plain_fd, &o->inherited_fd };
	int r = 0;

	for (size_t i = 0; r == 0 && i < N_ELEMENTS(plain); i++) {
		int number = *plain[i] >= 0 ? http_listen(t->http, *plain[i]) : 0;

		*plain[i] = -1;
		r = number < 0 ? number : 0;
	}
	if (r == 0 && o->metrics_fd >= 0) {
		t->metrics_listener = http_listen(t->http, o->metrics_fd);
		o->metrics_fd = -1;
		r = t->metrics_listener < 0 ? t->metrics_listener : 0;
	}
	if (r == 0 && o->overlay_fd >= 0) {
		int overlay = http_listen_tls(t->http, o->overlay_fd);

		o->overlay_fd = -1;
		r = overlay < 0 ? overlay : 0;
	}
	return r;
}

static void close_left(const struct api_thread_options *o)
{
	if (o->plain_fd >= 0)
		(void)close(o->plain_fd);
	if (o->metrics_fd >= 0)
		(void)close(o->metrics_fd);
	if (o->overlay_fd >= 0)
		(void)close(o->overlay_fd);
	if (o->inherited_fd >= 0)
		(void)close(o->inherited_fd);
}

DEFINE_FREEP(struct api_thread, api_thread_free)

int api_thread_new(const struct api_thread_options *options, struct api_thread **ret)
{
	CLEANUP(api_thread_freep) struct api_thread *t = calloc(1, sizeof(*t));
	int r;

	if (!t) {
		close_left(options);
		return -ENOMEM;
	}
	t->shared = options->shared;
	t->options = *options;
	t->next_call = 1;
	t->metrics_listener = -1;
	r = loop_new(&t->loop);
	if (r == 0)
		r = loop_wake_new(t->loop, on_wake, t, &t->wake);
	if (r < 0)
		return r;
	t->shared->reply_wake = t->wake;
	*ret = TAKE(t);
	return 0;
}

int api_thread_run(struct api_thread *t, char why[HTTP_WHY_SIZE])
{
	int r;

	(void)prctl(PR_SET_NAME, "x0-api", 0, 0, 0);
	(void)snprintf(why, HTTP_WHY_SIZE, "out of memory");
	r = make_tables(t);
	if (r == 0)
		r = make_server(t, why);
	if (r == 0)
		r = listen_all(t, &t->options);
	if (r < 0)
		return r;
	take_published(t);
	loop_run(t->loop);
	return 0;
}

void api_thread_free(struct api_thread *t)
{
	if (!t)
		return;
	http_server_free(t->http);
	close_left(&t->options);
	t->shared->reply_wake = NULL;
	loop_free(t->loop); /* its wake-up and timer too */
	while (t->now) {
		struct api_published *p = TAKE(t->now);

		t->now = p->next;
		api_published_free(p);
	}
	journal_free(t->journal);
	api_traces_free(t->traces);
	for (size_t i = 0; i < t->n_views; i++) {
		free(t->views[i].text);
		free(t->views[i].open_text);
	}
	free(t->views);
	free(t->sockets);
	free(t->openapi);
	free(t);
}
