/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a traceparent: refused, or written back as what it said. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "trace/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char again[TRACEPARENT_SIZE];
	struct trace_context c;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (trace_parse(text, &c) == 0) {
		trace_format(&c, again);
		assert(memcmp(again + 2, text + 2, TRACEPARENT_SIZE - 5) == 0);
	}
	free(text);
	return 0;
}
