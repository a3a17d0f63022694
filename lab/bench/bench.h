/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h - the benchmarks of x0-lab, and what they share. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#define BENCH_CRYPTO_USAGE \
	"x0-lab bench crypto [--rounds N] [--rival-root DIR] [--rival-node PROGRAM] [--json]"

#define BENCH_HANDSHAKE_USAGE "x0-lab bench handshake [--cpu portable|avx2|avx512] [--json]"

#define BENCH_AEAD_USAGE "x0-lab bench aead [--json]"

#define BENCH_EBPF_USAGE "x0-lab bench ebpf [--json]"

#define BENCH_ANOMALY_USAGE "x0-lab bench anomaly [--json]"
#define BENCH_LEDGER_USAGE \
	"x0-lab bench ledger [--directory DIR] [--entries N] [--batch N] [--json]"

/* Each is main() of its own, argv[0] being its name, and returns an exit status. */
int bench_crypto(int argc, char **argv);
int bench_handshake(int argc, char **argv);
int bench_aead(int argc, char **argv);
int bench_ebpf(int argc, char **argv);
int bench_anomaly(int argc, char **argv);
int bench_ledger(int argc, char **argv);

/* Sorts what it is given. */
double bench_median(double *values, size_t n);
/* Stays on the processor it runs on, and says which; -1 where it may not. */
int bench_pin(void);
/* {processor, pinned_to, kernel} of this machine. New reference; NULL when out of memory. */
json_t *bench_machine(int pinned_to);
