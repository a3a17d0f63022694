/* SPDX-License-Identifier: Apache-2.0 */
/* Runs each operation on secrets with its secrets marked as undefined memory. Under valgrind's
 * memcheck a branch or an address that depends on one is then an error, which is counted here
 * operation by operation. Prints a line each; exit code 0 none, 1 some, 2 not under valgrind or
 * no such level.
 *
 * "ct_check leak" does what must never be done, and fails unless memcheck reports each of it: a
 * check that cannot fail shows nothing. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <valgrind/memcheck.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/rng.h"
#include "pqc/ct.h"
#include "pqc/cpu.h"
#include "pqc/mldsa.h"
#include "pqc/mlkem.h"

#define SIGNATURES 16 /* so that candidates are rejected for each reason on the way */

static struct rng rng;
static unsigned n_bad;

/* The same secrets at every run: a report can be looked into. */
static void fill(uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(&rng);
}

static void secret(void *at, size_t len)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(at, len);
}

static void public(const void *at, size_t len)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(at, len);
}

static unsigned long n_errors(void)
{
	return VALGRIND_COUNT_ERRORS;
}

static void report(const char *set, const char *operation, unsigned long n_before)
{
	unsigned long n = n_errors() - n_before;

	(void)printf("%s %s %s", n == 0 ? "ok  " : "FAIL", set, operation);
	if (n > 0)
		(void)printf(": %lu branches or addresses depend on a secret", n);
	(void)printf("\n");
	(void)fflush(stdout);
	n_bad += n > 0;
}

static void check_mlkem(enum mlkem_set set)
{
	const struct mlkem_sizes *sizes = &mlkem_sizes[set];
	size_t s_len = sizes->dk_len - sizes->ek_len - 64; /* dk: s | ek | H(ek) | z */
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX], ct[MLKEM_CT_MAX];
	uint8_t d[32], z[32], m[32], ss[32];
	unsigned long before = n_errors();

	fill(d, sizeof(d));
	fill(z, sizeof(z));
	fill(m, sizeof(m));
	secret(d, sizeof(d));
	secret(z, sizeof(z));
	mlkem_keygen(set, d, z, ek, dk);
	report(sizes->name, "key generation", before);

	before = n_errors();
	public(ek, sizes->ek_len);
	secret(m, sizeof(m));
	(void)mlkem_encaps(set, ek, m, ct, ss);
	report(sizes->name, "encapsulation", before);

	before = n_errors();
	public(ct, sizes->ct_len);
	public(dk + s_len, sizes->ek_len + 32);
	mlkem_decaps(set, dk, ct, ss);
	report(sizes->name, "decapsulation", before);

	before = n_errors();
	ct[sizes->ct_len / 2] ^= 1;
	mlkem_decaps(set, dk, ct, ss);
	report(sizes->name, "decapsulation of a changed ciphertext", before);
}

static void check_mldsa(enum mldsa_set set)
{
	const struct mldsa_sizes *sizes = &mldsa_sizes[set];
	static const uint8_t message[] = "what is signed is public";
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX], sig[MLDSA_SIG_MAX];
	uint8_t seed[32], rnd[32];
	unsigned long before = n_errors();

	fill(seed, sizeof(seed));
	secret(seed, sizeof(seed));
	mldsa_keygen(set, seed, pk, sk);
	report(sizes->name, "key generation", before);

	before = n_errors();
	public(sk, 32);	     /* rho, and ... */
	public(sk + 64, 64); /* ... tr, the hash of the public key; K, s1, s2, t0 stay secret */
	for (unsigned i = 0; i < SIGNATURES; i++) {
		fill(rnd, sizeof(rnd));
		secret(rnd, sizeof(rnd));
		(void)mldsa_sign(set, sk, message, sizeof(message), NULL, 0, rnd, sig);
	}
	report(sizes->name, "signing", before);
}

/* ---- what must be found ---- */

static volatile unsigned sink;
static volatile uint8_t table[256];

/* Not inlined and volatile, so that the compiler keeps the branch and the address. */
static __attribute__((noinline)) void leak_branch(const uint8_t *s)
{
	if (*(const volatile uint8_t *)s & 1)
		sink = sink + 1;
}

static __attribute__((noinline)) void leak_address(const uint8_t *s)
{
	sink = sink + table[*s];
}

static int must_leak(void)
{
	static const struct {
		const char *name;
		void (*leak)(const uint8_t *s);
	} leaks[] = { { "branch", leak_branch }, { "address", leak_address } };
	uint8_t s[32];

	for (unsigned i = 0; i < N_ELEMENTS(leaks); i++) {
		unsigned long before = n_errors();

		fill(s, sizeof(s));
		secret(s, sizeof(s));
		leaks[i].leak(s);
		if (n_errors() == before) {
			(void)printf("FAIL a secret %s was not noticed\n", leaks[i].name);
			return 1;
		}
		(void)printf("ok   a secret %s is noticed\n", leaks[i].name);
		before = n_errors();
		ct_declassify(s, sizeof(s));
		leaks[i].leak(s);
		if (n_errors() != before) {
			(void)printf("FAIL a declassified %s was reported\n", leaks[i].name);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	enum pqc_level level;

	if (argc != 2 || !RUNNING_ON_VALGRIND) {
		(void)fprintf(stderr, "usage: valgrind ct_check leak | portable | avx2\n");
		return 2;
	}
	rng_seed(&rng, 1);
	if (strcmp(argv[1], "leak") == 0)
		return must_leak();
	if (pqc_level_by_name(argv[1], &level) < 0 || pqc_set_level(level) < 0) {
		(void)printf("no level %s here\n", argv[1]);
		return 77;
	}
	for (unsigned set = MLKEM_512; set <= MLKEM_1024; set++)
		check_mlkem((enum mlkem_set)set);
	for (unsigned set = MLDSA_44; set <= MLDSA_87; set++)
		check_mldsa((enum mldsa_set)set);
	return n_bad > 0 ? 1 : 0;
}
