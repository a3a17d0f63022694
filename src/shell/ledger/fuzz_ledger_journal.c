/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a journal: what is decoded lies within the file, and is as many entries as it says.
 *
 * The hash is all zeros here: whoever writes a journal can compute the right one, and a fuzzer
 * cannot guess it. The input is the first 64 bytes of each head, then records; the rest of the
 * smallest file is zeros. */
#include "shell/ledger/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_hash(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	(void)parts;
	(void)n;
	memset(ret, 0, SHA256_LEN);
}

static const struct crypto_ops ops = { .name = "none", .sha256 = no_hash };

static void copy(struct span *from, uint8_t *to, size_t len)
{
	if (len > from->len)
		len = from->len;
	if (len > 0)
		memcpy(to, from->at, len);
	*from = SPAN(from->at + len, from->len - len);
}

static void check(const struct journal_read *j, size_t len)
{
	struct reader r = reader_of(SPAN(j->entries.at, j->entries.len));
	struct span entry;
	uint64_t n = 0;

	while (bundle_next(&r, &entry))
		n++;
	if (n != j->n_entries || r.overrun || r.left > 0 || j->head.len != len ||
	    j->used > len - JOURNAL_START || j->used % JOURNAL_ALIGNMENT != 0 ||
	    (j->n_dropped > 0 &&
	     (j->dropped_from < JOURNAL_START + j->used || j->n_dropped > len - j->dropped_from)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ledger_error error;
	struct journal_read j;
	struct span left = SPAN(data, size);
	uint8_t *file = calloc(1, JOURNAL_LEN_MIN);

	if (!file)
		return 0;
	copy(&left, file, JOURNAL_HEAD_LEN);
	copy(&left, file + JOURNAL_BLOCK, JOURNAL_HEAD_LEN);
	copy(&left, file + JOURNAL_START, JOURNAL_LEN_MIN - JOURNAL_START);
	if (journal_decode(&ops, SPAN(file, JOURNAL_LEN_MIN), &j, &error) == 0) {
		check(&j, JOURNAL_LEN_MIN);
		journal_read_done(&j);
	} else if (!memchr(error.text, 0, sizeof(error.text)) || !error.text[0]) {
		abort();
	}
	/* A file of any other length. */
	if (journal_decode(&ops, SPAN(data, size), &j, &error) == 0) {
		check(&j, size);
		journal_read_done(&j);
	}
	free(file);
	return 0;
}
