/* SPDX-License-Identifier: Apache-2.0 */
/* A request of HTTP: who asks, what, and whether he may. */
#include <stdio.h>
#include <string.h>

#include "api/dashboard.h"
#include "base/cleanup.h"
#include "base/secret.h"
#include "daemon/api.h"
#include "daemon/api_internal.h"

#define OWNER "token"	  /* as the log calls who has it */
#define VIEWER "loopback" /* who has none, on this machine */

/* ---- who ---- */

static void deny(struct api_problem *p, unsigned status, const char *code, const char *field,
		 const char *detail)
{
	*p = (struct api_problem){ .status = status, .code = code };
	(void)snprintf(p->field, sizeof(p->field), "%s", field);
	(void)snprintf(p->detail, sizeof(p->detail), "%s", detail);
}

/* "Bearer TOKEN", the scheme in either case (RFC 9110 11.1). */
static bool has_token(const struct api_thread *t, const char *authorization)
{
	size_t len = 2 * TOKEN_BYTES;

	return strncasecmp(authorization, "Bearer ", 7) == 0 && strlen(authorization) == 7 + len &&
	       bytes_equal_ct((const uint8_t *)authorization + 7, (const uint8_t *)t->shared->token,
			      len);
}

static bool admit_member(struct api_thread *t, const struct http_request *q,
			 const struct api_operation *o, struct api_problem *p)
{
	struct policy_reason reason;
	uint64_t began_us = loop_now_us();
	bool may = policy_decide_timed(t->now->policy, q->identity, POLICY_API, o->verb, &reason,
				       loop_now_ns, &t->decisions) == POLICY_ALLOW;

	api_trace_policy(t, t->in_hand, q->identity, o->verb, may, loop_now_us() - began_us);
	if (may)
		return true;
	deny(p, 403, "denied", "", reason.text);
	return false;
}

const char *api_fault_of(const struct api_thread *t, const struct peer_identity *peer)
{
	enum identity_fault fault = peer ? api_published_judge(t->now, peer) : IDENTITY_NO_PATH;

	return fault == IDENTITY_OK ? NULL : identity_fault_text(fault);
}

/* A connection may outlive the certificate that it was opened with. */
static bool is_still_member(const struct api_thread *t, const struct http_request *q,
			    struct api_problem *p)
{
	const char *fault = api_fault_of(t, q->peer);

	if (fault)
		deny(p, 401, "bad_certificate", "", fault);
	return !fault;
}

bool api_admit(struct api_thread *t, const struct http_request *q, const struct api_operation *o,
	       char ret_principal[256], bool *ret_is_owner, struct api_problem *p)
{
	*ret_is_owner = false;
	(void)snprintf(ret_principal, 256, "%s", q->identity[0] ? q->identity : VIEWER);
	if (q->authorization[0] && !has_token(t, q->authorization)) {
		deny(p, 401, "bad_token", "Authorization",
		     "this is not the token of this daemon; it is in the file that x0 status "
		     "names");
		return false;
	}
	if (q->authorization[0]) {
		*ret_is_owner = true;
		(void)snprintf(ret_principal, 256, OWNER);
		return true;
	}
	if (q->identity[0])
		return is_still_member(t, q, p) &&
		       (o->flags & API_OPEN || admit_member(t, q, o, p));
	if (!q->is_loopback) {
		deny(p, 401, "no_identity", "", "a certificate of the mesh is needed");
		return false;
	}
	if (o->flags & API_OPEN)
		return true;
	if (o->flags & API_CHANGES) {
		deny(p, 401, "needs_token", "Authorization",
		     "to change something the token is needed; it is in the file that x0 status "
		     "names");
		return false;
	}
	if (t->shared->config->api_loopback_read)
		return true;
	deny(p, 401, "needs_token", "Authorization",
	     "reading without the token is switched off (api.loopback_read)");
	return false;
}

/* ---- what ---- */

/* Whether this browser has the file as it is: weak comparison (RFC 9110 13.1.2). */
static bool has_file(const struct http_request *q, const struct dashboard_file *f)
{
	return strcmp(q->if_none_match, "*") == 0 || strstr(q->if_none_match, f->etag + 2);
}

static void answer_page(struct api_thread *t, uint64_t request, const struct http_request *q,
			const char *name)
{
	const struct dashboard_file *f = dashboard_find(name);
	const char *why = dashboard_why_off();
	struct http_response r = { .status = 200, .security_policy = DASHBOARD_POLICY };
	struct api_problem p;

	if (why || !f) {
		deny(&p, why ? 503 : 404, why ? "dashboard_off" : "not_found", "",
		     why ? why : "the dashboard has no such file");
		api_answer_problem(t, request, &p, NULL, false);
		return;
	}
	r.content_type = f->content_type;
	r.etag = f->etag;
	if (has_file(q, f)) {
		r.status = 304;
	} else if (q->accepts_gzip && f->gzip.len > 0) {
		r.content_encoding = "gzip";
		r.body = f->gzip;
	} else {
		r.body = f->plain;
	}
	(void)http_respond(t->http, request, &r);
}

static void answer_own(struct api_thread *t, uint64_t request, const struct api_operation *o,
		       const json_t *args)
{
	struct api_problem p;
	json_t *events;

	if (strcmp(o->verb, "openapi") == 0) {
		char trace[TRACEPARENT_SIZE];
		const struct http_response r = {
			.status = 200,
			.content_type = "application/json",
			.body = SPAN(t->openapi, t->openapi_len),
			.traceresponse = api_trace_response(t, request, trace),
		};

		(void)http_respond(t->http, request, &r);
		return;
	}
	if (strcmp(o->verb, "health.live") == 0) {
		api_answer_json(t, request, json_pack("{s:s}", "status", "ok"));
		return;
	}
	if (strcmp(o->verb, "socket") == 0) {
		deny(&p, 426, "upgrade_required", "Upgrade",
		     "this is a WebSocket: connect with one");
		api_answer_problem(t, request, &p, NULL, false);
		return;
	}
	events = api_events_json(t, args, &p);
	if (events)
		api_answer_json(t, request, events);
	else
		api_answer_problem(t, request, &p, NULL, false);
}

static void on_request(void *arg, uint64_t request, const struct http_request *q)
{
	struct api_thread *t = arg;
	const struct api_operation *o;
	struct api_problem p;
	char principal[256];
	char allow[64];
	bool is_owner;
	json_t *args;
	bool may;

	o = api_match(http_method_name(q->method), q->path, allow, &p);
	api_trace_begin(t, request, q, o);
	if (o && (int)q->listener == t->metrics_listener && strcmp(o->verb, "metrics") != 0 &&
	    (!(o->flags & API_OPEN) || o->flags & API_PAGE)) {
		deny(&p, 404, "not_found", "", "here are /metrics and /health alone");
		o = NULL;
		allow[0] = '\0';
	}
	if (!o) {
		api_answer_problem(t, request, &p, allow[0] ? allow : NULL, false);
		return;
	}
	t->in_hand = request;
	may = api_admit(t, q, o, principal, &is_owner, &p);
	t->in_hand = 0;
	if (!may) {
		api_answer_problem(t, request, &p, NULL, p.status == 401);
		return;
	}
	args = api_arguments(o, q->path, q->args, q->n_args, q->content_type, q->body, &p);
	if (!args) {
		api_answer_problem(t, request, &p, NULL, false);
		return;
	}
	if (o->flags & API_PAGE) {
		const char *file = json_string_value(json_object_get(args, "file"));

		answer_page(t, request, q, file ? file : DASHBOARD_PAGE);
		json_decref(args);
	} else if (o->flags & API_OWN) {
		answer_own(t, request, o, args);
		json_decref(args);
	} else {
		api_ask(t, request, o, args, principal, is_owner, metrics_wants_open(q->accept));
	}
}

static void on_gone(void *arg, uint64_t request)
{
	api_trace_gone(arg, request);
	api_forget(arg, request);
}

/* ---- counting ---- */

static void on_answered(void *arg, uint64_t request, enum http_method m, const char *path,
			unsigned status, uint64_t took_us)
{
	struct api_thread *t = arg;
	struct metrics_endpoint *e = &t->metrics.endpoints[t->metrics.n_endpoints - 1];
	const struct api_operation *o, *match;
	struct api_problem ignored;
	char allow[64];

	match = api_match(http_method_name(m), path, allow, &ignored);
	for (size_t i = 0; match && (o = api_operation_at(i)) && i < METRICS_ENDPOINTS_MAX; i++)
		if (o == match && t->by_operation[i])
			e = t->by_operation[i];
	metrics_count(e, status, took_us);
	api_trace_answered(t, request, status);
}

static size_t on_refused(void *arg, const struct http_refusal *r, char *ret, size_t size)
{
	struct api_problem p;

	(void)arg;
	deny(&p, r->status,
	     r->code[0]		? r->code
	     : r->status == 429 ? "rate_limited"
				: "refused",
	     r->field, r->detail);
	return api_problem_json(&p, ret, size);
}

void api_http_handlers(struct api_thread *t, struct http_handlers *ret)
{
	*ret = (struct http_handlers){
		.on_request = on_request,
		.on_gone = on_gone,
		.on_answered = on_answered,
		.on_refused = on_refused,
		.on_open = api_socket_open,
		.on_closed = api_socket_closed,
		.on_ready = api_socket_ready,
		.on_message = api_socket_message,
		.arg = t,
	};
}
