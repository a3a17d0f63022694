/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and reports as bytes (docs/survey.md). */
#include "core/survey/survey.h"

#include <assert.h>
#include <errno.h>

#define VERSION 1
#define HEAD_LEN 21 /* without the text of the version */
#define LINK_LEN 54
#define STATES 3
#define CLASSES 5
#define LOSS_MAX 1000000

_Static_assert(HEAD_LEN + SURVEY_VERSION_SIZE - 1 + SURVEY_LINKS_PART * LINK_LEN <=
		       SURVEY_MESSAGE_MAX,
	       "a part fits into a message");
_Static_assert(SURVEY_LINKS_PART *SURVEY_PARTS_MAX == SURVEY_LINKS_MAX, "all links are told");

int survey_ask_decode(struct span body, unsigned *ret_flags)
{
	if (body.len != SURVEY_ASK_LEN || body.at[0] != VERSION)
		return -EBADMSG;
	if (body.at[1] & ~SURVEY_ASK_NOW)
		return -EPROTO;
	*ret_flags = body.at[1];
	return 0;
}

static void write_link(struct writer *w, const struct survey_link *l)
{
	write_u64(w, l->id);
	write_u8(w, (uint8_t)(l->state << 4 | l->class << 1 | l->is_ipv4));
	write_u8(w, 0);
	write_u32(w, l->rtt_us);
	write_u32(w, l->jitter_us);
	write_u32(w, l->loss_ppm);
	write_u64(w, l->sent_bytes);
	write_u64(w, l->received_bytes);
	write_u64(w, l->sent_bps);
	write_u64(w, l->received_bps);
}

size_t survey_part_encode(const struct survey_part *p, uint8_t ret[SURVEY_MESSAGE_MAX])
{
	struct writer w = writer_of(ret, SURVEY_MESSAGE_MAX);
	size_t version_len = strnlen(p->version, sizeof(p->version) - 1);

	write_u8(&w, VERSION);
	write_u8(&w, (uint8_t)p->status);
	write_u32(&w, p->epoch);
	write_u32(&w, p->sequence);
	write_u32(&w, p->uptime_s);
	write_u16(&w, p->n_all);
	write_u8(&w, (uint8_t)p->n_told);
	write_u8(&w, (uint8_t)p->part);
	write_u16(&w, (uint16_t)p->n);
	write_u8(&w, (uint8_t)version_len);
	write_bytes(&w, (const uint8_t *)p->version, version_len);
	for (size_t i = 0; i < p->n; i++)
		write_link(&w, &p->links[i]);
	assert(!w.overrun);
	return w.len;
}

static int read_link(struct reader *r, struct survey_link *ret)
{
	uint8_t bits;

	ret->id = read_u64(r);
	bits = read_u8(r);
	ret->state = bits >> 4;
	ret->class = bits >> 1 & 7;
	ret->is_ipv4 = bits & 1;
	bits = read_u8(r);
	ret->rtt_us = read_u32(r);
	ret->jitter_us = read_u32(r);
	ret->loss_ppm = read_u32(r);
	ret->sent_bytes = read_u64(r);
	ret->received_bytes = read_u64(r);
	ret->sent_bps = read_u64(r);
	ret->received_bps = read_u64(r);
	return ret->id == 0 || bits != 0 || ret->state >= STATES || ret->class >= CLASSES ||
			       ret->loss_ppm > LOSS_MAX
		       ? -EPROTO
		       : 0;
}

/* What a program calls its version goes to logs, pages and terminals. */
static bool is_version(struct span text)
{
	static const char others[] = ".-+~_";

	for (size_t i = 0; i < text.len; i++) {
		char c = (char)text.at[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    (c == '\0' || !strchr(others, c)))
			return false;
	}
	return true;
}

static bool is_whole(const struct survey_part *p)
{
	size_t first = p->part * SURVEY_LINKS_PART;
	size_t left = p->n_told > first ? p->n_told - first : 0;

	if (p->status >= SURVEY_N_STATUSES || p->n_told > SURVEY_LINKS_MAX ||
	    p->n_told > p->n_all || p->part >= SURVEY_PARTS_MAX || (p->part > 0 && left == 0))
		return false;
	if (p->status != SURVEY_TOLD && p->n_all > 0)
		return false;
	return p->n == (left < SURVEY_LINKS_PART ? left : SURVEY_LINKS_PART);
}

static bool has_twice(const struct survey_part *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (p->links[k].id == p->links[i].id)
			return true;
	return false;
}

int survey_part_decode(struct span body, struct survey_part *ret)
{
	struct reader r = reader_of(body);
	struct survey_part p = { 0 };
	uint8_t version = read_u8(&r);
	struct span text;

	p.status = (enum survey_status)read_u8(&r);
	p.epoch = read_u32(&r);
	p.sequence = read_u32(&r);
	p.uptime_s = read_u32(&r);
	p.n_all = read_u16(&r);
	p.n_told = read_u8(&r);
	p.part = read_u8(&r);
	p.n = read_u16(&r);
	text = read_span(&r, read_u8(&r));
	if (r.overrun || version != VERSION || p.n > SURVEY_LINKS_PART || r.left != p.n * LINK_LEN)
		return -EBADMSG;
	if (text.len >= sizeof(p.version) || !is_version(text) || !is_whole(&p))
		return -EPROTO;
	if (text.len > 0)
		memcpy(p.version, text.at, text.len);
	for (size_t i = 0; i < p.n; i++)
		if (read_link(&r, &p.links[i]) < 0 || has_twice(&p, i))
			return -EPROTO;
	*ret = p;
	return 0;
}
