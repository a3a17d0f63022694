/* SPDX-License-Identifier: Apache-2.0 */
/* Loads libwebsockets by the name that it had when this was built. */
#include "shell/http/library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifndef X0_LWS_SONAME
#error "the build says which libwebsockets its headers are of"
#endif

const struct library *library_load(char *why, size_t size)
{
	static struct library library;
	static bool is_loaded;
	void *handle;

	if (is_loaded)
		return &library;
	handle = dlopen(X0_LWS_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		(void)snprintf(why, size,
			       "%s is not installed (apt-get install libwebsockets-evlib-uv, and "
			       "libwebsockets17 on Debian 12, libwebsockets19t64 on 13)",
			       X0_LWS_SONAME);
		return NULL;
	}
	/* POSIX lets dlsym() give a function as an object pointer; ISO C needs the copy. */
#define LIBRARY_FIND(name)                                                            \
	do {                                                                          \
		void *found = dlsym(handle, #name);                                   \
                                                                                      \
		if (!found) {                                                         \
			(void)snprintf(why, size, "%s has no " #name, X0_LWS_SONAME); \
			(void)dlclose(handle);                                        \
			return NULL;                                                  \
		}                                                                     \
		memcpy(&library.name, &found, sizeof(found));                         \
	} while (0);
	LIBRARY_FUNCTIONS(LIBRARY_FIND)
#undef LIBRARY_FIND
	is_loaded = true;
	return &library;
}
