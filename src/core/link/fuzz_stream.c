/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds a stream packets, each preceded by its length, and reads what comes out. */
#include <stdlib.h>

#include "base/bytes.h"
#include "core/link/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(SPAN(data, size));
	uint8_t packet[STREAM_PACKET_MAX];
	struct stream_record record;
	struct stream *s;
	size_t len;
	uint64_t now_us = 0;

	if (stream_new(&s) < 0)
		return 0;
	for (unsigned i = 0; i < 4; i++)
		(void)stream_push(s, RECORD_ROUTE_UPDATE, SPAN_STR("body"), true, now_us);
	while (r.left > 0 && !r.overrun) {
		struct span plaintext = read_span(&r, read_u16(&r));

		now_us += 20000;
		(void)stream_next_packet(s, now_us, packet, &len);
		(void)stream_input(s, plaintext, now_us);
		while (stream_next_record(s, &record))
			if (record.body.len > STREAM_RECORD_MAX)
				abort();
	}
	stream_free(s);
	return 0;
}
