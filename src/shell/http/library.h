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
	X(lws_create_vhost)               \
	X(lws_adopt_descriptor_vhost)     \
	X(lws_set_opaque_user_data)       \
	X(lws_get_opaque_user_data)       \
	X(lws_callback_on_writable)       \
	X(lws_set_timeout)                \
	X(lws_write)                      \
	X(lws_http_transaction_completed) \
	X(lws_http_get_uri_and_method)    \
	X(lws_hdr_total_length)           \
	X(lws_hdr_fragment_length)        \
	X(lws_hdr_copy)                   \
	X(lws_hdr_copy_fragment)          \
	X(lws_get_socket_fd)              \
	X(lws_close_reason)               \
	X(lws_is_first_fragment)          \
	X(lws_is_final_fragment)          \
	X(lws_frame_is_binary)            \
	X(lws_send_pipe_choked)

struct library {
#define LIBRARY_MEMBER(name) __typeof__(&name) name;
	LIBRARY_FUNCTIONS(LIBRARY_MEMBER)
#undef LIBRARY_MEMBER
};

/* NULL and a sentence where it is not installed, or is another version. Never unloaded. */
const struct library *library_load(char *why, size_t size);
