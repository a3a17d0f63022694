/* SPDX-License-Identifier: Apache-2.0 */
/* Any message or record of witnesses: what decodes encodes to the same bytes. The first byte says
 * which. */
#include <stdlib.h>

#include "core/cosign/cosign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Keys have the id 0 then: what is read does not depend on it. */
static void no_hash(const struct span *parts, size_t n, uint8_t ret[SHA256_LEN])
{
	(void)parts;
	(void)n;
	memset(ret, 0, SHA256_LEN);
}

static const struct crypto_ops ops = { .name = "none", .sha256 = no_hash };

static void compare(struct writer w, struct span before)
{
	if (w.overrun || w.len != before.len || memcmp(w.start, before.at, w.len) != 0)
		abort();
}

static void message(struct span bytes)
{
	static uint8_t room[COSIGN_MESSAGE_MAX];
	struct writer w = writer_of(room, sizeof(room));
	struct cosign_message m;

	if (cosign_decode(bytes, &m) < 0)
		return;
	cosign_encode(&m, &w);
	compare(w, bytes);
}

static void record(struct span bytes)
{
	static uint8_t room[COSIGN_RECORD_MAX];
	struct writer w = writer_of(room, sizeof(room));
	struct note_key keys[2];
	struct span note;

	if (cosign_record_decode(&ops, bytes, keys, &note) < 0)
		return;
	cosign_record_write(&w, keys, note);
	compare(w, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		message(SPAN(data + 1, size - 1));
	else
		record(SPAN(data + 1, size - 1));
	return 0;
}
