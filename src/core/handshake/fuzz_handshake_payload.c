/* SPDX-License-Identifier: Apache-2.0 */
/* Plaintext of M2 and M3, the chain or the join block inside, and params. */
#include <assert.h>

#include "core/handshake/schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void payload(struct span plaintext, bool is_m2)
{
	struct span chain[CHAIN_CERTS_MAX];
	struct join_block block;
	struct payload p;
	size_t n;

	if (payload_decode(plaintext, is_m2, &p) < 0)
		return;
	assert(p.signature && p.confirmation && (!is_m2 || p.warm));
	if (p.field == CHAIN_FIELD_IS_JOIN) {
		assert(!is_m2 && p.token_mac);
		(void)join_block_decode(p.bytes, &block);
	} else if (p.field == CHAIN_FIELD_IS_HASH) {
		assert(p.bytes.len == SHA256_LEN);
	} else {
		(void)chain_decode(p.bytes, chain, &n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct params params;

	payload(SPAN(data, size), true);
	payload(SPAN(data, size), false);
	if (size >= PARAMS_LEN) {
		uint8_t back[PARAMS_LEN];

		params_decode(data, &params);
		params_encode(&params, back);
		assert(memcmp(back, data, PARAMS_LEN) == 0);
	}
	return 0;
}
