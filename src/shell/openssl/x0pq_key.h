/* SPDX-License-Identifier: Apache-2.0 */
/* x0pq_key.h - what the files of the provider share: the table of algorithms and the key
 * object. Not for other rooms, nor for the rest of this one. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <openssl/core_dispatch.h>
#include <openssl/params.h>

#include "pqc/mldsa.h"
#include "pqc/mlkem.h"
#include "shell/openssl/library.h"
#include "shell/openssl/x0pq.h"

#define X0PQ_N_ALGORITHMS 6
#define X0PQ_SEED_MAX 64 /* ML-KEM: d | z; ML-DSA: 32 bytes */
#define X0PQ_PUB_MAX MLDSA_PK_MAX
#define X0PQ_PRIV_MAX MLDSA_SK_MAX
#define X0PQ_PROPERTIES "provider=" X0PQ_NAME

/* All names OpenSSL 3.5 uses, by place in pq_algorithms[]. */
#define PQ_NAMES_0 "ML-KEM-512:MLKEM512:id-alg-ml-kem-512:2.16.840.1.101.3.4.4.1"
#define PQ_NAMES_1 "ML-KEM-768:MLKEM768:id-alg-ml-kem-768:2.16.840.1.101.3.4.4.2"
#define PQ_NAMES_2 "ML-KEM-1024:MLKEM1024:id-alg-ml-kem-1024:2.16.840.1.101.3.4.4.3"
#define PQ_NAMES_3 "ML-DSA-44:MLDSA44:id-ml-dsa-44:2.16.840.1.101.3.4.3.17"
#define PQ_NAMES_4 "ML-DSA-65:MLDSA65:id-ml-dsa-65:2.16.840.1.101.3.4.3.18"
#define PQ_NAMES_5 "ML-DSA-87:MLDSA87:id-ml-dsa-87:2.16.840.1.101.3.4.3.19"

struct pq_algorithm {
	const char *name;
	const char *short_name; /* of the object, as in OpenSSL 3.5 */
	const char *oid;
	bool is_kem;
	unsigned set; /* enum mlkem_set or mldsa_set */
	unsigned bits, security_bits;
	size_t seed_len;
};

/* In the order of the enums: ML-KEM-512, 768, 1024, ML-DSA-44, 65, 87. */
extern const struct pq_algorithm pq_algorithms[X0PQ_N_ALGORITHMS];

size_t pq_pub_len(const struct pq_algorithm *a);
size_t pq_priv_len(const struct pq_algorithm *a);
size_t pq_output_len(const struct pq_algorithm *a); /* ciphertext or signature */

struct pq_provider {
	OSSL_LIB_CTX *libctx; /* the loading process's: we are built in */
	OSSL_FUNC_BIO_read_ex_fn *bio_read;
	OSSL_FUNC_BIO_write_ex_fn *bio_write;
};

/* Complete once made, never changed after: shared by reference count. */
struct pq_key {
	atomic_uint n_refs;
	struct pq_provider *provider;
	const struct pq_algorithm *algorithm;
	bool has_pub, has_priv, has_seed;
	uint8_t pub[X0PQ_PUB_MAX];
	/* both in one secret_alloc(), made with the first of them; NULL in a public key */
	uint8_t *seed;
	uint8_t *priv;
};

struct pq_key *pq_key_new(struct pq_provider *p, const struct pq_algorithm *a);
/* Room for seed and priv; false where there is none left. */
bool pq_key_hold_private(struct pq_key *k);
struct pq_key *pq_key_ref(struct pq_key *k);
void pq_key_unref(struct pq_key *k); /* wipes with the last one; NULL does nothing */
DEFINE_FREEP(struct pq_key, pq_key_unref)

/* Each fills an empty key and refuses what FIPS 203 section 7 and FIPS 204 refuse: false.
 * With both halves, or a seed and a half, they must belong together. */
bool pq_key_from_seed(struct pq_key *k, const uint8_t *seed);
bool pq_key_set_priv(struct pq_key *k, const uint8_t *priv, size_t len);
bool pq_key_set_pub(struct pq_key *k, const uint8_t *pub, size_t len);

/* PKCS#8 and SubjectPublicKeyInfo, in x0pq_der.c. Encoding: a new buffer, -EIO. */
int pq_der_encode(const struct pq_key *k, bool is_private, struct buffer *ret);
/* NULL when the DER is no key of this algorithm, or an invalid one. */
struct pq_key *pq_der_decode(struct pq_provider *p, const struct pq_algorithm *a, bool is_private,
			     struct span der);

/* The tables that x0pq.c hands to the core. */
extern const OSSL_DISPATCH pq_kem_functions[];
extern const OSSL_DISPATCH pq_signature_functions[];
extern const OSSL_DISPATCH pq_keymgmt_functions_0[]; /* of pq_algorithms[0], and so on */
extern const OSSL_DISPATCH pq_keymgmt_functions_1[];
extern const OSSL_DISPATCH pq_keymgmt_functions_2[];
extern const OSSL_DISPATCH pq_keymgmt_functions_3[];
extern const OSSL_DISPATCH pq_keymgmt_functions_4[];
extern const OSSL_DISPATCH pq_keymgmt_functions_5[];
extern const OSSL_ALGORITHM pq_encoders[];
extern const OSSL_ALGORITHM pq_decoders[];
