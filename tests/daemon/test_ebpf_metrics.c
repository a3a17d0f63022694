/* SPDX-License-Identifier: Apache-2.0 */
/* From what the programs in the kernel counted, by what the daemon makes of it, to the exposition:
 * each counter arrives under a name of its own, as what it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/metrics.h"
#include "base/cleanup.h"
#include "daemon/ebpf_counters.h"

#define CLASSES 5

/* Each counter has a value of its own. */
static void fill(struct ebpf_slot *s)
{
	uint64_t n = 1000;

	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < GUARD_N; i++)
		s->guard[i] = n++;
	for (unsigned d = 0; d < EBPF_DIRECTIONS; d++)
		for (unsigned i = 0; i < METER_N; i++)
			s->meter[d][i] = n++;
	for (unsigned i = 0; i < FLOW_N; i++)
		s->flow[i] = n++;
	for (unsigned i = 0; i < ENFORCE_N; i++)
		s->enforce[i] = n++;
	for (unsigned d = 0; d < EBPF_DIRECTIONS; d++) {
		s->sizes[d][0] = 3;
		s->sizes[d][2] = 4;
		s->sizes[d][EBPF_SIZES - 1] = 5;
		s->gaps[d][3] = 6;
		s->gaps[d][20] = 7;
		s->gaps[d][EBPF_GAPS - 1] = 8;
	}
}

static char *exposition(const struct ebpf_slot *s)
{
	const struct metrics_process process = { 0 };
	struct metrics_http http = { 0 };
	json_t *list = json_array();
	json_t *source;
	char *text;
	size_t len;

	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++)
		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:b, s:o, s:n}", "name",
				  ebpf_program_name((enum ebpf_program)p), "is_on", 1, "counters",
				  ebpf_counters_json((enum ebpf_program)p, s, CLASSES), "runs"));
	(void)json_object_set_new(json_array_get(list, EBPF_METER), "peers",
				  json_pack("[{s:s, s:s, s:I, s:I}]", "node", "b", "node_id",
					    "00000000000000bb", "packets", (json_int_t)71, "bytes",
					    (json_int_t)72));
	source = json_pack("{s:{s:o}}", "status", "ebpf", list);
	text = metrics_text(source, &http, &process, &len);
	json_decref(source);
	assert_non_null(text);
	return text;
}

static void has(const char *text, const char *sample, uint64_t value)
{
	char line[160];

	(void)snprintf(line, sizeof(line), "\n%s %llu\n", sample, (unsigned long long)value);
	if (!strstr(text, line))
		fail_msg("there is no %s", line + 1);
}

static void is_of_type(const char *text, const char *family, const char *type)
{
	char line[160];

	(void)snprintf(line, sizeof(line), "\n# TYPE %s %s\n", family, type);
	if (!strstr(text, line))
		fail_msg("%s is no %s", family, type);
}

static void each_verdict_is_told(void **state)
{
	static const char *const guard[GUARD_N] = {
		[GUARD_SEEN] = "seen",
		[GUARD_PASSED] = "passed",
		[GUARD_BLOCKED] = "dropped_blocked",
		[GUARD_MALFORMED] = "dropped_malformed",
		[GUARD_UNKNOWN_INDEX] = "dropped_unknown_index",
		[GUARD_OVER_NETWORK] = "dropped_over_network_rate",
		[GUARD_OVER_PREFIX] = "dropped_over_prefix_rate",
		[GUARD_BAD_MAC1] = "dropped_bad_mac1",
		[GUARD_NOT_OURS] = "addressed_elsewhere",
		[GUARD_MAC1_CHECKED] = "mac1_checked",
	};
	struct ebpf_slot s;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	fill(&s);
	text = exposition(&s);
	is_of_type(text, "ebpf_packets_total", "counter");
	for (unsigned i = 0; i < GUARD_N; i++) {
		char sample[128];

		(void)snprintf(sample, sizeof(sample),
			       "ebpf_packets_total{program=\"guard\",verdict=\"%s\"}", guard[i]);
		has(text, sample, s.guard[i]);
	}
	has(text, "ebpf_packets_total{program=\"enforce\",verdict=\"denied\"}",
	    s.enforce[ENFORCE_DENIED]);
	has(text, "ebpf_packets_total{program=\"enforce\",verdict=\"left_to_daemon\"}",
	    s.enforce[ENFORCE_LEFT]);
}

static void the_meter_is_told_in_both_directions(void **state)
{
	static const char *const directions[] = { "in", "out" };
	static const char *const families[METER_N] = {
		[METER_PACKETS] = "packets",
		[METER_BYTES] = "bytes",
		[METER_HANDSHAKES] = "handshakes",
		[METER_PROBES] = "probes",
	};
	struct ebpf_slot s;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	fill(&s);
	text = exposition(&s);
	for (unsigned d = 0; d < EBPF_DIRECTIONS; d++)
		for (unsigned i = 0; i < METER_N; i++) {
			char sample[128];

			(void)snprintf(sample, sizeof(sample),
				       "ebpf_meter_%s_total{direction=\"%s\"}", families[i],
				       directions[d]);
			has(text, sample, s.meter[d][i]);
		}
	has(text, "ebpf_peer_packets_total{peer_id=\"b\"}", 71);
	has(text, "ebpf_peer_bytes_total{peer_id=\"b\"}", 72);
}

static void sizes_and_gaps_are_histograms(void **state)
{
	struct ebpf_slot s;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	fill(&s);
	text = exposition(&s);
	is_of_type(text, "ebpf_meter_datagram_bytes", "histogram");
	has(text, "ebpf_meter_datagram_bytes_bucket{direction=\"in\",le=\"63\"}", 3);
	has(text, "ebpf_meter_datagram_bytes_bucket{direction=\"in\",le=\"191\"}", 7);
	has(text, "ebpf_meter_datagram_bytes_bucket{direction=\"out\",le=\"1471\"}", 7);
	has(text, "ebpf_meter_datagram_bytes_bucket{direction=\"out\",le=\"+Inf\"}", 12);
	has(text, "ebpf_meter_datagram_bytes_count{direction=\"out\"}", 12);
	has(text, "ebpf_meter_datagram_bytes_sum{direction=\"in\"}", s.meter[EBPF_IN][METER_BYTES]);
	is_of_type(text, "ebpf_meter_gap_seconds", "histogram");
	assert_null(strstr(text, "le=\"1.6e-08\"")); /* what is below is in the first */
	has(text, "ebpf_meter_gap_seconds_bucket{direction=\"in\",le=\"1.024e-06\"}", 6);
	has(text, "ebpf_meter_gap_seconds_bucket{direction=\"in\",le=\"0.002097152\"}", 13);
	has(text, "ebpf_meter_gap_seconds_bucket{direction=\"in\",le=\"+Inf\"}", 21);
}

static void what_is_no_packet_is_not_called_one(void **state)
{
	struct ebpf_slot s;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	fill(&s);
	text = exposition(&s);
	is_of_type(text, "ebpf_enforce_classes", "gauge");
	has(text, "ebpf_enforce_classes", CLASSES);
	has(text, "ebpf_enforce_samples_lost_total", s.enforce[ENFORCE_SAMPLE_LOST]);
	has(text, "ebpf_flow_connections_total{event=\"opened\"}", s.flow[FLOW_OPENED]);
	has(text, "ebpf_flow_connections_total{event=\"closed\"}", s.flow[FLOW_CLOSED]);
	has(text, "ebpf_flow_retransmissions_total", s.flow[FLOW_RETRANSMITTED]);
	has(text, "ebpf_flow_rtt_samples_total", s.flow[FLOW_RTT_SAMPLES]);
	assert_null(strstr(text, "verdict=\"classes\""));
	assert_null(strstr(text, "verdict=\"samples_lost\""));
	assert_null(strstr(text, "program=\"flow\",verdict"));
}

/* So that one that is added is not forgotten here. */
static void no_counter_is_left_out(void **state)
{
	struct ebpf_slot s;
	CLEANUP_FREE char *text = NULL;
	const uint64_t last = 1000 + GUARD_N + EBPF_DIRECTIONS * METER_N + FLOW_N + ENFORCE_N;

	(void)state;
	fill(&s);
	text = exposition(&s);
	for (uint64_t value = 1000; value < last; value++) {
		char end[32];

		(void)snprintf(end, sizeof(end), " %llu\n", (unsigned long long)value);
		if (!strstr(text, end))
			fail_msg("the counter that is %llu here is not told",
				 (unsigned long long)value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_verdict_is_told),
		cmocka_unit_test(the_meter_is_told_in_both_directions),
		cmocka_unit_test(sizes_and_gaps_are_histograms),
		cmocka_unit_test(what_is_no_packet_is_not_called_one),
		cmocka_unit_test(no_counter_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
