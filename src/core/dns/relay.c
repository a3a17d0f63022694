/* SPDX-License-Identifier: Apache-2.0 */
/* Passing a question on: what makes a forged reply unlikely to match (RFC 5452 section 9; the case
 * of letters: draft-vixie-dnsext-dns0x20). */
#include <errno.h>

#include "core/dns/dns.h"

#define FLAG_RESPONSE 0x8000U
#define FLAG_TRUNCATED 0x0200U
#define OPCODE 0x7800U

/* The length of the one question behind the header, 0 where it is not there. */
static size_t question_len(struct span message)
{
	size_t at = DNS_HEADER_LEN;
	struct dns_name name;

	if (message.len < DNS_HEADER_LEN || load_u16(message.at + 4) != 1 ||
	    dns_name_read(message, &at, &name) < 0 || at + 4 > message.len)
		return 0;
	return at + 4 - DNS_HEADER_LEN;
}

int dns_relay_disguise(uint8_t *message, size_t len, bool has_case, const struct entropy *entropy)
{
	size_t n = question_len(SPAN(message, len));
	uint8_t *name = message + DNS_HEADER_LEN;
	uint8_t bits[DNS_NAME_MAX / 8 + 1];

	if (n == 0)
		return -EBADMSG;
	entropy_fill(entropy, message, 2);
	if (!has_case)
		return 0;
	entropy_fill(entropy, bits, sizeof(bits));
	for (size_t i = 0; i < n - 4; i++) {
		bool is_letter = (name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z';

		if (is_letter && bits[i / 8] >> i % 8 & 1)
			name[i] ^= 0x20;
	}
	return 0;
}

bool dns_relay_matches(struct span sent, struct span reply)
{
	size_t n = question_len(sent);
	uint16_t flags;

	if (n == 0 || question_len(reply) != n)
		return false;
	flags = load_u16(reply.at + 2);
	return load_u16(reply.at) == load_u16(sent.at) && flags & FLAG_RESPONSE &&
	       (flags & OPCODE) == (load_u16(sent.at + 2) & OPCODE) &&
	       memcmp(sent.at + DNS_HEADER_LEN, reply.at + DNS_HEADER_LEN, n) == 0;
}

void dns_relay_restore(struct span asked, uint8_t *reply, size_t len)
{
	size_t n = question_len(asked);

	if (n == 0 || len < DNS_HEADER_LEN + n)
		return;
	memcpy(reply, asked.at, 2);
	memcpy(reply + DNS_HEADER_LEN, asked.at + DNS_HEADER_LEN, n);
}

int dns_relay_truncate(struct span reply, uint8_t *ret, size_t ret_size, size_t *ret_len)
{
	size_t n = question_len(reply);

	if (n == 0 || ret_size < DNS_HEADER_LEN + n)
		return -EBADMSG;
	memmove(ret, reply.at, DNS_HEADER_LEN + n);
	store_u16(ret + 2, (uint16_t)(load_u16(ret + 2) | FLAG_TRUNCATED));
	memset(ret + 6, 0, 6);
	*ret_len = DNS_HEADER_LEN + n;
	return 0;
}
