/* SPDX-License-Identifier: Apache-2.0 */
/* host.h - how this machine and this process fare: processors, memory, pressure, disk, clock,
 * descriptors and the loop, read once a second; and services that the user names.
 *
 * Nothing here waits: files of /proc are opened once and read again, a file system is asked on the
 * work queue, services by a thread of shell/curl. Every value says where it comes from and when it
 * was read; what could not be read is missing and says why, it is never 0. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shell/loop/loop.h"

#define HOST_DISK_PATIENCE_MS 5000 /* a file system that is silent for longer counts as missing */

enum host_signal {
	HOST_CPU_MACHINE,    /* share of all processors in use since the sample before, 0 to 1 */
	HOST_CPU_CGROUP,     /* processors' worth that our control group has used */
	HOST_CPU_PROCESS,    /* the same of this process */
	HOST_PROCESSORS,     /* online */
	HOST_RUN_QUEUE,	     /* tasks that run or could, this moment */
	HOST_LOAD,	     /* average of a minute, as uptime has it */
	HOST_MEMORY_TOTAL,   /* bytes */
	HOST_MEMORY_FREE,    /* bytes that programs can have without swapping (MemAvailable) */
	HOST_MEMORY_PROCESS, /* bytes of this process that are resident */
	HOST_MEMORY_CGROUP,  /* bytes of our control group */
	HOST_MEMORY_CGROUP_MAX,
	HOST_PRESSURE_CPU,	   /* share of the last 10 s in which some task waited */
	HOST_PRESSURE_MEMORY,	   /* some */
	HOST_PRESSURE_MEMORY_FULL, /* all */
	HOST_PRESSURE_IO,
	HOST_PRESSURE_IO_FULL,
	HOST_DISK_TOTAL,   /* bytes of the file system of the state directory */
	HOST_DISK_FREE,	   /* bytes that we may have */
	HOST_INODES_TOTAL, /* missing where the file system does not count them */
	HOST_INODES_FREE,
	HOST_CLOCK_SYNCED, /* 1: something keeps the clock, 0: nothing does */
	HOST_CLOCK_OFFSET, /* us, signed, that the kernel is still to correct; missing if not synced
			    */
	HOST_CLOCK_ERROR,  /* us, at most, as the kernel estimates; missing if not synced */
	HOST_DESCRIPTORS,  /* open in this process */
	HOST_DESCRIPTORS_MAX,
	HOST_LOOP_LATE, /* us by which the loop ran late, as the caller says */
	HOST_N_SIGNALS,
};

struct host_value {
	double value;	    /* NAN while it is missing */
	int error;	    /* 0; or why it is missing, a negative errno: host_missing_text() */
	uint64_t taken_us;  /* when it was read, or last tried; 0: never */
	const char *source; /* "/proc/stat" */
};

struct host_options {
	struct loop *loop;
	const char *state_dir;	/* whose file system is looked at; NULL: none */
	const char *proc_dir;	/* NULL: /proc */
	const char *cgroup_dir; /* NULL: /sys/fs/cgroup */
};

struct host;

/* Opens what there is to read; what there is not is missing later. -ENOMEM. */
int host_new(const struct host_options *options, struct host **ret);
void host_free(struct host *h);

/* Reads all, once a second. late_us: by how much the loop ran late since the last time. */
void host_sample(struct host *h, uint64_t now_us, uint64_t late_us);
/* Valid until the next host_sample(). */
const struct host_value *host_value(const struct host *h, enum host_signal which);
/* Whether v is there and not older than age_max_us. */
bool host_is_known(const struct host_value *v, uint64_t now_us, uint64_t age_max_us);

const char *host_signal_name(enum host_signal which); /* "memory_free" */
const char *host_signal_unit(enum host_signal which); /* "bytes"; "" for a number */
const char *host_missing_text(int error); /* for people: "this kernel has no such file" */

/* Of this process, asked at once; any thread. NAN where it cannot be told. */
struct host_process {
	double cpu_s;
	double resident_bytes, virtual_bytes;
	double descriptors, descriptors_max; /* open, and allowed; NAN where that is any number */
};

void host_process(struct host_process *ret);
