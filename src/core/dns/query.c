/* SPDX-License-Identifier: Apache-2.0 */
/* One query out of a message: header, at most one question, and of the rest the OPT record. */
#include <errno.h>

#include "core/dns/dns.h"

#define FLAG_RESPONSE 0x8000U
#define FLAG_RECURSION_DESIRED 0x0100U
#define FLAG_CHECKING_DISABLED 0x0010U
#define RECORDS_MAX 8 /* beside the question: OPT, and a TSIG or so */

static int refuse(struct dns_query *q, enum dns_rcode rcode)
{
	q->rcode = rcode;
	return -EPROTO;
}

static bool read_u16_at(struct span message, size_t *at, uint16_t *ret)
{
	if (*at + 2 > message.len)
		return false;
	*ret = load_u16(message.at + *at);
	*at += 2;
	return true;
}

static int question(struct span message, size_t *at, struct dns_query *q)
{
	size_t start = *at;
	struct dns_name name;

	if (dns_name_read(message, at, &name) < 0 || !read_u16_at(message, at, &q->type) ||
	    !read_u16_at(message, at, &q->class))
		return refuse(q, DNS_FORMERR);
	/* There is nothing before it that a pointer could lead to. */
	q->name = name;
	q->question_len = *at - start;
	q->has_question = true;
	return 0;
}

/* One record of the additional section; the OPT record's fields have a use of their own (RFC 6891
 * section 6.1.2): class is the payload size, the second byte of the TTL the version. */
static int record(struct span message, size_t *at, struct dns_query *q)
{
	struct dns_name owner;
	uint16_t type, class, ttl_high, ttl_low, len;

	if (dns_name_read(message, at, &owner) < 0 || !read_u16_at(message, at, &type) ||
	    !read_u16_at(message, at, &class) || !read_u16_at(message, at, &ttl_high) ||
	    !read_u16_at(message, at, &ttl_low) || !read_u16_at(message, at, &len) ||
	    len > message.len - *at)
		return refuse(q, DNS_FORMERR);
	*at += len;
	if (type != DNS_OPT)
		return 0;
	if (q->has_edns || owner.len != 1)
		return refuse(q, DNS_FORMERR);
	q->has_edns = true;
	q->payload_bytes = class < DNS_UDP_MIN ? DNS_UDP_MIN : class;
	if ((ttl_high & 0xff) != 0)
		q->rcode = DNS_BADVERS; /* told once the rest has been read */
	return 0;
}

int dns_query_parse(struct span message, struct dns_query *ret)
{
	uint16_t flags, n_questions, n_additional;
	size_t at = DNS_HEADER_LEN;
	int r;

	*ret = (struct dns_query){ .payload_bytes = DNS_UDP_MIN };
	if (message.len < DNS_HEADER_LEN || message.len > DNS_MESSAGE_MAX)
		return -EBADMSG;
	flags = load_u16(message.at + 2);
	if (flags & FLAG_RESPONSE)
		return -EBADMSG; /* answering answers would never end */
	ret->id = load_u16(message.at);
	ret->opcode = (uint8_t)(flags >> 11 & 0xf);
	ret->is_recursion_desired = flags & FLAG_RECURSION_DESIRED;
	ret->is_checking_disabled = flags & FLAG_CHECKING_DISABLED;
	if (ret->opcode != 0)
		return refuse(ret, DNS_NOTIMP);
	n_questions = load_u16(message.at + 4);
	n_additional = load_u16(message.at + 10);
	if (n_questions != 1 || load_u16(message.at + 6) != 0 || load_u16(message.at + 8) != 0 ||
	    n_additional > RECORDS_MAX)
		return refuse(ret, DNS_FORMERR);
	r = question(message, &at, ret);
	for (unsigned i = 0; r == 0 && i < n_additional; i++)
		r = record(message, &at, ret);
	if (r == 0 && at != message.len)
		r = refuse(ret, DNS_FORMERR);
	return r < 0 ? r : ret->rcode != DNS_NOERROR ? -EPROTO : 0;
}
