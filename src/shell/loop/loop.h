/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h - one thread's event loop: timers, descriptors, signals, wake-ups, a work queue and
 * name look-ups. The only room that names libuv.
 *
 * Everything runs on the thread in loop_run(), but for what says otherwise. Handles belong to
 * the loop: free them from its thread before the loop, or leave them to loop_free(). A handle
 * may be freed inside its own callback. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"

struct loop;

int loop_new(struct loop **ret); /* -ENOMEM, -EMFILE */
/* Waits for work that has begun, drops what is left. Not from inside loop_run(). */
void loop_free(struct loop *l);

/* Runs until loop_stop(), or until nothing is left that could ever happen. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* takes effect after the running callback */
/* What is due now, without waiting: for who ends a library that shares the loop. Not from inside
 * loop_run(). */
void loop_run_once(struct loop *l);
/* Its uv_loop_t, for a library that runs on loops of libuv itself. */
void *loop_libuv(struct loop *l);

/* Monotonic microseconds (CLOCK_MONOTONIC), and the wall clock. Any thread. */
uint64_t loop_now_us(void);
uint64_t loop_now_ns(void); /* the same clock, for what takes less than a microsecond */
int64_t loop_unix_ms(void);

/* ---- timers ---- */

struct loop_timer;
typedef void loop_timer_handler(void *arg, uint64_t now_us);

int loop_timer_new(struct loop *l, loop_timer_handler *handler, void *arg, struct loop_timer **ret);
/* Fires once at or up to 1 ms after deadline_us; NEVER_US disarms. Arming again replaces. */
void loop_timer_arm(struct loop_timer *t, uint64_t deadline_us);
void loop_timer_free(struct loop_timer *t);

/* ---- descriptors ---- */

enum loop_events {
	LOOP_READABLE = 1,
	LOOP_WRITABLE = 2,
	LOOP_ERROR = 4, /* only ever reported */
};

struct loop_fd;
typedef void loop_fd_handler(void *arg, unsigned events, uint64_t now_us);

/* Watches fd, which stays the caller's and must stay open until loop_fd_free(). */
int loop_fd_new(struct loop *l, int fd, unsigned events, loop_fd_handler *handler, void *arg,
		struct loop_fd **ret);
int loop_fd_set_events(struct loop_fd *f, unsigned events); /* 0: none for now */
void loop_fd_free(struct loop_fd *f);

/* ---- signals ---- */

struct loop_signal;
typedef void loop_signal_handler(void *arg, int signal_number);

int loop_signal_new(struct loop *l, int signal_number, loop_signal_handler *handler, void *arg,
		    struct loop_signal **ret);
void loop_signal_free(struct loop_signal *s);

/* ---- wake-ups from other threads ---- */

struct loop_wake;
typedef void loop_wake_handler(void *arg);

int loop_wake_new(struct loop *l, loop_wake_handler *handler, void *arg, struct loop_wake **ret);
void loop_wake_send(struct loop_wake *w); /* any thread; several may become one call */
void loop_wake_free(struct loop_wake *w);

/* ---- work that blocks or burns CPU ---- */

#define LOOP_WORK_MAX 256 /* begun or queued at once, look-ups included */

/* work runs on another thread and must own all it touches; done then runs on the loop's.
 * -ENOBUFS, -ENOMEM. done always runs, at the latest in loop_free(). */
int loop_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* Ends the threads of the work queue, after the last loop is freed; there is no loop after it. A
 * program whose work uses other libraries calls this before it exits: these take themselves down
 * in exit(), and a thread that ends after that still gives back what it held of theirs. */
void loop_end_threads(void);

/* ---- names ---- */

#define LOOP_RESOLVE_MAX 16 /* addresses of one name that are told */

/* r: 0, -ENOENT (no such name), -EAGAIN (no answer now), -ETIMEDOUT and others. */
typedef void loop_resolve_handler(void *arg, int r, const struct endpoint *found, size_t n);

/* Looks up "host:port", "[v6]:port" or a name without port (default_port then), UDP, off the
 * loop. The handler always runs, later, on the loop's thread. -EINVAL for a text that cannot
 * be one, -ENOBUFS. */
int loop_resolve(struct loop *l, const char *host_port, uint16_t default_port,
		 loop_resolve_handler *handler, void *arg);
