/* SPDX-License-Identifier: Apache-2.0 */
/* x0pq_hybrid.h - the hybrid groups of TLS 1.3: ML-KEM and a classic agreement in one KEM.
 *
 * draft-ietf-tls-ecdhe-mlkem. To OpenSSL such a group is a key type and a KEM of the same
 * name, and a row of the capability "TLS-GROUP". Internal to the provider. */
#pragma once

#include "shell/openssl/x0pq_key.h"

#define X0PQ_N_HYBRIDS 3
#define X0PQ_HYBRID_0 "X25519MLKEM768"
#define X0PQ_HYBRID_1 "SecP256r1MLKEM768"
#define X0PQ_HYBRID_2 "SecP384r1MLKEM1024"

struct hybrid {
	const char *name;
	unsigned code_point;	/* of the TLS registry */
	const char *classic;	/* OpenSSL's key type */
	const char *curve;	/* its group; NULL for X25519 */
	size_t classic_pub_len; /* X25519: 32 bytes; curves: an uncompressed point */
	size_t classic_secret_len;
	bool is_classic_first; /* in shares and in the secret */
	enum mlkem_set set;
	unsigned security_bits;
};

extern const struct hybrid hybrids[X0PQ_N_HYBRIDS];

extern const OSSL_DISPATCH hybrid_kem_functions[];
extern const OSSL_DISPATCH hybrid_keymgmt_functions_0[];
extern const OSSL_DISPATCH hybrid_keymgmt_functions_1[];
extern const OSSL_DISPATCH hybrid_keymgmt_functions_2[];

/* The capability: calls back once for each group. */
int hybrid_capabilities(void *provider, const char *capability, OSSL_CALLBACK *callback, void *arg);
