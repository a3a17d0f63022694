/* SPDX-License-Identifier: Apache-2.0 */
/* After the demo's story, until Ctrl-C: what changes is shown, nodes that ended come back, and
 * Enter cuts a link for a while. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "cli/demo_internal.h"

#define LOOK_MS 250
#define RESTART_MS 10000 /* long enough to see the others go around it */
#define CUT_MS 6000	 /* the same */

static void say_where_to_look(struct demo *d)
{
	report_say(d, "It goes on until Ctrl-C. To look at it from another terminal:");
	for (unsigned i = 0; i < d->n_nodes; i++)
		(void)fprintf(d->out, "    %s status --config %s\n", d->exe, d->nodes[i].config);
	(void)fprintf(
		d->out,
		"  (or peers, top, routes, heal, ping NODE, trace NODE instead of status; down "
		"stops a node, and %d s later it is started again)\n",
		RESTART_MS / 1000);
	if (d->keys_fd >= 0)
		(void)fprintf(d->out,
			      "\n%s and press Enter here: the link in use from %s to %s is cut for "
			      "%d s, and the mesh heals.\n",
			      d->api_fd >= 0 ? "Open this in a browser" : "Look", d->nodes[0].name,
			      d->nodes[d->n_nodes - 1].name, CUT_MS / 1000);
	if (d->api_fd >= 0)
		(void)fprintf(d->out, "%sdashboard: http://127.0.0.1:%u/\n",
			      d->keys_fd >= 0 ? "" : "\n", d->api_port);
	(void)fflush(d->out);
}

/* How the first node reaches the last one, where that is another way than before. */
static void say_way(struct demo *d, const struct demo_node **way)
{
	const struct demo_node *hop = nodes_next_hop(d, nodes_far(d));

	if (hop == *way)
		return;
	*way = hop;
	if (hop)
		report_say(d, "%s reaches %s by %s now", d->nodes[0].name,
			   d->nodes[d->n_nodes - 1].name, hop->name);
	else
		report_say(d, "%s does not reach %s", d->nodes[0].name,
			   d->nodes[d->n_nodes - 1].name);
}

/* A node that has ended, by x0 down or otherwise, comes back after a while. */
static void revive(struct demo *d, struct demo_node *n, uint64_t *ended_us)
{
	if (n->group && kill(-n->group, 0) < 0 && errno == ESRCH) {
		n->group = 0;
		*ended_us = report_now_us();
		report_say(d, "%s has ended; it is started again in %d s", n->name,
			   RESTART_MS / 1000);
	}
	if (n->group || report_now_us() - *ended_us < MS(RESTART_MS))
		return;
	*ended_us = report_now_us();
	json_t *status = nodes_ask(n, "status", NULL);

	if (status) {
		report_say(d,
			   "%s was started outside of the demo, where its links are not; to have "
			   "it back: %s down --config %s",
			   n->name, d->exe, n->config);
		json_decref(status);
		return;
	}
	if (nodes_up(d, n) == 0)
		report_say(d, "%s started again", n->name);
}

/* ---- a link, by Enter ---- */

struct shown_cut {
	struct demo_link *link; /* NULL: none now */
	uint64_t since_us;
};

static bool is_enter_pressed(const struct demo *d)
{
	char keys[64];
	ssize_t n;
	bool is = false;

	while (d->keys_fd >= 0 && (n = read(d->keys_fd, keys, sizeof(keys))) > 0)
		is |= memchr(keys, '\n', (size_t)n) != NULL;
	return is;
}

/* Another link of the first node that is not used now: one that waits out its hold-down, or whose
 * node has ended. With one more cut the first node could be alone, and nothing would heal. */
static const struct demo_node *idle_neighbour(const struct demo *d, const struct demo_link *but)
{
	for (unsigned i = 0; i < d->n_links; i++) {
		const struct demo_link *l = &d->links[i];

		if (l == but || l->is_up)
			continue;
		if (l->end[0].node == 0 || l->end[1].node == 0)
			return &d->nodes[l->end[l->end[0].node == 0].node];
	}
	return NULL;
}

static void cut_now(struct demo *d, struct shown_cut *c)
{
	const struct demo_node *hop = nodes_next_hop(d, nodes_far(d));
	struct demo_link *l = hop ? lab_link(d, 0, (unsigned)(hop - d->nodes)) : NULL;
	const struct demo_node *idle = l ? idle_neighbour(d, l) : NULL;

	if (!l) {
		report_say(d, "%s has no way to %s now: nothing is cut", d->nodes[0].name,
			   d->nodes[d->n_nodes - 1].name);
		return;
	}
	if (idle) {
		report_say(d,
			   "the link %s-%s is not in use, so no other is cut: %s could be alone. "
			   "What falls often has to prove itself for longer, up to a minute",
			   d->nodes[0].name, idle->name, d->nodes[0].name);
		return;
	}
	*c = (struct shown_cut){ .link = l, .since_us = report_now_us() };
	l->is_cut = true;
	if (lab_cut(d, l, true))
		report_say(d, "cutting the link %s-%s for %d s, without a word to anyone",
			   d->nodes[0].name, hop->name, CUT_MS / 1000);
	else
		report_say(d, "the link %s-%s could not be cut", d->nodes[0].name, hop->name);
}

static void mend(struct demo *d, struct shown_cut *c)
{
	const char *a = d->nodes[c->link->end[0].node].name;
	const char *b = d->nodes[c->link->end[1].node].name;

	c->link->is_cut = false;
	if (lab_cut(d, c->link, false))
		report_say(d,
			   "the cable of %s-%s is whole again; the link is used once it has proved "
			   "itself, then Enter cuts again",
			   a, b);
	else
		report_say(d, "the link %s-%s could not be restored", a, b);
	c->link = NULL;
}

static void follow_keys(struct demo *d, struct shown_cut *c)
{
	bool is_pressed = is_enter_pressed(d);

	if (c->link && report_now_us() - c->since_us >= MS(CUT_MS))
		mend(d, c);
	else if (is_pressed && c->link)
		report_say(d, "one link is cut already");
	else if (is_pressed)
		cut_now(d, c);
}

void demo_stay(struct demo *d)
{
	const struct demo_node *way = nodes_next_hop(d, nodes_far(d));
	uint64_t ended_us[DEMO_NODES_MAX] = { 0 };
	struct shown_cut cut = { 0 };

	(void)is_enter_pressed(d); /* what was typed before is not meant */
	say_where_to_look(d);
	while (!demo_is_stopped()) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			; /* as process 1, of whatever was left behind */
		for (unsigned i = 0; i < d->n_nodes; i++)
			revive(d, &d->nodes[i], &ended_us[i]);
		if (nodes_look(d))
			report_picture(d);
		say_way(d, &way);
		follow_keys(d, &cut);
		report_nap_ms(LOOK_MS);
	}
	report_say(d, "taking everything down");
}
