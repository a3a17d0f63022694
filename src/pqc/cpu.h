/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h - which of the code paths of this room runs: portable C, AVX2 or AVX-512.
 *
 * What the processor and the operating system offer is found once, at the first question.
 * Levels are ordered: a machine that has one has those before it. All of them compute the same;
 * the level may change at any time, also while another thread computes. */
#pragma once

enum pqc_level {
	PQC_PORTABLE,
	PQC_AVX2,   /* with BMI1 and BMI2 */
	PQC_AVX512, /* F, BW, DQ, VL, VBMI and VBMI2: Ice Lake, Zen 4 and later */
};

#define PQC_N_LEVELS 3

/* The level in use: the highest there is, unless pqc_set_level() said otherwise. */
enum pqc_level pqc_level(void);

/* The highest this machine has. */
enum pqc_level pqc_level_max(void);

/* For tests and measurements, of the whole process. -ENOTSUP if this machine lacks the level. */
int pqc_set_level(enum pqc_level level);

/* "portable", "avx2" or "avx512", and back: -EINVAL for any other name. */
const char *pqc_level_name(enum pqc_level level);
int pqc_level_by_name(const char *name, enum pqc_level *ret);
