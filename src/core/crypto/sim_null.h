/* SPDX-License-Identifier: Apache-2.0 */
/* sim_null.h - a table of functions that PROTECTS NOTHING, for tests and for simulations of
 * more nodes than real cryptography allows. Whoever uses it says so in its output.
 *
 * Every function has the shape, the sizes and the failures of the real one and is a function of
 * its inputs alone, but is made of SipHash and of arithmetic modulo 2^61 - 1: anyone who sees a
 * public key can forge its signatures. The daemon does not link it. */
#pragma once

#include "core/crypto/crypto.h"

const struct crypto_ops *sim_null_ops(void);

struct signing_key *sim_null_key_new(const uint8_t seed[32]); /* NULL: out of memory */
void sim_null_key_free(struct signing_key *key);

/* A certificate of this table's own form: as long as a real X.509-SVID with ML-DSA-65. */
#define SIM_NULL_CERT_LEN 5537
#define SIM_NULL_CSR_LEN 5400

struct sim_null_subject {
	const char *uri; /* "" for none; at most 200 characters */
	const struct signing_key *key;
	bool is_ca;
	int64_t not_before_s;
	int64_t not_after_s;
	uint8_t serial[20];
};

void sim_null_cert(const struct sim_null_subject *subject, const struct signing_key *issuer,
		   uint8_t ret[SIM_NULL_CERT_LEN]);
void sim_null_csr(const struct signing_key *key, uint8_t ret[SIM_NULL_CSR_LEN]);
