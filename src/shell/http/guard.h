/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - what is looked at in the head of a request before anybody acts on it. Pure functions of
 * texts. Inside the room only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shell/http/http.h"

struct guard_hosts {
	size_t n;
	char names[HTTP_HOSTS_MAX][HTTP_HOST_MAX];
};

/* The name of "name", "name:port", "[address]" or "[address]:port", in lower case and without
 * brackets and a final dot. -EBADMSG. */
int guard_host_name(const char *text, char ret[HTTP_HOST_MAX]);

/* Whether a Host header names this machine or this node: a loopback name, an address of the
 * loopback, or one of the list. Anything else may be a foreign name that was made to point here
 * (DNS rebinding). */
bool guard_host_is_ours(const char *host, const struct guard_hosts *hosts);

/* Whether a page from this Origin (RFC 6454) may ask: its host and port are those of the Host
 * header. "" is a client that is no browser. */
bool guard_origin_is_ours(const char *origin, const char *host);

/* Content-Length (RFC 9110 8.6): digits alone, since two of them or a sign are how requests are
 * smuggled past whoever reads them differently (RFC 9112 11.2). -EBADMSG, -EMSGSIZE. */
int guard_content_length(const char *text, size_t max, size_t *ret);

/* Whether an Accept-Encoding (RFC 9110 12.5.3) takes gzip by name: "*" alone is not enough. */
bool guard_accepts_gzip(const char *text);

/* No control characters, and UTF-8 (RFC 3629). */
bool guard_text_is_plain(struct span text);
