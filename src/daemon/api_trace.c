/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the API as spans: http.server from the head to the last byte of the answer, and the
 * policy's decision below it. On the API's thread. */
#include "daemon/api_internal.h"
#include "daemon/tracing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One that is in work; its place is that of the request, which no two have at one time. */
struct traced {
	uint64_t request; /* 0: none */
	uint64_t began_us;
	struct trace_span span;
};

struct api_traces {
	struct exporter *exporter;
	struct rng rng;
	uint32_t ratio_ppm;
	struct traced *of; /* as many as connections */
};

int api_traces_new(const struct api_shared *shared, struct api_traces **ret)
{
	struct api_traces *a;
	uint64_t seed;

	*ret = NULL;
	if (!shared->exporter)
		return 0;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->of = calloc((size_t)shared->config->api_connections, sizeof(*a->of));
	if (!a->of) {
		free(a);
		return -ENOMEM;
	}
	entropy_fill(&kernel_entropy, (uint8_t *)&seed, sizeof(seed));
	rng_seed(&a->rng, seed);
	a->exporter = shared->exporter;
	a->ratio_ppm = tracing_ratio_ppm(shared->config);
	*ret = a;
	return 0;
}

void api_traces_free(struct api_traces *a)
{
	if (!a)
		return;
	free(a->of);
	free(a);
}

static struct traced *traced_of(const struct api_thread *t, uint64_t request)
{
	struct traced *one;

	if (!t->traces || request == 0 || request == NOBODY) /* a free place has 0 as well */
		return NULL;
	one = &t->traces->of[http_place_of(request)];
	return one->request == request ? one : NULL;
}

void api_trace_begin(struct api_thread *t, uint64_t request, const struct http_request *q,
		     const struct api_operation *o)
{
	struct api_traces *a = t->traces;
	struct trace_context parent = { .is_sampled = false };
	struct traced *one;

	if (!a)
		return;
	one = &a->of[http_place_of(request)];
	(void)trace_parse(q->traceparent, &parent);
	trace_begin(&one->span, "http.server", TRACE_SERVER, &parent, a->ratio_ppm, &a->rng,
		    tracing_unix_us());
	one->request = request;
	one->began_us = loop_now_us();
	trace_text(&one->span, "http.request.method", http_method_name(q->method));
	trace_text(&one->span, "http.route", o ? o->path : "other");
	trace_text(&one->span, "x0.operation", o ? o->verb : "");
}

const struct trace_context *api_trace_context(const struct api_thread *t, uint64_t request)
{
	const struct traced *one = traced_of(t, request);

	return one ? &one->span.context : NULL;
}

struct span api_trace_id(const struct api_thread *t, uint64_t request)
{
	const struct trace_context *c = api_trace_context(t, request);

	return c && c->is_sampled ? SPAN(c->trace_id, TRACE_ID_LEN) : SPAN(NULL, 0);
}

const char *api_trace_response(const struct api_thread *t, uint64_t request,
			       char ret[TRACEPARENT_SIZE])
{
	const struct trace_context *c = api_trace_context(t, request);

	if (!c)
		return NULL;
	trace_format(c, ret);
	return ret;
}

static void finish(struct api_thread *t, struct traced *one)
{
	one->span.took_us = loop_now_us() - one->began_us;
	export_span(t->traces->exporter, &one->span);
	one->request = 0;
}

void api_trace_answered(struct api_thread *t, uint64_t request, unsigned status)
{
	struct traced *one = traced_of(t, request);

	if (!one)
		return;
	trace_number(&one->span, "http.response.status_code", status);
	if (status >= 500)
		trace_error(&one->span, "the server failed");
	finish(t, one);
}

void api_trace_gone(struct api_thread *t, uint64_t request)
{
	struct traced *one = traced_of(t, request);

	if (!one)
		return;
	trace_error(&one->span, "the client went away");
	finish(t, one);
}

void api_trace_policy(struct api_thread *t, uint64_t request, const char *principal,
		      const char *resource, bool is_allowed, uint64_t took_us)
{
	const struct traced *one = traced_of(t, request);
	struct trace_span s;

	if (!one)
		return;
	trace_begin(&s, "policy.evaluate", TRACE_INTERNAL, &one->span.context, 0, &t->traces->rng,
		    tracing_unix_us() - (int64_t)took_us);
	s.took_us = took_us;
	trace_text(&s, "x0.principal", principal);
	trace_text(&s, "x0.action", "api");
	trace_text(&s, "x0.resource", resource);
	trace_text(&s, "x0.effect", is_allowed ? "allow" : "deny");
	export_span(t->traces->exporter, &s);
}
