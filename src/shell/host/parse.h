/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h - texts of /proc and of control groups (proc(5), cgroups(7), and of the kernel's
 * documentation accounting/psi). Inside the room only. Pure: -EBADMSG for what is cut, negative,
 * too large or otherwise not as the kernel writes it, and then nothing is returned. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define PARSE_NUMBER_MAX (UINT64_C(1) << 53) /* the largest that a double holds exactly */

struct parse_cpu {
	uint64_t busy, total; /* ticks since the start of the machine */
};

/* The first line of /proc/stat. */
int parse_cpu(struct span text, struct parse_cpu *ret);
/* The first average and the tasks that run or could. */
int parse_loadavg(struct span text, double *ret_load, double *ret_running);
/* "MemTotal:  16311236 kB". -ENODATA where there is no such line. */
int parse_meminfo(struct span text, const char *key, double *ret_bytes);
/* The first two numbers: pages of addresses, and of those in memory. */
int parse_statm(struct span text, double *ret_virtual, double *ret_resident);
/* avg10 of the line "some" or "full", as a share. -ENODATA where there is no such line. */
int parse_pressure(struct span text, const char *line, double *ret_share);
/* The path of our control group of version 2: "0::/a/b". -ENODATA where there is none, or none that
 * is below what is mounted here. */
int parse_cgroup(struct span text, char *ret, size_t size);
/* usage_usec of cpu.stat. */
int parse_cpu_stat(struct span text, double *ret_us);
/* A number alone. -ENODATA for "max". */
int parse_limit(struct span text, double *ret);
