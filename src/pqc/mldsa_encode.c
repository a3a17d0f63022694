/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and signatures of ML-DSA as bytes (FIPS 204 sections 7.1 and 7.2). */
#include "pqc/mldsa_encode.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "pqc/bits.h"
#include "pqc/ct.h"

const struct mldsa_sizes mldsa_sizes[3] = {
	[MLDSA_44] = { "ML-DSA-44", 1312, 2560, 2420 },
	[MLDSA_65] = { "ML-DSA-65", 1952, 4032, 3309 },
	[MLDSA_87] = { "ML-DSA-87", 2592, 4896, 4627 },
};

const struct mldsa_params mldsa_params[3] = {
	[MLDSA_44] = {
		.k = 4, .l = 4, .eta = 2, .tau = 39, .omega = 80, .c_tilde_len = 32,
		.mask_bits = 18, .commit_bits = 6, .secret_bits = 3,
		.beta = 78, .gamma1 = 1 << 17, .gamma2 = (MLDSA_Q - 1) / 88,
		.secret_field = MLDSA_ETA_2, .z_field = MLDSA_Z_17, .w1_field = MLDSA_W1_44,
	},
	[MLDSA_65] = {
		.k = 6, .l = 5, .eta = 4, .tau = 49, .omega = 55, .c_tilde_len = 48,
		.mask_bits = 20, .commit_bits = 4, .secret_bits = 4,
		.beta = 196, .gamma1 = 1 << 19, .gamma2 = (MLDSA_Q - 1) / 32,
		.secret_field = MLDSA_ETA_4, .z_field = MLDSA_Z_19, .w1_field = MLDSA_W1_16,
	},
	[MLDSA_87] = {
		.k = 8, .l = 7, .eta = 2, .tau = 60, .omega = 75, .c_tilde_len = 64,
		.mask_bits = 20, .commit_bits = 4, .secret_bits = 3,
		.beta = 120, .gamma1 = 1 << 19, .gamma2 = (MLDSA_Q - 1) / 32,
		.secret_field = MLDSA_ETA_2, .z_field = MLDSA_Z_19, .w1_field = MLDSA_W1_16,
	},
};

struct mldsa_sk_layout mldsa_sk_layout(const struct mldsa_params *par, const uint8_t *sk)
{
	size_t secret_len = BITS_LEN((size_t)par->secret_bits);
	struct mldsa_sk_layout at = { .rho = sk, .key = sk + 32, .tr = sk + 64, .s1 = sk + 128 };

	at.s2 = at.s1 + par->l * secret_len;
	at.t0 = at.s2 + par->k * secret_len;
	return at;
}

int mldsa_decode_secret(const struct mldsa_params *par, const struct mldsa_kernels *kernels,
			const uint8_t *from, unsigned n, struct mldsa_poly *ret)
{
	bool exceeds = false;

	for (unsigned i = 0; i < n; i++) {
		kernels->unpack[par->secret_field](from + i * BITS_LEN((size_t)par->secret_bits),
						   &ret[i]);
		exceeds |= kernels->exceeds(&ret[i], par->eta + 1);
	}
	/* that a key is malformed is told to the caller; no key of ours is */
	return ct_public(exceeds) ? -EINVAL : 0;
}

/* The hint is part of the signature, so its places may be seen in time: most eights are zero and
 * skipped. In the others each place is written, and kept if it is one. */
void mldsa_encode_hint(const struct mldsa_params *par, const struct mldsa_poly *h, uint8_t *ret)
{
	uint8_t places[MLDSA_HINT_MAX] = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < par->k; i++) {
		for (unsigned j = 0; j < MLDSA_N; j += 8) {
			const int32_t *c = &h[i].c[j];

			if ((c[0] | c[1] | c[2] | c[3] | c[4] | c[5] | c[6] | c[7]) == 0)
				continue;
			for (unsigned m = 0; m < 8; m++) {
				assert(n <= par->omega);
				places[n] = (uint8_t)(j + m);
				n += (unsigned)c[m];
			}
		}
		ret[par->omega + i] = (uint8_t)n;
	}
	places[n] = 0;
	memcpy(ret, places, par->omega);
}

int mldsa_decode_hint(const struct mldsa_params *par, const uint8_t *from, struct mldsa_poly *ret)
{
	unsigned n = 0;

	memset(ret, 0, par->k * sizeof(*ret));
	for (unsigned i = 0; i < par->k; i++) {
		unsigned first = n;
		unsigned end = from[par->omega + i];

		if (end < n || end > par->omega)
			return -EBADMSG;
		for (; n < end; n++) {
			if (n > first && from[n - 1] >= from[n])
				return -EBADMSG; /* one order, no place twice */
			ret[i].c[from[n]] = 1;
		}
	}
	for (; n < par->omega; n++)
		if (from[n] != 0)
			return -EBADMSG;
	return 0;
}
