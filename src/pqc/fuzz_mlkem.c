/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the set, the rest is laid over a good key and ciphertext: whatever
 * passes the check must encapsulate, and decapsulation takes any bytes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "pqc/mlkem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t overlay(uint8_t *to, size_t to_len, const uint8_t *from, size_t len)
{
	size_t n = len < to_len ? len : to_len;

	memcpy(to, from, n);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[96];
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX], ct[MLKEM_CT_MAX];
	uint8_t ss[MLKEM_SS_LEN];
	enum mlkem_set set = size > 0 ? (enum mlkem_set)(data[0] % 3) : MLKEM_768;
	size_t used = size > 0;
	int r;

	mlkem_keygen(set, seed, seed + 32, ek, dk);
	used += overlay(ek, mlkem_sizes[set].ek_len, data + used, size - used);
	r = mlkem_check_ek(set, ek);
	assert(mlkem_encaps(set, ek, seed + 64, ct, ss) == r);
	if (r < 0)
		memset(ct, 0, sizeof(ct));
	used += overlay(ct, mlkem_sizes[set].ct_len, data + used, size - used);
	(void)overlay(dk, mlkem_sizes[set].dk_len, data + used, size - used);
	mlkem_decaps(set, dk, ct, ss);
	(void)mlkem_check_dk(set, dk);
	return 0;
}
