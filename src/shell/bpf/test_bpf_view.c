/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon writes into the shared table, on a table of no kernel: whose each index is, and
 * that slots for counting peers are given again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "shell/bpf/bpf.h"

static int set_up(void **state)
{
	int fd = memfd_create("table", MFD_CLOEXEC);
	struct ebpf_view *v;

	if (fd < 0 || ftruncate(fd, sizeof(struct ebpf_table)) < 0)
		return -1;
	if (ebpf_view_new(fd, -1, -1, &v) < 0)
		return -1;
	*state = v;
	return 0;
}

static int tear_down(void **state)
{
	ebpf_view_free(*state);
	return 0;
}

/* n peers from first on, each with an index of its own number. */
static void put(struct ebpf_view *v, uint32_t first, uint32_t n)
{
	ebpf_view_indices_begin(v);
	for (uint32_t i = first; i < first + n; i++)
		ebpf_view_indices_put(v, i, i);
	ebpf_view_indices_end(v);
}

/* Where a peer's packets are counted, as the program finds it; NULL: it is not. */
static struct ebpf_peer *counted_at(struct ebpf_view *v, uint32_t index)
{
	/* the program writes there, and the test is the program */
	struct ebpf_table *t = (struct ebpf_table *)(uintptr_t)ebpf_view_table(v);
	const struct ebpf_bucket *b = &t->buckets[index % EBPF_INDEX_BUCKETS];

	for (unsigned i = 0; i < EBPF_INDEX_WAYS; i++)
		if (b->index[i] == index && b->peer[i] < EBPF_PEERS_MAX)
			return &t->peers[b->peer[i]];
	return NULL;
}

static unsigned n_peers(struct ebpf_view *v)
{
	unsigned n = 0;

	for (unsigned i = 0; i < EBPF_PEERS_MAX; i++)
		n += ebpf_view_table(v)->peers[i].id != 0;
	return n;
}

static void a_peer_that_left_makes_room_for_the_next(void **state)
{
	struct ebpf_view *v = *state;

	put(v, 1, EBPF_PEERS_MAX + 1);
	assert_int_equal(n_peers(v), EBPF_PEERS_MAX);
	assert_null(counted_at(v, EBPF_PEERS_MAX + 1)); /* the table is full */
	counted_at(v, 1)->packets = 7;
	put(v, 2, EBPF_PEERS_MAX + 1); /* 1 left, and one more came while there was no room */
	assert_int_equal(n_peers(v), EBPF_PEERS_MAX - 1);
	put(v, 2, EBPF_PEERS_MAX);
	assert_int_equal(n_peers(v), EBPF_PEERS_MAX);
	assert_int_equal(counted_at(v, EBPF_PEERS_MAX + 1)->id, EBPF_PEERS_MAX + 1);
	assert_int_equal(counted_at(v, EBPF_PEERS_MAX + 1)->packets, 0); /* not what 1 had */
}

/* For as long as a daemon runs, not for the first 1,024 that it meets. */
static void peers_that_come_and_go_are_counted_for_ever(void **state)
{
	struct ebpf_view *v = *state;

	for (uint32_t first = 1; first < 20 * EBPF_PEERS_MAX; first += EBPF_PEERS_MAX / 2) {
		put(v, first, EBPF_PEERS_MAX / 2);
		assert_int_equal(n_peers(v), EBPF_PEERS_MAX / 2);
		for (uint32_t i = first; i < first + EBPF_PEERS_MAX / 2; i++)
			assert_int_equal(counted_at(v, i)->id, i);
	}
}

static void both_sessions_of_a_peer_are_counted_in_one_place(void **state)
{
	struct ebpf_view *v = *state;
	struct ebpf_peer *at;

	/* two that begin to look at one slot, and the first of them leaves */
	ebpf_view_indices_begin(v);
	ebpf_view_indices_put(v, 11, 5);
	ebpf_view_indices_put(v, 12, 5 + EBPF_PEERS_MAX);
	ebpf_view_indices_end(v);
	at = counted_at(v, 12);
	at->packets = 7;
	for (unsigned round = 0; round < 2; round++) {
		ebpf_view_indices_begin(v);
		ebpf_view_indices_put(v, 12, 5 + EBPF_PEERS_MAX);
		if (round > 0)
			ebpf_view_indices_put(v, 13, 5 + EBPF_PEERS_MAX); /* a new session */
		ebpf_view_indices_end(v);
	}
	assert_ptr_equal(counted_at(v, 13), at);
	assert_int_equal(at->packets, 7);
	assert_int_equal(n_peers(v), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_peer_that_left_makes_room_for_the_next),
		TEST(peers_that_come_and_go_are_counted_for_ever),
		TEST(both_sessions_of_a_peer_are_counted_in_one_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
