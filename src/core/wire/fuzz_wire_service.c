/* SPDX-License-Identifier: Apache-2.0 */
/* Any plaintext as a service message. */
#include <stdlib.h>

#include "core/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[WIRE_SERVICE_MAX + 8];
	struct wire_service_message m;

	if (wire_service_decode(SPAN(data, size), &m) == 0 &&
	    (wire_service_encode(&m, again, sizeof(again)) != (int)size ||
	     memcmp(again, data, size) != 0))
		abort();
	return 0;
}
