/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of what came by which way. */
#include "core/multipath/report.h"

#include <errno.h>

#include "base/units.h"

#define HEAD_LEN 5

static void read_way(struct reader *r, struct report_way *ret)
{
	uint8_t lanes;

	*ret = (struct report_way){ .name = read_u16(r) };
	lanes = read_u8(r);
	for (unsigned lane = 0; lane < REPORT_LANES; lane++) {
		ret->has[lane] = lanes & 1U << lane;
		ret->newest[lane] = read_u56(r);
		ret->held_us[lane] = read_u24(r);
	}
	ret->bytes = read_u64(r);
	ret->packets = read_u32(r);
	if (lanes >> REPORT_LANES)
		r->overrun = true;
}

int report_decode(struct span body, struct report *ret)
{
	struct reader r = reader_of(body);
	struct report report = { .at_us = read_u32(&r), .n = read_u8(&r) };

	if (r.overrun || r.left != report.n * REPORT_WAY_LEN)
		return -EBADMSG;
	if (report.n == 0 || report.n > REPORT_WAYS_MAX)
		return -EPROTO;
	for (size_t i = 0; i < report.n; i++) {
		read_way(&r, &report.ways[i]);
		if (r.overrun)
			return -EPROTO;
		for (size_t k = 0; k < i; k++)
			if (report.ways[k].name == report.ways[i].name)
				return -EPROTO;
	}
	*ret = report;
	return 0;
}

static void write_u56(struct writer *w, uint64_t v)
{
	write_u24(w, (uint32_t)(v >> 32 & 0xffffff));
	write_u32(w, (uint32_t)v);
}

size_t report_encode(const struct report *r, uint8_t ret[REPORT_LEN_MAX])
{
	struct writer w = writer_of(ret, REPORT_LEN_MAX);

	write_u32(&w, r->at_us);
	write_u8(&w, (uint8_t)r->n);
	for (size_t i = 0; i < r->n; i++) {
		const struct report_way *way = &r->ways[i];

		write_u16(&w, way->name);
		write_u8(&w, (uint8_t)(way->has[REPORT_BULK] | way->has[REPORT_URGENT] << 1));
		for (unsigned lane = 0; lane < REPORT_LANES; lane++) {
			write_u56(&w, way->newest[lane]);
			write_u24(&w, way->held_us[lane]);
		}
		write_u64(&w, way->bytes);
		write_u32(&w, way->packets);
	}
	return w.len;
}

/* ---- what came ---- */

static uint64_t last_heard_us(const struct inlet_way *w)
{
	return max_u64(w->heard_us[REPORT_BULK], w->heard_us[REPORT_URGENT]);
}

static struct inlet_way *way_of(struct inlet *in, uint16_t name)
{
	struct inlet_way *w = NULL;

	for (size_t i = 0; i < in->n; i++)
		if (in->ways[i].way.name == name)
			return &in->ways[i];
	if (in->n < REPORT_WAYS_MAX) {
		w = &in->ways[in->n++];
	} else {
		for (size_t i = 0; i < in->n; i++)
			if (!w || last_heard_us(&in->ways[i]) < last_heard_us(w))
				w = &in->ways[i];
	}
	*w = (struct inlet_way){ .way.name = name };
	return w;
}

void inlet_heard(struct inlet *in, uint16_t name, enum report_lane lane, uint64_t sequence,
		 size_t len, uint64_t now_us)
{
	struct inlet_way *w = way_of(in, name);

	w->way.bytes += len;
	w->way.packets++;
	w->heard_us[lane] = now_us;
	if (!w->way.has[lane] || sequence > w->way.newest[lane])
		w->way.newest[lane] = sequence;
	w->way.has[lane] = true;
	if (in->due_us == 0)
		in->due_us = max_u64(now_us, in->sent_us + REPORT_EVERY_US);
}

bool inlet_report(struct inlet *in, uint64_t now_us, struct report *ret)
{
	if (in->due_us == 0 || now_us < in->due_us)
		return false;
	in->due_us = 0;
	in->sent_us = now_us;
	*ret = (struct report){ .at_us = (uint32_t)now_us, .n = in->n };
	for (size_t i = 0; i < in->n; i++) {
		ret->ways[i] = in->ways[i].way;
		for (unsigned lane = 0; lane < REPORT_LANES; lane++)
			ret->ways[i].held_us[lane] = (uint32_t)min_u64(
				now_us - min_u64(now_us, in->ways[i].heard_us[lane]),
				REPORT_HELD_MAX_US);
	}
	return true;
}

uint64_t inlet_floor(const struct inlet *in, uint64_t now_us)
{
	uint64_t floor = UINT64_MAX;

	for (size_t i = 0; i < in->n; i++) {
		const struct inlet_way *w = &in->ways[i];

		if (w->way.has[REPORT_BULK] && now_us < w->heard_us[REPORT_BULK] + INLET_ACTIVE_US)
			floor = min_u64(floor, w->way.newest[REPORT_BULK]);
	}
	return floor == UINT64_MAX ? 0 : floor;
}

void inlet_new_keys(struct inlet *in)
{
	for (size_t i = 0; i < in->n; i++)
		for (unsigned lane = 0; lane < REPORT_LANES; lane++)
			in->ways[i].way.has[lane] = false;
}
