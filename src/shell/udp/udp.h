/* SPDX-License-Identifier: Apache-2.0 */
/* udp.h - the mesh's UDP sockets.
 *
 * IPv6 sockets; [::] takes IPv4 too, whose addresses appear IPv4-mapped. Never blocks. ICMP that
 * says that nobody is there is told by udp_receive_errors(), what the kernel believes of a path by
 * udp_path_hint(); Packet Too Big about our datagrams is not heeded (docs/mtu.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"

#define UDP_DATAGRAM_MAX 9216 /* the greatest of the mesh is 8,952; longer are counted */
#define UDP_BATCH 32	      /* datagrams a system call */
#define UDP_GRO_BATCH 8	      /* each may be a run of them, of up to 64 KB: 0.3 ms of work */
#define UDP_URGENT_GRO_BATCH                                                                  \
	2		    /* of those that are urgent, before there is a look at the others \
			     */
#define UDP_QUEUE_MAX 128   /* datagrams that wait for udp_flush(); the next one flushes */
#define UDP_BACKLOG_MAX 256 /* datagrams of a class that wait for room in the socket */
#define UDP_SEGMENTS_MAX 64 /* datagrams in one send (UDP_MAX_SEGMENTS before Linux 6.9) */
#define UDP_PAUSE_AFTER 32  /* datagrams handed over before the handler's pause, at least */
#define UDP_RECEIVE_MAX 256 /* a call, so that one socket cannot starve the loop */
/* Asked of the kernel, which may give less. A pause of 4 ms at 4 Gbit/s fits on the way in; more
 * would be latency and no more throughput. On the way out it is what the network device is behind
 * us, in which classes no longer overtake each other: 2 ms at 1 Gbit/s. */
#define UDP_RECEIVE_BUFFER_BYTES (2 << 20)
#define UDP_SEND_BUFFER_BYTES (128 << 10)
#define UDP_ADDRESSES_MAX 64
#define UDP_WHY_SIZE 200

struct udp;

/* In which order datagrams leave when not all can. Control goes before all; the others have shares
 * of 4, 2 and 1, within which the one before goes first, so that none starves. */
enum udp_class {
	UDP_CONTROL,
	UDP_CRITICAL,
	UDP_INTERACTIVE,
	UDP_BULK,
	UDP_N_CLASSES,
};

struct udp_counters {
	uint64_t received, received_bytes;
	uint64_t sent, sent_bytes;
	uint64_t sends,
		receives;  /* system calls' messages: datagrams a message tell the offloads */
	uint64_t too_long; /* received beyond UDP_DATAGRAM_MAX, dropped */
	uint64_t held;	   /* EAGAIN: had to wait for room in the socket's buffer */
	uint64_t dropped[UDP_N_CLASSES]; /* the backlog of its class was full */
	uint64_t no_buffers;		 /* ENOBUFS: the device's queue was full */
	uint64_t unreachable;		 /* ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL */
	uint64_t refused;		 /* EPERM, EACCES: a packet filter of this host */
	uint64_t failed;		 /* anything else, EMSGSIZE among them */
	uint64_t refusals;		 /* told by udp_receive_errors() */
	uint64_t kernel_dropped;	 /* receive buffer overruns, as told by SO_RXQ_OVFL */
};

/* Binds. On failure why is a sentence for a person, naming address, port and the key
 * `listen`. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EAFNOSUPPORT and others. */
int udp_open(const struct endpoint *local, struct udp **ret, char why[UDP_WHY_SIZE]);
void udp_free(struct udp *u);

/* Sockets for n packet threads, at the same port as u and with its offloads but UDP_OFFLOAD_URGENT;
 * nothing arrives by them before udp_steer(). Each is for one thread, and freed by udp_free().
 * After udp_offload(). On failure there is none. */
#define UDP_THREADS_MAX 4
int udp_open_threads(struct udp *u, unsigned n, unsigned offloads, struct udp *ret[]);
/* Whether what the peers' packet threads send arrives by the sockets of udp_open_threads(), n of
 * them, spread by lane; 0: by u's own again. */
int udp_steer(struct udp *u, unsigned n_threads);

int udp_fd(const struct udp *u);	/* to watch for reading, and for writing while blocked */
int udp_urgent_fd(const struct udp *u); /* to watch for reading; -1: there is none */
void udp_local(const struct udp *u, struct endpoint *ret); /* with the port really bound */
const struct endpoint *udp_bound(const struct udp *u);	   /* the same, as it was when opened */
void udp_buffers(const struct udp *u, unsigned *ret_receive_bytes, unsigned *ret_send_bytes);
const struct udp_counters *udp_counters(const struct udp *u);

/* What the kernel may do for many datagrams at once. All are off until asked for. */
enum udp_offload {
	UDP_OFFLOAD_BATCH, /* recvmmsg(), sendmmsg(): several messages a system call */
	UDP_OFFLOAD_GSO,   /* UDP_SEGMENT: one message that leaves as several datagrams */
	UDP_OFFLOAD_GRO,   /* UDP_GRO: several datagrams that arrive as one message */
	/* A second socket at the same port, to which the kernel hands probes and what is in the
	 * urgent lane, so that they never queue behind bulk. */
	UDP_OFFLOAD_URGENT,
	UDP_N_OFFLOADS,
};

/* Switches on those whose bit (1 << enum udp_offload) is set, as far as the kernel knows them. */
void udp_offload(struct udp *u, unsigned wanted);
/* NULL: it is on. Else why not: static text. It may change while running: a device without
 * checksum offload shows when something is sent. */
const char *udp_offload_why_off(const struct udp *u, enum udp_offload o);

/* traffic_class: DSCP and ECN of its IP header. The bytes are the handler's to change, and stay
 * until the next pause has been called. */
typedef void udp_handler(void *arg, const struct endpoint *from, uint8_t traffic_class,
			 uint8_t *datagram, size_t len);
/* Called between datagrams, and last of all, so that what they led to can be sent. */
typedef void udp_pause(void *arg);

/* Hands what has arrived to the handler: at most UDP_RECEIVE_MAX datagrams and the rest of the
 * last batch; a batch of what is urgent before what is not, and again after UDP_PAUSE_AFTER of
 * that. Tells how many; 0 when nothing was there; a negative errno if the socket is broken. pause
 * may be NULL; it is not called where no datagram was there. */
int udp_receive(struct udp *u, udp_handler *handler, udp_pause *pause, void *arg);
/* The same of what is urgent alone, one batch of it: for when udp_urgent_fd() is readable. */
int udp_receive_urgent(struct udp *u, udp_handler *handler, udp_pause *pause, void *arg);

/* What the network, or the kernel's neighbour discovery, says of datagrams sent there: not
 * authenticated. To be called when a descriptor has an error, which lasts until then; at most some
 * dozens of them a call. Sockets of packet threads have none. */
typedef void udp_refusal(void *arg, const struct endpoint *to);
void udp_receive_errors(struct udp *u, udp_refusal *handler, void *arg);

/* Sends one datagram now from any thread, by the main socket; uncounted. -EAGAIN and others. */
int udp_send_aside(const struct udp *u, const struct endpoint *to, struct span datagram);

/* Sends one datagram now, or drops and counts it: -EAGAIN, -ENOBUFS (not now), -ENETUNREACH,
 * -EMSGSIZE, -EPERM and others. */
int udp_send(struct udp *u, const struct endpoint *to, struct span datagram);

/* The same, not to be fragmented, whatever the kernel believes of the path: a probe. -EMSGSIZE: the
 * device carries no such datagram. */
int udp_send_whole(struct udp *u, const struct endpoint *to, struct span datagram);
/* The longest datagram of a path as the kernel believes: of the device, or of an ICMP message
 * that quoted another program's datagram. */
int udp_path_hint(const struct endpoint *to, unsigned *ret_datagram_max);

/* Sends it with udp_flush() at the latest: the bytes are borrowed until then. Classes leave in
 * their order; to one destination each keeps its own. What the socket's buffer has no room for is
 * copied and waits, UDP_BACKLOG_MAX of each class, the rest is dropped; what fails is counted. */
void udp_queue(struct udp *u, const struct endpoint *to, enum udp_class class,
	       uint8_t traffic_class, struct span datagram);
void udp_flush(struct udp *u);
/* Something waits: call udp_flush() when udp_fd() can be written to. */
bool udp_is_blocked(const struct udp *u);

/* Own addresses of interfaces that are up, for invitations: global ones first (RFC 4291 scope
 * global, and IPv4 that is not private), then private IPv4 and unique local IPv6. No loopback,
 * link-local, multicast; none inside overlay_prefix (prefix_len bits; 0 for no prefix); none
 * of the interface skip (NULL for none). Ports are set to port. Tells how many. */
int udp_own_addresses(const uint8_t overlay_prefix[16], unsigned prefix_len, const char *skip,
		      uint16_t port, struct endpoint *ret, size_t max);
