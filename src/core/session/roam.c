/* SPDX-License-Identifier: Apache-2.0 */
/* One path check at a time, first come first served. */
#include "base/bytes.h"
#include "base/units.h"
#include "core/session/roam.h"

static bool is_checking(const struct roam *r)
{
	return !endpoint_is_null(&r->candidate);
}

static void end_check(struct roam *r)
{
	r->candidate = (struct endpoint){ 0 };
	bytes_wipe(r->challenge, sizeof(r->challenge));
	bytes_wipe(r->challenge_current, sizeof(r->challenge_current));
	r->received_bytes = 0;
	r->sent_bytes = 0;
}

/* Never before counts as long ago. */
static bool is_long_ago(uint64_t at_us, uint64_t now_us)
{
	return at_us == 0 || now_us >= at_us + ROAM_MIN_INTERVAL_US;
}

void roam_init(struct roam *r, const struct endpoint *current)
{
	*r = (struct roam){ .current = *current };
}

bool roam_received(struct roam *r, const struct endpoint *from, size_t len, bool is_newest,
		   const struct entropy *entropy, uint64_t now_us)
{
	if (is_checking(r) && now_us >= r->checked_us + ROAM_CHECK_US)
		end_check(r);
	if (endpoint_equal(from, &r->current))
		return false;
	if (is_checking(r)) {
		if (endpoint_equal(from, &r->candidate))
			r->received_bytes += len;
		return false;
	}
	if (!is_newest || !is_long_ago(r->moved_us, now_us) || !is_long_ago(r->checked_us, now_us))
		return false;
	r->candidate = *from;
	r->received_bytes = len;
	r->checked_us = now_us;
	r->repeat_us = now_us + ROAM_REPEAT_US;
	entropy_fill(entropy, r->challenge, sizeof(r->challenge));
	entropy_fill(entropy, r->challenge_current, sizeof(r->challenge_current));
	return true;
}

const uint8_t *roam_challenge(const struct roam *r, const struct endpoint *to)
{
	if (!is_checking(r))
		return NULL;
	if (endpoint_equal(to, &r->candidate))
		return r->challenge;
	return endpoint_equal(to, &r->current) ? r->challenge_current : NULL;
}

bool roam_echo(struct roam *r, const struct endpoint *from,
	       const uint8_t challenge[ROAM_CHALLENGE_LEN], uint64_t now_us)
{
	const uint8_t *expected = roam_challenge(r, from);

	if (!expected || now_us >= r->checked_us + ROAM_CHECK_US ||
	    !bytes_equal_ct(challenge, expected, ROAM_CHALLENGE_LEN))
		return false;
	if (endpoint_equal(from, &r->current)) {
		end_check(r); /* it is still where it was */
		return false;
	}
	r->current = r->candidate;
	r->moved_us = now_us;
	end_check(r);
	return true;
}

bool roam_may_send(struct roam *r, size_t len)
{
	if (!is_checking(r) || len > ROAM_AMPLIFICATION * r->received_bytes - r->sent_bytes)
		return false;
	r->sent_bytes += len;
	return true;
}

bool roam_tick(struct roam *r, uint64_t now_us)
{
	if (!is_checking(r))
		return false;
	if (now_us >= r->checked_us + ROAM_CHECK_US) {
		end_check(r);
		return false;
	}
	if (now_us < r->repeat_us)
		return false;
	r->repeat_us = now_us + max_u64(ROAM_REPEAT_US, now_us - r->checked_us);
	return true;
}

uint64_t roam_deadline_us(const struct roam *r)
{
	if (!is_checking(r))
		return NEVER_US;
	return min_u64(r->repeat_us, r->checked_us + ROAM_CHECK_US);
}
