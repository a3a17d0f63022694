/* SPDX-License-Identifier: Apache-2.0 */
/* The model of one direction: chances first, then the queue before the rate, then the delay. */
#include "linkem/impair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define NS_PER_US 1000U
#define NS_PER_S UINT64_C(1000000000)

/* One generator for each chance, so that they do not move each other. */
enum chance {
	CHANCE_LOSS,
	CHANCE_STATE,
	CHANCE_BAD_LOSS,
	CHANCE_DUPLICATE,
	CHANCE_CORRUPT,
	CHANCE_BIT,
	CHANCE_REORDER,
	CHANCE_JITTER,
	N_CHANCES,
};

struct flying {
	uint64_t due_ns;
	uint64_t number; /* of those due together the first in is the first out */
	uint8_t *bytes;
	size_t len;
};

struct impair {
	struct impair_config config;
	struct rng chances[N_CHANCES];
	uint64_t drawn[N_CHANCES]; /* for the frame that enters now */
	size_t skip_len;
	bool is_bad; /* state of Gilbert-Elliott */
	uint64_t number;
	uint64_t busy_until_ns; /* the rate is taken until then */
	uint64_t last_due_ns;	/* order is kept by not leaving before this */
	struct flying *heap;	/* the earliest is the first */
	size_t n, size;
	size_t bytes;
	uint8_t *popped;
	struct impair_counters counters;
};

DEFINE_FREEP(struct impair, impair_free)

int impair_new(uint64_t seed, size_t skip_len, struct impair **ret)
{
	struct impair *m = calloc(1, sizeof(*m));
	struct rng seeds;

	if (!m)
		return -ENOMEM;
	rng_seed(&seeds, seed);
	for (size_t i = 0; i < N_CHANCES; i++)
		rng_seed(&m->chances[i], rng_next(&seeds));
	m->skip_len = skip_len;
	*ret = m;
	return 0;
}

void impair_flush(struct impair *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->heap[i].bytes);
	m->n = 0;
	m->bytes = 0;
	m->busy_until_ns = m->last_due_ns = 0;
}

void impair_free(struct impair *m)
{
	if (!m)
		return;
	impair_flush(m);
	free(m->popped);
	free(m->heap);
	free(m);
}

int impair_configure(struct impair *m, const struct impair_config *c)
{
	const uint32_t chances[] = { c->loss_ppm,     c->bad_ppm,	c->good_ppm,
				     c->bad_loss_ppm, c->duplicate_ppm, c->corrupt_ppm,
				     c->reorder_ppm };

	for (size_t i = 0; i < N_ELEMENTS(chances); i++)
		if (chances[i] > IMPAIR_PPM)
			return -EINVAL;
	if (c->delay_us > IMPAIR_TIME_MAX_US || c->jitter_us > IMPAIR_TIME_MAX_US ||
	    c->reorder_us > IMPAIR_TIME_MAX_US)
		return -EINVAL;
	if (c->rate_bps && (c->rate_bps < IMPAIR_RATE_MIN_BPS || c->rate_bps > IMPAIR_RATE_MAX_BPS))
		return -EINVAL;
	if (c->queue_bytes &&
	    (c->queue_bytes < IMPAIR_QUEUE_MIN_BYTES || c->queue_bytes > IMPAIR_BYTES_MAX))
		return -EINVAL;
	m->config = *c;
	if (!m->config.queue_bytes)
		m->config.queue_bytes = IMPAIR_QUEUE_DEFAULT_BYTES;
	if (!c->bad_ppm)
		m->is_bad = false; /* it would never be left */
	if (!c->rate_bps)
		m->busy_until_ns = 0;
	return 0;
}

void impair_config(const struct impair *m, struct impair_config *ret)
{
	*ret = m->config;
}

void impair_counters(const struct impair *m, struct impair_counters *ret)
{
	*ret = m->counters;
}

void impair_reset_counters(struct impair *m)
{
	m->counters = (struct impair_counters){ 0 };
}

/* ---- what is in flight ---- */

static bool is_before(const struct flying *a, const struct flying *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void swap(struct flying *a, struct flying *b)
{
	struct flying t = *a;

	*a = *b;
	*b = t;
}

static bool make_room(struct impair *m)
{
	size_t size = m->size ? 2 * m->size : 64;
	struct flying *heap;

	if (m->n < m->size)
		return true;
	heap = realloc(m->heap, size * sizeof(*heap));
	if (!heap)
		return false;
	m->heap = heap;
	m->size = size;
	return true;
}

static void fly(struct impair *m, const uint8_t *frame, size_t len, uint64_t due_ns)
{
	size_t at = m->n;

	if (m->n == IMPAIR_FRAMES_MAX || m->bytes + len > IMPAIR_BYTES_MAX || !make_room(m)) {
		m->counters.lost_full++;
		return;
	}
	m->heap[at] = (struct flying){ due_ns, m->number++, malloc(len ? len : 1), len };
	if (!m->heap[at].bytes) {
		m->counters.lost_full++;
		return;
	}
	memcpy(m->heap[at].bytes, frame, len);
	m->n++;
	m->bytes += len;
	for (; at > 0 && is_before(&m->heap[at], &m->heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap(&m->heap[at], &m->heap[(at - 1) / 2]);
}

static void remove_first(struct impair *m)
{
	size_t at = 0;

	m->bytes -= m->heap[0].len;
	m->heap[0] = m->heap[--m->n];
	while (2 * at + 1 < m->n) {
		size_t child = 2 * at + 1;

		if (child + 1 < m->n && is_before(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (!is_before(&m->heap[child], &m->heap[at]))
			return;
		swap(&m->heap[at], &m->heap[child]);
		at = child;
	}
}

uint64_t impair_deadline_ns(const struct impair *m)
{
	return m->n ? m->heap[0].due_ns : UINT64_MAX;
}

bool impair_pop(struct impair *m, uint64_t now_ns, const uint8_t **ret_frame, size_t *ret_len,
		uint64_t *ret_due_ns)
{
	if (impair_deadline_ns(m) > now_ns)
		return false;
	free(m->popped);
	m->popped = m->heap[0].bytes;
	*ret_frame = m->popped;
	*ret_len = m->heap[0].len;
	*ret_due_ns = m->heap[0].due_ns;
	remove_first(m);
	m->counters.frames_out++;
	m->counters.bytes_out += *ret_len;
	return true;
}

/* ---- what happens to a frame ---- */

static bool happens(const struct impair *m, enum chance c, uint32_t ppm)
{
	return m->drawn[c] % IMPAIR_PPM < ppm;
}

static void draw(struct impair *m)
{
	for (size_t i = 0; i < N_CHANCES; i++)
		m->drawn[i] = rng_next(&m->chances[i]) >> 8; /* of 56 bits a million is nothing */
}

static bool is_lost(struct impair *m)
{
	const struct impair_config *c = &m->config;

	if (happens(m, CHANCE_STATE, m->is_bad ? c->good_ppm : c->bad_ppm))
		m->is_bad = !m->is_bad;
	if (c->is_cut) {
		m->counters.lost_cut++;
		return true;
	}
	if (m->is_bad && happens(m, CHANCE_BAD_LOSS, c->bad_loss_ppm)) {
		m->counters.lost_bad++;
		return true;
	}
	if (happens(m, CHANCE_LOSS, c->loss_ppm)) {
		m->counters.lost++;
		return true;
	}
	return false;
}

static uint64_t bytes_queued(const struct impair *m, uint64_t now_ns)
{
	if (m->busy_until_ns <= now_ns)
		return 0;
	return (uint64_t)((unsigned __int128)(m->busy_until_ns - now_ns) * m->config.rate_bps / 8 /
			  NS_PER_S);
}

/* The last bit of the frame is through the bottleneck at *ret_ns; false where the queue before it
 * is full. The frame that is being sent counts as queued. */
static bool pass_rate(struct impair *m, size_t len, uint64_t now_ns, uint64_t *ret_ns)
{
	uint64_t queued;

	*ret_ns = now_ns;
	if (!m->config.rate_bps)
		return true;
	queued = bytes_queued(m, now_ns) + len;
	if (queued > m->config.queue_bytes && queued > len) {
		m->counters.lost_queue++;
		return false;
	}
	if (queued > m->counters.queue_bytes_max)
		m->counters.queue_bytes_max = queued;
	if (m->busy_until_ns < now_ns)
		m->busy_until_ns = now_ns;
	m->busy_until_ns += (uint64_t)len * 8 * NS_PER_S / m->config.rate_bps;
	*ret_ns = m->busy_until_ns;
	return true;
}

/* One that is held back does not hold back those behind it. */
static uint64_t due_of(struct impair *m, uint64_t sent_ns)
{
	const struct impair_config *c = &m->config;
	uint64_t jitter_ns = (uint64_t)c->jitter_us * NS_PER_US;
	uint64_t due_ns = sent_ns + (uint64_t)c->delay_us * NS_PER_US +
			  (jitter_ns ? m->drawn[CHANCE_JITTER] % (jitter_ns + 1) : 0);

	if (due_ns < m->last_due_ns)
		due_ns = m->last_due_ns;
	if (happens(m, CHANCE_REORDER, c->reorder_ppm)) {
		m->counters.reordered++;
		return due_ns + (uint64_t)c->reorder_us * NS_PER_US;
	}
	m->last_due_ns = due_ns;
	return due_ns;
}

static void corrupt(struct impair *m, uint8_t *frame, size_t len)
{
	uint64_t bit;

	if (len <= m->skip_len)
		return;
	bit = m->drawn[CHANCE_BIT] % ((len - m->skip_len) * 8);
	frame[m->skip_len + bit / 8] ^= (uint8_t)(1U << (bit % 8));
	m->counters.corrupted++;
}

void impair_push(struct impair *m, const uint8_t *frame, size_t len, uint64_t now_ns)
{
	CLEANUP_FREE uint8_t *changed = NULL;
	uint64_t sent_ns, due_ns;

	m->counters.frames_in++;
	m->counters.bytes_in += len;
	draw(m);
	if (is_lost(m) || !pass_rate(m, len, now_ns, &sent_ns))
		return;
	due_ns = due_of(m, sent_ns);
	if (happens(m, CHANCE_CORRUPT, m->config.corrupt_ppm) &&
	    (changed = malloc(len ? len : 1))) {
		memcpy(changed, frame, len);
		corrupt(m, changed, len);
		frame = changed;
	}
	fly(m, frame, len, due_ns);
	if (happens(m, CHANCE_DUPLICATE, m->config.duplicate_ppm)) {
		m->counters.duplicated++;
		fly(m, frame, len, due_ns);
	}
}
