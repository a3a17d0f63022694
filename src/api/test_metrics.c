/* SPDX-License-Identifier: Apache-2.0 */
/* The exposition against the rules of its format and of its names, line by line; with hostile names
 * of peers. promtool says the same where it is installed (tests/e2e/api.sh). */
#include <stdarg.h>
#include <setjmp.h>
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/metrics.h"
#include "base/cleanup.h"

static json_t *source(const char *peer)
{
	return json_pack(
		"{s:{s:s, s:s, s:s, s:s, s:I, s:I, s:{s:I}, s:{s:I, s:I}, s:[{s:s, s:{s:I, "
		"s:I}, s:{s:I, s:I}}, {s:s, s:n}]}, "
		"s:[{s:s, s:b, s:I, s:I, s:I, s:s, s:I, s:I, s:I}], s:[I, I], "
		"s:{s:[I, I], s:[I, I, I], s:I}, s:{s:[I, I], s:[I, I, I], s:I}, s:{s:I}}",
		"status", "node_id", "00000000000000aa", "name", "a", "version", "1", "tun", "x0",
		"uptime_s", (json_int_t)5, "reachable", (json_int_t)1, "certificate", "not_after_s",
		(json_int_t)1797871147, "counters", "datagrams_in", (json_int_t)7, "datagrams_out",
		(json_int_t)8, "ebpf", "name", "guard", "counters", "passed", (json_int_t)3,
		"dropped_malformed", (json_int_t)4, "runs", "n", (json_int_t)9, "ns",
		(json_int_t)1234, "name", "meter", "runs", "peers", "node", peer, "is_neighbour", 1,
		"rtt_us", (json_int_t)1500, "jitter_us", (json_int_t)10, "loss_ppm",
		(json_int_t)20000, "class", "good", "path_mtu", (json_int_t)1400, "sent_bytes",
		(json_int_t)11, "received_bytes", (json_int_t)12, "routes", (json_int_t)1,
		(json_int_t)2, "failovers", "bounds_us", (json_int_t)5000, (json_int_t)250000,
		"counts", (json_int_t)1, (json_int_t)2, (json_int_t)3, "sum_us",
		(json_int_t)1500000, "decisions", "bounds_us", (json_int_t)1, (json_int_t)1000,
		"counts", (json_int_t)5, (json_int_t)1, (json_int_t)0, "sum_us", (json_int_t)42,
		"rotations", "renewed", (json_int_t)4);
}

static char *exposition(const char *peer, size_t *ret_len)
{
	struct metrics_http http = { .n_endpoints = 1,
				     .endpoints = { { .method = "GET", .path = "/x" } } };
	const struct metrics_process process = {
		.cpu_s = 1.5,
		.start_s = 1e9,
		.resident_bytes = 3 << 20,
		.virtual_bytes = NAN,
		.descriptors = 30,
		.descriptors_max = 1024,
	};
	json_t *j = source(peer);
	char *text;

	metrics_count(&http.endpoints[0], 200, 5000);
	metrics_count(&http.endpoints[0], 404, 700000);
	metrics_count(&http.endpoints[0], 200, 60000000);
	text = metrics_text(j, &http, &process, ret_len);
	json_decref(j);
	assert_non_null(text);
	return text;
}

/* ---- the rules ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

static void check_name(const char *name, const char *type)
{
	static const char *const not_base[] = { "_ms", "_us", "_milliseconds", "_kilobytes",
						"_percent" };

	for (size_t i = 0; name[i]; i++)
		assert_true(islower((unsigned char)name[i]) || name[i] == '_' ||
			    isdigit((unsigned char)name[i]));
	assert_int_equal(ends_with(name, "_total"), strcmp(type, "counter") == 0);
	for (size_t i = 0; i < N_ELEMENTS(not_base); i++)
		assert_null(strstr(name, not_base[i]));
	assert_false(ends_with(name, "_count") || ends_with(name, "_sum") ||
		     ends_with(name, "_bucket"));
}

/* name{label="value",...} number; returns the name's length. */
static size_t check_sample(const char *line)
{
	size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_");
	const char *at = line + name;
	char *end;

	assert_true(name > 0);
	if (*at == '{') {
		do {
			at++;
			at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
			assert_true(at[0] == '=' && at[1] == '"');
			for (at += 2; *at != '"'; at++) {
				assert_true(*at != '\0');
				if (*at == '\\')
					at++;
			}
			at++;
		} while (*at == ',');
		assert_true(*at++ == '}');
	}
	assert_true(*at == ' ');
	(void)strtod(at + 1, &end);
	assert_true(end > at + 1 && *end == '\0');
	return name;
}

/* The kinds whose samples have endings, the family's name alone none. */
static bool is_composed(const char *type)
{
	return strcmp(type, "histogram") == 0 || strcmp(type, "summary") == 0;
}

static bool belongs(const char *name, size_t len, const char *family, const char *type)
{
	static const char *const parts[] = { "_bucket", "_sum", "_count" };
	size_t n = strlen(family);

	if (strncmp(name, family, n) != 0)
		return false;
	if (len == n)
		return !is_composed(type);
	for (size_t i = 0; is_composed(type) && i < N_ELEMENTS(parts); i++)
		if (len == n + strlen(parts[i]) && strncmp(name + n, parts[i], len - n) == 0)
			return true;
	return false;
}

static void check(char *text)
{
	char family[128] = "", type[32] = "", helped[128] = "";
	char seen[8192] = "\n";
	char *rest;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "# HELP %127s", helped) == 1)
			continue;
		if (sscanf(line, "# TYPE %127s %31s", family, type) == 2) {
			char key[140];

			assert_string_equal(family, helped);
			check_name(family, type);
			(void)snprintf(key, sizeof(key), "\n%s\n", family);
			assert_null(strstr(seen, key)); /* each family is in one piece */
			(void)strncat(seen, key + 1, sizeof(seen) - strlen(seen) - 1);
			continue;
		}
		assert_true(belongs(line, check_sample(line), family, type));
	}
}

static void every_line_is_of_the_format(void **state)
{
	size_t len;
	CLEANUP_FREE char *text = exposition("b", &len);

	(void)state;
	assert_int_equal(strlen(text), len);
	assert_int_equal(text[len - 1], '\n');
	check(text);
}

static void names_of_peers_cannot_break_a_line(void **state)
{
	size_t len;
	CLEANUP_FREE char *text = exposition("a\"} 1\nmesh_peers 99\\", &len);

	(void)state;
	assert_non_null(strstr(text, "peer_id=\"a\\\"} 1\\nmesh_peers 99\\\\\""));
	check(text);
}

static void histograms_add_up(void **state)
{
	size_t len;
	CLEANUP_FREE char *text = exposition("b", &len);

	(void)state;
	assert_non_null(strstr(text, "endpoint=\"/x\",le=\"0.01\"} 1\n"));
	assert_non_null(strstr(text, "endpoint=\"/x\",le=\"1\"} 2\n"));
	assert_non_null(strstr(text, "endpoint=\"/x\",le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(text, "seconds_count{method=\"GET\",endpoint=\"/x\"} 3\n"));
	assert_non_null(strstr(text, "endpoint=\"/x\",status=\"200\"} 2\n"));
}

static void units_are_base_units(void **state)
{
	size_t len;
	CLEANUP_FREE char *text = exposition("b", &len);

	(void)state;
	assert_non_null(strstr(text, "mesh_latency_seconds{peer_id=\"b\"} 0.0015\n"));
	assert_non_null(strstr(text, "mesh_packet_loss_ratio{peer_id=\"b\"} 0.02\n"));
	assert_non_null(strstr(
		text, "ebpf_packets_total{program=\"guard\",verdict=\"dropped_malformed\"} 4\n"));
}

static void how_long_things_took_is_a_histogram(void **state)
{
	size_t len;
	CLEANUP_FREE char *text = exposition("b", &len);

	(void)state;
	assert_non_null(strstr(text, "mesh_failover_seconds_bucket{le=\"0.005\"} 1\n"));
	assert_non_null(strstr(text, "mesh_failover_seconds_bucket{le=\"0.25\"} 3\n"));
	assert_non_null(strstr(text, "mesh_failover_seconds_bucket{le=\"+Inf\"} 6\n"));
	assert_non_null(strstr(text, "mesh_failover_seconds_sum 1.500000\n"));
	assert_non_null(strstr(text, "mesh_failover_seconds_count 6\n"));
	assert_non_null(strstr(text, "mesh_hops{hops=\"1\"} 2\n"));
	assert_non_null(strstr(text, "mesh_routes 3\n"));
	assert_non_null(strstr(text, "svid_rotations_total{result=\"renewed\"} 4\n"));
}

static void decisions_of_the_policy_are_timed_to_the_microsecond(void **state)
{
	size_t len;
	CLEANUP_FREE char *text = exposition("b", &len);

	(void)state;
	assert_non_null(strstr(text, "policy_evaluation_seconds_bucket{le=\"1e-06\"} 5\n"));
	assert_non_null(strstr(text, "policy_evaluation_seconds_bucket{le=\"0.001\"} 6\n"));
	assert_non_null(strstr(text, "policy_evaluation_seconds_sum 0.000042\n"));
	assert_non_null(strstr(text, "policy_evaluation_seconds_count 6\n"));
}

static void runs_in_the_kernel_are_told_of_programs_whose_runs_it_counts(void **state)
{
	size_t len;
	CLEANUP_FREE char *text = exposition("b", &len);

	(void)state;
	assert_non_null(strstr(text, "ebpf_run_seconds_sum{program=\"guard\"} 0.000001234\n"));
	assert_non_null(strstr(text, "ebpf_run_seconds_count{program=\"guard\"} 9\n"));
	assert_null(strstr(text, "{program=\"meter\"}"));
}

static void what_is_not_known_of_the_process_is_not_there(void **state)
{
	size_t len;
	CLEANUP_FREE char *text = exposition("b", &len);

	(void)state;
	assert_non_null(strstr(text, "\nprocess_resident_memory_bytes 3145728\n"));
	assert_non_null(strstr(text, "\nprocess_open_fds 30\n"));
	assert_non_null(strstr(text, "\nprocess_max_fds 1024\n"));
	assert_null(strstr(text, "process_virtual_memory_bytes"));
}

static void openmetrics_calls_families_of_counters_without_their_ending(void **state)
{
	size_t len, open_len;
	CLEANUP_FREE char *text = exposition("b", &len);
	CLEANUP_FREE char *open = metrics_openmetrics(text, &open_len);

	(void)state;
	assert_non_null(open);
	assert_int_equal(strlen(open), open_len);
	assert_non_null(strstr(open, "# TYPE mesh_datagrams counter\n"));
	assert_null(strstr(open, "# TYPE mesh_datagrams_total"));
	assert_non_null(strstr(open, "\nmesh_datagrams_total{direction=\"in\"} 7\n"));
	assert_non_null(strstr(open, "# TYPE mesh_failover_seconds histogram\n"));
	assert_true(ends_with(open, "\n# EOF\n"));
	assert_true(
		metrics_wants_open("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"));
	assert_false(metrics_wants_open("text/plain,application/openmetrics-text;q=0.1"));
	assert_false(metrics_wants_open("*/*"));
	assert_false(metrics_wants_open(""));
}

static void more_statuses_than_places_are_counted_together(void **state)
{
	struct metrics_endpoint e = { .method = "GET", .path = "/x" };

	(void)state;
	for (unsigned i = 0; i < METRICS_STATUSES_MAX + 3; i++)
		metrics_count(&e, 400 + i, 1);
	assert_int_equal(e.n_other, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_is_of_the_format),
		cmocka_unit_test(names_of_peers_cannot_break_a_line),
		cmocka_unit_test(histograms_add_up),
		cmocka_unit_test(units_are_base_units),
		cmocka_unit_test(how_long_things_took_is_a_histogram),
		cmocka_unit_test(decisions_of_the_policy_are_timed_to_the_microsecond),
		cmocka_unit_test(runs_in_the_kernel_are_told_of_programs_whose_runs_it_counts),
		cmocka_unit_test(what_is_not_known_of_the_process_is_not_there),
		cmocka_unit_test(openmetrics_calls_families_of_counters_without_their_ending),
		cmocka_unit_test(more_statuses_than_places_are_counted_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
