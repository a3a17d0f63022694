/* SPDX-License-Identifier: Apache-2.0 */
/* From bytes to loaded programs: libbpf opens, the maps are checked, the kernel verifies. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "shell/bpf/internal.h"

#define LOG_SIZE (16U << 20) /* of the verifier; only what is written takes memory */
#define ENTRY_OVERHEAD 64    /* of a hash map, about */

/* What libbpf said last: one thread loads at a time. */
static char last_words[EBPF_WHY_SIZE];

static int on_words(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[EBPF_WHY_SIZE];

	if (level != LIBBPF_WARN)
		return 0;
	(void)vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	/* The first is the cause; what follows is who could not go on because of it. Of the log
	 * of the verifier libbpf prints a copy. */
	if (last_words[0] == '\0' && !strstr(line, "PROG LOAD LOG"))
		(void)snprintf(last_words, sizeof(last_words), "%s", line);
	return 0;
}

static int refuse(int r, char why[EBPF_WHY_SIZE], const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(int r, char why[EBPF_WHY_SIZE], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, EBPF_WHY_SIZE, format, args);
	va_end(args);
	return r;
}

/* Sizes are from outside: as much as cannot be counted is too much. */
static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t map_bytes(const struct bpf_map *m)
{
	uint64_t n = bpf_map__max_entries(m);
	uint64_t value = (bpf_map__value_size(m) + 7ULL) & ~7ULL;
	int n_cpus;

	switch (bpf_map__type(m)) {
	case BPF_MAP_TYPE_RINGBUF:
		return n;
	case BPF_MAP_TYPE_ARRAY:
		return times(n, value);
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		n_cpus = libbpf_num_possible_cpus();
		return n_cpus < 0 ? UINT64_MAX : times(times(n, value), (uint64_t)n_cpus);
	default:
		return times(n, value + bpf_map__key_size(m) + ENTRY_OVERHEAD);
	}
}

static bool is_type_allowed(enum bpf_map_type type)
{
	switch (type) {
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LPM_TRIE:
	case BPF_MAP_TYPE_RINGBUF:
		return true;
	default:
		return false;
	}
}

static int check_maps(const struct bpf_object *o, char why[EBPF_WHY_SIZE])
{
	const struct bpf_map *m;
	uint64_t all = 0;
	unsigned n = 0;

	bpf_object__for_each_map(m, o)
	{
		uint64_t bytes = map_bytes(m);

		if (!is_type_allowed(bpf_map__type(m)))
			return refuse(-EPROTO, why, "map %.40s: its type (%s) is not on the list",
				      bpf_map__name(m), libbpf_bpf_map_type_str(bpf_map__type(m)));
		if (bpf_map__pin_path(m))
			return refuse(
				-EPROTO, why,
				"map %.40s is to be pinned: it would outlive us, or be another's",
				bpf_map__name(m));
		if (bytes > EBPF_MAP_BYTES_MAX)
			return refuse(-EPROTO, why,
				      "map %.40s would take %llu MiB of memory; at most %llu",
				      bpf_map__name(m), (unsigned long long)bytes >> 20,
				      EBPF_MAP_BYTES_MAX >> 20);
		all += bytes;
		if (++n > EBPF_MAPS_MAX || all > EBPF_MAPS_BYTES_MAX)
			return refuse(-EPROTO, why, "more than %d maps, or %llu MiB of them",
				      EBPF_MAPS_MAX, EBPF_MAPS_BYTES_MAX >> 20);
	}
	return 0;
}

int load_table(char why[EBPF_WHY_SIZE])
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "x0_table", sizeof(uint32_t),
				sizeof(struct ebpf_table), 1, &options);

	if (fd == -EPERM)
		return refuse(fd, why,
			      "not permitted: it takes CAP_BPF and CAP_NET_ADMIN outside of user "
			      "namespaces (be root)");
	if (fd == -ENOSYS)
		return refuse(fd, why, "this kernel has no bpf()");
	if (fd < 0)
		return refuse(fd, why, "the kernel refuses a map (Linux 5.5 is needed): %s",
			      strerror(-fd));
	return fd;
}

/* Opens and prepares. log NULL: the verifier is not asked to explain itself. */
static int open_object(const uint8_t *bytes, size_t len, int table_fd, const char *without,
		       char *log, struct bpf_object **ret, char why[EBPF_WHY_SIZE])
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "x0");
	struct bpf_program *p;
	struct bpf_object *o;
	struct bpf_map *table;
	int r = 0;

	if (log) {
		options.kernel_log_buf = log;
		options.kernel_log_size = LOG_SIZE;
		options.kernel_log_level = 1;
	}
	last_words[0] = '\0';
	o = bpf_object__open_mem(bytes, len, &options);
	if (!o)
		return refuse(-errno, why, "libbpf cannot read it: %.140s", last_words);
	r = check_maps(o, why);
	table = bpf_object__find_map_by_name(o, "x0_table");
	if (r == 0 && table && table_fd >= 0 && bpf_map__reuse_fd(table, table_fd) < 0)
		r = refuse(-EPROTO, why, "its table is not of the size that this program knows");
	bpf_object__for_each_program(p, o)
	{
		if (without && strcmp(bpf_program__name(p), without) == 0)
			(void)bpf_program__set_autoload(p, false);
	}
	if (r < 0)
		bpf_object__close(o);
	else
		*ret = o;
	return r;
}

/* The verifier again, and this time it says everything. */
static char *explain(const uint8_t *bytes, size_t len, int table_fd, const char *without)
{
	CLEANUP_FREE char *log = calloc(1, LOG_SIZE);
	char ignored[EBPF_WHY_SIZE];
	struct bpf_object *o = NULL;
	char *text;

	if (!log || open_object(bytes, len, table_fd, without, log, &o, ignored) < 0)
		return NULL;
	(void)bpf_object__load(o);
	bpf_object__close(o);
	text = strdup(log);
	return text;
}

/* The verifier's verdict: its last line that is no statistics. */
static void verdict(const char *log, char ret[EBPF_WHY_SIZE])
{
	const char *end = log + strlen(log);

	ret[0] = '\0';
	while (end > log) {
		const char *line = end - 1;

		while (line > log && line[-1] != '\n')
			line--;
		if (strncmp(line, "processed ", 10) != 0 && end - line > 1) {
			(void)snprintf(ret, EBPF_WHY_SIZE, "%.*s",
				       (int)(end - line - (end[-1] == '\n')), line);
			return;
		}
		end = line;
	}
}

int load_object(const uint8_t *bytes, size_t len, int table_fd, const char *without,
		struct bpf_object **ret, char why[EBPF_WHY_SIZE], char **ret_log)
{
	libbpf_print_fn_t before;
	struct bpf_object *o = NULL;
	int r = ebpf_validate(bytes, len, why);

	*ret_log = NULL;
	if (r < 0)
		return r;
	before = libbpf_set_print(on_words);
	r = open_object(bytes, len, table_fd, without, NULL, &o, why);
	if (r == 0)
		r = bpf_object__load(o);
	if (r < 0 && o) {
		char line[EBPF_WHY_SIZE] = "";
		char words[EBPF_WHY_SIZE];

		(void)snprintf(words, sizeof(words), "%s", last_words);
		bpf_object__close(o);
		*ret_log = explain(bytes, len, table_fd, without);
		if (*ret_log && **ret_log)
			verdict(*ret_log, line);
		if (r == -EPERM && !line[0])
			(void)refuse(
				r, why,
				"not permitted: it takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
		else
			(void)refuse(r, why, "%s: %.150s",
				     line[0] ? "the kernel's verifier refuses it"
					     : "the kernel refuses it",
				     line[0] ? line : words);
	}
	(void)libbpf_set_print(before);
	if (r == 0)
		*ret = o;
	return r;
}

int ebpf_check(const uint8_t *bytes, size_t len, char why[EBPF_WHY_SIZE], char **ret_log)
{
	struct bpf_object *o;
	int r = load_object(bytes, len, -1, NULL, &o, why, ret_log);

	if (r == 0)
		bpf_object__close(o);
	return r;
}
