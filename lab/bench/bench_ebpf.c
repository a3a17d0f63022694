/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab bench ebpf: what the programs in the kernel cost for one datagram, by running them there
 * on frames made here (BPF_PROG_TEST_RUN), caches warm. Rounds are interleaved, a figure is the
 * median of its rounds. What a real flood does is measured by tests/bench/ebpf.sh. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bench/bench.h"
#include "core/handshake/schedule.h"
#include "core/wire/wire.h"
#include "lab.h"
#include "shell/bpf/bpf.h"

#define ROUNDS 15
#define REPEAT 20000
#define PORT 26969
#define KPPS 100
#define FRAME_MAX 1600
#define AT_PAYLOAD 62

static const uint8_t key[16] = "x0-lab bench key";
static struct ebpf_options options;

enum frame_kind {
	FRAME_OTHER,	 /* somebody else's port */
	FRAME_TRANSPORT, /* of a session */
	FRAME_UNKNOWN,	 /* of none */
	FRAME_HANDSHAKE, /* with mac1, a full fragment */
};

static const struct {
	const char *what;
	const char *function;
	enum frame_kind kind;
	unsigned repeat; /* REPEAT, or within the rate of a network */
	int verdict;
} rows[] = {
	{ "guard, not our port", "x0_guard_tc", FRAME_OTHER, REPEAT, -1 },
	{ "guard, a packet of a session", "x0_guard_tc", FRAME_TRANSPORT, REPEAT, -1 },
	{ "guard, drops an unknown session's", "x0_guard_tc", FRAME_UNKNOWN, REPEAT, 2 },
	{ "guard, handshake with a good mac1", "x0_guard_tc", FRAME_HANDSHAKE, 20, -1 },
	{ "guard, drops handshakes over the rate", "x0_guard_tc", FRAME_HANDSHAKE, REPEAT, 2 },
	{ "meter, inwards", "x0_meter_in", FRAME_TRANSPORT, REPEAT, -1 },
	{ "meter, outwards", "x0_meter_out", FRAME_TRANSPORT, REPEAT, -1 },
};

#define N_ROWS N_ELEMENTS(rows)

static size_t make_frame(enum frame_kind kind, uint8_t ret[FRAME_MAX])
{
	size_t len = kind == FRAME_HANDSHAKE ? WIRE_HS_BODY_LINK + 48 : 128;
	uint8_t *ip = ret + 14, *payload = ret + AT_PAYLOAD;

	memset(ret, 0x5a, FRAME_MAX);
	store_u16(ret + 12, 0x86dd);
	ip[0] = 0x60;
	ip[6] = 17; /* UDP */
	memset(ip + 24, 0, 16);
	ip[39] = 1; /* ::1 */
	store_u16(ip + 40, PORT);
	store_u16(ip + 42, kind == FRAME_OTHER ? 53 : PORT);
	payload[0] = kind == FRAME_HANDSHAKE ? WIRE_M1 : WIRE_TRANSPORT;
	store_u32(payload + 4, kind == FRAME_UNKNOWN ? 78 : 77);
	if (kind == FRAME_HANDSHAKE)
		mac1_make(key, SPAN(payload, len), payload + len - 2 * WIRE_MAC_LEN);
	return AT_PAYLOAD + len;
}

static void measure(const struct ebpf_host *h, double medians[N_ROWS], bool is_right[N_ROWS])
{
	double ns[N_ROWS][ROUNDS];
	uint8_t frame[FRAME_MAX];

	for (unsigned round = 0; round < ROUNDS; round++) {
		(void)sleep(round == 0); /* the rate of a network is whole again */
		for (size_t i = 0; i < N_ROWS; i++) {
			size_t len = make_frame(rows[i].kind, frame);
			unsigned one = 0;
			int verdict = -2;

			/* each round as another network, so that the good ones are within its rate
			 */
			store_u16(frame + 14 + 12, (uint16_t)round);
			store_u16(frame + 14 + 14, (uint16_t)i);
			is_right[i] = ebpf_host_try(h, rows[i].function, frame, len, rows[i].repeat,
						    &verdict, &one) == 0 &&
				      verdict == rows[i].verdict;
			ns[i][round] = one;
		}
	}
	for (size_t i = 0; i < N_ROWS; i++)
		medians[i] = bench_median(ns[i], ROUNDS);
}

static int report(const double medians[N_ROWS], const bool is_right[N_ROWS], bool is_json)
{
	json_t *list = json_array();
	/* guard and meter, for a packet of a session that comes in */
	double percent = (medians[1] + medians[5]) * KPPS * 1000 / 1e9 * 100;
	int status = EXIT_SUCCESS;

	for (size_t i = 0; i < N_ROWS; i++) {
		if (!is_right[i])
			status = EXIT_FAILURE;
		(void)json_array_append_new(list,
					    json_pack("{s:s, s:f, s:b}", "what", rows[i].what, "ns",
						      medians[i], "is_right", is_right[i]));
		if (!is_json)
			(void)printf("%-40s %7.0f ns%s\n", rows[i].what, medians[i],
				     is_right[i] ? "" : "  WRONG VERDICT");
	}
	if (!is_json)
		(void)printf("guard and meter at %d,000 packets a second: %.2f%% of a processor\n",
			     KPPS, percent);
	if (is_json) {
		json_t *all = json_pack("{s:o, s:o, s:f}", "machine", bench_machine(-1), "programs",
					list, "guard_and_meter_percent_at_100_kpps", percent);

		(void)json_dumpf(all, stdout, JSON_INDENT(2));
		(void)printf("\n");
		json_decref(all);
	} else {
		json_decref(list);
	}
	return status;
}

int bench_ebpf(int argc, char **argv)
{
	static const struct option long_options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	double medians[N_ROWS];
	bool is_right[N_ROWS], is_json = false;
	char why[EBPF_WHY_SIZE] = "";
	struct ebpf_view *view = NULL;
	struct ebpf_host *h;
	int c, status;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c != 'j')
			return lab_usage(false, BENCH_EBPF_USAGE);
		is_json = true;
	}
	options.where = EBPF_WHERE_TCX;
	options.listen[0].port = PORT;
	options.n_listen = 1;
	/* nothing of this machine's own is touched */
	/* NOLINTNEXTLINE(cert-env33-c): nothing of the command comes from outside */
	if (unshare(CLONE_NEWNET) < 0 || system("ip link set dev lo up") != 0) {
		(void)fprintf(stderr, "x0-lab bench ebpf: a network namespace: %s; be root\n",
			      strerror(errno));
		return EXIT_FAILURE;
	}
	if (ebpf_host_new(&options, &h, why) < 0) {
		(void)fprintf(stderr, "x0-lab bench ebpf: %s\n", why);
		return EXIT_FAILURE;
	}
	if (ebpf_view_new(dup(ebpf_host_fd(h, EBPF_FD_TABLE)), -1, -1, &view) < 0) {
		ebpf_host_free(h);
		return EXIT_FAILURE;
	}
	ebpf_view_set_keys(view, (const uint8_t(*)[16])key, 1);
	ebpf_view_indices_begin(view);
	ebpf_view_indices_put(view, 77, 1);
	ebpf_view_indices_end(view);
	measure(h, medians, is_right);
	status = report(medians, is_right, is_json);
	ebpf_view_free(view);
	ebpf_host_free(h);
	return status;
}
