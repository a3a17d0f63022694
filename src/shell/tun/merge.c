/* SPDX-License-Identifier: Apache-2.0 */
/* Putting packets together. */
#include "shell/tun/merge.h"

#include <errno.h>

#include "shell/tun/checksum.h"

#define TCP_FLAGS_AT 13

static const struct vnet_header whole; /* nothing left to do for the kernel */

void merge_init(struct merge *m, bool is_tcp_on, bool is_udp_on, merge_writer *write, void *arg)
{
	m->is_tcp_on = is_tcp_on;
	m->is_udp_on = is_udp_on;
	m->write = write;
	m->arg = arg;
	m->n_open = 0;
	m->n_spare = 0;
	m->n_merged = 0;
	for (unsigned i = 0; i < MERGE_GROUPS_MAX; i++)
		m->spare[m->n_spare++] = &m->groups[i];
}

/* ---- writing ---- */

static struct iovec piece(struct span s)
{
	union {
		const uint8_t *in;
		void *out;
	} bytes = { .in = s.at };

	return (struct iovec){ bytes.out, s.len };
}

static int write_single(struct merge *m, struct span packet)
{
	struct iovec one = piece(packet);

	return m->write(m->arg, &whole, &one, 1);
}

/* The headers of the whole: lengths, the flags that come last, a partial checksum. */
static struct vnet_header whole_headers(const struct merge_group *g, uint8_t *ret)
{
	const struct headers *h = &g->headers;
	const struct span *last = &g->packets[g->n - 1];
	size_t upper_len = h->len - h->ip_len + g->payload;
	struct vnet_header v = {
		.flags = VNET_NEEDS_CSUM,
		.hdr_len = (uint16_t)h->len,
		.gso_size = (uint16_t)g->size,
		.csum_start = (uint16_t)h->ip_len,
		.csum_offset = (uint16_t)(headers_checksum_at(h) - h->ip_len),
	};

	memcpy(ret, g->packets[0].at, h->len);
	if (h->is_ipv6) {
		store_u16(ret + 4, (uint16_t)(h->len - 40 + g->payload));
	} else {
		store_u16(ret + 2, (uint16_t)(h->len + g->payload));
		checksum_store(ret + 10, 0);
		checksum_store(ret + 10,
			       (uint16_t)~checksum_fold(checksum_add(0, SPAN(ret, h->ip_len))));
	}
	if (h->protocol == PROTOCOL_TCP) {
		uint8_t *flags = ret + h->ip_len + TCP_FLAGS_AT;

		*flags |= last->at[h->ip_len + TCP_FLAGS_AT] & TCP_PSH;
		v.gso_type = h->is_ipv6 ? VNET_GSO_TCP6 : VNET_GSO_TCP4;
		if (*flags & TCP_CWR)
			v.gso_type |= VNET_GSO_ECN;
	} else {
		store_u16(ret + h->ip_len + 4, (uint16_t)upper_len);
		v.gso_type = VNET_GSO_UDP;
	}
	checksum_store(ret + headers_checksum_at(h),
		       checksum_fold(headers_pseudo_sum(h, ret, upper_len)));
	return v;
}

static void write_group(struct merge *m, const struct merge_group *g)
{
	struct iovec pieces[MERGE_PACKETS_MAX + 1];
	uint8_t headers[HEADERS_MAX];
	struct vnet_header v;

	if (g->n == 1) {
		(void)write_single(m, g->packets[0]);
		return;
	}
	v = whole_headers(g, headers);
	pieces[0] = piece(SPAN(headers, g->headers.len));
	for (unsigned i = 0; i < g->n; i++)
		pieces[i + 1] = piece(SPAN(g->packets[i].at + g->headers.len,
					   g->packets[i].len - g->headers.len));
	if (m->write(m->arg, &v, pieces, g->n + 1) != -EINVAL) {
		m->n_merged += g->n;
		return;
	}
	m->is_tcp_on = m->is_udp_on = false; /* a kernel that does not take it after all */
	for (unsigned i = 0; i < g->n; i++)
		(void)write_single(m, g->packets[i]);
}

static void close_group(struct merge *m, unsigned at)
{
	struct merge_group *g = m->open[at];

	write_group(m, g);
	m->n_open--;
	memmove(m->open + at, m->open + at + 1, (m->n_open - at) * sizeof(struct merge_group *));
	m->spare[m->n_spare++] = g;
}

void merge_flush(struct merge *m)
{
	while (m->n_open > 0)
		close_group(m, 0);
}

/* ---- which packets ---- */

static bool is_same_flow(const struct merge_group *g, const struct headers *h, const uint8_t *at)
{
	const uint8_t *other = g->packets[0].at;
	size_t addresses = h->is_ipv6 ? 8 : 12;

	return g->headers.is_ipv6 == h->is_ipv6 && g->headers.protocol == h->protocol &&
	       memcmp(other + g->headers.ip_len, at + h->ip_len, 4) == 0 && /* ports */
	       memcmp(other + addresses, at + addresses, h->is_ipv6 ? 32 : 8) == 0;
}

static bool lengths_are_right(const struct headers *h, struct span packet)
{
	if (h->is_ipv6 ? load_u16(packet.at + 4) + (size_t)40 != packet.len
		       : load_u16(packet.at + 2) != packet.len)
		return false;
	return h->protocol == PROTOCOL_TCP ||
	       load_u16(packet.at + h->ip_len + 4) == packet.len - h->ip_len;
}

static bool checksum_is_right(const struct headers *h, struct span packet)
{
	size_t upper_len = packet.len - h->ip_len;
	uint64_t sum = headers_pseudo_sum(h, packet.at, upper_len);

	/* In UDP none; in TCP the other form of the one that cutting writes (RFC 1624). */
	if (load_u16(packet.at + headers_checksum_at(h)) == 0)
		return false;
	return checksum_fold(checksum_add(sum, SPAN(packet.at + h->ip_len, upper_len))) == 0xffff;
}

/* Data, and nothing that is said once: SYN, FIN, RST and URG go alone. IP options too, and the
 * bits of IPv4 but "do not fragment". */
static bool is_mergeable(const struct merge *m, const struct headers *h, struct span packet)
{
	const uint8_t *upper = packet.at + h->ip_len;

	if (packet.len <= h->len || h->ip_len != (h->is_ipv6 ? 40 : 20))
		return false;
	if (!h->is_ipv6 &&
	    (load_u16(packet.at + 6) & 0xbfff || load_u16(packet.at + 10) == 0xffff ||
	     checksum_fold(checksum_add(0, SPAN(packet.at, 20))) != 0xffff))
		return false;
	if (h->protocol == PROTOCOL_UDP && !m->is_udp_on)
		return false;
	if (h->protocol == PROTOCOL_TCP &&
	    (!m->is_tcp_on || (upper[TCP_FLAGS_AT] & ~(TCP_PSH | TCP_ECE | TCP_CWR)) != TCP_ACK))
		return false;
	return lengths_are_right(h, packet) && checksum_is_right(h, packet);
}

static bool ip_continues(const struct merge_group *g, const uint8_t *at)
{
	const uint8_t *first = g->packets[0].at;

	if (g->headers.is_ipv6) /* class and flow label; next header and hop limit */
		return memcmp(first, at, 4) == 0 && memcmp(first + 6, at + 6, 2) == 0;
	return memcmp(first, at, 2) == 0 && memcmp(first + 6, at + 6, 4) == 0 &&
	       (uint16_t)(load_u16(first + 4) + g->n) == load_u16(at + 4);
}

/* Equal but for sequence number, PSH and checksum; CWR would begin another one. */
static bool tcp_continues(const struct merge_group *g, const uint8_t *tcp, size_t tcp_len)
{
	const uint8_t *first = g->packets[0].at + g->headers.ip_len;

	return load_u32(first + 4) + (uint32_t)g->payload == load_u32(tcp + 4) &&
	       memcmp(first + 8, tcp + 8, 5) == 0 &&
	       ((first[TCP_FLAGS_AT] ^ tcp[TCP_FLAGS_AT]) & ~(TCP_PSH | TCP_CWR)) == 0 &&
	       !(tcp[TCP_FLAGS_AT] & TCP_CWR) && memcmp(first + 14, tcp + 14, 2) == 0 &&
	       memcmp(first + 18, tcp + 18, tcp_len - 18) == 0;
}

static bool continues(const struct merge_group *g, const struct headers *h, struct span packet)
{
	size_t payload = packet.len - h->len;

	if (g->is_closed || g->n == MERGE_PACKETS_MAX || h->len != g->headers.len ||
	    payload > g->size || h->len + g->payload + payload > MERGE_LEN_MAX)
		return false;
	return ip_continues(g, packet.at) &&
	       (h->protocol == PROTOCOL_UDP ||
		tcp_continues(g, packet.at + h->ip_len, h->len - h->ip_len));
}

static void append(struct merge_group *g, struct span packet)
{
	const struct headers *h = &g->headers;
	size_t payload = packet.len - h->len;

	g->packets[g->n++] = packet;
	g->payload += payload;
	g->is_closed = payload < g->size || (h->protocol == PROTOCOL_TCP &&
					     packet.at[h->ip_len + TCP_FLAGS_AT] & TCP_PSH);
}

static void begin(struct merge *m, const struct headers *h, struct span packet)
{
	struct merge_group *g;

	if (m->n_open == MERGE_GROUPS_MAX)
		close_group(m, 0);
	g = m->spare[--m->n_spare];
	g->n = 0;
	g->headers = *h;
	g->payload = 0;
	g->size = packet.len - h->len;
	append(g, packet);
	m->open[m->n_open++] = g;
}

void merge_add(struct merge *m, struct span packet)
{
	struct headers h;
	bool can_merge;

	if (!m->is_tcp_on && !m->is_udp_on)
		merge_flush(m); /* of before it was switched off */
	if ((!m->is_tcp_on && !m->is_udp_on) || headers_read(packet, &h) < 0) {
		(void)write_single(m, packet);
		return;
	}
	can_merge = is_mergeable(m, &h, packet);
	for (unsigned i = 0; i < m->n_open; i++) {
		if (!is_same_flow(m->open[i], &h, packet.at))
			continue;
		if (can_merge && continues(m->open[i], &h, packet)) {
			append(m->open[i], packet);
			return;
		}
		close_group(m, i);
		break;
	}
	if (can_merge)
		begin(m, &h, packet);
	else
		(void)write_single(m, packet);
}
