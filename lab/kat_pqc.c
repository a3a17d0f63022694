/* SPDX-License-Identifier: Apache-2.0 */
/* Wycheproof cases of ML-KEM and ML-DSA, on this project's own code. */
#include <string.h>

#include "kat.h"
#include "pqc/mldsa.h"
#include "pqc/mlkem.h"

int kat_mlkem_set(const char *name)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(mlkem_sizes[i].name, name) == 0)
			return i;
	return -1;
}

int kat_mldsa_set(const char *name)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(mldsa_sizes[i].name, name) == 0)
			return i;
	return -1;
}

/* The set of a case's group; where there is none, the case is skipped. */
static int set_of(struct kat *k, const struct kat_case *c, int (*find)(const char *))
{
	const char *name = kat_text(c->group, "parameterSet");
	int set = find(name);

	if (set < 0)
		kat_skip(k, 1, "no parameter set \"%s\" here", name);
	return set;
}

void kat_mlkem_keygen(struct kat *k, const struct kat_case *c)
{
	struct span seed = kat_hex(k, c->test, "seed"); /* d || z */
	int set = set_of(k, c, kat_mlkem_set);
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX];
	bool right = false;

	if (set < 0)
		return;
	if (seed.len == 64) {
		const struct mlkem_sizes *sizes = &mlkem_sizes[set];

		mlkem_keygen((enum mlkem_set)set, seed.at, seed.at + 32, ek, dk);
		right = kat_equal(SPAN(ek, sizes->ek_len), kat_hex(k, c->test, "ek")) &&
			kat_equal(SPAN(dk, sizes->dk_len), kat_hex(k, c->test, "dk"));
	}
	kat_judge(k, c, seed.len != 64, right);
}

void kat_mlkem_encaps(struct kat *k, const struct kat_case *c)
{
	struct span ek = kat_hex(k, c->test, "ek");
	struct span m = kat_hex(k, c->test, "m");
	int set = set_of(k, c, kat_mlkem_set);
	uint8_t ct[MLKEM_CT_MAX], ss[MLKEM_SS_LEN];
	bool refused, right = false;

	if (set < 0)
		return;
	refused = ek.len != mlkem_sizes[set].ek_len || m.len != 32 ||
		  mlkem_encaps((enum mlkem_set)set, ek.at, m.at, ct, ss) < 0;
	if (!refused)
		right = kat_equal(SPAN(ct, mlkem_sizes[set].ct_len), kat_hex(k, c->test, "c")) &&
			kat_equal(SPAN_OF(ss), kat_hex(k, c->test, "K"));
	kat_judge(k, c, refused, right);
}

static void judge_decaps(struct kat *k, const struct kat_case *c, enum mlkem_set set,
			 const uint8_t *dk)
{
	struct span ct = kat_hex(k, c->test, "c");
	uint8_t ss[MLKEM_SS_LEN];

	if (ct.len != mlkem_sizes[set].ct_len) {
		kat_judge(k, c, true, false);
		return;
	}
	mlkem_decaps(set, dk, ct.at, ss);
	kat_judge(k, c, false, kat_equal(SPAN_OF(ss), kat_hex(k, c->test, "K")));
}

void kat_mlkem_decaps_seed(struct kat *k, const struct kat_case *c)
{
	struct span seed = kat_hex(k, c->test, "seed");
	struct span expected_ek = kat_hex(k, c->test, "ek");
	int set = set_of(k, c, kat_mlkem_set);
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX];

	if (set < 0)
		return;
	if (seed.len != 64) {
		kat_judge(k, c, true, false);
		return;
	}
	mlkem_keygen((enum mlkem_set)set, seed.at, seed.at + 32, ek, dk);
	if (expected_ek.at && !kat_equal(SPAN(ek, mlkem_sizes[set].ek_len), expected_ek))
		kat_judge(k, c, false, false);
	else
		judge_decaps(k, c, (enum mlkem_set)set, dk);
}

void kat_mlkem_decaps(struct kat *k, const struct kat_case *c)
{
	struct span dk = kat_hex(k, c->test, "dk");
	int set = set_of(k, c, kat_mlkem_set);

	if (set < 0)
		return;
	if (dk.len != mlkem_sizes[set].dk_len || mlkem_check_dk((enum mlkem_set)set, dk.at) < 0)
		kat_judge(k, c, true, false);
	else
		judge_decaps(k, c, (enum mlkem_set)set, dk.at);
}

/* A signature on the message or, where the case has none, on mu. */
static int sign_case(struct kat *k, const struct kat_case *c, enum mldsa_set set, const uint8_t *sk,
		     uint8_t *ret_sig)
{
	static const uint8_t zeros[MLDSA_RND_LEN];
	struct span msg = kat_hex(k, c->test, "msg");
	struct span ctx = kat_hex(k, c->test, "ctx");
	struct span mu = kat_hex(k, c->test, "mu");
	struct span rnd = kat_hex(k, c->test, "rnd");
	const uint8_t *chance = rnd.len == sizeof(zeros) ? rnd.at : zeros;

	if (msg.at)
		return mldsa_sign(set, sk, msg.at, msg.len, ctx.at, ctx.len, chance, ret_sig);
	if (mu.len != MLDSA_MU_LEN)
		return -1;
	return mldsa_sign_internal(set, sk, NULL, 0, mu.at, chance, ret_sig);
}

/* From a seed or an expanded private key, whichever the group has. */
static bool load_signing_key(struct kat *k, const struct kat_case *c, enum mldsa_set set,
			     uint8_t *ret_pk, uint8_t *ret_sk)
{
	struct span seed = kat_hex(k, c->group, "privateSeed");
	struct span sk = kat_hex(k, c->group, "privateKey");

	if (seed.at) {
		if (seed.len != MLDSA_SEED_LEN)
			return false;
		mldsa_keygen(set, seed.at, ret_pk, ret_sk);
		return true;
	}
	if (sk.len != mldsa_sizes[set].sk_len)
		return false;
	memcpy(ret_sk, sk.at, sk.len);
	return mldsa_public_from_secret(set, sk.at, ret_pk) == 0;
}

void kat_mldsa_sign(struct kat *k, const struct kat_case *c)
{
	struct span expected_pk = kat_hex(k, c->group, "publicKey");
	int set = set_of(k, c, kat_mldsa_set);
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX], sig[MLDSA_SIG_MAX];
	bool refused, right;

	if (set < 0)
		return;
	refused = !load_signing_key(k, c, (enum mldsa_set)set, pk, sk) ||
		  sign_case(k, c, (enum mldsa_set)set, sk, sig) < 0;
	right = !refused &&
		kat_equal(SPAN(sig, mldsa_sizes[set].sig_len), kat_hex(k, c->test, "sig")) &&
		(!expected_pk.at || kat_equal(SPAN(pk, mldsa_sizes[set].pk_len), expected_pk));
	kat_judge(k, c, refused, right);
}

void kat_mldsa_verify(struct kat *k, const struct kat_case *c)
{
	struct span pk = kat_hex(k, c->group, "publicKey");
	struct span msg = kat_hex(k, c->test, "msg");
	struct span ctx = kat_hex(k, c->test, "ctx");
	struct span sig = kat_hex(k, c->test, "sig");
	int set = set_of(k, c, kat_mldsa_set);

	if (set < 0)
		return;
	kat_judge(k, c,
		  pk.len != mldsa_sizes[set].pk_len || sig.len != mldsa_sizes[set].sig_len ||
			  mldsa_verify((enum mldsa_set)set, pk.at, msg.at, msg.len, ctx.at, ctx.len,
				       sig.at) < 0,
		  true);
}
