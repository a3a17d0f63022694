/* SPDX-License-Identifier: Apache-2.0 */
/* library.h - libcurl, loaded when it is needed. For this room and shell/export.
 *
 * Linked, each start of the command line would load it and the ten libraries that it needs. */
#pragma once

#include <stddef.h>

#define CURL_DISABLE_TYPECHECK /* which makes macros of functions */
#include <curl/curl.h>

#define LIBRARY_FUNCTIONS(X)        \
	X(curl_global_init)         \
	X(curl_easy_init)           \
	X(curl_easy_setopt)         \
	X(curl_easy_getinfo)        \
	X(curl_easy_cleanup)        \
	X(curl_easy_strerror)       \
	X(curl_multi_init)          \
	X(curl_multi_add_handle)    \
	X(curl_multi_remove_handle) \
	X(curl_multi_perform)       \
	X(curl_multi_poll)          \
	X(curl_multi_wakeup)        \
	X(curl_multi_info_read)     \
	X(curl_multi_cleanup)       \
	X(curl_slist_append)        \
	X(curl_slist_free_all)

struct curl_library {
#define LIBRARY_MEMBER(name) __typeof__(&name) name;
	LIBRARY_FUNCTIONS(LIBRARY_MEMBER)
#undef LIBRARY_MEMBER
};

/* NULL and a sentence where it is not installed. Never unloaded. Any thread. */
const struct curl_library *curl_library_load(char *why, size_t size);
