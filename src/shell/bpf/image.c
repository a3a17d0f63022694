/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a loaded program: its instructions as they run, the lines of source
 * they came from, its maps, how often it ran. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "base/cleanup.h"
#include "shell/bpf/internal.h"
#include "shell/bpf/symbols.h"

#define FUNCTIONS_MAX 64
#define LINES_MAX 65536

_Static_assert(sizeof(struct ebpf_insn) == sizeof(struct bpf_insn), "they are the same bytes");

static void image_freep(struct ebpf_image **i)
{
	ebpf_image_free(*i);
}

static void closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static int fail(int r, const char *what, char why[EBPF_WHY_SIZE])
{
	(void)snprintf(why, EBPF_WHY_SIZE, "%s: %s", what,
		       r == -EPERM ? "not permitted (CAP_SYS_ADMIN: be root)" : strerror(-r));
	return r;
}

/* ---- names ---- */

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a;
	const struct symbol *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void read_kernel(struct symbols *s)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	size_t room = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		char name[256];
		uint64_t address;

		/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote the numbers */
		if (sscanf(line, "%" SCNx64 " %*c %255s", &address, name) != 2 || address == 0)
			continue;
		if (s->n == room) {
			struct symbol *more;

			room = room ? 2 * room : 1 << 16;
			more = realloc(s->of, room * sizeof(*more));
			if (!more)
				break;
			s->of = more;
		}
		if (strcmp(name, "__bpf_call_base") == 0)
			s->base = address;
		s->of[s->n].address = address;
		s->of[s->n].name = strdup(name);
		s->n += s->of[s->n].name != NULL;
	}
	if (f)
		(void)fclose(f);
	qsort(s->of, s->n, sizeof(*s->of), by_address);
}

static void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->of[i].name);
	free(s->of);
	free(s->functions);
	free(s);
}

/* ---- one program ---- */

struct details {
	struct bpf_prog_info info;
	uint32_t map_ids[EBPF_MAPS_MAX];
	uint8_t tags[FUNCTIONS_MAX][BPF_TAG_SIZE];
	struct bpf_func_info functions[FUNCTIONS_MAX];
	struct bpf_line_info *lines;
};

static void read_maps(struct ebpf_image *i, const struct details *d)
{
	for (uint32_t k = 0; k < d->info.nr_map_ids && k < EBPF_MAPS_MAX; k++) {
		CLEANUP(closep) int fd = bpf_map_get_fd_by_id(d->map_ids[k]);
		struct ebpf_map_info *m = &i->maps[i->n_maps];
		struct bpf_map_info info = { 0 };
		uint32_t len = sizeof(info);
		const char *type;

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
			continue;
		type = libbpf_bpf_map_type_str((enum bpf_map_type)info.type);
		*m = (struct ebpf_map_info){
			.id = info.id,
			.key_size = info.key_size,
			.value_size = info.value_size,
			.max_entries = info.max_entries,
		};
		(void)snprintf(m->name, sizeof(m->name), "%s", info.name);
		(void)snprintf(m->type, sizeof(m->type), "%s", type ? type : "unknown");
		m->memory_bytes =
			(uint64_t)info.max_entries * ((uint64_t)info.key_size + info.value_size);
		if (info.type == BPF_MAP_TYPE_RINGBUF)
			m->memory_bytes = info.max_entries;
		i->n_maps++;
	}
}

static int read_info(int fd, struct details *d, char why[EBPF_WHY_SIZE])
{
	uint32_t len = sizeof(d->info);
	int r = bpf_obj_get_info_by_fd(fd, &d->info, &len);

	return r < 0 ? fail(r, "the kernel does not tell of it", why) : 0;
}

static void fill_head(struct ebpf_image *i, const struct details *d)
{
	const char *type = libbpf_bpf_prog_type_str((enum bpf_prog_type)d->info.type);

	i->id = d->info.id;
	(void)snprintf(i->name, sizeof(i->name), "%s", d->info.name);
	(void)snprintf(i->type, sizeof(i->type), "%s", type ? type : "unknown");
	for (unsigned k = 0; k < BPF_TAG_SIZE; k++)
		(void)snprintf(i->tag + 2 * (size_t)k, 3, "%02x", d->info.tag[k]);
	i->run_count = d->info.run_cnt;
	i->run_ns = d->info.run_time_ns;
	i->jited_bytes = d->info.jited_prog_len;
}

static void read_memory(int fd, struct ebpf_image *i)
{
	char path[64], line[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote the number */
		(void)sscanf(line, "memlock: %" SCNu32, &i->memory_bytes);
	if (f)
		(void)fclose(f);
}

int ebpf_image_counts(uint32_t id, struct ebpf_image *ret, char why[EBPF_WHY_SIZE])
{
	CLEANUP(closep) int fd = bpf_prog_get_fd_by_id(id);
	struct details d = { 0 };
	int r;

	memset(ret, 0, sizeof(*ret));
	if (fd < 0)
		return fail(fd, "the program cannot be opened", why);
	d.info.nr_map_ids = EBPF_MAPS_MAX;
	d.info.map_ids = (uint64_t)(uintptr_t)d.map_ids;
	r = read_info(fd, &d, why);
	if (r < 0)
		return r;
	fill_head(ret, &d);
	read_maps(ret, &d);
	read_memory(fd, ret);
	return 0;
}

static const char *btf_text(const struct btf *btf, uint32_t at)
{
	const char *text = btf ? btf__name_by_offset(btf, at) : NULL;

	while (text && (*text == ' ' || *text == '\t'))
		text++;
	return text;
}

static const char *function_name(const struct btf *btf, uint32_t type_id)
{
	const struct btf_type *t = btf ? btf__type_by_id(btf, type_id) : NULL;

	return t ? btf__name_by_offset(btf, t->name_off) : NULL;
}

static int name_functions(struct ebpf_image *i, struct symbols *s, const struct details *d,
			  const struct btf *btf)
{
	uint32_t n = d->info.nr_prog_tags < FUNCTIONS_MAX ? d->info.nr_prog_tags : FUNCTIONS_MAX;

	if (d->info.nr_func_info > 0 && function_name(btf, d->functions[0].type_id))
		(void)snprintf(i->name, sizeof(i->name), "%s",
			       function_name(btf, d->functions[0].type_id));
	s->functions = calloc(n ? n : 1, sizeof(*s->functions));
	if (!s->functions)
		return -ENOMEM;
	for (uint32_t k = 0; k < n && k < d->info.nr_func_info; k++) {
		const char *name = function_name(btf, d->functions[k].type_id);
		char *to = s->functions[k];

		(void)snprintf(to, sizeof(s->functions[k]), "bpf_prog_");
		for (unsigned b = 0; b < BPF_TAG_SIZE; b++)
			(void)snprintf(to + 9 + 2 * (size_t)b, 3, "%02x", d->tags[k][b]);
		(void)snprintf(to + 9 + 2 * BPF_TAG_SIZE, sizeof(s->functions[k]) - 25, "_%s",
			       name ? name : "");
		s->n_functions++;
	}
	return 0;
}

static void add_lines(struct ebpf_image *i, const struct details *d, const struct btf *btf)
{
	for (uint32_t k = 0; k < d->info.nr_line_info; k++) {
		const struct bpf_line_info *l = &d->lines[k];
		const char *text = btf_text(btf, l->line_off);

		if (l->insn_off < i->n_insns && text && !i->source[l->insn_off])
			i->source[l->insn_off] = strdup(text);
	}
}

/* The second question: how much room is needed is known from the first. */
static int ask_all(int fd, struct ebpf_image *i, struct details *d, char why[EBPF_WHY_SIZE])
{
	struct bpf_prog_info first;
	int r = read_info(fd, d, why);

	if (r < 0)
		return r;
	first = d->info;
	if (first.xlated_prog_len == 0)
		return fail(-EPERM, "the kernel does not show its instructions", why);
	i->insns = calloc(1, first.xlated_prog_len);
	d->lines = calloc((size_t)first.nr_line_info + 1, sizeof(*d->lines));
	if (!i->insns || !d->lines || first.nr_line_info > LINES_MAX)
		return fail(-ENOMEM, "it is too large", why);
	d->info = (struct bpf_prog_info){
		.xlated_prog_len = first.xlated_prog_len,
		.xlated_prog_insns = (uint64_t)(uintptr_t)i->insns,
		.nr_map_ids = EBPF_MAPS_MAX,
		.map_ids = (uint64_t)(uintptr_t)d->map_ids,
		.nr_prog_tags = FUNCTIONS_MAX,
		.prog_tags = (uint64_t)(uintptr_t)d->tags,
		.nr_func_info = FUNCTIONS_MAX,
		.func_info_rec_size = sizeof(d->functions[0]),
		.func_info = (uint64_t)(uintptr_t)d->functions,
		.nr_line_info = first.nr_line_info,
		.line_info_rec_size = sizeof(*d->lines),
		.line_info = (uint64_t)(uintptr_t)d->lines,
	};
	return read_info(fd, d, why);
}

int ebpf_image_new(uint32_t id, struct ebpf_image **ret, char why[EBPF_WHY_SIZE])
{
	CLEANUP(image_freep) struct ebpf_image *i = calloc(1, sizeof(*i));
	CLEANUP(closep) int fd = bpf_prog_get_fd_by_id(id);
	struct symbols *s = calloc(1, sizeof(*s));
	struct details d = { 0 };
	struct btf *btf = NULL;
	int r;

	if (!i || !s) {
		free(s);
		return fail(-ENOMEM, "it cannot be read", why);
	}
	i->names = s;
	if (fd < 0)
		return fail(fd, "the program cannot be opened", why);
	r = ask_all(fd, i, &d, why);
	if (r == 0) {
		fill_head(i, &d);
		read_maps(i, &d);
		read_memory(fd, i);
		read_kernel(s);
		i->n_insns = d.info.xlated_prog_len / sizeof(*i->insns);
		i->source = calloc(i->n_insns + 1, sizeof(*i->source));
		btf = d.info.btf_id ? btf__load_from_kernel_by_id(d.info.btf_id) : NULL;
		if (!i->source || name_functions(i, s, &d, btf) < 0)
			r = fail(-ENOMEM, "it cannot be read", why);
	}
	if (r == 0) {
		add_lines(i, &d, btf);
		*ret = TAKE(i);
	}
	btf__free(btf);
	free(d.lines);
	return r;
}

void ebpf_image_free(struct ebpf_image *i)
{
	union {
		const void *in;
		struct symbols *out;
	} names = { .in = i ? i->names : NULL };

	if (!i)
		return;
	for (size_t k = 0; i->source && k < i->n_insns; k++)
		free(i->source[k]);
	free(i->source);
	free(i->insns);
	symbols_free(names.out);
	free(i);
}

int ebpf_stats_open(void)
{
	return bpf_enable_stats(BPF_STATS_RUN_TIME);
}

/* ---- entries of a map ---- */

static int map_of(uint32_t program_id, const char *name)
{
	struct ebpf_image i;
	char why[EBPF_WHY_SIZE];
	int r = ebpf_image_counts(program_id, &i, why);

	if (r < 0)
		return r;
	for (size_t k = 0; k < i.n_maps; k++)
		if (strcmp(i.maps[k].name, name) == 0)
			return bpf_map_get_fd_by_id(i.maps[k].id);
	return -ENOENT;
}

int ebpf_map_each(uint32_t program_id, const char *map, size_t key_size, size_t value_size,
		  size_t max, ebpf_entry *each, void *arg)
{
	CLEANUP(closep) int fd = map_of(program_id, map);
	CLEANUP_FREE uint8_t *room = calloc(2, key_size + value_size);
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	uint8_t *key = room, *next = room + key_size, *value = next + key_size;
	bool is_first = true;

	if (fd < 0)
		return fd;
	if (!room)
		return -ENOMEM;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.key_size != key_size ||
	    info.value_size != value_size)
		return -EPROTO;
	for (size_t n = 0; n < max; n++) {
		if (bpf_map_get_next_key(fd, is_first ? NULL : key, next) < 0)
			break;
		is_first = false;
		memcpy(key, next, key_size);
		if (bpf_map_lookup_elem(fd, key, value) == 0)
			each(arg, key, value);
	}
	return 0;
}
