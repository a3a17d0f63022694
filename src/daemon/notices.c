/* SPDX-License-Identifier: Apache-2.0 */
/* Tells people, by the ways that the configuration names, of incidents that need them, and in a few
 * words of those that were repaired (docs/notices.md). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "daemon/healing.h"
#include "shell/host/services.h"
#include "shell/notify/notify.h"

struct notices {
	struct notify_secrets secrets; /* until there is a loop */
	int error;		       /* of reading them */
	char why[FETCH_WHY_SIZE];
	struct notify *notify; /* NULL: nobody is told */
};

/* ---- starting ---- */

void notices_secrets(struct daemon *d)
{
	struct notices *n = calloc(1, sizeof(*n));

	d->notices = n;
	if (n)
		n->error = notify_secrets_read(d->config, &n->secrets, n->why);
}

void notices_start(struct daemon *d)
{
	struct notify_options base = {
		.loop = d->loop,
		.log = d->log,
		.node = d->member->is.spiffe_id,
	};
	struct notices *n = d->notices;

	if (!n) {
		daemon_feature(d, "notify", false, "out of memory");
		return;
	}
	entropy_fill(&kernel_entropy, (uint8_t *)&base.seed, sizeof(base.seed));
	if (n->error == 0)
		n->error = notify_configured(d->config, &base, &n->secrets, &n->notify, n->why);
	notify_secrets_done(&n->secrets);
	if (n->notify || n->error < 0) /* else nobody asked for it */
		daemon_feature(d, "notify", n->error == 0, n->error == 0 ? "" : n->why);
}

void notices_end(struct daemon *d)
{
	if (!d->notices)
		return;
	notify_free(d->notices->notify);
	notify_secrets_done(&d->notices->secrets);
	free(d->notices);
	d->notices = NULL;
}

/* ---- what is written ---- */

struct text {
	char at[NOTIFY_TEXT_SIZE];
	size_t len;
};

/* What does not fit is cut off. */
__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->len, sizeof(t->at) - t->len, format, args);
	va_end(args);
	if (n > 0)
		t->len = min_u64(t->len + (size_t)n, sizeof(t->at) - 1);
}

static void add_cause(struct text *t, const struct daemon *d, const struct healing_incident *i)
{
	const struct healing_vertex *v = &i->causes.causes[0].vertex;
	char a[NODE_NAME_MAX + 1], b[NODE_NAME_MAX + 1];

	if (i->causes.n == 0)
		return;
	healing_name(d, v->a, a);
	healing_name(d, v->b, b);
	add(t, "Most likely cause: %s %s%s%s\n", healing_vertex_kind_name(v->kind), a,
	    v->kind == VERTEX_LINK || v->kind == VERTEX_ROUTE ? " - " : "",
	    v->kind == VERTEX_LINK || v->kind == VERTEX_ROUTE ? b : "");
}

static void add_evidence(struct text *t, const struct healing_loop *l,
			 const struct healing_incident *i)
{
	const struct healing_reading *last;
	struct host_service s;

	if (i->n_evidence == 0)
		return;
	last = &i->evidence[i->n_evidence - 1];
	if (i->kind == HEALING_SERVICE && healing_service(l, i->subject, &s))
		add(t, "Asked: %s: %s\n", s.url, s.why[0] ? s.why : "it answers again");
	else
		add(t, "Measured: %.3g %s (%s)\n", last->value, healing_kind_unit(i->kind),
		    last->source);
}

static void add_plan(struct text *t, const struct healing_incident *i)
{
	add(t, "Plan: %s: %s\n", remedy_name(i->remedy), remedy_effect(i->remedy));
	add(t, "Why you are told: %s\n", i->why);
}

void notices_incident(struct healing_loop *l, const struct healing_incident *i)
{
	struct daemon *d = l->daemon;
	bool is_healed = i->state == HEALING_HEALED;
	char name[NODE_NAME_MAX + 1], id[17];
	char title[NOTIFY_TITLE_SIZE];
	struct text text = { .len = 0 };
	struct notify_message m = {
		.severity = is_healed			     ? NOTIFY_INFO
			    : i->severity == HEALING_SERIOUS ? NOTIFY_SERIOUS
							     : NOTIFY_WARNING,
		.incident = i->id,
		.title = title,
		.text = text.at,
		.unix_ms = daemon_unix_ms(d),
	};

	if (!d->notices || !d->notices->notify)
		return;
	healing_name(d, i->subject, name);
	node_id_text(i->id, id);
	(void)snprintf(title, sizeof(title), "%s: %s incident at %s%s", d->member->name,
		       healing_kind_name(i->kind), name, is_healed ? " repaired" : "");
	if (is_healed) {
		add(&text, "Done: %s: %s\n", remedy_name(i->remedy), remedy_effect(i->remedy));
	} else {
		add_evidence(&text, l, i);
		add_cause(&text, d, i);
		add_plan(&text, i);
	}
	add(&text, "More: x0 heal explain %s\n", id);
	(void)notify_send(d->notices->notify, &m, loop_now_us());
}
