/* SPDX-License-Identifier: Apache-2.0 */
/* The main loop's side of the API: what the thread asks is answered here, what happens is told, and
 * how things stand is published. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/dashboard.h"
#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/api.h"
#include "daemon/api_internal.h"
#include "daemon/tracing.h"

#ifndef X0_VERSION
#define X0_VERSION "unknown"
#endif

#define REQUEST_MARK                                                                \
	0xff /* the low byte of the API's requests; the control socket's is a place \
	      */
#define EVENTS_OF_CALL_MAX 256
#define TOKEN_NAME "api.token"
#define BEGIN_US MS(250) /* after the start */

_Static_assert(REQUEST_MARK >= CONTROL_CLIENTS_MAX, "no place of the control socket");

enum {
	PLAIN,
	METRICS,
	OVERLAY,
	INHERITED,
	N_LISTENERS,
};

/* One that is in work. */
struct call {
	uint64_t request; /* 0: free */
	uint64_t id;	  /* of the thread */
	struct trace_context context;
	json_t *events; /* NULL: none */
};

struct api {
	struct daemon *daemon;
	struct api_shared shared;
	struct api_thread *thread;
	pthread_t pthread;
	bool is_running;
	struct loop_timer *begin;
	char why[HTTP_WHY_SIZE]; /* it has ended by itself: the thread's until has_failed */
	atomic_bool has_failed;
	struct call calls[API_CALLS_MAX];
	uint64_t next_request;
	char listening[N_LISTENERS][ENDPOINT_TEXT_SIZE];
	char listening_why[N_LISTENERS][HTTP_WHY_SIZE];
	char why_no_tls[HTTP_WHY_SIZE]; /* then the overlay's is closed to all */
	char token_path[CONFIG_TEXT_SIZE + 16];
	/* what was published, to see that it changed */
	const struct member *member;
	const uint8_t *revocations;
	size_t revocations_len;
};

/* ---- answers ---- */

bool api_is_request(uint64_t request)
{
	return (request & 0xff) == REQUEST_MARK;
}

static struct call *call_of(struct api *a, uint64_t request)
{
	for (size_t i = 0; a && i < API_CALLS_MAX; i++)
		if (a->calls[i].request == request)
			return &a->calls[i];
	return NULL;
}

const struct trace_context *api_context(const struct daemon *d, uint64_t request)
{
	const struct call *c = api_is_request(request) ? call_of(d->api, request) : NULL;

	return c ? &c->context : NULL;
}

static void reply(struct api *a, const struct api_reply *r)
{
	/* The thread asks no more than API_CALLS_MAX at a time, and the ring has room for them. */
	struct api_reply *to = ring_room(a->shared.replies, sizeof(*to));

	if (!to) {
		json_decref(r->value);
		return;
	}
	*to = *r;
	ring_commit(a->shared.replies);
	loop_wake_send(a->shared.reply_wake);
}

static void finish(struct api *a, struct call *c, const struct api_reply *r)
{
	json_decref(c->events);
	*c = (struct call){ 0 };
	reply(a, r);
}

int api_reply_event(struct daemon *d, uint64_t request, json_t *value)
{
	struct call *c = call_of(d->api, request);

	if (c && !c->events)
		c->events = json_array();
	if (!c || json_array_size(c->events) >= EVENTS_OF_CALL_MAX) {
		json_decref(value);
		return c ? -EAGAIN : -ENOENT;
	}
	return json_array_append_new(c->events, value) < 0 ? -ENOMEM : 0;
}

int api_reply_result(struct daemon *d, uint64_t request, json_t *value)
{
	struct call *c = call_of(d->api, request);

	if (!c) {
		json_decref(value);
		return -ENOENT;
	}
	if (c->events)
		(void)json_object_set(value, "events", c->events);
	finish(d->api, c, &(struct api_reply){ .id = c->id, .value = value ? value : json_null() });
	return 0;
}

int api_reply_error(struct daemon *d, uint64_t request, const char *code, const char *message)
{
	struct call *c = call_of(d->api, request);
	struct api_reply r;

	if (!c)
		return -ENOENT;
	r = (struct api_reply){ .id = c->id };
	(void)snprintf(r.code, sizeof(r.code), "%s", code);
	(void)snprintf(r.message, sizeof(r.message), "%s", message);
	finish(d->api, c, &r);
	return 0;
}

/* ---- calls ---- */

static void cancel(struct api *a, uint64_t id)
{
	for (size_t i = 0; i < API_CALLS_MAX; i++) {
		struct call *c = &a->calls[i];

		if (c->request == 0 || c->id != id)
			continue;
		pings_end(a->daemon, c->request);
		finish(a, c, &(struct api_reply){ .id = id, .code = "gone" });
		return;
	}
}

static void begin(struct api *a, const struct api_call *call)
{
	struct call *c = call_of(a, 0);
	struct asker who = {
		.principal = call->principal,
		.is_owner = call->is_owner,
		.is_remote = true,
	};

	if (!c) {
		json_decref(call->args);
		reply(a, &(struct api_reply){ .id = call->id, .code = "busy", .message = "busy" });
		return;
	}
	c->id = call->id;
	c->context = call->context;
	c->request = a->next_request++ << 8 | REQUEST_MARK;
	requests_handle(a->daemon, c->request, call->operation->verb, call->args, &who);
	json_decref(call->args);
}

static void give_up(struct api *a);

static void on_calls(void *arg)
{
	struct api *a = arg;
	size_t len;

	if (atomic_load(&a->has_failed)) {
		give_up(a);
		return;
	}
	for (unsigned n = 0; n < API_CALLS_A_TURN; n++) {
		const struct api_call *next = ring_next(a->shared.calls, &len);
		struct api_call call;

		if (!next)
			return;
		call = *next;
		ring_release(a->shared.calls);
		if (call.operation)
			begin(a, &call);
		else
			cancel(a, call.id);
	}
	loop_wake_send(a->shared.call_wake); /* the rest after what else is due */
}

/* ---- events ---- */

static const enum journal_topic topics[EVENT_N_TYPES] = {
	[EVENT_PEER_UP] = TOPIC_PEERS,		[EVENT_PEER_DOWN] = TOPIC_PEERS,
	[EVENT_LINK_UP] = TOPIC_LINKS,		[EVENT_LINK_SUSPECT] = TOPIC_LINKS,
	[EVENT_LINK_TRUSTED] = TOPIC_LINKS,	[EVENT_LINK_DOWN] = TOPIC_LINKS,
	[EVENT_ROUTE_CHANGED] = TOPIC_ROUTES,	[EVENT_HANDSHAKE_FAILED] = TOPIC_SESSIONS,
	[EVENT_SPOOFED_INNER] = TOPIC_SECURITY, [EVENT_SPOOFED_TUN] = TOPIC_SECURITY,
	[EVENT_FLOW_DENIED] = TOPIC_SECURITY,	[EVENT_PEER_MOVED] = TOPIC_PEERS,
	[EVENT_PEER_REVOKED] = TOPIC_SECURITY,	[EVENT_PEER_CLONED] = TOPIC_SECURITY,
	[EVENT_REKEYED] = TOPIC_SESSIONS,	[EVENT_GOODBYE] = TOPIC_PEERS,
	[EVENT_NETWORK_KEY] = TOPIC_SECURITY,	[EVENT_PEER_LIFE] = TOPIC_PEERS,
	[EVENT_ROUTE_FOUND] = TOPIC_ROUTES,	[EVENT_NETWORKS] = TOPIC_NETWORKS,
	[EVENT_TOPOLOGY] = TOPIC_TOPOLOGY,
};

void api_event(struct daemon *d, const struct node_event *e, const char *name)
{
	struct api *a = d->api;
	struct api_event_record *r;
	char id[17];

	if (!a || e->type == EVENT_ECHO_REPLY || e->type == EVENT_TRACE_REPLY)
		return;
	r = ring_room(a->shared.events, sizeof(*r));
	if (!r) { /* the thread is behind; it tells how many it has not been told */
		atomic_fetch_add(&a->shared.events_dropped, 1);
		return;
	}
	*r = (struct api_event_record){
		.topic = topics[e->type],
		.unix_ms = daemon_unix_ms(d),
		.metric = e->metric,
		.hops = e->hops,
	};
	node_id_text(e->node_id, id);
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	(void)snprintf(r->peer, sizeof(r->peer), "%s", e->name[0] ? e->name : id);
	(void)snprintf(r->why, sizeof(r->why), "%s", e->reason ? e->reason : "");
	if (!endpoint_is_null(&e->endpoint))
		endpoint_format(&e->endpoint, r->endpoint);
	ring_commit(a->shared.events);
	loop_wake_send(a->shared.reply_wake);
}

void api_tell(struct daemon *d, enum journal_topic topic, const char *name, const char *peer,
	      const char *why)
{
	struct api *a = d->api;
	struct api_event_record *r = a ? ring_room(a->shared.events, sizeof(*r)) : NULL;

	if (!r) {
		if (a)
			atomic_fetch_add(&a->shared.events_dropped, 1);
		return;
	}
	*r = (struct api_event_record){ .topic = topic, .unix_ms = daemon_unix_ms(d) };
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	(void)snprintf(r->peer, sizeof(r->peer), "%s", peer);
	(void)snprintf(r->why, sizeof(r->why), "%s", why);
	ring_commit(a->shared.events);
	loop_wake_send(a->shared.reply_wake);
}

/* ---- how things stand ---- */

/* What the overlay has, and why it has nothing: its TLS may come later, and go. */
static void tell_of_overlay(struct api *a, const char *why_no_tls)
{
	(void)snprintf(a->why_no_tls, sizeof(a->why_no_tls), "%s", why_no_tls);
	if (!why_no_tls[0])
		why_no_tls = a->listening_why[OVERLAY];
	daemon_feature(a->daemon, "api.overlay", !why_no_tls[0], why_no_tls);
}

/* NULL: out of memory. Without TLS this machine is served all the same. */
static struct api_published *make_published(struct api *a)
{
	struct daemon *d = a->daemon;
	char why_no_tls[HTTP_WHY_SIZE];
	struct api_published *p = api_published_new(d, why_no_tls);

	if (!p)
		return NULL;
	tell_of_overlay(a, why_no_tls);
	a->member = d->member;
	a->revocations = node_revocations(d->node).at;
	a->revocations_len = node_revocations(d->node).len;
	return p;
}

static void publish(struct api *a)
{
	struct api_published *p = make_published(a);

	if (!p) {
		log_warning(a->daemon->log, "api_not_renewed", log_str("why", "out of memory"));
		return;
	}
	/* One that was not taken yet is replaced. */
	api_published_free(atomic_exchange(&a->shared.published, p));
	loop_wake_send(a->shared.reply_wake);
}

void api_tick(struct daemon *d)
{
	struct api *a = d->api;
	struct span revocations = node_revocations(d->node);

	if (a && atomic_load(&a->shared.is_topology_followed))
		topology_look(d);
	if (a && a->is_running &&
	    (a->member != d->member || a->revocations != revocations.at ||
	     a->revocations_len != revocations.len))
		publish(a);
}

void api_reloaded(struct daemon *d)
{
	if (d->api && d->api->is_running)
		publish(d->api);
}

/* ---- starting ---- */

/* Who can read it is the daemon's user or root, who may do all anyway. */
static int write_token(struct api *a, char why[HTTP_WHY_SIZE])
{
	uint8_t bytes[TOKEN_BYTES];
	size_t len = 2 * TOKEN_BYTES;
	ssize_t n = -1;
	int fd;

	entropy_fill(&kernel_entropy, bytes, sizeof(bytes));
	bytes_to_hex(bytes, sizeof(bytes), a->shared.token);
	bytes_wipe(bytes, sizeof(bytes));
	(void)snprintf(a->token_path, sizeof(a->token_path), "%s/" TOKEN_NAME,
		       a->daemon->options->config->run_dir);
	(void)unlink(a->token_path);
	fd = open(a->token_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		n = write(fd, a->shared.token, len);
	if (fd >= 0 && close(fd) < 0)
		n = -1;
	if (n == (ssize_t)len)
		return 0;
	(void)snprintf(why, HTTP_WHY_SIZE, "%.180s: the token cannot be written", a->token_path);
	return -EIO;
}

static int bind_loopback(struct api *a, unsigned which, uint64_t port, int *ret,
			 char why[HTTP_WHY_SIZE])
{
	struct endpoint at = { .ip = { [10] = 0xff, 0xff, 127, 0, 0, 1 }, .port = (uint16_t)port };
	int r = http_bind(&at, false, ret, why);

	if (r == 0)
		endpoint_format(&at, a->listening[which]);
	else
		(void)snprintf(a->listening_why[which], HTTP_WHY_SIZE, "%s", why);
	return r;
}

static void bind_overlay(struct api *a, uint64_t port, int *ret)
{
	struct endpoint at = { .port = (uint16_t)port };
	char why[HTTP_WHY_SIZE];

	if (!a->daemon->options->config->api_overlay) {
		(void)snprintf(a->listening_why[OVERLAY], HTTP_WHY_SIZE,
			       "switched off in the configuration (api.overlay)");
		return;
	}
	memcpy(at.ip, node_overlay_address(a->daemon->node), sizeof(at.ip));
	if (http_bind(&at, true, ret, why) == 0)
		endpoint_format(&at, a->listening[OVERLAY]);
	else
		(void)snprintf(a->listening_why[OVERLAY], HTTP_WHY_SIZE, "%s", why);
}

static int make_shared(struct api *a, char why[HTTP_WHY_SIZE])
{
	struct daemon *d = a->daemon;

	(void)snprintf(why, HTTP_WHY_SIZE, "out of memory");
	a->shared.config = d->options->config;
	a->shared.log = d->log;
	a->shared.exporter = tracing_exporter(d);
	a->shared.version = X0_VERSION;
	a->shared.start_unix_ms = daemon_unix_ms(d);
	/* No daemon of this node begins with a number that one before it has reached. */
	a->shared.first_event = d->boot_epoch << 20;
	if (ring_new(API_CALL_RING, &a->shared.calls) < 0 ||
	    ring_new(API_REPLY_RING, &a->shared.replies) < 0 ||
	    ring_new(API_EVENT_RING, &a->shared.events) < 0 ||
	    loop_wake_new(d->loop, on_calls, a, &a->shared.call_wake) < 0)
		return -ENOMEM;
	return write_token(a, why);
}

static void *run(void *arg)
{
	struct api *a = arg;

	if (api_thread_run(a->thread, a->why) < 0) {
		atomic_store(&a->has_failed, true);
		loop_wake_send(a->shared.call_wake);
	}
	return NULL;
}

/* Signals are the main loop's to take. */
static int start_thread(struct api *a)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&a->pthread, NULL, run, a);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	a->is_running = r == 0;
	return -r;
}

/* A connection takes one descriptor, with TLS three. What the system allows at most is what there
 * is; beyond it clients wait. */
static void take_descriptors(const struct config *c)
{
	rlim_t wanted = 3 * (rlim_t)c->api_connections + 512;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_begin(void *arg, uint64_t now_us)
{
	struct api *a = arg;
	struct api_published *p = make_published(a);

	(void)now_us;
	(void)snprintf(a->why, sizeof(a->why), "out of memory");
	if (p)
		atomic_store(&a->shared.published, p);
	if (!p || start_thread(a) < 0)
		give_up(a);
}

/* The library takes some 20 ms to load and to set up, which are the first packets'. Who connects
 * before waits at the socket. */
static int begin_later(struct api *a)
{
	int r = loop_timer_new(a->daemon->loop, on_begin, a, &a->begin);

	if (r == 0)
		loop_timer_arm(a->begin, loop_now_us() + BEGIN_US);
	return r;
}

/* This process's own, to close with the others: the keeper has another, for a daemon that it starts
 * again. */
static void take_inherited(struct api *a, int *ret)
{
	struct endpoint at;

	if (a->daemon->options->api_fd < 0)
		return;
	*ret = a->daemon->options->api_fd;
	http_local(*ret, &at);
	endpoint_format(&at, a->listening[INHERITED]);
}

static int begin_api(struct api *a, char why[HTTP_WHY_SIZE])
{
	const struct config *c = a->daemon->options->config;
	struct api_thread_options options = {
		.shared = &a->shared,
		.plain_fd = -1,
		.metrics_fd = -1,
		.overlay_fd = -1,
		.inherited_fd = -1,
	};
	int r;

	take_inherited(a, &options.inherited_fd);
	r = bind_loopback(a, PLAIN, c->api_port, &options.plain_fd, why);
	if (options.inherited_fd >= 0)
		r = 0; /* it may be at that very address */
	take_descriptors(c);
	if (r < 0)
		return r;
	if (c->api_metrics_port > 0 && c->api_metrics_port != c->api_port)
		(void)bind_loopback(a, METRICS, c->api_metrics_port, &options.metrics_fd, why);
	bind_overlay(a, c->api_port, &options.overlay_fd);
	(void)snprintf(why, HTTP_WHY_SIZE, "out of memory or descriptors");
	r = api_thread_new(&options, &a->thread);
	if (r == 0)
		r = make_shared(a, why);
	return r < 0 ? r : begin_later(a);
}

static void api_free(struct api *a)
{
	struct api_reply *r;
	struct api_call *c;
	size_t len;

	if (a->begin)
		loop_timer_free(a->begin);
	api_thread_free(a->thread);
	while (a->shared.replies && (r = ring_next(a->shared.replies, &len)))
		json_decref(r->value);
	while (a->shared.calls && (c = ring_next(a->shared.calls, &len)))
		json_decref(c->args);
	for (size_t i = 0; i < API_CALLS_MAX; i++)
		json_decref(a->calls[i].events);
	ring_free(a->shared.calls);
	ring_free(a->shared.replies);
	ring_free(a->shared.events);
	if (a->shared.call_wake)
		loop_wake_free(a->shared.call_wake);
	api_published_free(atomic_exchange(&a->shared.published, NULL));
	if (a->token_path[0])
		(void)unlink(a->token_path);
	bytes_wipe(a->shared.token, sizeof(a->shared.token));
	free(a);
}

static void tell_of_dashboard(struct daemon *d, const char *why_off)
{
	daemon_feature(d, "dashboard", !why_off, why_off ? why_off : "");
}

/* It did begin, but for nothing. */
static void give_up(struct api *a)
{
	struct daemon *d = a->daemon;

	if (a->is_running)
		(void)pthread_join(a->pthread, NULL);
	daemon_feature(d, "api", false, a->why);
	tell_of_dashboard(d, "the API is off");
	d->api = NULL;
	api_free(a);
}

void api_start(struct daemon *d)
{
	char why[HTTP_WHY_SIZE] = "out of memory";
	struct api *a;

	if (!d->options->config->api_server) {
		daemon_feature(d, "api", false, "switched off in the configuration (api.server)");
		tell_of_dashboard(d, "the API is off");
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a) {
		a->daemon = d;
		a->next_request = 1;
		if (begin_api(a, why) < 0) {
			api_free(a);
			a = NULL;
		}
	}
	d->api = a;
	daemon_feature(d, "api", a != NULL, a ? "" : why);
	tell_of_dashboard(d, a ? dashboard_why_off() : "the API is off");
}

void api_end(struct daemon *d)
{
	struct api *a = d->api;

	if (!a)
		return;
	atomic_store(&a->shared.is_stopping, true);
	loop_wake_send(a->shared.reply_wake);
	if (a->is_running)
		(void)pthread_join(a->pthread, NULL);
	api_free(a);
	d->api = NULL;
}

json_t *api_status(const struct daemon *d)
{
	static const char *const kinds[] = {
		[PLAIN] = "loopback",
		[METRICS] = "metrics",
		[OVERLAY] = "overlay",
		[INHERITED] = "inherited",
	};
	const struct api *a = d->api;
	json_t *list = json_array();

	for (size_t i = 0; a && i < N_ELEMENTS(kinds); i++) {
		bool has_no_tls = i == OVERLAY && a->listening[i][0] && a->why_no_tls[0];

		if (!a->listening[i][0] && !a->listening_why[i][0])
			continue;
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s}", "kind", kinds[i], "address",
					has_no_tls ? "" : a->listening[i], "why",
					has_no_tls ? a->why_no_tls : a->listening_why[i]));
	}
	return json_pack("{s:b, s:o, s:s}", "is_on", a != NULL, "listeners", list, "token_file",
			 a ? a->token_path : "");
}
