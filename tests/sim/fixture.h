/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.h - small simulated meshes for tests. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/node/node_internal.h"
#include "shell/openssl/crypto_openssl.h"
#include "sim/sim.h"

#define NODES_MAX 12

static struct sim_pki *pki;
static const struct sim_link_quality lan = { .delay_us = 1000 };

/* What the last run told, by node and type. */
static unsigned n_events[NODES_MAX][EVENT_N_TYPES];
static struct node_event last_event[NODES_MAX][EVENT_N_TYPES];

static void watch(void *arg, size_t node, const struct node_event *e, uint64_t now_us)
{
	(void)arg;
	(void)now_us;
	n_events[node][e->type]++;
	last_event[node][e->type] = *e;
}

static int make_pki(void **state)
{
	const char *error = "";
	const struct crypto_ops *ops = openssl_crypto_ops(&error);

	(void)state;
	if (!ops) {
		print_message("no cryptography: %s\n", error);
		return -1;
	}
	return sim_pki_new(ops, NODES_MAX, &pki);
}

static int drop_pki(void **state)
{
	(void)state;
	sim_pki_free(pki);
	return 0;
}

static bool (*tap)(void *arg, size_t link, bool to_b, struct span datagram);
static struct session_limits limits;
static unsigned mtu_bytes;
static bool tells_denied;
static bool has_multipath, has_flowlets;
static unsigned n_threads;
static const struct node_networks *networks;
static const struct policy_rule *rules;
static size_t n_rules;
static bool (*deliver_tap)(void *arg, size_t node, struct span packet);
static void (*act)(void *arg, struct node *node, size_t number, const struct node_action *action);

static __attribute__((unused)) struct sim *make_sim(size_t n_nodes, bool allow_all)
{
	struct sim_config config = { .seed = 7,
				     .pki = pki,
				     .n_nodes = n_nodes,
				     .limits = limits,
				     .mtu_bytes = mtu_bytes,
				     .tells_denied = tells_denied,
				     .has_multipath = has_multipath,
				     .has_flowlets = has_flowlets,
				     .n_threads = n_threads,
				     .allow_all = allow_all,
				     .watch = watch,
				     .tap = tap,
				     .networks = networks,
				     .rules = rules,
				     .n_rules = n_rules,
				     .deliver = deliver_tap,
				     .act = act };
	struct sim *s;

	memset(n_events, 0, sizeof(n_events));
	memset(last_event, 0, sizeof(last_event));
	assert_int_equal(sim_new(&config, &s), 0);
	return s;
}

static void boot_all(struct sim *s, size_t n_nodes)
{
	for (size_t i = 0; i < n_nodes; i++)
		assert_int_equal(sim_boot(s, i, (int64_t)(1000000 * i), 0), 0);
}

static void run(struct sim *s, uint64_t for_us)
{
	if (!sim_run(s, sim_now_us(s) + for_us))
		fail_msg("%s", sim_failure(s));
}

/* A packet every 10 ms for this long; returns the longest time without one delivered. */
static __attribute__((unused)) uint64_t longest_silence(struct sim *s, size_t from, size_t to,
							uint64_t for_us)
{
	uint64_t end = sim_now_us(s) + for_us;
	uint64_t first = 0;
	uint64_t last = 0;
	uint64_t arrived_us = sim_now_us(s);
	uint64_t longest = 0;

	while (sim_now_us(s) < end) {
		last = sim_send(s, from, to, 100);
		first = first ? first : last;
		run(s, MS(10));
	}
	run(s, MS(100));
	uint64_t at = end - for_us;

	for (uint64_t p = first; p <= last; p++, at += MS(10)) {
		if (!sim_is_delivered(s, p))
			continue;
		longest = max_u64(longest, at - min_u64(at, arrived_us));
		arrived_us = at;
	}
	return max_u64(longest, end - arrived_us > MS(50) ? end - arrived_us : 0);
}

static __attribute__((unused)) bool reaches(struct sim *s, size_t from, size_t to, uint64_t in_us)
{
	uint64_t packet = sim_send(s, from, to, 64);

	run(s, in_us);
	return sim_is_delivered(s, packet);
}
