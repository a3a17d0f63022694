/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that opens the library: its context, what is fetched from it, and where
 * ML-KEM and ML-DSA come from. */
#include <pthread.h>
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#include "shell/openssl/library.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct library the_library;

static bool fetch_classic(struct library *l)
{
	l->sha256 = EVP_MD_fetch(l->ctx, "SHA256", NULL);
	l->hmac = EVP_MAC_fetch(l->ctx, "HMAC", NULL);
	l->aes_256_gcm = EVP_CIPHER_fetch(l->ctx, "AES-256-GCM", NULL);
	l->chacha20_poly1305 = EVP_CIPHER_fetch(l->ctx, "ChaCha20-Poly1305", NULL);
	return l->sha256 && l->hmac && l->aes_256_gcm && l->chacha20_poly1305;
}

static const char *open_library(struct library *l)
{
	l->ctx = OSSL_LIB_CTX_new();
	if (!l->ctx)
		return "OpenSSL: no library context (out of memory)";
	if (!OSSL_PROVIDER_load(l->ctx, "default"))
		return "OpenSSL: its default provider cannot be loaded";
	if (!fetch_classic(l))
		return "OpenSSL: SHA-256, HMAC, AES-256-GCM or ChaCha20-Poly1305 is missing";
	return NULL;
}

static void open_once(void)
{
	the_library.error = open_library(&the_library);
	ERR_clear_error(); /* what was tried and not found is no error of anyone's */
}

const struct library *library(void)
{
	(void)pthread_once(&once, open_once);
	return &the_library;
}
