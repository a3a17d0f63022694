/* SPDX-License-Identifier: Apache-2.0 */
/* Any datagram: what decodes encodes to the same bytes. */
#include <stdlib.h>

#include "core/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[WIRE_DATAGRAM_MAX];
	struct wire_handshake handshake;
	struct wire_cookie cookie;
	struct wire_transport transport;

	if (wire_handshake_decode(SPAN(data, size), &handshake) == 0) {
		require(wire_handshake_encode(&handshake, again, sizeof(again)) == (int)size);
		require(memcmp(again, data, size - 2 * (size_t)WIRE_MAC_LEN) == 0);
		require(handshake.mac2 + WIRE_MAC_LEN == data + size);
	}
	if (wire_cookie_decode(SPAN(data, size), &cookie) == 0)
		require(cookie.sealed + 32 == data + size && cookie.clear.len == 24);
	if (wire_transport_decode(SPAN(data, size), &transport) == 0) {
		wire_transport_encode(&transport, again);
		require(memcmp(again, data, WIRE_HEADER_LEN) == 0);
	}
	return 0;
}
