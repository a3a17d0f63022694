/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: made, waiting, given out, brought back. Who may go first when there is more to do than
 * is done: the most proven, and of those whose prefix, then whose address, has had the least
 * done for it lately. So a flood from anywhere is in its own way before it is in others'. */
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
	free(job->credential_bytes);
	free(job->known);
	wipe_free(job->message, job->message_len);
	wipe_free(job->in, job->in_len);
	wipe_free(job->plaintext, job->plaintext_size);
	bytes_wipe(job, sizeof(*job));
	free(job);
}

static uint8_t bucket_of(const struct handshakes *h, const uint8_t *bytes, size_t len)
{
	const struct span part = SPAN(bytes, len);

	return (uint8_t)siphash64(h->fair_key, &part, 1);
}

_Static_assert(FAIR_BUCKETS == UINT8_MAX + 1, "a byte numbers the buckets");

static uint8_t prefix_bucket(const struct handshakes *h, const struct hs_path *path)
{
	uint8_t prefix[SOURCE_PREFIX_MAX];

	return bucket_of(h, prefix, path_prefix(path, prefix));
}

static uint8_t address_bucket(const struct handshakes *h, const struct hs_path *path)
{
	uint8_t address[SOURCE_MAX];

	return bucket_of(h, address, path_address(path, address));
}

struct hs_job *job_new(struct handshakes *h, const struct handshake *hs, enum job_kind kind,
		       enum job_class class, uint64_t now_us)
{
	struct hs_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->kind = kind;
	job->class = class;
	job->prefix_bucket = prefix_bucket(h, &hs->path);
	job->address_bucket = address_bucket(h, &hs->path);
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
	for (unsigned i = 0; i < FAIR_BUCKETS; i++) {
		h->done_prefix[i] /= 2;
		h->done_address[i] /= 2;
	}
}

/* Less than 0: a goes before b; 0: whichever came first does. */
static int compare(const struct handshakes *h, const struct hs_job *a, const struct hs_job *b)
{
	uint32_t done_a = h->done_prefix[a->prefix_bucket];
	uint32_t done_b = h->done_prefix[b->prefix_bucket];

	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	if (a->class == JOB_CLASS_OWN)
		return 0;
	if (done_a == done_b) {
		done_a = h->done_address[a->address_bucket];
		done_b = h->done_address[b->address_bucket];
	}
	return (done_a > done_b) - (done_a < done_b);
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
	const struct hs_job newcomer = {
		.class = class,
		.prefix_bucket = prefix_bucket(h, &hs->path),
		.address_bucket = address_bucket(h, &hs->path),
	};

	if (h->n_workers == 0 || h->n_waiting < HS_JOBS_WAITING_MAX ||
	    compare(h, &newcomer, last_waiting(h)) < 0)
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
	struct handshake *hs = handshake_of(h, job);

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

struct hs_job *handshakes_next_job(struct handshakes *h, uint64_t now_us)
{
	struct hs_job *job;

	halve(h, now_us);
	while (h->n_out < h->n_workers && (job = first_waiting(h))) {
		struct handshake *hs = handshake_of(h, job);

		unlink_job(h, job);
		if (begin(h, hs, job)) {
			h->n_out++;
			h->done_prefix[job->prefix_bucket]++;
			h->done_address[job->address_bucket]++;
			return job;
		}
		hs_job_free(job);
		handshake_free(h, hs);
	}
	return NULL;
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
}
