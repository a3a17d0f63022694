/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of what `x0 top` makes of two looks at the daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "cli/top.h"

static struct top_look look(uint64_t at_us, const char *counters, const char *peers)
{
	struct top_look l = { .at_us = at_us, .unix_ms = 1700000000000 };

	l.status = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:o}", "name", "a", "domain",
			     "test.mesh", "uptime_s", 90, "reachable", 2, "neighbours", 1,
			     "sessions", 2, "counters", json_loads(counters, 0, NULL));
	l.peers = json_loads(peers, 0, NULL);
	assert_non_null(l.status);
	assert_non_null(l.peers);
	return l;
}

#define PEER(id, name, neighbour, in, out)                                                    \
	"{\"node_id\": \"" id "\", \"node\": \"" name "\", \"is_neighbour\": " neighbour ", " \
	"\"state\": \"up\", \"class\": \"good\", \"rtt_us\": 812, \"loss_ppm\": 15000, "      \
	"\"cipher\": \"AES-256-GCM\", \"received_bytes\": " in ", \"sent_bytes\": " out "}"

static json_t *two_looks(void)
{
	struct top_look before =
		look(SECONDS(10), "{\"bytes_in\": 1000, \"bytes_out\": 0, \"forged\": 1}",
		     "[" PEER("01", "quiet", "true", "5", "5") ", " PEER("02", "busy", "false",
									 "1000", "0") "]");
	struct top_look now =
		look(SECONDS(12),
		     "{\"bytes_in\": 251000, \"bytes_out\": 500, \"forged\": 5, \"no_route\": 2, "
		     "\"relayed\": 20}",
		     "[" PEER("01", "quiet", "true", "5", "5") ", " PEER(
			     "02", "busy", "false", "251000",
			     "500") ", " PEER("03", "fresh\\u001b[31m", "true", "9", "9") "]");
	json_t *top = top_json(&before, &now);

	top_look_done(&before);
	top_look_done(&now);
	assert_non_null(top);
	return top;
}

static void what_grew_is_told_a_second(void **state)
{
	(void)state;
	json_t *top = two_looks();
	const json_t *traffic = json_object_get(top, "traffic");
	const json_t *first = json_array_get(json_object_get(top, "peers"), 0);

	assert_int_equal(json_number(top, "interval_ms"), 2000);
	assert_int_equal(json_number(traffic, "received_bps"), 1000000);
	assert_int_equal(json_number(traffic, "sent_bps"), 2000);
	assert_int_equal(json_number(traffic, "dropped_pps"), 3);
	assert_int_equal(json_number(traffic, "relayed_pps"), 10);
	assert_string_equal(json_text(first, "node"), "busy");
	assert_int_equal(json_number(first, "received_bps"), 1000000);
	assert_int_equal(json_number(first, "sent_bps"), 2000);
	/* who was not there before has no rate yet; neighbours of equal traffic go by name */
	assert_string_equal(json_text(json_array_get(json_object_get(top, "peers"), 2), "node"),
			    "quiet");
	json_decref(top);
}

static void a_daemon_that_began_anew_has_no_rates_below_zero(void **state)
{
	(void)state;
	struct top_look before = look(SECONDS(10), "{\"bytes_in\": 1000}",
				      "[" PEER("01", "b", "true", "500", "500") "]");
	struct top_look now =
		look(SECONDS(11), "{\"bytes_in\": 10}", "[" PEER("01", "b", "true", "5", "5") "]");
	json_t *top = top_json(&before, &now);

	assert_int_equal(json_number(json_object_get(top, "traffic"), "received_bps"), 0);
	assert_int_equal(json_number(json_array_get(json_object_get(top, "peers"), 0), "sent_bps"),
			 0);
	json_decref(top);
	/* the same look twice: no time has passed */
	top = top_json(&now, &now);
	assert_int_equal(json_number(json_object_get(top, "traffic"), "received_bps"), 0);
	json_decref(top);
	top_look_done(&before);
	top_look_done(&now);
}

static char *shown(const json_t *top, size_t first, unsigned columns, unsigned rows)
{
	char *ret = NULL;
	size_t len = 0;
	FILE *out = tmpfile();
	struct cli c;

	assert_non_null(out);
	cli_init(&c, out, stderr);
	c.columns = columns;
	c.out = open_memstream(&ret, &len);
	assert_non_null(c.out);
	assert_int_equal(top_view(&c, top, first, rows, false), 3);
	(void)fclose(c.out);
	(void)fclose(out);
	return ret;
}

static unsigned rows_of(const char *text, size_t *ret_longest)
{
	unsigned n = 0;

	*ret_longest = 0;
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len > *ret_longest)
			*ret_longest = len;
		text += len + (text[len] == '\n');
		n++;
	}
	return n;
}

static void it_fits_the_terminal_whatever_its_size(void **state)
{
	(void)state;
	json_t *top = two_looks();
	static const unsigned sizes[][2] = { { 80, 24 }, { 200, 50 }, { 60, 6 }, { 80, 7 } };
	size_t longest;

	for (size_t i = 0; i < 4; i++) {
		char *text = shown(top, 0, sizes[i][0], sizes[i][1]);

		assert_true(rows_of(text, &longest) < sizes[i][1]);
		assert_true(longest <= sizes[i][0]);
		free(text);
	}
	char *text = shown(top, 0, 80, 24);

	assert_non_null(strstr(text, "x0 top: a of test.mesh, up"));
	assert_non_null(strstr(text, "in 1.0 Mbit/s, out 2.0 kbit/s, relayed 10/s, dropped 3/s"));
	assert_non_null(strstr(text, "busy"));
	assert_non_null(strstr(text, "relayed"));
	assert_null(strchr(text, '\033')); /* of a name from elsewhere */
	free(text);
	json_decref(top);
}

static void peers_beyond_the_last_line_are_reached_by_moving(void **state)
{
	(void)state;
	json_t *top = two_looks();
	char *text = shown(top, 0, 80, 6);

	assert_non_null(strstr(text, "busy"));
	assert_null(strstr(text, "quiet"));
	free(text);
	text = shown(top, 2, 80, 6);
	assert_null(strstr(text, "busy"));
	assert_non_null(strstr(text, "quiet"));
	free(text);
	json_decref(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_grew_is_told_a_second),
		cmocka_unit_test(a_daemon_that_began_anew_has_no_rates_below_zero),
		cmocka_unit_test(it_fits_the_terminal_whatever_its_size),
		cmocka_unit_test(peers_beyond_the_last_line_are_reached_by_moving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
