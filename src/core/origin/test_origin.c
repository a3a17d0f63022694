/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs of seqno and cost, certificates on their way, and what is done about those who lie. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/crypto/sim_null.h"
#include "core/origin/origin.h"

#define START SECONDS(100)
#define A 11 /* the origin */
#define B 22
#define C 33 /* another neighbour of B, that gives nobody anything */
#define EPOCH 7

struct bed {
	struct origins *a, *b;
	uint64_t now_us;
	bool is_bad;	    /* certificates are judged to be */
	unsigned n_reviews; /* since last asked */
	unsigned n_lies;
	unsigned n_verified;
};

static void fill(void *arg, uint8_t *ret, size_t len)
{
	struct rng *rng = arg;

	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(rng);
}

static struct rng rng;
static struct origin_store *store; /* mostly none */

static struct origins *make(uint64_t self)
{
	struct origin_config config = { .ops = sim_null_ops(),
					.entropy = { .fill = fill, .arg = &rng },
					.self = self,
					.epoch = EPOCH,
					.store = store };
	struct origins *o;

	assert_int_equal(origins_new(&config, START, &o), 0);
	return o;
}

static void certify(struct origins *o, uint64_t now_us)
{
	static const uint8_t chain[40], signature[60];
	uint8_t bytes[ORIGIN_CERTIFICATE_MAX];
	int len = origins_begin_certificate(o, SPAN_OF(chain), 1000, bytes, sizeof(bytes));

	assert_true(len > 0);
	assert_int_equal(
		origins_end_certificate(o, SPAN(bytes, (size_t)len), SPAN_OF(signature), now_us),
		0);
}

static void bed_init(struct bed *b)
{
	rng_seed(&rng, 1);
	*b = (struct bed){ .now_us = START };
	b->a = make(A);
	b->b = make(B);
	assert_true(origins_wants_certificate(b->a));
	certify(b->a, START);
	assert_false(origins_wants_certificate(b->a));
}

static void bed_done(struct bed *b)
{
	origins_free(b->a);
	origins_free(b->b);
}

static void carry_parts(struct bed *b)
{
	uint8_t part[ORIGIN_PART_MAX];
	size_t len;

	while (origins_next_part(b->a, B, part, &len))
		assert_int_equal(origins_input(b->b, A, true, SPAN(part, len), b->now_us), 0);
}

/* What B wants done, A being its neighbour. */
static void pump(struct bed *b)
{
	struct origin_action a;

	while (origins_next_action(b->b, b->now_us, &a)) {
		switch (a.type) {
		case ORIGIN_ASK:
			if (a.neighbour != A)
				break;
			assert_int_equal(origins_input(b->a, B, false, a.data, b->now_us), 0);
			carry_parts(b);
			break;
		case ORIGIN_VERIFY:
			b->n_verified++;
			origins_verified(b->b, a.name, b->is_bad ? "bad" : NULL, b->now_us);
			break;
		case ORIGIN_REVIEW:
			b->n_reviews++;
			break;
		case ORIGIN_LIED:
			b->n_lies++;
			break;
		}
	}
}

struct claimed {
	struct route_claim claim;
	uint8_t bytes[ROUTE_PROOF_MAX];
};

static void own_claim(struct bed *b, uint16_t seqno, struct claimed *ret)
{
	const struct route_proofs *proofs = origins_proofs(b->a);

	ret->claim = (struct route_claim){ .destination = A, .epoch = EPOCH, .seqno = seqno };
	ret->claim.attributes =
		SPAN(ret->bytes, proofs->own(proofs->arg, EPOCH, seqno, ret->bytes));
}

static void own_claim_of_epoch(struct bed *b, uint32_t epoch, struct claimed *ret)
{
	const struct route_proofs *proofs = origins_proofs(b->a);

	ret->claim = (struct route_claim){ .destination = A, .epoch = epoch };
	ret->claim.attributes = SPAN(ret->bytes, proofs->own(proofs->arg, epoch, 0, ret->bytes));
}

/* As a third node passes it on. */
static void pass_on(struct bed *b, const struct claimed *from, uint32_t metric, struct claimed *ret)
{
	const struct route_proofs *proofs = origins_proofs(b->b);

	ret->claim = from->claim;
	ret->claim.metric = metric;
	ret->claim.attributes =
		SPAN(ret->bytes, proofs->relay(proofs->arg, &from->claim, metric, ret->bytes));
}

static bool holds_by(struct bed *b, uint64_t neighbour, const struct claimed *c)
{
	const struct route_proofs *proofs = origins_proofs(b->b);
	struct claimed copy = *c;

	copy.claim.attributes.at = copy.bytes;
	return proofs->holds(proofs->arg, neighbour, &copy.claim);
}

static bool holds(struct bed *b, const struct claimed *c)
{
	return holds_by(b, A, c);
}

/* A claim of nothing but a name, and one that is told from others by a number. */
static void named_claim(uint64_t destination, uint32_t number, struct claimed *ret)
{
	*ret = (struct claimed){ .claim = { .destination = destination, .epoch = EPOCH },
				 .bytes = { 4, ORIGIN_HASH_LEN } };
	store_u64(ret->bytes + 2, destination);
	store_u32(ret->bytes + 10, number);
	ret->claim.attributes = SPAN(ret->bytes, 2 + ORIGIN_HASH_LEN);
}

static void learn(struct bed *b)
{
	struct claimed own;

	own_claim(b, 0, &own);
	assert_true(holds(b, &own)); /* nothing is known yet */
	pump(b);
	assert_int_equal(b->n_verified, 1);
	assert_true(b->n_reviews >= 1);
}

/* ---- steps ---- */

static void steps_of_cost_rise_with_the_metric_by_thirds_of_a_doubling(void **state)
{
	(void)state;
	unsigned before = 0;

	assert_int_equal(origin_step(0), 0);
	assert_int_equal(origin_step(1), 1);
	assert_int_equal(origin_step(7), 1);
	assert_int_equal(origin_step(8), 2);
	assert_int_equal(origin_step(16), 5);
	assert_int_equal(origin_step(0xffffff), ORIGIN_STEPS);
	for (uint32_t m = 1; m < 0xffffff; m += 1 + m / 64) {
		unsigned step = origin_step(m);

		assert_in_range(step, before, before + 1);
		before = step;
	}
	/* A metric understated by ten is never of the same step. */
	for (uint32_t m = 10; m < 0xffffff; m += 1 + m / 64)
		assert_true(origin_step(m / 10) < origin_step(m));
}

/* ---- claims ---- */

static void a_claim_is_believed_until_its_certificate_is_here_and_proved_then(void **state)
{
	(void)state;
	const char *reason;
	struct claimed own, on, further;
	struct bed b;

	bed_init(&b);
	assert_int_equal(origins_state(b.b, A, &reason), ORIGIN_UNPROVED);
	own_claim(&b, 0, &own);
	assert_true(holds(&b, &own));
	assert_int_equal(origins_state(b.b, A, &reason), ORIGIN_PROVISIONAL);
	pump(&b);
	assert_int_equal(origins_state(b.b, A, &reason), ORIGIN_VERIFIED);
	assert_true(holds(&b, &own));
	pass_on(&b, &own, 500, &on);
	assert_true(holds(&b, &on));
	on.claim.attributes.at = on.bytes;
	pass_on(&b, &on, 0xfffffe, &further);
	assert_true(holds(&b, &further));
	bed_done(&b);
}

static void nobody_comes_nearer_than_whom_he_heard(void **state)
{
	(void)state;
	struct claimed own, on, lie;
	struct bed b;

	bed_init(&b);
	learn(&b);
	own_claim(&b, 0, &own);
	pass_on(&b, &own, 5000, &on);
	assert_true(holds(&b, &on));
	for (uint32_t m = 1; origin_step(m) < origin_step(5000); m += 1 + m / 8) {
		lie = on;
		lie.claim.metric = m;
		assert_false(holds(&b, &lie));
	}
	lie = on;
	lie.claim.metric = 6000; /* too far hashed is no proof either: the step is the metric's */
	assert_int_equal(holds(&b, &lie), origin_step(6000) == origin_step(5000));
	bed_done(&b);
}

static void a_seqno_that_was_not_announced_cannot_be_claimed(void **state)
{
	(void)state;
	struct claimed own, later;
	struct bed b;

	bed_init(&b);
	learn(&b);
	own_claim(&b, 3, &own);
	assert_true(holds(&b, &own)); /* one and two were never heard of */
	for (uint16_t seqno = 0; seqno < 300; seqno++) {
		later = own;
		later.claim.seqno = seqno;
		assert_int_equal(holds(&b, &later), seqno == 3);
	}
	later = own;
	later.claim.epoch++;
	assert_false(holds(&b, &later));
	own_claim(&b, 0, &own); /* earlier ones are still good */
	assert_true(holds(&b, &own));
	bed_done(&b);
}

static void any_bit_of_a_proof_counts(void **state)
{
	(void)state;
	struct claimed own, lie;
	struct bed b;

	bed_init(&b);
	learn(&b);
	for (size_t at = 2; at < 2 + ORIGIN_PATH_LEN + 2 + ORIGIN_HASH_LEN; at++) {
		own_claim(&b, 5, &own);
		if (at == 2 + ORIGIN_PATH_LEN || at == 3 + ORIGIN_PATH_LEN)
			continue; /* type and length of the second */
		lie = own;
		lie.bytes[at] ^= 1;
		assert_false(holds(&b, &lie));
	}
	assert_true(holds(&b, &own));
	bed_done(&b);
}

static void any_bit_counts_also_where_the_seqno_is_proved_already(void **state)
{
	(void)state;
	struct claimed own, lie;
	struct bed b;

	bed_init(&b);
	learn(&b);
	own_claim(&b, 5, &own);
	assert_true(holds(&b, &own));
	for (size_t at = 2; at < 2 + ORIGIN_PATH_LEN + 2 + ORIGIN_HASH_LEN; at++) {
		lie = own;
		lie.bytes[at] ^= 1; /* also of the path, which B would pass on */
		assert_false(holds(&b, &lie));
	}
	assert_true(holds(&b, &own));
	bed_done(&b);
}

static void what_leaves_the_proof_out_is_refused_once_there_is_one(void **state)
{
	(void)state;
	struct claimed own;
	struct bed b;

	bed_init(&b);
	own_claim(&b, 0, &own);
	own.claim.attributes.len = 0;
	assert_true(holds(&b, &own));
	learn(&b);
	assert_false(holds(&b, &own));
	bed_done(&b);
}

static void a_lie_is_blamed_on_the_neighbour_when_it_can_know_better(void **state)
{
	(void)state;
	struct claimed own, lie;
	struct bed b;

	bed_init(&b);
	learn(&b);
	own_claim(&b, 0, &own);
	pass_on(&b, &own, 5000, &lie);
	lie.claim.metric = 500;
	assert_false(holds(&b, &lie));
	pump(&b);
	assert_int_equal(b.n_lies, 0); /* it may not have the certificate yet */
	b.now_us += ORIGIN_BLAME_US;
	pump(&b); /* time passes */
	assert_false(holds(&b, &lie));
	pump(&b);
	assert_int_equal(b.n_lies, 1);
	bed_done(&b);
}

static void a_certificate_that_is_not_good_makes_claims_of_it_refused(void **state)
{
	(void)state;
	const char *reason;
	struct claimed own;
	struct bed b;

	bed_init(&b);
	b.is_bad = true;
	own_claim(&b, 0, &own);
	assert_true(holds(&b, &own));
	pump(&b);
	assert_false(holds(&b, &own));
	assert_int_equal(origins_state(b.b, A, &reason), ORIGIN_REFUSED);
	assert_string_equal(reason, "bad");
	bed_done(&b);
}

static void a_later_epoch_of_a_known_node_is_believed_when_its_certificate_is(void **state)
{
	(void)state;
	struct claimed own, boot;
	struct bed b;

	bed_init(&b);
	learn(&b);
	own_claim(&b, 0, &own);
	boot = own; /* of a name that nobody has */
	boot.claim.epoch++;
	boot.bytes[own.claim.attributes.len - 1] ^= 1;
	assert_false(holds(&b, &boot));
	pump(&b);
	b.now_us += ORIGIN_CANDIDATE_US;
	pump(&b);
	assert_false(holds(&b, &boot));
	boot.claim.epoch -= 2; /* and an earlier boot is over */
	assert_false(holds(&b, &boot));
	assert_true(holds(&b, &own));
	own_claim_of_epoch(&b, EPOCH + 1, &boot); /* the real one */
	assert_int_equal(boot.claim.attributes.len, 0);
	certify(b.a, b.now_us);
	own_claim_of_epoch(&b, EPOCH + 1, &boot);
	assert_false(holds(&b, &boot));
	b.n_reviews = 0;
	pump(&b);
	assert_true(b.n_reviews > 0);
	assert_true(holds(&b, &boot));
	bed_done(&b);
}

static void seqnos_go_on_in_the_next_certificate(void **state)
{
	(void)state;
	struct claimed own;
	struct bed b;

	bed_init(&b);
	learn(&b);
	own_claim(&b, ORIGIN_SEQNOS - 65, &own);
	assert_false(origins_wants_certificate(b.a));
	own_claim(&b, ORIGIN_SEQNOS - 64, &own);
	assert_true(origins_wants_certificate(b.a));
	certify(b.a, b.now_us);
	assert_false(origins_wants_certificate(b.a));
	own_claim(&b, ORIGIN_SEQNOS - 1, &own);
	assert_true(holds(&b, &own)); /* of the first one, and it names the second */
	pump(&b);
	assert_int_equal(b.n_verified, 2);
	own_claim(&b, ORIGIN_SEQNOS, &own);
	assert_true(own.claim.attributes.len > 0);
	assert_true(holds(&b, &own)); /* at once */
	own_claim(&b, ORIGIN_SEQNOS - 1, &own);
	assert_true(holds(&b, &own)); /* the one before counts on */
	bed_done(&b);
}

static void seqnos_wrap(void **state)
{
	(void)state;
	struct claimed own;
	struct bed b;

	bed_init(&b);
	own_claim(&b, 65500, &own); /* a jump: somebody claimed it */
	assert_int_equal(own.claim.attributes.len, 0);
	assert_true(origins_wants_certificate(b.a));
	certify(b.a, b.now_us);
	own_claim(&b, 65500, &own);
	assert_true(holds(&b, &own));
	pump(&b);
	own_claim(&b, 10, &own); /* 46 later */
	assert_true(own.claim.attributes.len > 0);
	assert_true(holds(&b, &own));
	bed_done(&b);
}

/* ---- bounds ---- */

static void at_most_a_hundred_a_second_are_verified(void **state)
{
	(void)state;
	unsigned n = 0;
	struct bed b;

	bed_init(&b);
	for (uint64_t id = 1000; id < 1400; id++) {
		struct origins *o = make(id);
		const struct route_proofs *own = origins_proofs(o);
		const struct route_proofs *judge = origins_proofs(b.b);
		struct claimed c = { .claim = { .destination = id, .epoch = EPOCH } };
		struct origin_action a;
		uint8_t part[ORIGIN_PART_MAX];
		size_t len;

		certify(o, START);
		c.claim.attributes = SPAN(c.bytes, own->own(own->arg, EPOCH, 0, c.bytes));
		assert_true(judge->holds(judge->arg, id, &c.claim));
		while (origins_next_action(b.b, b.now_us, &a)) {
			n += a.type == ORIGIN_VERIFY;
			if (a.type == ORIGIN_VERIFY)
				origins_verified(b.b, a.name, NULL, b.now_us);
			if (a.type != ORIGIN_ASK)
				continue;
			(void)origins_input(o, B, false, a.data, b.now_us);
			while (origins_next_part(o, B, part, &len))
				(void)origins_input(b.b, id, true, SPAN(part, len), b.now_us);
		}
		origins_free(o);
	}
	assert_int_equal(n, ORIGIN_VERIFY_BURST);
	assert_true(origins_deadline_us(b.b) > b.now_us);
	for (unsigned ms = 0; ms < 1000; ms += 5) {
		struct origin_action a;

		b.now_us += MS(5);
		while (origins_next_action(b.b, b.now_us, &a)) {
			n += a.type == ORIGIN_VERIFY;
			if (a.type == ORIGIN_VERIFY)
				origins_verified(b.b, a.name, NULL, b.now_us);
		}
	}
	assert_in_range(n, ORIGIN_VERIFY_BURST + 99, ORIGIN_VERIFY_BURST + 101);
	bed_done(&b);
}

static void a_full_table_believes_counts_and_forgets_who_proved_nothing(void **state)
{
	(void)state;
	struct origin_counters c;
	struct claimed made_up;
	const char *reason;
	struct bed b;

	bed_init(&b);
	learn(&b); /* with B itself not there yet: one of the places */
	for (uint32_t i = 0; i < ORIGIN_NODES_MAX + 4; i++) {
		named_claim(1000 + i, 1, &made_up);
		assert_true(holds_by(&b, C, &made_up));
	}
	origins_counters(b.b, &c);
	assert_int_equal(c.full, 5);
	b.now_us += ORIGIN_CANDIDATE_US;
	pump(&b); /* time passes */
	named_claim(999, 1, &made_up);
	assert_true(holds(&b, &made_up));
	assert_int_equal(origins_state(b.b, 999, &reason), ORIGIN_PROVISIONAL);
	assert_int_equal(origins_state(b.b, 1000, &reason), ORIGIN_UNPROVED);
	assert_int_equal(origins_state(b.b, A, &reason), ORIGIN_VERIFIED);
	origins_counters(b.b, &c);
	assert_int_equal(c.full, 5);
	bed_done(&b);
}

static void names_of_one_neighbour_do_not_keep_others_from_their_turn(void **state)
{
	(void)state;
	struct claimed own, made_up;
	const char *reason;
	struct bed b;

	bed_init(&b);
	named_claim(A, 0, &made_up);
	assert_true(holds_by(&b, C, &made_up));
	own_claim(&b, 0, &own);
	assert_true(holds(&b, &own)); /* said once */
	for (uint32_t i = 1; i <= 12; i++) {
		pump(&b);
		b.now_us += SECONDS(1);
		named_claim(A, i, &made_up);
		(void)holds_by(&b, C, &made_up);
	}
	pump(&b);
	assert_int_equal(origins_state(b.b, A, &reason), ORIGIN_VERIFIED);
	assert_true(holds(&b, &own));
	bed_done(&b);
}

static void who_names_a_certificate_and_keeps_it_is_not_asked_alone(void **state)
{
	(void)state;
	struct claimed own;
	struct bed b;

	bed_init(&b);
	own_claim(&b, 0, &own);
	assert_true(holds(&b, &own));
	for (unsigned i = 0; i < 3; i++) {
		(void)holds_by(&b, C, &own);
		pump(&b);
		b.now_us += ORIGIN_ASK_US;
	}
	assert_int_equal(b.n_verified, 1);
	bed_done(&b);
}

static void certificates_that_are_only_begun_are_bounded_in_bytes(void **state)
{
	(void)state;
	const unsigned n = ORIGIN_BYTES_MAX / ORIGIN_CERTIFICATE_MAX;
	struct origin_counters c;
	struct claimed made_up;
	uint8_t part[21] = { 0 };
	struct bed b;

	bed_init(&b);
	store_u16(part + 16, ORIGIN_CERTIFICATE_MAX);
	for (uint32_t i = 0; i < n + 10; i++) {
		named_claim(1000 + i, 1, &made_up);
		assert_true(holds_by(&b, C, &made_up));
		pump(&b); /* C is asked */
		memcpy(part, made_up.bytes + 2, ORIGIN_HASH_LEN);
		assert_int_equal(origins_input(b.b, C, true, SPAN_OF(part), b.now_us), 0);
	}
	origins_counters(b.b, &c);
	assert_int_equal(c.fetched_bytes, n); /* one of each */
	b.now_us += ORIGIN_ASK_US;
	learn(&b); /* what was given up has left room */
	bed_done(&b);
}

static void questions_of_a_neighbour_are_bounded(void **state)
{
	(void)state;
	uint8_t names[70 * ORIGIN_HASH_LEN] = { 0 };
	struct bed b;

	bed_init(&b);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(origins_input(b.a, B, false, SPAN_OF(names), b.now_us), 0);
		assert_false(origins_has_part(b.a, B)); /* it has none of them */
	}
	assert_int_equal(origins_input(b.a, B, false, SPAN(names, 15), b.now_us), -EBADMSG);
	assert_int_equal(origins_input(b.a, B, true, SPAN(names, 20), b.now_us), -EBADMSG);
	assert_int_equal(origins_input(b.a, B, true, SPAN(names, 21), b.now_us), -EPROTO);
	bed_done(&b);
}

static void other_bytes_than_were_asked_for_are_not_taken(void **state)
{
	(void)state;
	uint8_t part[ORIGIN_PART_MAX];
	struct origin_action a;
	struct claimed own;
	struct bed b;
	size_t len;

	bed_init(&b);
	own_claim(&b, 0, &own);
	assert_true(holds(&b, &own));
	assert_true(origins_next_action(b.b, b.now_us, &a));
	assert_int_equal(a.type, ORIGIN_ASK);
	assert_int_equal(origins_input(b.a, B, false, a.data, b.now_us), 0);
	while (origins_next_part(b.a, B, part, &len)) {
		part[len - 1] ^= 1;
		assert_int_equal(origins_input(b.b, A, true, SPAN(part, len), b.now_us), 0);
	}
	assert_false(origins_next_action(b.b, b.now_us, &a));
	b.now_us += ORIGIN_ASK_US; /* and asked for again */
	pump(&b);
	assert_int_equal(b.n_verified, 1);
	bed_done(&b);
}

static void a_revoked_node_is_to_be_verified_anew(void **state)
{
	(void)state;
	const char *reason;
	struct claimed own;
	struct bed b;

	bed_init(&b);
	learn(&b);
	origins_forget(b.b, A);
	assert_int_equal(origins_state(b.b, A, &reason), ORIGIN_UNPROVED);
	b.is_bad = true;
	own_claim(&b, 0, &own);
	assert_true(holds(&b, &own));
	pump(&b);
	assert_false(holds(&b, &own));
	bed_done(&b);
}

static void with_a_store_a_certificate_is_kept_once(void **state)
{
	(void)state;
	const char *reason;
	struct bed b;

	assert_int_equal(origin_store_new(1, (const uint8_t *)"sixteen bytes...", &store), 0);
	bed_init(&b);
	assert_int_equal(origin_store_count(store), 1);
	learn(&b);
	assert_int_equal(origin_store_count(store), 1);
	certify(b.b, b.now_us); /* there is no room for another: it keeps its own */
	assert_int_equal(origin_store_count(store), 1);
	origins_free(b.a);
	assert_int_equal(origin_store_count(store), 1);
	assert_int_equal(origins_state(b.b, A, &reason), ORIGIN_VERIFIED);
	origins_forget(b.b, A);
	assert_int_equal(origin_store_count(store), 0);
	origins_free(b.b);
	origin_store_free(store);
	store = NULL;
}

static void who_asked_is_walked_until_all_is_sent(void **state)
{
	(void)state;
	uint8_t part[ORIGIN_PART_MAX];
	struct origin_action a;
	struct claimed own;
	size_t cursor = 0, len;
	struct bed b;
	uint64_t id;

	bed_init(&b);
	own_claim(&b, 0, &own);
	assert_true(holds(&b, &own));
	assert_true(origins_next_action(b.b, b.now_us, &a));
	assert_false(origins_next_asking(b.a, &cursor, &id));
	assert_int_equal(origins_input(b.a, B, false, a.data, b.now_us), 0);
	assert_true(origins_next_asking(b.a, &cursor, &id));
	assert_int_equal(id, B);
	assert_false(origins_next_asking(b.a, &cursor, &id));
	assert_true(origins_has_part(b.a, B));
	while (origins_next_part(b.a, B, part, &len))
		;
	cursor = 0;
	assert_false(origins_next_asking(b.a, &cursor, &id));
	assert_int_equal(origins_input(b.a, B, false, a.data, b.now_us), 0);
	origins_gone(b.a, B);
	assert_false(origins_next_asking(b.a, &cursor, &id));
	bed_done(&b);
}

static void a_certificate_is_read_strictly(void **state)
{
	(void)state;
	static const uint8_t chain[3] = { 1, 2, 3 };
	uint8_t bytes[ORIGIN_CERTIFICATE_MAX];
	struct origin_certificate c;
	struct bed b;
	int len;

	bed_init(&b);
	len = origins_begin_certificate(b.b, SPAN_OF(chain), 5, bytes, sizeof(bytes));
	assert_true(len > 0);
	store_u16(bytes + len, 2);
	assert_int_equal(origin_certificate_decode(SPAN(bytes, (size_t)len + 4), &c), 0);
	assert_int_equal(c.node_id, B);
	assert_int_equal(c.epoch, EPOCH);
	assert_int_equal(c.not_after_s, 5 + ORIGIN_VALID_S);
	assert_int_equal(c.signed_part.len, len);
	for (size_t i = 0; i < (size_t)len + 4; i++)
		assert_int_equal(origin_certificate_decode(SPAN(bytes, i), &c), -EBADMSG);
	assert_int_equal(origin_certificate_decode(SPAN(bytes, (size_t)len + 5), &c), -EBADMSG);
	bytes[0] = 2;
	assert_int_equal(origin_certificate_decode(SPAN(bytes, (size_t)len + 4), &c), -EPROTO);
	bed_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_of_cost_rise_with_the_metric_by_thirds_of_a_doubling),
		cmocka_unit_test(a_claim_is_believed_until_its_certificate_is_here_and_proved_then),
		cmocka_unit_test(nobody_comes_nearer_than_whom_he_heard),
		cmocka_unit_test(a_seqno_that_was_not_announced_cannot_be_claimed),
		cmocka_unit_test(any_bit_of_a_proof_counts),
		cmocka_unit_test(any_bit_counts_also_where_the_seqno_is_proved_already),
		cmocka_unit_test(what_leaves_the_proof_out_is_refused_once_there_is_one),
		cmocka_unit_test(a_lie_is_blamed_on_the_neighbour_when_it_can_know_better),
		cmocka_unit_test(a_certificate_that_is_not_good_makes_claims_of_it_refused),
		cmocka_unit_test(a_later_epoch_of_a_known_node_is_believed_when_its_certificate_is),
		cmocka_unit_test(seqnos_go_on_in_the_next_certificate),
		cmocka_unit_test(seqnos_wrap),
		cmocka_unit_test(at_most_a_hundred_a_second_are_verified),
		cmocka_unit_test(a_full_table_believes_counts_and_forgets_who_proved_nothing),
		cmocka_unit_test(names_of_one_neighbour_do_not_keep_others_from_their_turn),
		cmocka_unit_test(who_names_a_certificate_and_keeps_it_is_not_asked_alone),
		cmocka_unit_test(certificates_that_are_only_begun_are_bounded_in_bytes),
		cmocka_unit_test(questions_of_a_neighbour_are_bounded),
		cmocka_unit_test(other_bytes_than_were_asked_for_are_not_taken),
		cmocka_unit_test(a_revoked_node_is_to_be_verified_anew),
		cmocka_unit_test(with_a_store_a_certificate_is_kept_once),
		cmocka_unit_test(who_asked_is_walked_until_all_is_sent),
		cmocka_unit_test(a_certificate_is_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
