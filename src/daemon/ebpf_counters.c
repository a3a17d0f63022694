/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs in the kernel count, by the names under which it is shown. */
#include "daemon/ebpf_counters.h"

static void set_u64(json_t *object, const char *key, uint64_t value)
{
	(void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static json_t *list_of(const __u64 *values, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_integer((json_int_t)values[i]));
	return list;
}

static json_t *guard_json(const struct ebpf_slot *s)
{
	static const char *const names[GUARD_N] = {
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
	json_t *j = json_object();

	for (unsigned i = 0; i < GUARD_N; i++)
		set_u64(j, names[i], s->guard[i]);
	return j;
}

static json_t *meter_json(const struct ebpf_slot *s)
{
	static const char *const directions[EBPF_DIRECTIONS] = { "in", "out" };
	json_t *j = json_object();

	for (unsigned d = 0; d < EBPF_DIRECTIONS; d++) {
		json_t *one = json_object();

		set_u64(one, "packets", s->meter[d][METER_PACKETS]);
		set_u64(one, "bytes", s->meter[d][METER_BYTES]);
		set_u64(one, "handshakes", s->meter[d][METER_HANDSHAKES]);
		set_u64(one, "probes", s->meter[d][METER_PROBES]);
		(void)json_object_set_new(one, "sizes_by_64_bytes",
					  list_of(s->sizes[d], EBPF_SIZES));
		(void)json_object_set_new(one, "gaps_by_log2_ns", list_of(s->gaps[d], EBPF_GAPS));
		(void)json_object_set_new(j, directions[d], one);
	}
	return j;
}

static json_t *flow_json(const struct ebpf_slot *s)
{
	json_t *j = json_object();

	set_u64(j, "opened", s->flow[FLOW_OPENED]);
	set_u64(j, "closed", s->flow[FLOW_CLOSED]);
	set_u64(j, "retransmitted", s->flow[FLOW_RETRANSMITTED]);
	set_u64(j, "rtt_samples", s->flow[FLOW_RTT_SAMPLES]);
	return j;
}

static json_t *enforce_json(const struct ebpf_slot *s, unsigned n_classes)
{
	json_t *j = json_object();

	set_u64(j, "seen", s->enforce[ENFORCE_SEEN]);
	set_u64(j, "allowed", s->enforce[ENFORCE_ALLOWED]);
	set_u64(j, "answers", s->enforce[ENFORCE_ANSWERS]);
	set_u64(j, "denied", s->enforce[ENFORCE_DENIED]);
	set_u64(j, "not_ours", s->enforce[ENFORCE_NOT_OURS]);
	set_u64(j, "left_to_daemon", s->enforce[ENFORCE_LEFT]);
	set_u64(j, "samples_lost", s->enforce[ENFORCE_SAMPLE_LOST]);
	set_u64(j, "classes", n_classes);
	return j;
}

json_t *ebpf_counters_json(enum ebpf_program program, const struct ebpf_slot *s, unsigned n_classes)
{
	switch (program) {
	case EBPF_GUARD:
		return guard_json(s);
	case EBPF_METER:
		return meter_json(s);
	case EBPF_FLOW:
		return flow_json(s);
	case EBPF_ENFORCE:
		return enforce_json(s, n_classes);
	case EBPF_N_PROGRAMS:
		break;
	}
	return json_object();
}
