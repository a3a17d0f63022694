/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between keeper and child as bytes of a fixed length. */
#include <errno.h>

#include "shell/keeper/message.h"

void keeper_request_encode(const struct request *r, uint8_t ret[REQUEST_SIZE])
{
	struct writer w = writer_of(ret, REQUEST_SIZE);

	write_u8(&w, (uint8_t)r->verb);
	write_u8(&w, (uint8_t)r->prefix.len);
	write_u16(&w, (uint16_t)r->priority);
	write_u32(&w, r->sequence);
	write_u32(&w, r->number);
	write_u32(&w, 0);
	write_bytes(&w, r->prefix.ip, 16);
}

int keeper_request_decode(struct span bytes, struct request *ret)
{
	struct reader r = reader_of(bytes);
	struct request q;

	if (bytes.len != REQUEST_SIZE)
		return -EBADMSG;
	q.verb = (enum verb)read_u8(&r);
	q.prefix.len = read_u8(&r);
	q.priority = read_u16(&r);
	q.sequence = read_u32(&r);
	q.number = read_u32(&r);
	(void)read_u32(&r);
	read_copy(&r, q.prefix.ip, 16);
	if (r.overrun || q.verb >= N_VERBS || q.prefix.len > 128)
		return -EBADMSG;
	*ret = q;
	return 0;
}

void reply_encode(const struct reply *r, uint8_t ret[REPLY_SIZE])
{
	struct writer w = writer_of(ret, REPLY_SIZE);
	uint8_t *why;

	write_u32(&w, r->sequence);
	write_u32(&w, (uint32_t)-r->result);
	write_u32(&w, r->number);
	write_bytes(&w, r->address, sizeof(r->address));
	write_u64(&w, r->counters.source_packets);
	write_u64(&w, r->counters.source_bytes);
	write_u64(&w, r->counters.destination_packets);
	write_u64(&w, r->counters.destination_bytes);
	why = write_room(&w, KEEPER_WHY_SIZE);
	memset(why, 0, KEEPER_WHY_SIZE);
	memcpy(why, r->why, strnlen(r->why, KEEPER_WHY_SIZE - 1));
}

int reply_decode(struct span bytes, struct reply *ret)
{
	struct reader r = reader_of(bytes);
	struct reply a = { .fd = -1 };
	uint32_t error;

	if (bytes.len != REPLY_SIZE)
		return -EBADMSG;
	a.sequence = read_u32(&r);
	error = read_u32(&r);
	a.number = read_u32(&r);
	read_copy(&r, a.address, sizeof(a.address));
	a.counters.source_packets = read_u64(&r);
	a.counters.source_bytes = read_u64(&r);
	a.counters.destination_packets = read_u64(&r);
	a.counters.destination_bytes = read_u64(&r);
	read_copy(&r, (uint8_t *)a.why, KEEPER_WHY_SIZE);
	a.why[KEEPER_WHY_SIZE - 1] = '\0';
	if (r.overrun || error > 4095)
		return -EBADMSG;
	a.result = -(int)error;
	*ret = a;
	return 0;
}
