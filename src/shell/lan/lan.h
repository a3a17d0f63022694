/* SPDX-License-Identifier: Apache-2.0 */
/* lan.h - datagrams to all hosts of a network, by IPv6 and IPv4 multicast, on interfaces that come
 * and go. Nothing here waits but the listing of interfaces, for the kernel's answer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/endpoint.h"

#define LAN_GROUP_IPV6 "ff12::7830" /* of the link, not assigned by IANA (RFC 4291 section 2.7) */
#define LAN_GROUP_IPV4 "239.255.77.77"
#define LAN_INTERFACES_MAX 16
#define LAN_NAME_SIZE 16
#define LAN_PREFIXES_MAX 8   /* of IPv4, of one interface; further ones are not heard from */
#define LAN_DATAGRAM_MAX 512 /* longer ones are cut, and so of no use */
#define LAN_RECEIVE_MAX 64   /* handed over at one call, of each family */
#define LAN_RECEIVE_BUFFER_BYTES (128 << 10)
#define LAN_FDS 3
#define LAN_WHY_SIZE 160

struct lan;

struct lan_options {
	uint16_t port;	  /* of all hosts */
	const char *skip; /* an interface never used: the tunnel; or NULL */
	const char *only; /* names with commas between: no others; "" for all */
};

struct lan_prefix {
	uint32_t ip; /* in the order of the machine, as load_u32() gives it */
	unsigned bits;
};

struct lan_interface {
	uint32_t index;
	char name[LAN_NAME_SIZE];
	bool has_ipv6; /* a link-local address */
	bool has_ipv4;
	struct lan_prefix ipv4[LAN_PREFIXES_MAX];
	size_t n_ipv4;
};

/* Options are copied. A family that this kernel lacks is left out; why says so where neither is
 * there. Needs no privileges. -EADDRINUSE and others. */
int lan_open(const struct lan_options *options, struct lan **ret, char why[LAN_WHY_SIZE]);
void lan_free(struct lan *l);

/* To be watched for reading: datagrams twice, and the kernel's word that interfaces have changed;
 * -1 for none. */
void lan_fds(const struct lan *l, int ret[LAN_FDS]);
/* Whether the kernel has said so since it was asked last. */
bool lan_has_changed(struct lan *l);
/* Looks at the interfaces, joins and leaves. Negative errno: nothing was changed. */
int lan_refresh(struct lan *l);
size_t lan_interfaces(const struct lan *l, const struct lan_interface **ret); /* borrowed */
/* Interfaces that would do, but are more than LAN_INTERFACES_MAX. */
size_t lan_left_out(const struct lan *l);

typedef void lan_handler(void *arg, uint32_t interface, const struct endpoint *from,
			 struct span datagram);
/* Tells how many datagrams there were. Handed over is what comes from an address of that very
 * network: link-local by IPv6, within a prefix of the interface by IPv4. */
unsigned lan_receive(struct lan *l, lan_handler *handler, void *arg);

/* A negative errno is as if the network had lost it. */
int lan_send_all(struct lan *l, uint32_t interface, bool is_ipv4, struct span datagram);
int lan_send(struct lan *l, uint32_t interface, const struct endpoint *to, struct span datagram);
int lan_socket(const struct lan *l, bool is_ipv4); /* to set options; -1 for none */
