/* SPDX-License-Identifier: Apache-2.0 */
/* The guard and the meter: the kernel runs them on frames made here, and what they say is compared
 * with what user space says of the same. Takes root. */
#include <linux/bpf.h>

#include "base/siphash.h"
#include "core/handshake/schedule.h"
#include "core/wire/wire.h"
#include "program_test.h"

static uint64_t count(const struct world *w, enum ebpf_guard_count which)
{
	struct ebpf_slot sum;

	ebpf_view_sum(w->view, &sum);
	return sum.guard[which];
}

static void random_bytes(struct rng *rng, uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)rng_below(rng, 256);
}

/* A fragment of M1 of this length, with mac1 under the key. */
static void handshake_frame(struct world *w, unsigned network, const uint8_t key[16], size_t len)
{
	uint8_t *payload = udp_frame(w, network, PORT, len);

	random_bytes(&w->rng, payload, len);
	payload[0] = WIRE_M1;
	mac1_make(key, SPAN(payload, len), payload + len - 32);
}

/* ---- guard ---- */

static void the_guard_lets_other_ports_and_protocols_pass(void **state)
{
	struct world *w = world(state);

	udp_frame(w, 1, PORT + 1, 100)[0] = 99;
	assert_int_equal(run(w, "x0_guard_tc"), ON);
	udp_frame(w, 1, PORT, 100)[0] = 99;
	w->frame[14 + 6] = 6; /* TCP */
	assert_int_equal(run(w, "x0_guard_tc"), ON);
	udp4_frame(w, PORT, 100)[0] = 99;
	put16(w->frame + 14 + 6, 0x2000); /* a fragment */
	assert_int_equal(run(w, "x0_guard_tc"), ON);
	udp4_frame(w, PORT, 100)[0] = 99;
	w->frame[14] = 0x46; /* IPv4 options */
	assert_int_equal(run(w, "x0_guard_tc"), ON);
	assert_int_equal(count(w, GUARD_SEEN), 0);
}

static void what_has_no_type_of_ours_is_dropped_and_counted(void **state)
{
	struct world *w = world(state);
	unsigned n = 0;

	for (unsigned type = 0; type < 256; type++) {
		if ((type >= WIRE_M1 && type <= WIRE_COOKIE) ||
		    (type >= WIRE_TRANSPORT && type <= WIRE_PROBE))
			continue;
		udp_frame(w, 1, PORT, 100)[0] = (uint8_t)type;
		assert_int_equal(run(w, "x0_guard_tc"), DROP);
		assert_int_equal(run(w, "x0_guard_xdp"), XDP_DROP);
		n += 2;
	}
	assert_int_equal(count(w, GUARD_MALFORMED), n);
	for (size_t len = 1; len < 49; len++) { /* too short for a handshake */
		udp_frame(w, 1, PORT, len)[0] = WIRE_M2;
		assert_int_equal(run(w, "x0_guard_tc"), DROP);
	}
	udp4_frame(w, PORT, 100)[0] = 200;
	assert_int_equal(run(w, "x0_guard_tc"), DROP);
}

static void what_is_addressed_to_another_machine_passes(void **state)
{
	struct world *w = world(state);

	udp_frame(w, 1, PORT, 100)[0] = 99;
	w->frame[14 + 24 + 3] = 7;
	assert_int_equal(run(w, "x0_guard_tc"), ON);
	assert_int_equal(run(w, "x0_guard_xdp"), XDP_PASS);
	assert_int_equal(count(w, GUARD_NOT_OURS), 2);
}

/* Where we listen at one address, another program may have the port of another: its datagrams are
 * not looked at, neither by the guard nor by the meter. */
static void the_same_port_of_another_address_is_somebody_elses(void **state)
{
	static const struct {
		uint8_t listen[16];
		bool is_ipv6, is_ipv4_here, is_ipv4_there;
	} cases[] = {
		{ .listen = { 0 }, .is_ipv6 = true, .is_ipv4_here = true, .is_ipv4_there = true },
		{ .listen = { [15] = 1 }, .is_ipv6 = true },
		{ .listen = { [14] = 1, [15] = 1 } },
		{ .listen = { [10] = 0xff, [11] = 0xff },
		  .is_ipv4_here = true,
		  .is_ipv4_there = true },
		{ .listen = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 },
		  .is_ipv4_here = true },
	};

	(void)world(state);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct world *w;
		void *next = NULL;
		struct ebpf_slot sum;
		int n;

		memcpy(options.listen[0].ip, cases[i].listen, 16);
		assert_int_equal(set_up(&next), 0);
		memset(options.listen[0].ip, 0, 16);
		w = next;
		for (unsigned xdp = 0; xdp < 2; xdp++) {
			const char *guard = xdp ? "x0_guard_xdp" : "x0_guard_tc";
			int drop = xdp ? XDP_DROP : DROP, on = xdp ? XDP_PASS : ON;

			udp_frame(w, 1, PORT, 100)[0] = 99; /* to ::1 */
			assert_int_equal(run(w, guard), cases[i].is_ipv6 ? drop : on);
			udp4_frame(w, PORT, 100)[0] = 200; /* to 127.0.0.1 */
			assert_int_equal(run(w, guard), cases[i].is_ipv4_here ? drop : on);
			w->frame[14 + 19] = 2; /* 127.0.0.2, which is this machine's as well */
			(void)run(w, guard);
		}
		n = cases[i].is_ipv6 + cases[i].is_ipv4_here + cases[i].is_ipv4_there;
		assert_int_equal(count(w, GUARD_SEEN), 2 * n);
		(void)udp_frame(w, 1, PORT, 100);
		assert_int_equal(run(w, "x0_meter_in"), ON);
		(void)udp4_frame(w, PORT, 100);
		assert_int_equal(run(w, "x0_meter_in"), ON);
		w->frame[14 + 19] = 2;
		assert_int_equal(run(w, "x0_meter_in"), ON);
		ebpf_view_sum(w->view, &sum);
		assert_int_equal(sum.meter[EBPF_IN][METER_PACKETS], n);
		(void)tear_down(&next);
	}
}

static void what_goes_out_from_another_address_is_not_metered(void **state)
{
	struct world *w;
	void *next = NULL;
	struct ebpf_slot sum;

	(void)world(state);
	source_of(1, options.listen[0].ip);
	assert_int_equal(set_up(&next), 0);
	memset(options.listen[0].ip, 0, 16);
	w = next;
	for (unsigned network = 1; network < 3; network++) {
		(void)udp_frame(w, network, 99, 100);
		put16(w->frame + 14 + 40, PORT);
		assert_int_equal(run(w, "x0_meter_out"), ON);
	}
	ebpf_view_sum(w->view, &sum);
	assert_int_equal(sum.meter[EBPF_OUT][METER_PACKETS], 1);
	(void)tear_down(&next);
}

static void transport_frame(struct world *w, uint32_t index)
{
	uint8_t *payload = udp_frame(w, 1, PORT, 100);

	payload[0] = WIRE_TRANSPORT;
	store_u32(payload + 4, index);
}

static void transport_for_a_session_that_is_not_there_is_dropped(void **state)
{
	struct world *w = world(state);
	static uint32_t indices[6000];

	transport_frame(w, 12345);
	assert_int_equal(run(w, "x0_guard_tc"), ON); /* nobody keeps the table yet */
	ebpf_view_indices_begin(w->view);
	for (size_t i = 0; i < N_ELEMENTS(indices); i++) {
		indices[i] = (uint32_t)rng_below(&w->rng, UINT32_MAX) | 1;
		ebpf_view_indices_put(w->view, indices[i], 1 + i % 1000);
	}
	ebpf_view_indices_end(w->view);
	for (size_t i = 0; i < N_ELEMENTS(indices); i += 7) {
		transport_frame(w, indices[i]);
		assert_int_equal(run(w, "x0_guard_tc"), ON);
		assert_int_equal(run(w, "x0_guard_xdp"), XDP_PASS);
	}
	transport_frame(w, 0);
	assert_int_equal(run(w, "x0_guard_tc"), DROP);
	for (unsigned i = 0; i < 1000; i++) { /* odd ones are in, these are not */
		transport_frame(w, (uint32_t)rng_below(&w->rng, UINT32_MAX) & ~1U);
		(void)run(w, "x0_guard_tc");
	}
	assert_true(count(w, GUARD_UNKNOWN_INDEX) > 990); /* but for buckets that were full */
	/* and those that ended are unknown again */
	ebpf_view_indices_begin(w->view);
	ebpf_view_indices_put(w->view, indices[0], 1);
	ebpf_view_indices_end(w->view);
	transport_frame(w, indices[0]);
	assert_int_equal(run(w, "x0_guard_tc"), ON);
	transport_frame(w, indices[1]);
	assert_int_equal(run(w, "x0_guard_tc"), DROP);
}

static void a_bucket_that_is_full_lets_its_indices_pass(void **state)
{
	struct world *w = world(state);

	ebpf_view_indices_begin(w->view);
	for (uint32_t i = 1; i <= EBPF_INDEX_WAYS + 1; i++)
		ebpf_view_indices_put(w->view, i << 12 | 5, i);
	ebpf_view_indices_end(w->view);
	for (uint32_t i = 1; i <= EBPF_INDEX_WAYS + 2; i++) {
		transport_frame(w, i << 12 | 5);
		assert_int_equal(run(w, "x0_guard_tc"), ON);
	}
	transport_frame(w, 1 << 12 | 6);
	assert_int_equal(run(w, "x0_guard_tc"), DROP);
}

static void mac1_is_judged_as_user_space_judges_it(void **state)
{
	struct world *w = world(state);
	uint8_t keys[2][16], other[16];

	random_bytes(&w->rng, &keys[0][0], sizeof(keys));
	random_bytes(&w->rng, other, sizeof(other));
	ebpf_view_set_keys(w->view, (const uint8_t(*)[16])keys, 2);
	for (size_t len = 49; len <= 1432; len += len < 80 || len > 1220 ? 1 : 13) {
		unsigned network = (unsigned)(len / 8); /* each within its rate */

		for (unsigned k = 0; k < 2; k++) {
			handshake_frame(w, network, keys[k], len);
			assert_int_equal(run(w, "x0_guard_tc"), ON);
			assert_int_equal(run(w, "x0_guard_xdp"), XDP_PASS);
		}
		handshake_frame(w, network, other, len);
		assert_int_equal(run(w, "x0_guard_tc"), DROP);
		assert_int_equal(run(w, "x0_guard_xdp"), XDP_DROP);
		handshake_frame(w, network, keys[0], len);
		w->frame[62 + rng_below(&w->rng, len - 16)] ^= 0x10; /* not mac2, nor the type */
		w->frame[62] = WIRE_M1;
		if (!mac1_is_good(keys[0], SPAN(w->frame + 62, len)))
			assert_int_equal(run(w, "x0_guard_tc"), DROP);
	}
	ebpf_view_set_keys(w->view, (const uint8_t(*)[16])keys, 1); /* the old one is over */
	handshake_frame(w, 900, keys[1], 100);
	assert_int_equal(run(w, "x0_guard_tc"), DROP);
	ebpf_view_set_keys(w->view, NULL, 0); /* nobody told one */
	assert_int_equal(run(w, "x0_guard_tc"), ON);
}

static void a_network_has_its_rate_and_others_have_theirs(void **state)
{
	struct world *w = world(state);
	uint8_t key[1][16] = { { 1 } };
	unsigned n_passed = 0;

	ebpf_view_set_keys(w->view, (const uint8_t(*)[16])key, 1);
	handshake_frame(w, 1, key[0], 60);
	for (unsigned i = 0; i < 20000; i++)
		n_passed += run(w, "x0_guard_tc") == ON;
	/* a burst of a second, and as much as that took */
	assert_true(n_passed >= 2000 && n_passed < 4000);
	assert_true(count(w, GUARD_OVER_NETWORK) > 15000);
	handshake_frame(w, 2, key[0], 60); /* another network of the same prefix */
	assert_int_equal(run(w, "x0_guard_tc"), ON);
	n_passed = 0;
	for (unsigned i = 0; i < 20000; i++) {
		handshake_frame(w, 10 + i % 100, key[0], 60);
		n_passed += run(w, "x0_guard_tc") == ON;
	}
	assert_true(count(w, GUARD_OVER_PREFIX) > 10000); /* of the prefix, by all its networks */
	handshake_frame(w, 0x100, key[0], 60);		  /* another prefix */
	assert_int_equal(run(w, "x0_guard_tc"), ON);
}

static void blocked_prefixes_are_dropped(void **state)
{
	struct world *w = world(state); /* blocked: 2001:db8:0:bad::/64 and 192.0.2.0/24 */

	udp_frame(w, 0xbad, PORT, 100)[0] = WIRE_TRANSPORT;
	assert_int_equal(run(w, "x0_guard_tc"), DROP);
	udp_frame(w, 0xbae, PORT, 100)[0] = WIRE_TRANSPORT;
	assert_int_equal(run(w, "x0_guard_tc"), ON);
	udp4_frame(w, PORT, 100)[0] = WIRE_TRANSPORT;
	assert_int_equal(run(w, "x0_guard_tc"), DROP);
	w->frame[14 + 12 + 2] = 3; /* 192.0.3.1 */
	assert_int_equal(run(w, "x0_guard_tc"), ON);
	assert_int_equal(count(w, GUARD_BLOCKED), 2);
}

/* ---- meter ---- */

static void the_meter_counts_what_it_is_shown(void **state)
{
	struct world *w = world(state);
	struct ebpf_slot sum;
	uint64_t bytes = 0;

	ebpf_view_indices_begin(w->view);
	ebpf_view_indices_put(w->view, 77, 4711);
	ebpf_view_indices_end(w->view);
	for (size_t len = 16; len <= 1400; len += 16) {
		uint8_t *payload = udp_frame(w, 1, PORT, len);

		payload[0] = len % 32 ? WIRE_PROBE : WIRE_M1;
		store_u32(payload + 4, 77);
		assert_int_equal(run(w, "x0_meter_in"), ON);
		bytes += len;
	}
	(void)udp_frame(w, 1, PORT + 1, 100);
	assert_int_equal(run(w, "x0_meter_in"), ON);
	(void)udp_frame(w, 1, PORT, 100);
	put16(w->frame + 14 + 40, PORT); /* its source */
	assert_int_equal(run(w, "x0_meter_out"), ON);
	ebpf_view_sum(w->view, &sum);
	assert_int_equal(sum.meter[EBPF_IN][METER_PACKETS], 87);
	assert_int_equal(sum.meter[EBPF_IN][METER_BYTES], bytes);
	assert_int_equal(sum.meter[EBPF_IN][METER_PROBES], 44);
	assert_int_equal(sum.meter[EBPF_IN][METER_HANDSHAKES], 43);
	assert_int_equal(sum.meter[EBPF_OUT][METER_PACKETS], 1);
	assert_int_equal(sum.meter[EBPF_OUT][METER_BYTES], 100);
	assert_int_equal(sum.sizes[EBPF_IN][0], 3); /* 16, 32, 48 */
	assert_int_equal(sum.sizes[EBPF_IN][1], 4);
	assert_int_equal(sum.sizes[EBPF_OUT][1], 1);
	for (unsigned i = 0; i < EBPF_PEERS_MAX; i++)
		if (w->table->peers[i].id == 4711)
			assert_int_equal(w->table->peers[i].packets, 44);
}

/* ---- hashed MAC addresses ---- */

#define MACS 3

struct macs {
	uint64_t keys[MACS + 1];
	struct ebpf_mac counts[MACS + 1];
	unsigned n;
};

static void on_mac(void *arg, const void *key, const void *value)
{
	struct macs *m = arg;

	assert_true(m->n <= MACS);
	memcpy(&m->keys[m->n], key, sizeof(m->keys[0]));
	memcpy(&m->counts[m->n++], value, sizeof(m->counts[0]));
}

/* The map of the meter that is attached to one end of a veth. */
static void read_macs(const struct world *w, struct macs *ret)
{
	uint32_t id = 0;

	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++)
		if (w->table->attachments[i].mode != EBPF_MODE_NONE &&
		    w->table->attachments[i].program == EBPF_METER)
			id = w->table->attachments[i].id;
	assert_true(id != 0);
	*ret = (struct macs){ 0 };
	assert_int_equal(ebpf_map_each(id, "x0_macs", sizeof(uint64_t), sizeof(struct ebpf_mac),
				       MACS + 1, on_mac, ret),
			 0);
}

static bool has_bytes(const void *in, size_t in_len, const uint8_t *what, size_t len)
{
	return memmem(in, in_len, what, len) != NULL;
}

/* By both ways and each in its place of the frame; returns what the map has of each. */
static void meter_macs(struct world *w, const uint8_t macs[MACS][6], struct macs *ret)
{
	for (unsigned i = 0; i < MACS; i++) {
		(void)udp_frame(w, 1, PORT, 100);
		memcpy(w->frame + 6, macs[i], 6);
		assert_int_equal(run(w, "x0_meter_in"), ON);
		assert_int_equal(run(w, "x0_meter_in"), ON);
		put16(w->frame + 14 + 40, PORT);
		memset(w->frame + 6, 0, 6);
		memcpy(w->frame, macs[i], 6);
		assert_int_equal(run(w, "x0_meter_out"), ON);
	}
	read_macs(w, ret);
	assert_int_equal(ret->n, MACS);
}

static void of_a_mac_address_only_its_keyed_hash_is_kept(void **state)
{
	static const uint8_t macs[MACS][6] = { { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 },
					       { 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54 },
					       { 0x02, 0x11, 0x22, 0x33, 0x44, 0x56 } };
	struct macs found[2];

	(void)world(state);
	if (system("ip link add va type veth peer name vb && ip link set va up") != 0) /* NOLINT */
		fail_msg("no veth");
	for (unsigned start = 0; start < 2; start++) {
		void *next = NULL;
		struct world *w;

		assert_int_equal(set_up(&next), 0);
		w = next;
		meter_macs(w, macs, &found[start]);
		for (unsigned i = 0; i < MACS; i++) {
			const uint8_t backwards[6] = { macs[i][5], macs[i][4], macs[i][3],
						       macs[i][2], macs[i][1], macs[i][0] };
			const struct span text = SPAN(macs[i], 6);
			uint8_t key[16];
			uint64_t hash;
			unsigned at = 0;

			memcpy(key, w->table->mac_key, sizeof(key));
			hash = siphash64(key, &text, 1);
			while (at < MACS && found[start].keys[at] != hash)
				at++;
			if (at == MACS)
				fail_msg("MAC address %u is not there by its hash", i);
			assert_int_equal(found[start].counts[at].packets[EBPF_IN], 2);
			assert_int_equal(found[start].counts[at].packets[EBPF_OUT], 1);
			assert_int_equal(found[start].counts[at].bytes[EBPF_IN], 200);
			assert_false(has_bytes(&found[start], sizeof(found[start]), macs[i], 6));
			assert_false(has_bytes(&found[start], sizeof(found[start]), backwards, 6));
		}
		(void)tear_down(&next);
	}
	/* the next start has a key of its own: nobody is recognised */
	for (unsigned i = 0; i < MACS; i++)
		for (unsigned k = 0; k < MACS; k++)
			assert_true(found[0].keys[i] != found[1].keys[k]);
	(void)!system("ip link del va"); /* NOLINT(cert-env33-c) */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_guard_lets_other_ports_and_protocols_pass),
		TEST(what_has_no_type_of_ours_is_dropped_and_counted),
		TEST(what_is_addressed_to_another_machine_passes),
		TEST(the_same_port_of_another_address_is_somebody_elses),
		TEST(what_goes_out_from_another_address_is_not_metered),
		TEST(transport_for_a_session_that_is_not_there_is_dropped),
		TEST(a_bucket_that_is_full_lets_its_indices_pass),
		TEST(mac1_is_judged_as_user_space_judges_it),
		TEST(a_network_has_its_rate_and_others_have_theirs),
		TEST(blocked_prefixes_are_dropped),
		TEST(the_meter_counts_what_it_is_shown),
		TEST(of_a_mac_address_only_its_keyed_hash_is_kept),
	};

	prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
