/* SPDX-License-Identifier: Apache-2.0 */
/* Our half of the comparison in differential.mjs: requests on standard input, answers on standard
 * output, until the input ends.
 *
 *	request: operation 1 | level 1 | set 1 | length 4 | bytes
 *	answer:  length 4 | bytes; a refusal is the one byte 0, a yes the one byte 1
 *
 * Operations, and their bytes: */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "pqc/cpu.h"
#include "pqc/mldsa.h"
#include "pqc/mlkem.h"

enum operation {
	LEVELS,	      /* -> names of the levels there are, separated by blanks */
	KEM_PUBLIC,   /* d | z -> ek */
	KEM_ENCAPS,   /* ek | m -> ct | ss */
	KEM_DECAPS,   /* d | z | ct -> ss */
	DSA_PUBLIC,   /* seed -> pk */
	DSA_SIGN,     /* seed | rnd | context length 1 | context | message -> signature */
	DSA_VERIFY,   /* pk | signature | context length 1 | context | message -> yes or no */
	N_OPERATIONS, /* any other is the end of this program */
};

#define REQUEST_MAX (1U << 16)

struct answer {
	uint8_t bytes[REQUEST_MAX];
	size_t len;
};

static void say(struct answer *a, bool is_yes)
{
	a->bytes[0] = is_yes;
	a->len = 1;
}

static void levels(struct answer *a)
{
	for (unsigned i = 0; i <= (unsigned)pqc_level_max(); i++)
		a->len += (size_t)snprintf((char *)a->bytes + a->len, sizeof(a->bytes) - a->len,
					   "%s%s", i > 0 ? " " : "",
					   pqc_level_name((enum pqc_level)i));
}

/* ---- ML-KEM ---- */

static void kem_public(enum mlkem_set set, struct reader *r, struct answer *a)
{
	const uint8_t *seed = read_bytes(r, 64);
	uint8_t dk[MLKEM_DK_MAX];

	if (!seed)
		return;
	mlkem_keygen(set, seed, seed + 32, a->bytes, dk);
	a->len = mlkem_sizes[set].ek_len;
}

static void kem_encaps(enum mlkem_set set, struct reader *r, struct answer *a)
{
	const uint8_t *ek = read_bytes(r, mlkem_sizes[set].ek_len);
	const uint8_t *m = read_bytes(r, 32);
	size_t ct_len = mlkem_sizes[set].ct_len;

	if (!ek || !m)
		return;
	if (mlkem_encaps(set, ek, m, a->bytes, a->bytes + ct_len) < 0)
		say(a, false);
	else
		a->len = ct_len + 32;
}

static void kem_decaps(enum mlkem_set set, struct reader *r, struct answer *a)
{
	const uint8_t *seed = read_bytes(r, 64);
	const uint8_t *ct = read_bytes(r, mlkem_sizes[set].ct_len);
	uint8_t ek[MLKEM_EK_MAX], dk[MLKEM_DK_MAX];

	if (!seed || !ct)
		return;
	mlkem_keygen(set, seed, seed + 32, ek, dk);
	mlkem_decaps(set, dk, ct, a->bytes);
	a->len = 32;
}

/* ---- ML-DSA ---- */

static void dsa_public(enum mldsa_set set, struct reader *r, struct answer *a)
{
	const uint8_t *seed = read_bytes(r, 32);
	uint8_t sk[MLDSA_SK_MAX];

	if (!seed)
		return;
	mldsa_keygen(set, seed, a->bytes, sk);
	a->len = mldsa_sizes[set].pk_len;
}

static void dsa_sign(enum mldsa_set set, struct reader *r, struct answer *a)
{
	const uint8_t *seed = read_bytes(r, 32);
	const uint8_t *rnd = read_bytes(r, 32);
	struct span context = read_span(r, read_u8(r));
	struct span message = read_span(r, r->left);
	uint8_t pk[MLDSA_PK_MAX], sk[MLDSA_SK_MAX];

	if (r->overrun)
		return;
	mldsa_keygen(set, seed, pk, sk);
	if (mldsa_sign(set, sk, message.at, message.len, context.at, context.len, rnd, a->bytes) <
	    0)
		say(a, false);
	else
		a->len = mldsa_sizes[set].sig_len;
}

static void dsa_verify(enum mldsa_set set, struct reader *r, struct answer *a)
{
	const uint8_t *pk = read_bytes(r, mldsa_sizes[set].pk_len);
	const uint8_t *sig = read_bytes(r, mldsa_sizes[set].sig_len);
	struct span context = read_span(r, read_u8(r));
	struct span message = read_span(r, r->left);

	if (!r->overrun)
		say(a, mldsa_verify(set, pk, message.at, message.len, context.at, context.len,
				    sig) == 0);
}

/* ---- the pipe ---- */

static void run(unsigned operation, unsigned set, struct reader *r, struct answer *a)
{
	switch ((enum operation)operation) {
	case LEVELS:
		levels(a);
		break;
	case KEM_PUBLIC:
		kem_public((enum mlkem_set)set, r, a);
		break;
	case KEM_ENCAPS:
		kem_encaps((enum mlkem_set)set, r, a);
		break;
	case KEM_DECAPS:
		kem_decaps((enum mlkem_set)set, r, a);
		break;
	case DSA_PUBLIC:
		dsa_public((enum mldsa_set)set, r, a);
		break;
	case DSA_SIGN:
		dsa_sign((enum mldsa_set)set, r, a);
		break;
	case DSA_VERIFY:
		dsa_verify((enum mldsa_set)set, r, a);
		break;
	case N_OPERATIONS:
		break;
	}
}

static int give_up(const char *why)
{
	(void)fprintf(stderr, "differential_tool: %s\n", why);
	return 2;
}

int main(void)
{
	static struct answer answer;
	static uint8_t request[REQUEST_MAX];
	uint8_t head[7];
	uint8_t len[4];

	while (fread(head, sizeof(head), 1, stdin) == 1) {
		size_t n = load_u32(head + 3);
		struct reader r = reader_of(SPAN(request, n));

		if (head[0] >= N_OPERATIONS || head[2] > 2 ||
		    pqc_set_level((enum pqc_level)head[1]) < 0)
			return give_up("no such operation, level or set");
		if (n > sizeof(request) || (n > 0 && fread(request, n, 1, stdin) != 1))
			return give_up("the request is too long, or cut");
		answer.len = 0;
		run(head[0], head[2], &r, &answer);
		if (answer.len == 0)
			return give_up("the request is too short");
		store_u32(len, (uint32_t)answer.len);
		if (fwrite(len, sizeof(len), 1, stdout) != 1 ||
		    fwrite(answer.bytes, answer.len, 1, stdout) != 1 || fflush(stdout) != 0)
			return give_up("nobody reads the answers");
	}
	return 0;
}
