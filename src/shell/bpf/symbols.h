/* SPDX-License-Identifier: Apache-2.0 */
/* symbols.h - names of what a loaded program calls. Inside the room only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct symbols {
	struct symbol {
		uint64_t address;
		char *name;
	} * of; /* of the kernel, by address */
	size_t n;
	uint64_t base;	       /* of helper numbers (__bpf_call_base); 0: not told to us */
	char (*functions)[96]; /* of the program itself, as the kernel's: bpf_prog_TAG_NAME */
	size_t n_functions;
};

/* NULL where it is not known. names is the image's, may be NULL. */
const char *symbols_helper(const void *names, int32_t number);
const char *symbols_function(const void *names, uint32_t number);
