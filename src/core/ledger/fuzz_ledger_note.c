/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a signed note: its parts, put together again, are the same bytes, and the text of a
 * checkpoint is the one that its values have. */
#include <stdlib.h>

#include "core/ledger/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct span text)
{
	uint8_t again[CHECKPOINT_TEXT_MAX];
	struct writer w = writer_of(again, sizeof(again));
	struct checkpoint c;

	if (checkpoint_decode_text(text, &c) < 0)
		return;
	checkpoint_write_text(&w, &c);
	if (w.overrun || w.len != text.len || memcmp(again, text.at, text.len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct note n;
	size_t len;

	check_text(SPAN(data, size));
	if (note_decode(SPAN(data, size), &n) < 0)
		return 0;
	check_text(n.text);
	len = n.text.len + 1;
	for (size_t i = 0; i < n.n_signatures; i++) /* dash and space, space, newline */
		len += 4 + n.signatures[i].name.len + 1 + n.signatures[i].base64.len + 1;
	if (len != size || n.n_signatures == 0)
		abort();
	return 0;
}
