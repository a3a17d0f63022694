/* SPDX-License-Identifier: Apache-2.0 */
/* udp.h - the mesh's UDP sockets.
 *
 * IPv6 sockets; [::] takes IPv4 too, whose addresses appear IPv4-mapped. Never blocks. The
 * kernel's ICMP errors are not read (no IP_RECVERR): an unreachable peer shows as silence. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"

#define UDP_DATAGRAM_MAX 2048	   /* the greatest of the mesh is 1,500; longer are counted */
#define UDP_BATCH 32		   /* datagrams a system call */
#define UDP_RECEIVE_MAX 256	   /* a call, so that one socket cannot starve the loop */
#define UDP_BUFFER_BYTES (4 << 20) /* asked of the kernel, which may give less */
#define UDP_ADDRESSES_MAX 64
#define UDP_WHY_SIZE 200

struct udp;

struct udp_counters {
	uint64_t received, received_bytes;
	uint64_t sent, sent_bytes;
	uint64_t too_long;	 /* received beyond UDP_DATAGRAM_MAX, dropped */
	uint64_t would_block;	 /* EAGAIN: the socket's buffer was full */
	uint64_t no_buffers;	 /* ENOBUFS: the device's queue was full */
	uint64_t unreachable;	 /* ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL */
	uint64_t refused;	 /* EPERM, EACCES: a packet filter of this host */
	uint64_t failed;	 /* anything else, EMSGSIZE among them */
	uint64_t kernel_dropped; /* receive buffer overruns, as told by SO_RXQ_OVFL */
};

/* Binds. On failure why is a sentence for a person, naming address, port and the key
 * `listen`. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EAFNOSUPPORT and others. */
int udp_open(const struct endpoint *local, struct udp **ret, char why[UDP_WHY_SIZE]);
void udp_free(struct udp *u);

int udp_fd(const struct udp *u);			   /* to watch for reading */
void udp_local(const struct udp *u, struct endpoint *ret); /* with the port really bound */
void udp_buffers(const struct udp *u, unsigned *ret_receive_bytes, unsigned *ret_send_bytes);
const struct udp_counters *udp_counters(const struct udp *u);

typedef void udp_handler(void *arg, const struct endpoint *from, struct span datagram);

/* Hands what has arrived to the handler, at most UDP_RECEIVE_MAX datagrams. Tells how many;
 * 0 when nothing was there; a negative errno if the socket is broken. */
int udp_receive(struct udp *u, udp_handler *handler, void *arg);

/* Sends one datagram, or drops and counts it: -EAGAIN, -ENOBUFS (not now), -ENETUNREACH,
 * -EMSGSIZE, -EPERM and others. */
int udp_send(struct udp *u, const struct endpoint *to, struct span datagram);

/* Own addresses of interfaces that are up, for invitations: global ones first (RFC 4291 scope
 * global, and IPv4 that is not private), then private IPv4 and unique local IPv6. No loopback,
 * link-local, multicast; none inside overlay_prefix (prefix_len bits; 0 for no prefix); none
 * of the interface skip (NULL for none). Ports are set to port. Tells how many. */
int udp_own_addresses(const uint8_t overlay_prefix[16], unsigned prefix_len, const char *skip,
		      uint16_t port, struct endpoint *ret, size_t max);
