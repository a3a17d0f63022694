/* SPDX-License-Identifier: Apache-2.0 */
/* evp_operations.h - the operations of OpenSSL that are timed, each by its name; and the clock.
 *
 * Linked into x0-lab, and into x0-lab-rival, which runs with another libcrypto. Keys and contexts
 * are made before the clock runs; what an operation cannot do without is within it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evp_operation;

/* Makes the key of an operation. NULL where there is none of this name, or this libcrypto does
 * not have it. The caller's to free by evp_operation_free(). */
struct evp_operation *evp_operation_new(const char *name);
void evp_operation_free(struct evp_operation *o);
/* Once; for bench_round_ns(). */
bool evp_operation_run(void *operation);
/* NULL behind the last. */
const char *evp_operation_name(size_t i);

/* Nanoseconds of processor time of one call, the mean over at least min_ns of them; negative
 * where a call failed. Processor time leaves out what else the machine does, but for the caches
 * and execution units that it shares. */
double bench_round_ns(bool (*run)(void *arg), void *arg, int64_t min_ns);
