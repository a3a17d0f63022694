/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the kernel can run here, keys in memory, and the verdict on a tag. */
#include "aesgcm/aesgcm.h"

#include <errno.h>
#include <stdlib.h>

#include "aesgcm/vaes512.h"

#ifdef X0_HAS_VAES512
#include <cpuid.h>

/* Not all compilers know these two by name: bits 9 and 10 of ECX, leaf 7. */
static bool has_wide_aes(void)
{
	unsigned a;
	unsigned b;
	unsigned c;
	unsigned d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 9 & 1) && (c >> 10 & 1);
}

/* The compiler's function also asks whether the operating system keeps the wide registers. */
bool aesgcm_is_supported(void)
{
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
	       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       has_wide_aes();
}

struct aesgcm *aesgcm_new(const uint8_t key[AESGCM_KEY_LEN])
{
	struct aesgcm *a =
		aesgcm_is_supported() ? aligned_alloc(alignof(struct aesgcm), sizeof(*a)) : NULL;

	if (!a)
		return NULL;
	memset(a, 0, sizeof(*a));
	vaes512_set_key(a, key);
	return a;
}

void aesgcm_free(struct aesgcm *a)
{
	if (!a)
		return;
	bytes_wipe(a, sizeof(*a));
	free(a);
}

int aesgcm_seal(const struct aesgcm *a, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		struct span text, uint8_t *ret)
{
	if (text.len > AESGCM_TEXT_MAX || ad.len > AESGCM_AD_MAX)
		return -EINVAL;
	vaes512_encrypt(a, nonce, ad, text, ret, ret + text.len);
	return 0;
}

/* One pass: the text is decrypted while it is hashed, and wiped if the tag then differs. */
int aesgcm_open(const struct aesgcm *a, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		struct span text, uint8_t *ret)
{
	uint8_t tag[AESGCM_TAG_LEN];

	if (text.len < AESGCM_TAG_LEN || text.len - AESGCM_TAG_LEN > AESGCM_TEXT_MAX ||
	    ad.len > AESGCM_AD_MAX)
		return -EINVAL;
	text.len -= AESGCM_TAG_LEN;
	vaes512_decrypt(a, nonce, ad, text, ret, tag);
	if (bytes_equal_ct(tag, text.at + text.len, sizeof(tag)))
		return 0;
	bytes_wipe(tag, sizeof(tag)); /* with it the packet could be forged */
	bytes_wipe(ret, text.len);
	return -EKEYREJECTED;
}
#else
bool aesgcm_is_supported(void)
{
	return false;
}

struct aesgcm *aesgcm_new(const uint8_t key[AESGCM_KEY_LEN])
{
	(void)key;
	return NULL;
}

/* There is no key to call the rest with. */
void aesgcm_free(struct aesgcm *a)
{
	(void)a;
}

int aesgcm_seal(const struct aesgcm *a, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		struct span text, uint8_t *ret)
{
	(void)a;
	(void)nonce;
	(void)ad;
	(void)text;
	(void)ret;
	return -EINVAL;
}

int aesgcm_open(const struct aesgcm *a, const uint8_t nonce[AESGCM_NONCE_LEN], struct span ad,
		struct span text, uint8_t *ret)
{
	return aesgcm_seal(a, nonce, ad, text, ret);
}
#endif
