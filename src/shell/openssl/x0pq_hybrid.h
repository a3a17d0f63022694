/* SPDX-License-Identifier: Apache-2.0 */
/* x0pq_hybrid.h - the hybrid key agreements of TLS 1.3 (draft-ietf-tls-ecdhe-mlkem): ML-KEM and an
 * elliptic curve side by side, each half of a share beside the other. Not for other rooms, nor
 * for the rest of this one. */
#pragma once

#include "shell/openssl/x0pq_key.h"

#define HYBRID_N_GROUPS 3
#define HYBRID_POINT_MAX 97 /* P-384, uncompressed */
#define HYBRID_CURVE_MAX 48 /* the curve's half of a secret: the x-coordinate on P-384 */
#define HYBRID_SHARE_MAX (MLKEM_EK_MAX + HYBRID_POINT_MAX)
#define HYBRID_SECRET_MAX (MLKEM_SS_LEN + HYBRID_CURVE_MAX)

struct hybrid_group {
	const char *name;  /* as registered with IANA, and as OpenSSL 3.5 calls it */
	unsigned id;	   /* NamedGroup of TLS */
	const char *curve; /* "X25519", or the group of an "EC" key */
	enum mlkem_set set;
	bool is_curve_last; /* X25519's half follows ML-KEM's; that of the NIST curves leads */
	size_t point_len;
	size_t curve_secret_len;
	unsigned security_bits;
};

extern const struct hybrid_group hybrid_groups[HYBRID_N_GROUPS];

size_t hybrid_client_share_len(const struct hybrid_group *g);
size_t hybrid_server_share_len(const struct hybrid_group *g);
size_t hybrid_secret_len(const struct hybrid_group *g);

/* A key of one handshake: ours with both private halves, or a peer's as received. */
struct hybrid_key {
	atomic_uint n_refs;
	struct pq_provider *provider;
	const struct hybrid_group *group;
	bool has_pub, has_priv;
	uint8_t share[HYBRID_SHARE_MAX]; /* the client share */
	uint8_t dk[MLKEM_DK_MAX];
	EVP_PKEY *curve;
};

struct hybrid_key *hybrid_key_new(struct pq_provider *p, const struct hybrid_group *g);
struct hybrid_key *hybrid_key_ref(struct hybrid_key *k);
void hybrid_key_unref(struct hybrid_key *k); /* wipes with the last one; NULL does nothing */
DEFINE_FREEP(struct hybrid_key, hybrid_key_unref)

/* Both fill an empty key, and return false on a failure of the library. */
bool hybrid_key_generate(struct hybrid_key *k);
/* A peer's client share; false also for a wrong length, a coefficient of the encapsulation key
 * at or above q (FIPS 203 section 7.2), a point that is not on the curve or not uncompressed (RFC
 * 8446 section 4.2.8.2), or one of small order of X25519, whatever key it would meet. */
bool hybrid_key_set_share(struct hybrid_key *k, const uint8_t *share, size_t len);

/* The server's side, on a peer's key: its share and the secret. */
bool hybrid_encapsulate(const struct hybrid_key *k, uint8_t *ret_share, uint8_t *ret_secret);
/* The client's side, on our key. False for what hybrid_key_set_share() refuses; a changed ML-KEM
 * ciphertext gives a secret that nobody else has, as FIPS 203 wants. */
bool hybrid_decapsulate(const struct hybrid_key *k, const uint8_t *share, size_t len,
			uint8_t *ret_secret);

/* The tables that x0pq.c hands to the core. */
extern const OSSL_DISPATCH hybrid_kem_functions[];
extern const OSSL_DISPATCH hybrid_keymgmt_functions_0[]; /* of hybrid_groups[0], and so on */
extern const OSSL_DISPATCH hybrid_keymgmt_functions_1[];
extern const OSSL_DISPATCH hybrid_keymgmt_functions_2[];

#define HYBRID_NAME_0 "X25519MLKEM768"
#define HYBRID_NAME_1 "SecP256r1MLKEM768"
#define HYBRID_NAME_2 "SecP384r1MLKEM1024"

/* The capability "TLS-GROUP", by which libssl learns of the groups. */
int hybrid_tls_groups(void *provider, const char *capability, OSSL_CALLBACK *callback, void *arg);
