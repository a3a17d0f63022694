/* SPDX-License-Identifier: Apache-2.0 */
/* The tree against its definition, and each proof against each wrong one. The published vectors
 * are read by x0-lab kat. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ledger/tiles.h"
#include "shell/openssl/crypto_openssl.h"

#define N_MAX 70

static const struct crypto_ops *ops;
static struct merkle_hash leaves[N_MAX];

static int set_up(void **state)
{
	(void)state;
	ops = openssl_crypto_ops(NULL);
	for (uint8_t i = 0; i < N_MAX; i++)
		merkle_leaf_hash(ops, SPAN(&i, 1), &leaves[i]);
	return ops ? 0 : -1;
}

/* MTH of RFC 9162 section 2.1.1, as it is written there. */
static struct merkle_hash defined_root(const struct merkle_hash *hashes, uint64_t n)
{
	struct merkle_hash left, right;
	uint64_t k = 1;

	if (n == 0) {
		ops->sha256(NULL, 0, left.bytes);
		return left;
	}
	if (n == 1)
		return hashes[0];
	while (2 * k < n)
		k *= 2;
	left = defined_root(hashes, k);
	right = defined_root(hashes + k, n - k);
	merkle_node_hash(ops, &left, &right, &left);
	return left;
}

static int node_of_leaves(void *user, unsigned height, uint64_t n, struct merkle_hash *ret)
{
	(void)user;
	assert_true((n + 1) << height <= N_MAX);
	*ret = defined_root(leaves + (n << height), UINT64_C(1) << height);
	return 0;
}

static const struct merkle_source source = { .node = node_of_leaves };

static void the_root_is_the_defined_one_at_each_size(void **state)
{
	(void)state;
	struct merkle_frontier f = { 0 }, loaded;
	struct merkle_hash root, expected;

	for (uint64_t n = 0;; n++) {
		expected = defined_root(leaves, n);
		merkle_root(ops, &f, &root);
		assert_true(merkle_hash_equal(&root, &expected));
		assert_int_equal(merkle_frontier_load(&source, n, &loaded), 0);
		merkle_root(ops, &loaded, &root);
		assert_true(merkle_hash_equal(&root, &expected));
		if (n == N_MAX)
			break;
		merkle_append(ops, &f, &leaves[n], NULL, NULL);
	}
}

static void the_root_of_nothing_is_the_hash_of_nothing(void **state)
{
	(void)state;
	struct merkle_frontier f = { 0 };
	struct merkle_hash root;
	char hex[2 * SHA256_LEN + 1];

	merkle_root(ops, &f, &root);
	bytes_to_hex(root.bytes, sizeof(root.bytes), hex);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void each_entry_is_proved_at_each_size_and_nowhere_else(void **state)
{
	(void)state;
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	size_t n_proof;

	for (uint64_t size = 1; size <= N_MAX; size++) {
		struct merkle_hash root = defined_root(leaves, size);

		for (uint64_t i = 0; i < size; i++) {
			assert_int_equal(
				merkle_inclusion_proof(ops, &source, i, size, proof, &n_proof), 0);
			for (uint64_t k = 0; k < size; k++)
				assert_int_equal(merkle_verify_inclusion(ops, &leaves[k], i, size,
									 proof, n_proof,
									 SPAN_OF(root.bytes)),
						 k == i ? 0 : -EKEYREJECTED);
		}
	}
	assert_int_equal(merkle_inclusion_proof(ops, &source, 3, 3, proof, &n_proof), -EINVAL);
}

static void each_size_is_proved_to_be_the_beginning_of_each_later_one(void **state)
{
	(void)state;
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	size_t n_proof;

	for (uint64_t second = 1; second <= N_MAX; second++) {
		struct merkle_hash root2 = defined_root(leaves, second);

		for (uint64_t first = 1; first <= second; first++) {
			struct merkle_hash root1 = defined_root(leaves, first);

			assert_int_equal(merkle_consistency_proof(ops, &source, first, second,
								  proof, &n_proof),
					 0);
			assert_int_equal(
				merkle_verify_consistency(ops, first, second, SPAN_OF(root1.bytes),
							  SPAN_OF(root2.bytes), proof, n_proof),
				0);
			root1.bytes[first % SHA256_LEN] ^= 1;
			assert_int_equal(
				merkle_verify_consistency(ops, first, second, SPAN_OF(root1.bytes),
							  SPAN_OF(root2.bytes), proof, n_proof),
				-EKEYREJECTED);
		}
	}
	assert_int_equal(merkle_consistency_proof(ops, &source, 0, 3, proof, &n_proof), -EINVAL);
	assert_int_equal(merkle_consistency_proof(ops, &source, 4, 3, proof, &n_proof), -EINVAL);
}

static void each_flipped_bit_of_a_proof_is_seen(void **state)
{
	(void)state;
	struct merkle_hash root1 = defined_root(leaves, 21), root2 = defined_root(leaves, 45);
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	size_t n;

	assert_int_equal(merkle_consistency_proof(ops, &source, 21, 45, proof, &n), 0);
	for (size_t bit = 0; bit < n * SHA256_LEN * 8; bit++) {
		uint8_t *byte = &proof[bit / 256].bytes[bit / 8 % SHA256_LEN];

		*byte ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(merkle_verify_consistency(ops, 21, 45, SPAN_OF(root1.bytes),
							   SPAN_OF(root2.bytes), proof, n),
				 -EKEYREJECTED);
		*byte ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t shorter = 0; shorter < n; shorter++)
		assert_int_equal(merkle_verify_consistency(ops, 21, 45, SPAN_OF(root1.bytes),
							   SPAN_OF(root2.bytes), proof, shorter),
				 -EKEYREJECTED);
}

static void tiles_have_the_names_of_the_standard(void **state)
{
	(void)state;
	static const struct {
		struct tile_id id;
		const char *path;
	} cases[] = {
		{ { 0, 0, 256 }, "tile/0/000" },
		{ { 0, 1234067, 256 }, "tile/0/x001/x234/067" },
		{ { TILE_ENTRIES, 1000, 112 }, "tile/entries/x001/000.p/112" },
		{ { 7, UINT64_MAX, 255 }, "tile/7/x018/x446/x744/x073/x709/x551/615.p/255" },
	};
	char path[TILE_PATH_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tile_path(&cases[i].id, path);
		assert_string_equal(path, cases[i].path);
	}
}

static void a_node_is_found_in_its_tile(void **state)
{
	(void)state;
	struct tile_id id;
	unsigned first, n;

	/* The example of the standard: 70,000 leaves. */
	tile_of_node(70000, 0, 69999, &id, &first, &n);
	assert_int_equal(id.level, 0);
	assert_int_equal(id.n, 273);
	assert_int_equal(id.width, 112);
	assert_int_equal(first, 111);
	assert_int_equal(n, 1);
	tile_of_node(70000, 8, 272, &id, &first, &n);
	assert_int_equal(id.level, 1);
	assert_int_equal(id.n, 1);
	assert_int_equal(id.width, 17);
	assert_int_equal(first, 16);
	tile_of_node(70000, 16, 0, &id, &first, &n);
	assert_int_equal(id.level, 2);
	assert_int_equal(id.width, 1);
	tile_of_node(70000, 11, 2, &id, &first, &n);
	assert_int_equal(id.level, 1);
	assert_int_equal(id.width, 256);
	assert_int_equal(first, 16);
	assert_int_equal(n, 8);
}

static void a_bundle_that_ends_in_an_entry_is_noticed(void **state)
{
	(void)state;
	struct reader r = reader_of(SPAN("\0\1a\0\2b", 6));
	struct span entry;

	assert_true(bundle_next(&r, &entry));
	assert_int_equal(entry.len, 1);
	assert_false(bundle_next(&r, &entry));
	assert_true(r.overrun);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_is_the_defined_one_at_each_size),
		cmocka_unit_test(the_root_of_nothing_is_the_hash_of_nothing),
		cmocka_unit_test(each_entry_is_proved_at_each_size_and_nowhere_else),
		cmocka_unit_test(each_size_is_proved_to_be_the_beginning_of_each_later_one),
		cmocka_unit_test(each_flipped_bit_of_a_proof_is_seen),
		cmocka_unit_test(tiles_have_the_names_of_the_standard),
		cmocka_unit_test(a_node_is_found_in_its_tile),
		cmocka_unit_test(a_bundle_that_ends_in_an_entry_is_noticed),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
