/* SPDX-License-Identifier: Apache-2.0 */
/* An incident as a picture and a page, also where names were made to break out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/incident_page.h"

#define HOSTILE "</title><script>alert(1)</script>\" onload='x' &amp; \x01\xe2\x80\xae ]]>"

static json_t *vertex(const char *name, double deviation)
{
	return json_pack("{s:s, s:o}", "name", name, "deviation",
			 deviation < 0 ? json_null() : json_real(deviation));
}

static json_t *edge(int from, int to)
{
	return json_pack("{s:i, s:i, s:f}", "from", from, "to", to, "weight", 0.9);
}

static json_t *graph_of(const char *name)
{
	return json_pack("{s:[o, o, o], s:[o, o]}", "vertices", vertex(name, 0.5),
			 vertex("node b", 0.01), vertex(name, -1), "edges", edge(0, 1), edge(1, 2));
}

static char *svg_of(json_t *graph, int expected)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	assert_int_equal(incident_svg(f, graph, false), expected);
	(void)fclose(f);
	json_decref(graph);
	return text;
}

static unsigned count(const char *text, const char *word)
{
	unsigned n = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

static void the_picture_has_each_thing_and_each_dependency(void **state)
{
	char *text = svg_of(graph_of("route to d by b"), 0);

	(void)state;
	assert_int_equal(count(text, "<rect"), 3);
	assert_int_equal(count(text, "<path"), 2);
	assert_int_equal(count(text, "class=\"bad symptom\""), 1);
	assert_non_null(strstr(text, "symptom: 50.0 %"));
	assert_non_null(strstr(text, "not known"));
	assert_true(strncmp(text, "<?xml", 5) == 0);
	free(text);
}

/* NOLINTBEGIN(misc-misleading-bidirectional): to be made harmless is what this is for */
static void names_do_not_break_out_of_the_picture(void **state)
{
	char *text = svg_of(graph_of(HOSTILE), 0);

	(void)state;
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "onload='"));
	assert_null(strchr(text, 1));
	assert_null(strstr(text, "\xe2\x80\xae"));
	assert_int_equal(count(text, "</title>"), 3);
	assert_non_null(strstr(text, "&lt;/title&gt;&lt;script&gt;"));
	assert_non_null(strstr(text, "&amp;amp; ??"));
	free(text);
}

static void a_long_name_is_cut_between_characters(void **state)
{
	char name[64 * 2 + 1] = "", *text;

	(void)state;
	for (size_t i = 0; i < 64; i++)
		memcpy(name + 2 * i, "\xc3\xbc", 3);
	text = svg_of(json_pack("{s:[o], s:[]}", "vertices", vertex(name, 1), "edges"), 0);
	assert_non_null(strstr(text, "\xc3\xbc\xe2\x80\xa6</text>"));
	assert_null(strstr(text, "\xc3\xe2"));
	assert_non_null(strstr(text, name)); /* the title has all of it */
	free(text);
}

static void what_is_no_graph_is_refused_or_drawn_as_far_as_it_is_one(void **state)
{
	json_t *many = json_pack("{s:[], s:[]}", "vertices", "edges");
	char *text;

	(void)state;
	free(svg_of(json_pack("{s:[], s:[]}", "vertices", "edges"), -EINVAL));
	free(svg_of(json_object(), -EINVAL));
	for (unsigned i = 0; i <= INCIDENT_VERTICES_MAX; i++)
		(void)json_array_append_new(json_object_get(many, "vertices"), vertex("x", 1));
	(void)json_array_remove(json_object_get(many, "vertices"), 0);
	free(svg_of(json_incref(many), 0));
	(void)json_array_append_new(json_object_get(many, "vertices"), vertex("x", 1));
	free(svg_of(many, -EINVAL));
	text = svg_of(json_pack("{s:[o, o], s:[o, o, o, o]}", "vertices", vertex("a", 1),
				vertex("b", 1), "edges", edge(0, 1), edge(1, 0), edge(0, 7),
				edge(-1, 0)),
		      0);
	assert_int_equal(count(text, "<path"), 2);
	free(text);
}

static void the_page_is_strict_asks_nothing_and_escapes_all(void **state)
{
	json_t *i = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:f, s:f}], s:o, s:[{s:s, s:s}],"
		" s:[{s:f, s:s, s:s, s:s}]}",
		"id", HOSTILE, "kind", HOSTILE, "subject", HOSTILE, "about", HOSTILE, "state",
		HOSTILE, "why", HOSTILE, "remedy", HOSTILE, "effect", HOSTILE, "causes", "name",
		HOSTILE, "explained", 0.5, "confidence", 0.5, "graph", graph_of(HOSTILE), "steps",
		"state", HOSTILE, "at", HOSTILE, "evidence", "value", 0.5, "unit", HOSTILE,
		"source", HOSTILE, "measured", HOSTILE);
	json_t *ledger = json_pack("{s:[{s:i, s:s, s:{s:s}}, {s:i, s:s, s:n}]}", "entries", "index",
				   12, "text", HOSTILE, "proof", "file", HOSTILE, "index", 13,
				   "text", HOSTILE, "proof");
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	assert_non_null(i);
	assert_non_null(ledger);
	incident_html(f, i, ledger);
	(void)fclose(f);
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "onload='"));
	assert_null(strstr(text, "src="));
	assert_null(strstr(text, "href="));
	assert_null(strstr(text, "url("));
	assert_null(strstr(text, "@import"));
	assert_int_equal(count(text, "://"), 1); /* the name of SVG */
	assert_non_null(strstr(text, "content=\"default-src 'none'; style-src 'unsafe-inline'"));
	assert_non_null(strstr(text, "<h3>Entry 12</h3>"));
	assert_non_null(strstr(text, "No signed checkpoint has it yet."));
	assert_int_equal(count(text, "</title>"), 1 + 3);
	json_decref(i);
	json_decref(ledger);
	free(text);
}
/* NOLINTEND(misc-misleading-bidirectional) */

static void a_page_of_what_little_is_kept_is_a_page(void **state)
{
	json_t *i = json_pack("{s:s, s:n, s:n, s:[], s:[]}", "id", "7", "graph", "steps", "causes",
			      "evidence");
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	incident_html(f, i, NULL);
	(void)fclose(f);
	assert_non_null(strstr(text, "There is no graph."));
	assert_non_null(strstr(text, "Not known."));
	assert_non_null(strstr(text, "It could not be read."));
	assert_non_null(strstr(text, "</html>\n"));
	json_decref(i);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_picture_has_each_thing_and_each_dependency),
		cmocka_unit_test(names_do_not_break_out_of_the_picture),
		cmocka_unit_test(a_long_name_is_cut_between_characters),
		cmocka_unit_test(what_is_no_graph_is_refused_or_drawn_as_far_as_it_is_one),
		cmocka_unit_test(the_page_is_strict_asks_nothing_and_escapes_all),
		cmocka_unit_test(a_page_of_what_little_is_kept_is_a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
