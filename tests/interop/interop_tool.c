/* SPDX-License-Identifier: Apache-2.0 */
/* Our half of the comparison in interop.mjs: one operation a call, files in, files out.
 * Exit code 0 done, 1 refused, 2 misused. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/rand.h>

#include "base/cleanup.h"
#include "shell/openssl/pki.h"

#define FILE_MAX 65536

static const struct crypto_ops *ops;

static void fill_from_openssl(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	if (RAND_bytes(ret, (int)len) != 1)
		abort();
}

static const struct entropy entropy = { .fill = fill_from_openssl };

static struct span read_file(const char *path)
{
	static uint8_t room[4][FILE_MAX];
	static unsigned n;
	uint8_t *at = room[n++ % 4];
	FILE *f = fopen(path, "rb");
	size_t len;

	if (!f) {
		perror(path);
		exit(2);
	}
	len = fread(at, 1, FILE_MAX, f);
	(void)fclose(f);
	return SPAN(at, len);
}

/* A file that must have exactly this length. */
static const uint8_t *read_exact(const char *path, size_t len)
{
	struct span s = read_file(path);

	if (s.len != len) {
		(void)fprintf(stderr, "%s: %zu bytes, expected %zu\n", path, s.len, len);
		exit(2);
	}
	return s.at;
}

static int write_file(const char *path, const void *at, size_t len)
{
	FILE *f = fopen(path, "wb");
	bool is_written = f && fwrite(at, 1, len, f) == len;

	if (!f || fclose(f) != 0 || !is_written) {
		perror(path);
		exit(2);
	}
	return 0;
}

/* seed (d | z) -> ek */
static int kem_public(char **arg)
{
	const uint8_t *seed = read_exact(arg[0], 64);
	uint8_t ek[MLKEM768_EK_LEN];
	uint8_t dk[MLKEM768_DK_LEN];
	int r = ops->mlkem768_keygen(seed, seed + 32, ek, dk);

	return r < 0 ? r : write_file(arg[1], ek, sizeof(ek));
}

/* ek -> ct, ss */
static int kem_encapsulate(char **arg)
{
	uint8_t m[32];
	uint8_t ct[MLKEM768_CT_LEN];
	uint8_t ss[MLKEM768_SS_LEN];
	int r;

	entropy_fill(&entropy, m, sizeof(m));
	r = ops->mlkem768_encaps(read_exact(arg[0], MLKEM768_EK_LEN), m, ct, ss);
	if (r < 0)
		return r;
	(void)write_file(arg[1], ct, sizeof(ct));
	return write_file(arg[2], ss, sizeof(ss));
}

/* seed, ct -> ss */
static int kem_decapsulate(char **arg)
{
	const uint8_t *seed = read_exact(arg[0], 64);
	const uint8_t *ct = read_exact(arg[1], MLKEM768_CT_LEN);
	uint8_t ek[MLKEM768_EK_LEN];
	uint8_t dk[MLKEM768_DK_LEN];
	uint8_t ss[MLKEM768_SS_LEN];
	int r = ops->mlkem768_keygen(seed, seed + 32, ek, dk);

	if (r == 0)
		r = ops->mlkem768_decaps(dk, ct, ss);
	return r < 0 ? r : write_file(arg[2], ss, sizeof(ss));
}

static struct signing_key *load_key(const char *path)
{
	struct signing_key *key = NULL;
	int r = signing_key_load(read_file(path), KEY_MLDSA65, &key);

	if (r < 0) {
		(void)fprintf(stderr, "%s: refused (%d)\n", path, r);
		exit(1);
	}
	return key;
}

/* seed -> PKCS#8 PEM */
static int key_write(char **arg)
{
	struct signing_key *key = NULL;
	struct buffer pem = { 0 };
	int r = signing_key_from_seed(read_exact(arg[0], 32), &key);

	if (r == 0)
		r = signing_key_to_pem(key, &pem);
	if (r == 0)
		r = write_file(arg[1], pem.at, pem.len);
	buffer_done(&pem);
	signing_key_free(key);
	return r;
}

/* PKCS#8 -> raw public key */
static int key_public(char **arg)
{
	struct signing_key *key = load_key(arg[0]);
	uint8_t pk[MLDSA65_PK_LEN];

	ops->signing_key_public(key, pk);
	signing_key_free(key);
	return write_file(arg[1], pk, sizeof(pk));
}

/* PKCS#8, context, message -> signature */
static int sign(char **arg)
{
	struct signing_key *key = load_key(arg[0]);
	uint8_t rnd[MLDSA65_RND_LEN];
	uint8_t sig[MLDSA65_SIG_LEN];
	int r;

	entropy_fill(&entropy, rnd, sizeof(rnd));
	r = ops->mldsa65_sign(key, read_file(arg[2]), read_file(arg[1]), rnd, sig);
	signing_key_free(key);
	return r < 0 ? r : write_file(arg[3], sig, sizeof(sig));
}

/* raw public key, context, message, signature */
static int verify(char **arg)
{
	return ops->mldsa65_verify(read_exact(arg[0], MLDSA65_PK_LEN), read_file(arg[2]),
				   read_file(arg[1]), read_exact(arg[3], MLDSA65_SIG_LEN));
}

static int write_in(const char *dir, const char *name, const struct buffer *b)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return write_file(path, b->at, b->len);
}

/* directory: root.der, csr.der, svid.der, key.pem of a domain made for this */
static int make_domain(char **arg)
{
	struct signing_key *root_key = NULL;
	struct signing_key *node_key = NULL;
	struct buffer root = { 0 };
	struct buffer csr = { 0 };
	struct buffer svid = { 0 };
	struct buffer pem = { 0 };
	int64_t now_s = (int64_t)time(NULL);
	const struct svid_terms terms = { .spiffe_id = "spiffe://interop.example/node/alpha",
					  .name = "alpha",
					  .now_s = now_s,
					  .lifetime_s = SVID_LIFETIME_S };
	uint8_t seed[32];
	int r;

	entropy_fill(&entropy, seed, sizeof(seed));
	r = signing_key_from_seed(seed, &root_key);
	entropy_fill(&entropy, seed, sizeof(seed));
	if (r < 0 || signing_key_from_seed(seed, &node_key) < 0 ||
	    pki_make_root(root_key, "interop.example", now_s, &entropy, &root) < 0 ||
	    pki_make_csr(node_key, "alpha", &csr) < 0 ||
	    pki_issue_svid(root_key, SPAN(root.at, root.len), SPAN(csr.at, csr.len), &terms,
			   &entropy, &svid) < 0 ||
	    signing_key_to_pem(node_key, &pem) < 0)
		return -1;
	(void)write_in(arg[0], "root.der", &root);
	(void)write_in(arg[0], "csr.der", &csr);
	(void)write_in(arg[0], "svid.der", &svid);
	(void)write_in(arg[0], "key.pem", &pem);
	buffer_done(&root);
	buffer_done(&csr);
	buffer_done(&svid);
	buffer_done(&pem);
	signing_key_free(root_key);
	signing_key_free(node_key);
	return 0;
}

static const struct {
	const char *name;
	int n_args;
	int (*run)(char **arg);
} commands[] = {
	{ "kem-public", 2, kem_public },
	{ "kem-encapsulate", 3, kem_encapsulate },
	{ "kem-decapsulate", 3, kem_decapsulate },
	{ "key-write", 2, key_write },
	{ "key-public", 2, key_public },
	{ "sign", 4, sign },
	{ "verify", 4, verify },
	{ "make-domain", 1, make_domain },
};

int main(int argc, char **argv)
{
	const char *error = NULL;

	ops = openssl_crypto_ops(&error);
	if (!ops) {
		(void)fprintf(stderr, "%s\n", error);
		return 2;
	}
	for (size_t i = 0; argc > 1 && i < N_ELEMENTS(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0 && argc == commands[i].n_args + 2)
			return commands[i].run(argv + 2) < 0 ? 1 : 0;
	}
	(void)fprintf(stderr, "usage: interop_tool COMMAND FILE...\n");
	return 2;
}
