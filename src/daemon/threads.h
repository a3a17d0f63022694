/* SPDX-License-Identifier: Apache-2.0 */
/* threads.h - packet threads: each with a queue of the tunnel and a socket for each address that is
 * listened on. What they can they carry by themselves (core/carry), the rest comes to the loop.
 *
 * All of it is called by the loop's thread. Inside the daemon only. */
#pragma once

#include "core/carry/carry.h"
#include "daemon/daemon_internal.h"

#define THREADS_RING_BYTES                                                     \
	(1 << 20) /* what a thread leaves to the loop and it has not yet taken \
		   */

struct threads;

/* How many there will be: 0 where they are off, and why in ret_why ("" where nobody asked). */
unsigned threads_wanted(const struct config *c, const char **ret_why);

/* Their sockets, while there is the right to large buffers and marks. With the sockets' offloads.
 */
int threads_new(struct daemon *d, unsigned n, unsigned udp_offloads, struct threads **ret);
void threads_free(struct threads *t); /* stops them; before the node is freed */

unsigned threads_count(const struct threads *t);
/* A queue of the tunnel for the next thread that has none; takes the descriptor. -ENOMEM, -ENOBUFS:
 * all have one. */
int threads_add_queue(struct threads *t, int fd, unsigned offloads);
void threads_drop_queues(struct threads *t); /* of threads that do not run */
/* Once there are a loop, a node and all queues. */
int threads_start(struct threads *t);
/* The tunnel's queues are closed, and packets go by the loop until they are started again. */
void threads_stop(struct threads *t);
bool threads_are_running(const struct threads *t);

/* What the loop writes to the tunnel: by the queue that this flow's packets shall come from. Bytes
 * are borrowed until threads_flush(). */
void threads_deliver(struct threads *t, struct span packet);
void threads_flush(struct threads *t);

/* After each call on the node: tells them how things stand. */
void threads_sync(struct threads *t);

/* Adds what they did. */
struct tun_counters;
struct udp_counters;
void threads_counters(const struct threads *t, struct node_counters *node, struct tun_counters *tun,
		      struct udp_counters *udp);
/* Of one: packets in both directions, what it left to the loop, and what of that was dropped since
 * the loop was too far behind. */
struct thread_view {
	uint64_t packets_from_tun, packets_to_tun, handed_over, dropped;
};
void threads_view(const struct threads *t, unsigned thread, struct thread_view *ret);
