/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the sources of this room share. Inside the room only. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "shell/udp/backlog.h"
#include "shell/udp/udp.h"

#define UDP_MESSAGE_MAX 65536	  /* of a run of datagrams that arrive as one message */
#define UDP_SEND_MAX 65507	  /* of a run that leaves as one: what IPv4 can carry */
#define UDP_UNSEGMENTED_MAX 16	  /* destinations known to refuse UDP_SEGMENT */
#define UDP_UNSEGMENTED_TRY 65536 /* datagrams until such a one is tried again */

#define UDP_DISCOVER_IPV4 IP_PMTUDISC_OMIT   /* but for probes; see set_options() */
#define UDP_DISCOVER_IPV6 IPV6_PMTUDISC_OMIT /* the same */

/* Overflow, size of a run, traffic class. */
#define UDP_CONTROL_SIZE (CMSG_SPACE(sizeof(uint32_t)) + 2 * CMSG_SPACE(sizeof(int)))

struct outgoing {
	struct endpoint to;
	struct span datagram;
	uint8_t traffic_class;
	unsigned message; /* while flushing: the one it goes in */
};

struct queue {
	struct outgoing of[UDP_QUEUE_MAX];
	unsigned n;
};

/* What one of the sockets receives into. */
struct inlet {
	int fd;
	uint32_t overflow; /* SO_RXQ_OVFL as last told */
	uint8_t *buffers;  /* UDP_BATCH or UDP_GRO_BATCH of buffer_size */
	unsigned next;	   /* of them, to receive into */
};

struct udp {
	struct inlet main, urgent; /* urgent.fd: -1 without */
	struct endpoint local;
	struct udp_counters counters;
	const char *why_off[UDP_N_OFFLOADS];
	size_t buffer_size; /* of each datagram or run */
	struct queue queues[UDP_N_CLASSES];
	struct backlog backlog;
	/* The path to these cannot carry a segment of some size (EINVAL, EMSGSIZE). A ring. */
	struct {
		struct endpoint to;
		unsigned left; /* datagrams until it is tried again */
	} unsegmented[UDP_UNSEGMENTED_MAX];
	unsigned next_unsegmented;
	bool has_unsegmented; /* there ever was one: most paths never look */
};

struct sockaddr_in6 udp_sockaddr(const struct endpoint *e);
struct endpoint udp_endpoint(const struct sockaddr_in6 *a);
int udp_set_options(int fd);

/* udp.c: a socket that is not bound yet. */
int udp_new(struct udp **ret);
/* group.c: 0, or a negative errno. */
int udp_open_urgent(struct udp *u);
/* refused.c: from now on errors of what was sent wait in a queue of the socket, and each makes the
 * next call on it fail once. */
int udp_hear_errors(int fd);
