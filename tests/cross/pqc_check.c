/* SPDX-License-Identifier: Apache-2.0 */
/* Prints a digest over many operations of ML-KEM and ML-DSA, which is the same on every
 * processor and at each of its levels. Fails where levels differ. It needs nothing but libc. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/cpu.h"
#include "pqc/keccak.h"
#include "pqc/mldsa.h"
#include "pqc/mlkem.h"

#define N_SETS 3
#define ROUNDS 20

static bool check_kem(struct keccak *digest, enum mlkem_set set, const uint8_t seed[96])
{
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX], ct[MLKEM_CT_MAX];
	uint8_t ss[MLKEM_SS_LEN], again[MLKEM_SS_LEN];

	mlkem_keygen(set, seed, seed + 32, ek, dk);
	if (mlkem_check_dk(set, dk) < 0 || mlkem_encaps(set, ek, seed + 64, ct, ss) < 0)
		return false;
	mlkem_decaps(set, dk, ct, again);
	keccak_absorb(digest, ek, mlkem_sizes[set].ek_len);
	keccak_absorb(digest, dk, mlkem_sizes[set].dk_len);
	keccak_absorb(digest, ct, mlkem_sizes[set].ct_len);
	keccak_absorb(digest, ss, sizeof(ss));
	if (memcmp(ss, again, sizeof(ss)) != 0)
		return false;
	ct[seed[0]] ^= 1;
	mlkem_decaps(set, dk, ct, again);
	keccak_absorb(digest, again, sizeof(again));
	return true;
}

static bool check_dsa(struct keccak *digest, enum mldsa_set set, const uint8_t seed[96])
{
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX], sig[MLDSA_SIG_MAX];

	mldsa_keygen(set, seed, pk, sk);
	if (mldsa_sign(set, sk, seed, 96, seed, seed[0], seed + 32, sig) < 0 ||
	    mldsa_verify(set, pk, seed, 96, seed, seed[0], sig) < 0)
		return false;
	keccak_absorb(digest, pk, mldsa_sizes[set].pk_len);
	keccak_absorb(digest, sk, mldsa_sizes[set].sk_len);
	keccak_absorb(digest, sig, mldsa_sizes[set].sig_len);
	sig[seed[1]] ^= 1;
	return mldsa_verify(set, pk, seed, 96, seed, seed[0], sig) < 0;
}

static bool check_all(uint8_t ret[SHA3_256_LEN])
{
	struct keccak digest;

	sha3_256_init(&digest);
	for (unsigned i = 0; i < N_SETS * ROUNDS; i++) {
		uint8_t seed[96] = { 0 };

		shake256(&(uint8_t){ (uint8_t)i }, 1, seed, sizeof(seed));
		seed[0] %= 96; /* also the length of a context */
		if (!check_kem(&digest, (enum mlkem_set)(i % N_SETS), seed) ||
		    !check_dsa(&digest, (enum mldsa_set)(i % N_SETS), seed))
			return false;
	}
	keccak_squeeze(&digest, ret, SHA3_256_LEN);
	return true;
}

int main(void)
{
	uint8_t first[SHA3_256_LEN], digest[SHA3_256_LEN];
	char hex[2 * SHA3_256_LEN + 1];

	for (enum pqc_level level = 0; level <= pqc_level_max(); level++) {
		if (pqc_set_level(level) < 0 || !check_all(digest)) {
			(void)fprintf(stderr, "%s: an operation failed\n", pqc_level_name(level));
			return EXIT_FAILURE;
		}
		if (level == PQC_PORTABLE)
			memcpy(first, digest, sizeof(first));
		if (memcmp(first, digest, sizeof(first)) != 0) {
			(void)fprintf(stderr, "%s and portable differ\n", pqc_level_name(level));
			return EXIT_FAILURE;
		}
	}
	bytes_to_hex(first, sizeof(first), hex);
	(void)puts(hex);
	return EXIT_SUCCESS;
}
