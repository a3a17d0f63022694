/* SPDX-License-Identifier: Apache-2.0 */
/* lab.h - the subcommands of x0-lab. Each is main() of its own: argv[0] is its name, the
 * result an exit status: 0, 1 for a failed test, 2 for a wrong command line, 77 for a test this
 * machine cannot run. */
#pragma once

#include <stdbool.h>

#define LAB_EXIT_USAGE 2
#define LAB_EXIT_SKIPPED 77

#define LAB_KAT_USAGE "x0-lab kat [--json] [--cpu portable|avx2|avx512] DIR_OR_FILE..."
#define LAB_BENCH_USAGE "x0-lab bench crypto|handshake|aead|ebpf|anomaly|ledger [--help] ..."

#define LAB_TRAIN_GRAPH_USAGE \
	"x0-lab train graph DIR --model FILE [--seed N] [--split N] [--layers N] [--rounds N]"
#define LAB_EVAL_GRAPH_USAGE                                                                  \
	"x0-lab eval graph DIR [--seed N] [--splits N] [--layers N] [--rounds N] [--json] | " \
	"--model FILE [--split N]"

#define LAB_EVAL_USAGE "x0-lab eval timeseries|rca|fabric [--json] DIR"
#define LAB_SIM_USAGE                                                                         \
	"x0-lab sim [--level node|route] [--scenario NAME] [--topology FILE | --graph KIND] " \
	"[--nodes N] [--seed S] [--seeds N] [--json] ... (docs/simulator.md)"

#define LAB_CHAOS_USAGE "x0-lab chaos SPECIFICATION EPISODE (docs/chaos.md)"

int lab_sim(int argc, char **argv);
int lab_chaos(int argc, char **argv);
int lab_kat(int argc, char **argv);
int lab_bench(int argc, char **argv);
int lab_eval(int argc, char **argv);
int lab_train_graph(int argc, char **argv);
int lab_eval_graph(int argc, char **argv);

/* Prints the line: to standard output where it was asked for, and returns 0, otherwise to
 * standard error, and returns LAB_EXIT_USAGE. */
int lab_usage(bool asked_for, const char *line);
