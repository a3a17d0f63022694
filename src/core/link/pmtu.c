/* SPDX-License-Identifier: Apache-2.0 */
/* The search for the longest datagram that passes (RFC 8899 section 5), and the watch over it. */
#include "core/link/pmtu.h"

#include <assert.h>
#include <errno.h>

#include "base/cleanup.h"
#include "base/units.h"

#define KIND_PROBE 0x10
#define KIND_ANSWER 0x11
#define IPV4_UDP_LEN 28
#define IPV6_UDP_LEN 48

/* MTUs that paths have: what tunnels leave of 1,500 bytes, PPPoE, and the jumbo ones. Searching
 * among them takes a third of the probes of a search by halves (RFC 8899 section 5.3.2). */
static const uint16_t likely_mtus[] = {
	820,  900,  1000, 1100, 1200, 1280, 1300, 1320, 1340, 1360, 1380, 1400, 1412,
	1420, 1428, 1436, 1440, 1450, 1454, 1460, 1472, 1480, 1492, 1500, 1600, 1800,
	2000, 2304, 3000, 4000, 4352, 5000, 6000, 7000, 7981, 8500, 8951, 9000,
};

/* ---- what to try next ---- */

static bool is_open(const struct pmtu *p, unsigned size)
{
	return size > p->size && size < p->failed;
}

/* The one in the middle of those that are open; 0 for none. */
static unsigned middle_one(const struct pmtu *p)
{
	unsigned open[N_ELEMENTS(likely_mtus)];
	unsigned n = 0;

	for (unsigned i = 0; i < N_ELEMENTS(likely_mtus); i++)
		if (likely_mtus[i] > p->header_len && is_open(p, likely_mtus[i] - p->header_len))
			open[n++] = likely_mtus[i] - p->header_len;
	return n ? open[n / 2] : 0;
}

/* The one next above what passes; 0 for none. */
static unsigned next_one(const struct pmtu *p)
{
	for (unsigned i = 0; i < N_ELEMENTS(likely_mtus); i++)
		if (likely_mtus[i] > p->header_len && is_open(p, likely_mtus[i] - p->header_len))
			return likely_mtus[i] - p->header_len;
	return 0;
}

/* First whether the base passes, then what the kernel believes, then what we hope for. Where the
 * hint passed, the one above it is tried at once: it ends the search, or shows the hint wrong. */
static unsigned choose(const struct pmtu *p)
{
	if (p->size == p->hint && next_one(p))
		return next_one(p);
	if (is_open(p, PMTU_BASE))
		return PMTU_BASE;
	if (is_open(p, p->hint))
		return p->hint;
	if (p->failed > p->max && is_open(p, p->max))
		return p->max;
	if (is_open(p, PMTU_MIN))
		return PMTU_MIN;
	return middle_one(p);
}

static const bool may_follow[5][5] = {
	[PMTU_DISABLED] = { [PMTU_CHECK_BASE] = true, [PMTU_DISABLED] = true },
	[PMTU_CHECK_BASE] = { [PMTU_DISABLED] = true,
			      [PMTU_CHECK_BASE] = true,
			      [PMTU_SEARCHING] = true,
			      [PMTU_ERROR] = true },
	[PMTU_SEARCHING] = { [PMTU_DISABLED] = true,
			     [PMTU_CHECK_BASE] = true,
			     [PMTU_COMPLETE] = true },
	[PMTU_COMPLETE] = { [PMTU_DISABLED] = true,
			    [PMTU_CHECK_BASE] = true,
			    [PMTU_SEARCHING] = true },
	[PMTU_ERROR] = { [PMTU_DISABLED] = true, [PMTU_CHECK_BASE] = true },
};

static void set_state(struct pmtu *p, enum pmtu_state to)
{
	assert(may_follow[p->state][to]);
	p->state = to;
}

/* In the state ERROR the search goes on below the base, until nothing is open. */
static void begin_probe(struct pmtu *p, unsigned size, uint64_t now_us)
{
	p->probed = size;
	p->n_sent = 0;
	p->id++;
	p->probe_at_us = now_us;
}

static void search_on(struct pmtu *p, uint64_t now_us)
{
	unsigned size = choose(p);

	if (size) {
		begin_probe(p, size, now_us);
		return;
	}
	p->probed = 0;
	p->probe_at_us = NEVER_US;
	p->confirm_at_us = now_us + p->confirm_us;
	p->raise_at_us = now_us + p->raise_us;
	if (p->has_suspicion || p->state == PMTU_ERROR)
		p->raise_at_us = now_us + min_u64(PMTU_SUSPECT_US, p->raise_us);
	p->has_suspicion = false;
	if (p->state == PMTU_SEARCHING)
		set_state(p, PMTU_COMPLETE);
}

static void restart(struct pmtu *p, unsigned size, unsigned failed, uint64_t now_us)
{
	set_state(p, PMTU_CHECK_BASE);
	p->size = size;
	p->failed = failed;
	p->raise_at_us = NEVER_US;
	p->confirm_at_us = NEVER_US;
	if (failed <= PMTU_BASE)
		set_state(p, PMTU_ERROR);
	search_on(p, now_us);
}

/* ---- made, begun, ended ---- */

void pmtu_init(struct pmtu *p, unsigned max, uint64_t confirm_us, uint64_t raise_us)
{
	assert(max >= PMTU_BASE);
	*p = (struct pmtu){
		.max = max,
		.confirm_us = confirm_us ? confirm_us : PMTU_CONFIRM_US,
		.raise_us = raise_us ? raise_us : PMTU_RAISE_US,
		.header_len = IPV6_UDP_LEN,
	};
	pmtu_stop(p);
}

void pmtu_begin(struct pmtu *p, bool is_ipv4, uint64_t now_us)
{
	p->header_len = is_ipv4 ? IPV4_UDP_LEN : IPV6_UDP_LEN;
	p->hint = 0;
	p->is_used = false;
	p->has_suspicion = false;
	if (p->state != PMTU_DISABLED)
		pmtu_stop(p);
	restart(p, PMTU_MIN, p->max + 1, now_us);
}

void pmtu_stop(struct pmtu *p)
{
	set_state(p, PMTU_DISABLED);
	p->size = PMTU_MIN;
	p->failed = p->max + 1;
	p->probed = 0;
	p->probe_at_us = p->confirm_at_us = p->raise_at_us = NEVER_US;
}

/* ---- probes and what becomes of them ---- */

static bool is_confirming(const struct pmtu *p)
{
	return p->probed && p->probed <= p->size;
}

/* What passed does no longer: whatever is as long is lost without a word. Begin below. */
static void black_hole(struct pmtu *p, uint64_t now_us)
{
	p->has_suspicion = true;
	p->is_used = false;
	p->hint = 0;
	restart(p, p->size > PMTU_MIN ? PMTU_MIN : PMTU_FLOOR, p->size, now_us);
}

static void give_up(struct pmtu *p, uint64_t now_us)
{
	if (is_confirming(p)) {
		p->probed = 0;
		p->probe_at_us = NEVER_US;
		p->confirm_at_us = now_us + p->confirm_us;
		if (p->size > PMTU_FLOOR)
			black_hole(p, now_us);
		return; /* nothing passes: that is for the link to notice */
	}
	p->failed = p->probed;
	if (p->state == PMTU_CHECK_BASE && p->failed <= PMTU_BASE)
		set_state(p, PMTU_ERROR);
	search_on(p, now_us);
}

bool pmtu_next_probe(struct pmtu *p, uint64_t now_us, uint32_t *ret_id, unsigned *ret_size)
{
	if (!p->probed || now_us < p->probe_at_us || p->n_sent == PMTU_MAX_PROBES)
		return false;
	p->n_sent++;
	p->probe_at_us = now_us + PMTU_PROBE_US;
	*ret_id = p->id;
	*ret_size = p->probed;
	return true;
}

bool pmtu_answered(struct pmtu *p, uint32_t id, unsigned size, uint64_t now_us)
{
	if (!p->probed || id != p->id || size != p->probed || p->n_sent == 0)
		return false;
	if (is_confirming(p)) {
		p->probed = 0;
		p->probe_at_us = NEVER_US;
		p->confirm_at_us = now_us + p->confirm_us;
		return true;
	}
	p->size = size;
	if (size >= PMTU_BASE && p->state == PMTU_CHECK_BASE)
		set_state(p, PMTU_SEARCHING);
	search_on(p, now_us);
	return true;
}

void pmtu_refused(struct pmtu *p, unsigned size, uint64_t now_us)
{
	if (p->probed && size == p->probed)
		give_up(p, now_us);
}

void pmtu_hint(struct pmtu *p, unsigned size, uint64_t now_us)
{
	if (p->state == PMTU_DISABLED || size < PMTU_FLOOR || size == p->hint)
		return;
	p->hint = size < p->max ? size : p->max;
	if (is_open(p, p->hint) && p->probed > p->hint)
		begin_probe(p, p->hint, now_us);
	else if (p->hint < p->size && !p->probed)
		begin_probe(p, p->size, now_us); /* does it still pass? */
}

/* ---- time ---- */

void pmtu_tick(struct pmtu *p, uint64_t now_us)
{
	if (p->probed && p->n_sent == PMTU_MAX_PROBES && now_us >= p->probe_at_us)
		give_up(p, now_us);
	if (p->probed)
		return;
	if (now_us >= p->raise_at_us) { /* below the base: from it upwards again */
		p->hint = 0;
		if (p->state == PMTU_ERROR)
			set_state(p, PMTU_CHECK_BASE);
		else if (p->state == PMTU_COMPLETE)
			set_state(p, PMTU_SEARCHING);
		p->failed = p->max + 1;
		p->raise_at_us = NEVER_US;
		search_on(p, now_us);
		return;
	}
	if (p->is_used && now_us >= p->confirm_at_us) {
		p->is_used = false;
		begin_probe(p, p->size, now_us);
	}
}

uint64_t pmtu_deadline_us(const struct pmtu *p)
{
	uint64_t at = p->raise_at_us;

	if (p->probed)
		return p->probe_at_us;
	return p->is_used ? min_u64(at, p->confirm_at_us) : at;
}

/* ---- asked ---- */

bool pmtu_is_searching(const struct pmtu *p)
{
	return p->probed && !is_confirming(p);
}

unsigned pmtu_at_most(const struct pmtu *p)
{
	return pmtu_is_searching(p) || p->state == PMTU_DISABLED ? p->failed - 1 : p->size;
}

const char *pmtu_state_name(enum pmtu_state s)
{
	static const char *const names[] = { "disabled", "base", "searching", "complete", "error" };

	return (unsigned)s < N_ELEMENTS(names) ? names[s] : "unknown";
}

/* ---- the wire ---- */

int pmtu_message_decode(struct span body, struct pmtu_message *ret)
{
	struct reader r = reader_of(body);
	uint8_t kind = read_u8(&r);
	uint8_t reserved = read_u8(&r);
	struct pmtu_message m = { .is_answer = kind == KIND_ANSWER };

	m.size = read_u16(&r);
	m.id = read_u32(&r);
	if (r.overrun || (m.is_answer && r.left > 0))
		return -EBADMSG;
	if ((kind != KIND_PROBE && kind != KIND_ANSWER) || reserved)
		return -EPROTO;
	*ret = m;
	return 0;
}

void pmtu_message_encode(const struct pmtu_message *m, uint8_t ret[PMTU_MESSAGE_LEN])
{
	ret[0] = m->is_answer ? KIND_ANSWER : KIND_PROBE;
	ret[1] = 0;
	store_u16(ret + 2, (uint16_t)m->size);
	store_u32(ret + 4, m->id);
}
