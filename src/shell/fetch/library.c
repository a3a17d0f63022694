/* SPDX-License-Identifier: Apache-2.0 */
/* Loads libcurl, whose name has been the same for 20 years. */
#include "shell/fetch/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CURL_SONAME "libcurl.so.4"

static const struct curl_library *load(char *why, size_t size)
{
	static struct curl_library library;
	static bool is_loaded;
	void *handle;

	if (is_loaded)
		return &library;
	handle = dlopen(CURL_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		(void)snprintf(why, size,
			       "%.100s (apt-get install libcurl4, on Debian 13 libcurl4t64)",
			       dlerror());
		return NULL;
	}
	/* POSIX lets dlsym() give a function as an object pointer; ISO C needs the copy. */
#define LIBRARY_FIND(name)                                                                         \
	do {                                                                                       \
		void *found = dlsym(handle, #name);                                                \
                                                                                                   \
		if (!found) {                                                                      \
			(void)snprintf(why, size, CURL_SONAME " has no " #name ": it is too old"); \
			(void)dlclose(handle);                                                     \
			return NULL;                                                               \
		}                                                                                  \
		memcpy(&library.name, &found, sizeof(found));                                      \
	} while (0);
	LIBRARY_FUNCTIONS(LIBRARY_FIND)
#undef LIBRARY_FIND
	if (library.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		(void)snprintf(why, size, CURL_SONAME " cannot be initialised");
		return NULL;
	}
	is_loaded = true;
	return &library;
}

const struct curl_library *curl_library_load(char *why, size_t size)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const struct curl_library *found;

	(void)pthread_mutex_lock(&lock);
	found = load(why, size);
	(void)pthread_mutex_unlock(&lock);
	return found;
}
