/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as bytes, and whom the desk offers to and listens to. What is judged and signed is
 * tested with whole nodes: tests/sim/test_witness_mesh.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/cosign/cosign.h"

static uint8_t pks[ED25519_PK_LEN + MLDSA44_PK_LEN];

static struct cosign_message offer(size_t n_proof)
{
	struct cosign_message m = {
		.type = COSIGN_OFFER,
		.size = 7,
		.ed25519 = SPAN(pks, ED25519_PK_LEN),
		.mldsa44 = SPAN(pks, MLDSA44_PK_LEN),
		.text = SPAN_STR("a note\n"),
		.n_proof = n_proof,
	};

	memset(m.proof, 5, sizeof(m.proof));
	return m;
}

static struct span encode(const struct cosign_message *m)
{
	static uint8_t room[COSIGN_MESSAGE_MAX];
	struct writer w = writer_of(room, sizeof(room));

	cosign_encode(m, &w);
	assert_false(w.overrun);
	return SPAN(room, w.len);
}

static void a_message_comes_back_from_its_bytes(void **state)
{
	(void)state;
	struct cosign_message m = offer(3), again;

	assert_int_equal(cosign_decode(encode(&m), &again), 0);
	assert_int_equal(again.size, 7);
	assert_int_equal(again.text.len, m.text.len);
	assert_int_equal(again.n_proof, 3);
	assert_memory_equal(again.proof, m.proof, 3 * sizeof(m.proof[0]));
	m = (struct cosign_message){ .type = COSIGN_REFUSED, .size = 9, .why = COSIGN_SHORTER };
	assert_int_equal(cosign_decode(encode(&m), &again), 0);
	assert_int_equal(again.why, COSIGN_SHORTER);
	m = (struct cosign_message){ .type = COSIGN_HAVE, .size = UINT64_MAX };
	assert_int_equal(cosign_decode(encode(&m), &again), 0);
	assert_int_equal(again.size, UINT64_MAX);
}

static void what_is_cut_short_or_goes_on_is_refused(void **state)
{
	(void)state;
	struct cosign_message m = offer(2), again;
	struct span s = encode(&m);
	uint8_t longer[COSIGN_MESSAGE_MAX] = { 0 };

	for (size_t len = 0; len < s.len; len++)
		assert_true(cosign_decode(SPAN(s.at, len), &again) < 0);
	memcpy(longer, s.at, s.len);
	assert_int_equal(cosign_decode(SPAN(longer, s.len + 1), &again), -EBADMSG);
}

static void values_that_cannot_be_are_refused(void **state)
{
	(void)state;
	struct cosign_message again, wrong[] = {
		{ .type = COSIGN_N_TYPES },
		{ .type = (enum cosign_type)0 },
		{ .type = COSIGN_REFUSED }, /* without a reason */
		{ .type = COSIGN_REFUSED, .why = COSIGN_N_REFUSALS },
		{ .type = COSIGN_HAVE, .why = COSIGN_SPLIT }, /* with one */
	};
	struct cosign_message m = offer(0);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(cosign_decode(encode(&wrong[i]), &again), -EPROTO);
	m.text.len = 0;
	assert_int_equal(cosign_decode(encode(&m), &again), -EPROTO);
	m = offer(0);
	m.type = COSIGN_SEEN; /* its size is in the note */
	assert_int_equal(cosign_decode(encode(&m), &again), -EPROTO);
}

static void the_longest_offer_fits_and_one_hash_more_is_refused(void **state)
{
	(void)state;
	static const uint8_t note[CHECKPOINT_SIGNED_MAX + 1];
	struct cosign_message m = offer(MERKLE_PROOF_MAX), again;
	static uint8_t bytes[COSIGN_MESSAGE_MAX];
	struct span s;

	m.text = SPAN(note, CHECKPOINT_SIGNED_MAX);
	s = encode(&m);
	assert_int_equal(cosign_decode(s, &again), 0);
	memcpy(bytes, s.at, s.len);
	bytes[s.len - MERKLE_PROOF_MAX * sizeof(m.proof[0]) - 1]++;
	assert_int_equal(cosign_decode(SPAN(bytes, s.len + sizeof(m.proof[0])), &again), -EPROTO);
	m.text = SPAN_OF(note);
	assert_int_equal(cosign_decode(encode(&m), &again), -EPROTO);
}

/* ---- the desk ---- */

static struct cosign_desk *new_desk(uint64_t size)
{
	struct cosign_desk *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->size = size;
	return d;
}

static void an_offer_is_made_once_and_again_where_nobody_answers(void **state)
{
	(void)state;
	const struct cosign_message is_signed = { .type = COSIGN_SIGNED, .size = 5 };
	struct cosign_desk *d = new_desk(5);
	struct cosign_peer p;

	cosign_desk_link(d, 2, true, 0);
	assert_true(cosign_desk_next(d, 0, &p));
	assert_int_equal(p.id, 2);
	assert_false(cosign_desk_next(d, COSIGN_RETRY_US - 1, &p));
	assert_true(cosign_desk_next(d, COSIGN_RETRY_US, &p));
	cosign_desk_answered(d, 2, &is_signed, 1763766000, COSIGN_RETRY_US);
	assert_false(cosign_desk_next(d, 10 * COSIGN_RETRY_US, &p));
	d->size = 6;
	assert_true(cosign_desk_next(d, 10 * COSIGN_RETRY_US, &p));
	assert_int_equal(p.from_size, 5);
	free(d);
}

static void whoever_comes_back_is_offered_what_he_may_know_already(void **state)
{
	(void)state;
	struct cosign_desk *d = new_desk(5);
	struct cosign_peer p;

	cosign_desk_known(d, 2, 5, 1763766000);
	assert_false(cosign_desk_next(d, 0, &p)); /* no link */
	cosign_desk_link(d, 2, true, 0);
	assert_true(cosign_desk_next(d, 0, &p));
	assert_int_equal(p.from_size, 5);
	cosign_desk_link(d, 2, false, 1);
	assert_false(cosign_desk_next(d, COSIGN_RETRY_US, &p));
	free(d);
}

static void a_witness_asks_for_few_proofs_in_a_row(void **state)
{
	(void)state;
	struct cosign_message have = { .type = COSIGN_HAVE, .size = 3 };
	struct cosign_desk *d = new_desk(5);
	struct cosign_peer p;
	unsigned n = 0;

	cosign_desk_link(d, 2, true, 0);
	while (cosign_desk_next(d, 1, &p) && n < 100) {
		n++;
		cosign_desk_answered(d, 2, &have, 0, 1);
	}
	assert_int_equal(n, COSIGN_ASKS_MAX + 1);
	have.size = 6; /* more than there is */
	cosign_desk_answered(d, 2, &have, 0, COSIGN_RETRY_US + 2);
	assert_true(cosign_desk_next(d, COSIGN_RETRY_US + 2, &p));
	assert_int_equal(p.from_size, 3);
	free(d);
}

static void who_refuses_is_left_alone_for_a_while(void **state)
{
	(void)state;
	const struct cosign_message refused = { .type = COSIGN_REFUSED,
						.size = 5,
						.why = COSIGN_FULL };
	struct cosign_desk *d = new_desk(5);
	struct cosign_peer p;

	cosign_desk_link(d, 2, true, 0);
	assert_true(cosign_desk_next(d, 0, &p));
	cosign_desk_answered(d, 2, &refused, 0, 0);
	assert_false(cosign_desk_next(d, COSIGN_REFUSED_US - 1, &p));
	assert_true(cosign_desk_next(d, COSIGN_REFUSED_US, &p));
	assert_int_equal(p.refusal, COSIGN_FULL);
	free(d);
}

static void who_talks_too_much_is_not_listened_to_for_the_rest_of_the_minute(void **state)
{
	(void)state;
	struct cosign_desk *d = new_desk(5);

	assert_false(cosign_desk_admits(d, 2, 0)); /* no neighbour */
	cosign_desk_link(d, 2, true, 0);
	for (unsigned i = 0; i < COSIGN_PER_MINUTE; i++)
		assert_true(cosign_desk_admits(d, 2, SECONDS(1)));
	assert_false(cosign_desk_admits(d, 2, SECONDS(59)));
	assert_int_equal(d->n_left_out, 2);
	assert_true(cosign_desk_admits(d, 2, SECONDS(60)));
	free(d);
}

static void a_full_desk_takes_a_new_neighbour_in_the_place_of_one_that_is_gone(void **state)
{
	(void)state;
	struct cosign_desk *d = new_desk(5);

	for (uint64_t id = 1; id <= COSIGN_PEERS_MAX; id++)
		cosign_desk_link(d, id, true, 0);
	cosign_desk_link(d, 1000, true, 0);
	assert_null(cosign_desk_find(d, 1000));
	cosign_desk_link(d, 7, false, 0);
	cosign_desk_link(d, 1000, true, 0);
	assert_non_null(cosign_desk_find(d, 1000));
	assert_null(cosign_desk_find(d, 7));
	free(d);
}

static void others_are_told_in_turn(void **state)
{
	(void)state;
	struct cosign_desk *d = new_desk(5);

	assert_int_equal(cosign_desk_tell(d, 1), 0);
	for (uint64_t id = 1; id <= 3; id++)
		cosign_desk_link(d, id, true, 0);
	assert_int_equal(cosign_desk_tell(d, 1), 2);
	assert_int_equal(cosign_desk_tell(d, 1), 3);
	assert_int_equal(cosign_desk_tell(d, 1), 2);
	cosign_desk_link(d, 2, false, 0);
	cosign_desk_link(d, 3, false, 0);
	assert_int_equal(cosign_desk_tell(d, 1), 0);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_comes_back_from_its_bytes),
		cmocka_unit_test(what_is_cut_short_or_goes_on_is_refused),
		cmocka_unit_test(values_that_cannot_be_are_refused),
		cmocka_unit_test(the_longest_offer_fits_and_one_hash_more_is_refused),
		cmocka_unit_test(an_offer_is_made_once_and_again_where_nobody_answers),
		cmocka_unit_test(whoever_comes_back_is_offered_what_he_may_know_already),
		cmocka_unit_test(a_witness_asks_for_few_proofs_in_a_row),
		cmocka_unit_test(who_refuses_is_left_alone_for_a_while),
		cmocka_unit_test(who_talks_too_much_is_not_listened_to_for_the_rest_of_the_minute),
		cmocka_unit_test(
			a_full_desk_takes_a_new_neighbour_in_the_place_of_one_that_is_gone),
		cmocka_unit_test(others_are_told_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
