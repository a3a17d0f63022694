/* SPDX-License-Identifier: Apache-2.0 */
/* netlink.h - links, addresses, routes and rules of this network namespace, by rtnetlink, and
 * the nftables tables against forged overlay addresses and for what is passed on, by the program
 * nft. IPv4 addresses are IPv4-mapped, and their prefixes 96 bits longer.
 *
 * Every call waits for the kernel's answer and returns its error. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETLINK_ROUTE_PROTOCOL 226 /* marks routes as ours; below 256, used by no known daemon */
#define NETLINK_ROUTES_MAX 16384   /* of one listing */
#define NETLINK_WAIT_MS 2000

struct netlink;

int netlink_new(struct netlink **ret);
void netlink_free(struct netlink *n);

struct netlink_link {
	unsigned index;
	unsigned mtu_bytes;
	unsigned master; /* index of the bridge, bond or the like that it is part of; 0: none */
	bool is_up;
};

int netlink_link(struct netlink *n, const char *name, struct netlink_link *ret); /* -ENODEV */
int netlink_link_set_up(struct netlink *n, unsigned index, bool is_up);
int netlink_link_set_mtu(struct netlink *n, unsigned index, unsigned mtu_bytes);
/* The greatest super-packet that the kernel gives the device. */
int netlink_link_set_gso_max(struct netlink *n, unsigned index, unsigned bytes);

struct netlink_prefix {
	uint8_t ip[16];
	unsigned len; /* bits */
};

/* Without duplicate address detection: usable at once. -EEXIST, -EPERM. */
int netlink_address_add(struct netlink *n, unsigned index, const struct netlink_prefix *address);
int netlink_address_delete(struct netlink *n, unsigned index, const struct netlink_prefix *address);
/* At most max of them; tells how many there are. */
int netlink_addresses(struct netlink *n, unsigned index, struct netlink_prefix *ret, size_t max);

/* Routes of NETLINK_ROUTE_PROTOCOL in the main table, out of the link. Adding one that is
 * there changes nothing. Deleting one that is not is -ESRCH. */
int netlink_route_add(struct netlink *n, unsigned index, const struct netlink_prefix *to);
int netlink_route_delete(struct netlink *n, unsigned index, const struct netlink_prefix *to);
int netlink_routes(struct netlink *n, unsigned index, struct netlink_prefix *ret, size_t max);
/* How many of them there are in all tables, of both families. */
int netlink_routes_count(struct netlink *n, unsigned index);

/* The same in a table of our own, which is looked up where a rule says so. */
int netlink_table_route_add(struct netlink *n, uint32_t table, unsigned index,
			    const struct netlink_prefix *to);
int netlink_table_route_delete(struct netlink *n, uint32_t table, unsigned index,
			       const struct netlink_prefix *to);

/* A rule of policy routing (ip-rule(8)), marked with NETLINK_ROUTE_PROTOCOL. */
struct netlink_rule {
	bool is_ipv4;
	uint32_t priority;
	uint32_t mark;		 /* of the packet; 0: of all */
	uint32_t table;		 /* looked up; 0: no route to anything from here on */
	bool is_without_default; /* the table's default route does not count */
};

#define NETLINK_TABLE_MAIN 254
int netlink_rule_add(struct netlink *n, const struct netlink_rule *rule); /* 0 where it is there */
/* How many of ours there are in this range, of both families. */
int netlink_rules_count(struct netlink *n, uint32_t first_priority, uint32_t n_priorities);
/* All of them; tells how many there were. */
int netlink_rules_delete(struct netlink *n, uint32_t first_priority, uint32_t n_priorities);

/* By which interface the kernel would send to this address now. -ENETUNREACH and others. */
int netlink_interface_to(struct netlink *n, const uint8_t ip[16], unsigned *ret_index);

/* ---- interfaces that come and go; needs no privileges, and waits for nothing ---- */

struct netlink_watch;

int netlink_watch_new(struct netlink_watch **ret);
void netlink_watch_free(struct netlink_watch *w);
int netlink_watch_fd(const struct netlink_watch *w); /* to be watched for reading */
/* Reads what the kernel has said: of each interface whether it is up and has a carrier. Returns
 * 0, or -ENOBUFS where some of it was lost. */
int netlink_watch_read(struct netlink_watch *w,
		       void (*handler)(void *arg, unsigned index, bool has_carrier), void *arg);

/* ---- that something changed, be it by us; needs CAP_NET_ADMIN for nftables ---- */

enum netlink_topic {
	NETLINK_RULES, /* of routing */
	NETLINK_NFTABLES,
};

/* A descriptor that a change makes readable, or an error. */
int netlink_changes_open(enum netlink_topic topic);
/* Before one looks what there is now: all that has been said. */
void netlink_changes_forget(int fd);

/* ---- nftables: what there is of family inet, without the program nft ---- */

#define NFT_TABLE_SIZE 24 /* "x0nat_" and the name of a device */
#define NFT_NAMES_MAX 16

struct nft_names {
	char list[NFT_NAMES_MAX][16];
	size_t n;
};

/* Of the guard of a tunnel, or of its NAT; 0 where there is no such table. -EINTR: again. */
int nft_guard_rules(const char *tun_name);
int nft_nat_rules(const char *tun_name);
int nft_rules_count(const char *table);
/* Of tables whose names begin so the rest of the name, of devices; the first NFT_NAMES_MAX. */
int nft_tables(const char *prefix, struct nft_names *ret);

/* ---- nftables: table inet x0_TUNNEL, one for each tunnel ---- */

#define NFT_WHY_SIZE 200
#define NFT_WAIT_MS 5000

/* What claims an address of the overlay, as source or destination, and arrives on any
 * interface but the tunnel and lo, is counted and dropped, before connection tracking; on lo
 * what claims a source there that is not this machine's: by the kernel's table of addresses, or,
 * where the kernel cannot look it up in a rule (nft_fib_inet), what is not the address given. */
struct nft_guard {
	struct netlink_prefix overlay;
	bool has_ipv4;
	struct netlink_prefix ipv4; /* the same for the IPv4 addresses inside */
	char tun_name[16];
	bool has_own;
	uint8_t own[16];     /* this node's address; without it there is no second form */
	bool is_without_fib; /* the second form at once */
};

struct nft_counters {
	uint64_t source_packets, source_bytes;
	uint64_t destination_packets, destination_bytes;
};

/* Puts the table in place of any earlier one, in one transaction. Why is a sentence: on success
 * which of the two forms it is. -ENOENT (no nft program), -EPERM, -EPROTONOSUPPORT (the kernel
 * lacks it), -ETIMEDOUT, -EIO. */
int nft_apply(const struct nft_guard *guard, char why[NFT_WHY_SIZE]);
int nft_remove(const char *tun_name, char why[NFT_WHY_SIZE]); /* 0 where none is */
/* -ENOENT where none is. */
int nft_read(const char *tun_name, struct nft_counters *ret, char why[NFT_WHY_SIZE]);

/* ---- nftables: table inet x0nat_TUNNEL ---- */

/* Whether the kernel passed packets on before we said so: kept as the table's own, so that it
 * lives exactly as long as what it speaks of. */
struct nft_forwarding {
	bool was_ipv4_off, was_ipv6_off;
	bool had_redirects; /* accepted over IPv4, which the kernel changes with it */
};

/* What comes out of the tunnel and leaves elsewhere takes the address of that interface. Of a
 * family that was off before, what is forwarded and neither comes out of a tunnel (this one and the
 * others) nor goes into one is counted and dropped. Errors as nft_apply(). */
int nft_nat_apply(const char *tun_name, const struct nft_forwarding *before,
		  const struct nft_names *others, char why[NFT_WHY_SIZE]);
int nft_nat_remove(const char *tun_name, char why[NFT_WHY_SIZE]); /* 0 where none is */
/* -ENOENT where there is no such table. */
int nft_nat_read(const char *tun_name, struct nft_forwarding *ret, char why[NFT_WHY_SIZE]);
/* The other tunnels of this network namespace that have one; none on an error. */
int nft_nat_tunnels(const char *tun_name, struct nft_names *ret);
/* How many other tunnels of this network namespace have one, and what all of theirs say. */
int nft_nat_others(const char *tun_name, struct nft_forwarding *ret, char why[NFT_WHY_SIZE]);
