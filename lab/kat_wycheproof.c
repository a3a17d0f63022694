/* SPDX-License-Identifier: Apache-2.0 */
/* Reads Wycheproof files by their own header: the algorithm and each group's type. */
#include <string.h>

#include "base/cleanup.h"
#include "kat.h"

/* The algorithm is compared up to the row's length, so that "ML-DSA-" covers its sets. */
static const struct row {
	const char *type, *algorithm;
	kat_run *run;
} rows[] = {
	{ "MLKEMTest", "ML-KEM", kat_mlkem_decaps_seed },
	{ "MLKEMEncapsTest", "ML-KEM", kat_mlkem_encaps },
	{ "MLKEMKeyGen", "ML-KEM", kat_mlkem_keygen },
	{ "MLKEMDecapsValidationTest", "ML-KEM", kat_mlkem_decaps },
	{ "MlDsaSign", "ML-DSA-", kat_mldsa_sign },
	{ "MlDsaVerify", "ML-DSA-", kat_mldsa_verify },
	{ "AeadTest", "AES-GCM", kat_aes_gcm },
	{ "AeadTest", "CHACHA20-POLY1305", kat_chacha20_poly1305 },
	{ "EddsaVerify", "EDDSA", kat_ed25519 },
	{ "XdhComp", "XDH", kat_x25519 },
	{ "HkdfTest", "HKDF-SHA-256", kat_hkdf_sha256 },
	{ "HkdfTest", "HKDF-SHA-384", kat_hkdf_sha384 },
	{ "HkdfTest", "HKDF-SHA-512", kat_hkdf_sha512 },
};

static kat_run *find(const char *type, const char *algorithm)
{
	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		if (strcmp(rows[i].type, type) == 0 &&
		    strncmp(rows[i].algorithm, algorithm, strlen(rows[i].algorithm)) == 0)
			return rows[i].run;
	return NULL;
}

/* A group of ML-DSA does not name its parameter set: only the file does. */
static const char *set_of_group(const json_t *root, const json_t *group)
{
	const char *set = kat_text(group, "parameterSet");

	return *set ? set : kat_text(root, "algorithm");
}

static void run_group(struct kat *k, const json_t *root, json_t *group)
{
	const char *type = kat_text(group, "type");
	const char *algorithm = kat_text(root, "algorithm");
	const json_t *tests = json_object_get(group, "tests");
	kat_run *run = find(type, algorithm);
	size_t i;
	json_t *test;

	if (!json_is_array(tests)) {
		kat_fail(k, "a test group without tests");
		return;
	}
	if (!run) {
		kat_skip(k, (unsigned)json_array_size(tests),
			 "Wycheproof %s (%s): no such algorithm here", algorithm, type);
		return;
	}
	(void)json_object_set_new(group, "parameterSet", json_string(set_of_group(root, group)));
	json_array_foreach(tests, i, test)
	{
		struct kat_case c = { .group = group, .test = test, .expected = test };

		run(k, &c);
		kat_case_done(k);
	}
}

void kat_wycheproof(struct kat *k, const json_t *root)
{
	const json_t *groups = json_object_get(root, "testGroups");
	size_t i;
	json_t *group;

	json_array_foreach(groups, i, group) run_group(k, root, group);
}

/* "valid" must succeed with the published output and "invalid" must be refused. "acceptable" cases
 * are legal but for an optional check or a legacy form: refusing them and computing the published
 * output both pass, another output does not. */
void kat_judge(struct kat *k, const struct kat_case *c, bool refused, bool right)
{
	const char *result = kat_text(c->test, "result");
	const char *got = refused ? "refused" : right ? "accepted" : "accepted, wrong output";
	bool ok = false;

	if (strcmp(result, "valid") == 0)
		ok = !refused && right;
	else if (strcmp(result, "invalid") == 0)
		ok = refused;
	else if (strcmp(result, "acceptable") == 0)
		ok = refused || right;
	kat_check(k, c, ok, got);
}
