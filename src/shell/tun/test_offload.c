/* SPDX-License-Identifier: Apache-2.0 */
/* Super-packets cut and put together, against packets made by another program (all headers and
 * checksums written out by a few lines of Python from RFC 9293, 768, 8200, 791 and 1071). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "shell/tun/checksum.h"
#include "shell/tun/cut.h"
#include "shell/tun/merge.h"

#define PACKETS_MAX 128

/* clang-format off */
static const char tcp6_whole[] =
	"60210abc00840640fd84ac7e93d500009e0bb626d5634426fd84ac7e93d50000000000000000000114519c40"
	"ffffffe00102030480d901f5e9f900000101080a0011223344556677030a11181f262d343b424950575e656c"
	"737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c535a61686f767d848b9299a0"
	"a7aeb5bcc3cad1d8dfe6edf4fb020910171e252c333a41484f565d646b727980878e959ca3aab1b8";
static const char tcp6_1[] =
	"60210abc00480640fd84ac7e93d500009e0bb626d5634426fd84ac7e93d50000000000000000000114519c40"
	"ffffffe00102030480d001f55fb200000101080a0011223344556677030a11181f262d343b424950575e656c"
	"737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d14";
static const char tcp6_2[] =
	"60210abc00480640fd84ac7e93d500009e0bb626d5634426fd84ac7e93d50000000000000000000114519c40"
	"0000000801020304805001f5802b00000101080a00112233445566771b222930373e454c535a61686f767d84"
	"8b9299a0a7aeb5bcc3cad1d8dfe6edf4fb020910171e252c";
static const char tcp6_3[] =
	"60210abc00340640fd84ac7e93d500009e0bb626d5634426fd84ac7e93d50000000000000000000114519c40"
	"0000003001020304805901f5906500000101080a0011223344556677333a41484f565d646b727980878e959c"
	"a3aab1b8";
static const char tcp4_whole[] =
	"450200981234400040060d1d0a0102030a04050614519c40ffffffe00102030480d901f51b9800000101080a"
	"0011223344556677030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8"
	"ff060d141b222930373e454c535a61686f767d848b9299a0a7aeb5bcc3cad1d8dfe6edf4fb020910171e252c"
	"333a41484f565d646b727980878e959ca3aab1b8";
static const char tcp4_1[] =
	"4502005c1234400040060d590a0102030a04050614519c40ffffffe00102030480d001f52e1400000101080a"
	"0011223344556677030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8"
	"ff060d14";
static const char tcp4_2[] =
	"4502005c1235400040060d580a0102030a04050614519c400000000801020304805001f54e8d00000101080a"
	"00112233445566771b222930373e454c535a61686f767d848b9299a0a7aeb5bcc3cad1d8dfe6edf4fb020910"
	"171e252c";
static const char tcp4_3[] =
	"450200481236400040060d6b0a0102030a04050614519c400000003001020304805901f55ec700000101080a"
	"0011223344556677333a41484f565d646b727980878e959ca3aab1b8";
static const char udp6_whole[] =
	"60210abc006c1140fd84ac7e93d500009e0bb626d5634426fd84ac7e93d50000000000000000000114519c40"
	"006ce9ec030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d14"
	"1b222930373e454c535a61686f767d848b9299a0a7aeb5bcc3cad1d8dfe6edf4fb020910171e252c333a4148"
	"4f565d646b727980878e959ca3aab1b8";
static const char udp6_1[] =
	"60210abc00301140fd84ac7e93d500009e0bb626d5634426fd84ac7e93d50000000000000000000114519c40"
	"0030bc57030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d14";
static const char udp6_2[] =
	"60210abc00301140fd84ac7e93d500009e0bb626d5634426fd84ac7e93d50000000000000000000114519c40"
	"0030dc771b222930373e454c535a61686f767d848b9299a0a7aeb5bcc3cad1d8dfe6edf4fb020910171e252c";
static const char udp6_3[] =
	"60210abc001c1140fd84ac7e93d500009e0bb626d5634426fd84ac7e93d50000000000000000000114519c40"
	"001cecf6333a41484f565d646b727980878e959ca3aab1b8";
/* clang-format on */

struct packet {
	uint8_t bytes[65536];
	size_t len;
};

static void read_hex(const char *hex, struct packet *ret)
{
	ret->len = strlen(hex) / 2;
	assert_int_equal(bytes_from_hex(hex, ret->bytes, ret->len), 0);
}

/* As the kernel describes a whole: 40 bytes of payload in each segment. */
static struct vnet_header header_of(uint8_t gso_type, size_t ip_len, size_t upper_len)
{
	return (struct vnet_header){
		.flags = VNET_NEEDS_CSUM,
		.gso_type = gso_type,
		.hdr_len = (uint16_t)(ip_len + upper_len),
		.gso_size = 40,
		.csum_start = (uint16_t)ip_len,
		.csum_offset = gso_type == VNET_GSO_UDP ? UDP_CHECKSUM_AT : TCP_CHECKSUM_AT,
	};
}

static void assert_cut_into(const char *whole, struct vnet_header h, const char *const *expected,
			    size_t n)
{
	static struct packet p, e;
	struct span got;
	struct cut c;

	read_hex(whole, &p);
	assert_int_equal(cut_begin(&c, &h, p.bytes, p.len), 0);
	for (size_t i = 0; i < n; i++) {
		read_hex(expected[i], &e);
		assert_true(cut_next(&c, &got));
		assert_int_equal(got.len, e.len);
		assert_memory_equal(got.at, e.bytes, e.len);
	}
	assert_false(cut_next(&c, &got));
}

static const char *const tcp6[] = { tcp6_1, tcp6_2, tcp6_3 };
static const char *const tcp4[] = { tcp4_1, tcp4_2, tcp4_3 };
static const char *const udp6[] = { udp6_1, udp6_2, udp6_3 };

static void tcp_over_ipv6_is_cut_as_the_kernel_would(void **state)
{
	(void)state;
	assert_cut_into(tcp6_whole, header_of(VNET_GSO_TCP6, 40, 32), tcp6, 3);
	assert_cut_into(tcp6_whole, header_of(VNET_GSO_TCP6 | VNET_GSO_ECN, 40, 32), tcp6, 3);
}

static void tcp_over_ipv4_counts_its_identification(void **state)
{
	(void)state;
	assert_cut_into(tcp4_whole, header_of(VNET_GSO_TCP4, 20, 32), tcp4, 3);
}

static void udp_is_cut_into_datagrams(void **state)
{
	(void)state;
	assert_cut_into(udp6_whole, header_of(VNET_GSO_UDP, 40, 8), udp6, 3);
}

static void a_single_packet_gets_its_checksum(void **state)
{
	(void)state;
	static struct packet p, e;
	struct vnet_header h = header_of(VNET_GSO_NONE, 40, 8);
	struct span got;
	struct cut c;

	read_hex(udp6_1, &e);
	p = e;
	h.csum_offset = UDP_CHECKSUM_AT;
	/* what the kernel leaves there: the folded sum of the pseudo-header */
	struct headers is;

	assert_int_equal(headers_read(SPAN(p.bytes, p.len), &is), 0);
	checksum_store(p.bytes + 46, checksum_fold(headers_pseudo_sum(&is, p.bytes, p.len - 40)));
	assert_int_equal(cut_begin(&c, &h, p.bytes, p.len), 0);
	assert_true(cut_next(&c, &got));
	assert_int_equal(got.len, e.len);
	assert_memory_equal(got.at, e.bytes, e.len);
	assert_false(cut_next(&c, &got));

	h = (struct vnet_header){ 0 }; /* nothing is asked for: nothing is done */
	assert_int_equal(cut_begin(&c, &h, p.bytes, 3), 0);
	assert_true(cut_next(&c, &got));
	assert_int_equal(got.len, 3);
}

static int begin(const char *whole, struct vnet_header h, size_t len)
{
	static struct packet p;
	struct cut c;

	read_hex(whole, &p);
	return cut_begin(&c, &h, p.bytes, len < p.len ? len : p.len);
}

static void super_packets_that_contradict_themselves_are_refused(void **state)
{
	(void)state;
	const struct vnet_header good = header_of(VNET_GSO_TCP6, 40, 32);
	struct vnet_header h;

#define REFUSED(change)                                                \
	do {                                                           \
		h = good;                                              \
		change;                                                \
		assert_int_equal(begin(tcp6_whole, h, 999), -EBADMSG); \
	} while (0)

	assert_int_equal(begin(tcp6_whole, good, 999), 0);
	for (size_t len = 0; len <= 72; len++) /* truncated; at 72 there is no payload */
		assert_int_equal(begin(tcp6_whole, good, len), -EBADMSG);
	REFUSED(h.gso_size = 0);
	REFUSED(h.flags = 0);
	REFUSED(h.csum_start = 0);
	REFUSED(h.csum_start = 39);
	REFUSED(h.csum_start = 65535);
	REFUSED(h.csum_offset = 6);
	REFUSED(h.csum_offset = 65535);
	REFUSED(h.gso_type = VNET_GSO_TCP4);
	REFUSED(h.gso_type = VNET_GSO_UDP);
	h = good;
	h.gso_type = 3; /* fragments of UDP, which nobody asked for */
	assert_int_equal(begin(tcp6_whole, h, 999), -EPROTO);
	h.gso_type = 0x7f;
	assert_int_equal(begin(tcp6_whole, h, 999), -EPROTO);
	h = (struct vnet_header){ .flags = VNET_NEEDS_CSUM, .csum_start = 170, .csum_offset = 1 };
	assert_int_equal(begin(tcp6_whole, h, 999), -EBADMSG); /* beyond the end by a byte */
	h.csum_start = 65535;
	h.csum_offset = 65535;
	assert_int_equal(begin(tcp6_whole, h, 999), -EBADMSG);
}

static void too_many_segments_are_refused(void **state)
{
	(void)state;
	static struct packet p;
	struct vnet_header h = header_of(VNET_GSO_TCP6, 40, 32);
	struct cut c;

	read_hex(tcp6_whole, &p);
	p.len = 72 + CUT_SEGMENTS_MAX;
	h.gso_size = 1;
	assert_int_equal(cut_begin(&c, &h, p.bytes, p.len), 0);
	assert_int_equal(cut_begin(&c, &h, p.bytes, p.len + 1), -EBADMSG);
}

/* ---- putting together ---- */

struct written {
	struct vnet_header header[PACKETS_MAX];
	struct packet *packets;
	unsigned n;
	int fail_with; /* for what is put together */
};

static int on_write(void *arg, const struct vnet_header *h, const struct iovec *pieces, unsigned n)
{
	struct written *w = arg;
	struct packet *p = &w->packets[w->n];

	if (h->gso_type && w->fail_with)
		return w->fail_with;
	w->header[w->n++] = *h;
	p->len = 0;
	for (unsigned i = 0; i < n; i++) {
		memcpy(p->bytes + p->len, pieces[i].iov_base, pieces[i].iov_len);
		p->len += pieces[i].iov_len;
	}
	return 0;
}

struct bench {
	struct merge merge;
	struct written written;
	struct packet *in;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	b->written.packets = calloc(PACKETS_MAX, sizeof(struct packet));
	b->in = calloc(PACKETS_MAX, sizeof(struct packet));
	merge_init(&b->merge, true, true, on_write, &b->written);
	*state = b;
	return b->written.packets && b->in ? 0 : -1;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	free(b->written.packets);
	free(b->in);
	free(b);
	return 0;
}

static void add(struct bench *b, unsigned i, const char *hex)
{
	read_hex(hex, &b->in[i]);
	merge_add(&b->merge, SPAN(b->in[i].bytes, b->in[i].len));
}

static void assert_written(const struct bench *b, unsigned i, const char *hex)
{
	static struct packet e;

	read_hex(hex, &e);
	assert_int_equal(b->written.packets[i].len, e.len);
	assert_memory_equal(b->written.packets[i].bytes, e.bytes, e.len);
}

static void datagrams_become_the_whole_they_were_cut_from(void **state)
{
	struct bench *b = *state;
	struct vnet_header h = header_of(VNET_GSO_UDP, 40, 8);

	for (unsigned i = 0; i < 3; i++)
		add(b, i, udp6[i]);
	assert_int_equal(b->written.n, 0);
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, 1);
	assert_written(b, 0, udp6_whole);
	assert_memory_equal(&b->written.header[0], &h, sizeof(h));
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, 1);
}

static void fin_is_never_put_together(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < 3; i++)
		add(b, i, tcp6[i]);
	assert_int_equal(b->written.n, 2); /* FIN pushed the two before it out, and went itself */
	assert_int_equal(b->written.header[0].gso_type, VNET_GSO_TCP6 | VNET_GSO_ECN);
	assert_int_equal(b->written.header[0].gso_size, 40);
	assert_int_equal(b->written.packets[0].len, 72 + 80);
	assert_written(b, 1, tcp6_3);
	assert_int_equal(b->written.header[1].gso_type, VNET_GSO_NONE);
}

/* Changes a field and makes the checksum right again. */
static void change(struct packet *p, size_t at, uint8_t with)
{
	struct headers h;

	p->bytes[at] = with;
	assert_int_equal(headers_read(SPAN(p->bytes, p->len), &h), 0);
	size_t sum_at = headers_checksum_at(&h);

	checksum_store(p->bytes + sum_at, 0);
	checksum_store(p->bytes + sum_at,
		       (uint16_t)~checksum_fold(
			       checksum_add(headers_pseudo_sum(&h, p->bytes, p->len - h.ip_len),
					    SPAN(p->bytes + h.ip_len, p->len - h.ip_len))));
}

static void assert_apart(struct bench *b, size_t at, uint8_t with)
{
	unsigned before = b->written.n;

	read_hex(tcp6_1, &b->in[0]);
	read_hex(tcp6_2, &b->in[1]);
	change(&b->in[1], at, with);
	merge_add(&b->merge, SPAN(b->in[0].bytes, b->in[0].len));
	merge_add(&b->merge, SPAN(b->in[1].bytes, b->in[1].len));
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, before + 2);
	assert_int_equal(b->written.packets[before].len, b->in[0].len);
	assert_memory_equal(b->written.packets[before].bytes, b->in[0].bytes, b->in[0].len);
	assert_memory_equal(b->written.packets[before + 1].bytes, b->in[1].bytes, b->in[1].len);
}

static void what_differs_stays_apart_and_in_order(void **state)
{
	struct bench *b = *state;

	assert_apart(b, 1, 0x31);	  /* ECN: congestion experienced */
	assert_apart(b, 3, 0xbd);	  /* flow label */
	assert_apart(b, 7, 63);		  /* hop limit */
	assert_apart(b, 23, 0x27);	  /* source address */
	assert_apart(b, 41, 0x52);	  /* port */
	assert_apart(b, 47, 0x09);	  /* sequence number: a gap */
	assert_apart(b, 47, 0x07);	  /* an overlap */
	assert_apart(b, 51, 0x05);	  /* acknowledgement */
	assert_apart(b, 53, 0x10);	  /* no ECE */
	assert_apart(b, 53, 0x50 | 0x80); /* CWR again */
	assert_apart(b, 53, 0x50 | 0x04); /* RST */
	assert_apart(b, 53, 0x50 | 0x20); /* URG */
	assert_apart(b, 53, 0x40);	  /* no ACK */
	assert_apart(b, 55, 0xf6);	  /* window */
	assert_apart(b, 67, 0x34);	  /* time stamp */
}

static void a_damaged_packet_is_handed_on_damaged(void **state)
{
	struct bench *b = *state;

	read_hex(udp6_1, &b->in[0]);
	read_hex(udp6_2, &b->in[1]);
	b->in[1].bytes[60] ^= 1;
	merge_add(&b->merge, SPAN(b->in[0].bytes, b->in[0].len));
	merge_add(&b->merge, SPAN(b->in[1].bytes, b->in[1].len));
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, 2);
	assert_written(b, 0, udp6_1);
	assert_memory_equal(b->written.packets[1].bytes, b->in[1].bytes, b->in[1].len);
}

static void reordered_segments_are_not_put_together(void **state)
{
	struct bench *b = *state;

	add(b, 0, tcp6_2);
	add(b, 1, tcp6_1);
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, 2);
	assert_written(b, 0, tcp6_2);
	assert_written(b, 1, tcp6_1);
}

static void what_is_no_tcp_or_udp_goes_at_once(void **state)
{
	struct bench *b = *state;

	add(b, 0, udp6_1);
	merge_add(&b->merge, SPAN_STR("\x60 short"));
	assert_int_equal(b->written.n, 1);
	assert_int_equal(b->written.packets[0].len, 7);
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, 2);
}

/* A flow of its own: another source port. */
static void add_flow(struct bench *b, unsigned i, uint8_t port)
{
	read_hex(i % 2 ? udp6_2 : udp6_1, &b->in[i]);
	change(&b->in[i], 40, port);
	merge_add(&b->merge, SPAN(b->in[i].bytes, b->in[i].len));
}

static void flows_that_alternate_are_put_together_each(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < 2 * MERGE_GROUPS_MAX; i++)
		add_flow(b, i, (uint8_t)(i / 2));
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, MERGE_GROUPS_MAX);
}

static void of_too_many_flows_the_oldest_goes_first(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i <= MERGE_GROUPS_MAX; i++)
		add_flow(b, 2 * i, (uint8_t)i);
	assert_int_equal(b->written.n, 1);
	assert_memory_equal(b->written.packets[0].bytes, b->in[0].bytes, b->in[0].len);
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, MERGE_GROUPS_MAX + 1);
}

static void a_whole_has_at_most_64_packets(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i <= MERGE_PACKETS_MAX; i++)
		add(b, i, udp6_1);
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, 2);
	assert_int_equal(b->written.packets[0].len, 48 + 40 * MERGE_PACKETS_MAX);
	assert_written(b, 1, udp6_1);
}

static void a_whole_that_the_kernel_refuses_is_written_in_its_parts(void **state)
{
	struct bench *b = *state;

	b->written.fail_with = -EINVAL;
	add(b, 0, udp6_1);
	add(b, 1, udp6_2);
	merge_flush(&b->merge);
	assert_int_equal(b->written.n, 2);
	assert_written(b, 0, udp6_1);
	assert_written(b, 1, udp6_2);
	b->written.fail_with = 0;
	add(b, 0, udp6_1);
	add(b, 1, udp6_2);
	assert_int_equal(b->written.n, 4); /* and no second time */
}

static void what_is_open_when_the_kernel_refuses_keeps_its_place(void **state)
{
	struct bench *b = *state;

	b->written.fail_with = -EINVAL;
	add_flow(b, 0, 1);
	add_flow(b, 1, 1);
	add_flow(b, 2, 2);
	read_hex(udp6_3, &b->in[3]);
	change(&b->in[3], 40, 1);
	b->in[3].bytes[48] ^= 1; /* damaged: it goes alone, and what is open of flow 1 before it */
	merge_add(&b->merge, SPAN(b->in[3].bytes, b->in[3].len));
	assert_int_equal(b->written.n, 3);
	add_flow(b, 5, 2);
	assert_int_equal(b->written.n, 5);
	assert_memory_equal(b->written.packets[3].bytes, b->in[2].bytes, b->in[2].len);
	assert_memory_equal(b->written.packets[4].bytes, b->in[5].bytes, b->in[5].len);
}

static void checksums_of_every_length_agree_with_the_definition(void **state)
{
	(void)state;
	uint8_t bytes[300];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(0xff - i * i);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		uint32_t sum = 0;
		uint8_t wire[2];

		for (size_t i = 0; i < len; i++)
			sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		checksum_store(wire, checksum_fold(checksum_add(0, SPAN(bytes, len))));
		assert_int_equal(load_u16(wire), sum);
	}
	assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
}

static void the_virtio_header_survives_the_way_there_and_back(void **state)
{
	(void)state;
	const uint8_t bytes[VNET_HEADER_LEN] = { 1, 4, 72, 0, 0xf8, 0x04, 40, 0, 16, 0 };
	struct vnet_header h = vnet_decode(bytes);
	uint8_t back[VNET_HEADER_LEN];

	assert_int_equal(h.gso_size, 1272);
	assert_int_equal(h.csum_start, 40);
	vnet_encode(&h, back);
	assert_memory_equal(back, bytes, sizeof(bytes));
}

#define MERGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_over_ipv6_is_cut_as_the_kernel_would),
		cmocka_unit_test(tcp_over_ipv4_counts_its_identification),
		cmocka_unit_test(udp_is_cut_into_datagrams),
		cmocka_unit_test(a_single_packet_gets_its_checksum),
		cmocka_unit_test(super_packets_that_contradict_themselves_are_refused),
		cmocka_unit_test(too_many_segments_are_refused),
		MERGE_TEST(datagrams_become_the_whole_they_were_cut_from),
		MERGE_TEST(fin_is_never_put_together),
		MERGE_TEST(what_differs_stays_apart_and_in_order),
		MERGE_TEST(a_damaged_packet_is_handed_on_damaged),
		MERGE_TEST(reordered_segments_are_not_put_together),
		MERGE_TEST(what_is_no_tcp_or_udp_goes_at_once),
		MERGE_TEST(flows_that_alternate_are_put_together_each),
		MERGE_TEST(of_too_many_flows_the_oldest_goes_first),
		MERGE_TEST(a_whole_has_at_most_64_packets),
		MERGE_TEST(a_whole_that_the_kernel_refuses_is_written_in_its_parts),
		MERGE_TEST(what_is_open_when_the_kernel_refuses_keeps_its_place),
		cmocka_unit_test(checksums_of_every_length_agree_with_the_definition),
		cmocka_unit_test(the_virtio_header_survives_the_way_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
