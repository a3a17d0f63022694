/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 ebpf`: which programs of ours run in the kernel, what they count, what they cost. The daemon
 * knows where they are attached; the rest the kernel tells to root. */
#include "cli/ebpf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/endpoint.h"
#include "cli/table.h"
#include "cli/text.h"

#define SECONDS_DEFAULT_MS 5000
#define SECONDS_MAX_MS 600000
#define ENTRIES_MAX 4096 /* of one map, in one answer */

DEFINE_FREEP(struct table, table_free)

/* ---- which ---- */

static bool add_id(uint32_t *ids, unsigned *n, uint32_t id)
{
	for (unsigned i = 0; i < *n; i++)
		if (ids[i] == id)
			return true;
	if (*n == EBPF_IDS_MAX)
		return false;
	ids[(*n)++] = id;
	return true;
}

static bool has_function(uint32_t id, const char *name)
{
	char why[EBPF_WHY_SIZE];
	struct ebpf_image i;

	/* the kernel keeps 15 characters */
	return ebpf_image_counts(id, &i, why) == 0 &&
	       strncmp(i.name, name, EBPF_NAME_SIZE - 1) == 0;
}

unsigned ebpf_ids(const json_t *programs, const char *name, uint32_t ret[EBPF_IDS_MAX],
		  enum ebpf_program *ret_program, const char **ret_why)
{
	const json_t *program, *attached;
	unsigned n = 0;
	size_t i, k;

	*ret_why = "there is no such program: guard, meter, flow or enforce";
	json_array_foreach(programs, i, program)
	{
		const char *its = json_text(program, "name");

		if (strcmp(its, name) == 0)
			*ret_why = json_text(program, "why");
		json_array_foreach(json_object_get(program, "attached"), k, attached)
		{
			uint32_t id = (uint32_t)json_number(attached, "id");
			char number[16];

			(void)snprintf(number, sizeof(number), "%" PRIu32, id);
			if (strcmp(its, name) != 0 && strcmp(number, name) != 0 &&
			    !(strncmp(name, "x0_", 3) == 0 && has_function(id, name)))
				continue;
			*ret_program = ebpf_program_find(its);
			(void)add_id(ret, &n, id);
		}
	}
	return n;
}

/* ---- list ---- */

json_t *ebpf_image_json(const struct ebpf_image *i)
{
	json_t *maps = json_array();

	for (size_t k = 0; k < i->n_maps; k++)
		(void)json_array_append_new(
			maps, json_pack("{s:s, s:s, s:I, s:I, s:I}", "name", i->maps[k].name,
					"type", i->maps[k].type, "id", (json_int_t)i->maps[k].id,
					"max_entries", (json_int_t)i->maps[k].max_entries,
					"memory_bytes", (json_int_t)i->maps[k].memory_bytes));
	return json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:o}", "name", i->name, "id",
			 (json_int_t)i->id, "type", i->type, "tag", i->tag, "run_count",
			 (json_int_t)i->run_count, "run_ns", (json_int_t)i->run_ns, "jited_bytes",
			 (json_int_t)i->jited_bytes, "maps", maps);
}

static json_t *address_text(const uint64_t address[2])
{
	struct endpoint e = { 0 };
	char text[ENDPOINT_TEXT_SIZE] = "";

	memcpy(e.ip, address, sizeof(e.ip));
	if (endpoint_is_ipv4(&e))
		(void)inet_ntop(AF_INET, e.ip + 12, text, sizeof(text));
	else
		(void)inet_ntop(AF_INET6, e.ip, text, sizeof(text));
	return json_string(text);
}

/* "2001:db8:0:100::/56", "192.0.2.0/24" from the key of a map of the guard. */
static void prefix_text(uint64_t key, bool is_network, char ret[64])
{
	uint8_t ip[16] = { 0 };
	char text[INET6_ADDRSTRLEN] = "";
	bool is_four = key >> 32 == 0;

	if (is_four)
		store_u32(ip, (uint32_t)key);
	else
		store_u64(ip, key);
	(void)inet_ntop(is_four ? AF_INET : AF_INET6, ip, text, sizeof(text));
	(void)snprintf(ret, 64, "%s/%u", text,
		       is_four ? (is_network ? 32 : 24) : (is_network ? 64 : 56));
}

struct sources {
	json_t *list;
	bool is_network;
};

static void on_source(void *arg, const void *key, const void *value)
{
	const struct sources *s = arg;
	struct ebpf_source source;
	char prefix[64];
	uint64_t k;

	memcpy(&k, key, sizeof(k));
	memcpy(&source, value, sizeof(source));
	prefix_text(k, s->is_network, prefix);
	(void)json_array_append_new(s->list, json_pack("{s:s, s:I, s:I, s:I}", "prefix", prefix,
						       "packets", (json_int_t)source.packets,
						       "bytes", (json_int_t)source.bytes, "dropped",
						       (json_int_t)source.dropped));
}

static void on_mac(void *arg, const void *key, const void *value)
{
	struct ebpf_mac m;
	char text[17];
	uint64_t k;

	memcpy(&k, key, sizeof(k));
	memcpy(&m, value, sizeof(m));
	(void)snprintf(text, sizeof(text), "%016" PRIx64, k);
	(void)json_array_append_new(arg, json_pack("{s:s, s:I, s:I, s:I, s:I}", "mac_hash", text,
						   "packets_in", (json_int_t)m.packets[EBPF_IN],
						   "bytes_in", (json_int_t)m.bytes[EBPF_IN],
						   "packets_out", (json_int_t)m.packets[EBPF_OUT],
						   "bytes_out", (json_int_t)m.bytes[EBPF_OUT]));
}

static const char *tcp_state(uint32_t state)
{
	static const char *const names[] = {
		"",	      "established", "syn-sent",  "syn-received",
		"fin-wait-1", "fin-wait-2",  "time-wait", "closed",
		"close-wait", "last-ack",    "listen",	  "closing",
	};

	return state < N_ELEMENTS(names) ? names[state] : "";
}

static void on_flow(void *arg, const void *key, const void *value)
{
	struct ebpf_flow_key k;
	struct ebpf_flow f;
	uint64_t remote[2];

	memcpy(&k, key, sizeof(k));
	memcpy(&f, value, sizeof(f));
	memcpy(remote, k.remote, sizeof(remote));
	(void)json_array_append_new(
		arg,
		json_pack("{s:o, s:i, s:i, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "remote",
			  address_text(remote), "remote_port", (int)k.remote_port, "local_port",
			  (int)k.local_port, "state", tcp_state(f.state), "is_active",
			  (int)f.is_active, "srtt_us", (json_int_t)f.srtt_us, "min_rtt_us",
			  (json_int_t)f.min_rtt_us, "max_rtt_us", (json_int_t)f.max_rtt_us,
			  "rtt_samples", (json_int_t)f.samples, "retransmits",
			  (json_int_t)f.retransmits, "bytes_acked", (json_int_t)f.bytes_acked,
			  "bytes_received", (json_int_t)f.bytes_received));
}

static void add_entries(json_t *program, enum ebpf_program p, uint32_t id)
{
	json_t *list = json_array();
	struct sources s = { .list = list };

	switch (p) {
	case EBPF_GUARD:
		(void)ebpf_map_each(id, "x0_prefixes", sizeof(uint64_t), sizeof(struct ebpf_source),
				    ENTRIES_MAX, on_source, &s);
		(void)json_object_set_new(program, "prefixes", list);
		break;
	case EBPF_METER:
		(void)ebpf_map_each(id, "x0_macs", sizeof(uint64_t), sizeof(struct ebpf_mac),
				    ENTRIES_MAX, on_mac, list);
		(void)json_object_set_new(program, "macs", list);
		break;
	case EBPF_FLOW:
		(void)ebpf_map_each(id, "x0_flows", sizeof(struct ebpf_flow_key),
				    sizeof(struct ebpf_flow), ENTRIES_MAX, on_flow, list);
		(void)json_object_set_new(program, "flows", list);
		break;
	case EBPF_ENFORCE:
	case EBPF_N_PROGRAMS:
		json_decref(list);
		break;
	}
}

/* What only the kernel knows, where it tells us. */
static void add_kernel(json_t *program, const json_t *programs, char why[EBPF_WHY_SIZE])
{
	uint32_t ids[EBPF_IDS_MAX];
	enum ebpf_program p = EBPF_N_PROGRAMS;
	const char *ignored;
	unsigned n = ebpf_ids(programs, json_text(program, "name"), ids, &p, &ignored);
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++) {
		struct ebpf_image image;

		if (ebpf_image_counts(ids[i], &image, why) < 0)
			continue;
		(void)json_array_append_new(list, ebpf_image_json(&image));
		if (i == 0)
			add_entries(program, p, ids[i]);
	}
	(void)json_object_set_new(program, "kernel", list);
}

static void row(struct table *t, const json_t *program)
{
	const json_t *attached, *kernel;
	uint64_t runs = 0, memory = 0;
	size_t i;

	(void)table_cell(t, json_text(program, "name"), CLI_BOLD);
	(void)table_cell(t, json_flag(program, "is_on") ? "on" : "off",
			 json_flag(program, "is_on") ? CLI_GREEN : CLI_YELLOW);
	json_array_foreach(json_object_get(program, "kernel"), i, kernel)
	{
		const json_t *map;
		size_t k;

		runs += (uint64_t)json_number(kernel, "run_count");
		json_array_foreach(json_object_get(kernel, "maps"), k, map) if (i == 0) memory +=
			(uint64_t)json_number(map, "memory_bytes");
	}
	attached = json_object_get(program, "attached");
	(void)table_cellf(t, "%zu", json_array_size(attached));
	if (runs)
		(void)table_cellf(t, "%" PRIu64, runs);
	else
		(void)table_cell(t, "", CLI_PLAIN);
	(void)table_cellf(t, "%" PRIu64 " KiB", memory >> 10);
	(void)table_cell(t, json_text(program, "why"), CLI_PLAIN);
}

static void show_counters(struct cli *c, const json_t *program)
{
	const char *name = json_text(program, "name");
	const json_t *value;
	const char *key;

	json_object_foreach(json_object_get(program, "counters"), key, value)
	{
		if (json_is_integer(value) && json_integer_value(value) > 0)
			cli_say(c, "%-8s %-26s %lld", name, key,
				(long long)json_integer_value(value));
		if (json_is_object(value))
			cli_say(c, "%-8s %-26s %lld packets, %lld bytes", name, key,
				(long long)json_number(value, "packets"),
				(long long)json_number(value, "bytes"));
	}
}

static int list(struct cli *c)
{
	static const struct table_column columns[] = {
		{ "program", false, 0 }, { "is", false, 0 },  { "places", true, 2 },
		{ "runs", true, 3 },	 { "maps", true, 4 }, { "where, or why not", false, 0 },
	};
	CLEANUP(table_freep) struct table *t = NULL;
	char why[EBPF_WHY_SIZE] = "";
	json_t *programs = NULL;
	json_t *program;
	size_t i;
	int r = cli_call(c, "ebpf", NULL, &programs);

	if (r != 0)
		return r;
	if (table_new(columns, N_ELEMENTS(columns), &t) < 0) {
		json_decref(programs);
		return cli_fail(c, CLI_FAILED, "failed", "out of memory");
	}
	json_array_foreach(programs, i, program)
	{
		add_kernel(program, programs, why);
		row(t, program);
	}
	if (!c->is_json) {
		table_print(t, c);
		json_array_foreach(programs, i, program) show_counters(c, program);
		if (why[0])
			cli_note(c, "Maps and runs are not shown: %s", why);
		else
			cli_note(c, "Runs are counted while x0 ebpf profile looks (or "
				    "kernel.bpf_stats_enabled is 1).");
	}
	cli_json(c, programs);
	return 0;
}

/* ---- profile ---- */

struct sample {
	uint64_t count, ns;
};

static int take_samples(struct cli *c, const uint32_t *ids, unsigned n, struct sample *ret)
{
	for (unsigned i = 0; i < n; i++) {
		char why[EBPF_WHY_SIZE];
		struct ebpf_image image;

		if (ebpf_image_counts(ids[i], &image, why) < 0)
			return cli_fail(c, CLI_DENIED, "denied", "%s", why);
		ret[i] = (struct sample){ image.run_count, image.run_ns };
	}
	return 0;
}

static void tell_profile(struct cli *c, json_t *all, uint32_t id, const struct sample *before,
			 const struct sample *after, uint64_t ms)
{
	uint64_t runs = after->count - before->count, ns = after->ns - before->ns;
	struct ebpf_image image;
	char why[EBPF_WHY_SIZE];
	double each = runs ? (double)ns / (double)runs : 0;
	double share = (double)ns / ((double)ms * 10000);

	if (ebpf_image_counts(id, &image, why) < 0)
		return;
	cli_say(c, "%-16s %10" PRIu64 " runs in %.1f s, %.0f ns each, %.3f%% of a processor",
		image.name, runs, (double)ms / 1000, each, share);
	(void)json_array_append_new(all, json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f}", "name",
						   image.name, "id", (json_int_t)id, "ms",
						   (json_int_t)ms, "runs", (json_int_t)runs,
						   "total_ns", (json_int_t)ns, "ns_per_run", each,
						   "processor_percent", share));
}

static int profile(struct cli *c, const uint32_t *ids, unsigned n)
{
	struct sample before[EBPF_IDS_MAX] = { 0 }, after[EBPF_IDS_MAX] = { 0 };
	uint64_t ms = SECONDS_DEFAULT_MS;
	struct timespec wait;
	json_t *all;
	int fd, r;

	if (cli_given(c, "seconds") &&
	    text_seconds(cli_value(c, "seconds"), 10, SECONDS_MAX_MS, &ms) < 0)
		return cli_usage(c, "--seconds: 0.01 to 600");
	fd = ebpf_stats_open();
	if (fd < 0)
		return cli_fail(c, CLI_DENIED, "denied",
				"the kernel does not count runs for us: %s; as root: sudo x0 ebpf "
				"profile",
				strerror(-fd));
	r = take_samples(c, ids, n, before);
	if (r == 0) {
		wait = (struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
		(void)nanosleep(&wait, NULL);
		r = take_samples(c, ids, n, after);
	}
	(void)close(fd);
	if (r != 0)
		return r;
	all = json_array();
	for (unsigned i = 0; i < n; i++)
		tell_profile(c, all, ids[i], &before[i], &after[i], ms);
	cli_json(c, all);
	return 0;
}

/* ---- check ---- */

static uint8_t *read_whole(const char *path, size_t *ret_len)
{
	uint8_t *bytes = malloc(EBPF_OBJECT_MAX + 1);
	FILE *f = fopen(path, "re");

	*ret_len = 0;
	if (f && bytes)
		*ret_len = fread(bytes, 1, EBPF_OBJECT_MAX + 1, f);
	if (f)
		(void)fclose(f);
	if (f && bytes)
		return bytes;
	free(bytes);
	return NULL;
}

static int check(struct cli *c)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	CLEANUP_FREE char *log = NULL;
	char why[EBPF_WHY_SIZE] = "";
	size_t len;
	int r;

	if (c->n_args != 2)
		return cli_usage(c, "one file: x0 ebpf check FILE");
	bytes = read_whole(c->args[1], &len);
	if (!bytes)
		return cli_fail(c, CLI_FAILED, "file", "%s: %s", c->args[1], strerror(errno));
	r = ebpf_check(bytes, len, why, &log);
	if (r == 0) {
		cli_say(c, "%s: allowed, and the kernel's verifier takes it.", c->args[1]);
		cli_json(c, json_pack("{s:b}", "is_valid", 1));
		return 0;
	}
	if (!c->is_json) {
		if (log && *log)
			(void)fputs(log, c->err);
		return cli_fail(c, r == -EPERM ? CLI_DENIED : CLI_FAILED, "refused", "%s: %s",
				c->args[1], why);
	}
	cli_json(c, json_pack("{s:{s:s, s:s, s:s}}", "error", "code", "refused", "message", why,
			      "verifier_log", log ? log : ""));
	return r == -EPERM ? CLI_DENIED : CLI_FAILED;
}

/* ---- the verb ---- */

int verb_ebpf(struct cli *c)
{
	uint32_t ids[EBPF_IDS_MAX];
	enum ebpf_program program = EBPF_N_PROGRAMS;
	json_t *programs = NULL;
	const char *action = c->args[0];
	const char *why;
	unsigned n;
	int r;

	if (strcmp(action, "list") == 0)
		return c->n_args == 1 ? list(c) : cli_usage(c, "x0 ebpf list takes no name");
	if (strcmp(action, "check") == 0)
		return check(c);
	if (strcmp(action, "explain") != 0 && strcmp(action, "profile") != 0)
		return cli_usage(c, "x0 ebpf list, explain, profile or check");
	if (c->n_args != 2)
		return cli_usage(c, "which program: guard, meter, flow or enforce");
	r = cli_call(c, "ebpf", NULL, &programs);
	if (r != 0)
		return r;
	n = ebpf_ids(programs, c->args[1], ids, &program, &why);
	if (n == 0)
		r = cli_fail(c, CLI_FAILED, "off", "%s: %s", c->args[1], why);
	else if (strcmp(action, "profile") == 0)
		r = profile(c, ids, n);
	else
		r = ebpf_explain(c, program, ids, n);
	json_decref(programs);
	return r;
}
