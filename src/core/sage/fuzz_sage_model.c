/* SPDX-License-Identifier: Apache-2.0 */
/* A model file from anywhere: it is refused, or it is one that is written again byte for byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "core/sage/sage.h"

#define CHECKSUM_LEN 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(struct span file)
{
	struct sage_model *m = NULL;
	const char *reason = NULL;
	uint8_t *again = NULL;
	size_t len = 0;

	/* features and names as the file itself says, so that what is behind them is reached */
	if (file.len < 36 ||
	    sage_model_load(file, load_u32(file.at + 12), load_u64(file.at + 28), &m, &reason) < 0)
		return;
	if (sage_model_save(m, &again, &len) == 0 &&
	    (len != file.len || memcmp(again, file.at, len) != 0))
		abort();
	free(again);
	sage_model_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[16] = "x0 sage model";
	uint8_t *mended = size > CHECKSUM_LEN ? malloc(size) : NULL;

	load(SPAN(data, size));
	if (!mended)
		return 0;
	/* and with the checksum that its bytes should have */
	memcpy(mended, data, size);
	store_u64(mended + size - CHECKSUM_LEN,
		  siphash64(key, &SPAN(data, size - CHECKSUM_LEN), 1));
	load(SPAN(mended, size));
	free(mended);
	return 0;
}
