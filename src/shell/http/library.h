/* SPDX-License-Identifier: Apache-2.0 */
/* library.h - libwebsockets, loaded when it is needed. Inside the room only.
 *
 * Linked, each start of the command line would load it, and without it no verb would run. */
#pragma once

#include <libwebsockets.h>

#define LIBRARY_FUNCTIONS(X)              \
	X(lws_set_log_level)              \
	X(lws_create_context)             \
	X(lws_context_destroy)            \
	X(lws_context_user)               \
	X(lws_create_vhost)               \
	X(lws_get_context)                \
	X(lws_adopt_socket_vhost_readbuf) \
	X(lws_set_opaque_user_data)       \
	X(lws_get_opaque_user_data)       \
	X(lws_callback_on_writable)       \
	X(lws_write)                      \
	X(lws_close_reason)               \
	X(lws_is_first_fragment)          \
	X(lws_is_final_fragment)          \
	X(lws_frame_is_binary)

struct library {
#define LIBRARY_MEMBER(name) __typeof__(&name) name;
	LIBRARY_FUNCTIONS(LIBRARY_MEMBER)
#undef LIBRARY_MEMBER
};

/* NULL and a sentence where it is not installed, or is another version. Never unloaded. */
const struct library *library_load(char *why, size_t size);
