/* SPDX-License-Identifier: Apache-2.0 */
/* A number of queries a second for each source. */
#include "base/siphash.h"
#include "base/units.h"
#include "core/dns/dns.h"

bool dns_rates_take(struct dns_rates *r, const uint8_t source[16], uint32_t limit, uint64_t now_us)
{
	const struct span part = SPAN(source, 16);
	size_t i = siphash64(r->hash_key, &part, 1) % DNS_SOURCES_MAX;

	if (now_us - r->of[i].since_us >= US_PER_S) {
		r->of[i].since_us = now_us;
		r->of[i].used = 0;
	}
	if (r->of[i].used >= limit)
		return false;
	r->of[i].used++;
	return true;
}
