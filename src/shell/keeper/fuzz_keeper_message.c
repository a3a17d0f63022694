/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a request to the keeper and as its reply. */
#include <assert.h>

#include "shell/keeper/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request request;
	struct reply reply;
	uint8_t again[REPLY_SIZE];

	if (keeper_request_decode(SPAN(data, size), &request) == 0) {
		assert(request.verb < N_VERBS && request.prefix.len <= 128);
		keeper_request_encode(&request, again);
		assert(memcmp(again, data, 12) == 0); /* beyond is a reserved word */
	}
	if (reply_decode(SPAN(data, size), &reply) == 0) {
		assert(reply.result <= 0 && strlen(reply.why) < KEEPER_WHY_SIZE);
		reply_encode(&reply, again);
		assert(memcmp(again, data, 40) == 0);
	}
	return 0;
}
