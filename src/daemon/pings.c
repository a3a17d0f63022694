/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 ping` and `x0 trace`, as the control socket asks for them. */
#include <errno.h>
#include <stdio.h>

#include "base/units.h"
#include "daemon/api.h"
#include "daemon/tracing.h"

#define INTERVAL_MIN_MS 10
#define INTERVAL_MAX_MS 60000
#define WAIT_MAX_MS 60000
#define TRACE_TTL_MAX 64
#define RETRY_US MS(5)

static struct ping *ping_of_request(struct daemon *d, uint64_t request)
{
	for (size_t i = 0; i < PINGS_MAX; i++)
		if (d->pings[i].request == request)
			return &d->pings[i];
	return NULL;
}

static void release(struct ping *p)
{
	loop_timer_free(p->timer);
	*p = (struct ping){ 0 };
}

static void finish(struct ping *p)
{
	struct daemon *d = p->daemon;
	json_t *result = json_pack("{s:s, s:i, s:i}", "target", p->name, "sent", (int)p->n_sent,
				   "received", (int)p->n_received);

	if (p->n_received > 0 && !p->is_trace) {
		(void)json_object_set_new(result, "rtt_min_us",
					  json_integer((json_int_t)p->min_us));
		(void)json_object_set_new(result, "rtt_avg_us",
					  json_integer((json_int_t)(p->sum_us / p->n_received)));
		(void)json_object_set_new(result, "rtt_max_us",
					  json_integer((json_int_t)p->max_us));
	}
	(void)answer_result(d, p->request, result);
	release(p);
}

/* Ends the ping where its client is gone. */
static void tell_client(struct ping *p, json_t *event)
{
	if (answer_event(p->daemon, p->request, event) == -ENOENT)
		release(p);
}

static void tell(struct ping *p, const char *kind, int sequence, const char *why)
{
	tell_client(p,
		    json_pack("{s:s, s:i, s:s}", "event", kind, "sequence", sequence, "why", why));
}

/* Where there is no route yet (the node has just started) it is tried again for as long as an
 * answer would be waited for; only then is that told. */
static bool retries(struct ping *p, int r, uint64_t now_us)
{
	if (r != -ENETUNREACH || p->is_trace || now_us >= p->sent_us + p->wait_us)
		return false;
	p->is_retrying = true;
	return true;
}

static void send_next(struct ping *p, uint64_t now_us)
{
	struct daemon *d = p->daemon;
	int r;

	if (!p->is_retrying) {
		p->n_sent++;
		p->sent_us = now_us;
	}
	p->is_retrying = false;
	p->has_answer = false;
	if (p->is_trace)
		r = node_trace(d->node, p->node_id, p->id, p->n_sent, now_us);
	else
		r = node_ping(d->node, p->node_id, p->id, p->n_sent, now_us);
	if (r == -ENETUNREACH && !retries(p, r, now_us))
		tell(p, "no_route", (int)p->n_sent, "there is no route to it (yet)");
	daemon_drain(d);
}

static bool is_over(const struct ping *p, uint64_t now_us)
{
	if (p->is_retrying || p->n_wanted == 0 || p->n_sent < p->n_wanted)
		return false;
	return p->n_received >= p->n_sent || now_us >= p->sent_us + p->wait_us;
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct ping *p = arg;
	struct loop_timer *timer = p->timer;

	if (is_over(p, now_us)) {
		finish(p);
		return;
	}
	if (p->is_trace && !p->has_answer && p->n_sent > 0) {
		tracing_hop(p->daemon, p, NULL);
		tell(p, "timeout", (int)p->n_sent, "no answer");
	}
	if (!p->request)
		return; /* nobody waits for it any more */
	if (p->is_retrying || p->n_wanted == 0 || p->n_sent < p->n_wanted)
		send_next(p, now_us);
	if (!p->request)
		return; /* answered and done already */
	if (p->is_retrying) {
		loop_timer_arm(timer, now_us + RETRY_US);
		return;
	}
	loop_timer_arm(timer, now_us + (p->n_wanted && p->n_sent >= p->n_wanted ? p->wait_us
										: p->interval_us));
}

static bool in_range(json_int_t v, json_int_t min, json_int_t max)
{
	return v >= min && v <= max;
}

void pings_begin(struct daemon *d, uint64_t request, const json_t *args, bool is_trace)
{
	const char *target = json_string_value(json_object_get(args, "target"));
	json_t *count = json_object_get(args, "count");
	json_t *interval = json_object_get(args, "interval_ms");
	json_t *wait = json_object_get(args, "wait_ms");
	json_int_t n = count ? json_integer_value(count) : is_trace ? TRACE_TTL_MAX : 4;
	json_int_t interval_ms = interval ? json_integer_value(interval) : is_trace ? 500 : 1000;
	json_int_t wait_ms = wait ? json_integer_value(wait) : 2000;
	char spiffe_id[SPIFFE_ID_SIZE];
	struct ping *p = ping_of_request(d, 0);

	if (!p) {
		(void)answer_error(d, request, "busy", "64 pings are under way already");
		return;
	}
	if (!target || spiffe_id_format(d->member->domain, target, spiffe_id) < 0) {
		(void)answer_error(d, request, "usage",
				   "this is no name of a node; see: x0 routes");
		return;
	}
	if (!in_range(n, 0, 1000000) || !in_range(interval_ms, INTERVAL_MIN_MS, INTERVAL_MAX_MS) ||
	    !in_range(wait_ms, 1, WAIT_MAX_MS)) {
		(void)answer_error(d, request, "usage",
				   "count is 0 to 1000000, the interval 10 to 60000 ms, the wait "
				   "1 to 60000 ms");
		return;
	}
	*p = (struct ping){ .daemon = d,
			    .request = request,
			    .node_id = node_id_of(d->ops, spiffe_id),
			    .is_trace = is_trace,
			    .id = d->next_ping++,
			    .n_wanted = (uint32_t)n,
			    .interval_us = MS(interval_ms),
			    .wait_us = MS(wait_ms),
			    .min_us = UINT64_MAX };
	(void)snprintf(p->name, sizeof(p->name), "%s", target);
	if (p->node_id == d->member->node_id) {
		*p = (struct ping){ 0 };
		(void)answer_error(d, request, "usage", "that is this node itself");
		return;
	}
	if (loop_timer_new(d->loop, on_timer, p, &p->timer) < 0) {
		*p = (struct ping){ 0 };
		(void)answer_error(d, request, "failed", "out of memory");
		return;
	}
	if (is_trace)
		tracing_probe(d, api_context(d, request), &p->context);
	on_timer(p, loop_now_us());
}

static void trace_event(struct ping *p, const struct node_event *e)
{
	tracing_hop(p->daemon, p, e);
	if (e->hops == p->n_sent)
		p->has_answer = true;
	if (e->via != p->node_id) {
		loop_timer_arm(p->timer, loop_now_us()); /* the next one at once */
		return;
	}
	p->n_wanted = p->n_sent; /* arrived */
	p->n_received = p->n_sent;
	loop_timer_arm(p->timer, loop_now_us());
}

void pings_event(struct daemon *d, const struct node_event *e)
{
	for (size_t i = 0; i < PINGS_MAX; i++) {
		struct ping *p = &d->pings[i];

		if (!p->request || p->id != e->id || p->is_trace != (e->type == EVENT_TRACE_REPLY))
			continue;
		tell_client(p, answers_event(d, e));
		if (!p->request)
			return;
		if (p->is_trace) {
			trace_event(p, e);
			return;
		}
		p->n_received++;
		p->sum_us += e->rtt_us;
		p->min_us = min_u64(p->min_us, e->rtt_us);
		p->max_us = max_u64(p->max_us, e->rtt_us);
		if (is_over(p, loop_now_us()))
			loop_timer_arm(p->timer, loop_now_us());
		return;
	}
}

void pings_route_changed(struct daemon *d, uint64_t node_id)
{
	for (size_t i = 0; i < PINGS_MAX; i++)
		if (d->pings[i].request && d->pings[i].is_retrying &&
		    d->pings[i].node_id == node_id)
			loop_timer_arm(d->pings[i].timer, loop_now_us());
}

void pings_end(struct daemon *d, uint64_t request)
{
	struct ping *p = ping_of_request(d, request);

	if (p && request)
		release(p);
}
