/* SPDX-License-Identifier: Apache-2.0 */
/* Any packet is clamped and answered with an error without leaving its bytes, and of a packet that
 * was changed only four bytes are: option and checksum. */
#include <assert.h>

#include "core/forward/icmp.h"
#include "core/forward/mss.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t from[16] = { 0xfd, [15] = 1 };
	uint8_t packet[2048], error[ICMP_ERROR_MAX];
	unsigned n_changed = 0;
	bool is_clamped;

	if (size > sizeof(packet))
		return 0;
	if (size > 0)
		memcpy(packet, data, size);
	is_clamped = mss_clamp(packet, size, 1280);
	for (size_t i = 0; i < size; i++)
		n_changed += packet[i] != data[i];
	assert(is_clamped ? n_changed <= 4 : n_changed == 0);
	assert(!is_clamped || mss_is_syn(SPAN(data, size)));
	assert(!mss_clamp(packet, size, 1280)); /* twice is once */
	for (unsigned r = ICMP_TOO_BIG; r <= ICMP_HOPS_EXHAUSTED; r++) {
		size_t len = icmp_error((enum icmp_reason)r, from, 1280, SPAN(data, size), error);

		assert(len <= ICMP_ERROR_MAX);
		/* and an error is never answered */
		if (len > 0) {
			uint8_t again[ICMP_ERROR_MAX];

			assert(icmp_error(ICMP_NO_ROUTE, from, 0, SPAN(error, len), again) == 0);
		}
	}
	return 0;
}
