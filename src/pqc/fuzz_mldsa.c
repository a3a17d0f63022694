/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the set; the second says where in a good signature the rest is laid
 * over it, counted in steps of 32 bytes, and running on into the public key. A signature that
 * verifies although a bit of it changed would break strong unforgeability. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/mldsa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The good pair of each set is made once: signing takes longer than verifying. */
struct good {
	bool made;
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX], sig[MLDSA_SIG_MAX];
};

static const struct good *good_pair(enum mldsa_set set)
{
	static const uint8_t zeros[32];
	static struct good pairs[3];
	struct good *g = &pairs[set];

	if (!g->made) {
		mldsa_keygen(set, zeros, g->pk, g->sk);
		assert(mldsa_sign(set, g->sk, NULL, 0, NULL, 0, zeros, g->sig) == 0);
		g->made = true;
	}
	return g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct {
		uint8_t sig[MLDSA_SIG_MAX];
		uint8_t pk[MLDSA_PK_MAX];
	} fuzzed;
	enum mldsa_set set = size > 0 ? (enum mldsa_set)(data[0] % 3) : MLDSA_65;
	const struct good *g = good_pair(set);
	size_t sig_len = mldsa_sizes[set].sig_len;
	size_t pk_len = mldsa_sizes[set].pk_len;
	bool same;

	memcpy(fuzzed.sig, g->sig, sizeof(g->sig));
	memcpy(fuzzed.pk, g->pk, sizeof(g->pk));
	for (size_t i = 2; i < size; i++) {
		size_t at = data[1] * (size_t)32 + i - 2;

		if (at < sig_len)
			fuzzed.sig[at] = data[i];
		else if (at < sig_len + pk_len)
			fuzzed.pk[at - sig_len] = data[i];
	}
	same = memcmp(fuzzed.sig, g->sig, sig_len) == 0 && memcmp(fuzzed.pk, g->pk, pk_len) == 0;
	assert((mldsa_verify(set, fuzzed.pk, NULL, 0, NULL, 0, fuzzed.sig) == 0) == same);
	return 0;
}
