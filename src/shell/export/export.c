/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of spans, and the thread that sends them: batches, tries and when it gives up. */
#include "shell/export/export.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/export/internal.h"

/* ---- the queue ---- */

void export_span(struct exporter *e, const struct trace_span *s)
{
	struct queue *q = &e->queue;
	bool is_batch;

	if (!s->context.is_sampled)
		return;
	(void)pthread_mutex_lock(&q->lock);
	if (q->n == EXPORT_QUEUE_MAX)
		q->counters.dropped++;
	else
		q->spans[(q->first + q->n++) % EXPORT_QUEUE_MAX] = *s;
	is_batch = q->n == EXPORT_BATCH_MAX;
	(void)pthread_mutex_unlock(&q->lock);
	if (is_batch)
		(void)e->curl->curl_multi_wakeup(e->multi);
}

void export_counters(struct exporter *e, struct export_counters *ret)
{
	(void)pthread_mutex_lock(&e->queue.lock);
	*ret = e->queue.counters;
	ret->waiting = e->queue.n;
	(void)pthread_mutex_unlock(&e->queue.lock);
}

static size_t waiting(struct exporter *e)
{
	struct export_counters c;

	export_counters(e, &c);
	return c.waiting;
}

/* One by one, so that nobody waits for the lock longer than it takes to copy a span. */
static void take_batch(struct exporter *e)
{
	struct queue *q = &e->queue;
	bool is_empty = false;

	for (e->n_batch = 0; e->n_batch < EXPORT_BATCH_MAX && !is_empty;) {
		(void)pthread_mutex_lock(&q->lock);
		is_empty = q->n == 0;
		if (!is_empty) {
			e->batch[e->n_batch++] = q->spans[q->first];
			q->first = (q->first + 1) % EXPORT_QUEUE_MAX;
			q->n--;
		}
		(void)pthread_mutex_unlock(&q->lock);
	}
}

static void count(struct exporter *e, uint64_t *counter, uint64_t n)
{
	(void)pthread_mutex_lock(&e->queue.lock);
	*counter += n;
	(void)pthread_mutex_unlock(&e->queue.lock);
}

/* ---- what comes of a batch ---- */

static bool may_try_again(const struct outcome *o)
{
	return !o->has_answer || o->status == 429 || o->status == 502 || o->status == 503 ||
	       o->status == 504;
}

static void tell_failure(struct exporter *e, const struct outcome *o)
{
	char why[64];

	if (e->is_failing)
		return;
	e->is_failing = true;
	(void)snprintf(why, sizeof(why), "it answers %ld", o->status);
	log_warning(e->log, "traces_not_sent", log_str("endpoint", e->url),
		    log_str("why", o->has_answer ? why : o->why));
}

static void tell_success(struct exporter *e)
{
	struct export_counters c;

	if (!e->is_failing)
		return;
	e->is_failing = false;
	export_counters(e, &c);
	log_notice(e->log, "traces_sent_again", log_str("endpoint", e->url),
		   log_u64("lost", c.dropped + c.refused + c.given_up));
}

/* Waits before the next try, while spans come in; not beyond the end. */
static void pause_ms(struct exporter *e, uint64_t ms)
{
	uint64_t until_us = export_now_us() + MS(ms);
	uint64_t now_us = export_now_us();

	while (!atomic_load(&e->is_stopping) && now_us < until_us) {
		uint64_t left_ms = (until_us - now_us) / US_PER_MS + 1;

		(void)e->curl->curl_multi_poll(
			e->multi, NULL, 0, left_ms < EXPORT_WAIT_MS ? (int)left_ms : EXPORT_WAIT_MS,
			NULL);
		now_us = export_now_us();
	}
}

/* Until it is taken, refused or given up. The end cuts a wait short, and then it is tried once
 * more; unless the collector has asked for that wait. */
static void deliver(struct exporter *e, const void *body, size_t len)
{
	struct export_counters *c = &e->queue.counters;
	uint64_t wait_ms = EXPORT_RETRY_MS;
	struct outcome o;

	for (unsigned try = 1;; try++) {
		bool is_last = try == EXPORT_TRIES_MAX || atomic_load(&e->is_stopping);

		send_request(e, body, len, &o);
		count(e, &c->requests, 1);
		if (o.has_answer && o.status >= 200 && o.status < 300) {
			count(e, &c->sent, e->n_batch);
			tell_success(e);
			return;
		}
		tell_failure(e, &o);
		if (!may_try_again(&o)) {
			count(e, &c->refused, e->n_batch);
			return;
		}
		if (is_last || export_now_us() >= e->stop_us)
			break;
		pause_ms(e, o.retry_after_s ? o.retry_after_s * 1000ULL : wait_ms);
		if (o.retry_after_s && atomic_load(&e->is_stopping))
			break;
		wait_ms = min_u64(2 * wait_ms, EXPORT_RETRY_MAX_MS);
		count(e, &c->retries, 1);
	}
	count(e, &c->given_up, e->n_batch);
}

static void send_batch(struct exporter *e)
{
	size_t len = 0;
	void *body;

	take_batch(e);
	if (e->n_batch == 0)
		return;
	if (e->format == EXPORT_OTLP)
		body = trace_otlp(&e->resource, e->batch, e->n_batch, &len);
	else
		body = trace_zipkin(&e->resource, e->batch, e->n_batch, &len);
	if (body)
		deliver(e, body, len);
	else
		count(e, &e->queue.counters.given_up, e->n_batch);
	free(body);
}

/* ---- the thread ---- */

static void *run(void *arg)
{
	struct exporter *e = arg;

	(void)prctl(PR_SET_NAME, "x0-traces", 0, 0, 0);
	while (!atomic_load(&e->is_stopping)) {
		if (waiting(e) < EXPORT_BATCH_MAX)
			(void)e->curl->curl_multi_poll(e->multi, NULL, 0, EXPORT_WAIT_MS, NULL);
		send_batch(e);
	}
	e->stop_us = min_u64(e->stop_us, export_now_us() + MS(EXPORT_LAST_MS));
	while (waiting(e) > 0 && export_now_us() < e->stop_us)
		send_batch(e);
	return NULL;
}

/* Signals are the main loop's to take. */
static int start_thread(struct exporter *e)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&e->thread, NULL, run, e);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void release(struct exporter *e)
{
	if (!e)
		return;
	if (e->curl)
		send_close(e);
	(void)pthread_mutex_destroy(&e->queue.lock);
	free(e->queue.spans);
	free(e->batch);
	free(e);
}

DEFINE_FREEP(struct exporter, release)

int export_new(const struct export_options *options, struct exporter **ret,
	       char why[EXPORT_WHY_SIZE])
{
	CLEANUP(releasep) struct exporter *e = calloc(1, sizeof(*e));
	int r;

	(void)snprintf(why, EXPORT_WHY_SIZE, "out of memory");
	if (!e)
		return -ENOMEM;
	(void)pthread_mutex_init(&e->queue.lock, NULL);
	e->format = options->format;
	e->resource = options->resource;
	e->log = options->log;
	e->stop_us = NEVER_US;
	e->queue.spans = calloc(EXPORT_QUEUE_MAX, sizeof(*e->queue.spans));
	e->batch = calloc(EXPORT_BATCH_MAX, sizeof(*e->batch));
	if (!e->queue.spans || !e->batch)
		return -ENOMEM;
	if (send_url(options->endpoint, options->format, e->url) < 0) {
		(void)snprintf(why, EXPORT_WHY_SIZE,
			       "the endpoint is no http://HOST:PORT or https://HOST:PORT");
		return -EINVAL;
	}
	e->curl = curl_library_load(why, EXPORT_WHY_SIZE);
	if (!e->curl)
		return -ENOENT;
	r = send_open(e, why);
	if (r == 0)
		r = start_thread(e);
	if (r < 0)
		return r;
	*ret = TAKE(e);
	return 0;
}

void export_free(struct exporter *e)
{
	if (!e)
		return;
	atomic_store(&e->is_stopping, true);
	(void)e->curl->curl_multi_wakeup(e->multi);
	(void)pthread_join(e->thread, NULL);
	release(e);
}
