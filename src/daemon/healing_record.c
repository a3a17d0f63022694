/* SPDX-License-Identifier: Apache-2.0 */
/* Intents and results of healing, as entries of this node's ledger, answered when they are
 * durable. Nothing is done without it. */
#include <stdio.h>

#include "daemon/healing.h"

static void recorded(void *arg, uint64_t ticket, int r)
{
	struct healing_loop *l = arg;

	(void)healing_recorded(l->core, ticket, r, loop_now_us());
	healing_turn(l);
}

void healing_record(struct healing_loop *l, const struct healing_order *o)
{
	const struct healing_incident *i = o->incident;
	struct daemon *d = l->daemon;
	char what[64], where[NODE_NAME_MAX + 1], why[HEALING_WHY_SIZE + 96], cause[80] = "";
	struct ledger_entry e = {
		.kind = o->is_result ? LEDGER_RESULT : LEDGER_INTENT,
		.unix_ms = (uint64_t)daemon_unix_ms(d),
		.incident = i->id,
		.action = i->action,
		.is_disk = i->remedy == REMEDY_FREE_SPACE,
		.who = d->member->is.spiffe_id,
		.what = what,
		.where = where,
		.why = why,
		.result = o->result,
	};
	int r;

	(void)snprintf(what, sizeof(what), "%s%s", remedy_name(i->remedy),
		       o->is_return ? " taken back" : "");
	healing_name(d, i->subject, where);
	if (i->causes.n > 0)
		(void)snprintf(cause, sizeof(cause), "; cause: %s",
			       healing_vertex_kind_name(i->causes.causes[0].vertex.kind));
	(void)snprintf(why, sizeof(why), "%s incident%s", healing_kind_name(i->kind), cause);
	r = ledger_record(d, &e, recorded, l, o->ticket);
	if (r < 0)
		(void)healing_recorded(l->core, o->ticket, r, loop_now_us());
}

void healing_ledger(struct daemon *d, bool is_open, const char *why)
{
	char text[KEEPER_WHY_SIZE];

	if (!d->healing)
		return;
	(void)snprintf(text, sizeof(text), "no ledger: %.180s", why);
	healing_set_power(d->healing->core, is_open,
			  "there is no ledger, and what cannot be recorded is not done");
	daemon_feature(d, "healing.act", is_open, is_open ? "" : text);
}
