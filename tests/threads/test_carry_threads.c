/* SPDX-License-Identifier: Apache-2.0 */
/* Packet threads with real keys: what comes twice is delivered once, and keys and tables are
 * replaced under traffic. The test run builds it with the thread sanitizer too. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/carry/carry.h"
#include "shell/openssl/crypto_openssl.h"
#include "shell/thread/grace.h"

#define FIRST_LANE 3
#define THREADS 2
#define LEN 120
#define BEGAN_US SECONDS(1000)

struct end {
	struct rng rng;
	struct session *session;
	struct marks *marks;
	_Atomic(struct carry_table *) table;
	struct carry threads[THREADS];
	uint8_t address[16];
};

static const struct endpoint places[2] = { { .port = 1 }, { .port = 2 } };
static const struct crypto_ops *ops;
static struct end ends[2];
static uint64_t now_us;

static unsigned long_factor(void)
{
	const char *text = getenv("X0_LONG");

	return text && strcmp(text, "1") == 0 ? 20 : 1;
}

/* ---- two sessions ---- */

/* A packet of the owner's, under which a rekey message may go. */
static void carry_message(unsigned from, struct span message)
{
	struct session_ticket t;
	uint8_t sealed[2048], opened[2048];
	bool is_newest;

	assert_int_equal(
		session_reserve(ends[from].session, SESSION_LINK, 0, message.len, now_us, &t), 0);
	assert_int_equal(session_seal(ends[from].session, &t, SPAN_STR(""), message, sealed), 0);
	assert_int_equal(session_open(ends[1 - from].session, SESSION_LINK, t.remote_index, t.lane,
				      t.sequence, SPAN_STR(""),
				      SPAN(sealed, message.len + AEAD_TAG_LEN), opened, &is_newest,
				      now_us),
			 SESSION_OPENED);
	if (message.len > 0)
		(void)session_rekey_input(ends[1 - from].session, SPAN(opened, message.len),
					  now_us);
}

static void talk(void)
{
	struct session_action a;

	for (unsigned round = 0; round < 4; round++)
		for (unsigned i = 0; i < 2; i++) {
			session_tick(ends[i].session, now_us);
			while (session_next_action(ends[i].session, &a))
				if (a.type == SESSION_SEND_REKEY)
					carry_message(i, SPAN(a.message, a.len));
		}
}

static void fill(void *arg, uint8_t *ret, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)rng_next(arg);
}

static void begin_session(unsigned i)
{
	uint8_t root[32] = { 5 };
	struct session_config config = {
		.ops = ops,
		.entropy = { .fill = fill, .arg = &ends[i].rng },
		.n_threads = THREADS,
		.first_thread_lane = FIRST_LANE,
	};
	struct session_secret secret = {
		.root = root,
		.is_initiator = i == 0,
		.aead = AEAD_AES_256_GCM,
		.lanes_local = FIRST_LANE + THREADS,
		.lanes_peer = FIRST_LANE + THREADS,
		.local_index = 100 + i,
		.remote_index = 101 - i,
		.ends_us = NEVER_US,
	};

	assert_int_equal(session_new(&config, &secret, now_us, &ends[i].session), 0);
}

static struct carry_table *make_table(unsigned i)
{
	struct carry_way way = { .id = 2 - i, .at = places[1 - i], .packet_max = 1300 };
	struct carry_table *t;
	struct carry_self self = {
		.prefix_len = 8,
		.datagram_max = CARRY_DATAGRAM_MAX,
		.marks = ends[i].marks,
	};

	memcpy(way.address, ends[1 - i].address, 16);
	(void)session_share(ends[i].session, now_us, &way.shares[0], &way.shares[1]);
	memcpy(self.address, ends[i].address, sizeof(self.address));
	assert_int_equal(carry_table_new(&way, 1, &self, &t), 0);
	share_unref(way.shares[0]);
	share_unref(way.shares[1]);
	return t;
}

static int set_up(void **state)
{
	static const uint8_t key[16] = { 4 };
	const char *why;

	(void)state;
	ops = openssl_crypto_ops(&why);
	assert_non_null(ops);
	memset(ends, 0, sizeof(ends));
	now_us = BEGAN_US;
	for (unsigned i = 0; i < 2; i++) {
		ends[i].address[0] = 0xfd;
		store_u64(ends[i].address + 8, i + 1);
		ends[i].threads[1].thread = 1;
		rng_seed(&ends[i].rng, i + 1);
		assert_int_equal(marks_new(key, &ends[i].marks), 0);
		begin_session(i);
	}
	carry_message(1, SPAN_STR(""));
	carry_message(0, SPAN_STR(""));
	for (unsigned i = 0; i < 2; i++)
		atomic_store(&ends[i].table, make_table(i));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		carry_table_free(atomic_load(&ends[i].table));
		marks_free(ends[i].marks);
		session_free(ends[i].session);
	}
	return 0;
}

/* ---- one packet on two links into two threads ---- */

#define BATCH 500

struct sealed {
	struct session_ticket ticket;
	uint8_t bytes[16 + AEAD_TAG_LEN];
};

static struct sealed batch[BATCH];
static _Atomic unsigned delivered[BATCH];
static struct share *receiving;
static pthread_barrier_t barrier;
static _Atomic bool is_over;
static _Atomic uint64_t n_wrong;

static void *open_all(void *arg)
{
	unsigned self = *(const unsigned *)arg;

	for (;;) {
		(void)pthread_barrier_wait(&barrier);
		if (atomic_load(&is_over))
			return NULL;
		for (unsigned i = 0; i < BATCH; i++) {
			const struct sealed *s = &batch[self ? i : i ^ 1];
			uint8_t opened[16];
			bool is_newest;

			switch (share_open(receiving, self, SESSION_E2E, s->ticket.lane,
					   s->ticket.sequence, SPAN_STR(""), SPAN_OF(s->bytes),
					   opened, &is_newest, now_us)) {
			case SESSION_OPENED:
				atomic_fetch_add(&delivered[s - batch], 1);
				break;
			case SESSION_REPLAYED:
				break;
			case SESSION_FORGED:
			case SESSION_UNKNOWN:
				atomic_fetch_add(&n_wrong, 1);
				break;
			}
		}
		(void)pthread_barrier_wait(&barrier);
	}
}

static void what_comes_by_two_links_into_two_threads_is_delivered_once(void **state)
{
	(void)state;
	static const unsigned numbers[THREADS] = { 0, 1 };
	uint64_t n_batches = 100 * (uint64_t)long_factor(); /* 50,000 packets; 10^6 */
	struct share *sending, *ignored;
	pthread_t threads[THREADS];
	unsigned n_bad = 0;

	(void)session_share(ends[0].session, now_us, &sending, &ignored);
	(void)session_share(ends[1].session, now_us, &receiving, &ignored);
	atomic_store(&is_over, false);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_all, (void *)&numbers[i]),
				 0);
	for (uint64_t n = 0; n < n_batches; n++) {
		for (unsigned i = 0; i < BATCH; i++) {
			struct sealed *s = &batch[i];

			assert_int_equal(share_reserve(sending, i % THREADS, SESSION_E2E, now_us,
						       &s->ticket),
					 0);
			assert_int_equal(ops->aead_seal(s->ticket.aead, s->ticket.nonce,
							SPAN_STR(""), SPAN(s->bytes, 16), s->bytes),
					 0);
			atomic_store(&delivered[i], 0);
		}
		(void)pthread_barrier_wait(&barrier);
		(void)pthread_barrier_wait(&barrier);
		for (unsigned i = 0; i < BATCH; i++)
			n_bad += atomic_load(&delivered[i]) != 1;
	}
	atomic_store(&is_over, true);
	(void)pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	(void)pthread_barrier_destroy(&barrier);
	share_unref(sending);
	share_unref(receiving);
	assert_int_equal(n_bad, 0);
	assert_int_equal(n_wrong, 0);
}

/* ---- keys and tables are replaced under traffic ---- */

static struct grace grace;
static _Atomic uint64_t n_sent, n_delivered, n_left, n_lost;

static void write_packet(unsigned from, uint16_t port, uint8_t ret[LEN])
{
	memset(ret, (int)port, LEN);
	ret[0] = 0x60;
	ret[1] = ret[2] = ret[3] = 0;
	store_u16(ret + 4, LEN - 40);
	ret[6] = 17;
	ret[7] = 64;
	memcpy(ret + 8, ends[from].address, 16);
	memcpy(ret + 24, ends[1 - from].address, 16);
	store_u16(ret + 40, port);
	store_u16(ret + 42, port);
}

/* One packet from tunnel to tunnel: this thread is that of both nodes. */
static void send_one(unsigned self, unsigned from, uint64_t at_us)
{
	uint8_t packet[LEN], room[CARRY_DATAGRAM_MAX];
	struct carry_result sent, got;

	write_packet(from, (uint16_t)(self + 1), packet);
	if (carry_out(&ends[from].threads[self], atomic_load(&ends[from].table), SPAN_OF(packet),
		      at_us, room, &sent) != CARRY_SEND) {
		atomic_fetch_add(&n_left, 1);
		return;
	}
	atomic_fetch_add(&n_sent, 1);
	if (carry_in(&ends[1 - from].threads[self], atomic_load(&ends[1 - from].table),
		     &places[from], 0, room, sent.len, at_us, &got) != CARRY_DELIVER) {
		atomic_fetch_add(&n_lost, 1); /* the receiver's table was the older: its owner's */
		return;
	}
	if (got.len != LEN || memcmp(got.bytes, packet, LEN) != 0)
		atomic_fetch_add(&n_wrong, 1);
	atomic_fetch_add(&n_delivered, 1);
}

static void *carry_all(void *arg)
{
	unsigned self = *(const unsigned *)arg;

	while (!atomic_load(&is_over)) {
		grace_enter(&grace, self);
		for (unsigned i = 0; i < 16; i++)
			send_one(self, i % 2, BEGAN_US); /* only the owner's time goes on */
		grace_leave(&grace, self);
	}
	return NULL;
}

static void keys_and_tables_are_replaced_under_traffic(void **state)
{
	(void)state;
	static const unsigned numbers[THREADS] = { 0, 1 };
	unsigned n_rekeys = 40 * long_factor();
	struct share_report report[2] = { { 0 } }, r;
	uint64_t sent = 0, received = 0;
	pthread_t threads[THREADS];
	uint32_t first = session_epoch(ends[0].session);

	for (unsigned from = 0; from < 2; from++)
		for (unsigned t = 0; t < THREADS; t++) {
			uint8_t packet[LEN];
			struct inner i;

			write_packet(from, (uint16_t)(t + 1), packet);
			assert_int_equal(inner_parse(SPAN_OF(packet), &i), 0);
			marks_put(ends[from].marks, MARK_OUT, &i, now_us);
			marks_put(ends[1 - from].marks, MARK_IN, &i, now_us);
		}
	grace_init(&grace);
	atomic_store(&is_over, false);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, carry_all, (void *)&numbers[i]),
				 0);
	for (unsigned n = 0; n < n_rekeys; n++) {
		struct timespec pause = { .tv_nsec = 5000000 };

		session_want_rekey(ends[0].session, now_us);
		talk();
		/* The receiver's first, as it is where messages have their time. */
		for (unsigned i = 0; i < 2; i++) {
			struct carry_table *before = atomic_exchange(&ends[i].table, make_table(i));
			uint64_t since = grace_begin(&grace);

			while (!grace_is_over(&grace, since))
				sched_yield();
			carry_table_free(before);
		}
		(void)nanosleep(&pause, NULL);
		for (unsigned i = 0; i < 2; i++) {
			session_collect(ends[i].session, now_us, &r);
			sent += r.sent;
			received += r.received;
			report[i].forged += r.forged + r.replayed;
		}
		/* The next rekey may begin once this one's old epoch is gone. */
		for (unsigned i = 0; i < 2; i++)
			session_tick(ends[i].session, now_us += SECONDS(6));
		talk();
	}
	atomic_store(&is_over, true);
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 2; i++) {
		session_collect(ends[i].session, now_us, &r);
		sent += r.sent;
		received += r.received;
	}
	assert_true(session_epoch(ends[0].session) - first >= n_rekeys / 2);
	assert_int_equal(n_wrong, 0);
	assert_int_equal(report[0].forged + report[1].forged, 0);
	assert_int_equal(n_sent, n_delivered + n_lost);
	assert_true(n_delivered > 1000);
	assert_true(sent <= n_sent && received <= n_delivered); /* ended epochs took some along */
	print_message("%u rekeys, %llu delivered, %llu left to the owner, %llu lost at a change\n",
		      session_epoch(ends[0].session) - first, (unsigned long long)n_delivered,
		      (unsigned long long)n_left, (unsigned long long)n_lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_comes_by_two_links_into_two_threads_is_delivered_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(keys_and_tables_are_replaced_under_traffic, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
