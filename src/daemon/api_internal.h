/* SPDX-License-Identifier: Apache-2.0 */
/* api_internal.h - what the main loop's side and the thread's side of the API share, and what the
 * files of the thread's side share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "api/journal.h"
#include "api/metrics.h"
#include "core/policy/policy.h"
#include "shell/config/config.h"
#include "shell/export/export.h"
#include "shell/http/http.h"
#include "shell/log/log.h"
#include "shell/loop/loop.h"
#include "shell/thread/ring.h"
#include "shell/tls/tls.h"

#define TOKEN_BYTES 32
#define API_CALL_RING (64 << 10)
#define API_REPLY_RING (64 << 10)
#define API_EVENT_RING (256 << 10)
#define API_ANSWERS_MAX (32 << 20)	   /* bytes of all answers that are not yet read */
#define PENDING_MAX 1024		   /* HTTP requests that wait for the main loop */
#define VIEW_FRESH_US MS(100)		   /* an answer is given again for this long */
#define LONG_CALLS_MAX (API_CALLS_MAX / 2) /* what anybody may ask and takes long, such as ping */
#define CALL_US SECONDS(20)		   /* then it is answered with 504 */
#define NOBODY UINT64_MAX		   /* no request has this number */
#define CHANGE_KEPT_US SECONDS(600) /* a change whose asker is gone: for its line in the log */

/* ---- between the threads ---- */

/* To the main loop. Where it does not take them any more the request is answered with 503. */
struct api_call {
	uint64_t id;
	const struct api_operation *operation; /* NULL: the one who asked is gone */
	json_t *args;			       /* given over */
	bool is_owner;
	struct trace_context context; /* of the request */
	char principal[256];
};

/* Back. Never more of them than calls, so there is always room. */
struct api_reply {
	uint64_t id;
	json_t *value; /* given over; NULL: an error */
	char code[32];
	char message[320];
};

/* An event, as numbers and texts: what is made of it the thread makes. */
struct api_event_record {
	enum journal_topic topic;
	int64_t unix_ms;
	char name[32], peer[72], endpoint[ENDPOINT_TEXT_SIZE], why[120];
	uint32_t metric;
	unsigned hops;
};

/* How things stand, made by the main loop and never changed: the thread takes the newest one, and
 * frees the one before when nothing can be in work with it. */
struct api_published {
	struct policy *policy;
	struct ssl_ctx_st *tls; /* NULL: none */
	struct tls_verifier verifier;
	struct trust trust;
	uint8_t *bytes; /* of the roots */
	int64_t floor_ms;
	uint64_t floor_us;
	uint64_t retired_us;	    /* when another came */
	struct api_published *next; /* the one before, while it may be in use */
	size_t n_hosts;
	char hosts[4][HTTP_HOST_MAX];
};

struct daemon;

/* By the main loop; api_publish.c. NULL: out of memory. Where there is a reason in ret_why_no_tls
 * it has no TLS, and so nothing for members; all else is there. */
struct api_published *api_published_new(const struct daemon *d, char ret_why_no_tls[HTTP_WHY_SIZE]);
void api_published_free(struct api_published *p);
/* Whether a certificate that was accepted once still counts: dates, revocation, the roots. */
enum identity_fault api_published_judge(const struct api_published *p,
					const struct peer_identity *peer);

struct api_shared {
	struct ring *calls, *replies, *events;
	struct loop_wake *call_wake;  /* of the main loop */
	struct loop_wake *reply_wake; /* of the thread's; there before the thread and after it */
	_Atomic(struct api_published *) published; /* newest, not yet taken */
	atomic_bool is_stopping;
	atomic_ullong events_dropped;
	atomic_bool is_topology_followed; /* by a WebSocket that has named the topic */
	const struct config *config;	  /* of the start */
	struct log *log;
	struct exporter *exporter; /* NULL: nothing is traced */
	uint64_t first_event;
	int64_t start_unix_ms;
	char token[2 * TOKEN_BYTES + 1];
	const char *version;
};

/* ---- the thread ---- */

struct view;

/* An HTTP request that waits. */
struct pending {
	uint64_t request; /* 0: free; NOBODY: whoever asked is gone */
	uint64_t call;	  /* 0: it waits for a view that another one asked for */
	struct view *view;
	const struct api_operation *operation;
	uint64_t deadline_us;
	bool is_change;
	bool is_long;
	bool wants_open; /* metrics: as OpenMetrics */
	char principal[256];
};

/* The last answer to what is the same for all. */
struct view {
	const struct api_operation *operation;
	char *text, *open_text; /* open_text: of the metrics alone */
	size_t len, open_len;
	unsigned status;
	uint64_t made_us;
	uint64_t call; /* asked for; 0: not */
	bool is_stale; /* something was changed since it was asked for */
};

struct api_socket {
	uint64_t id; /* 0: free */
	uint64_t next;
	unsigned topics;
	bool is_greeted;
	uint64_t wanted;    /* with what number it began */
	char identity[256]; /* whom the policy let in; "" for the token and the loopback */
	const struct peer_identity *peer; /* the same, of the connection */
};

struct api_thread_options {
	struct api_shared *shared;
	int plain_fd, metrics_fd, overlay_fd, inherited_fd; /* taken; -1: none */
};

struct api_thread {
	struct api_shared *shared;
	struct api_thread_options options; /* descriptors that the server has not taken yet */
	struct loop *loop;
	struct http_server *http;
	struct loop_wake *wake;
	struct loop_timer *timer;
	bool is_ticking;
	struct api_published *now; /* in force; those before it behind ->next */
	struct journal *journal;
	struct metrics_http metrics;
	struct policy_times decisions; /* about members; the main loop has its own */
	struct metrics_endpoint *by_operation[METRICS_ENDPOINTS_MAX];
	struct pending pending[PENDING_MAX];
	struct view *views;
	size_t n_views;
	struct api_socket *sockets;
	unsigned n_sockets;
	unsigned n_calls;
	uint64_t next_call;
	uint64_t in_hand;	   /* the request that is being judged; 0: none, or a WebSocket's */
	struct api_traces *traces; /* NULL: none */
	char *openapi;
	size_t openapi_len;
	int metrics_listener; /* serves /metrics alone; -1: none */
};

/* api_thread.c */
/* Takes the descriptors in any case. From then on there is shared->reply_wake. */
int api_thread_new(const struct api_thread_options *options, struct api_thread **ret);
/* On the thread itself: loads the library, serves who waits at the descriptors, and returns 0 after
 * shared->is_stopping. -ENOENT and others with a sentence where it cannot. */
int api_thread_run(struct api_thread *t, char why[HTTP_WHY_SIZE]);
void api_thread_free(struct api_thread *t);
void api_ask(struct api_thread *t, uint64_t request, const struct api_operation *o, json_t *args,
	     const char *principal, bool is_owner, bool wants_open);
void api_answer_problem(struct api_thread *t, uint64_t request, const struct api_problem *p,
			const char *allow, bool asks_for_token);
void api_answer_json(struct api_thread *t, uint64_t request, json_t *value);
void api_forget(struct api_thread *t, uint64_t request);
/* What is looked at once a second is, from now on and while there is something. */
void api_tick_later(struct api_thread *t);

/* api_http.c */
void api_http_handlers(struct api_thread *t, struct http_handlers *ret);
/* Who asks, and whether he may. False: the problem says why not. */
bool api_admit(struct api_thread *t, const struct http_request *q, const struct api_operation *o,
	       char ret_principal[256], bool *ret_is_owner, struct api_problem *ret_problem);

/* NULL, or why a member's certificate counts no more. */
const char *api_fault_of(const struct api_thread *t, const struct peer_identity *peer);

/* api_trace.c: all of it does nothing where nothing is traced */
int api_traces_new(const struct api_shared *shared, struct api_traces **ret);
void api_traces_free(struct api_traces *a);
void api_trace_begin(struct api_thread *t, uint64_t request, const struct http_request *q,
		     const struct api_operation *o);
const struct trace_context *api_trace_context(const struct api_thread *t, uint64_t request);
/* For the log: empty where nothing is recorded. */
struct span api_trace_id(const struct api_thread *t, uint64_t request);
/* The header traceresponse, or NULL. */
const char *api_trace_response(const struct api_thread *t, uint64_t request,
			       char ret[TRACEPARENT_SIZE]);
void api_trace_answered(struct api_thread *t, uint64_t request, unsigned status);
void api_trace_gone(struct api_thread *t, uint64_t request);
void api_trace_policy(struct api_thread *t, uint64_t request, const char *principal,
		      const char *resource, bool is_allowed, uint64_t took_us);

/* api_socket.c */
bool api_socket_open(void *arg, uint64_t socket, const struct http_request *q,
		     struct http_refusal *ret_why);
void api_socket_closed(void *arg, uint64_t socket);
void api_socket_ready(void *arg, uint64_t socket, struct http_message *ret);
bool api_socket_message(void *arg, uint64_t socket, struct span text, const char **ret_reason);
void api_take_event(struct api_thread *t, const struct api_event_record *e);
json_t *api_events_json(const struct api_thread *t, const json_t *args,
			struct api_problem *ret_problem);
