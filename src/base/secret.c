/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets in ordinary memory, until somebody installs better. */
#include "base/secret.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/bytes.h"

static const struct secret_memory *installed;

void secret_memory_use(const struct secret_memory *m)
{
	installed = m;
}

void *secret_alloc(size_t len)
{
	return installed ? installed->alloc(len) : calloc(1, len > 0 ? len : 1);
}

void secret_free(void *p)
{
	if (p && !(installed && installed->free(p)))
		heap_free_wiped(p);
}

void heap_free_wiped(void *p)
{
	if (p)
		bytes_wipe(p, malloc_usable_size(p));
	free(p);
}

/* Never in place where it would grow: realloc() leaves the old bytes behind when it moves. */
void *heap_realloc_wiped(void *p, size_t len)
{
	size_t old_len = p ? malloc_usable_size(p) : 0;
	void *grown;

	if (p && len <= old_len)
		return p;
	grown = malloc(len);
	if (!grown)
		return NULL;
	if (p)
		memcpy(grown, p, old_len);
	heap_free_wiped(p);
	return grown;
}
