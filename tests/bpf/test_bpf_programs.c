/* SPDX-License-Identifier: Apache-2.0 */
/* The programs themselves: the kernel runs them on frames made here (BPF_PROG_TEST_RUN), and what
 * they say is compared with what user space says of the same. Takes root. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "base/cleanup.h"
#include "base/rng.h"
#include "base/siphash.h"
#include "core/forward/forward.h"
#include "core/handshake/schedule.h"
#include "core/policy/compiled.h"
#include "core/wire/wire.h"
#include "shell/bpf/bpf.h"

#define PORT 26969
#define DROP 2
#define ON (-1) /* TC_ACT_UNSPEC: to the next program */

struct world {
	struct ebpf_host *host;
	struct ebpf_view *view;
	struct ebpf_table *table;
	struct rng rng;
	uint8_t frame[2048];
	size_t len;
};

static struct ebpf_options options;
static const uint8_t overlay[16] = { 0xfd, 1, 2, 3, 4, 5 };

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char why[EBPF_WHY_SIZE] = "";

	*state = w;
	rng_seed(&w->rng, 1);
	if (ebpf_host_new(&options, &w->host, why) < 0) {
		print_message("NOT tested: %s\n", why);
		return 0;
	}
	assert_int_equal(ebpf_view_new(dup(ebpf_host_fd(w->host, EBPF_FD_TABLE)),
				       dup(ebpf_host_fd(w->host, EBPF_FD_RULES)),
				       dup(ebpf_host_fd(w->host, EBPF_FD_RING)), &w->view),
			 0);
	w->table = mmap(NULL, sizeof(*w->table), PROT_READ | PROT_WRITE, MAP_SHARED,
			ebpf_host_fd(w->host, EBPF_FD_TABLE), 0);
	assert_true(w->table != MAP_FAILED);
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	if (w->host)
		(void)munmap(w->table, sizeof(*w->table));
	ebpf_view_free(w->view);
	ebpf_host_free(w->host);
	free(w);
	return 0;
}

static struct world *world(void **state)
{
	struct world *w = *state;

	if (!w->host)
		skip();
	return w;
}

static int run(const struct world *w, const char *function)
{
	int verdict;
	unsigned ns;

	assert_int_equal(ebpf_host_try(w->host, function, w->frame, w->len, 1, &verdict, &ns), 0);
	return verdict;
}

static uint64_t count(const struct world *w, enum ebpf_guard_count which)
{
	struct ebpf_slot sum;

	ebpf_view_sum(w->view, &sum);
	return sum.guard[which];
}

/* ---- frames ---- */

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* An address of the network 2001:db8:0:NETWORK::/64. */
static void source_of(unsigned network, uint8_t ret[16])
{
	memset(ret, 0, 16);
	ret[0] = 0x20;
	ret[1] = 0x01;
	ret[2] = 0x0d;
	ret[3] = 0xb8;
	put16(ret + 6, network);
	ret[15] = 1;
}

static uint8_t *udp_frame(struct world *w, unsigned network, unsigned port, size_t payload_len)
{
	uint8_t *ip = w->frame + 14;

	memset(w->frame, 0, sizeof(w->frame));
	put16(w->frame + 12, 0x86dd);
	ip[0] = 0x60;
	put16(ip + 4, (unsigned)payload_len + 8);
	ip[6] = 17;
	ip[7] = 64;
	source_of(network, ip + 8);
	ip[24 + 15] = 1; /* ::1, an address of this machine */
	put16(ip + 40, 40000);
	put16(ip + 42, port);
	put16(ip + 44, (unsigned)payload_len + 8);
	w->len = 14 + 40 + 8 + payload_len;
	return ip + 48;
}

static uint8_t *udp4_frame(struct world *w, unsigned port, size_t payload_len)
{
	uint8_t *ip = w->frame + 14;
	static const uint8_t addresses[8] = { 192, 0, 2, 1, 127, 0, 0, 1 };

	memset(w->frame, 0, sizeof(w->frame));
	put16(w->frame + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)payload_len + 28);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, addresses, sizeof(addresses));
	put16(ip + 22, port);
	w->len = 14 + 20 + 8 + payload_len;
	return ip + 28;
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

/* ---- enforce ---- */

static const char *const froms[] = { "*", "spiffe://m/node/a", "spiffe://m/node/*" };
static const char *const resources[] = { "*",	   "tcp:*",   "tcp:443", "udp:53",  "udp:5*",
					 "icmpv6", "proto:*", "tcp:0",	 "proto:47" };

static struct policy *random_policy(struct rng *rng)
{
	static struct policy_rule rules[6];
	struct policy *p;
	size_t n = 1 + rng_below(rng, N_ELEMENTS(rules));

	for (size_t i = 0; i < n; i++) {
		rules[i] = (struct policy_rule){
			.effect = rng_below(rng, 3) ? POLICY_ALLOW : POLICY_DENY,
			.action = rng_below(rng, 4) ? POLICY_CONNECT : POLICY_PING,
		};
		(void)snprintf(rules[i].from, sizeof(rules[i].from), "%s",
			       froms[rng_below(rng, N_ELEMENTS(froms))]);
		(void)snprintf(rules[i].resource, sizeof(rules[i].resource), "%s",
			       resources[rng_below(rng, N_ELEMENTS(resources))]);
	}
	assert_int_equal(policy_new(rules, n, &p), 0);
	return p;
}

static void overlay_address(uint64_t id, uint8_t ret[16])
{
	memcpy(ret, overlay, 16);
	store_u64(ret + 8, id);
}

static const char *const names[] = { "spiffe://m/node/a", "spiffe://m/node/b", "spiffe://m/x" };
#define OWN 9

static void put_rules(struct world *w, const struct policy *p)
{
	static struct policy_ports may;
	struct policy_compiler *c;
	struct ebpf_class class;

	assert_int_equal(policy_compiler_new(p, &c), 0);
	ebpf_view_senders_begin(w->view, true);
	for (unsigned i = 0; i < N_ELEMENTS(names); i++) {
		policy_compile(c, names[i], &may);
		memcpy(&class, &may, sizeof(class));
		ebpf_view_sender_put(w->view, i + 1, &class);
	}
	ebpf_view_senders_end(w->view);
	policy_compiler_free(c);
}

/* An inner packet behind an Ethernet header, from or to a member: random headers, some of them
 * extensions, fragments, cut short. */
static void inner_frame(struct world *w, uint64_t member, bool is_outbound)
{
	static const uint8_t protocols[] = { 6, 6, 6, 17, 17, 58, 58, 47, 59, 0, 43, 44, 60, 255 };
	static const unsigned ports[] = { 0, 53, 54, 80, 443, 5000, 65535 };
	uint8_t *ip = w->frame + 14, *at = ip + 40, *next = ip + 6;
	uint8_t p = protocols[rng_below(&w->rng, N_ELEMENTS(protocols))];
	size_t len;

	memset(w->frame, 0, sizeof(w->frame));
	put16(w->frame + 12, 0x86dd);
	ip[0] = 0x60;
	for (unsigned i = 0; i < 10 && (p == 0 || p == 43 || p == 44 || p == 60); i++) {
		*next = p;
		next = at;
		at[1] = p == 44 ? 0 : (uint8_t)rng_below(&w->rng, 3);
		if (p == 44)
			put16(at + 2, rng_below(&w->rng, 3) ? 0 : 8);
		at += 8 + (p == 44 ? 0 : at[1] * 8);
		if (rng_below(&w->rng, 12)) /* else there is no end of them */
			p = protocols[rng_below(&w->rng, 8)];
	}
	*next = p;
	put16(at, ports[rng_below(&w->rng, N_ELEMENTS(ports))]);
	put16(at + 2, ports[rng_below(&w->rng, N_ELEMENTS(ports))]);
	put16(at + 4, (unsigned)rng_below(&w->rng, 3));
	at[13] = (uint8_t)(rng_below(&w->rng, 2) ? 0x02 : rng_below(&w->rng, 256));
	if (p == 58)
		at[0] = (uint8_t)(rng_below(&w->rng, 4) ? 128 + rng_below(&w->rng, 2) : 135);
	len = (size_t)(at - ip) + rng_below(&w->rng, 40);
	put16(ip + 4, (unsigned)len - 40);
	overlay_address(is_outbound ? OWN : member, ip + 8);
	overlay_address(is_outbound ? member : OWN, ip + 24);
	w->len = 14 + len;
}

/* As core/node/path.c asks. What was decided is remembered by flow, and of ICMPv6 the flow of an
 * echo request is that of an answer too: a ping that was allowed lets other ICMPv6 of its number in
 * there. The kernel asks the policy each time, and so does this for ICMPv6. */
static bool user_space_allows(const struct world *w, struct flows *flows, struct flows *outbound,
			      const struct policy *p, uint64_t member, uint64_t now_us)
{
	char resource[FLOW_RESOURCE_SIZE];
	struct inner i;
	bool is_icmp;
	enum policy_effect e;

	if (inner_parse(SPAN(w->frame + 14, w->len - 14), &i) < 0)
		return false; /* headers without an end */
	is_icmp = i.protocol == 58;
	switch (flows_inbound(is_icmp ? outbound : flows, 1, &i, now_us)) {
	case FLOW_KNOWN:
		return true;
	case FLOW_DENIED:
		return false;
	case FLOW_NEW:
		break;
	}
	inner_resource(&i, resource);
	e = policy_decide(p, names[member - 1], i.is_echo_request ? POLICY_PING : POLICY_CONNECT,
			  resource, NULL);
	if (!is_icmp)
		flows_decide(flows, 1, &i, e == POLICY_ALLOW, now_us);
	return e == POLICY_ALLOW;
}

/* One policy, many packets in both directions. */
static void compare(struct world *w, const struct policy *p, unsigned n, unsigned counts[2])
{
	static const uint8_t hash_key[16];
	struct flows *flows, *outbound;
	struct inner i;

	assert_int_equal(flows_new(hash_key, &flows), 0);
	assert_int_equal(flows_new(hash_key, &outbound), 0);
	put_rules(w, p);
	for (unsigned k = 0; k < n; k++) {
		uint64_t member = 1 + rng_below(&w->rng, N_ELEMENTS(names));
		bool is_outbound = rng_below(&w->rng, 8) == 0;
		bool is_allowed;
		int verdict;

		inner_frame(w, member, is_outbound);
		if (is_outbound) {
			if (inner_parse(SPAN(w->frame + 14, w->len - 14), &i) == 0) {
				flows_outbound(flows, &i, k);
				flows_outbound(outbound, &i, k);
			}
			assert_int_equal(run(w, "x0_enforce_out"), ON);
			continue;
		}
		is_allowed = user_space_allows(w, flows, outbound, p, member, k);
		verdict = run(w, "x0_enforce_in");
		if (verdict != (is_allowed ? ON : DROP))
			fail_msg("packet %u of %llu: user space %s, the kernel %s; protocol %u", k,
				 (unsigned long long)member, is_allowed ? "allows" : "denies",
				 verdict == ON ? "allows" : "denies", w->frame[14 + 6]);
		counts[is_allowed]++;
	}
	flows_free(flows);
	flows_free(outbound);
}

static void the_kernel_denies_what_policy_denies_and_nothing_else(void **state)
{
	struct world *w = world(state);
	uint8_t own[16];
	unsigned counts[2] = { 0 };

	overlay_address(OWN, own);
	ebpf_view_set_own(w->view, own);
	for (unsigned round = 0; round < 40; round++) {
		struct world *fresh = w;
		void *next = NULL;
		struct policy *p;

		/* what went out under one policy stays known under the next, on both sides; so
		 * each round has maps of its own */
		if (round > 0) {
			assert_int_equal(set_up(&next), 0);
			fresh = next;
			fresh->rng = w->rng;
			ebpf_view_set_own(fresh->view, own);
		}
		p = random_policy(&fresh->rng);
		compare(fresh, p, 500, counts);
		policy_free(p);
		w->rng = fresh->rng;
		if (next)
			(void)tear_down(&next);
	}
	assert_true(counts[0] > 1000 && counts[1] > 1000);
}

static void denied_packets_are_sampled(void **state)
{
	struct world *w = world(state);
	struct ebpf_denied denied;
	struct policy *p;
	struct ebpf_slot sum;
	uint8_t own[16], from[16];
	unsigned n = 0;

	overlay_address(OWN, own);
	ebpf_view_set_own(w->view, own);
	assert_int_equal(policy_new(NULL, 0, &p), 0);
	put_rules(w, p);
	assert_false(ebpf_view_next_denied(w->view, &denied));
	for (unsigned i = 0; i < 1000; i++) {
		(void)udp_frame(w, 1, 53, 10);
		overlay_address(1, w->frame + 14 + 8);
		overlay_address(OWN, w->frame + 14 + 24);
		assert_int_equal(run(w, "x0_enforce_in"), DROP);
	}
	overlay_address(1, from);
	while (ebpf_view_next_denied(w->view, &denied)) {
		assert_memory_equal(denied.source, from, 16);
		assert_int_equal(denied.destination_port, 53);
		assert_int_equal(denied.protocol, 17);
		n++;
	}
	assert_true(n >= 1 && n <= 2 * EBPF_SAMPLES_A_SECOND);
	ebpf_view_sum(w->view, &sum);
	assert_int_equal(sum.enforce[ENFORCE_DENIED], 1000);
	policy_free(p);
}

static void a_sender_that_is_not_known_is_denied_and_others_addresses_are_left_alone(void **state)
{
	struct world *w = world(state);
	struct policy_rule all = {
		.effect = POLICY_ALLOW, .any_action = true, .from = "*", .resource = "*"
	};
	struct policy *p;
	uint8_t own[16];

	overlay_address(OWN, own);
	ebpf_view_set_own(w->view, own);
	(void)udp_frame(w, 1, 53, 10);
	overlay_address(77, w->frame + 14 + 8);
	overlay_address(OWN, w->frame + 14 + 24);
	assert_int_equal(run(w, "x0_enforce_in"), ON); /* no rules yet */
	assert_int_equal(policy_new(&all, 1, &p), 0);
	put_rules(w, p);
	assert_int_equal(run(w, "x0_enforce_in"), DROP);
	overlay_address(78, w->frame + 14 + 24); /* to somebody else */
	assert_int_equal(run(w, "x0_enforce_in"), ON);
	(void)udp_frame(w, 1, 53, 10); /* from outside the mesh */
	overlay_address(OWN, w->frame + 14 + 24);
	assert_int_equal(run(w, "x0_enforce_in"), ON);
	(void)udp4_frame(w, 53, 10);
	assert_int_equal(run(w, "x0_enforce_in"), ON);
	policy_free(p);
}

static void more_kinds_of_senders_than_there_is_room_for_are_left_to_user_space(void **state)
{
	struct world *w = world(state);
	static struct ebpf_class class;
	uint8_t own[16];

	overlay_address(OWN, own);
	ebpf_view_set_own(w->view, own);
	ebpf_view_senders_begin(w->view, true);
	for (unsigned i = 0; i <= EBPF_CLASSES_MAX; i++) { /* each may use one port, its own */
		memset(&class, 0, sizeof(class));
		class.udp[(100 + i) >> 3] = (uint8_t)(1U << ((100 + i) & 7));
		ebpf_view_sender_put(w->view, 1000 + i, &class);
	}
	ebpf_view_senders_end(w->view);
	assert_int_equal(ebpf_view_classes(w->view), EBPF_CLASSES_MAX);
	for (unsigned i = 0; i <= EBPF_CLASSES_MAX; i++) {
		(void)udp_frame(w, 1, 100 + i, 10);
		overlay_address(1000 + i, w->frame + 14 + 8);
		overlay_address(OWN, w->frame + 14 + 24);
		assert_int_equal(run(w, "x0_enforce_in"), ON);
		put16(w->frame + 14 + 42, 99);
		assert_int_equal(run(w, "x0_enforce_in"), i < EBPF_CLASSES_MAX ? DROP : ON);
	}
	/* senders whose bucket is full, as well */
	ebpf_view_senders_begin(w->view, true);
	for (uint64_t i = 1; i <= EBPF_SENDER_WAYS + 1; i++)
		ebpf_view_sender_put(w->view, i * EBPF_SENDER_BUCKETS, &class);
	ebpf_view_senders_end(w->view);
	overlay_address((EBPF_SENDER_WAYS + 1) * EBPF_SENDER_BUCKETS, w->frame + 14 + 8);
	assert_int_equal(run(w, "x0_enforce_in"), ON);
	overlay_address(EBPF_SENDER_BUCKETS, w->frame + 14 + 8);
	assert_int_equal(run(w, "x0_enforce_in"), DROP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_guard_lets_other_ports_and_protocols_pass),
		TEST(what_has_no_type_of_ours_is_dropped_and_counted),
		TEST(what_is_addressed_to_another_machine_passes),
		TEST(transport_for_a_session_that_is_not_there_is_dropped),
		TEST(a_bucket_that_is_full_lets_its_indices_pass),
		TEST(mac1_is_judged_as_user_space_judges_it),
		TEST(a_network_has_its_rate_and_others_have_theirs),
		TEST(blocked_prefixes_are_dropped),
		TEST(the_meter_counts_what_it_is_shown),
		TEST(the_kernel_denies_what_policy_denies_and_nothing_else),
		TEST(denied_packets_are_sampled),
		TEST(a_sender_that_is_not_known_is_denied_and_others_addresses_are_left_alone),
		TEST(more_kinds_of_senders_than_there_is_room_for_are_left_to_user_space),
	};
	static const uint8_t bad[16] = { 0x20, 1, 0x0d, 0xb8, 0, 0, 0x0b, 0xad };
	static const uint8_t bad_four[16] = { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2 };

	options.ports[0] = PORT;
	options.n_ports = 1;
	options.where = EBPF_WHERE_XDP; /* so that both forms of the guard are loaded */
	memcpy(options.overlay, overlay, sizeof(overlay));
	memcpy(options.blocked[0].ip, bad, 16);
	options.blocked[0].len = 64;
	memcpy(options.blocked[1].ip, bad_four, 16);
	options.blocked[1].len = 120;
	options.n_blocked = 2;
	if (unshare(CLONE_NEWNET) == 0)
		(void)!system("ip link set lo up"); /* NOLINT(cert-env33-c) */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
