/* SPDX-License-Identifier: Apache-2.0 */
/* Prefixes: their texts, what they cover, and which are of no use to anybody. */
#include "core/prefix/prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/siphash.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

bool address_is_ipv4(const uint8_t address[16])
{
	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

bool prefix_is_ipv4(const struct prefix *p)
{
	return p->len >= PREFIX_IPV4_LEN && address_is_ipv4(p->ip);
}

bool prefix_is_default(const struct prefix *p)
{
	return p->len == 0 || (p->len == PREFIX_IPV4_LEN && prefix_is_ipv4(p));
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool is_equal_to(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) & (0xff00 >> rest) & 0xff) == 0;
}

bool prefix_covers(const struct prefix *p, const uint8_t address[16])
{
	return prefix_is_ipv4(p) == address_is_ipv4(address) && is_equal_to(p->ip, address, p->len);
}

bool prefix_contains(const struct prefix *p, const struct prefix *inner)
{
	return p->len <= inner->len && prefix_overlaps(p, inner);
}

bool prefix_is_exit(const struct prefix *p)
{
	static const struct prefix unique_local = { { 0xfc }, 7 };

	if (prefix_is_ipv4(p))
		return p->len < PREFIX_IPV4_LEN + PREFIX_EXIT_IPV4_BITS;
	return p->len < PREFIX_EXIT_IPV6_BITS && !prefix_contains(&unique_local, p);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_is_ipv4(a) == prefix_is_ipv4(b) &&
	       is_equal_to(a->ip, b->ip, a->len < b->len ? a->len : b->len);
}

/* ---- texts ---- */

/* The number behind the slash, at most max; -EINVAL. */
static int parse_len(const char *text, unsigned max)
{
	unsigned n = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		n = n * 10 + (unsigned)(*text - '0');
		if (n > max)
			return -EINVAL;
	}
	return (int)n;
}

static bool has_host_bits(const struct prefix *p)
{
	for (unsigned bit = p->len; bit < 128; bit++)
		if (p->ip[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

int prefix_parse(const char *text, struct prefix *ret)
{
	size_t address_len = strcspn(text, "/");
	char address[INET6_ADDRSTRLEN];
	struct prefix p = { 0 };
	bool is_ipv4;
	int len;

	if (address_len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, address_len);
	address[address_len] = '\0';
	is_ipv4 = inet_pton(AF_INET, address, p.ip + sizeof(mapped)) == 1;
	if (is_ipv4)
		memcpy(p.ip, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, address, p.ip) != 1 || address_is_ipv4(p.ip))
		return -EINVAL;
	len = is_ipv4 ? 32 : 128;
	if (text[address_len])
		len = parse_len(text + address_len + 1, (unsigned)len);
	if (len < 0)
		return len;
	p.len = (uint8_t)(is_ipv4 ? PREFIX_IPV4_LEN + len : len);
	if (has_host_bits(&p))
		return -EINVAL;
	*ret = p;
	return 0;
}

void prefix_format_address(const uint8_t address[16], char ret[PREFIX_TEXT_SIZE])
{
	if (address_is_ipv4(address))
		(void)inet_ntop(AF_INET, address + sizeof(mapped), ret, PREFIX_TEXT_SIZE);
	else
		(void)inet_ntop(AF_INET6, address, ret, PREFIX_TEXT_SIZE);
}

void prefix_format(const struct prefix *p, char ret[PREFIX_TEXT_SIZE])
{
	unsigned len = prefix_is_ipv4(p) ? p->len - PREFIX_IPV4_LEN : p->len;
	size_t at;

	prefix_format_address(p->ip, ret);
	at = strlen(ret);
	(void)snprintf(ret + at, PREFIX_TEXT_SIZE - at, "/%u", len);
}

/* ---- what is of use to whom ---- */

#define IPV4(a, b, c, d, length)                                                              \
	{                                                                                     \
		{ [10] = 0xff, [11] = 0xff, [12] = (a), [13] = (b), [14] = (c), [15] = (d) }, \
			PREFIX_IPV4_LEN + (length)                                            \
	}

/* IANA's registries of special-purpose addresses (RFC 6890). */
static const struct prefix unroutable[] = {
	IPV4(0, 0, 0, 0, 8),	IPV4(127, 0, 0, 0, 8), IPV4(169, 254, 0, 0, 16),
	IPV4(224, 0, 0, 0, 4),	IPV4(240, 0, 0, 0, 4), { { 0 }, 128 }, /* unspecified */
	{ { [15] = 1 }, 128 },					       /* loopback */
	{ { 0xfe, 0x80 }, 10 },					       /* link-local */
	{ { 0xff }, 8 },					       /* multicast */
};

static const struct prefix local[] = {
	IPV4(10, 0, 0, 0, 8),
	IPV4(172, 16, 0, 0, 12),
	IPV4(192, 168, 0, 0, 16),
	IPV4(100, 64, 0, 0, 10),
	IPV4(192, 0, 0, 0, 24),		       /* RFC 6890 */
	IPV4(198, 18, 0, 0, 15),	       /* RFC 2544 */
	{ { 0xfc }, 7 },		       /* RFC 4193 */
	{ { 0xfe, 0xc0 }, 10 },		       /* RFC 3879 */
	{ { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48 }, /* RFC 8215: a network's own NAT64 */
	{ { 1 }, 64 },			       /* RFC 6666: discarded */
	{ { 0x20, 1 }, 32 },		       /* RFC 4380: Teredo hides whose it is */
	{ { 0 }, 96 },			       /* RFC 4291 section 2.5.5.1 */
};

/* IPv6 addresses that a translator or a tunnel turns into the IPv4 address in them. */
static const struct {
	struct prefix prefix;
	size_t at;
} carriers[] = {
	{ { { 0, 0x64, 0xff, 0x9b }, 96 }, 12 }, /* RFC 6052 */
	{ { { 0x20, 2 }, 16 }, 2 },		 /* RFC 3056 */
};

static bool is_in(const struct prefix *list, size_t n, const uint8_t address[16])
{
	for (size_t i = 0; i < n; i++)
		if (prefix_covers(&list[i], address))
			return true;
	return false;
}

bool address_is_unroutable(const uint8_t address[16])
{
	return is_in(unroutable, N_ELEMENTS(unroutable), address);
}

static bool is_private(const uint8_t address[16])
{
	return address_is_unroutable(address) || is_in(local, N_ELEMENTS(local), address);
}

bool address_is_private(const uint8_t address[16])
{
	uint8_t inside[16];

	if (is_private(address))
		return true;
	for (size_t i = 0; i < N_ELEMENTS(carriers); i++) {
		if (!prefix_covers(&carriers[i].prefix, address))
			continue;
		memcpy(inside, mapped, sizeof(mapped));
		memcpy(inside + sizeof(mapped), address + carriers[i].at, 4);
		return is_private(inside);
	}
	return false;
}

const char *prefix_fault(const struct prefix *p)
{
	if (prefix_is_default(p))
		return NULL;
	for (size_t i = 0; i < N_ELEMENTS(unroutable); i++)
		if (prefix_overlaps(p, &unroutable[i]))
			return "has loopback, link-local, multicast or reserved addresses inside";
	return NULL;
}

/* ---- IPv4 addresses of nodes ---- */

void prefix_ipv4_of(const struct prefix *within, uint64_t node_id, unsigned choice, uint8_t ret[16])
{
	static const uint8_t key[16] = "x0 ipv4 address";
	unsigned bits = 128U - within->len;
	uint32_t base = load_u32(within->ip + 12);
	uint8_t what[9];
	const struct span part = SPAN_OF(what);
	uint64_t hosts = (UINT64_C(1) << bits) - 2;

	store_u64(what, node_id);
	what[8] = (uint8_t)choice;
	memcpy(ret, within->ip, 16);
	store_u32(ret + 12, base + 1 + (uint32_t)(siphash64(key, &part, 1) % hosts));
}
