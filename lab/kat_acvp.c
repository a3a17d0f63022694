/* SPDX-License-Identifier: Apache-2.0 */
/* Reads ACVP files by their own header (draft-celi-acvp-ml-kem, draft-celi-acvp-ml-dsa,
 * draft-celi-acvp-symmetric for AES-GCM):
 * prompt.json with the expectedResults.json beside it, matched by tgId and tcId, or
 * internalProjection.json, which holds both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "kat.h"
#include "pqc/mldsa.h"
#include "pqc/mlkem.h"

static bool same(struct kat *k, const struct kat_case *c, const char *field, const uint8_t *own,
		 size_t len)
{
	return kat_equal(SPAN(own, len), kat_hex(k, c->expected, field));
}

static bool expects_pass(const struct kat_case *c)
{
	return json_is_true(json_object_get(c->expected, "testPassed"));
}

static void mlkem_keygen_case(struct kat *k, const struct kat_case *c)
{
	int set = kat_mlkem_set(kat_text(c->group, "parameterSet"));
	struct span d = kat_hex(k, c->test, "d");
	struct span z = kat_hex(k, c->test, "z");
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX];

	if (set < 0 || d.len != 32 || z.len != 32) {
		kat_check(k, c, false, "parameterSet, d or z");
		return;
	}
	mlkem_keygen((enum mlkem_set)set, d.at, z.at, ek, dk);
	kat_check(k, c,
		  same(k, c, "ek", ek, mlkem_sizes[set].ek_len) &&
			  same(k, c, "dk", dk, mlkem_sizes[set].dk_len),
		  "another key pair");
}

static void encapsulation_case(struct kat *k, const struct kat_case *c, enum mlkem_set set)
{
	struct span ek = kat_hex(k, c->test, "ek");
	struct span m = kat_hex(k, c->test, "m");
	uint8_t ct[MLKEM_CT_MAX], ss[MLKEM_SS_LEN];
	bool ok = ek.len == mlkem_sizes[set].ek_len && m.len == 32 &&
		  mlkem_encaps(set, ek.at, m.at, ct, ss) == 0 &&
		  same(k, c, "c", ct, mlkem_sizes[set].ct_len) && same(k, c, "k", ss, sizeof(ss));

	kat_check(k, c, ok, "another ciphertext or secret, or refused");
}

static void decapsulation_case(struct kat *k, const struct kat_case *c, enum mlkem_set set)
{
	struct span ct = kat_hex(k, c->test, "c");
	struct span dk = kat_hex(k, c->test, "dk");
	struct span d = kat_hex(k, c->test, "d");
	struct span z = kat_hex(k, c->test, "z");
	uint8_t own_ek[MLKEM_EK_MAX], own_dk[MLKEM_DK_MAX], ss[MLKEM_SS_LEN];

	if (!dk.at && d.len == 32 && z.len == 32) {
		mlkem_keygen(set, d.at, z.at, own_ek, own_dk);
		dk = SPAN(own_dk, mlkem_sizes[set].dk_len);
	}
	if (dk.len != mlkem_sizes[set].dk_len || ct.len != mlkem_sizes[set].ct_len) {
		kat_check(k, c, false, "dk or c of another length");
		return;
	}
	mlkem_decaps(set, dk.at, ct.at, ss);
	kat_check(k, c, same(k, c, "k", ss, sizeof(ss)), "another secret");
}

static void mlkem_encap_decap_case(struct kat *k, const struct kat_case *c)
{
	const char *function = kat_text(c->group, "function");
	int found = kat_mlkem_set(kat_text(c->group, "parameterSet"));
	enum mlkem_set set = (enum mlkem_set)found;
	struct span ek = kat_hex(k, c->test, "ek");
	struct span dk = kat_hex(k, c->test, "dk");

	if (found < 0)
		kat_check(k, c, false, "parameterSet");
	else if (strcmp(function, "encapsulation") == 0)
		encapsulation_case(k, c, set);
	else if (strcmp(function, "decapsulation") == 0)
		decapsulation_case(k, c, set);
	else if (strcmp(function, "encapsulationKeyCheck") == 0)
		kat_check(k, c,
			  (ek.len == mlkem_sizes[set].ek_len && mlkem_check_ek(set, ek.at) == 0) ==
				  expects_pass(c),
			  "the other verdict");
	else if (strcmp(function, "decapsulationKeyCheck") == 0)
		kat_check(k, c,
			  (dk.len == mlkem_sizes[set].dk_len && mlkem_check_dk(set, dk.at) == 0) ==
				  expects_pass(c),
			  "the other verdict");
	else
		kat_skip(k, 1, "ACVP ML-KEM function \"%s\": not known here", function);
}

static void mldsa_keygen_case(struct kat *k, const struct kat_case *c)
{
	int set = kat_mldsa_set(kat_text(c->group, "parameterSet"));
	struct span seed = kat_hex(k, c->test, "seed");
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX], again[MLDSA_PK_MAX];

	if (set < 0 || seed.len != MLDSA_SEED_LEN) {
		kat_check(k, c, false, "parameterSet or seed");
		return;
	}
	mldsa_keygen((enum mldsa_set)set, seed.at, pk, sk);
	kat_check(k, c,
		  same(k, c, "pk", pk, mldsa_sizes[set].pk_len) &&
			  same(k, c, "sk", sk, mldsa_sizes[set].sk_len) &&
			  mldsa_public_from_secret((enum mldsa_set)set, sk, again) == 0 &&
			  memcmp(again, pk, mldsa_sizes[set].pk_len) == 0,
		  "another key pair");
}

/* HashML-DSA is left out: nothing in the mesh signs a message it has not at hand. */
static bool is_prehash(struct kat *k, const struct kat_case *c)
{
	const char *how = kat_text(c->group, "preHash");

	if (strcmp(how, "preHash") != 0)
		return false;
	kat_skip(k, 1, "HashML-DSA (preHash) is not implemented");
	return true;
}

static bool is_external(const struct kat_case *c)
{
	return strcmp(kat_text(c->group, "signatureInterface"), "external") == 0;
}

static void mldsa_siggen_case(struct kat *k, const struct kat_case *c)
{
	static const uint8_t zeros[MLDSA_RND_LEN];
	int set = kat_mldsa_set(kat_text(c->group, "parameterSet"));
	struct span sk = kat_hex(k, c->test, "sk");
	struct span message = kat_hex(k, c->test, "message");
	struct span context = kat_hex(k, c->test, "context");
	struct span mu = kat_hex(k, c->test, "mu");
	struct span rnd = kat_hex(k, c->test, "rnd");
	uint8_t sig[MLDSA_SIG_MAX];
	int r;

	if (is_prehash(k, c))
		return;
	if (json_is_true(json_object_get(c->group, "deterministic")))
		rnd = SPAN_OF(zeros);
	if (set < 0 || sk.len != mldsa_sizes[set].sk_len || rnd.len != MLDSA_RND_LEN ||
	    (mu.at && mu.len != MLDSA_MU_LEN)) {
		kat_check(k, c, false, "parameterSet, sk, mu or rnd");
		return;
	}
	if (is_external(c))
		r = mldsa_sign((enum mldsa_set)set, sk.at, message.at, message.len, context.at,
			       context.len, rnd.at, sig);
	else
		r = mldsa_sign_internal((enum mldsa_set)set, sk.at, message.at, message.len, mu.at,
					rnd.at, sig);
	kat_check(k, c, r == 0 && same(k, c, "signature", sig, mldsa_sizes[set].sig_len),
		  "another signature, or refused");
}

static void mldsa_sigver_case(struct kat *k, const struct kat_case *c)
{
	int set = kat_mldsa_set(kat_text(c->group, "parameterSet"));
	/* older files give the key once for the whole group */
	struct span pk = kat_hex(k, json_object_get(c->test, "pk") ? c->test : c->group, "pk");
	struct span message = kat_hex(k, c->test, "message");
	struct span context = kat_hex(k, c->test, "context");
	struct span mu = kat_hex(k, c->test, "mu");
	struct span sig = kat_hex(k, c->test, "signature");
	bool passed = false;

	if (is_prehash(k, c))
		return;
	if (set < 0 || (mu.at && mu.len != MLDSA_MU_LEN)) {
		kat_check(k, c, false, "parameterSet or mu");
		return;
	}
	if (pk.len == mldsa_sizes[set].pk_len && sig.len == mldsa_sizes[set].sig_len)
		passed = (is_external(c)
				  ? mldsa_verify((enum mldsa_set)set, pk.at, message.at,
						 message.len, context.at, context.len, sig.at)
				  : mldsa_verify_internal((enum mldsa_set)set, pk.at, message.at,
							  message.len, mu.at, sig.at)) == 0;
	kat_check(k, c, passed == expects_pass(c), "the other verdict");
}

static const struct row {
	const char *algorithm, *mode;
	kat_run *run;
} rows[] = {
	{ "ML-KEM", "keyGen", mlkem_keygen_case },
	{ "ML-KEM", "encapDecap", mlkem_encap_decap_case },
	{ "ML-DSA", "keyGen", mldsa_keygen_case },
	{ "ML-DSA", "sigGen", mldsa_siggen_case },
	{ "ML-DSA", "sigVer", mldsa_sigver_case },
	{ "ACVP-AES-GCM", "", kat_acvp_aes_gcm },
};

static kat_run *find_row(const char *algorithm, const char *mode)
{
	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		if (strcmp(rows[i].algorithm, algorithm) == 0 && strcmp(rows[i].mode, mode) == 0)
			return rows[i].run;
	return NULL;
}

/* The element of an array whose member name has the value id, or NULL. */
static const json_t *find_id(const json_t *array, const char *name, json_int_t id)
{
	size_t i;
	json_t *element;

	json_array_foreach(array, i, element) if (json_integer_value(json_object_get(
							  element, name)) == id) return element;
	return NULL;
}

static void run_group(struct kat *k, kat_run *run, const json_t *group, const json_t *answers)
{
	json_int_t group_id = json_integer_value(json_object_get(group, "tgId"));
	const json_t *answer_group =
		answers ? find_id(json_object_get(answers, "testGroups"), "tgId", group_id) : NULL;
	size_t i;
	json_t *test;

	json_array_foreach(json_object_get(group, "tests"), i, test)
	{
		json_int_t id = json_integer_value(json_object_get(test, "tcId"));
		struct kat_case c = { .group = group, .test = test, .expected = test };

		if (answers)
			c.expected = find_id(json_object_get(answer_group, "tests"), "tcId", id);
		if (!c.expected)
			kat_check(k, &c, false, "no expected result");
		else
			run(k, &c);
		kat_case_done(k);
	}
}

/* The file of that name in the same directory as path. */
static json_t *load_sibling(const char *path, const char *name, json_error_t *error)
{
	const char *slash = strrchr(path, '/');
	char sibling[4096];

	(void)snprintf(sibling, sizeof(sibling), "%.*s%s", slash ? (int)(slash - path + 1) : 0,
		       path, name);
	return json_load_file(sibling, 0, error);
}

static bool is_named(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, name) == 0;
}

void kat_acvp(struct kat *k, const json_t *root)
{
	const char *algorithm = kat_text(root, "algorithm");
	const char *mode = kat_text(root, "mode");
	kat_run *run = find_row(algorithm, mode);
	const json_t *groups = json_object_get(root, "testGroups");
	CLEANUP(json_decrefp) json_t *answers = NULL;
	json_error_t error;
	size_t i;
	json_t *group;

	if (is_named(k->path, "expectedResults.json")) {
		kat_skip(k, 1, "holds the answers to prompt.json");
		return;
	}
	if (!run) {
		kat_skip(k, 1, "ACVP %s %s: no such algorithm here", algorithm, mode);
		return;
	}
	if (is_named(k->path, "prompt.json")) {
		answers = load_sibling(k->path, "expectedResults.json", &error);
		if (!answers) {
			kat_fail(k, "expectedResults.json, line %d: %s", error.line, error.text);
			return;
		}
	}
	json_array_foreach(groups, i, group) run_group(k, run, group, answers);
}
