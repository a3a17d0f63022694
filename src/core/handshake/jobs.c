/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: made, waiting, given out, brought back. Who may go first when there is more to do than
 * is done: the most proven, and of those whose prefix, then whose network, then whose host has had
 * the least done for it lately. So a flood from anywhere is in its own way before it is in others'.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "core/handshake/internal.h"

static void wipe_free(uint8_t *at, size_t len)
{
	if (at)
		bytes_wipe(at, len);
	free(at);
}

void hs_job_free(struct hs_job *job)
{
	if (!job)
		return;
	if (job->kind == JOB_ERRAND)
		job->errand.free(job->errand.arg);
	free(job->credential_bytes);
	free(job->known);
	wipe_free(job->message, job->message_len);
	wipe_free(job->in, job->in_len);
	wipe_free(job->plaintext, job->plaintext_size);
	bytes_wipe(job, sizeof(*job));
	free(job);
}

_Static_assert(FAIR_BUCKETS == UINT8_MAX + 1, "a byte numbers the buckets");

static uint8_t bucket_of(const struct handshakes *h, const uint8_t *bytes, size_t len)
{
	const struct span part = SPAN(bytes, len);

	return (uint8_t)siphash64(h->fair_key, &part, 1);
}

static void find_buckets(const struct handshakes *h, const struct hs_path *path,
			 uint8_t ret[N_FAIR])
{
	uint8_t bytes[SOURCE_MAX];

	ret[FAIR_PREFIX] = bucket_of(h, bytes, path_prefix(path, bytes));
	ret[FAIR_NETWORK] = bucket_of(h, bytes, path_network(path, bytes));
	ret[FAIR_HOST] = bucket_of(h, bytes, path_host(path, bytes));
}

struct hs_job *job_new(struct handshakes *h, const struct handshake *hs, enum job_kind kind,
		       enum job_class class, uint64_t now_us)
{
	struct hs_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->kind = kind;
	job->class = class;
	find_buckets(h, &hs->path, job->bucket);
	job->local_index = hs->local_index;
	job->ops = h->ops;
	job->judge = h->judge;
	job->judge_arg = h->judge_arg;
	job->unix_s = h->judge->unix_s(h->judge_arg);
	job->now_us = now_us;
	job->is_join = hs->is_join;
	return job;
}

int job_know(struct hs_job *job, const struct cached_chain *c)
{
	if (!c)
		return 0;
	job->known = malloc(c->len);
	if (!job->known)
		return -ENOMEM;
	memcpy(job->known, c->bytes, c->len);
	job->known_len = c->len;
	memcpy(job->known_hash, c->hash, SHA256_LEN);
	job->known_peer = c->peer;
	job->known_us = c->verified_us;
	job->known_is_fresh = chain_is_fresh(c, job->now_us);
	return 0;
}

/* ---- waiting ---- */

static void halve(struct handshakes *h, uint64_t now_us)
{
	if (now_us < h->fair_us)
		return;
	h->fair_us = now_us + FAIR_HALF_US;
	for (unsigned i = 0; i < N_FAIR; i++)
		for (unsigned k = 0; k < FAIR_BUCKETS; k++)
			h->work_done[i][k] /= 2;
}

/* Less than 0: a goes before b; 0: whichever came first does. */
static int compare(const struct handshakes *h, const struct hs_job *a, const struct hs_job *b)
{
	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	for (unsigned i = 0; i < N_FAIR && a->class != JOB_CLASS_OWN; i++) {
		uint32_t done_a = h->work_done[i][a->bucket[i]];
		uint32_t done_b = h->work_done[i][b->bucket[i]];

		if (done_a != done_b)
			return done_a < done_b ? -1 : 1;
	}
	return 0;
}

static struct hs_job *first_waiting(const struct handshakes *h)
{
	struct hs_job *best = h->waiting;

	for (struct hs_job *job = best; job; job = job->next)
		if (compare(h, job, best) < 0)
			best = job;
	return best;
}

static struct hs_job *last_waiting(const struct handshakes *h)
{
	struct hs_job *worst = h->waiting;

	for (struct hs_job *job = worst; job; job = job->next)
		if (compare(h, job, worst) >= 0)
			worst = job;
	return worst;
}

static void unlink_job(struct handshakes *h, const struct hs_job *job)
{
	struct hs_job **at = &h->waiting;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	h->n_waiting--;
}

static void append(struct handshakes *h, struct hs_job *job)
{
	struct hs_job **at = &h->waiting;

	while (*at)
		at = &(*at)->next;
	*at = job;
	job->next = NULL;
	h->n_waiting++;
}

bool job_has_room(struct handshakes *h, const struct handshake *hs, enum job_class class)
{
	struct hs_job newcomer = { .class = class };

	if (h->n_workers == 0 || h->n_waiting < HS_JOBS_WAITING_MAX)
		return true;
	find_buckets(h, &hs->path, newcomer.bucket);
	if (compare(h, &newcomer, last_waiting(h)) < 0)
		return true;
	h->counters.jobs_refused++;
	return false;
}

void job_forget(struct handshakes *h, struct handshake *hs)
{
	uint64_t number = hs->job;

	hs->job = 0;
	for (struct hs_job *job = h->waiting; number && job; job = job->next) {
		if (job->number != number)
			continue;
		unlink_job(h, job);
		hs_job_free(job);
		return;
	}
}

static struct handshake *handshake_of(const struct handshakes *h, const struct hs_job *job)
{
	struct handshake *hs = map_get(h->by_index, &job->local_index);

	return hs && hs->job == job->number ? hs : NULL;
}

/* The least proven one loses its place. A handshake of which nothing is left but an M1 goes with
 * it: the same M1 makes another. */
static void make_room(struct handshakes *h, uint64_t now_us)
{
	struct hs_job *job = last_waiting(h);
	struct handshake *hs = handshake_of(h, job);
	bool is_m1 = job->kind == JOB_WRITE_M2;

	h->counters.jobs_refused++;
	job_forget(h, hs);
	if (is_m1)
		handshake_free(h, hs);
	else
		handshake_message_lost(h, hs, now_us);
}

/* ---- running ---- */

void hs_job_run(struct hs_job *job)
{
	switch (job->kind) {
	case JOB_WRITE_M2:
		job->r = job_write_m2(job);
		break;
	case JOB_CHECK_M2:
		job->r = job_check_m2(job);
		break;
	case JOB_WRITE_M3:
		job->r = job_write_m3(job);
		break;
	case JOB_CHECK_M3:
		job->r = job_check_m3(job);
		break;
	case JOB_ERRAND:
		job->errand.run(job->errand.arg);
		break;
	}
	job->is_run = true;
}

/* True where the handshake goes on with this same job. */
static bool finish(struct handshakes *h, struct handshake *hs, struct hs_job *job, uint64_t now_us)
{
	if (!job->is_run)
		job->r = -EIO;
	switch (job->kind) {
	case JOB_WRITE_M2:
		responder_m2_written(h, hs, job, now_us);
		break;
	case JOB_CHECK_M2:
		return initiator_m2_checked(h, hs, job, now_us);
	case JOB_WRITE_M3:
		initiator_m3_written(h, hs, job, now_us);
		break;
	case JOB_CHECK_M3:
		responder_m3_checked(h, hs, job, now_us);
		break;
	case JOB_ERRAND:
		break;
	}
	return false;
}

/* False: there is nothing to do any more. */
static bool begin(struct handshakes *h, struct handshake *hs, struct hs_job *job)
{
	if (job->kind == JOB_WRITE_M2 && !responder_m1_is_new(h, hs, job))
		return false;
	h->counters.jobs++;
	return true;
}

static void end(struct handshakes *h, struct hs_job *job, uint64_t now_us)
{
	struct handshake *hs;

	if (job->kind == JOB_ERRAND) {
		job->errand.done(job->errand.arg, job->is_run, now_us);
		hs_job_free(job);
		return;
	}
	hs = handshake_of(h, job);
	h->deadline_is_known = false;
	if (hs)
		hs->job = 0;
	if (!hs || !finish(h, hs, job, now_us))
		hs_job_free(job);
}

void job_submit(struct handshakes *h, struct handshake *hs, struct hs_job *job, uint64_t now_us)
{
	bool goes_on = job->is_run;

	job->number = ++h->next_job;
	job->is_run = false;
	job->now_us = now_us;
	hs->job = job->number;
	hs->ack_us = NEVER_US;
	if (h->n_workers > 0) {
		if (!goes_on && h->n_waiting >= HS_JOBS_WAITING_MAX)
			make_room(h, now_us);
		append(h, job);
		return;
	}
	if (!begin(h, hs, job)) {
		hs_job_free(job);
		handshake_free(h, hs);
		return;
	}
	hs_job_run(job);
	end(h, job, now_us);
}

int handshakes_errand(struct handshakes *h, const struct hs_errand *errand, uint64_t now_us)
{
	struct hs_job **at = &h->errands;
	struct hs_job *job;

	if (h->n_errands >= HS_ERRANDS_MAX)
		return -ENOBUFS;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->kind = JOB_ERRAND;
	job->errand = *errand;
	if (h->n_workers == 0) {
		hs_job_run(job);
		end(h, job, now_us);
		return 0;
	}
	while (*at)
		at = &(*at)->next;
	*at = job;
	h->n_errands++;
	return 0;
}

static struct hs_job *next_errand(struct handshakes *h)
{
	struct hs_job *job = h->errands;

	if (!job)
		return NULL;
	h->errands = job->next;
	h->n_errands--;
	h->n_out++;
	return job;
}

struct hs_job *handshakes_next_job(struct handshakes *h, uint64_t now_us)
{
	struct hs_job *job;

	halve(h, now_us);
	while (h->n_out < h->n_workers && (job = first_waiting(h))) {
		struct handshake *hs = handshake_of(h, job);

		unlink_job(h, job);
		if (begin(h, hs, job)) {
			h->n_out++;
			for (unsigned i = 0; i < N_FAIR; i++)
				h->work_done[i][job->bucket[i]]++;
			return job;
		}
		hs_job_free(job);
		handshake_free(h, hs);
	}
	return h->n_out < h->n_workers ? next_errand(h) : NULL;
}

void handshakes_job_done(struct handshakes *h, struct hs_job *job, uint64_t now_us)
{
	h->n_out--;
	end(h, job, now_us);
}

unsigned handshakes_jobs_out(const struct handshakes *h)
{
	return h->n_out;
}

void jobs_drop_writing(struct handshakes *h)
{
	struct hs_job *job = h->waiting;

	while (job) {
		struct hs_job *next = job->next;
		struct handshake *hs = handshake_of(h, job);

		if (job->kind == JOB_WRITE_M3)
			report_failure(h, hs, HS_FAIL_NO_COMPLETION, IDENTITY_OK);
		if (job->kind == JOB_WRITE_M2 || job->kind == JOB_WRITE_M3)
			handshake_free(h, hs); /* and the job */
		job = next;
	}
}

void jobs_free(struct handshakes *h)
{
	while (h->waiting) {
		struct hs_job *job = h->waiting;

		unlink_job(h, job);
		hs_job_free(job);
	}
	while (h->errands) {
		struct hs_job *job = h->errands;

		h->errands = job->next;
		hs_job_free(job);
	}
}
