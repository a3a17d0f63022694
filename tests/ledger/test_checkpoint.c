/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints, proofs as files, and witnesses, with real signatures. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/cosign/cosign.h"
#include "core/ledger/proof.h"
#include "core/ledger/witness.h"
#include "shell/openssl/crypto_openssl.h"

#define N_LEAVES 20

static const struct crypto_ops *ops;
static const struct note_crypto *crypto;
static struct ledger_keys keys = { .name = "mesh.example/ledger/alice" };
static struct ledger_keys witness_keys = { .name = "mesh.example/ledger/bob" };
static struct note_key public_keys[2];
static struct merkle_hash leaves[N_LEAVES];

static void fill_sevens(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	memset(ret, 7, len);
}

static const struct entropy entropy = { .fill = fill_sevens };

static int set_up(void **state)
{
	(void)state;
	ops = openssl_crypto_ops(NULL);
	crypto = openssl_note_crypto();
	memset(keys.ed25519, 1, sizeof(keys.ed25519));
	memset(keys.mldsa44, 2, sizeof(keys.mldsa44));
	memset(witness_keys.ed25519, 3, sizeof(witness_keys.ed25519));
	memset(witness_keys.mldsa44, 4, sizeof(witness_keys.mldsa44));
	if (!ops)
		return -1;
	for (uint8_t i = 0; i < N_LEAVES; i++)
		merkle_leaf_hash(ops, SPAN(&i, 1), &leaves[i]);
	return ledger_keys_public(ops, crypto, &keys, public_keys);
}

static int node_of_leaves(void *user, unsigned height, uint64_t n, struct merkle_hash *ret)
{
	const struct merkle_hash *from = user ? user : leaves;
	struct merkle_frontier f = { 0 };

	for (uint64_t i = n << height; i < (n + 1) << height; i++)
		merkle_append(ops, &f, &from[i], NULL, NULL);
	merkle_root(ops, &f, ret);
	return 0;
}

static struct checkpoint checkpoint_of(const struct merkle_hash *from, uint64_t size)
{
	struct checkpoint c = { .size = size };
	struct merkle_frontier f = { 0 };

	memcpy(c.origin, keys.name, sizeof(c.origin));
	for (uint64_t i = 0; i < size; i++)
		merkle_append(ops, &f, &from[i], NULL, NULL);
	merkle_root(ops, &f, &c.root);
	return c;
}

static struct span sign(const struct checkpoint *c, uint64_t unix_s, uint8_t *room)
{
	struct writer w = writer_of(room, CHECKPOINT_SIGNED_MAX);

	assert_int_equal(checkpoint_sign(ops, crypto, &keys, c, unix_s, &entropy, &w), 0);
	return SPAN(room, w.len);
}

static void a_checkpoint_comes_back_from_its_note(void **state)
{
	(void)state;
	struct checkpoint c = checkpoint_of(leaves, 13), again;
	uint8_t room[CHECKPOINT_SIGNED_MAX];
	struct span note = sign(&c, 1763766000, room);

	assert_int_equal(checkpoint_verify(crypto, note, public_keys, 2, &again), 0);
	assert_string_equal(again.origin, c.origin);
	assert_int_equal(again.size, 13);
	assert_true(merkle_hash_equal(&again.root, &c.root));
}

static void each_flipped_bit_of_a_checkpoint_is_seen(void **state)
{
	(void)state;
	struct checkpoint c = checkpoint_of(leaves, 13), again;
	uint8_t room[CHECKPOINT_SIGNED_MAX];
	struct span note = sign(&c, 1763766000, room);

	/* Each byte of the text and the beginnings of the signatures; then some of the rest. */
	for (size_t i = 0; i < note.len; i += i < 300 ? 1 : 37)
		for (unsigned bit = 0; bit < 8; bit++) {
			room[i] ^= (uint8_t)(1U << bit);
			assert_true(checkpoint_verify(crypto, note, public_keys, 2, &again) < 0);
			room[i] ^= (uint8_t)(1U << bit);
		}
	for (size_t len = 0; len < note.len; len += 97)
		assert_true(checkpoint_verify(crypto, SPAN(room, len), public_keys, 2, &again) < 0);
}

static void the_longest_checkpoint_fits(void **state)
{
	(void)state;
	struct checkpoint c = checkpoint_of(leaves, 0), again;
	struct ledger_keys long_keys = keys;
	struct note_key long_public[2];
	uint8_t room[CHECKPOINT_SIGNED_MAX];
	struct writer w = writer_of(room, sizeof(room));

	memset(long_keys.name, 'n', NOTE_NAME_MAX);
	memcpy(c.origin, long_keys.name, sizeof(c.origin));
	c.size = UINT64_MAX;
	assert_int_equal(ledger_keys_public(ops, crypto, &long_keys, long_public), 0);
	assert_int_equal(checkpoint_sign(ops, crypto, &long_keys, &c, INT64_MAX, &entropy, &w), 0);
	assert_int_equal(checkpoint_verify(crypto, SPAN(room, w.len), long_public, 2, &again), 0);
}

static void another_logs_checkpoint_is_none_of_this_one(void **state)
{
	(void)state;
	struct checkpoint c = checkpoint_of(leaves, 13), again;
	struct note_key others[2];
	uint8_t room[CHECKPOINT_SIGNED_MAX];
	struct span note = sign(&c, 1, room);

	assert_int_equal(ledger_keys_public(ops, crypto, &witness_keys, others), 0);
	assert_int_equal(checkpoint_verify(crypto, note, others, 2, &again), -EPROTO);
	memcpy(others[0].name, keys.name, sizeof(others[0].name));
	memcpy(others[1].name, keys.name, sizeof(others[1].name));
	assert_int_equal(checkpoint_verify(crypto, note, others, 2, &again), -EKEYREJECTED);
}

static void a_key_comes_back_from_its_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char text[NOTE_KEY_TEXT_SIZE];
		struct note_key k;

		note_key_encode(&public_keys[i], text);
		assert_int_equal(note_key_decode(ops, SPAN(text, strlen(text)), &k), 0);
		assert_int_equal(k.id, public_keys[i].id);
		assert_memory_equal(k.pk, public_keys[i].pk, note_pk_len(k.algorithm));
		text[strlen(keys.name) + 1] = text[strlen(keys.name) + 1] == 'a' ? 'b' : 'a';
		assert_int_equal(note_key_decode(ops, SPAN(text, strlen(text)), &k), -EBADMSG);
	}
}

static void names_with_spaces_or_a_plus_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = { "", "a b", "a+b", "a\xc2\xa0", "\xe2\x80\x83", "a\n" };
	struct note_key k;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(note_key_init(ops, wrong[i], NOTE_ED25519, public_keys[0].pk, &k),
				 -EINVAL);
}

static void more_signatures_than_the_limit_are_refused(void **state)
{
	(void)state;
	uint8_t bytes[4096], sig[ED25519_SIG_LEN] = { 0 };
	struct note n;

	for (size_t count = NOTE_SIGNATURES_MAX; count <= NOTE_SIGNATURES_MAX + 1; count++) {
		struct writer w = writer_of(bytes, sizeof(bytes));

		write_span(&w, SPAN_STR("text\n\n"));
		for (size_t i = 0; i < count; i++)
			note_write_signature(&w, &public_keys[0], 0, sig);
		assert_false(w.overrun);
		assert_int_equal(note_decode(SPAN(bytes, w.len), &n),
				 count > NOTE_SIGNATURES_MAX ? -ENOBUFS : 0);
	}
}

static void a_witness_signs_below_the_log(void **state)
{
	(void)state;
	static const enum note_algorithm algorithms[] = { NOTE_COSIGN_ED25519,
							  NOTE_COSIGN_MLDSA44 };
	struct checkpoint c = checkpoint_of(leaves, 13);
	uint8_t room[2 * CHECKPOINT_SIGNED_MAX];
	struct writer w = writer_of(room, sizeof(room));
	uint64_t unix_s;
	struct note n;

	assert_int_equal(checkpoint_sign(ops, crypto, &keys, &c, 1, &entropy, &w), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(checkpoint_cosign(ops, crypto, &witness_keys, algorithms[i], &c,
						   1763766000 + i, &entropy, &w),
				 0);
	assert_int_equal(note_decode(SPAN(room, w.len), &n), 0);
	assert_int_equal(n.n_signatures, 4);
	for (size_t i = 0; i < 2; i++) {
		uint8_t pk[MLDSA44_PK_LEN];
		struct note_key k;

		assert_int_equal(i == 0 ? crypto->ed25519_public(witness_keys.ed25519, pk)
					: crypto->mldsa44_public(witness_keys.mldsa44, pk),
				 0);
		assert_int_equal(note_key_init(ops, witness_keys.name, algorithms[i], pk, &k), 0);
		assert_int_equal(checkpoint_verify_signature(crypto, &n, &c, &k, &unix_s), 0);
		assert_int_equal(unix_s, 1763766000 + i);
		c.size++; /* of another tree it says nothing */
		assert_int_equal(checkpoint_verify_signature(crypto, &n, &c, &k, &unix_s),
				 -EKEYREJECTED);
		c.size--;
	}
}

static void a_proof_is_checked_from_its_file_alone(void **state)
{
	(void)state;
	struct merkle_source source = { .node = node_of_leaves };
	struct checkpoint c = checkpoint_of(leaves, N_LEAVES), again;
	static uint8_t note[CHECKPOINT_SIGNED_MAX], file[LEDGER_PROOF_MAX], room[LEDGER_ENTRY_MAX];
	struct writer w = writer_of(file, sizeof(file));
	uint8_t entry = 11;
	struct ledger_proof p = { .entry = SPAN(&entry, 1),
				  .index = 11,
				  .checkpoint = sign(&c, 1, note) };

	assert_int_equal(merkle_inclusion_proof(ops, &source, 11, N_LEAVES, p.hashes, &p.n_hashes),
			 0);
	ledger_proof_write(&w, &p);
	assert_false(w.overrun);
	assert_int_equal(ledger_proof_decode(SPAN(file, w.len), room, &p), 0);
	assert_int_equal(ledger_proof_verify(ops, crypto, &p, public_keys, 2, &again), 0);
	assert_int_equal(again.size, N_LEAVES);
	p.index = 10;
	assert_int_equal(ledger_proof_verify(ops, crypto, &p, public_keys, 2, &again),
			 -EKEYREJECTED);
	p.index = 11;
	room[0] = 12; /* where the entry lies */
	assert_int_equal(ledger_proof_verify(ops, crypto, &p, public_keys, 2, &again),
			 -EKEYREJECTED);
	for (size_t len = 0; len < w.len; len++) /* a note cut short is refused in the next step */
		if (ledger_proof_decode(SPAN(file, len), room, &p) == 0 && len % 64 == 0)
			assert_true(ledger_proof_verify(ops, crypto, &p, public_keys, 2, &again) <
				    0);
}

static struct witness *new_witness(void)
{
	struct witness *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	memcpy(w->keys, public_keys, sizeof(public_keys));
	return w;
}

static enum witness_verdict judge(struct witness *w, struct merkle_hash *from, uint64_t proved,
				  uint64_t size)
{
	struct merkle_source source = { .node = node_of_leaves, .user = from };
	struct checkpoint c = checkpoint_of(from, size);
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	uint8_t room[CHECKPOINT_SIGNED_MAX];
	size_t n = 0;
	enum witness_verdict verdict;

	if (proved != 0 && proved != size)
		assert_int_equal(merkle_consistency_proof(ops, &source,
							  proved < size ? proved : size,
							  proved < size ? size : proved, proof, &n),
				 0);
	assert_int_equal(witness_judge(w, ops, crypto, sign(&c, size, room), proof, n, &verdict),
			 0);
	return verdict;
}

static void a_log_that_grows_is_followed(void **state)
{
	(void)state;
	struct witness *w = new_witness();

	assert_int_equal(judge(w, leaves, 0, 0), WITNESS_NEWER);
	assert_int_equal(judge(w, leaves, 0, 5), WITNESS_NEWER); /* nothing is owed for nothing */
	assert_int_equal(judge(w, leaves, 5, 5), WITNESS_SAME);
	assert_int_equal(judge(w, leaves, 5, 13), WITNESS_NEWER);
	assert_int_equal(judge(w, leaves, 13, 7), WITNESS_OLDER);
	assert_int_equal(w->latest.size, 13);
	assert_false(w->is_suspect || w->is_split);
	free(w);
}

static void two_roots_of_one_size_are_a_split_and_both_are_kept(void **state)
{
	(void)state;
	struct witness *w = new_witness();
	struct merkle_hash other[N_LEAVES];
	struct checkpoint a, b;

	memcpy(other, leaves, sizeof(other));
	other[9].bytes[0] ^= 1;
	assert_int_equal(judge(w, leaves, 0, 13), WITNESS_NEWER);
	assert_int_equal(judge(w, other, 13, 13), WITNESS_SPLIT);
	assert_true(w->is_split);
	/* An outsider who knows the log's keys sees it from the two notes alone. */
	assert_int_equal(checkpoint_verify(crypto, SPAN(w->evidence[0].bytes, w->evidence[0].len),
					   public_keys, 2, &a),
			 0);
	assert_int_equal(checkpoint_verify(crypto, SPAN(w->evidence[1].bytes, w->evidence[1].len),
					   public_keys, 2, &b),
			 0);
	assert_int_equal(a.size, b.size);
	assert_false(merkle_hash_equal(&a.root, &b.root));
	assert_int_equal(judge(w, leaves, 13, 14), WITNESS_SPLIT); /* and trust is gone */
	assert_int_equal(w->latest.size, 13);
	free(w);
}

static void a_history_that_was_changed_cannot_be_proved(void **state)
{
	(void)state;
	struct witness *w = new_witness();
	struct merkle_hash other[N_LEAVES];

	memcpy(other, leaves, sizeof(other));
	other[3].bytes[0] ^= 1;
	assert_int_equal(judge(w, leaves, 0, 13), WITNESS_NEWER);
	assert_int_equal(judge(w, other, 13, 17), WITNESS_UNPROVEN);
	assert_true(w->is_suspect && w->evidence[0].len > 0 && w->evidence[1].len > 0);
	assert_int_equal(judge(w, leaves, 13, 15), WITNESS_NEWER);  /* the true one goes on */
	assert_int_equal(judge(w, other, 15, 9), WITNESS_UNPROVEN); /* an older one that differs */
	assert_int_equal(judge(w, other, 15, 15), WITNESS_SPLIT);
	free(w);
}

static void a_note_that_the_log_did_not_sign_changes_nothing(void **state)
{
	(void)state;
	struct witness *w = new_witness();
	struct checkpoint c = checkpoint_of(leaves, 13);
	uint8_t room[CHECKPOINT_SIGNED_MAX + 1] = { 0 };
	struct span note = sign(&c, 1, room);
	enum witness_verdict verdict;

	room[note.len - 99] = room[note.len - 99] == 'A' ? 'B' : 'A';
	assert_int_equal(witness_judge(w, ops, crypto, note, NULL, 0, &verdict), -EKEYREJECTED);
	assert_int_equal(witness_judge(w, ops, crypto, SPAN(room, sizeof(room)), NULL, 0, &verdict),
			 -ENOBUFS);
	assert_false(w->has_latest);
	free(w);
}

/* ---- what witnesses and logs keep of each other ---- */

static int load_nothing(void *user, const char *origin, struct cosign_log *ret)
{
	(void)user;
	(void)origin;
	(void)ret;
	return 0;
}

static int keep_it(void *user, const char *origin, const struct cosign_log *l, unsigned parts)
{
	assert_string_equal(origin, keys.name);
	assert_int_equal(parts, COSIGN_KEEP_LATEST);
	memcpy(user, l, sizeof(*l));
	return 0;
}

static int keep_nothing(void *user, const char *origin, const struct cosign_log *l, unsigned parts)
{
	(void)user;
	(void)origin;
	(void)l;
	(void)parts;
	return -ENOSPC;
}

/* An offer of the log to the witness. */
static int offer_to(const struct cosign_store *store, struct span note, struct cosign_answer *ret)
{
	const struct cosign_signer me = { ops, crypto, &entropy, &witness_keys };
	static uint8_t bytes[COSIGN_MESSAGE_MAX];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct cosign_message m;

	cosign_write_offer(&w, public_keys, note, 0, NULL, 0);
	assert_int_equal(cosign_decode(SPAN(bytes, w.len), &m), 0);
	return cosign_answer(&me, store, keys.name, &m, 1763766000, ret);
}

static void each_flipped_bit_of_what_is_kept_of_witnesses_is_seen(void **state)
{
	(void)state;
	static struct cosign_log l, again;
	static struct cosign_answer a;
	static uint8_t room[CHECKPOINT_SIGNED_MAX], cosigned[COSIGN_RECORD_MAX],
		latest[COSIGN_RECORD_MAX];
	const struct cosign_store store = { load_nothing, keep_it, &l };
	struct writer of_witness = writer_of(cosigned, sizeof(cosigned));
	struct writer of_log = writer_of(latest, sizeof(latest));
	struct checkpoint c = checkpoint_of(leaves, 13);
	struct span note = sign(&c, 1763766000, room), records[COSIGN_N_RECORDS] = { { 0 } };
	char name[NOTE_NAME_MAX + 1];
	struct cosign_message m;
	uint64_t unix_s;

	assert_int_equal(offer_to(&store, note, &a), 0);
	assert_int_equal(cosign_decode(SPAN(a.bytes, a.len), &m), 0);
	assert_int_equal(m.type, COSIGN_SIGNED);
	assert_int_equal(cosign_take(ops, crypto, public_keys, note, witness_keys.name, &m, &unix_s,
				     &of_witness),
			 0);
	cosign_log_encode(&l, COSIGN_LATEST, &of_log);
	records[COSIGN_LATEST] = SPAN(latest, of_log.len);
	assert_int_equal(cosign_log_decode(ops, crypto, records, &again), 0);
	/* Each byte of names and text; of base64, which is long, some. */
	for (size_t i = 0; i < of_witness.len; i += i < 300 ? 1 : 7) {
		cosigned[i] ^= (uint8_t)(1U << i % 8);
		assert_true(cosign_record_verify(ops, crypto, public_keys,
						 SPAN(cosigned, of_witness.len), &c, name,
						 &unix_s) < 0);
		cosigned[i] ^= (uint8_t)(1U << i % 8);
	}
	for (size_t i = 0; i < of_log.len; i += i < 300 ? 1 : 7) {
		memset(&again, 0, sizeof(again));
		latest[i] ^= (uint8_t)(1U << i % 8);
		assert_int_equal(cosign_log_decode(ops, crypto, records, &again), -EUCLEAN);
		latest[i] ^= (uint8_t)(1U << i % 8);
	}
}

/* What a witness answers at that time, with these lines before and behind its own. */
static int take_from_witness(struct span note, uint64_t unix_s, struct span before,
			     struct span behind)
{
	const struct cosign_signer me = { ops, crypto, &entropy, &witness_keys };
	static uint8_t bytes[COSIGN_MESSAGE_MAX], lines[COSIGN_MESSAGE_MAX],
		record[COSIGN_RECORD_MAX];
	static struct cosign_log l;
	static struct cosign_answer a;
	const struct cosign_store store = { load_nothing, keep_it, &l };
	struct writer offer = writer_of(bytes, sizeof(bytes));
	struct writer text = writer_of(lines, sizeof(lines));
	struct writer to = writer_of(record, sizeof(record));
	struct cosign_message m;

	cosign_write_offer(&offer, public_keys, note, 0, NULL, 0);
	assert_int_equal(cosign_decode(SPAN(bytes, offer.len), &m), 0);
	assert_int_equal(cosign_answer(&me, &store, keys.name, &m, unix_s, &a), 0);
	assert_int_equal(cosign_decode(SPAN(a.bytes, a.len), &m), 0);
	write_span(&text, before);
	write_span(&text, m.text);
	write_span(&text, behind);
	m.text = SPAN(lines, text.len);
	return cosign_take(ops, crypto, public_keys, note, witness_keys.name, &m, &unix_s, &to);
}

static void a_witness_cannot_make_the_record_one_that_is_found_damaged(void **state)
{
	(void)state;
	static uint8_t room[CHECKPOINT_SIGNED_MAX];
	const struct span none = { 0 };
	struct checkpoint c = checkpoint_of(leaves, 13);
	struct span note = sign(&c, 1763766000, room), own = note;
	const uint8_t *end;

	for (; memcmp(own.at, "\n\n", 2) != 0; own.at++)
		own.len--;
	own = SPAN(own.at + 2, own.len - 2);
	end = memchr(own.at, '\n', own.len);
	own.len = (size_t)(end - own.at) + 1; /* the first line of the log's own signatures */
	assert_int_equal(take_from_witness(note, 1763766000, none, none), 0);
	assert_true(take_from_witness(note, 1763766000, SPAN_STR("\n"), none) < 0);
	assert_true(take_from_witness(note, 1763766000, SPAN_STR("more\n\n"), none) < 0);
	assert_true(take_from_witness(note, 1763766000, none, own) < 0);
}

static void a_time_that_is_no_date_is_refused(void **state)
{
	(void)state;
	static uint8_t room[CHECKPOINT_SIGNED_MAX];
	const struct span none = { 0 };
	struct checkpoint c = checkpoint_of(leaves, 13);
	struct span note = sign(&c, 1763766000, room);

	assert_int_equal(take_from_witness(note, COSIGN_UNIX_S_MAX, none, none), 0);
	assert_int_equal(take_from_witness(note, COSIGN_UNIX_S_MAX + 1, none, none), -EBADMSG);
	assert_int_equal(take_from_witness(note, INT64_MAX, none, none), -EBADMSG);
}

static void what_cannot_be_kept_is_not_signed(void **state)
{
	(void)state;
	static struct cosign_answer a;
	const struct cosign_store store = { load_nothing, keep_nothing, NULL };
	static uint8_t room[CHECKPOINT_SIGNED_MAX];
	struct checkpoint c = checkpoint_of(leaves, 13);
	struct cosign_message m;

	assert_int_equal(offer_to(&store, sign(&c, 1763766000, room), &a), 0);
	assert_int_equal(cosign_decode(SPAN(a.bytes, a.len), &m), 0);
	assert_int_equal(m.type, COSIGN_REFUSED);
	assert_int_equal(m.why, COSIGN_NOT_KEPT);
	assert_false(a.is_newer);
}

static void nobody_offers_the_log_of_another(void **state)
{
	(void)state;
	static struct cosign_answer a;
	const struct cosign_store store = { load_nothing, keep_nothing, NULL };
	const struct cosign_signer me = { ops, crypto, &entropy, &witness_keys };
	static uint8_t room[CHECKPOINT_SIGNED_MAX], bytes[COSIGN_MESSAGE_MAX];
	struct checkpoint c = checkpoint_of(leaves, 13);
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct cosign_message m;

	cosign_write_offer(&w, public_keys, sign(&c, 1763766000, room), 0, NULL, 0);
	assert_int_equal(cosign_decode(SPAN(bytes, w.len), &m), 0);
	assert_int_equal(cosign_answer(&me, &store, "mesh.example/node/eve", &m, 1, &a), -EPROTO);
	m.type = COSIGN_SEEN; /* and nobody spreads his own */
	assert_int_equal(cosign_answer(&me, &store, keys.name, &m, 1, &a), -EPROTO);
	/* Of a log that is not witnessed here nothing is taken from others. */
	assert_int_equal(cosign_answer(&me, &store, "mesh.example/node/eve", &m, 1, &a), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_checkpoint_comes_back_from_its_note),
		cmocka_unit_test(each_flipped_bit_of_a_checkpoint_is_seen),
		cmocka_unit_test(the_longest_checkpoint_fits),
		cmocka_unit_test(another_logs_checkpoint_is_none_of_this_one),
		cmocka_unit_test(a_key_comes_back_from_its_text),
		cmocka_unit_test(names_with_spaces_or_a_plus_are_refused),
		cmocka_unit_test(more_signatures_than_the_limit_are_refused),
		cmocka_unit_test(a_witness_signs_below_the_log),
		cmocka_unit_test(a_proof_is_checked_from_its_file_alone),
		cmocka_unit_test(a_log_that_grows_is_followed),
		cmocka_unit_test(two_roots_of_one_size_are_a_split_and_both_are_kept),
		cmocka_unit_test(a_history_that_was_changed_cannot_be_proved),
		cmocka_unit_test(a_note_that_the_log_did_not_sign_changes_nothing),
		cmocka_unit_test(each_flipped_bit_of_what_is_kept_of_witnesses_is_seen),
		cmocka_unit_test(a_witness_cannot_make_the_record_one_that_is_found_damaged),
		cmocka_unit_test(a_time_that_is_no_date_is_refused),
		cmocka_unit_test(what_cannot_be_kept_is_not_signed),
		cmocka_unit_test(nobody_offers_the_log_of_another),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
