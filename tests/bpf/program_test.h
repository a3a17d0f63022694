/* SPDX-License-Identifier: Apache-2.0 */
/* program_test.h - for tests that have the kernel run the programs on frames made here
 * (BPF_PROG_TEST_RUN): a loaded set of them for each test, and frames. Included by one file of
 * each. */
#pragma once

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

#include "base/cleanup.h"
#include "base/rng.h"
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

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
{
	struct world *w = *state;

	if (w->host)
		(void)munmap(w->table, sizeof(*w->table));
	ebpf_view_free(w->view);
	ebpf_host_free(w->host);
	free(w);
	return 0;
}

static inline struct world *world(void **state)
{
	struct world *w = *state;

	if (!w->host)
		skip();
	return w;
}

static inline int run(const struct world *w, const char *function)
{
	int verdict;
	unsigned ns;

	assert_int_equal(ebpf_host_try(w->host, function, w->frame, w->len, 1, &verdict, &ns), 0);
	return verdict;
}

/* ---- frames ---- */

static inline void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* An address of the network 2001:db8:0:NETWORK::/64. */
static inline void source_of(unsigned network, uint8_t ret[16])
{
	memset(ret, 0, 16);
	ret[0] = 0x20;
	ret[1] = 0x01;
	ret[2] = 0x0d;
	ret[3] = 0xb8;
	put16(ret + 6, network);
	ret[15] = 1;
}

static inline uint8_t *udp_frame(struct world *w, unsigned network, unsigned port,
				 size_t payload_len)
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

static inline uint8_t *udp4_frame(struct world *w, unsigned port, size_t payload_len)
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

/* To be called first, and the tests then within TEST(). */
static inline void prepare(void)
{
	static const uint8_t bad[16] = { 0x20, 1, 0x0d, 0xb8, 0, 0, 0x0b, 0xad };
	static const uint8_t bad_four[16] = { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2 };

	options.listen[0].port = PORT;
	options.n_listen = 1;
	options.where = EBPF_WHERE_XDP; /* so that both forms of the guard are loaded */
	memcpy(options.overlay, overlay, sizeof(overlay));
	memcpy(options.blocked[0].ip, bad, 16);
	options.blocked[0].len = 64;
	memcpy(options.blocked[1].ip, bad_four, 16);
	options.blocked[1].len = 120;
	options.n_blocked = 2;
	if (unshare(CLONE_NEWNET) == 0)
		(void)!system("ip link set lo up"); /* NOLINT(cert-env33-c) */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
