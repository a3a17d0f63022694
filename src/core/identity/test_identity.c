/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/identity/fake_ops.h"

#define NOW 1500
#define ALICE "spiffe://example.mesh/node/alice"

static void a_spiffe_id_is_read_back(void **state)
{
	(void)state;
	char id[SPIFFE_ID_SIZE];
	char domain[DOMAIN_MAX + 1];
	char name[NODE_NAME_MAX + 1];

	assert_int_equal(spiffe_id_format("example.mesh", "alice", id), 0);
	assert_string_equal(id, ALICE);
	assert_int_equal(spiffe_id_parse(id, domain, name), 0);
	assert_string_equal(domain, "example.mesh");
	assert_string_equal(name, "alice");
}

static void the_longest_spiffe_id_fits(void **state)
{
	(void)state;
	char domain[DOMAIN_MAX + 2] = { 0 };
	char name[NODE_NAME_MAX + 2] = { 0 };
	char back_domain[DOMAIN_MAX + 1];
	char back_name[NODE_NAME_MAX + 1];
	char id[SPIFFE_ID_SIZE];

	memset(domain, 'd', DOMAIN_MAX);
	memset(name, 'n', NODE_NAME_MAX);
	assert_int_equal(spiffe_id_format(domain, name, id), 0);
	assert_int_equal(spiffe_id_parse(id, back_domain, back_name), 0);
	assert_string_equal(back_domain, domain);
	assert_string_equal(back_name, name);
	domain[DOMAIN_MAX] = 'd';
	assert_int_equal(spiffe_id_format(domain, name, id), -EINVAL);
	domain[DOMAIN_MAX] = '\0';
	name[NODE_NAME_MAX] = 'n';
	assert_int_equal(spiffe_id_format(domain, name, id), -EINVAL);
}

static void anything_but_a_strict_spiffe_id_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"spiffe://",
		"spiffe:///node/alice",
		"SPIFFE://example.mesh/node/alice",
		"https://example.mesh/node/alice",
		"spiffe://example.mesh",
		"spiffe://example.mesh/",
		"spiffe://example.mesh/node",
		"spiffe://example.mesh/node/",
		"spiffe://example.mesh/Node/alice",
		"spiffe://example.mesh//node/alice",
		"spiffe://example.mesh/node//alice",
		"spiffe://example.mesh/node/alice/",
		"spiffe://example.mesh/node/alice/x",
		"spiffe://example.mesh/node/alice?x",
		"spiffe://example.mesh/node/alice#x",
		"spiffe://example.mesh/node/alice ",
		"spiffe://example.mesh/node/al%69ce",
		"spiffe://example.mesh/node/Alice",
		"spiffe://example.mesh/node/.",
		"spiffe://example.mesh/node/..",
		"spiffe://example.mesh/node/-alice",
		"spiffe://example.mesh/node/alice.",
		"spiffe://example.mesh/node/al\xc3\xaf",
		"spiffe://Example.mesh/node/alice",
		"spiffe://example.mesh:443/node/alice",
		"spiffe://user@example.mesh/node/alice",
		"spiffe://example.mesh/workload/alice",
	};
	char domain[DOMAIN_MAX + 1] = "as before";
	char name[NODE_NAME_MAX + 1] = "as before";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (spiffe_id_parse(bad[i], domain, name) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	assert_string_equal(domain, "as before");
	assert_string_equal(name, "as before");
}

static void node_names_begin_and_end_with_a_letter_or_digit(void **state)
{
	(void)state;
	assert_true(node_name_is_valid("a"));
	assert_true(node_name_is_valid("7"));
	assert_true(node_name_is_valid("roof-2.east_side"));
	assert_false(node_name_is_valid(""));
	assert_false(node_name_is_valid("_a"));
	assert_false(node_name_is_valid("a-"));
	assert_false(node_name_is_valid("a/b"));
	assert_true(domain_is_valid("x0tta6bl4.mesh"));
	assert_false(domain_is_valid(""));
	assert_false(domain_is_valid("a b"));
}

static void an_address_under_the_domain_gives_its_node_id_back(void **state)
{
	(void)state;
	uint64_t id = node_id_of(&fake_ops, ALICE);
	uint64_t back = 0;
	uint8_t address[OVERLAY_ADDRESS_LEN];

	overlay_address_of(&fake_ops, "example.mesh", id, address);
	assert_int_equal(address[0], 0xfd);
	assert_int_equal(address[6], 0);
	assert_int_equal(address[7], 0);
	assert_true(load_u64(address + 8) == id);
	assert_true(overlay_address_parse(&fake_ops, "example.mesh", address, &back));
	assert_true(back == id);
	assert_false(overlay_address_parse(&fake_ops, "other.mesh", address, &back));
	for (size_t i = 0; i < 8; i++) {
		address[i] ^= 1;
		assert_false(overlay_address_parse(&fake_ops, "example.mesh", address, &back));
		address[i] ^= 1;
	}
	memset(address + 8, 0, 8); /* the node id 0 is nobody's */
	assert_false(overlay_address_parse(&fake_ops, "example.mesh", address, &back));
}

/* ---- trust ---- */

static struct fake_cert a_root(uint8_t tag)
{
	struct fake_cert c = { .magic = "fake", .tag = tag, .issuer = tag };

	c.cert.is_ca = true;
	c.cert.is_mldsa65 = true;
	c.cert.pk[0] = tag;
	return c;
}

static struct fake_cert a_leaf(void)
{
	struct fake_cert c = { .magic = "fake", .tag = 'L', .issuer = 'R' };

	(void)strcpy(c.cert.uri, ALICE);
	c.cert.n_uris = 1;
	c.cert.is_mldsa65 = true;
	memset(c.cert.pk, 0x42, sizeof(c.cert.pk));
	c.cert.has_key_usage = true;
	c.cert.can_sign = true;
	c.cert.not_before_s = 1000;
	c.cert.not_after_s = 2000;
	c.cert.serial[19] = 7;
	return c;
}

static struct fake_cert the_root;

static struct trust some_trust(void)
{
	struct trust t = { .ops = &fake_ops, .domain = "example.mesh", .n_roots = 1 };

	the_root = a_root('R');
	t.roots[0] = SPAN(&the_root, sizeof(the_root));
	return t;
}

static enum identity_fault verify(const struct trust *t, const struct fake_cert *leaf,
				  int64_t unix_s, struct peer_identity *ret)
{
	const struct span chain = SPAN(leaf, sizeof(*leaf));

	return trust_verify(t, &chain, 1, unix_s, ret);
}

static void a_good_leaf_proves_a_peer(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct fake_cert leaf = a_leaf();
	const struct span chain = SPAN(&leaf, sizeof(leaf));
	struct peer_identity peer;
	uint8_t hash[SHA256_LEN];

	assert_int_equal(verify(&t, &leaf, NOW, &peer), IDENTITY_OK);
	assert_string_equal(peer.spiffe_id, ALICE);
	assert_string_equal(peer.name, "alice");
	assert_true(peer.node_id == node_id_of(&fake_ops, ALICE));
	assert_memory_equal(peer.pk, leaf.cert.pk, sizeof(peer.pk));
	assert_memory_equal(peer.serial, leaf.cert.serial, sizeof(peer.serial));
	assert_int_equal(peer.not_before_s, 1000);
	assert_int_equal(peer.not_after_s, 2000);
	chain_hash(&fake_ops, &chain, 1, hash);
	assert_memory_equal(peer.chain_hash, hash, sizeof(hash));
}

static void each_rule_for_a_leaf_has_its_fault(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct peer_identity peer = { .node_id = 99 };
	struct fake_cert leaf;

#define REFUSED(change, fault) \
	leaf = a_leaf();       \
	change;                \
	assert_int_equal(verify(&t, &leaf, NOW, &peer), fault)
	REFUSED(leaf.magic[0] = 'F', IDENTITY_UNPARSABLE);
	REFUSED(leaf.issuer = 'X', IDENTITY_NO_PATH);
	REFUSED(leaf.cert.is_ca = true, IDENTITY_IS_CA);
	REFUSED(leaf.cert.can_sign_certs = true, IDENTITY_IS_CA);
	REFUSED(leaf.cert.can_sign_crls = true, IDENTITY_KEY_USAGE);
	REFUSED(leaf.cert.can_sign = false, IDENTITY_KEY_USAGE);
	REFUSED(leaf.cert.has_key_usage = false, IDENTITY_KEY_USAGE);
	REFUSED(leaf.cert.is_mldsa65 = false; leaf.cert.is_p256 = true, IDENTITY_KEY);
	REFUSED(leaf.cert.n_uris = 0; leaf.cert.uri[0] = '\0', IDENTITY_NAMES);
	REFUSED(leaf.cert.n_uris = 2, IDENTITY_NAMES);
	REFUSED(leaf.cert.n_other_names = 1, IDENTITY_NAMES);
	REFUSED((void)strcpy(leaf.cert.uri, "spiffe://example.mesh/node/Alice"),
		IDENTITY_SPIFFE_ID);
	REFUSED((void)strcpy(leaf.cert.uri, "https://example.mesh/"), IDENTITY_SPIFFE_ID);
	REFUSED((void)strcpy(leaf.cert.uri, "spiffe://other.mesh/node/alice"),
		IDENTITY_WRONG_DOMAIN);
	REFUSED((void)strcpy(leaf.cert.uri, "spiffe://example.mesh.evil/node/alice"),
		IDENTITY_WRONG_DOMAIN);
	REFUSED(leaf.cert.not_before_s = NOW + 1, IDENTITY_NOT_YET_VALID);
	REFUSED(leaf.cert.not_after_s = NOW - 1, IDENTITY_EXPIRED);
#undef REFUSED
	assert_true(peer.node_id == 99); /* untouched by every refusal */
}

static void validity_begins_and_ends_at_its_second(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct fake_cert leaf = a_leaf();
	struct peer_identity peer;

	assert_int_equal(verify(&t, &leaf, 999, &peer), IDENTITY_NOT_YET_VALID);
	assert_int_equal(verify(&t, &leaf, 1000, &peer), IDENTITY_OK);
	assert_int_equal(verify(&t, &leaf, 1999, &peer), IDENTITY_OK);
	assert_int_equal(verify(&t, &leaf, 2000, &peer), IDENTITY_EXPIRED);
}

static void hash_to_zero(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	(void)parts;
	(void)n;
	memset(ret, 0, SHA256_LEN);
}

static void an_id_that_hashes_to_node_id_0_is_refused(void **state)
{
	(void)state;
	struct crypto_ops ops = fake_ops;
	struct trust t = some_trust();
	struct fake_cert leaf = a_leaf();
	struct peer_identity peer;

	ops.sha256 = hash_to_zero;
	t.ops = &ops;
	assert_int_equal(verify(&t, &leaf, NOW, &peer), IDENTITY_SPIFFE_ID);
}

static void a_chain_is_judged_whole(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct fake_cert leaf = a_leaf();
	struct fake_cert middle = a_root('M');
	struct peer_identity peer;
	struct span chain[CHAIN_CERTS_MAX + 1];

	leaf.issuer = 'M';
	middle.issuer = 'R';
	for (size_t i = 0; i <= CHAIN_CERTS_MAX; i++)
		chain[i] = SPAN(&middle, sizeof(middle));
	chain[0] = SPAN(&leaf, sizeof(leaf));
	assert_int_equal(trust_verify(&t, chain, 2, NOW, &peer), IDENTITY_OK);
	assert_int_equal(trust_verify(&t, chain, 1, NOW, &peer), IDENTITY_NO_PATH);
	assert_int_equal(trust_verify(&t, chain, 0, NOW, &peer), IDENTITY_UNPARSABLE);
	assert_int_equal(trust_verify(&t, chain, CHAIN_CERTS_MAX + 1, NOW, &peer),
			 IDENTITY_UNPARSABLE);
	middle.magic[0] = 'x';
	assert_int_equal(trust_verify(&t, chain, 2, NOW, &peer), IDENTITY_UNPARSABLE);
}

static void a_revoked_leaf_is_refused_and_its_siblings_are_not(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct fake_cert leaf = a_leaf();
	struct revoked by_serial = { .node_id = node_id_of(&fake_ops, ALICE) };
	struct revoked by_id = by_serial;
	struct peer_identity peer;

	memcpy(by_serial.serial, leaf.cert.serial, SERIAL_LEN);
	assert_int_equal(revocation_add(&t.revoked, &by_serial), 0);
	assert_int_equal(verify(&t, &leaf, NOW, &peer), IDENTITY_REVOKED);
	leaf.cert.serial[0] = 1; /* renewed */
	assert_int_equal(verify(&t, &leaf, NOW, &peer), IDENTITY_OK);
	assert_int_equal(revocation_add(&t.revoked, &by_id), 0);
	assert_int_equal(verify(&t, &leaf, NOW, &peer), IDENTITY_REVOKED);
	(void)strcpy(leaf.cert.uri, "spiffe://example.mesh/node/bob");
	assert_int_equal(verify(&t, &leaf, NOW, &peer), IDENTITY_OK);
	revocation_done(&t.revoked);
}

static void a_peer_verified_before_is_judged_again_by_what_has_changed(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct fake_cert another_root = a_root('S');
	struct fake_cert leaf = a_leaf();
	const struct span chain = SPAN(&leaf, sizeof(leaf));
	struct revoked entry = { .node_id = node_id_of(&fake_ops, ALICE) };
	struct peer_identity peer;

	trust_set_bundle(&t);
	assert_int_equal(revocation_add(&t.revoked, &entry), 0);
	assert_int_equal(trust_verify_path(&t, &chain, 1, NOW, &peer), IDENTITY_OK);
	assert_int_equal(trust_recheck(&t, &peer, NOW), IDENTITY_REVOKED);
	revocation_done(&t.revoked);
	assert_int_equal(trust_recheck(&t, &peer, NOW), IDENTITY_OK);
	assert_int_equal(trust_recheck(&t, &peer, 999), IDENTITY_NOT_YET_VALID);
	assert_int_equal(trust_recheck(&t, &peer, 2000), IDENTITY_EXPIRED);
	(void)strcpy(t.domain, "other.mesh");
	assert_int_equal(trust_recheck(&t, &peer, NOW), IDENTITY_WRONG_DOMAIN);
	(void)strcpy(t.domain, "example.mesh");

	t.roots[t.n_roots++] = SPAN(&another_root, sizeof(another_root));
	trust_set_bundle(&t);
	assert_int_equal(trust_recheck(&t, &peer, NOW), IDENTITY_NO_PATH);
	t.n_roots--;
	trust_set_bundle(&t);
	assert_int_equal(trust_recheck(&t, &peer, NOW), IDENTITY_OK);
}

static void only_tls_takes_a_leaf_with_a_p256_key(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct fake_cert leaf = a_leaf();
	const struct span chain = SPAN(&leaf, sizeof(leaf));
	static const uint8_t zeros[MLDSA65_PK_LEN];
	struct peer_identity peer;

	assert_int_equal(trust_verify_tls(&t, &chain, 1, NOW, &peer), IDENTITY_OK);
	assert_memory_equal(peer.pk, leaf.cert.pk, sizeof(peer.pk));
	leaf.cert.is_mldsa65 = false;
	assert_int_equal(trust_verify_tls(&t, &chain, 1, NOW, &peer), IDENTITY_KEY);
	leaf.cert.is_p256 = true;
	assert_int_equal(trust_verify_tls(&t, &chain, 1, NOW, &peer), IDENTITY_OK);
	assert_memory_equal(peer.pk, zeros, sizeof(peer.pk)); /* nothing to handshake with */
	assert_int_equal(trust_verify_path(&t, &chain, 1, NOW, &peer), IDENTITY_KEY);
	leaf.cert.n_other_names = 1;
	assert_int_equal(trust_verify_tls(&t, &chain, 1, NOW, &peer), IDENTITY_NAMES);
}

static void every_fault_has_a_text_of_its_own(void **state)
{
	(void)state;
	for (int a = IDENTITY_OK; a <= IDENTITY_REVOKED; a++)
		for (int b = IDENTITY_OK; b < a; b++)
			assert_string_not_equal(identity_fault_text((enum identity_fault)a),
						identity_fault_text((enum identity_fault)b));
}

/* ---- chains as bytes ---- */

static void a_chain_is_read_back_and_no_truncation_is(void **state)
{
	(void)state;
	static const struct span chain[] = { { (const uint8_t *)"leaf", 4 },
					     { (const uint8_t *)"ca", 2 } };
	static const uint8_t expected[] = { 2, 0, 4, 'l', 'e', 'a', 'f', 0, 2, 'c', 'a' };
	uint8_t bytes[32];
	struct span back[CHAIN_CERTS_MAX];
	size_t n = 0;

	assert_int_equal(chain_encode(chain, 2, bytes, sizeof(bytes)), sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
	for (size_t len = 0; len < sizeof(expected) + 3; len++)
		assert_int_equal(chain_decode(SPAN(bytes, len), back, &n),
				 len == sizeof(expected) ? 0 : -EBADMSG);
	assert_int_equal(n, 2);
	assert_int_equal(back[0].len, 4);
	assert_ptr_equal(back[1].at, bytes + 9);
	for (size_t size = 0; size < sizeof(expected); size++)
		assert_int_equal(chain_encode(chain, 2, bytes, size), -ENOBUFS);
}

static void a_chain_has_one_to_four_certificates_and_a_bounded_length(void **state)
{
	(void)state;
	static uint8_t bytes[CHAIN_LEN_MAX + 64];
	static uint8_t der[CHAIN_LEN_MAX + 1];
	struct span chain[CHAIN_CERTS_MAX + 1];
	struct span back[CHAIN_CERTS_MAX];
	size_t n;
	size_t len;

	for (size_t i = 0; i <= CHAIN_CERTS_MAX; i++)
		chain[i] = SPAN(der, 5);
	assert_int_equal(chain_encode(chain, 0, bytes, sizeof(bytes)), -EINVAL);
	assert_int_equal(chain_encode(chain, CHAIN_CERTS_MAX + 1, bytes, sizeof(bytes)), -EINVAL);
	len = (size_t)chain_encode(chain, CHAIN_CERTS_MAX, bytes, sizeof(bytes));
	assert_int_equal(chain_decode(SPAN(bytes, len), back, &n), 0);
	bytes[0] = 0;
	assert_int_equal(chain_decode(SPAN(bytes, 1), back, &n), -EBADMSG);
	chain[0] = SPAN(der, CHAIN_LEN_MAX);
	len = (size_t)chain_encode(chain, 1, bytes, sizeof(bytes));
	assert_int_equal(len, CHAIN_LEN_MAX + 3);
	assert_int_equal(chain_decode(SPAN(bytes, len), back, &n), 0);
	store_u16(bytes + 1, CHAIN_LEN_MAX + 1);
	assert_int_equal(chain_decode(SPAN(bytes, len + 1), back, &n), -EBADMSG);
	chain[0] = SPAN_OF(der);
	assert_int_equal(chain_encode(chain, 1, bytes, sizeof(bytes)), -EINVAL);
	chain[0] = SPAN(der, 0);
	assert_int_equal(chain_encode(chain, 1, bytes, sizeof(bytes)), -EINVAL);
	store_u16(bytes + 1, 0);
	bytes[0] = 1;
	assert_int_equal(chain_decode(SPAN(bytes, 3), back, &n), -EBADMSG);
}

/* ---- revocation ---- */

static struct revoked entry_of(uint8_t serial, uint64_t node_id)
{
	struct revoked e = { .node_id = node_id };

	e.serial[19] = serial;
	return e;
}

/* Encodes and signs by the root; returns the length. */
static size_t signed_list(const struct revocation_list *list, const struct fake_cert *root,
			  uint8_t *ret, size_t ret_size)
{
	int encoded = revocation_encode(list, ret, ret_size);
	size_t len = (size_t)encoded;

	assert_true(encoded > 0);
	fake_signature(root->cert.pk, SPAN(ret, len), SPAN_STR(REVOCATION_CONTEXT), ret + len);
	return len + MLDSA65_SIG_LEN;
}

static void a_revocation_list_is_read_back_in_order(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct revocation_list list = { .number = 5 };
	struct revocation_list back = { 0 };
	static const uint8_t order[] = { 3, 1, 2, 0 };
	uint8_t bytes[4096];
	uint8_t serial[SERIAL_LEN] = { 0 };
	size_t len;

	for (size_t i = 0; i < sizeof(order); i++) {
		struct revoked e = entry_of(order[i], 10 + order[i]);

		assert_int_equal(revocation_add(&list, &e), 0);
		assert_int_equal(revocation_add(&list, &e), -EEXIST);
	}
	len = signed_list(&list, &the_root, bytes, sizeof(bytes));
	assert_int_equal(len, 13 + 8 + 2 + 4 * 28 + MLDSA65_SIG_LEN);
	assert_memory_equal(bytes, "x0 revoked 1", 13);
	assert_int_equal(revocation_decode(&fake_ops, SPAN(bytes, len), t.roots, 1, &back), 0);
	assert_int_equal(back.number, 5);
	assert_int_equal(back.n, 4);
	for (uint8_t i = 0; i < 4; i++) {
		serial[19] = i;
		assert_true(revocation_covers(&back, 10 + i, serial));
		assert_int_equal(revocation_covers(&back, 11 + i, serial), false);
	}
	serial[19] = 200;
	assert_true(revocation_covers(&back, 10, serial)); /* serial 0: all of node 10 */
	assert_false(revocation_covers(&back, 11, serial));
	revocation_done(&list);
	revocation_done(&back);
}

static void a_list_with_any_bit_or_byte_wrong_changes_nothing(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct revoked e = entry_of(1, 2);
	struct revocation_list list = { .number = 5 };
	struct revocation_list kept = { .number = 4 };
	uint8_t bytes[4096];
	size_t len;

	assert_int_equal(revocation_add(&list, &e), 0);
	len = signed_list(&list, &the_root, bytes, sizeof(bytes));
	for (size_t i = 0; i < len; i++) {
		int r;

		bytes[i] ^= 0x10;
		r = revocation_decode(&fake_ops, SPAN(bytes, len), t.roots, 1, &kept);
		assert_true(r == -EBADMSG || r == -EKEYREJECTED);
		bytes[i] ^= 0x10;
		assert_true(revocation_decode(&fake_ops, SPAN(bytes, i), t.roots, 1, &kept) < 0);
	}
	assert_int_equal(revocation_decode(&fake_ops, SPAN(bytes, len), t.roots, 0, &kept),
			 -EKEYREJECTED);
	assert_int_equal(kept.number, 4);
	assert_int_equal(revocation_decode(&fake_ops, SPAN(bytes, len), t.roots, 1, &kept), 0);
	assert_int_equal(kept.number, 5);
	revocation_done(&list);
	revocation_done(&kept);
}

static void only_a_root_signs_a_revocation_list(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct fake_cert leaf = a_leaf();
	struct fake_cert stranger = a_root('S');
	const struct span not_a_root = SPAN(&leaf, sizeof(leaf));
	struct revocation_list list = { .number = 1 };
	struct revocation_list back = { 0 };
	uint8_t bytes[4096];
	size_t len = signed_list(&list, &stranger, bytes, sizeof(bytes));

	assert_int_equal(revocation_decode(&fake_ops, SPAN(bytes, len), t.roots, 1, &back),
			 -EKEYREJECTED);
	len = signed_list(&list, &leaf, bytes, sizeof(bytes));
	assert_int_equal(revocation_decode(&fake_ops, SPAN(bytes, len), &not_a_root, 1, &back),
			 -EKEYREJECTED);
	t.roots[1] = SPAN(&stranger, sizeof(stranger));
	len = signed_list(&list, &stranger, bytes, sizeof(bytes));
	assert_int_equal(revocation_decode(&fake_ops, SPAN(bytes, len), t.roots, 2, &back), 0);
	revocation_done(&back);
}

static void entries_out_of_order_or_twice_are_refused(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct revoked entries[] = { entry_of(2, 1), entry_of(1, 1) };
	struct revocation_list list = { .n = 2, .entries = entries };
	struct revocation_list back = { 0 };
	uint8_t bytes[4096];

	assert_int_equal(revocation_encode(&list, bytes, sizeof(bytes)), -EINVAL);
	entries[1] = entries[0];
	assert_int_equal(revocation_encode(&list, bytes, sizeof(bytes)), -EINVAL);
	entries[1] = entry_of(3, 1);
	assert_int_equal(revocation_encode(&list, bytes, 40), -ENOBUFS);

	size_t len = (size_t)revocation_encode(&list, bytes, sizeof(bytes));

	memcpy(bytes + len - 28, bytes + len - 56, 28);
	fake_signature(the_root.cert.pk, SPAN(bytes, len), SPAN_STR(REVOCATION_CONTEXT),
		       bytes + len);
	assert_int_equal(
		revocation_decode(&fake_ops, SPAN(bytes, len + MLDSA65_SIG_LEN), t.roots, 1, &back),
		-EBADMSG);
}

static void a_full_revocation_list_takes_no_more(void **state)
{
	(void)state;
	struct trust t = some_trust();
	struct revocation_list list = { .number = 1 };
	struct revocation_list back = { 0 };
	size_t size = 32 + (REVOKED_MAX + 1) * 28 + MLDSA65_SIG_LEN;
	uint8_t *bytes = calloc(1, size);
	struct revoked e = { 0 };
	size_t len;

	assert_non_null(bytes);
	for (e.node_id = 1; e.node_id <= REVOKED_MAX; e.node_id++)
		assert_int_equal(revocation_add(&list, &e), 0);
	assert_int_equal(revocation_add(&list, &e), -ENOBUFS);
	len = signed_list(&list, &the_root, bytes, size);
	assert_int_equal(revocation_decode(&fake_ops, SPAN(bytes, len), t.roots, 1, &back), 0);
	assert_true(revocation_covers(&back, REVOKED_MAX, e.serial));
	store_u16(bytes + 13 + 8, REVOKED_MAX + 1);
	assert_int_equal(revocation_decode(&fake_ops, SPAN(bytes, len + 28), t.roots, 1, &back),
			 -EBADMSG);
	revocation_done(&list);
	revocation_done(&back);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spiffe_id_is_read_back),
		cmocka_unit_test(the_longest_spiffe_id_fits),
		cmocka_unit_test(anything_but_a_strict_spiffe_id_is_refused),
		cmocka_unit_test(node_names_begin_and_end_with_a_letter_or_digit),
		cmocka_unit_test(an_address_under_the_domain_gives_its_node_id_back),
		cmocka_unit_test(a_good_leaf_proves_a_peer),
		cmocka_unit_test(each_rule_for_a_leaf_has_its_fault),
		cmocka_unit_test(validity_begins_and_ends_at_its_second),
		cmocka_unit_test(an_id_that_hashes_to_node_id_0_is_refused),
		cmocka_unit_test(a_chain_is_judged_whole),
		cmocka_unit_test(a_revoked_leaf_is_refused_and_its_siblings_are_not),
		cmocka_unit_test(a_peer_verified_before_is_judged_again_by_what_has_changed),
		cmocka_unit_test(only_tls_takes_a_leaf_with_a_p256_key),
		cmocka_unit_test(every_fault_has_a_text_of_its_own),
		cmocka_unit_test(a_chain_is_read_back_and_no_truncation_is),
		cmocka_unit_test(a_chain_has_one_to_four_certificates_and_a_bounded_length),
		cmocka_unit_test(a_revocation_list_is_read_back_in_order),
		cmocka_unit_test(a_list_with_any_bit_or_byte_wrong_changes_nothing),
		cmocka_unit_test(only_a_root_signs_a_revocation_list),
		cmocka_unit_test(entries_out_of_order_or_twice_are_refused),
		cmocka_unit_test(a_full_revocation_list_takes_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
