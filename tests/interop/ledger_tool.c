/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a ledger of 1,000 entries for auditors that share no code with ours: DIR, DIR.old with the
 * checkpoint of the first 300, and on standard output the proof that one grew out of the other. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "shell/ledger/ledger.h"
#include "shell/openssl/crypto_openssl.h"

#define N_FIRST 300
#define N_ALL 1000

static void fill_random(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	if (getrandom(ret, len, 0) != (ssize_t)len)
		abort();
}

static int append(struct ledger *l, uint64_t from, uint64_t to)
{
	char what[32];
	int r = 0;

	for (; r == 0 && from < to; from++) {
		struct ledger_entry e = { .kind = LEDGER_NOTICE,
					  .unix_ms = 1763766000000 + from,
					  .who = "alice",
					  .what = what };

		(void)snprintf(what, sizeof(what), "test.%llu", (unsigned long long)from);
		r = ledger_append(l, &e, NULL);
	}
	return r < 0 ? r : ledger_checkpoint(l);
}

static int keep_checkpoint(const char *directory, const struct ledger_config *c)
{
	struct ledger_view *v = NULL;
	struct ledger_error error;
	char path[512];
	FILE *f;
	int r = ledger_view_open(directory, c->ops, c->crypto, &v, &error);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s.old", directory);
	f = fopen(path, "we");
	if (f)
		(void)fwrite(ledger_view_facts(v)->note.at, 1, ledger_view_facts(v)->note.len, f);
	ledger_view_close(v);
	return f && fclose(f) == 0 ? 0 : -EIO;
}

static int print_consistency(const char *directory, const struct ledger_config *c)
{
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	struct ledger_view *v = NULL;
	struct ledger_error error;
	size_t n = 0;
	int r = ledger_view_open(directory, c->ops, c->crypto, &v, &error);

	if (r == 0)
		r = ledger_view_consistency(v, N_FIRST, N_ALL, proof, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		char hex[2 * SHA256_LEN + 1];

		bytes_to_hex(proof[i].bytes, sizeof(proof[i].bytes), hex);
		(void)printf("%s\n", hex);
	}
	ledger_view_close(v);
	return r;
}

int main(int argc, char **argv)
{
	struct entropy entropy = { .fill = fill_random };
	struct ledger_config c = { .origin = "mesh.example/ledger/alice",
				   .ops = openssl_crypto_ops(NULL),
				   .crypto = openssl_note_crypto(),
				   .entropy = &entropy };
	struct ledger_error error = { "" };
	struct ledger *l = NULL;
	int r;

	if (argc != 2 || !c.ops)
		return 2;
	r = ledger_open(argv[1], &c, &l, &error);
	if (r == 0)
		r = append(l, 0, N_FIRST);
	if (r == 0)
		r = keep_checkpoint(argv[1], &c);
	if (r == 0)
		r = append(l, N_FIRST, N_ALL);
	ledger_close(l);
	if (r == 0)
		r = print_consistency(argv[1], &c);
	if (r < 0)
		(void)fprintf(stderr, "%s %s\n", error.text, strerror(-r));
	return r < 0;
}
