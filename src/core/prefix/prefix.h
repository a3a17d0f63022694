/* SPDX-License-Identifier: Apache-2.0 */
/* prefix.h - networks of addresses: what they are called, what they cover, and which of many is
 * the longest that covers an address.
 *
 * IPv4 is kept as IPv4-mapped (RFC 4291 section 2.5.5.2): 192.168.7.0/24 has len 120. ::/0 covers
 * no IPv4 address; 0.0.0.0/0, which has len 96, covers all of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREFIX_TEXT_SIZE 50 /* "2001:db8:.../128" and a NUL */
#define PREFIX_IPV4_LEN 96

struct prefix {
	uint8_t ip[16]; /* bits behind len are zero */
	uint8_t len;	/* 0 to 128; IPv4: 96 to 128 */
};

bool address_is_ipv4(const uint8_t address[16]); /* mapped */
bool prefix_is_ipv4(const struct prefix *p);
bool prefix_is_default(const struct prefix *p); /* 0.0.0.0/0 or ::/0: what an exit offers */
/* The default, or so short that a few like it (2000::/3, 64.0.0.0/3) lead to the internet as well:
 * shorter than these, and not in fc00::/7. Nobody's own network is as large: of IPv4 the largest
 * is 10.0.0.0/8, and no holder of IPv6 addresses has more than a /16. */
#define PREFIX_EXIT_IPV4_BITS 8
#define PREFIX_EXIT_IPV6_BITS 16
bool prefix_is_exit(const struct prefix *p);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* Whether the address is inside; of one family only. */
bool prefix_covers(const struct prefix *p, const uint8_t address[16]);
/* Whether all of inner is inside. */
bool prefix_contains(const struct prefix *p, const struct prefix *inner);
/* Whether the two have an address in common. */
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

/* "192.168.7.0/24", "fd12::/48"; without a length one address. -EINVAL for what is no prefix, has
 * bits behind its length, or is IPv4 written as IPv6. */
int prefix_parse(const char *text, struct prefix *ret);
void prefix_format(const struct prefix *p, char ret[PREFIX_TEXT_SIZE]);
void prefix_format_address(const uint8_t address[16], char ret[PREFIX_TEXT_SIZE]);

/* Never routed by anybody: unspecified, loopback, link-local, multicast, 240.0.0.0/4. */
bool address_is_unroutable(const uint8_t address[16]);
/* Not of the internet: the unroutable, RFC 1918, RFC 6598, RFC 4193 and the like, also where such a
 * one of IPv4 is inside one of IPv6 for a translator or tunnel (NAT64, 6to4). What an exit
 * does not pass on unless it offers the network by itself. */
bool address_is_private(const uint8_t address[16]);
/* NULL where a node may offer and another accept it; else why not, as the end of a sentence. */
const char *prefix_fault(const struct prefix *p);

/* ---- IPv4 addresses of nodes ---- */

#define PREFIX_IPV4_CHOICES 16
#define PREFIX_IPV4_BITS_MIN 8 /* the IPv4 length, of a prefix for nodes */
#define PREFIX_IPV4_BITS_MAX 28

/* The address that a node takes as its choice-th, 0 to PREFIX_IPV4_CHOICES - 1: anybody can say
 * which it is, so that no node can claim another than one of its own. Neither the first nor the
 * last address of the prefix. */
void prefix_ipv4_of(const struct prefix *within, uint64_t node_id, unsigned choice,
		    uint8_t ret[16]);

/* ---- longest match ---- */

#define PREFIX_TABLE_MAX 2048
#define PREFIX_NODES_MAX 8 /* that offer the same prefix and are kept */

struct prefix_entry {
	struct prefix prefix;
	unsigned n_nodes;
	uint64_t nodes[PREFIX_NODES_MAX];
	uint64_t via; /* of them the one that packets go to; 0: none is reachable */
};

/* Does not change once sorted: whoever makes another swaps the pointer. */
struct prefix_table;

int prefix_table_new(struct prefix_table **ret); /* -ENOMEM */
void prefix_table_free(struct prefix_table *t);
/* A node that offers the prefix. -ENOBUFS: too many prefixes, or nodes of one; -EEXIST, -ENOMEM. */
int prefix_table_add(struct prefix_table *t, const struct prefix *p, uint64_t node_id);
/* To be called once after the last prefix_table_add(), before any look-up. */
void prefix_table_sort(struct prefix_table *t);
/* The longest that covers the address; NULL for none. */
const struct prefix_entry *prefix_table_find(const struct prefix_table *t,
					     const uint8_t address[16]);
struct prefix_entry *prefix_table_exactly(struct prefix_table *t, const struct prefix *p);
/* In the order of the table: longest first. */
struct prefix_entry *prefix_table_at(struct prefix_table *t, size_t i);
size_t prefix_table_count(const struct prefix_table *t);
bool prefix_entry_has(const struct prefix_entry *e, uint64_t node_id);
