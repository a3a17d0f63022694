/* SPDX-License-Identifier: Apache-2.0 */
/* Our zones, and what a name in them stands for. */
#include <errno.h>
#include <stdio.h>

#include "core/dns/dns.h"

#define NIBBLES 32

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool is_label(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';

		if (!is_word && (c != '-' || i == 0 || i == len - 1))
			return false;
	}
	return len > 0;
}

bool dns_zone_is_valid(const char *zone)
{
	/* Special-use names (RFC 6761, 6762, 7686), and those of the root's own. */
	static const char *const taken[] = { "arpa",  "invalid", "local",
					     "onion", "test",	 "localhost" };
	const char *last = strrchr(zone, '.');
	struct dns_name n;

	if (!last || dns_name_parse(zone, &n) < 0 || n.len > DNS_NAME_MAX - 65)
		return false; /* one label alone is a top-level domain; a node's name has to fit */
	for (const char *at = zone;; at++) {
		size_t len = strcspn(at, ".");

		if (!is_label(at, len))
			return false;
		at += len;
		if (*at == '\0')
			break;
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(last + 1, taken[i]) == 0)
			return false;
	return true;
}

/* The names of addresses end in the nibbles of the prefix, last first (RFC 3596 2.5). */
static int reverse_zone(const uint8_t prefix[16], unsigned bits, struct dns_name *ret)
{
	char text[DNS_TEXT_SIZE];
	size_t at = 0;

	for (unsigned i = bits / 4; i-- > 0;)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%x.",
				       prefix[i / 2] >> (i % 2 ? 0 : 4) & 0xf);
	(void)snprintf(text + at, sizeof(text) - at, "ip6.arpa");
	return dns_name_parse(text, ret);
}

int dns_zone_init(struct dns_zone *z, const char *zone, const char *self, const uint8_t prefix[16],
		  unsigned prefix_bits)
{
	char server[2 * DNS_TEXT_SIZE];

	*z = (struct dns_zone){ .ttl_s = 30, .negative_ttl_s = 5 };
	if (!dns_zone_is_valid(zone) || dns_name_parse(zone, &z->name) < 0)
		return -EINVAL;
	(void)snprintf(server, sizeof(server), "%.253s.%s", self, zone);
	if (strlen(server) >= DNS_TEXT_SIZE || dns_name_parse(server, &z->self) < 0)
		return -EINVAL;
	if (prefix_bits < 4 || prefix_bits > 124 || prefix_bits % 4 != 0)
		return -EINVAL;
	memcpy(z->ipv6.ip, prefix, sizeof(z->ipv6.ip));
	z->ipv6.bits = prefix_bits;
	return reverse_zone(prefix, prefix_bits, &z->ipv6_zone);
}

void dns_zone_set_ipv4(struct dns_zone *z, const uint8_t prefix[4], unsigned bits)
{
	z->ipv4 = (struct dns_prefix){ .bits = bits ? 96 + bits : 0 };
	memcpy(z->ipv4.ip, mapped, sizeof(mapped));
	memcpy(z->ipv4.ip + sizeof(mapped), prefix, 4);
}

static bool is_inside(const struct dns_prefix *p, const uint8_t ip[16])
{
	for (unsigned i = 0; i < p->bits; i++)
		if (((p->ip[i / 8] ^ ip[i / 8]) >> (7 - i % 8)) & 1)
			return false;
	return p->bits > 0;
}

static int nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Labels of one nibble each, before bytes of the name, last nibble first. */
static void find_ipv6(const struct dns_zone *z, const struct dns_name *name, size_t before,
		      struct dns_place *ret)
{
	unsigned n_before = (unsigned)before / 2;
	unsigned n = z->ipv6.bits / 4 + n_before;

	ret->is_reverse = true;
	ret->apex_at = before;
	ret->owner = before == 0 ? DNS_IS_APEX : DNS_IS_NOTHING;
	if (before == 0 || n > NIBBLES)
		return;
	memcpy(ret->address, z->ipv6.ip, sizeof(ret->address));
	for (unsigned i = 0; i < n_before; i++) {
		int v = name->wire[2 * (size_t)i] == 1 ? nibble(name->wire[2 * (size_t)i + 1]) : -1;
		unsigned at = n - 1 - i; /* counted from the front of the address */

		if (v < 0)
			return;
		ret->address[at / 2] = (uint8_t)(at % 2 ? (ret->address[at / 2] & 0xf0) | v
							: (ret->address[at / 2] & 0x0f) | v << 4);
	}
	ret->owner = n == NIBBLES ? DNS_IS_ADDRESS : DNS_IS_INNER;
}

/* "4.3.2.1.in-addr.arpa". Only whole addresses: a prefix need not end where a label does. */
static bool find_ipv4(const struct dns_zone *z, const struct dns_name *name, struct dns_place *ret)
{
	unsigned a, b, c, d;
	char text[DNS_TEXT_SIZE];
	uint8_t ip[16];
	char again[DNS_TEXT_SIZE];

	if (z->ipv4.bits == 0 || dns_name_labels(name) != 6 || dns_name_format(name, text) < 0)
		return false;
	/* NOLINTNEXTLINE(cert-err34-c): three digits cannot be too much for it */
	if (sscanf(text, "%3u.%3u.%3u.%3u.", &d, &c, &b, &a) != 4 || a > 255 || b > 255 ||
	    c > 255 || d > 255)
		return false;
	(void)snprintf(again, sizeof(again), "%u.%u.%u.%u.in-addr.arpa", d, c, b, a);
	if (strcmp(text, again) != 0)
		return false; /* another end, or "01" and the like */
	memcpy(ip, mapped, sizeof(mapped));
	ip[12] = (uint8_t)a;
	ip[13] = (uint8_t)b;
	ip[14] = (uint8_t)c;
	ip[15] = (uint8_t)d;
	if (!is_inside(&z->ipv4, ip))
		return false;
	memcpy(ret->address, ip, sizeof(ip));
	ret->owner = DNS_IS_ADDRESS;
	ret->is_reverse = true;
	ret->apex_at = 1U + name->wire[0];
	return true;
}

void dns_zone_find(const struct dns_zone *z, const struct dns_name *name, struct dns_place *ret)
{
	struct dns_name below;
	size_t before;

	memset(ret, 0, sizeof(*ret));
	ret->owner = DNS_IS_FOREIGN;
	if (dns_name_is_under(name, &z->ipv6_zone, &before)) {
		find_ipv6(z, name, before, ret);
	} else if (dns_name_is_under(name, &z->name, &before)) {
		ret->apex_at = before;
		ret->owner = before == 0 ? DNS_IS_APEX : DNS_IS_NAME;
		memcpy(below.wire, name->wire, before);
		below.wire[before] = 0;
		below.len = before + 1;
		if (before > 0 && dns_name_format(&below, ret->text) < 0)
			ret->owner = DNS_IS_NOTHING;
	} else {
		(void)find_ipv4(z, name, ret);
	}
}
