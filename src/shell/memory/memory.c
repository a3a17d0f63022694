/* SPDX-License-Identifier: Apache-2.0 */
/* The C library's heap, and the pages of programs and libraries. */
#include "shell/memory/memory.h"

#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAPS 2			    /* the main thread's, and one for the others, who ask seldom */
#define LARGE_BYTES (128 * 1024)    /* asked of the kernel and given back to it by themselves */
#define TOP_BYTES (2 * LARGE_BYTES) /* free at the end of a heap, before it is given back */
#define STACK_KEPT_BYTES                                                                      \
	(16 * 1024)		 /* below this frame: for the call to the kernel, and signals \
				  */
#define STACK_BYTES (256 * 1024) /* below that: as deep as calls are here */

void memory_begin(void)
{
	(void)mallopt(M_ARENA_MAX, HEAPS);
	/* Set by hand, it no longer grows with the blocks that are freed. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, TOP_BYTES);
}

static bool is_relocated(const struct dl_phdr_info *i)
{
	for (size_t k = 0; k < i->dlpi_phnum; k++) {
		const ElfW(Phdr) *p = &i->dlpi_phdr[k];
		const ElfW(Dyn) * d;

		if (p->p_type != PT_DYNAMIC)
			continue;
		d = (const ElfW(Dyn) *)(i->dlpi_addr + p->p_vaddr); /* NOLINT */
		for (; d->d_tag != DT_NULL; d++)
			if (d->d_tag == DT_TEXTREL ||
			    (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_TEXTREL))
				return true;
	}
	return false;
}

/* What is never written is in the file as it is here. Not where the linker wrote to it after all,
 * and not the kernel's own. */
static int drop_pages(struct dl_phdr_info *i, size_t size, void *arg)
{
	uintptr_t page = *(const uintptr_t *)arg;

	(void)size;
	if (strncmp(i->dlpi_name, "linux-", strlen("linux-")) == 0 || is_relocated(i))
		return 0;
	for (size_t k = 0; k < i->dlpi_phnum; k++) {
		const ElfW(Phdr) *p = &i->dlpi_phdr[k];
		uintptr_t begin = i->dlpi_addr + p->p_vaddr;
		uintptr_t end = (begin + p->p_memsz) / page * page;

		begin = begin / page * page;
		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) && end > begin)
			(void)madvise((void *)begin, end - begin, MADV_DONTNEED); /* NOLINT */
	}
	return 0;
}

/* Only inside of the stack, which may be a short one: below it may be what is others'. Of a range
 * with a hole, as the first thread's has where it was never so deep, madvise() does what is there.
 */
__attribute__((noinline)) void memory_give_back_stack(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t end = (uintptr_t)__builtin_frame_address(0) - STACK_KEPT_BYTES;
	uintptr_t begin = end - STACK_BYTES;
	pthread_attr_t attributes;
	size_t size = 0;
	void *low = NULL;

	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return;
	(void)pthread_attr_getstack(&attributes, &low, &size);
	(void)pthread_attr_destroy(&attributes);
	if (!low || end < (uintptr_t)low || end - (uintptr_t)low > size)
		return; /* this is not the thread's own stack */
	if (begin < (uintptr_t)low)
		begin = (uintptr_t)low;
	begin = (begin + page - 1) / page * page;
	end = end / page * page;
	if (end > begin)
		(void)madvise((void *)begin, end - begin, MADV_DONTNEED); /* NOLINT */
}

void memory_give_back(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)malloc_trim(0);
	(void)dl_iterate_phdr(drop_pages, &page);
	memory_give_back_stack();
}
