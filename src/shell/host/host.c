/* SPDX-License-Identifier: Apache-2.0 */
/* The signals: which there are, and how each is read. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/host/internal.h"
#include "shell/host/parse.h"

#define TEXT_MAX 8192 /* of one file; /proc/meminfo has some 1,500 bytes */
#define PATH_SIZE 1024
#define DESCRIPTORS_LOOK_MAX 65536 /* counted one by one; more is not known */

enum file {
	FILE_STAT,
	FILE_LOADAVG,
	FILE_MEMINFO,
	FILE_STATM,
	FILE_PRESSURE_CPU,
	FILE_PRESSURE_MEMORY,
	FILE_PRESSURE_IO,
	N_PROC_FILES,
	FILE_CGROUP_CPU = N_PROC_FILES,
	FILE_CGROUP_MEMORY,
	FILE_CGROUP_MEMORY_MAX,
	N_FILES,
};

static const char *const file_names[N_FILES] = {
	[FILE_STAT] = "stat",
	[FILE_LOADAVG] = "loadavg",
	[FILE_MEMINFO] = "meminfo",
	[FILE_STATM] = "self/statm",
	[FILE_PRESSURE_CPU] = "pressure/cpu",
	[FILE_PRESSURE_MEMORY] = "pressure/memory",
	[FILE_PRESSURE_IO] = "pressure/io",
	[FILE_CGROUP_CPU] = "cpu.stat",
	[FILE_CGROUP_MEMORY] = "memory.current",
	[FILE_CGROUP_MEMORY_MAX] = "memory.max",
};

static const struct {
	const char *name, *unit, *source;
} signals[HOST_N_SIGNALS] = {
	[HOST_CPU_MACHINE] = { "cpu_machine", "share", "/proc/stat" },
	[HOST_CPU_CGROUP] = { "cpu_cgroup", "processors", "cgroup cpu.stat" },
	[HOST_CPU_PROCESS] = { "cpu_process", "processors", "clock_gettime" },
	[HOST_PROCESSORS] = { "processors", "", "sysconf" },
	[HOST_RUN_QUEUE] = { "run_queue", "tasks", "/proc/loadavg" },
	[HOST_LOAD] = { "load", "tasks", "/proc/loadavg" },
	[HOST_MEMORY_TOTAL] = { "memory_total", "bytes", "/proc/meminfo" },
	[HOST_MEMORY_FREE] = { "memory_free", "bytes", "/proc/meminfo" },
	[HOST_MEMORY_PROCESS] = { "memory_process", "bytes", "/proc/self/statm" },
	[HOST_MEMORY_CGROUP] = { "memory_cgroup", "bytes", "cgroup memory.current" },
	[HOST_MEMORY_CGROUP_MAX] = { "memory_cgroup_max", "bytes", "cgroup memory.max" },
	[HOST_PRESSURE_CPU] = { "pressure_cpu", "share", "/proc/pressure/cpu" },
	[HOST_PRESSURE_MEMORY] = { "pressure_memory", "share", "/proc/pressure/memory" },
	[HOST_PRESSURE_MEMORY_FULL] = { "pressure_memory_full", "share", "/proc/pressure/memory" },
	[HOST_PRESSURE_IO] = { "pressure_io", "share", "/proc/pressure/io" },
	[HOST_PRESSURE_IO_FULL] = { "pressure_io_full", "share", "/proc/pressure/io" },
	[HOST_DISK_TOTAL] = { "disk_total", "bytes", "statvfs" },
	[HOST_DISK_FREE] = { "disk_free", "bytes", "statvfs" },
	[HOST_INODES_TOTAL] = { "inodes_total", "", "statvfs" },
	[HOST_INODES_FREE] = { "inodes_free", "", "statvfs" },
	[HOST_CLOCK_SYNCED] = { "clock_synced", "", "adjtimex" },
	[HOST_CLOCK_OFFSET] = { "clock_offset", "us", "adjtimex" },
	[HOST_CLOCK_ERROR] = { "clock_error", "us", "adjtimex" },
	[HOST_DESCRIPTORS] = { "descriptors", "", "/proc/self/fd" },
	[HOST_DESCRIPTORS_MAX] = { "descriptors_max", "", "getrlimit" },
	[HOST_LOOP_LATE] = { "loop_late", "us", "loop" },
};

struct host {
	int files[N_FILES]; /* a descriptor, or why there is none */
	DIR *descriptors;
	int descriptors_error;
	struct disk *disk;
	int disk_error;
	struct host_value values[HOST_N_SIGNALS];
	uint64_t now_us;
	/* of the last time, for rates; 0 and NAN: none */
	uint64_t cpu_us, cgroup_us, process_us;
	struct parse_cpu cpu;
	double cgroup_used_us, process_used_s;
	char text[TEXT_MAX];
};

const char *host_signal_name(enum host_signal which)
{
	return signals[which].name;
}

const char *host_signal_unit(enum host_signal which)
{
	return signals[which].unit;
}

const struct host_value *host_value(const struct host *h, enum host_signal which)
{
	return &h->values[which];
}

bool host_is_known(const struct host_value *v, uint64_t now_us, uint64_t age_max_us)
{
	return v->error == 0 && v->taken_us != 0 && now_us <= v->taken_us + age_max_us;
}

const char *host_missing_text(int error)
{
	switch (error) {
	case 0:
		return "it is known";
	case -EAGAIN:
		return "not read often enough yet";
	case -ENOENT:
		return "this kernel, or this control group, has no such file";
	case -ENODATA:
		return "the system does not say";
	case -EBADMSG:
		return "what the system says cannot be so";
	case -ETIMEDOUT:
		return "the file system does not answer";
	default:
		return strerror(-error);
	}
}

/* ---- opening ---- */

static int open_in(const char *directory, const char *name)
{
	char path[2 * PATH_SIZE];
	int n = snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* Its text, whole or as much as there is room for. */
static int read_text(struct host *h, int fd, struct span *ret)
{
	size_t len = 0;

	if (fd < 0)
		return fd;
	while (len < sizeof(h->text)) {
		ssize_t n = pread(fd, h->text + len, sizeof(h->text) - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret = SPAN(h->text, len);
	return 0;
}

static void open_cgroup(struct host *h, const char *proc_dir, const char *cgroup_dir)
{
	char group[PATH_SIZE], path[2 * PATH_SIZE];
	struct span text = { 0 };
	int fd = open_in(proc_dir, "self/cgroup");
	int r = read_text(h, fd, &text);

	if (r == 0)
		r = parse_cgroup(text, group, sizeof(group));
	if (fd >= 0)
		(void)close(fd);
	if (r == 0 && snprintf(path, sizeof(path), "%s%s", cgroup_dir, group) >= (int)sizeof(path))
		r = -ENAMETOOLONG;
	for (unsigned i = N_PROC_FILES; i < N_FILES; i++)
		h->files[i] = r < 0 ? r : open_in(path, file_names[i]);
}

/* They stay open: they can be read when no descriptor is left. */
static void open_all(struct host *h, const struct host_options *o)
{
	const char *proc_dir = o->proc_dir ? o->proc_dir : "/proc";
	int fd;

	for (unsigned i = 0; i < N_PROC_FILES; i++)
		h->files[i] = open_in(proc_dir, file_names[i]);
	open_cgroup(h, proc_dir, o->cgroup_dir ? o->cgroup_dir : "/sys/fs/cgroup");
	fd = open_in(proc_dir, "self/fd");
	h->descriptors = fd >= 0 ? fdopendir(fd) : NULL;
	if (!h->descriptors)
		h->descriptors_error = fd < 0 ? fd : -errno;
	if (!h->descriptors && fd >= 0)
		(void)close(fd);
	h->disk_error = o->state_dir ? disk_new(o->loop, o->state_dir, &h->disk) : -ENODATA;
}

int host_new(const struct host_options *options, struct host **ret)
{
	struct host *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	open_all(h, options);
	for (unsigned i = 0; i < HOST_N_SIGNALS; i++)
		h->values[i] = (struct host_value){
			.value = NAN,
			.error = -EAGAIN,
			.source = signals[i].source,
		};
	*ret = h;
	return 0;
}

void host_free(struct host *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < N_FILES; i++)
		if (h->files[i] >= 0)
			(void)close(h->files[i]);
	if (h->descriptors)
		(void)closedir(h->descriptors);
	disk_free(h->disk);
	free(h);
}

/* ---- one by one ---- */

static void put_taken(struct host *h, enum host_signal which, int error, double value,
		      uint64_t taken_us)
{
	struct host_value *v = &h->values[which];

	if (error == 0 && !isfinite(value))
		error = -EBADMSG;
	v->error = error;
	v->value = error < 0 ? NAN : value;
	v->taken_us = taken_us;
}

static void put(struct host *h, enum host_signal which, int error, double value)
{
	put_taken(h, which, error, value, h->now_us);
}

static void take_machine(struct host *h)
{
	struct parse_cpu now = { 0 };
	struct span text = { 0 };
	int r = read_text(h, h->files[FILE_STAT], &text);
	uint64_t total, busy;

	if (r == 0)
		r = parse_cpu(text, &now);
	if (r < 0) {
		h->cpu_us = 0;
		put(h, HOST_CPU_MACHINE, r, NAN);
		return;
	}
	total = now.total - h->cpu.total;
	busy = now.busy - h->cpu.busy;
	/* Counters of idle processors may go back a little (proc(5)): that sample is none. */
	if (h->cpu_us == 0 || now.total <= h->cpu.total)
		r = -EAGAIN;
	else if (now.busy < h->cpu.busy || busy > total)
		r = -EBADMSG;
	put(h, HOST_CPU_MACHINE, r, r < 0 ? NAN : (double)busy / (double)total);
	h->cpu = now;
	h->cpu_us = h->now_us;
}

static void take_load(struct host *h)
{
	double load = NAN, running = NAN;
	struct span text = { 0 };
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	int r = read_text(h, h->files[FILE_LOADAVG], &text);

	if (r == 0)
		r = parse_loadavg(text, &load, &running);
	put(h, HOST_LOAD, r, load);
	put(h, HOST_RUN_QUEUE, r, running);
	put(h, HOST_PROCESSORS, n > 0 ? 0 : -ENODATA, (double)n);
}

static void take_memory(struct host *h)
{
	double total = NAN, available = NAN, all = NAN, pages = NAN;
	struct span text = { 0 };
	int r = read_text(h, h->files[FILE_MEMINFO], &text);
	int r_available = r;

	if (r == 0) {
		r = parse_meminfo(text, "MemTotal", &total);
		r_available = parse_meminfo(text, "MemAvailable", &available);
	}
	put(h, HOST_MEMORY_TOTAL, r, total);
	put(h, HOST_MEMORY_FREE, r_available, available);
	r = read_text(h, h->files[FILE_STATM], &text);
	if (r == 0)
		r = parse_statm(text, &all, &pages);
	put(h, HOST_MEMORY_PROCESS, r, pages * (double)sysconf(_SC_PAGESIZE));
}

static void take_limit(struct host *h, enum file file, enum host_signal which)
{
	double n = NAN;
	struct span text = { 0 };
	int r = read_text(h, h->files[file], &text);

	if (r == 0)
		r = parse_limit(text, &n);
	put(h, which, r, n);
}

/* Processors' worth since the last time. */
static double rate(uint64_t now_us, uint64_t last_us, double used_us)
{
	return used_us / (double)(now_us - last_us);
}

static void take_cgroup(struct host *h)
{
	double used_us = NAN, share = NAN;
	struct span text = { 0 };
	int r = read_text(h, h->files[FILE_CGROUP_CPU], &text);

	if (r == 0)
		r = parse_cpu_stat(text, &used_us);
	if (r == 0 && (h->cgroup_us == 0 || h->now_us <= h->cgroup_us))
		r = -EAGAIN;
	else if (r == 0 && used_us < h->cgroup_used_us)
		r = -EBADMSG;
	if (r == 0)
		share = rate(h->now_us, h->cgroup_us, used_us - h->cgroup_used_us);
	put(h, HOST_CPU_CGROUP, r, share);
	h->cgroup_us = isnan(used_us) ? 0 : h->now_us;
	h->cgroup_used_us = used_us;
	take_limit(h, FILE_CGROUP_MEMORY, HOST_MEMORY_CGROUP);
	take_limit(h, FILE_CGROUP_MEMORY_MAX, HOST_MEMORY_CGROUP_MAX);
}

static double used_cpu_s(void)
{
	struct timespec used;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0)
		return NAN;
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void take_process(struct host *h)
{
	double used_s = used_cpu_s(), share = NAN;
	int r = isnan(used_s) ? -ENODATA : 0;

	if (r == 0 && (h->process_us == 0 || h->now_us <= h->process_us))
		r = -EAGAIN;
	if (r == 0)
		share = rate(h->now_us, h->process_us, (used_s - h->process_used_s) * 1e6);
	put(h, HOST_CPU_PROCESS, r, share);
	h->process_us = isnan(used_s) ? 0 : h->now_us;
	h->process_used_s = used_s;
}

static void take_pressure(struct host *h, enum file file, const char *line, enum host_signal which)
{
	double share = NAN;
	struct span text = { 0 };
	int r = read_text(h, h->files[file], &text);

	if (r == 0)
		r = parse_pressure(text, line, &share);
	put(h, which, r, share);
}

static void take_disk(struct host *h)
{
	struct disk_view v = { .error = h->disk_error, .taken_us = h->now_us };
	const struct statvfs *s = &v.about;
	int r_inodes;

	if (h->disk) {
		disk_look(h->disk, h->now_us, &v);
		disk_ask(h->disk, h->now_us);
	}
	r_inodes = v.error == 0 && s->f_files == 0 ? -ENODATA : v.error;
	put_taken(h, HOST_DISK_TOTAL, v.error, (double)s->f_blocks * (double)s->f_frsize,
		  v.taken_us);
	put_taken(h, HOST_DISK_FREE, v.error, (double)s->f_bavail * (double)s->f_frsize,
		  v.taken_us);
	put_taken(h, HOST_INODES_TOTAL, r_inodes, (double)s->f_files, v.taken_us);
	put_taken(h, HOST_INODES_FREE, r_inodes, (double)s->f_favail, v.taken_us);
}

/* What the kernel believes of its clock (adjtimex(2)); modes 0 changes nothing. Of a clock that
 * nobody keeps it does not know how far off it is. */
static void take_clock(struct host *h)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);
	int r = state < 0 ? -errno : 0;
	bool is_synced = r == 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC);
	int r_offset = r < 0 ? r : is_synced ? 0 : -ENODATA;

	put(h, HOST_CLOCK_SYNCED, r, is_synced ? 1 : 0);
	put(h, HOST_CLOCK_OFFSET, r_offset,
	    (double)t.offset / (t.status & STA_NANO ? 1000.0 : 1.0));
	put(h, HOST_CLOCK_ERROR, r_offset, (double)t.maxerror);
}

/* Kernels from 6.2 on say it as the size of the directory; before them it is counted. */
static int count_descriptors(DIR *directory, double *ret)
{
	struct stat about;
	unsigned n = 0;

	if (fstat(dirfd(directory), &about) == 0 && about.st_size > 0) {
		*ret = (double)about.st_size;
		return 0;
	}
	rewinddir(directory);
	for (const struct dirent *e; (e = readdir(directory)) && n <= DESCRIPTORS_LOOK_MAX;)
		n += e->d_name[0] != '.';
	if (n == 0 || n > DESCRIPTORS_LOOK_MAX)
		return -ENODATA;
	*ret = n;
	return 0;
}

static void take_descriptors(struct host *h)
{
	struct rlimit limit;
	double n = NAN;
	int r = h->descriptors ? count_descriptors(h->descriptors, &n) : h->descriptors_error;

	put(h, HOST_DESCRIPTORS, r, n);
	r = getrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno
	    : limit.rlim_cur == RLIM_INFINITY	 ? -ENODATA
						 : 0;
	put(h, HOST_DESCRIPTORS_MAX, r, (double)limit.rlim_cur);
}

void host_sample(struct host *h, uint64_t now_us, uint64_t late_us)
{
	h->now_us = now_us;
	take_machine(h);
	take_load(h);
	take_memory(h);
	take_cgroup(h);
	take_process(h);
	take_pressure(h, FILE_PRESSURE_CPU, "some", HOST_PRESSURE_CPU);
	take_pressure(h, FILE_PRESSURE_MEMORY, "some", HOST_PRESSURE_MEMORY);
	take_pressure(h, FILE_PRESSURE_MEMORY, "full", HOST_PRESSURE_MEMORY_FULL);
	take_pressure(h, FILE_PRESSURE_IO, "some", HOST_PRESSURE_IO);
	take_pressure(h, FILE_PRESSURE_IO, "full", HOST_PRESSURE_IO_FULL);
	take_disk(h);
	take_clock(h);
	take_descriptors(h);
	put(h, HOST_LOOP_LATE, 0, (double)late_us);
}

/* The soft limit; NAN: none, or not to be told. */
static double descriptors_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return NAN;
	return (double)limit.rlim_cur;
}

static double descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	double n = NAN;

	if (!directory)
		return NAN;
	(void)count_descriptors(directory, &n);
	(void)closedir(directory);
	return n;
}

void host_process(struct host_process *ret)
{
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	double all = NAN, resident = NAN;

	if (fd >= 0)
		(void)close(fd);
	if (n > 0)
		(void)parse_statm(SPAN(text, (size_t)n), &all, &resident);
	*ret = (struct host_process){
		.cpu_s = used_cpu_s(),
		.resident_bytes = resident * (double)sysconf(_SC_PAGESIZE),
		.virtual_bytes = all * (double)sysconf(_SC_PAGESIZE),
		.descriptors = descriptors(),
		.descriptors_max = descriptors_max(),
	};
}
