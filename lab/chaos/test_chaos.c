/* SPDX-License-Identifier: Apache-2.0 */
/* Episodes in virtual time: what is injected is found, named, repaired within its mandate and
 * recorded; where nothing is, nothing is said. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "chaos/chaos.h"
#include "shell/openssl/crypto_openssl.h"
#include "sim/sim.h"

#define NODES 8 /* of a ladder: 0-1, 2-3 ... are rungs, and 8 more may join */

static struct sim_pki *pki;

static int make_pki(void **state)
{
	const char *error;

	(void)state;
	return sim_pki_new(openssl_crypto_ops(&error), NODES + 1, &pki);
}

static int free_pki(void **state)
{
	(void)state;
	sim_pki_free(pki);
	return 0;
}

/* n0 - n6 along one side of a ladder, and n1 - n7 along the other. */
static json_t *plan(const char *kind, unsigned seed)
{
	json_t *links = json_array(), *nodes = json_array();

	for (int i = 0; i < NODES; i++) {
		(void)json_array_append_new(nodes, json_sprintf("n%d", i));
		if (i + 2 < NODES)
			(void)json_array_append_new(links,
						    json_pack("[o, o]", json_sprintf("n%d", i),
							      json_sprintf("n%d", i + 2)));
		if (i % 2 == 0)
			(void)json_array_append_new(links,
						    json_pack("[o, o]", json_sprintf("n%d", i),
							      json_sprintf("n%d", i + 1)));
	}
	(void)json_array_append_new(links, json_pack("[s, s]", "late", "n0"));
	return json_pack(
		"{s:s, s:o, s:[s], s:o, s:[[s, s], [s, s]], s:[[f, s], [f, s], [f, s]], s:{}, "
		"s:f, s:f, s:f, s:I}",
		"kind", kind, "nodes", nodes, "joins", "late", "links", links, "pairs", "n0", "n6",
		"n1", "n7", "events", 1.0, "join", 2.0, "restart", 20.0, "surge", "mandates",
		"seconds", 45.0, "inject_at", 12.0, "lift_at", 42.0, "fault_seed",
		(json_int_t)seed);
}

static json_t *run(json_t *plan_of)
{
	char why[CHAOS_WHY_SIZE] = "";
	struct chaos_spec *spec = calloc(1, sizeof(*spec));
	json_t *file = NULL;

	assert_non_null(spec);
	if (chaos_spec_parse(plan_of, spec, why) < 0)
		fail_msg("%s", why);
	if (chaos_run(pki, spec, &file, why) < 0)
		fail_msg("%s", why);
	chaos_spec_done(spec);
	free(spec);
	return file;
}

static const char *text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

/* The first incident of this kind; NULL for none. */
static const json_t *incident(const json_t *file, const char *kind)
{
	const json_t *list = json_object_get(file, "incidents"), *i;
	size_t n;

	json_array_foreach(list, n, i) if (strcmp(text(i, "kind"), kind) == 0) return i;
	return NULL;
}

static const char *first_cause(const json_t *i)
{
	return text(json_array_get(json_object_get(i, "causes"), 0), "name");
}

static size_t n_entries(const json_t *file, const char *kind)
{
	const char *name;
	json_t *ledger, *row;
	size_t n = 0, at;

	json_object_foreach(json_object_get(file, "ledgers"), name, ledger)
		json_array_foreach(json_object_get(ledger, "entries"), at, row) n +=
		strcmp(text(json_object_get(row, "entry"), "kind"), kind) == 0;
	return n;
}

static const char *victim(const json_t *file)
{
	const json_t *fault = json_object_get(json_object_get(file, "injector"), "fault");

	return text(json_object_get(fault, "label"), "node");
}

/* How many incidents name this node first; in *ret_confirmed those whose repair was confirmed. */
static size_t n_naming(const json_t *file, const char *node, size_t *ret_confirmed)
{
	const json_t *list = json_object_get(file, "incidents"), *i;
	char expected[CHAOS_NAME_SIZE + 8];
	size_t n = 0, at;

	*ret_confirmed = 0;
	(void)snprintf(expected, sizeof(expected), "node %s", node);
	json_array_foreach(list, at, i)
	{
		if (strcmp(first_cause(i), expected) != 0)
			continue;
		n++;
		*ret_confirmed += json_is_true(json_object_get(i, "is_confirmed"));
	}
	return n;
}

/* ---- what is found ---- */

static void where_nothing_is_wrong_nothing_is_said(void **state)
{
	json_t *file = run(plan("none", 1));

	(void)state;
	assert_int_equal(json_array_size(json_object_get(file, "incidents")), 0);
	assert_int_equal(n_entries(file, "intent"), 0);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(file, "injector"), "events")), 3);
	json_decref(file);
}

static void a_dropper_is_named_avoided_and_recorded(void **state)
{
	json_t *file = run(plan("silent_drop", 6));
	size_t n_confirmed;

	(void)state;
	assert_true(n_naming(file, victim(file), &n_confirmed) > 0);
	assert_true(n_confirmed > 0);
	assert_true(n_entries(file, "intent") >= 1);
	assert_int_equal(n_entries(file, "intent"), n_entries(file, "result"));
	json_decref(file);
}

static void who_drops_what_is_long_is_named_by_several_of_its_links(void **state)
{
	json_t *file = run(plan("lying_node", 3));
	size_t n_confirmed;

	(void)state;
	assert_true(n_naming(file, victim(file), &n_confirmed) > 0);
	json_decref(file);
}

static void without_a_mandate_nothing_is_done(void **state)
{
	json_t *of = plan("silent_drop", 2), *mandates = json_object_get(of, "mandates"), *file;
	char name[8];

	(void)state;
	for (int i = 0; i < NODES; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		json_object_set_new(mandates, name, json_string("# nothing\n"));
	}
	json_object_set_new(mandates, "late", json_string("# nothing\n"));
	file = run(of);
	assert_string_equal(text(incident(file, "delivery"), "state"), "escalated");
	assert_int_equal(n_entries(file, "intent"), 0);
	json_decref(file);
}

static void a_restart_without_a_goodbye_is_noted(void **state)
{
	json_t *file = run(plan("daemon_killed", 4));
	const json_t *i = incident(file, "restart");

	(void)state;
	assert_non_null(i); /* that of the plan, which says goodbye, is none */
	assert_string_equal(text(i, "subject"), victim(file));
	assert_string_equal(text(i, "severity"), "hint");
	json_decref(file);
}

static bool is_cut(const json_t *file, const json_t *incident_of)
{
	const json_t *fault = json_object_get(json_object_get(file, "injector"), "fault");
	const json_t *links = json_object_get(json_object_get(fault, "label"), "links"), *ends;
	const char *a = text(incident_of, "node"), *b = text(incident_of, "subject");
	size_t n;

	json_array_foreach(links, n, ends)
	{
		const char *u = json_string_value(json_array_get(ends, 0));
		const char *v = json_string_value(json_array_get(ends, 1));

		if ((strcmp(a, u) == 0 && strcmp(b, v) == 0) ||
		    (strcmp(a, v) == 0 && strcmp(b, u) == 0))
			return true;
	}
	return false;
}

static void of_a_partition_the_links_that_are_cut_are_told_and_no_others(void **state)
{
	json_t *file = run(plan("partition", 5)), *i;
	size_t n_down = 0, n;

	(void)state;
	json_array_foreach(json_object_get(file, "incidents"), n, i)
	{
		if (strcmp(text(i, "kind"), "link_down") != 0)
			continue;
		n_down++;
		assert_true(is_cut(file, i));
	}
	assert_true(n_down > 0);
	json_decref(file);
}

static void a_link_that_has_become_slow_is_noted(void **state)
{
	json_t *file = run(plan("delay_jitter", 6));

	(void)state;
	assert_non_null(incident(file, "link_delay"));
	json_decref(file);
}

static void the_same_seed_leaves_the_same_file(void **state)
{
	json_t *a = run(plan("loss_one_way", 7)), *b = run(plan("loss_one_way", 7)),
	       *c = run(plan("loss_one_way", 8));

	(void)state;
	assert_true(json_equal(a, b));
	assert_false(json_equal(a, c));
	json_decref(a);
	json_decref(b);
	json_decref(c);
}

/* ---- what is refused ---- */

static void refuse(const char *key, json_t *value)
{
	char why[CHAOS_WHY_SIZE] = "";
	struct chaos_spec *spec = calloc(1, sizeof(*spec));
	json_t *of = plan("none", 1);

	assert_non_null(spec);
	json_object_set_new(of, key, value);
	assert_int_equal(chaos_spec_parse(of, spec, why), -EBADMSG);
	assert_true(why[0] != '\0');
	free(spec);
}

static void a_plan_that_makes_no_sense_is_refused_in_words(void **state)
{
	json_t *many = json_array();

	(void)state;
	refuse("kind", json_string("cpu_hog")); /* a host's own */
	refuse("kind", json_null());
	refuse("seconds", json_real(-1));
	refuse("seconds", json_real(1e9));
	refuse("lift_at", json_real(1));
	refuse("nodes", json_pack("[s, s]", "n0", "n0"));
	refuse("nodes", json_pack("[s, n]", "n0"));
	refuse("links", json_pack("[[s, s]]", "n0", "n0"));
	refuse("links", json_pack("[[s, s]]", "n0", "nowhere"));
	refuse("links", json_array());
	refuse("pairs", json_string("n0"));
	refuse("events", json_pack("[[f, s]]", 1.0, "backup"));
	refuse("events", json_pack("[[f, s]]", 100.0, "surge"));
	refuse("mandates", json_pack("{s:s}", "nobody", ""));
	refuse("mandates", json_pack("{s:i}", "n0", 1));
	for (int i = 0; i <= CHAOS_NODES_MAX; i++)
		(void)json_array_append_new(many, json_sprintf("m%d", i));
	refuse("joins", many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_nothing_is_wrong_nothing_is_said),
		cmocka_unit_test(a_dropper_is_named_avoided_and_recorded),
		cmocka_unit_test(who_drops_what_is_long_is_named_by_several_of_its_links),
		cmocka_unit_test(without_a_mandate_nothing_is_done),
		cmocka_unit_test(a_restart_without_a_goodbye_is_noted),
		cmocka_unit_test(of_a_partition_the_links_that_are_cut_are_told_and_no_others),
		cmocka_unit_test(a_link_that_has_become_slow_is_noted),
		cmocka_unit_test(the_same_seed_leaves_the_same_file),
		cmocka_unit_test(a_plan_that_makes_no_sense_is_refused_in_words),
	};

	return cmocka_run_group_tests(tests, make_pki, free_pki);
}
