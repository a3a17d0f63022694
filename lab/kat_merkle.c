/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the Merkle proof vectors of transparency-dev/merkle: one case a file, told apart by its
 * members; hashes in base64. */
#include <string.h>

#include "base/cleanup.h"
#include "core/ledger/merkle.h"
#include "kat.h"
#include "shell/openssl/crypto_openssl.h"

/* Standard base64 through the decoder of the other alphabet: two letters differ, and padding.
 * .at is NULL where it is none. */
static struct span base64(struct kat *k, const json_t *value)
{
	const char *text = json_string_value(value);
	size_t len = text ? strlen(text) : 0, ret_len;
	char *copy = text ? (char *)kat_room(k, len + 1) : NULL;
	uint8_t *room = copy ? kat_room(k, len + 1) : NULL;

	if (!room)
		return (struct span){ 0 };
	while (len > 0 && text[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++)
		copy[i] = text[i] == '+' ? '-' : text[i];
	for (size_t i = 0; i < len; i++)
		copy[i] = copy[i] == '/' ? '_' : copy[i];
	copy[len] = '\0';
	if (bytes_from_base64url(copy, room, strlen(text) + 1, &ret_len) < 0)
		return (struct span){ 0 };
	return SPAN(room, ret_len);
}

static struct span field(struct kat *k, const json_t *root, const char *name)
{
	return base64(k, json_object_get(root, name));
}

/* Some numbers in the vectors have 64 bits, which JSON's integers here have not: they came as the
 * nearest double, which is as far out of range. */
static uint64_t number(const json_t *root, const char *name)
{
	const json_t *value = json_object_get(root, name);
	double real = json_real_value(value);

	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	return real < 0x1p64 ? (uint64_t)real : UINT64_MAX;
}

struct proof {
	struct merkle_hash hashes[KAT_FIELDS_MAX];
	size_t n;
	bool is_malformed; /* a hash of another length: no proof at all */
};

static bool take_hash(struct span from, struct merkle_hash *ret)
{
	if (!from.at || from.len != sizeof(ret->bytes))
		return false;
	memcpy(ret->bytes, from.at, from.len);
	return true;
}

static void read_proof(struct kat *k, const json_t *root, struct proof *ret)
{
	const json_t *list = json_object_get(root, "proof");
	size_t i;
	const json_t *value;

	json_array_foreach(list, i, value)
	{
		if (ret->n == N_ELEMENTS(ret->hashes) ||
		    !take_hash(base64(k, value), &ret->hashes[ret->n++]))
			ret->is_malformed = true;
	}
}

static bool verify_inclusion(const struct crypto_ops *ops, struct kat *k, const json_t *root,
			     const struct proof *p)
{
	struct span expected = field(k, root, "root");
	uint64_t index = number(root, "leafIdx");
	struct merkle_hash leaf;

	if (!take_hash(field(k, root, "leafHash"), &leaf))
		return false;
	if (json_object_get(root, "treeSize"))
		return merkle_verify_inclusion(ops, &leaf, index, number(root, "treeSize"),
					       p->hashes, p->n, expected) == 0;
	return merkle_verify_subtree_inclusion(ops, &leaf, index, number(root, "start"),
					       number(root, "end"), p->hashes, p->n, expected) == 0;
}

static bool verify_consistency(const struct crypto_ops *ops, struct kat *k, const json_t *root,
			       const struct proof *p)
{
	struct span root1 = field(k, root, "root1"), root2 = field(k, root, "root2");

	if (json_object_get(root, "size1"))
		return merkle_verify_consistency(ops, number(root, "size1"), number(root, "size2"),
						 root1, root2, p->hashes, p->n) == 0;
	return merkle_verify_subtree_consistency(ops, number(root, "start"), number(root, "end"),
						 number(root, "size"), root1, root2, p->hashes,
						 p->n) == 0;
}

void kat_merkle(struct kat *k, const json_t *root)
{
	const struct crypto_ops *ops = openssl_crypto_ops(NULL);
	bool is_wrong = json_boolean_value(json_object_get(root, "wantErr"));
	struct kat_case c = { .test = root };
	struct proof p = { .n = 0 };
	bool is_accepted;

	read_proof(k, root, &p);
	is_accepted = ops && !p.is_malformed &&
		      (json_object_get(root, "leafIdx") ? verify_inclusion(ops, k, root, &p)
							: verify_consistency(ops, k, root, &p));
	kat_check(k, &c, is_accepted != is_wrong,
		  is_wrong ? "a wrong proof was accepted" : "a right proof was refused");
	kat_case_done(k);
}
