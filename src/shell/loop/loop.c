/* SPDX-License-Identifier: Apache-2.0 */
/* The loop and its handles, each a libuv handle with our callback beside it. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/units.h"
#include "shell/loop/loop_internal.h"

/* The libuv handle comes first in each, so that one close callback frees them all. */
struct loop_timer {
	uv_timer_t uv;
	loop_timer_handler *handler;
	void *arg;
	uint64_t deadline_us;
};

struct loop_fd {
	uv_poll_t uv;
	loop_fd_handler *handler;
	void *arg;
	bool is_set; /* it is watched for these: */
	unsigned events;
};

struct loop_signal {
	uv_signal_t uv;
	loop_signal_handler *handler;
	void *arg;
};

struct loop_wake {
	uv_async_t uv;
	loop_wake_handler *handler;
	void *arg;
};

uint64_t loop_now_us(void)
{
	return uv_hrtime() / 1000; /* CLOCK_MONOTONIC */
}

uint64_t loop_now_ns(void)
{
	return uv_hrtime();
}

int64_t loop_unix_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	r = uv_loop_init(&l->uv);
	if (r < 0) {
		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

static void free_handle(uv_handle_t *h)
{
	free(h);
}

static void close_handle(uv_handle_t *h)
{
	if (!uv_is_closing(h))
		uv_close(h, free_handle);
}

static void close_walked(uv_handle_t *h, void *arg)
{
	(void)arg;
	close_handle(h);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	/* A done callback may begin new work or make new handles: until nothing is left. */
	do {
		uv_walk(&l->uv, close_walked, NULL);
		(void)uv_run(&l->uv, UV_RUN_DEFAULT);
	} while (uv_loop_alive(&l->uv));
	assert(uv_loop_close(&l->uv) == 0);
	free(l);
}

void loop_run(struct loop *l)
{
	(void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_run_once(struct loop *l)
{
	(void)uv_run(&l->uv, UV_RUN_NOWAIT);
}

void *loop_libuv(struct loop *l)
{
	return &l->uv;
}

void loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *uv)
{
	struct loop_timer *t = (struct loop_timer *)uv;
	uint64_t now_us = loop_now_us();

	/* libuv counts milliseconds and may be a fraction early. */
	if (now_us < t->deadline_us) {
		loop_timer_arm(t, t->deadline_us);
		return;
	}
	t->handler(t->arg, now_us);
}

int loop_timer_new(struct loop *l, loop_timer_handler *handler, void *arg, struct loop_timer **ret)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->handler = handler;
	t->arg = arg;
	(void)uv_timer_init(&l->uv, &t->uv); /* cannot fail */
	*ret = t;
	return 0;
}

void loop_timer_arm(struct loop_timer *t, uint64_t deadline_us)
{
	uint64_t now_us = loop_now_us();
	uint64_t wait_us = deadline_us > now_us ? deadline_us - now_us : 0;

	t->deadline_us = deadline_us;
	if (deadline_us == NEVER_US) {
		(void)uv_timer_stop(&t->uv);
		return;
	}
	/* libuv runs timers until none is due before it looks at descriptors: one that is armed
	 * again and again for the past, by a bug or by load, must not keep it there. */
	if (wait_us == 0)
		wait_us = 1;
	uv_update_time(t->uv.loop); /* else the wait would count from the start of this turn */
	(void)uv_timer_start(&t->uv, on_timer, wait_us / US_PER_MS + (wait_us % US_PER_MS > 0), 0);
}

void loop_timer_free(struct loop_timer *t)
{
	if (t)
		close_handle((uv_handle_t *)&t->uv);
}

/* ---- descriptors ---- */

static void on_fd(uv_poll_t *uv, int status, int uv_events)
{
	struct loop_fd *f = (struct loop_fd *)uv;
	unsigned events = 0;

	if (uv_events & (UV_READABLE | UV_DISCONNECT))
		events |= LOOP_READABLE;
	if (uv_events & UV_WRITABLE)
		events |= LOOP_WRITABLE;
	if (status < 0)
		events |= LOOP_ERROR;
	if (status < 0)
		f->is_set = false; /* libuv has stopped watching */
	f->handler(f->arg, events, loop_now_us());
}

int loop_fd_new(struct loop *l, int fd, unsigned events, loop_fd_handler *handler, void *arg,
		struct loop_fd **ret)
{
	struct loop_fd *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->handler = handler;
	f->arg = arg;
	r = uv_poll_init(&l->uv, &f->uv, fd);
	if (r < 0) {
		free(f); /* libuv does not know the handle */
		return r;
	}
	r = loop_fd_set_events(f, events);
	if (r < 0) {
		loop_fd_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

int loop_fd_set_events(struct loop_fd *f, unsigned events)
{
	int uv_events = 0;
	int r;

	/* libuv would take the descriptor out of the kernel's set and put it in again. */
	if (f->is_set && f->events == events)
		return 0;
	if (events & LOOP_READABLE)
		uv_events |= UV_READABLE;
	if (events & LOOP_WRITABLE)
		uv_events |= UV_WRITABLE;
	r = uv_events ? uv_poll_start(&f->uv, uv_events, on_fd) : uv_poll_stop(&f->uv);
	f->is_set = r == 0;
	f->events = events;
	return r;
}

void loop_fd_free(struct loop_fd *f)
{
	if (!f)
		return;
	(void)uv_poll_stop(&f->uv); /* so that the caller may close the descriptor at once */
	close_handle((uv_handle_t *)&f->uv);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *uv, int signal_number)
{
	struct loop_signal *s = (struct loop_signal *)uv;

	s->handler(s->arg, signal_number);
}

int loop_signal_new(struct loop *l, int signal_number, loop_signal_handler *handler, void *arg,
		    struct loop_signal **ret)
{
	struct loop_signal *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->handler = handler;
	s->arg = arg;
	r = uv_signal_init(&l->uv, &s->uv);
	if (r < 0) {
		free(s);
		return r;
	}
	r = uv_signal_start(&s->uv, on_signal, signal_number);
	if (r < 0) {
		loop_signal_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void loop_signal_free(struct loop_signal *s)
{
	if (s)
		close_handle((uv_handle_t *)&s->uv);
}

/* ---- wake-ups ---- */

static void on_wake(uv_async_t *uv)
{
	struct loop_wake *w = (struct loop_wake *)uv;

	w->handler(w->arg);
}

int loop_wake_new(struct loop *l, loop_wake_handler *handler, void *arg, struct loop_wake **ret)
{
	struct loop_wake *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->handler = handler;
	w->arg = arg;
	r = uv_async_init(&l->uv, &w->uv, on_wake);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void loop_wake_send(struct loop_wake *w)
{
	(void)uv_async_send(&w->uv);
}

void loop_wake_free(struct loop_wake *w)
{
	if (w)
		close_handle((uv_handle_t *)&w->uv);
}
