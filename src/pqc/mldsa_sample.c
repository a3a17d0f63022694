/* SPDX-License-Identifier: Apache-2.0 */
/* The sampling algorithms of ML-DSA over sponges side by side (FIPS 204 section 7.3). */
#include "pqc/mldsa_sample.h"

#include <assert.h>
#include <string.h>

#include "pqc/keccak.h"
#include "pqc/keccak_wide.h"

#define SEED_MAX 64
/* Blocks that are squeezed before they are looked at. For A and s1, s2 that is enough but for
 * one polynomial in 2^80 and in a million; ExpandMask takes 576 or 640 bytes. */
#define UNIFORM_BLOCKS 5
#define BOUNDED_BLOCKS 2
#define MASK_BLOCKS 5

/* A sponge, and what it has yielded for its job. */
struct slot {
	const struct mldsa_job *job; /* NULL if idle */
	size_t n_absorbed;
	bool is_absorbed;
	unsigned n_awaited; /* blocks, before they are looked at */
	size_t len;
	unsigned n_kept; /* coefficients */
	uint8_t bytes[UNIFORM_BLOCKS * SHAKE128_RATE + MLDSA_SLACK];
	/* Not yet full, and then the half bytes of two blocks more. */
	int8_t kept[MLDSA_N + 2 * 2 * SHAKE256_RATE + MLDSA_SLACK];
};

struct sampler {
	const struct mldsa_params *par;
	const struct mldsa_kernels *kernels;
	struct keccak_wide sponges;
	struct slot slots[KECCAK_WIDE_MAX];
};

static const unsigned first_blocks[] = {
	[MLDSA_JOB_UNIFORM] = UNIFORM_BLOCKS,
	[MLDSA_JOB_BOUNDED] = BOUNDED_BLOCKS,
	[MLDSA_JOB_MASK] = MASK_BLOCKS,
	[MLDSA_JOB_DIGEST] = 1,
};

static unsigned rate(const struct mldsa_job *job)
{
	return job->kind == MLDSA_JOB_UNIFORM ? SHAKE128_RATE : SHAKE256_RATE;
}

struct mldsa_job *mldsa_jobs_add(struct mldsa_jobs *jobs, enum mldsa_job_kind kind,
				 struct span input)
{
	struct mldsa_job *job = &jobs->job[jobs->n];

	assert(jobs->n < MLDSA_JOBS_MAX);
	assert(kind == MLDSA_JOB_DIGEST || input.len <= SEED_MAX);
	jobs->n++;
	*job = (struct mldsa_job){ .kind = kind, .input = input };
	return job;
}

/* The next block of what is digested. */
static void absorb_more(struct sampler *s, unsigned i)
{
	struct slot *slot = &s->slots[i];
	struct span rest = SPAN(slot->job->input.at + slot->n_absorbed,
				slot->job->input.len - slot->n_absorbed);

	if (rest.len >= SHAKE256_RATE) {
		keccak_wide_add_block(&s->sponges, i, rest.at, SHAKE256_RATE);
		slot->n_absorbed += SHAKE256_RATE;
	} else {
		keccak_wide_add_last(&s->sponges, i, rest.at, rest.len, SHAKE256_RATE,
				     KECCAK_SUFFIX_SHAKE);
		slot->is_absorbed = true;
	}
}

static void start(struct sampler *s, unsigned i, const struct mldsa_job *job)
{
	struct slot *slot = &s->slots[i];
	uint8_t input[SEED_MAX + 2];

	slot->job = job;
	slot->n_absorbed = 0;
	slot->n_awaited = first_blocks[job->kind];
	slot->len = 0;
	slot->n_kept = 0;
	keccak_wide_clear(&s->sponges, i);
	if (job->kind == MLDSA_JOB_DIGEST) {
		slot->is_absorbed = false;
		absorb_more(s, i);
		return;
	}
	memcpy(input, job->input.at, job->input.len);
	input[job->input.len] = (uint8_t)job->nonce;
	input[job->input.len + 1] = (uint8_t)(job->nonce >> 8);
	keccak_wide_add_last(&s->sponges, i, input, job->input.len + 2, rate(job),
			     KECCAK_SUFFIX_SHAKE);
	slot->is_absorbed = true;
	bytes_wipe(input, sizeof(input));
}

/* Whether the bytes were enough to finish the job. How many candidates were rejected decides
 * it, and that is independent of those kept (FIPS 204 section 3.6.3 has no objection). */
static bool finish(const struct sampler *s, struct slot *slot)
{
	const struct mldsa_kernels *f = s->kernels;
	const struct mldsa_job *job = slot->job;

	switch (job->kind) {
	case MLDSA_JOB_UNIFORM:
		slot->n_kept = f->reject_uniform(job->ret->c, slot->n_kept, slot->bytes, slot->len);
		return slot->n_kept == MLDSA_N;
	case MLDSA_JOB_BOUNDED:
		slot->n_kept = f->reject_bounded(slot->kept, slot->n_kept, s->par->eta, slot->bytes,
						 slot->len);
		if (slot->n_kept < MLDSA_N)
			return false;
		f->widen(slot->kept, job->ret);
		return true;
	case MLDSA_JOB_MASK:
		f->unpack[s->par->z_field](slot->bytes, job->ret);
		return true;
	case MLDSA_JOB_DIGEST:
		memcpy(job->ret_digest, slot->bytes, MLDSA_TR_LEN);
		return true;
	}
	return true;
}

/* After a permutation. */
static void advance(struct sampler *s, unsigned i)
{
	struct slot *slot = &s->slots[i];
	unsigned len = rate(slot->job);

	if (!slot->is_absorbed) {
		absorb_more(s, i);
		return;
	}
	keccak_wide_extract(&s->sponges, i, slot->bytes + slot->len, len);
	slot->len += len;
	if (--slot->n_awaited > 0)
		return;
	if (finish(s, slot)) {
		slot->job = NULL;
	} else {
		slot->n_awaited = 1;
		slot->len = 0;
	}
}

void mldsa_sample(const struct mldsa_params *par, const struct mldsa_kernels *kernels,
		  const struct mldsa_jobs *jobs)
{
	struct sampler s;
	unsigned n_slots = keccak_wide_best();
	unsigned next = 0;
	bool is_public = true;

	if (n_slots > jobs->n)
		n_slots = jobs->n;
	s.par = par;
	s.kernels = kernels;
	for (unsigned i = 0; i < n_slots; i++)
		s.slots[i].job = NULL;
	keccak_wide_init(&s.sponges, n_slots);
	for (;;) {
		unsigned n_active = 0;

		for (unsigned i = 0; i < n_slots; i++) {
			if (!s.slots[i].job && next < jobs->n) {
				is_public &= jobs->job[next].kind == MLDSA_JOB_UNIFORM ||
					     jobs->job[next].kind == MLDSA_JOB_DIGEST;
				start(&s, i, &jobs->job[next++]);
			}
			if (s.slots[i].job)
				n_active = i + 1;
		}
		if (n_active == 0)
			break;
		keccak_wide_permute(&s.sponges, n_active);
		for (unsigned i = 0; i < n_active; i++)
			if (s.slots[i].job)
				advance(&s, i);
	}
	if (!is_public) {
		keccak_wide_wipe(&s.sponges);
		bytes_wipe(s.slots, n_slots * sizeof(s.slots[0]));
	}
}

/* The places depend on the commitment hash alone, which is published where the candidate
 * signature is, and says nothing of the key where it is not: it may index and branch. */
void mldsa_sample_challenge(const struct mldsa_params *par, const uint8_t *c_tilde,
			    struct mldsa_poly *ret)
{
	struct keccak k;
	uint8_t block[SHAKE256_RATE];
	unsigned at = 8;
	uint64_t signs = 0;

	shake256_init(&k);
	keccak_absorb(&k, c_tilde, par->c_tilde_len);
	keccak_squeeze(&k, block, sizeof(block));
	for (unsigned i = 0; i < 8; i++)
		signs |= (uint64_t)block[i] << 8 * i;
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = MLDSA_N - par->tau; i < MLDSA_N; i++, signs >>= 1) {
		uint8_t j;

		do {
			if (at == sizeof(block)) {
				keccak_squeeze(&k, block, sizeof(block));
				at = 0;
			}
			j = block[at++];
		} while (j > i);
		ret->c[i] = ret->c[j];
		ret->c[j] = 1 - 2 * (int32_t)(signs & 1);
	}
}
