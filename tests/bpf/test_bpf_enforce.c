/* SPDX-License-Identifier: Apache-2.0 */
/* Enforce: the kernel runs it on frames made here, and what it says is compared with what policy
 * and the daemon's flows say of the same. Takes root. */
#include <errno.h>

#include "core/forward/forward.h"
#include "core/policy/compiled.h"
#include "program_test.h"

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
	if (i.is_later_fragment)
		return true; /* left to user space, which knows whose first one it let in */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_kernel_denies_what_policy_denies_and_nothing_else),
		TEST(denied_packets_are_sampled),
		TEST(a_sender_that_is_not_known_is_denied_and_others_addresses_are_left_alone),
		TEST(more_kinds_of_senders_than_there_is_room_for_are_left_to_user_space),
	};

	prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
