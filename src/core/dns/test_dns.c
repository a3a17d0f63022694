/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/dns/dns.h"

static const uint8_t prefix[16] = { 0xfd, 0xaa, 0xbb, 0xcc, 0xdd, 0xee };
static const uint8_t roof[16] = {
	0xfd, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8
};

static bool has_ipv4;

static enum dns_found host(void *arg, const char *name, struct dns_host *ret)
{
	(void)arg;
	if (strcmp(name, "roof") == 0 || strcmp(name, "a.b") == 0) {
		*ret = (struct dns_host){ .has_ipv6 = true,
					  .has_ipv4 = has_ipv4,
					  .ipv4 = { 100, 64, 1, 2 } };
		memcpy(ret->ipv6, roof, 16);
		return DNS_FOUND_HOST;
	}
	return strcmp(name, "b") == 0 ? DNS_FOUND_ABOVE : DNS_FOUND_NOTHING;
}

static bool name_of(void *arg, const uint8_t address[16], char ret[DNS_TEXT_SIZE])
{
	(void)arg;
	(void)snprintf(ret, DNS_TEXT_SIZE, "roof");
	return memcmp(address, roof, 16) == 0 || (has_ipv4 && address[15] == 2);
}

static const struct dns_directory directory = { .host = host, .name = name_of };

struct message {
	uint8_t bytes[4096];
	size_t len;
};

static struct message ask(const char *name, uint16_t type)
{
	struct message m = { .bytes = { 0x12, 0x34, 1, 0, 0, 1 } };
	struct dns_name n;

	assert_int_equal(dns_name_parse(name, &n), 0);
	memcpy(m.bytes + 12, n.wire, n.len);
	m.len = 12 + n.len + 4;
	store_u16(m.bytes + m.len - 4, type);
	store_u16(m.bytes + m.len - 2, DNS_CLASS_IN);
	return m;
}

static void add_opt(struct message *m, uint16_t payload, uint8_t version)
{
	uint8_t opt[11] = { 0, 0, DNS_OPT, (uint8_t)(payload >> 8), (uint8_t)payload, 0, version };

	memcpy(m->bytes + m->len, opt, sizeof(opt));
	m->len += sizeof(opt);
	m->bytes[11]++;
}

static struct dns_zone zone(void)
{
	struct dns_zone z;

	assert_int_equal(dns_zone_init(&z, "x0.internal", "roof", prefix, 48), 0);
	return z;
}

/* The answer to a message; its verdict is checked by the caller. */
static enum dns_verdict answer(const struct message *m, struct message *ret)
{
	struct dns_zone z = zone();

	return dns_answer(&z, &directory, SPAN(m->bytes, m->len), DNS_UDP_MAX, ret->bytes,
			  DNS_ANSWER_MAX, &ret->len);
}

static struct message reply_to(const char *name, uint16_t type)
{
	struct message q = ask(name, type);
	struct message a;

	assert_int_equal(answer(&q, &a), DNS_ANSWER);
	return a;
}

#define RCODE(m) ((m).bytes[3] & 0xf)
#define N_ANSWERS(m) load_u16((m).bytes + 6)
#define N_AUTHORITIES(m) load_u16((m).bytes + 8)
#define IS_AUTHORITATIVE(m) (((m).bytes[2] & 4) != 0)
#define IS_TRUNCATED(m) (((m).bytes[2] & 2) != 0)

/* The first record behind the question. */
static struct span first_record(const struct message *m, uint16_t *ret_type, uint32_t *ret_ttl)
{
	struct dns_name n;
	size_t at = 12;

	assert_int_equal(dns_name_read(SPAN(m->bytes, m->len), &at, &n), 0);
	at += 4;
	assert_int_equal(dns_name_read(SPAN(m->bytes, m->len), &at, &n), 0);
	*ret_type = load_u16(m->bytes + at);
	*ret_ttl = load_u32(m->bytes + at + 4);
	return SPAN(m->bytes + at + 10, load_u16(m->bytes + at + 8));
}

static void a_node_has_its_overlay_address(void **state)
{
	(void)state;
	struct message a = reply_to("roof.x0.internal", DNS_AAAA);
	uint16_t type;
	uint32_t ttl;
	struct span data = first_record(&a, &type, &ttl);

	assert_int_equal(RCODE(a), DNS_NOERROR);
	assert_true(IS_AUTHORITATIVE(a));
	assert_int_equal(N_ANSWERS(a), 1);
	assert_int_equal(type, DNS_AAAA);
	assert_int_equal(ttl, 30);
	assert_int_equal(data.len, 16);
	assert_memory_equal(data.at, roof, 16);
	assert_int_equal(load_u16(a.bytes), 0x1234);
}

static void the_case_of_a_question_is_kept_and_does_not_matter(void **state)
{
	(void)state;
	struct message q = ask("RoOf.X0.InTeRnAl", DNS_AAAA);
	struct message a;

	assert_int_equal(answer(&q, &a), DNS_ANSWER);
	assert_int_equal(N_ANSWERS(a), 1);
	assert_memory_equal(a.bytes + 12, q.bytes + 12, q.len - 12);
}

static void a_name_with_an_address_of_the_other_kind_alone_has_no_data(void **state)
{
	(void)state;
	struct message a = reply_to("roof.x0.internal", DNS_A);
	uint16_t type;
	uint32_t ttl;

	assert_int_equal(RCODE(a), DNS_NOERROR);
	assert_int_equal(N_ANSWERS(a), 0);
	assert_int_equal(N_AUTHORITIES(a), 1);
	(void)first_record(&a, &type, &ttl);
	assert_int_equal(type, DNS_SOA);
	assert_int_equal(ttl, 5); /* how long it may be believed */
}

static void a_node_with_an_ipv4_address_inside_has_that_too(void **state)
{
	(void)state;
	struct dns_zone z = zone();
	struct message q = ask("2.1.64.100.in-addr.arpa", DNS_PTR);
	struct message a;
	uint16_t type;
	uint32_t ttl;

	has_ipv4 = true;
	a = reply_to("roof.x0.internal", DNS_A);
	struct span data = first_record(&a, &type, &ttl);
	assert_int_equal(N_ANSWERS(a), 1);
	assert_int_equal(data.len, 4);
	assert_int_equal(data.at[0], 100);

	assert_int_equal(answer(&q, &a), DNS_FOREIGN); /* no prefix was set */
	dns_zone_set_ipv4(&z, (const uint8_t[]){ 100, 64, 0, 0 }, 10);
	assert_int_equal(dns_answer(&z, &directory, SPAN(q.bytes, q.len), DNS_UDP_MAX, a.bytes,
				    DNS_ANSWER_MAX, &a.len),
			 DNS_ANSWER);
	assert_int_equal(N_ANSWERS(a), 1);
	q = ask("2.1.128.100.in-addr.arpa", DNS_PTR);
	assert_int_equal(dns_answer(&z, &directory, SPAN(q.bytes, q.len), DNS_UDP_MAX, a.bytes,
				    DNS_ANSWER_MAX, &a.len),
			 DNS_FOREIGN);
	has_ipv4 = false;
}

static void an_unknown_name_is_nxdomain_and_a_name_above_one_is_not(void **state)
{
	(void)state;
	struct message a = reply_to("cellar.x0.internal", DNS_AAAA);

	assert_int_equal(RCODE(a), DNS_NXDOMAIN);
	assert_int_equal(N_AUTHORITIES(a), 1);
	a = reply_to("www.roof.x0.internal", DNS_AAAA);
	assert_int_equal(RCODE(a), DNS_NXDOMAIN); /* a label below a node is no alias of it */
	a = reply_to("b.x0.internal", DNS_AAAA);  /* there is a.b */
	assert_int_equal(RCODE(a), DNS_NOERROR);
	assert_int_equal(N_ANSWERS(a), 0);
	a = reply_to("a.b.x0.internal", DNS_AAAA);
	assert_int_equal(N_ANSWERS(a), 1);
}

static void the_apex_has_soa_and_ns_and_no_address(void **state)
{
	(void)state;
	struct message a = reply_to("x0.internal", DNS_SOA);
	uint16_t type;
	uint32_t ttl;

	assert_int_equal(N_ANSWERS(a), 1);
	a = reply_to("x0.internal", DNS_NS);
	assert_int_equal(N_ANSWERS(a), 1);
	struct span data = first_record(&a, &type, &ttl);
	assert_int_equal(type, DNS_NS);
	assert_memory_equal(data.at, "\004roof\002x0\010internal", data.len);
	a = reply_to("x0.internal", DNS_AAAA);
	assert_int_equal(RCODE(a), DNS_NOERROR);
	assert_int_equal(N_ANSWERS(a), 0);
	assert_int_equal(N_AUTHORITIES(a), 1);
}

#define REVERSE_ROOF "8.0.7.0.6.0.5.0.4.0.3.0.2.0.1.0.0.0.0.0.e.e.d.d.c.c.b.b.a.a.d.f.ip6.arpa"

static void an_address_of_the_overlay_has_its_name(void **state)
{
	(void)state;
	struct message a = reply_to(REVERSE_ROOF, DNS_PTR);
	uint16_t type;
	uint32_t ttl;
	struct span data = first_record(&a, &type, &ttl);

	assert_int_equal(N_ANSWERS(a), 1);
	assert_int_equal(type, DNS_PTR);
	assert_memory_equal(data.at, "\004roof\002x0\010internal", data.len);
	a = reply_to(&REVERSE_ROOF[2], DNS_PTR); /* one nibble less: part of a name */
	assert_int_equal(RCODE(a), DNS_NOERROR);
	a = reply_to("1.0.7.0.6.0.5.0.4.0.3.0.2.0.1.0.0.0.0.0.e.e.d.d.c.c.b.b.a.a.d.f.ip6.arpa",
		     DNS_PTR);
	assert_int_equal(RCODE(a), DNS_NXDOMAIN);
	a = reply_to("1." REVERSE_ROOF, DNS_PTR); /* one too many */
	assert_int_equal(RCODE(a), DNS_NXDOMAIN);
	a = reply_to("x.e.e.d.d.c.c.b.b.a.a.d.f.ip6.arpa", DNS_PTR);
	assert_int_equal(RCODE(a), DNS_NXDOMAIN);
	a = reply_to("e.e.d.d.c.c.b.b.a.a.d.f.ip6.arpa", DNS_SOA);
	assert_int_equal(N_ANSWERS(a), 1);
}

static void any_gets_one_small_record(void **state)
{
	(void)state;
	struct message a = reply_to("roof.x0.internal", DNS_ANY);
	uint16_t type;
	uint32_t ttl;

	(void)first_record(&a, &type, &ttl);
	assert_int_equal(N_ANSWERS(a), 1);
	assert_int_equal(type, DNS_HINFO);
}

static void what_is_foreign_is_refused(void **state)
{
	(void)state;
	static const char *const names[] = { "example.org",
					     "localhost",
					     ".",
					     "internal",
					     "yx0.internal",
					     "x0.internal.example",
					     "1.0.0.127.in-addr.arpa",
					     "ip6.arpa" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct message q = ask(names[i], DNS_AAAA);
		struct message a;

		assert_int_equal(answer(&q, &a), DNS_FOREIGN);
		assert_int_equal(RCODE(a), DNS_REFUSED);
		assert_false(IS_AUTHORITATIVE(a));
	}
}

static void a_transfer_and_another_class_are_refused(void **state)
{
	(void)state;
	struct message a = reply_to("x0.internal", DNS_AXFR);
	struct message q = ask("roof.x0.internal", DNS_AAAA);

	assert_int_equal(RCODE(a), DNS_REFUSED);
	q.bytes[q.len - 1] = 3; /* CHAOS */
	assert_int_equal(answer(&q, &a), DNS_ANSWER);
	assert_int_equal(RCODE(a), DNS_REFUSED);
}

static void edns_is_answered_in_kind(void **state)
{
	(void)state;
	struct message q = ask("roof.x0.internal", DNS_AAAA);
	struct message a;

	add_opt(&q, 4096, 0);
	assert_int_equal(answer(&q, &a), DNS_ANSWER);
	assert_int_equal(a.bytes[11], 1);
	assert_int_equal(load_u16(a.bytes + a.len - 8), DNS_UDP_MAX);
	assert_int_equal(N_ANSWERS(a), 1);

	q = ask("roof.x0.internal", DNS_AAAA);
	add_opt(&q, 4096, 1);
	assert_int_equal(answer(&q, &a), DNS_ANSWER);
	assert_int_equal(RCODE(a), DNS_BADVERS & 0xf);
	assert_int_equal(a.bytes[a.len - 6], DNS_BADVERS >> 4);

	q = ask("roof.x0.internal", DNS_AAAA);
	add_opt(&q, 4096, 0);
	add_opt(&q, 4096, 0); /* two of them are against RFC 6891 section 6.1.1 */
	assert_int_equal(answer(&q, &a), DNS_ANSWER);
	assert_int_equal(RCODE(a), DNS_FORMERR);
}

static void other_opcodes_are_not_implemented(void **state)
{
	(void)state;
	for (unsigned opcode = 1; opcode < 16; opcode++) {
		struct message q = ask("roof.x0.internal", DNS_AAAA);
		struct message a;

		q.bytes[2] = (uint8_t)(opcode << 3);
		assert_int_equal(answer(&q, &a), DNS_ANSWER);
		assert_int_equal(RCODE(a), DNS_NOTIMP);
		assert_int_equal(a.bytes[2] >> 3 & 0xf, opcode);
	}
}

static void answers_and_scraps_are_dropped(void **state)
{
	(void)state;
	struct message q = ask("roof.x0.internal", DNS_AAAA);
	struct message a;

	for (q.len = 0; q.len < DNS_HEADER_LEN; q.len++)
		assert_int_equal(answer(&q, &a), DNS_DROP);
	q = ask("roof.x0.internal", DNS_AAAA);
	q.bytes[2] |= 0x80;
	assert_int_equal(answer(&q, &a), DNS_DROP);
}

static void whatever_is_cut_or_miscounted_is_a_format_error(void **state)
{
	(void)state;
	struct message whole = ask("roof.x0.internal", DNS_AAAA);
	struct message q = whole;
	struct message a;

	for (q.len = DNS_HEADER_LEN; q.len < whole.len; q.len++) {
		assert_int_equal(answer(&q, &a), DNS_ANSWER);
		assert_int_equal(RCODE(a), DNS_FORMERR);
	}
	q = whole;
	q.len++; /* something behind */
	assert_int_equal(answer(&q, &a), DNS_ANSWER);
	assert_int_equal(RCODE(a), DNS_FORMERR);
	for (size_t at = 4; at < 12; at += 2) {
		q = whole;
		store_u16(q.bytes + at, 0xffff); /* so many questions, answers, ... */
		assert_int_equal(answer(&q, &a), DNS_ANSWER);
		assert_int_equal(RCODE(a), DNS_FORMERR);
	}
	q = whole;
	q.bytes[5] = 0; /* no question */
	assert_int_equal(answer(&q, &a), DNS_ANSWER);
	assert_int_equal(RCODE(a), DNS_FORMERR);
	assert_int_equal(a.len, DNS_HEADER_LEN);
}

static void pointers_that_lead_nowhere_end(void **state)
{
	(void)state;
	/* to itself, forward, into the header, to each other */
	static const uint8_t bad[][4] = {
		{ 0xc0, 12, 0, 0 },
		{ 0xc0, 14, 0xc0, 12 },
		{ 0xc0, 0, 0, 0 },
		{ 0xff, 0xff, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t bytes[20] = { 0 };
		struct dns_name n;
		size_t at = 12;

		memcpy(bytes + 12, bad[i], 4);
		assert_int_equal(dns_name_read(SPAN_OF(bytes), &at, &n), -EBADMSG);
		assert_int_equal(at, 12);
	}
	/* one that leads back to a label which leads back to it */
	uint8_t loop[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'a', 0xc0, 12 };
	struct dns_name n;
	size_t at = 14;

	assert_int_equal(dns_name_read(SPAN_OF(loop), &at, &n), -EBADMSG);
}

static void a_pointer_backwards_is_followed(void **state)
{
	(void)state;
	uint8_t bytes[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 1, 'b', 0xc0, 12, 9 };
	char text[DNS_TEXT_SIZE];
	struct dns_name n;
	size_t at = 15;

	assert_int_equal(dns_name_read(SPAN_OF(bytes), &at, &n), 0);
	assert_int_equal(at, 19);
	assert_int_equal(dns_name_format(&n, text), 0);
	assert_string_equal(text, "b.a");
}

static void a_name_has_255_bytes_at_most(void **state)
{
	(void)state;
	char text[300];
	struct dns_name n;

	memset(text, 'a', sizeof(text));
	for (size_t i = 63; i < sizeof(text); i += 64)
		text[i] = '.';
	text[253] = '\0'; /* 63.63.63.61 */
	assert_int_equal(dns_name_parse(text, &n), 0);
	assert_int_equal(n.len, DNS_NAME_MAX);
	text[253] = 'a';
	text[254] = '\0';
	assert_int_equal(dns_name_parse(text, &n), -EINVAL);
	memset(text, 'a', 64);
	text[64] = '\0';
	assert_int_equal(dns_name_parse(text, &n), -EINVAL);
	assert_int_equal(dns_name_parse("a..b", &n), -EINVAL);

	uint8_t bytes[12 + 5 * 64] = { 0 }; /* five labels of 63 */
	size_t at = 12;
	for (size_t i = 12; i < sizeof(bytes); i += 64)
		bytes[i] = 63;
	assert_int_equal(dns_name_read(SPAN_OF(bytes), &at, &n), -EBADMSG);
}

static void the_longest_question_fits_into_the_smallest_answer(void **state)
{
	(void)state;
	struct message q;
	struct message a;
	char text[300];

	memset(text, 'a', sizeof(text));
	for (size_t i = 63; i < 240; i += 64)
		text[i] = '.';
	(void)snprintf(text + 241, sizeof(text) - 241, ".x0.internal");
	q = ask(text, DNS_AAAA);
	add_opt(&q, 100, 0); /* less than 512 counts as 512 */
	assert_int_equal(answer(&q, &a), DNS_ANSWER);
	assert_int_equal(RCODE(a), DNS_NXDOMAIN);
	assert_true(a.len <= DNS_UDP_MIN);
}

/* An answer of ours is small; with the longest zone it can be longer than 512 bytes. */
static void what_does_not_fit_is_cut_and_marked(void **state)
{
	(void)state;
	struct message q, a;
	struct dns_zone z;
	char name[DNS_TEXT_SIZE];
	char long_zone[188];

	memset(long_zone, 'z', sizeof(long_zone));
	for (size_t i = 63; i < 187; i += 64)
		long_zone[i] = '.';
	long_zone[187] = '\0';
	assert_int_equal(dns_zone_init(&z, long_zone, "roof", prefix, 48), 0);
	(void)snprintf(name, sizeof(name), "%.60s.%s", long_zone, long_zone);
	q = ask(name, DNS_AAAA);
	add_opt(&q, DNS_UDP_MIN, 0);
	assert_int_equal(dns_answer(&z, &directory, SPAN(q.bytes, q.len), DNS_UDP_MAX, a.bytes,
				    DNS_ANSWER_MAX, &a.len),
			 DNS_ANSWER);
	assert_true(IS_TRUNCATED(a));
	assert_int_equal(N_AUTHORITIES(a), 0);
	assert_true(a.len <= DNS_UDP_MIN);
	assert_int_equal(dns_answer(&z, &directory, SPAN(q.bytes, q.len), DNS_MESSAGE_MAX, a.bytes,
				    DNS_ANSWER_MAX, &a.len),
			 DNS_ANSWER);
	assert_false(IS_TRUNCATED(a));
	assert_int_equal(N_AUTHORITIES(a), 1);
}

static void zones_of_others_are_not_taken(void **state)
{
	(void)state;
	static const char *const bad[] = { "",
					   "internal",
					   "x0.local",
					   "a.localhost",
					   "x.onion",
					   "x.arpa",
					   ".internal",
					   "x0.internal.",
					   "x0..internal",
					   "X0.internal",
					   "-a.internal",
					   "a b.internal" };

	assert_true(dns_zone_is_valid("x0.internal"));
	assert_true(dns_zone_is_valid("mesh.example.org"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(dns_zone_is_valid(bad[i]));
}

static void fill(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	memset(ret, 0x5a, len);
}

static void a_reply_matches_only_its_own_question(void **state)
{
	(void)state;
	struct message asked = ask("www.example.org", DNS_A);
	struct message sent = asked;
	struct message reply;
	const struct entropy entropy = { .fill = fill };

	assert_int_equal(dns_relay_disguise(sent.bytes, sent.len, true, &entropy), 0);
	assert_int_equal(load_u16(sent.bytes), 0x5a5a);
	assert_memory_not_equal(sent.bytes, asked.bytes, asked.len);
	reply = sent;
	assert_false(dns_relay_matches(SPAN(sent.bytes, sent.len), SPAN(reply.bytes, reply.len)));
	reply.bytes[2] |= 0x80;
	assert_true(dns_relay_matches(SPAN(sent.bytes, sent.len), SPAN(reply.bytes, reply.len)));
	reply.bytes[13] ^= 0x20; /* the case of one letter */
	assert_false(dns_relay_matches(SPAN(sent.bytes, sent.len), SPAN(reply.bytes, reply.len)));
	reply.bytes[13] ^= 0x20;
	reply.bytes[1] ^= 1;
	assert_false(dns_relay_matches(SPAN(sent.bytes, sent.len), SPAN(reply.bytes, reply.len)));
	reply.bytes[1] ^= 1;
	dns_relay_restore(SPAN(asked.bytes, asked.len), reply.bytes, reply.len);
	assert_int_equal(load_u16(reply.bytes), 0x1234);
	assert_memory_equal(reply.bytes + 12, asked.bytes + 12, asked.len - 12);
}

static void a_question_that_could_not_be_passed_on_fails(void **state)
{
	(void)state;
	struct message q = ask("www.example.org", DNS_A);
	struct message a;

	assert_int_equal(
		dns_failure(SPAN(q.bytes, q.len), DNS_SERVFAIL, a.bytes, DNS_ANSWER_MAX, &a.len),
		0);
	assert_int_equal(RCODE(a), DNS_SERVFAIL);
	assert_int_equal(
		dns_failure(SPAN(q.bytes, 5), DNS_SERVFAIL, a.bytes, DNS_ANSWER_MAX, &a.len),
		-EBADMSG);
}

static void a_source_has_so_many_a_second(void **state)
{
	(void)state;
	static struct dns_rates r;
	const uint8_t one[16] = { 1 };
	unsigned n = 0;

	for (unsigned i = 0; i < 100; i++)
		n += dns_rates_take(&r, one, 10, SECONDS(5));
	assert_int_equal(n, 10);
	assert_false(dns_rates_take(&r, one, 10, SECONDS(6) - 1));
	assert_true(dns_rates_take(&r, one, 10, SECONDS(6)));
	/* more sources than buckets share them, and none is refused for that alone */
	for (unsigned i = 0; i < 4 * DNS_SOURCES_MAX; i++) {
		uint8_t source[16] = { 2 };

		store_u32(source + 12, i);
		assert_true(dns_rates_take(&r, source, 1000, SECONDS(7)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_has_its_overlay_address),
		cmocka_unit_test(the_case_of_a_question_is_kept_and_does_not_matter),
		cmocka_unit_test(a_name_with_an_address_of_the_other_kind_alone_has_no_data),
		cmocka_unit_test(a_node_with_an_ipv4_address_inside_has_that_too),
		cmocka_unit_test(an_unknown_name_is_nxdomain_and_a_name_above_one_is_not),
		cmocka_unit_test(the_apex_has_soa_and_ns_and_no_address),
		cmocka_unit_test(an_address_of_the_overlay_has_its_name),
		cmocka_unit_test(any_gets_one_small_record),
		cmocka_unit_test(what_is_foreign_is_refused),
		cmocka_unit_test(a_transfer_and_another_class_are_refused),
		cmocka_unit_test(edns_is_answered_in_kind),
		cmocka_unit_test(other_opcodes_are_not_implemented),
		cmocka_unit_test(answers_and_scraps_are_dropped),
		cmocka_unit_test(whatever_is_cut_or_miscounted_is_a_format_error),
		cmocka_unit_test(pointers_that_lead_nowhere_end),
		cmocka_unit_test(a_pointer_backwards_is_followed),
		cmocka_unit_test(a_name_has_255_bytes_at_most),
		cmocka_unit_test(the_longest_question_fits_into_the_smallest_answer),
		cmocka_unit_test(what_does_not_fit_is_cut_and_marked),
		cmocka_unit_test(zones_of_others_are_not_taken),
		cmocka_unit_test(a_reply_matches_only_its_own_question),
		cmocka_unit_test(a_question_that_could_not_be_passed_on_fails),
		cmocka_unit_test(a_source_has_so_many_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
