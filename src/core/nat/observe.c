/* SPDX-License-Identifier: Apache-2.0 */
/* Observations: kept by observer, counted by address. */
#include "core/nat/observe.h"

#include "core/prefix/prefix.h"

#define OWN_CANDIDATES_MAX 4 /* of CANDIDATES_MAX; the others are for what is seen from outside */

void observe_set_own(struct observe *o, const struct endpoint *own, size_t n)
{
	o->n_own = n < OWN_ADDRESSES_MAX ? n : OWN_ADDRESSES_MAX;
	memset(o->own, 0, sizeof(o->own));
	if (o->n_own > 0)
		memcpy(o->own, own, o->n_own * sizeof(own[0]));
}

static struct observation *slot_for(struct observe *o, uint64_t observer)
{
	struct observation *oldest = &o->list[0];

	for (size_t i = 0; i < OBSERVERS_MAX; i++)
		if (o->list[i].observer == observer)
			return &o->list[i];
	for (size_t i = 0; i < OBSERVERS_MAX; i++) {
		if (o->list[i].observer == 0)
			return &o->list[i];
		if (o->list[i].order < oldest->order)
			oldest = &o->list[i];
	}
	return oldest;
}

bool observe_told(struct observe *o, uint64_t observer, const struct endpoint *at,
		  const struct endpoint *seen)
{
	struct observation *slot;
	bool is_news;

	if (observer == 0 || !candidate_is_fit(seen))
		return false;
	slot = slot_for(o, observer);
	is_news = slot->observer != observer || !endpoint_equal(&slot->seen, seen);
	*slot = (struct observation){ observer, *at, *seen, ++o->next_order };
	return is_news;
}

bool observe_forget(struct observe *o, uint64_t observer)
{
	for (size_t i = 0; i < OBSERVERS_MAX && observer; i++) {
		if (o->list[i].observer != observer)
			continue;
		o->list[i] = (struct observation){ 0 };
		return true;
	}
	return false;
}

static bool is_public(const struct endpoint *e)
{
	return !address_is_private(e->ip);
}

static bool is_own(const struct observe *o, const struct endpoint *e)
{
	for (size_t i = 0; i < o->n_own; i++)
		if (memcmp(o->own[i].ip, e->ip, sizeof(e->ip)) == 0)
			return true;
	return false;
}

/* What has been seen from outside: not our own address, and not of a private network where others
 * see a public one, for then the one inside looked from between two NATs. */
static bool counts(const struct observe *o, const struct observation *a, bool is_ipv4,
		   bool has_public)
{
	return a->observer && endpoint_is_ipv4(&a->seen) == is_ipv4 && !is_own(o, &a->seen) &&
	       (!has_public || is_public(&a->seen));
}

static bool has_public(const struct observe *o, bool is_ipv4)
{
	for (size_t i = 0; i < OBSERVERS_MAX; i++)
		if (counts(o, &o->list[i], is_ipv4, true))
			return true;
	return false;
}

/* Whether an observation before this one was made from the same host. seen: and saw the same. */
static bool is_repeated(const struct observe *o, size_t i, bool is_ipv4, bool is_public_only,
			bool with_seen)
{
	for (size_t k = 0; k < i; k++)
		if (counts(o, &o->list[k], is_ipv4, is_public_only) &&
		    memcmp(o->list[k].at.ip, o->list[i].at.ip, 16) == 0 &&
		    (!with_seen || endpoint_equal(&o->list[k].seen, &o->list[i].seen)))
			return true;
	return false;
}

static unsigned agreeing(const struct observe *o, size_t with, bool is_ipv4, bool is_public_only)
{
	unsigned n = 0;

	for (size_t i = 0; i < OBSERVERS_MAX; i++)
		n += counts(o, &o->list[i], is_ipv4, is_public_only) &&
		     endpoint_equal(&o->list[i].seen, &o->list[with].seen) &&
		     !is_repeated(o, i, is_ipv4, is_public_only, true);
	return n;
}

/* Somebody sees a public address that is our own. */
static bool is_open(const struct observe *o, bool is_ipv4, struct endpoint *ret)
{
	for (size_t i = 0; i < OBSERVERS_MAX; i++) {
		const struct endpoint *e = &o->list[i].seen;

		if (!o->list[i].observer || endpoint_is_ipv4(e) != is_ipv4 || !is_public(e) ||
		    !is_own(o, e))
			continue;
		*ret = *e;
		return true;
	}
	return false;
}

void observe_view(const struct observe *o, bool is_ipv4, struct observe_view *ret)
{
	bool is_public_only = has_public(o, is_ipv4);

	*ret = (struct observe_view){ .mapping = NAT_UNKNOWN };
	for (size_t i = 0; i < OBSERVERS_MAX; i++) {
		unsigned n;

		if (!counts(o, &o->list[i], is_ipv4, is_public_only))
			continue;
		ret->n_observers += !is_repeated(o, i, is_ipv4, is_public_only, false);
		n = agreeing(o, i, is_ipv4, is_public_only);
		if (n <= ret->n_agree)
			continue;
		ret->n_agree = n;
		ret->seen = o->list[i].seen;
	}
	if (ret->n_agree >= 2)
		ret->mapping = NAT_INDEPENDENT;
	else if (ret->n_observers >= 2)
		ret->mapping = NAT_DEPENDENT;
	else if (ret->n_observers == 1)
		ret->mapping = NAT_MAPPED;
	else if (is_open(o, is_ipv4, &ret->seen))
		ret->mapping = NAT_NONE;
}

enum nat_mapping observe_mapping(const struct observe *o)
{
	struct observe_view ipv4, ipv6;

	observe_view(o, true, &ipv4);
	observe_view(o, false, &ipv6);
	return ipv4.mapping > ipv6.mapping ? ipv4.mapping : ipv6.mapping;
}

static void add_seen(const struct observe *o, bool is_ipv4, bool is_agreed, struct candidates *ret)
{
	for (size_t i = 0; i < OBSERVERS_MAX; i++)
		if (counts(o, &o->list[i], is_ipv4, false) &&
		    (agreeing(o, i, is_ipv4, false) >= 2) == is_agreed)
			(void)candidates_add(ret, CANDIDATE_OBSERVED, &o->list[i].seen);
}

void observe_candidates(const struct observe *o, struct candidates *ret)
{
	size_t n_before = ret->n;

	for (size_t i = 0; i < o->n_own && ret->n < n_before + OWN_CANDIDATES_MAX; i++)
		(void)candidates_add(ret, CANDIDATE_OWN, &o->own[i]);
	for (unsigned is_agreed = 2; is_agreed-- > 0;) {
		add_seen(o, true, is_agreed, ret);
		add_seen(o, false, is_agreed, ret);
	}
}
