/* SPDX-License-Identifier: Apache-2.0 */
/* The healing loop of this node: core/manager with a clock, mandates, a ledger, a disk, and people
 * who are told. */
#include "daemon/healing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "daemon/api.h"

#define MANDATES_NAME "mandates"

/* ---- mandates ---- */

static void find_mandates(struct healing_loop *l)
{
	const char *config = l->daemon->options->config_path;
	const char *slash = strrchr(config, '/');

	(void)snprintf(l->mandates_path, sizeof(l->mandates_path), "%.*s" MANDATES_NAME,
		       slash ? (int)(slash - config) + 1 : 0, config);
}

/* One that cannot be read, or understood, allows nothing. */
static void read_mandates(struct healing_loop *l)
{
	uint8_t text[MANDATES_FILE_MAX + 1];
	int fd = open(l->mandates_path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	l->mandates_why[0] = '\0';
	if (fd < 0 && errno == ENOENT) {
		mandates_default(&l->mandates);
	} else {
		l->mandates = (struct mandates){ 0 };
		n = fd < 0 ? -1 : read(fd, text, sizeof(text));
		if (n < 0)
			(void)snprintf(l->mandates_why, sizeof(l->mandates_why),
				       "it cannot be read: %s", strerror(errno));
		else
			(void)mandates_parse(SPAN(text, (size_t)n), &l->mandates, l->mandates_why);
		if (l->mandates_why[0])
			log_error(l->daemon->log, "mandates_refused",
				  log_str("file", l->mandates_path),
				  log_str("why", l->mandates_why));
	}
	if (fd >= 0)
		(void)close(fd);
	healing_set_mandates(l->core, &l->mandates);
}

void healing_reloaded(struct daemon *d)
{
	if (d->healing)
		read_mandates(d->healing);
}

/* ---- told ---- */

static void tell_change(struct healing_loop *l, const struct healing_incident *i, bool is_new)
{
	struct daemon *d = l->daemon;
	bool is_over = i->state == HEALING_CLOSED || i->state == HEALING_HEALED;
	const char *event = is_over  ? "incident_over"
			    : is_new ? "incident_opened"
				     : "incident_changed";
	char name[NODE_NAME_MAX + 1], id[17];
	struct log_field fields[] = {
		log_str("", NULL),
		log_str("incident", id),
		log_str("kind", healing_kind_name(i->kind)),
		log_str("subject", name),
		log_str("state", healing_state_name(i->state)),
		log_str("remedy", remedy_name(i->remedy)),
		log_str("why", i->why),
	};

	healing_name(d, i->subject, name);
	node_id_text(i->id, id);
	log_event(d->log, event[9] == 'c' ? LOG_LEVEL_INFO : LOG_LEVEL_NOTICE, event, fields,
		  N_ELEMENTS(fields));
	api_tell(d, TOPIC_INCIDENTS, event, name, i->why[0] ? i->why : healing_kind_name(i->kind));
	if (i->state == HEALING_HEALED)
		notices_incident(l, i);
}

static void tell_changes(struct healing_loop *l)
{
	const struct healing_incident *i;
	uint64_t cursor = 0;
	size_t n = 0;

	while (n < HEALING_INCIDENTS_MAX && (i = healing_next(l->core, &cursor))) {
		enum healing_state before = HEALING_N_STATES;
		uint64_t explained_us = 0;

		for (size_t k = 0; k < HEALING_INCIDENTS_MAX; k++) {
			if (l->told[k].id != i->id)
				continue;
			before = l->told[k].state;
			explained_us = l->told[k].explained_us;
		}
		if (before != i->state)
			tell_change(l, i, before == HEALING_N_STATES);
		if (before != i->state || explained_us != i->explained_us)
			healing_past_put(l, i);
		n++;
	}
	cursor = 0;
	for (size_t k = 0; k < HEALING_INCIDENTS_MAX; k++) {
		i = healing_next(l->core, &cursor);
		l->told[k].id = i ? i->id : 0;
		l->told[k].state = i ? i->state : HEALING_N_STATES;
		l->told[k].explained_us = i ? i->explained_us : 0;
		if (!i)
			break;
	}
}

static void escalate(struct healing_loop *l, const struct healing_incident *i)
{
	char name[NODE_NAME_MAX + 1], id[17];

	healing_name(l->daemon, i->subject, name);
	node_id_text(i->id, id);
	log_warning(l->daemon->log, "incident_escalated", log_str("incident", id),
		    log_str("kind", healing_kind_name(i->kind)), log_str("subject", name),
		    log_str("plan", remedy_name(i->remedy)),
		    log_str("effect", remedy_effect(i->remedy)), log_str("why", i->why));
	api_tell(l->daemon, TOPIC_INCIDENTS, "incident_escalated", name, i->why);
	notices_incident(l, i);
}

void healing_event(struct daemon *d, const struct node_event *e)
{
	if (d->healing)
		manager_event(d->healing->manager, e);
}

/* ---- the loop ---- */

static void free_space(struct healing_loop *l, const struct healing_order *o, uint64_t now_us)
{
	bool is_undo = o->type == HEALING_UNDO; /* there is nothing to undo */
	int r = is_undo ? 0 : healing_past_shrink(l, o->ticket);

	if (is_undo || r < 0)
		(void)healing_done(l->core, o->ticket, r, now_us); /* else when it is done */
}

static void obey(struct healing_loop *l, const struct healing_order *o, uint64_t now_us)
{
	healing_past_note(l, o);
	if (manager_obey(l->manager, o, now_us))
		return;
	if (o->type == HEALING_RECORD) {
		healing_record(l, o);
	} else if (o->type == HEALING_TELL) {
		escalate(l, o->incident);
		healing_past_put(l, o->incident); /* the state may be the same */
	} else {
		free_space(l, o, now_us);
	}
}

void healing_turn(struct healing_loop *l)
{
	struct healing_order o;
	uint64_t now_us = loop_now_us();

	manager_turn(l->manager, now_us, daemon_unix_ms(l->daemon) / 1000);
	while (healing_next_order(l->core, &o, now_us))
		obey(l, &o, now_us);
	tell_changes(l);
	daemon_drain(l->daemon);
}

static void look(struct healing_loop *l, uint64_t now_us)
{
	bool is_whole;

	healing_read_host(l, now_us);
	is_whole = manager_look(l->manager, now_us);
	healing_turn(l);
	if (!is_whole)
		return;
	l->cycle_us = loop_now_us() - now_us;
	l->cycles_us += l->cycle_us;
	l->n_cycles++;
}

static void on_timer(void *arg, uint64_t now_us)
{
	struct healing_loop *l = arg;

	if (!l->past) /* not while the start itself waits for the disk */
		healing_past_begin(l);
	look(l, now_us);
	loop_timer_arm(l->timer, manager_deadline_us(l->manager, loop_now_us()));
}

/* ---- starting ---- */

static bool can_free_space(void *arg, const char **ret_why_not)
{
	return healing_past_can_shrink(arg, ret_why_not);
}

void healing_start(struct daemon *d)
{
	CLEANUP_FREE struct healing_loop *l = calloc(1, sizeof(*l));
	struct manager_config config = {
		.node = d->node,
		.first_id = d->boot_epoch << 20 | 1,
		.learn_s = (unsigned)d->options->config->healing_learn_s,
		.can_free_space = can_free_space,
		.arg = l,
	};

	entropy_fill(&kernel_entropy, (uint8_t *)&config.seed, sizeof(config.seed));
	if (!l || manager_new(&config, &l->manager) < 0 ||
	    loop_timer_new(d->loop, on_timer, l, &l->timer) < 0) {
		if (l)
			manager_free(l->manager);
		daemon_feature(d, "healing", false, "out of memory");
		return;
	}
	l->daemon = d;
	l->core = manager_healing(l->manager);
	healing_set_power(l->core, false, "the ledger is not open yet");
	find_mandates(l);
	read_mandates(l);
	healing_host_begin(l);
	daemon_feature(d, "healing", true, "");
	daemon_feature(d, "healing.learned", true, "");
	loop_timer_arm(l->timer, loop_now_us() + SECONDS(1));
	d->healing = TAKE(l);
}

void healing_stop(struct daemon *d)
{
	if (d->healing)
		healing_past_stop(d->healing);
}

void healing_end(struct daemon *d)
{
	struct healing_loop *l = d->healing;

	if (!l)
		return;
	healing_past_end(l);
	manager_free(l->manager);
	healing_host_end(l);
	free(l);
	d->healing = NULL;
}
