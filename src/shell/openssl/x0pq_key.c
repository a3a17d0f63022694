/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms the provider knows, and its keys. */
#include "shell/openssl/x0pq_key.h"

#include "base/secret.h"

/* Object identifiers: RFC 9935 section 3 and RFC 9881 section 2. Bits as OpenSSL 3.5 gives
 * them: eight times the public key; security bits by NIST category (1, 3, 5; 44 is 2). */
const struct pq_algorithm pq_algorithms[X0PQ_N_ALGORITHMS] = {
	{ .name = "ML-KEM-512",
	  .short_name = "id-alg-ml-kem-512",
	  .oid = "2.16.840.1.101.3.4.4.1",
	  .is_kem = true,
	  .set = MLKEM_512,
	  .bits = 512,
	  .security_bits = 128,
	  .seed_len = 2 * MLKEM_SEED_LEN },
	{ .name = "ML-KEM-768",
	  .short_name = "id-alg-ml-kem-768",
	  .oid = "2.16.840.1.101.3.4.4.2",
	  .is_kem = true,
	  .set = MLKEM_768,
	  .bits = 768,
	  .security_bits = 192,
	  .seed_len = 2 * MLKEM_SEED_LEN },
	{ .name = "ML-KEM-1024",
	  .short_name = "id-alg-ml-kem-1024",
	  .oid = "2.16.840.1.101.3.4.4.3",
	  .is_kem = true,
	  .set = MLKEM_1024,
	  .bits = 1024,
	  .security_bits = 256,
	  .seed_len = 2 * MLKEM_SEED_LEN },
	{ .name = "ML-DSA-44",
	  .short_name = "id-ml-dsa-44",
	  .oid = "2.16.840.1.101.3.4.3.17",
	  .set = MLDSA_44,
	  .bits = 8 * 1312,
	  .security_bits = 128,
	  .seed_len = MLDSA_SEED_LEN },
	{ .name = "ML-DSA-65",
	  .short_name = "id-ml-dsa-65",
	  .oid = "2.16.840.1.101.3.4.3.18",
	  .set = MLDSA_65,
	  .bits = 8 * 1952,
	  .security_bits = 192,
	  .seed_len = MLDSA_SEED_LEN },
	{ .name = "ML-DSA-87",
	  .short_name = "id-ml-dsa-87",
	  .oid = "2.16.840.1.101.3.4.3.19",
	  .set = MLDSA_87,
	  .bits = 8 * 2592,
	  .security_bits = 256,
	  .seed_len = MLDSA_SEED_LEN },
};

size_t pq_pub_len(const struct pq_algorithm *a)
{
	return a->is_kem ? mlkem_sizes[a->set].ek_len : mldsa_sizes[a->set].pk_len;
}

size_t pq_priv_len(const struct pq_algorithm *a)
{
	return a->is_kem ? mlkem_sizes[a->set].dk_len : mldsa_sizes[a->set].sk_len;
}

size_t pq_output_len(const struct pq_algorithm *a)
{
	return a->is_kem ? mlkem_sizes[a->set].ct_len : mldsa_sizes[a->set].sig_len;
}

struct pq_key *pq_key_new(struct pq_provider *p, const struct pq_algorithm *a)
{
	struct pq_key *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	atomic_init(&k->n_refs, 1);
	k->provider = p;
	k->algorithm = a;
	return k;
}

bool pq_key_hold_private(struct pq_key *k)
{
	if (k->seed)
		return true;
	k->seed = secret_alloc(X0PQ_SEED_MAX + X0PQ_PRIV_MAX);
	k->priv = k->seed ? k->seed + X0PQ_SEED_MAX : NULL;
	return k->seed != NULL;
}

struct pq_key *pq_key_ref(struct pq_key *k)
{
	(void)atomic_fetch_add(&k->n_refs, 1);
	return k;
}

void pq_key_unref(struct pq_key *k)
{
	if (!k || atomic_fetch_sub(&k->n_refs, 1) != 1)
		return;
	secret_free(k->seed);
	bytes_wipe(k, sizeof(*k));
	free(k);
}

bool pq_key_from_seed(struct pq_key *k, const uint8_t *seed)
{
	const struct pq_algorithm *a = k->algorithm;

	if (!pq_key_hold_private(k))
		return false;
	if (a->is_kem)
		mlkem_keygen((enum mlkem_set)a->set, seed, seed + MLKEM_SEED_LEN, k->pub, k->priv);
	else
		mldsa_keygen((enum mldsa_set)a->set, seed, k->pub, k->priv);
	memcpy(k->seed, seed, a->seed_len);
	k->has_pub = k->has_priv = k->has_seed = true;
	return true;
}

/* FIPS 203 section 6.1: dk is dk_PKE | ek | H(ek) | z, and dk_PKE has 384 k bytes. */
static const uint8_t *ek_inside(const struct pq_algorithm *a, const uint8_t *dk)
{
	return dk + pq_priv_len(a) - 2 * MLKEM_SEED_LEN - pq_pub_len(a);
}

bool pq_key_set_priv(struct pq_key *k, const uint8_t *priv, size_t len)
{
	const struct pq_algorithm *a = k->algorithm;

	if (len != pq_priv_len(a))
		return false;
	if (k->has_priv) /* made from the seed: only to be compared */
		return bytes_equal_ct(k->priv, priv, len);
	if (!pq_key_hold_private(k))
		return false;
	if (a->is_kem) {
		const uint8_t *ek = ek_inside(a, priv);

		if (mlkem_check_dk((enum mlkem_set)a->set, priv) < 0 ||
		    mlkem_check_ek((enum mlkem_set)a->set, ek) < 0)
			return false;
		memcpy(k->pub, ek, pq_pub_len(a));
	} else if (mldsa_public_from_secret((enum mldsa_set)a->set, priv, k->pub) < 0) {
		return false;
	}
	memcpy(k->priv, priv, len);
	k->has_pub = k->has_priv = true;
	return true;
}

bool pq_key_set_pub(struct pq_key *k, const uint8_t *pub, size_t len)
{
	const struct pq_algorithm *a = k->algorithm;

	if (len != pq_pub_len(a))
		return false;
	if (k->has_pub)
		return bytes_equal_ct(k->pub, pub, len);
	if (a->is_kem && mlkem_check_ek((enum mlkem_set)a->set, pub) < 0)
		return false;
	memcpy(k->pub, pub, len);
	k->has_pub = true;
	return true;
}
