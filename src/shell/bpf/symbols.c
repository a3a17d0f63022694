/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up names of what a loaded program calls. */
#include "shell/bpf/symbols.h"

const char *symbols_helper(const void *names, int32_t number)
{
	const struct symbols *s = names;
	uint64_t address = s ? s->base + (uint64_t)(int64_t)number : 0;
	size_t low = 0, high = s && s->base ? s->n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->of[middle].address == address)
			return s->of[middle].name;
		if (s->of[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const char *symbols_function(const void *names, uint32_t number)
{
	const struct symbols *s = names;

	return s && number < s->n_functions ? s->functions[number] : NULL;
}
