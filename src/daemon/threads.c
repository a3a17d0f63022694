/* SPDX-License-Identifier: Apache-2.0 */
/* Packet threads and the loop: what goes from one to the other. */
#include "daemon/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/thread/grace.h"
#include "shell/thread/ring.h"

#define COLLECT_US MS(10) /* how often the loop reads what they did, while they do something */
#define TABLE_US MS(5)	 /* how often it looks for changes, but for what the node tells of itself */
#define TURN_RECORDS 512 /* that the loop takes from a thread at once */
#define RETIRED_MAX                                                                   \
	16 /* tables that a thread may still use: it looks for the new one in some ms \
	    */
#define ROOMS PACKETS_BATCH

/* What a thread leaves to the loop. */
enum left_kind {
	LEFT_PACKET,   /* of the tunnel */
	LEFT_DATAGRAM, /* as it came */
	LEFT_OPENED,
};

struct left {
	enum left_kind kind;
	uint32_t index;
	struct endpoint from;
	uint8_t traffic_class;
	bool is_newest;
	uint8_t bytes[];
};

/* Copies of the counters of a thread's rooms, for the loop to read. */
enum told {
	TOLD_TUN_READS,
	TOLD_TUN_WRITES,
	TOLD_TUN_DROPPED,
	TOLD_TUN_MALFORMED,
	TOLD_UDP_SENDS,
	TOLD_UDP_RECEIVES,
	TOLD_UDP_HELD,
	TOLD_UDP_OVERFLOW,
	TOLD_UDP_UNSENT,
	TOLD_UDP_TOO_LONG,
	TOLD_UDP_DROPPED,
	N_TOLD,
};

struct worker {
	_Alignas(64) struct threads *all;
	struct carry carry;
	pthread_t thread;
	int wake; /* eventfd: something is to be looked at, such as is_stopping */
	struct tun *tun;
	struct tun *loops; /* the same queue, for the loop to write to */
	struct udp *udp[CONFIG_LISTEN_MAX];
	struct ring *left;
	/* the thread's own */
	const struct carry_table *table; /* of the batch */
	uint64_t now_us;
	uint8_t *rooms; /* datagrams until they are sent */
	unsigned n_rooms;
	bool has_left, has_carried;
	_Atomic uint64_t n_dropped;
	_Atomic uint64_t told[N_TOLD];
};

struct retired {
	struct carry_table *table;
	uint64_t since;
	struct retired *next;
};

struct threads {
	struct daemon *d;
	unsigned n, n_udp, n_queues;
	struct worker *workers;
	bool is_running;
	_Atomic bool is_stopping;
	_Atomic bool is_tunnel_gone;
	_Atomic(struct carry_table *) table;
	struct grace grace;
	struct retired *retired; /* not free yet, newest first */
	unsigned n_retired;
	struct loop_wake *on_left, *on_activity;
	_Atomic bool is_active; /* told, and the loop will look */
	struct loop_timer *collect_timer, *table_timer;
	uint64_t version, looked_us;
};

/* ---- a thread: to the loop ---- */

/* What nobody has opened may be anybody's: a flood of it shall not keep what peers sent from the
 * loop, nor one of theirs the packets of this machine. In quarters of the ring. */
static void leave(struct worker *w, const struct left *what, struct span bytes)
{
	static const unsigned quarters[] = {
		[LEFT_DATAGRAM] = 2,
		[LEFT_OPENED] = 3,
		[LEFT_PACKET] = 4,
	};
	size_t len = sizeof(*what) + bytes.len;
	struct left *room = ring_room_within(w->left, len, quarters[what->kind]);

	if (!room) {
		atomic_fetch_add_explicit(&w->n_dropped, 1, memory_order_relaxed);
		return;
	}
	*room = *what;
	memcpy(room->bytes, bytes.at, bytes.len);
	ring_commit(w->left);
	w->has_left = true;
}

static void tell_loop(struct worker *w)
{
	if (w->has_left)
		loop_wake_send(w->all->on_left);
	if (w->has_carried && !atomic_exchange(&w->all->is_active, true))
		loop_wake_send(w->all->on_activity);
	w->has_left = w->has_carried = false;
}

static void tell(struct worker *w, enum told what, uint64_t value)
{
	atomic_store_explicit(&w->told[what], value, memory_order_relaxed);
}

static void tell_counters(struct worker *w)
{
	uint64_t sends = 0, receives = 0, held = 0, overflow = 0, unsent = 0, dropped = 0;
	uint64_t too_long = 0;
	struct tun_counters t;

	tun_counters(w->tun, &t);
	tell(w, TOLD_TUN_READS, t.reads);
	tell(w, TOLD_TUN_WRITES, t.writes);
	tell(w, TOLD_TUN_DROPPED, t.dropped);
	tell(w, TOLD_TUN_MALFORMED, t.malformed);
	for (unsigned i = 0; i < w->all->n_udp; i++) {
		const struct udp_counters *u = udp_counters(w->udp[i]);

		sends += u->sends;
		receives += u->receives;
		held += u->held;
		overflow += u->kernel_dropped;
		too_long += u->too_long;
		unsent += u->no_buffers + u->unreachable + u->refused + u->failed;
		dropped += u->dropped[UDP_BULK];
	}
	tell(w, TOLD_UDP_SENDS, sends);
	tell(w, TOLD_UDP_RECEIVES, receives);
	tell(w, TOLD_UDP_HELD, held);
	tell(w, TOLD_UDP_OVERFLOW, overflow);
	tell(w, TOLD_UDP_UNSENT, unsent);
	tell(w, TOLD_UDP_TOO_LONG, too_long);
	tell(w, TOLD_UDP_DROPPED, dropped);
}

/* ---- a thread: packets ---- */

static void flush(struct worker *w)
{
	for (unsigned i = 0; i < w->all->n_udp; i++)
		udp_flush(w->udp[i]);
	w->n_rooms = 0;
	tun_flush(w->tun);
}

static void on_packet(void *arg, struct span packet)
{
	struct worker *w = arg;
	uint8_t *room = w->rooms + (size_t)w->n_rooms * CARRY_DATAGRAM_MAX;
	struct left left = { .kind = LEFT_PACKET };
	struct carry_result r;
	struct udp *u;

	switch (carry_out(&w->carry, w->table, packet, w->now_us, room, &r)) {
	case CARRY_SEND:
		u = packets_socket_for(w->udp, w->all->n_udp, r.to);
		if (u)
			udp_queue(u, r.to, UDP_BULK, r.traffic_class, SPAN(r.bytes, r.len));
		w->has_carried = true;
		if (++w->n_rooms == ROOMS)
			flush(w);
		break;
	case CARRY_OWNER:
		leave(w, &left, packet);
		break;
	case CARRY_DONE:
	case CARRY_DELIVER:
	case CARRY_OPENED:
		break;
	}
}

static void on_datagram(void *arg, const struct endpoint *from, uint8_t traffic_class,
			uint8_t *bytes, size_t len)
{
	struct worker *w = arg;
	struct left left = { .from = *from, .traffic_class = traffic_class };
	struct carry_result r;

	switch (carry_in(&w->carry, w->table, from, traffic_class, bytes, len, w->now_us, &r)) {
	case CARRY_DELIVER:
		tun_send(w->tun, SPAN(r.bytes, r.len));
		w->has_carried = true;
		break;
	case CARRY_OWNER:
		left.kind = LEFT_DATAGRAM;
		leave(w, &left, SPAN(bytes, len));
		break;
	case CARRY_OPENED:
		left.kind = LEFT_OPENED;
		left.index = r.index;
		left.is_newest = r.is_newest;
		leave(w, &left, SPAN(r.bytes, r.len));
		w->has_carried = true; /* it was counted here */
		break;
	case CARRY_DONE:
	case CARRY_SEND:
		break;
	}
}

static void on_pause(void *arg)
{
	struct worker *w = arg;

	tun_flush(w->tun);
}

/* Bounded, so that the table is looked at again. False: the device is gone. */
static bool read_tunnel(struct worker *w)
{
	size_t bytes = 0;
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < TUN_READS && bytes < TUN_READ_BYTES; i++) {
		r = tun_receive(w->tun, on_packet, w);
		bytes += r > 0 ? (size_t)r : 0;
		if (w->n_rooms >= ROOMS / 2) /* a super-packet: one message of its own */
			flush(w);
	}
	return r != -EBADFD;
}

static void batch(struct worker *w, const struct pollfd *tun, const struct pollfd *udp)
{
	grace_enter(&w->all->grace, w->carry.thread);
	w->table = atomic_load(&w->all->table);
	w->now_us = loop_now_us();
	for (unsigned i = 0; i < w->all->n_udp; i++)
		if (udp[i].revents & (POLLIN | POLLERR))
			(void)udp_receive(w->udp[i], on_datagram, on_pause, w);
	if (tun->revents & POLLERR || (tun->revents & POLLIN && !read_tunnel(w)))
		atomic_store(&w->all->is_tunnel_gone, true);
	flush(w);
	grace_leave(&w->all->grace, w->carry.thread);
	tell_counters(w);
	if (atomic_load(&w->all->is_tunnel_gone))
		loop_wake_send(w->all->on_left);
	tell_loop(w);
}

static void *turn(void *arg)
{
	struct worker *w = arg;
	struct pollfd fds[2 + CONFIG_LISTEN_MAX] = {
		{ .fd = w->wake, .events = POLLIN },
		{ .fd = tun_fd(w->tun), .events = POLLIN },
	};

	while (!atomic_load(&w->all->is_stopping)) {
		for (unsigned i = 0; i < w->all->n_udp; i++)
			fds[2 + i] = (struct pollfd){
				.fd = udp_fd(w->udp[i]),
				.events =
					(short)(POLLIN | (udp_is_blocked(w->udp[i]) ? POLLOUT : 0)),
			};
		if (atomic_load(&w->all->is_tunnel_gone))
			fds[1].fd = -1; /* until the loop stops us */
		if (poll(fds, 2 + w->all->n_udp, -1) > 0)
			batch(w, &fds[1], &fds[2]);
	}
	return NULL;
}

/* ---- the loop: what was left to it ---- */

static void take(struct daemon *d, struct left *l, size_t len, uint64_t now_us)
{
	switch (l->kind) {
	case LEFT_PACKET:
		node_input_packet(d->node, SPAN(l->bytes, len), now_us);
		break;
	case LEFT_DATAGRAM:
		node_input_lent(d->node, &l->from, l->traffic_class, l->bytes, len, now_us);
		break;
	case LEFT_OPENED:
		node_input_opened(d->node, &l->from, l->traffic_class, l->index, l->is_newest,
				  l->bytes, len, now_us);
		break;
	}
}

/* True: there may be more. */
static bool take_left(struct worker *w)
{
	struct daemon *d = w->all->d;
	uint64_t now_us = loop_now_us();
	unsigned n = 0;
	size_t len;
	void *at;

	while (n < TURN_RECORDS && (at = ring_next(w->left, &len))) {
		take(d, at, len - sizeof(struct left), now_us);
		if (++n % PACKETS_BATCH == 0) {
			daemon_act(d); /* what is delivered lies in the ring until then */
			ring_release(w->left);
			now_us = loop_now_us();
		}
	}
	daemon_act(d);
	ring_release(w->left);
	return n == TURN_RECORDS;
}

static void on_left(void *arg)
{
	struct threads *t = arg;
	bool is_more = false;

	for (unsigned i = 0; i < t->n; i++)
		is_more |= take_left(&t->workers[i]);
	daemon_drain(t->d);
	if (is_more)
		loop_wake_send(t->on_left);
	if (atomic_load(&t->is_tunnel_gone) && t->is_running)
		packets_lose_tunnel(t->d);
}

static void on_activity(void *arg)
{
	struct threads *t = arg;

	loop_timer_arm(t->collect_timer, loop_now_us() + COLLECT_US);
}

/* What is done from here on is told anew, so nothing is missed. */
static void on_collect(void *arg, uint64_t now_us)
{
	struct threads *t = arg;

	/* Reads it too, and so sees what was counted by whoever found it set. */
	(void)atomic_exchange(&t->is_active, false);
	(void)node_carry_collect(t->d->node, now_us);
	daemon_drain(t->d);
}

/* The kernel remembers of each flow by which queue it was last written to, and hands over its
 * answers there. Both directions have the same hash. */
static unsigned queue_of(const struct threads *t, struct span packet)
{
	uint32_t hash = 0;
	struct inner i;

	if (inner_parse(packet, &i) < 0)
		return 0;
	for (unsigned at = 0; at < 16; at += 4)
		hash ^= load_u32(i.source + at) ^ load_u32(i.destination + at);
	hash ^= (uint32_t)(i.source_port ^ i.destination_port) << 8 ^ i.protocol;
	return (unsigned)((hash * UINT32_C(0x9e3779b9)) >> 16) % t->n;
}

void threads_deliver(struct threads *t, struct span packet)
{
	tun_send(t->workers[queue_of(t, packet)].loops, packet);
}

void threads_flush(struct threads *t)
{
	for (unsigned i = 0; i < t->n; i++)
		tun_flush(t->workers[i].loops);
}

/* ---- the loop: tables ---- */

static void free_retired(struct threads *t, bool is_all)
{
	struct retired **at = &t->retired;

	while (*at) {
		struct retired *r = *at;

		if (!is_all && !grace_is_over(&t->grace, r->since)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		t->n_retired--;
		carry_table_free(r->table);
		free(r);
	}
}

/* Without memory the old table stays: then nothing new is told, and it is tried again. */
static void publish(struct threads *t, uint64_t now_us)
{
	struct carry_table *before = atomic_load(&t->table);
	struct retired *r = malloc(sizeof(*r));
	struct carry_table *table;

	if (!r || node_carry_table(t->d->node, before, now_us, &table) < 0) {
		free(r);
		return;
	}
	atomic_store(&t->table, table);
	*r = (struct retired){ before, grace_begin(&t->grace), t->retired };
	t->retired = r;
	t->n_retired++;
}

void threads_sync(struct threads *t)
{
	uint64_t now_us, version;

	if (!t || !t->is_running)
		return;
	now_us = loop_now_us();
	version = node_carry_version(t->d->node);
	if (version == t->version && now_us < t->looked_us + TABLE_US) {
		loop_timer_arm(t->table_timer, t->looked_us + TABLE_US);
		return;
	}
	free_retired(t, false);
	/* Keys that were given up are used no more in any table (share_end()), so it may wait. */
	if (t->n_retired < RETIRED_MAX) {
		t->version = version;
		t->looked_us = now_us;
		publish(t, now_us);
	}
	if (t->retired)
		loop_timer_arm(t->table_timer, now_us + TABLE_US);
}

static void on_table(void *arg, uint64_t now_us)
{
	(void)now_us;
	threads_sync(arg);
}

/* ---- made, started, stopped ---- */

unsigned threads_wanted(const struct config *c, const char **ret_why)
{
	*ret_why = "";
	if (c->n_threads < 2)
		return 0;
	if (c->tun_mtu_bytes + FORWARD_OVERHEAD > SHARE_PACKET_MAX) {
		*ret_why = "tun.mtu is over 1942: packets so long take all of a key's limits";
		return 0;
	}
	return (unsigned)c->n_threads;
}

static int worker_init(struct worker *w, struct threads *t, unsigned thread)
{
	int r;

	w->all = t;
	w->carry.thread = thread;
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->rooms = malloc((size_t)ROOMS * CARRY_DATAGRAM_MAX);
	if (w->wake < 0 || !w->rooms)
		return w->wake < 0 ? -errno : -ENOMEM;
	r = ring_new(THREADS_RING_BYTES, &w->left);
	return r;
}

static int open_sockets(struct threads *t, unsigned offloads)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < t->d->n_udp; i++) {
		struct udp *sockets[UDP_THREADS_MAX];

		r = udp_open_threads(t->d->udp[i], t->n, offloads, sockets);
		for (unsigned w = 0; r == 0 && w < t->n; w++)
			t->workers[w].udp[i] = sockets[w];
		t->n_udp += r == 0;
	}
	return r;
}

DEFINE_FREEP(struct threads, threads_free)

int threads_new(struct daemon *d, unsigned n, unsigned udp_offloads, struct threads **ret)
{
	CLEANUP(threads_freep) struct threads *t = aligned_alloc(64, sizeof(*t));
	int r = 0;

	if (!t)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	t->d = d;
	t->n = n;
	grace_init(&t->grace);
	t->workers = aligned_alloc(64, n * sizeof(*t->workers));
	if (!t->workers)
		return -ENOMEM;
	memset(t->workers, 0, n * sizeof(*t->workers));
	for (unsigned i = 0; i < n; i++)
		t->workers[i].wake = -1;
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = worker_init(&t->workers[i], t, i);
	if (r == 0)
		r = open_sockets(t, udp_offloads);
	if (r == 0)
		*ret = TAKE(t);
	return r;
}

unsigned threads_count(const struct threads *t)
{
	return t ? t->n : 0;
}

bool threads_are_running(const struct threads *t)
{
	return t && t->is_running;
}

int threads_add_queue(struct threads *t, int fd, unsigned offloads)
{
	struct worker *w = &t->workers[t->n_queues];
	int again;

	if (t->n_queues == t->n)
		return -ENOBUFS;
	again = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (again < 0)
		return -errno;
	if (tun_new(again, offloads, &w->loops) < 0) {
		(void)close(again);
		return -ENOMEM;
	}
	if (tun_new(fd, offloads, &w->tun) < 0) {
		tun_free(w->loops);
		w->loops = NULL;
		return -ENOMEM;
	}
	t->n_queues++;
	return 0;
}

static int prepare(struct threads *t)
{
	struct loop *l = t->d->loop;
	int r = 0;

	if (!t->on_left)
		r = loop_wake_new(l, on_left, t, &t->on_left);
	if (r == 0 && !t->on_activity)
		r = loop_wake_new(l, on_activity, t, &t->on_activity);
	if (r == 0 && !t->collect_timer)
		r = loop_timer_new(l, on_collect, t, &t->collect_timer);
	if (r == 0 && !t->table_timer)
		r = loop_timer_new(l, on_table, t, &t->table_timer);
	if (r == 0 && !atomic_load(&t->table)) {
		struct carry_table *table;

		r = node_carry_table(t->d->node, NULL, loop_now_us(), &table);
		if (r == 0)
			atomic_store(&t->table, table);
	}
	return r;
}

static void end_threads(struct threads *t, unsigned n)
{
	uint64_t one = 1;

	atomic_store(&t->is_stopping, true);
	for (unsigned i = 0; i < n; i++)
		(void)!write(t->workers[i].wake, &one, sizeof(one));
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(t->workers[i].thread, NULL);
	atomic_store(&t->is_stopping, false);
}

/* Signals are the loop's. */
static int begin_threads(struct threads *t)
{
	sigset_t all, before;
	unsigned i;
	int e = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	for (i = 0; e == 0 && i < t->n; i++)
		e = pthread_create(&t->workers[i].thread, NULL, turn, &t->workers[i]);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e != 0)
		end_threads(t, i - 1);
	return -e;
}

void threads_drop_queues(struct threads *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		tun_free(t->workers[i].tun);
		tun_free(t->workers[i].loops);
		t->workers[i].tun = t->workers[i].loops = NULL;
	}
	t->n_queues = 0;
}

static void steer(struct threads *t, unsigned n)
{
	for (unsigned i = 0; i < t->n_udp; i++)
		(void)udp_steer(t->d->udp[i], n); /* elsewhere it is opened as well, by the loop */
}

/* Nobody uses it; its keys shall not stay longer than the sessions'. */
static void free_table(struct threads *t)
{
	free_retired(t, true);
	carry_table_free(atomic_exchange(&t->table, NULL));
}

int threads_start(struct threads *t)
{
	int r = t->n_queues == t->n ? prepare(t) : -ENODEV;

	atomic_store(&t->is_tunnel_gone, false);
	for (unsigned i = 0; i < t->n; i++) {
		uint64_t ignored;

		(void)!read(t->workers[i].wake, &ignored, sizeof(ignored));
	}
	if (r == 0)
		r = begin_threads(t);
	if (r < 0) {
		threads_drop_queues(t);
		free_table(t);
		return r;
	}
	t->is_running = true;
	steer(t, t->n);
	threads_sync(t);
	return 0;
}

void threads_stop(struct threads *t)
{
	if (!t->is_running)
		return;
	steer(t, 0);
	end_threads(t, t->n);
	t->is_running = false;
	threads_drop_queues(t);
	free_table(t);
}

void threads_free(struct threads *t)
{
	if (!t)
		return;
	if (t->workers) {
		threads_stop(t);
		threads_drop_queues(t);
		for (unsigned i = 0; i < t->n; i++) {
			struct worker *w = &t->workers[i];

			for (unsigned u = 0; u < t->n_udp; u++)
				udp_free(w->udp[u]);
			ring_free(w->left);
			free(w->rooms);
			if (w->wake >= 0)
				(void)close(w->wake);
		}
	}
	free_table(t);
	free(t->workers);
	free(t);
}

/* ---- what they did ---- */

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_carried(const struct carry_counters *c, struct node_counters *n)
{
	n->packets_from_tun += read_counter(&c->packets_from_tun);
	n->packets_to_tun += read_counter(&c->packets_to_tun);
	n->datagrams_in += read_counter(&c->datagrams_in);
	n->datagrams_out += read_counter(&c->datagrams_out);
	n->bytes_in += read_counter(&c->bytes_in);
	n->bytes_out += read_counter(&c->bytes_out);
	n->malformed += read_counter(&c->malformed);
	n->unknown_index += read_counter(&c->unknown_index);
	n->replayed += read_counter(&c->replayed);
	n->forged += read_counter(&c->forged);
	n->ecn_marked += read_counter(&c->ecn_marked);
	n->ecn_dropped += read_counter(&c->ecn_dropped);
}

void threads_counters(const struct threads *t, struct node_counters *node, struct tun_counters *tun,
		      struct udp_counters *udp)
{
	for (unsigned i = 0; t && i < t->n; i++) {
		const struct worker *w = &t->workers[i];

		add_carried(&w->carry.counters, node);
		node->queue_full += read_counter(&w->n_dropped);
		if (w->loops) {
			struct tun_counters own;

			tun_counters(w->loops, &own);
			tun->writes += own.writes;
			tun->dropped += own.dropped;
		}
		tun->reads += read_counter(&w->told[TOLD_TUN_READS]);
		tun->writes += read_counter(&w->told[TOLD_TUN_WRITES]);
		tun->dropped += read_counter(&w->told[TOLD_TUN_DROPPED]);
		tun->malformed += read_counter(&w->told[TOLD_TUN_MALFORMED]);
		udp->sends += read_counter(&w->told[TOLD_UDP_SENDS]);
		udp->receives += read_counter(&w->told[TOLD_UDP_RECEIVES]);
		udp->held += read_counter(&w->told[TOLD_UDP_HELD]);
		udp->kernel_dropped += read_counter(&w->told[TOLD_UDP_OVERFLOW]);
		udp->too_long += read_counter(&w->told[TOLD_UDP_TOO_LONG]);
		udp->failed += read_counter(&w->told[TOLD_UDP_UNSENT]);
		udp->dropped[UDP_BULK] += read_counter(&w->told[TOLD_UDP_DROPPED]);
	}
}

void threads_view(const struct threads *t, unsigned thread, struct thread_view *ret)
{
	const struct worker *w = &t->workers[thread];

	*ret = (struct thread_view){
		.packets_from_tun = read_counter(&w->carry.counters.packets_from_tun),
		.packets_to_tun = read_counter(&w->carry.counters.packets_to_tun),
		.handed_over = read_counter(&w->carry.counters.handed_over),
		.dropped = read_counter(&w->n_dropped),
	};
}
