/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the compiled levels of rows.c this processor runs. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/sage/rows.h"
#include "core/sage/sage.h"

static const struct rows_ops *chosen; /* NULL: the highest */

static bool has_avx2(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
	return false;
#endif
}

static bool has_avx512(void)
{
#ifdef __x86_64__
	return has_avx2() && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512bw");
#else
	return false;
#endif
}

/* Ascending. */
static const struct {
	const struct rows_ops *ops;
	bool (*is_there)(void);
} levels[] = {
	{ &sage_rows_portable, NULL },
#ifdef __x86_64__
	{ &sage_rows_avx2, has_avx2 },
	{ &sage_rows_avx512, has_avx512 },
#endif
};

const struct rows_ops *sage_rows(void)
{
	if (chosen)
		return chosen;
	for (size_t i = N_ELEMENTS(levels) - 1; i > 0; i--)
		if (levels[i].is_there())
			return levels[i].ops;
	return levels[0].ops;
}

int sage_set_level(const char *name)
{
	for (size_t i = 0; i < N_ELEMENTS(levels); i++) {
		if (strcmp(levels[i].ops->name, name) != 0)
			continue;
		if (levels[i].is_there && !levels[i].is_there())
			return -ENOTSUP;
		chosen = levels[i].ops;
		return 0;
	}
	return strcmp(name, "avx2") == 0 || strcmp(name, "avx512") == 0 ? -ENOTSUP : -EINVAL;
}

const char *sage_level(void)
{
	return sage_rows()->name;
}
