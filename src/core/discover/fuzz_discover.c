/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a datagram; then as bodies under the right key, so that what comes behind the seal
 * is reached, one after the other into one node. */
#include <assert.h>

#include "base/units.h"
#include "core/crypto/sim_null.h"
#include "core/discover/discover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SELF 7
#define STEP_LEN (2 + BEACON_BODY_LEN) /* how long later, what else is done; the body */

static void fill(void *arg, uint8_t *ret, size_t len)
{
	struct rng *rng = arg;

	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(rng);
}

static bool is_linked(void *arg, uint64_t node_id, uint32_t boot_epoch)
{
	(void)arg;
	(void)boot_epoch;
	return node_id % 3 == 0;
}

static void drain(struct discover *d, uint8_t challenge[BEACON_CHALLENGE_LEN],
		  const struct beacon_keys *keys)
{
	struct discover_action a;
	struct beacon b;

	while (discover_next_action(d, &a)) {
		if (a.type == DISCOVER_MEET) {
			assert(a.node_id != 0 && a.node_id != SELF && a.endpoint.port != 0);
			continue;
		}
		assert(beacon_open(sim_null_ops(), keys, SPAN_OF(a.data), &b) == 0);
		assert(b.node_id == SELF && b.port == 26969);
		if (a.type == DISCOVER_SEND)
			assert(a.endpoint.port == DISCOVER_PORT && b.type == BEACON_ANSWER);
		else
			memcpy(challenge, b.challenge, sizeof(b.challenge));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t network_key[1][NETWORK_KEY_LEN] = { { 1, 2, 3 } };
	struct endpoint from = { .ip = { 0xfe, 0x80, [15] = 9 },
				 .port = DISCOVER_PORT,
				 .scope = 1 };
	uint8_t challenge[BEACON_CHALLENGE_LEN] = { 0 };
	uint8_t salt[BEACON_SALT_LEN] = { 0 };
	struct rng rng = { { 1, 2, 3, 4 } };
	uint64_t now_us = SECONDS(100);
	struct beacon_keys keys;
	struct discover *d;
	const struct discover_config config = {
		.ops = sim_null_ops(),
		.entropy = { .fill = fill, .arg = &rng },
		.self = SELF,
		.boot_epoch = 1,
		.port_ipv4 = 26969,
		.port_ipv6 = 26969,
		.is_linked = is_linked,
	};

	if (discover_new(&config, &d) < 0)
		return 0;
	beacon_keys_derive(config.ops, network_key[0], &keys);
	discover_set_keys(d, network_key, 1);
	(void)discover_interface_add(d, 1, true, true, now_us);
	discover_input(d, 1, &from, SPAN(data, size), now_us);
	while (size >= STEP_LEN) {
		uint8_t sealed[BEACON_LEN];
		struct beacon b;

		now_us += MS(data[0]);
		discover_tick(d, now_us);
		drain(d, challenge, &keys);
		if (beacon_decode(SPAN(data + 2, BEACON_BODY_LEN), &b) == 0) {
			uint8_t again[BEACON_BODY_LEN];

			beacon_encode(&b, again);
			assert(memcmp(again, data + 2, sizeof(again)) == 0);
			if (data[1] & 1) /* an answer to what was asked */
				memcpy(b.challenge, challenge, sizeof(challenge));
			from.ip[15] = data[1];
			salt[0]++;
			if (beacon_seal(config.ops, &keys, salt, &b, sealed) == 0)
				discover_input(d, 1, &from, SPAN_OF(sealed), now_us);
		}
		drain(d, challenge, &keys);
		(void)discover_deadline_us(d);
		data += STEP_LEN;
		size -= STEP_LEN;
	}
	discover_free(d);
	return 0;
}
