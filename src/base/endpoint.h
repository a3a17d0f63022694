/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.h - where a datagram comes from or goes to: IP address, port, and the scope of a
 * link-local address. IPv4 is kept as an IPv4-mapped address (RFC 4291 2.5.5.2). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct endpoint {
	uint8_t ip[16];
	uint16_t port;
	uint32_t scope; /* interface index of a link-local address, else 0 */
};

#define ENDPOINT_TEXT_SIZE 64 /* "[fe80:...%4294967295]:65535" and a NUL */

/* Here, so that the packet path compares without a call. */
static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a->ip, sizeof(x));
	memcpy(y, b->ip, sizeof(y));
	return x[0] == y[0] && x[1] == y[1] && a->port == b->port && a->scope == b->scope;
}

bool endpoint_is_ipv4(const struct endpoint *e);
bool endpoint_is_null(const struct endpoint *e);
bool endpoint_is_link_local(const struct endpoint *e);
/* "192.0.2.1:26969" or "[2001:db8::1]:26969", "[fe80::1%3]:26969". */
void endpoint_format(const struct endpoint *e, char ret[ENDPOINT_TEXT_SIZE]);
/* The reverse; numeric only, the port may be left out and is default_port then. -EINVAL. */
int endpoint_parse(const char *text, uint16_t default_port, struct endpoint *ret);
