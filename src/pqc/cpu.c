/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the processor what it has, and keeps what was chosen. */
#include "pqc/cpu.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define UNKNOWN (-1)

static const char *const names[PQC_N_LEVELS] = { "portable", "avx2", "avx512" };

static atomic_int in_use = UNKNOWN;

/* These also ask whether the operating system keeps the wide registers. */
#if defined(__x86_64__)
enum pqc_level pqc_level_max(void)
{
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
	    !__builtin_cpu_supports("bmi2"))
		return PQC_PORTABLE;
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
	    !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl") ||
	    !__builtin_cpu_supports("avx512vbmi") || !__builtin_cpu_supports("avx512vbmi2"))
		return PQC_AVX2;
	return PQC_AVX512;
}
#else
enum pqc_level pqc_level_max(void)
{
	return PQC_PORTABLE;
}
#endif

/* Two threads may both come first; they find the same, and a level set meanwhile stays. */
enum pqc_level pqc_level(void)
{
	int level = atomic_load_explicit(&in_use, memory_order_relaxed);

	if (level == UNKNOWN) {
		int found = (int)pqc_level_max();

		if (atomic_compare_exchange_strong_explicit(
			    &in_use, &level, found, memory_order_relaxed, memory_order_relaxed))
			level = found;
	}
	return (enum pqc_level)level;
}

int pqc_set_level(enum pqc_level level)
{
	if (level > pqc_level_max())
		return -ENOTSUP;
	atomic_store_explicit(&in_use, (int)level, memory_order_relaxed);
	return 0;
}

const char *pqc_level_name(enum pqc_level level)
{
	return names[level];
}

int pqc_level_by_name(const char *name, enum pqc_level *ret)
{
	for (unsigned i = 0; i < PQC_N_LEVELS; i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum pqc_level)i;
			return 0;
		}
	}
	return -EINVAL;
}
