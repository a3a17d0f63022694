/* SPDX-License-Identifier: Apache-2.0 */
/* The liveness thread. The loop sends its probes itself, and seals signs of life beforehand; this
 * thread does nothing as long as the loop turns when it wants to, and sends those when it does not.
 * It has no keys, decides nothing, and knows of the node what the loop wrote down last. */
#include "daemon/alive.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "core/link/lateness.h"
#include "daemon/daemon_internal.h"

#define PRIORITY 2     /* before the loop, where that has one */
#define SLACK_US MS(3) /* a loop is late from then on; silence is noticed after half of 15 ms */
#define LOOK_US MS(5)  /* how often the loop looks at its links for us */
#define STEP_US MS(5)  /* while the loop is late */
#define RESEAL_US SECONDS(4) /* far within the replay window at one probe each 15 ms */
#define LATE_FIRST_US MS(60) /* without real-time priority, until it is known */

struct slot {
	_Atomic uint64_t speak_by_us;
	/* The rest is under the lock. */
	uint64_t node_id;
	uint64_t keys;
	uint64_t sealed_us;
	struct endpoint endpoint;
	const struct udp *udp;
	_Atomic unsigned n_left; /* the loop looks how many there are */
	uint8_t signs[ALIVE_SIGNS][NODE_ALIVE_LEN];
	bool is_there; /* the loop's, while it walks */
};

struct alive {
	struct daemon *d;
	pthread_t thread;
	bool is_running;
	bool is_realtime;
	int wake;
	sem_t has_begun;
	pid_t thread_id;
	_Atomic bool is_stopping;
	_Atomic uint64_t wanted_us; /* the loop wants to turn then */
	_Atomic uint64_t turned_us; /* and last did */
	_Atomic uint64_t late_us;   /* we: the most since the loop took it */
	_Atomic uint64_t n_sent;
	_Atomic unsigned n_slots;
	pthread_mutex_t lock;
	struct slot slots[ALIVE_LINKS_MAX];

	/* The loop's. */
	uint64_t looked_us;
	struct lateness lateness;
};

/* ---- the thread ---- */

static void wait_until(struct alive *a, uint64_t at_us)
{
	struct pollfd p = { .fd = a->wake, .events = POLLIN };
	uint64_t now_us = loop_now_us();
	struct timespec for_ns = { 0 };
	uint64_t ignored;

	if (at_us > now_us) {
		for_ns.tv_sec = (time_t)min_u64((at_us - now_us) / US_PER_S, 3600);
		for_ns.tv_nsec = (long)((at_us - now_us) % US_PER_S * 1000);
	}
	if (ppoll(&p, 1, at_us == NEVER_US ? NULL : &for_ns, NULL) > 0) {
		(void)!read(a->wake, &ignored, sizeof(ignored));
		return;
	}
	now_us = loop_now_us();
	if (at_us != NEVER_US && now_us > at_us + atomic_load(&a->late_us))
		atomic_store(&a->late_us, now_us - at_us);
}

static void send_sign(struct alive *a, struct slot *s, uint64_t now_us)
{
	unsigned n = atomic_load(&s->n_left);

	if (n == 0)
		return;
	atomic_store(&s->n_left, n - 1);
	(void)udp_send_aside(s->udp, &s->endpoint, SPAN(s->signs[n - 1], NODE_ALIVE_LEN));
	atomic_store(&s->speak_by_us, now_us + LINK_PROBE_ACTIVE_US);
	atomic_fetch_add(&a->n_sent, 1);
}

static void send_due(struct alive *a, uint64_t now_us)
{
	(void)pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; i < atomic_load(&a->n_slots); i++)
		if (now_us >= atomic_load(&a->slots[i].speak_by_us))
			send_sign(a, &a->slots[i], now_us);
	(void)pthread_mutex_unlock(&a->lock);
}

static void turn(struct alive *a)
{
	uint64_t wanted_us = atomic_load(&a->wanted_us);
	uint64_t now_us = loop_now_us();

	if (atomic_load(&a->n_slots) == 0) {
		wait_until(a, NEVER_US);
	} else if (now_us < wanted_us + SLACK_US) {
		wait_until(a, min_u64(wanted_us, now_us + SECONDS(1)) + SLACK_US);
	} else {
		if (now_us < atomic_load(&a->turned_us) + ALIVE_STUCK_US)
			send_due(a, now_us);
		wait_until(a, now_us + STEP_US);
	}
}

static void *run(void *arg)
{
	struct alive *a = arg;

	a->thread_id = gettid();
	(void)sem_post(&a->has_begun);
	while (!atomic_load(&a->is_stopping))
		turn(a);
	return NULL;
}

/* ---- the loop ---- */

static struct slot *slot_of(struct alive *a, uint64_t node_id)
{
	unsigned n = atomic_load(&a->n_slots);

	for (unsigned i = 0; i < n; i++)
		if (a->slots[i].node_id == node_id)
			return &a->slots[i];
	return NULL;
}

static bool seal(struct alive *a, uint64_t node_id, uint8_t ret[ALIVE_SIGNS][NODE_ALIVE_LEN],
		 uint64_t now_us)
{
	bool is_sealed = true;

	for (unsigned i = ALIVE_SIGNS; is_sealed && i > 0; i--) /* used from the end */
		is_sealed = node_seal_alive(a->d->node, node_id, ret[i - 1], now_us);
	return is_sealed;
}

/* Seals outside the lock, of which the thread may be in want. */
static void refill(struct alive *a, struct slot *s, const struct node_pledge *p, uint64_t now_us)
{
	struct udp *u = packets_socket_for(a->d->udp, a->d->n_udp, &p->endpoint);
	uint8_t signs[ALIVE_SIGNS][NODE_ALIVE_LEN];
	bool is_sealed = u && seal(a, p->node_id, signs, now_us);

	(void)pthread_mutex_lock(&a->lock);
	s->node_id = p->node_id;
	s->endpoint = p->endpoint;
	s->keys = p->keys;
	s->sealed_us = now_us;
	s->udp = u;
	atomic_store(&s->n_left, is_sealed ? ALIVE_SIGNS : 0);
	if (is_sealed)
		memcpy(s->signs, signs, sizeof(signs));
	(void)pthread_mutex_unlock(&a->lock);
}

static void keep(struct alive *a, const struct node_pledge *p, uint64_t now_us)
{
	struct slot *s = slot_of(a, p->node_id);
	unsigned n = atomic_load(&a->n_slots);

	if (!s && n == ALIVE_LINKS_MAX)
		return;
	if (!s) {
		s = &a->slots[n];
		atomic_store(&s->speak_by_us, p->speak_by_us);
		refill(a, s, p, now_us);
		atomic_store(&a->n_slots, n + 1);
		(void)!write(a->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
	} else if (s->keys != p->keys || !endpoint_equal(&s->endpoint, &p->endpoint) ||
		   atomic_load(&s->n_left) < ALIVE_SIGNS / 2 ||
		   now_us >= s->sealed_us + RESEAL_US) {
		refill(a, s, p, now_us);
	}
	atomic_store(&s->speak_by_us, p->speak_by_us);
	s->is_there = true;
}

static void copy_slot(struct slot *to, const struct slot *from)
{
	atomic_store(&to->speak_by_us, atomic_load(&from->speak_by_us));
	to->node_id = from->node_id;
	to->keys = from->keys;
	to->sealed_us = from->sealed_us;
	to->endpoint = from->endpoint;
	to->udp = from->udp;
	atomic_store(&to->n_left, atomic_load(&from->n_left));
	to->is_there = from->is_there;
	memcpy(to->signs, from->signs, sizeof(to->signs));
}

static void drop_gone(struct alive *a)
{
	unsigned n = atomic_load(&a->n_slots);

	for (unsigned i = 0; i < n;) {
		if (a->slots[i].is_there) {
			a->slots[i++].is_there = false;
			continue;
		}
		(void)pthread_mutex_lock(&a->lock);
		if (i != n - 1)
			copy_slot(&a->slots[i], &a->slots[n - 1]);
		atomic_store(&a->n_slots, --n);
		(void)pthread_mutex_unlock(&a->lock);
	}
}

void alive_sync(struct daemon *d, uint64_t deadline_us)
{
	struct alive *a = d->alive;
	struct node_pledge p;
	size_t cursor = 0;
	uint64_t now_us;

	if (!a || !a->is_running)
		return;
	now_us = loop_now_us();
	atomic_store(&a->turned_us, now_us);
	atomic_store(&a->wanted_us, min_u64(deadline_us, NEVER_US - SECONDS(1)));
	if (now_us < a->looked_us + LOOK_US)
		return;
	a->looked_us = now_us;
	while (node_next_pledge(d->node, &cursor, &p))
		keep(a, &p, now_us);
	drop_gone(a);
}

void alive_tick(struct daemon *d)
{
	struct alive *a = d->alive;
	uint64_t now_us = loop_now_us();

	if (!a || !a->is_running)
		return;
	lateness_note(&a->lateness, atomic_exchange(&a->late_us, 0), now_us);
	node_set_lateness(d->node, lateness_promise_us(&a->lateness));
}

void alive_view(const struct daemon *d, struct alive_view *ret)
{
	*ret = (struct alive_view){ 0 };
	if (!d->alive)
		return;
	ret->is_on = d->alive->is_running;
	ret->is_realtime = d->alive->is_realtime;
	ret->signs_sent = atomic_load(&d->alive->n_sent);
	ret->late_us = lateness_latest_us(&d->alive->lateness);
}

/* ---- made and ended ---- */

/* With inheritance, so that a loop without priority that holds the lock is not kept from letting
 * it go. */
static int init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t how;
	int e = pthread_mutexattr_init(&how);

	if (e == 0)
		(void)pthread_mutexattr_setprotocol(&how, PTHREAD_PRIO_INHERIT);
	if (e == 0)
		e = pthread_mutex_init(lock, &how);
	(void)pthread_mutexattr_destroy(&how);
	return -e;
}

/* Signals are the loop's. */
static int begin_thread(struct alive *a)
{
	sigset_t all, before;
	int e;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&a->thread, NULL, run, a);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e != 0)
		return -e;
	while (sem_wait(&a->has_begun) < 0 && errno == EINTR)
		;
	a->is_running = true;
	return 0;
}

static void alive_free(struct alive *a)
{
	if (!a)
		return;
	if (a->wake >= 0)
		(void)close(a->wake);
	(void)sem_destroy(&a->has_begun);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

void alive_start(struct daemon *d)
{
	struct alive *a = calloc(1, sizeof(*a));
	char why[KEEPER_WHY_SIZE] = "";

	if (!a || init_lock(&a->lock) < 0) {
		free(a);
		daemon_feature(d, "liveness", false, "out of memory");
		return;
	}
	a->d = d;
	a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_store(&a->wanted_us, NEVER_US - SECONDS(1));
	(void)sem_init(&a->has_begun, 0, 0);
	if (a->wake < 0 || begin_thread(a) < 0) {
		alive_free(a);
		daemon_feature(d, "liveness", false,
			       "no thread for signs of life: a busy node is late with them");
		return;
	}
	d->alive = a;
	a->is_realtime = keeper_realtime(d->keeper, a->thread_id, PRIORITY, why) == 0;
	daemon_feature(d, "liveness.realtime", a->is_realtime, why);
	if (!a->is_realtime)
		lateness_note(&a->lateness, LATE_FIRST_US, loop_now_us());
	alive_tick(d);
}

void alive_end(struct daemon *d)
{
	struct alive *a = d->alive;

	if (!a)
		return;
	atomic_store(&a->is_stopping, true);
	(void)!write(a->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
	(void)pthread_join(a->thread, NULL);
	alive_free(a);
	d->alive = NULL;
}
