/* SPDX-License-Identifier: Apache-2.0 */
/* From a query to its answer. Names that end in the question's are pointers to it; nothing else
 * is compressed. */
#include <errno.h>

#include "core/dns/dns.h"

#define FLAG_RESPONSE 0x8000U
#define FLAG_AUTHORITATIVE 0x0400U
#define FLAG_TRUNCATED 0x0200U
#define FLAG_RECURSION_DESIRED 0x0100U
#define FLAG_RECURSION_AVAILABLE 0x0080U
#define FLAG_CHECKING_DISABLED 0x0010U
#define POINTER 0xc000U
#define OPT_LEN 11

/* Of a copy that lives in a secondary; there are none, the values only have to be sane. */
#define SOA_SERIAL 1
#define SOA_REFRESH_S 3600
#define SOA_RETRY_S 600
#define SOA_EXPIRE_S 86400

struct answer {
	const struct dns_zone *zone;
	const struct dns_query *query;
	struct writer w;
	enum dns_rcode rcode;
	uint16_t flags;
	uint16_t n_answers, n_authorities;
};

static void begin(struct answer *a, struct span message, uint8_t *ret, size_t size)
{
	const struct dns_query *q = a->query;

	a->w = writer_of(ret, size);
	a->flags = (uint16_t)(FLAG_RESPONSE | (unsigned)q->opcode << 11 |
			      (q->is_recursion_desired ? FLAG_RECURSION_DESIRED : 0) |
			      (q->is_checking_disabled ? FLAG_CHECKING_DISABLED : 0) |
			      (a->zone && a->zone->is_recursive ? FLAG_RECURSION_AVAILABLE : 0));
	(void)write_room(&a->w, DNS_HEADER_LEN);
	if (q->has_question) /* as it was asked, case and all */
		write_bytes(&a->w, message.at + DNS_HEADER_LEN, q->question_len);
}

static size_t end(struct answer *a)
{
	const struct dns_query *q = a->query;
	uint8_t *header = a->w.start;

	if (q->has_edns) {
		write_u8(&a->w, 0); /* of the root */
		write_u16(&a->w, DNS_OPT);
		write_u16(&a->w, DNS_UDP_MAX);
		write_u8(&a->w, (uint8_t)(a->rcode >> 4));
		write_u8(&a->w, 0); /* version */
		write_u16(&a->w, 0);
		write_u16(&a->w, 0);
	}
	store_u16(header, q->id);
	store_u16(header + 2, (uint16_t)(a->flags | (a->rcode & 0xf)));
	store_u16(header + 4, q->has_question);
	store_u16(header + 6, a->n_answers);
	store_u16(header + 8, a->n_authorities);
	store_u16(header + 10, q->has_edns);
	return a->w.len;
}

/* at: where in the question's name the owner begins. */
static void record_head(struct answer *a, size_t at, enum dns_type type, uint32_t ttl_s)
{
	write_u16(&a->w, (uint16_t)(POINTER | (DNS_HEADER_LEN + at)));
	write_u16(&a->w, (uint16_t)type);
	write_u16(&a->w, DNS_CLASS_IN);
	write_u32(&a->w, ttl_s);
}

static void record(struct answer *a, enum dns_type type, const uint8_t *data, size_t len)
{
	record_head(a, 0, type, a->zone->ttl_s);
	write_u16(&a->w, (uint16_t)len);
	write_bytes(&a->w, data, len);
	a->n_answers++;
}

static void name_record(struct answer *a, enum dns_type type, const struct dns_name *n)
{
	record(a, type, n->wire, n->len);
}

/* The mailbox is one that nobody has (RFC 2606): there is no master of a mesh to write to. */
static void soa(struct answer *a, size_t apex_at, uint32_t ttl_s)
{
	static const uint8_t mailbox[] = "\006nobody\007invalid"; /* and the NUL is the root */
	const struct dns_zone *z = a->zone;

	record_head(a, apex_at, DNS_SOA, ttl_s);
	write_u16(&a->w, (uint16_t)(z->self.len + sizeof(mailbox) + 20));
	write_bytes(&a->w, z->self.wire, z->self.len);
	write_bytes(&a->w, mailbox, sizeof(mailbox));
	write_u32(&a->w, SOA_SERIAL);
	write_u32(&a->w, SOA_REFRESH_S);
	write_u32(&a->w, SOA_RETRY_S);
	write_u32(&a->w, SOA_EXPIRE_S);
	write_u32(&a->w, z->negative_ttl_s);
}

/* No such name, or nothing of this type: for how long that may be believed says the SOA record
 * (RFC 2308 section 3). */
static void negative(struct answer *a, const struct dns_place *p, enum dns_rcode rcode)
{
	a->rcode = rcode;
	if (a->n_answers > 0)
		return;
	soa(a, p->apex_at, a->zone->negative_ttl_s);
	a->n_authorities++;
}

/* Instead of everything there is (RFC 8482 section 4.2). */
static void any(struct answer *a)
{
	static const uint8_t data[] = "\007RFC8482"; /* CPU, and the NUL is an empty OS */

	record(a, DNS_HINFO, data, sizeof(data));
}

static void apex(struct answer *a, const struct dns_place *p)
{
	if (a->query->type == DNS_SOA) {
		soa(a, 0, a->zone->ttl_s);
		a->n_answers++;
	}
	if (a->query->type == DNS_NS)
		name_record(a, DNS_NS, &a->zone->self);
	if (a->query->type == DNS_ANY)
		any(a);
	negative(a, p, DNS_NOERROR);
}

static void host(struct answer *a, const struct dns_directory *d, const struct dns_place *p)
{
	struct dns_host h = { 0 };
	enum dns_found found = d->host(d->arg, p->text, &h);

	if (found == DNS_FOUND_HOST) {
		if (a->query->type == DNS_AAAA && h.has_ipv6)
			record(a, DNS_AAAA, h.ipv6, sizeof(h.ipv6));
		if (a->query->type == DNS_A && h.has_ipv4)
			record(a, DNS_A, h.ipv4, sizeof(h.ipv4));
		if (a->query->type == DNS_ANY)
			any(a);
	}
	negative(a, p, found == DNS_FOUND_NOTHING ? DNS_NXDOMAIN : DNS_NOERROR);
}

/* below.zone as one name; false where it is too long, which no node's name is. */
static bool full_name(const struct dns_zone *z, const char *below, struct dns_name *ret)
{
	if (dns_name_parse(below, ret) < 0 || ret->len - 1 + z->name.len > DNS_NAME_MAX)
		return false;
	memcpy(ret->wire + ret->len - 1, z->name.wire, z->name.len);
	ret->len += z->name.len - 1;
	return true;
}

static void pointer(struct answer *a, const struct dns_directory *d, const struct dns_place *p)
{
	char text[DNS_TEXT_SIZE];
	struct dns_name n;

	if (!d->name(d->arg, p->address, text) || !full_name(a->zone, text, &n)) {
		negative(a, p, DNS_NXDOMAIN);
		return;
	}
	if (a->query->type == DNS_PTR)
		name_record(a, DNS_PTR, &n);
	if (a->query->type == DNS_ANY)
		any(a);
	negative(a, p, DNS_NOERROR);
}

/* false: not ours. */
static bool look_up(struct answer *a, const struct dns_directory *d)
{
	const struct dns_query *q = a->query;
	struct dns_place p;

	dns_zone_find(a->zone, &q->name, &p);
	a->rcode = DNS_REFUSED;
	if (p.owner == DNS_IS_FOREIGN)
		return false;
	if ((q->class != DNS_CLASS_IN && q->class != DNS_CLASS_ANY) || q->type == DNS_AXFR ||
	    q->type == DNS_IXFR)
		return true; /* refused, though it is ours */
	a->rcode = DNS_NOERROR;
	a->flags |= FLAG_AUTHORITATIVE;
	switch (p.owner) {
	case DNS_IS_FOREIGN:
		break;
	case DNS_IS_APEX:
		apex(a, &p);
		break;
	case DNS_IS_NAME:
		host(a, d, &p);
		break;
	case DNS_IS_ADDRESS:
		pointer(a, d, &p);
		break;
	case DNS_IS_INNER:
		negative(a, &p, DNS_NOERROR);
		break;
	case DNS_IS_NOTHING:
		negative(a, &p, DNS_NXDOMAIN);
		break;
	}
	return true;
}

/* What the asker takes, less the OPT record that is still to come. */
static size_t room(const struct dns_query *q, size_t limit, size_t size)
{
	if (limit <= DNS_UDP_MAX && limit > q->payload_bytes)
		limit = q->payload_bytes;
	if (limit > size)
		limit = size;
	return limit - (q->has_edns ? OPT_LEN : 0);
}

enum dns_verdict dns_answer(const struct dns_zone *z, const struct dns_directory *d,
			    struct span message, size_t limit, uint8_t *ret, size_t ret_size,
			    size_t *ret_len)
{
	struct dns_query q;
	struct answer a = { .zone = z, .query = &q };
	bool is_ours = true;
	int r = dns_query_parse(message, &q);

	if (r == -EBADMSG)
		return DNS_DROP;
	begin(&a, message, ret, room(&q, limit, ret_size));
	a.rcode = q.rcode;
	if (r == 0)
		is_ours = look_up(&a, d);
	if (a.w.overrun) { /* the header and the question always fit */
		begin(&a, message, ret, room(&q, limit, ret_size));
		a.flags |= FLAG_TRUNCATED | (a.rcode == DNS_REFUSED ? 0 : FLAG_AUTHORITATIVE);
		a.n_answers = a.n_authorities = 0;
	}
	a.w.size += q.has_edns ? OPT_LEN : 0;
	*ret_len = end(&a);
	return is_ours ? DNS_ANSWER : DNS_FOREIGN;
}

int dns_failure(struct span message, enum dns_rcode rcode, uint8_t *ret, size_t ret_size,
		size_t *ret_len)
{
	struct dns_query q;
	struct answer a = { .query = &q, .rcode = rcode };

	if (dns_query_parse(message, &q) == -EBADMSG || ret_size < DNS_ANSWER_MAX)
		return -EBADMSG;
	begin(&a, message, ret, ret_size);
	a.flags |= FLAG_RECURSION_AVAILABLE;
	*ret_len = end(&a);
	return 0;
}
