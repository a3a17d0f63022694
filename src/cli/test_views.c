/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the tables and lines that people read, from fixed answers of a daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/table.h"

static const char peers_text[] =
	"[{\"node\": \"far\", \"is_neighbour\": false, \"has_session\": true,"
	"  \"address\": \"fd00::3\", \"key_exchange\": \"X25519MLKEM768\","
	"  \"cipher\": \"AES-256-GCM\", \"sent_bytes\": 10, \"received_bytes\": 0},"
	" {\"node\": \"roof\", \"is_neighbour\": true, \"has_session\": true, \"state\": \"UP\","
	"  \"class\": \"GOOD\", \"rtt_us\": 812, \"loss_ppm\": 15000,"
	"  \"endpoint\": \"192.0.2.1:26969\", \"address\": \"fd00::2\","
	"  \"key_exchange\": \"X25519MLKEM768\", \"cipher\": \"ChaCha20-Poly1305\","
	"  \"sent_bytes\": 2048, \"received_bytes\": 1048576}]";

static const char routes_text[] =
	"[{\"node\": \"roof\", \"is_reachable\": true, \"via\": \"roof\", \"is_direct\": true,"
	"  \"alternates\": [\"cabin\"], \"hops\": 1, \"metric\": 96, \"age_s\": 75},"
	" {\"node\": \"far\", \"is_reachable\": true, \"via\": \"roof\", \"is_direct\": false,"
	"  \"alternates\": [], \"hops\": 2, \"metric\": 200, \"age_s\": 4},"
	" {\"node\": \"gone\", \"is_reachable\": false, \"via\": null, \"is_direct\": false,"
	"  \"alternates\": [], \"hops\": 0, \"metric\": 65535, \"age_s\": 9}]";

static const char status_text[] =
	"{\"version\": \"0.1.0\", \"name\": \"roof\", \"domain\": \"example.mesh\","
	" \"spiffe_id\": \"spiffe://example.mesh/node/roof\", \"address\": \"fd00::2\","
	" \"tun\": null, \"listen\": [\"[::]:26969\"], \"is_authority\": true, \"pid\": 7,"
	" \"uptime_s\": 61, \"restarts\": 0, \"neighbours\": 0, \"sessions\": 0,"
	" \"reachable\": 0, \"certificate\": {\"not_after_s\": 4102444800},"
	" \"crypto\": {\"library\": \"OpenSSL 3\", \"post_quantum\": \"x0pq\"},"
	" \"names\": {\"is_on\": true, \"name\": \"roof.x0.internal\", \"resolver\": \"none\","
	"             \"why\": \"nobody \\u001b tells\"},"
	" \"features\": [{\"name\": \"tunnel\", \"is_on\": false, \"why\": \"no \\u001b TUN\"},"
	"                {\"name\": \"guard\", \"is_on\": true, \"why\": \"\"}],"
	" \"guard\": {\"is_on\": true, \"source_packets\": 2},"
	" \"counters\": {\"bytes_in\": 1536, \"bytes_out\": 0, \"relayed\": 3, \"forged\": 5}}";

/* What a view prints of a JSON text, in so many columns. */
static char *view(void (*show)(struct cli *c, const json_t *answer), const char *text,
		  unsigned columns, bool is_coloured)
{
	json_t *answer = json_loads(text, 0, NULL);
	char *ret = NULL;
	size_t len = 0;
	FILE *out = tmpfile();
	struct cli c;

	assert_non_null(answer);
	cli_init(&c, out, stderr);
	c.columns = columns;
	c.is_coloured = is_coloured;
	show(&c, answer);
	json_decref(answer);
	len = (size_t)ftell(out);
	ret = calloc(1, len + 1);
	rewind(out);
	assert_int_equal(fread(ret, 1, len, out), len);
	(void)fclose(out);
	return ret;
}

static void peers_are_aligned_and_neighbours_come_first(void **state)
{
	CLEANUP_FREE char *text = view(view_peers, peers_text, 0, false);

	(void)state;
	assert_string_equal(
		text,
		"NODE  LINK         CLASS       RTT  LOSS  KEY EXCHANGE    CIPHER             "
		"ENDPOINT         RECEIVED     SENT  ADDRESS\n"
		"roof  UP           GOOD   0.812 ms  1.5%  X25519MLKEM768  ChaCha20-Poly1305  "
		"192.0.2.1:26969   1.0 MiB  2.0 KiB  fd00::2\n"
		"far   over relays  -             -     -  X25519MLKEM768  AES-256-GCM        "
		"-                       -     10 B  fd00::3\n");
}

static void a_narrow_terminal_leaves_columns_out(void **state)
{
	CLEANUP_FREE char *narrow = view(view_peers, peers_text, 60, false);
	CLEANUP_FREE char *tiny = view(view_peers, peers_text, 5, false);

	(void)state;
	assert_string_equal(narrow, "NODE  LINK              RTT  LOSS  CIPHER\n"
				    "roof  UP           0.812 ms  1.5%  ChaCha20-Poly1305\n"
				    "far   over relays         -     -  AES-256-GCM\n");
	assert_string_equal(tiny, "NODE  LINK              RTT  LOSS\n" /* these always stay */
				  "roof  UP           0.812 ms  1.5%\n"
				  "far   over relays         -     -\n");
}

static void colours_do_not_change_the_alignment(void **state)
{
	CLEANUP_FREE char *text = view(view_peers, peers_text, 60, true);

	(void)state;
	assert_non_null(strstr(text, "\033[32mUP\033[0m           0.812 ms"));
}

static void routes_say_direct_via_or_unreachable(void **state)
{
	CLEANUP_FREE char *text = view(view_routes, routes_text, 0, false);

	(void)state;
	assert_string_equal(text, "NODE  VIA          HOPS  METRIC  ALTERNATES  SINCE\n"
				  "roof  direct          1      96  cabin       1 min\n"
				  "far   roof            2     200  -             4 s\n"
				  "gone  unreachable     -       -  -             9 s\n");
}

static void paths_say_by_whom_how_much_and_why(void **state)
{
	static const char paths_text[] =
		"[{\"node\": \"roof\", \"paths\": []},"
		" {\"node\": \"far\", \"paths\": ["
		"  {\"nodes\": [\"roof\", \"far\"], \"is_used\": true, \"delay_us\": 20600,"
		"   \"rate_bps\": 98500000, \"is_rate_known\": true, \"share_percent\": 51,"
		"   \"reason\": \"least delay\"},"
		"  {\"nodes\": [\"cabin\", \"far\"], \"is_used\": false, \"delay_us\": 0,"
		"   \"rate_bps\": 10000000, \"is_rate_known\": false, \"share_percent\": 49,"
		"   \"reason\": \"silent\"}]}]";
	CLEANUP_FREE char *text = view(view_paths, paths_text, 0, false);
	CLEANUP_FREE char *none = view(view_paths, "[]", 0, false);

	(void)state;
	assert_string_equal(text, "NODE  BY          SHARE           RATE    DELAY  WHY\n"
				  "far   roof, far    51 %    98.5 Mbit/s  20.6 ms  least delay\n"
				  "far   cabin, far   49 %  ? 10.0 Mbit/s        -  silent\n");
	assert_non_null(strstr(none, "multipath"));
}

static void nothing_to_show_names_the_next_command(void **state)
{
	CLEANUP_FREE char *peers = view(view_peers, "[]", 0, false);
	CLEANUP_FREE char *routes = view(view_routes, "[]", 0, false);

	(void)state;
	assert_non_null(strstr(peers, "x0 invite"));
	assert_non_null(strstr(routes, "x0 peers"));
}

static void status_names_the_dashboard(void **state)
{
	CLEANUP_FREE char *text =
		view(view_status,
		     "{\"api\": {\"is_on\": true, \"token_file\": \"/run/x0/api.token\", "
		     "\"listeners\": ["
		     "{\"kind\": \"loopback\", \"address\": \"127.0.0.1:26970\", \"why\": \"\"}]},"
		     "\"features\": [{\"name\": \"dashboard\", \"is_on\": true, \"why\": \"\"}]}",
		     0, false);

	(void)state;
	assert_non_null(strstr(text, "dashboard, API http://127.0.0.1:26970/"));
	assert_non_null(strstr(text, "/run/x0/api.token"));
}

static void status_shows_what_is_off_and_what_was_dropped(void **state)
{
	CLEANUP_FREE char *text = view(view_status, status_text, 0, false);

	(void)state;
	assert_non_null(strstr(text, "roof of example.mesh (holds the authority)"));
	assert_non_null(strstr(text, "tunnel is off: no ? TUN"));
	assert_null(strstr(text, "guard is off"));
	assert_non_null(strstr(text, "roof.x0.internal is served, but this host does not ask: "
				     "nobody ? tells"));
	assert_non_null(strstr(text, "5 packets that failed authentication"));
	assert_non_null(strstr(text, "2 packets from outside"));
	assert_non_null(strstr(text, "1.5 KiB in, 0 B out; 3 packets relayed"));
	assert_non_null(strstr(text, "x0 invite"));
	assert_null(strstr(text, "\033"));
}

static void answers_of_another_shape_do_no_harm(void **state)
{
	CLEANUP_FREE char *peers = view(view_peers, "[1, {}, null]", 0, false);
	CLEANUP_FREE char *routes = view(view_routes, "[{\"alternates\": 3}]", 0, false);
	CLEANUP_FREE char *status = view(view_status, "{\"features\": {}}", 0, false);

	(void)state;
	assert_non_null(strstr(peers, "NODE"));
	assert_non_null(strstr(routes, "NODE"));
	assert_non_null(strstr(status, "node"));
}

static void a_table_has_a_bound(void **state)
{
	static const struct table_column columns[TABLE_COLUMNS_MAX + 1] = { { "A", false, 0 } };
	struct table *t = NULL;

	(void)state;
	assert_true(table_new(columns, TABLE_COLUMNS_MAX + 1, &t) < 0);
	assert_true(table_new(columns, 0, &t) < 0);
	assert_null(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_are_aligned_and_neighbours_come_first),
		cmocka_unit_test(a_narrow_terminal_leaves_columns_out),
		cmocka_unit_test(colours_do_not_change_the_alignment),
		cmocka_unit_test(routes_say_direct_via_or_unreachable),
		cmocka_unit_test(paths_say_by_whom_how_much_and_why),
		cmocka_unit_test(nothing_to_show_names_the_next_command),
		cmocka_unit_test(status_names_the_dashboard),
		cmocka_unit_test(status_shows_what_is_off_and_what_was_dropped),
		cmocka_unit_test(answers_of_another_shape_do_no_harm),
		cmocka_unit_test(a_table_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
