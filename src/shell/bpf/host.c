/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's side: which program is attached where, kept right as interfaces come and go. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "shell/bpf/internal.h"

/* A network may send this many handshake datagrams: the daemon looks at 100 new M1 a second of a
 * network and 200 of a prefix (docs/handshake.md), and a whole handshake is 10 to 20 datagrams. */
#define NETWORK_RATE 2000
#define PREFIX_RATE 4000
#define BURST_NS 1000000000ULL

/* Of the attachments: for the tunnel's two and the control group, however many Ethernet interfaces
 * there are. */
#define RESERVED 3

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

struct ebpf_host {
	struct ebpf_options options;
	struct bpf_object *objects[EBPF_N_PROGRAMS];
	int table_fd;
	struct ebpf_table *table;
	struct attached attached[EBPF_ATTACHMENTS_MAX];
	char troubles[EBPF_N_PROGRAMS][EBPF_WHY_SIZE]; /* of attaching, this time round */
};

static void host_freep(struct ebpf_host **h)
{
	ebpf_host_free(*h);
}

/* ---- telling ---- */

static void set_state(struct ebpf_host *h, enum ebpf_program p, bool is_on, const char *why)
{
	struct ebpf_state *s = &h->table->states[p];

	s->is_on = is_on;
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
}

static void log_refusal(const struct ebpf_host *h, enum ebpf_program p, const char *why, char *log)
{
	char *rest = log;
	char *line;

	if (!h->options.log)
		return;
	log_warning(h->options.log, "ebpf_refused", log_str("program", ebpf_program_name(p)),
		    log_str("why", why));
	while (rest && (line = strsep(&rest, "\n")))
		if (*line)
			log_warning(h->options.log, "ebpf_verifier",
				    log_str("program", ebpf_program_name(p)),
				    log_str("says", line));
}

static void append(char text[EBPF_WHY_SIZE], const char *more)
{
	size_t len = strlen(text), left = EBPF_WHY_SIZE - len;

	if (snprintf(text + len, left, "%s%s", len ? ", " : "", more) >= (int)left)
		memcpy(text + EBPF_WHY_SIZE - 4, "...", 4); /* that it goes on */
}

/* "tcx on eth0, eth1", from what is attached. */
static void tell_program(struct ebpf_host *h, enum ebpf_program p)
{
	char text[EBPF_WHY_SIZE] = "";

	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++) {
		const struct attached *a = &h->attached[i];
		char one[64];

		if (a->mode == EBPF_MODE_NONE || a->program != p ||
		    (p != EBPF_GUARD && p != EBPF_FLOW && a->direction == EBPF_OUT))
			continue;
		(void)snprintf(one, sizeof(one), "%s on %s", ebpf_mode_name(a->mode), a->name);
		append(text, one);
	}
	if (text[0] && h->troubles[p][0])
		append(text, h->troubles[p]);
	if (text[0])
		set_state(h, p, true, text);
	else
		set_state(h, p, false,
			  h->troubles[p][0]   ? h->troubles[p]
			  : p == EBPF_ENFORCE ? "there is no tunnel device"
					      : "there is no Ethernet interface");
}

static void tell(struct ebpf_host *h)
{
	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++) {
		const struct attached *a = &h->attached[i];
		struct ebpf_attachment *t = &h->table->attachments[i];

		*t = (struct ebpf_attachment){
			.program = a->program,
			.id = a->id,
			.mode = a->mode,
			.direction = a->direction,
			.interface = a->interface,
		};
		memcpy(t->name, a->name, sizeof(t->name));
	}
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++)
		if (h->objects[p])
			tell_program(h, (enum ebpf_program)p);
}

/* ---- attaching ---- */

static int program_fd(const struct ebpf_host *h, const char *name)
{
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++) {
		const struct bpf_program *program =
			h->objects[p] ? bpf_object__find_program_by_name(h->objects[p], name)
				      : NULL;

		if (program)
			return bpf_program__fd(program);
	}
	return -1;
}

int ebpf_host_try(const struct ebpf_host *h, const char *function, const uint8_t *frame, size_t len,
		  unsigned repeat, int *ret_verdict, unsigned *ret_ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (uint32_t)len,
		    .repeat = (int)repeat);
	int fd = program_fd(h, function);
	int r = fd < 0 ? -ENOENT : bpf_prog_test_run_opts(fd, &options);

	if (r < 0)
		return r;
	*ret_verdict = (int)options.retval;
	*ret_ns = options.duration;
	return 0;
}

static struct attached *find(struct ebpf_host *h, enum ebpf_program p, unsigned interface,
			     enum ebpf_direction d)
{
	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++) {
		struct attached *a = &h->attached[i];

		if (a->mode != EBPF_MODE_NONE && a->program == p && a->interface == interface &&
		    a->direction == d)
			return a;
	}
	return NULL;
}

static struct attached *room(struct ebpf_host *h, enum ebpf_program p)
{
	bool has_reserved = p == EBPF_ENFORCE || p == EBPF_FLOW;

	for (unsigned i = has_reserved ? 0 : RESERVED; i < EBPF_ATTACHMENTS_MAX; i++)
		if (h->attached[i].mode == EBPF_MODE_NONE)
			return &h->attached[i];
	return NULL;
}

static void trouble(struct ebpf_host *h, enum ebpf_program p, const char *where, int r)
{
	char one[EBPF_WHY_SIZE];

	(void)snprintf(one, sizeof(one), "not on %s: %s", where, strerror(-r));
	append(h->troubles[p], one);
}

/* Who its qdisc is for is found out at the first program of an interface. */
static enum qdisc_owner qdisc_of(const struct ebpf_host *h, unsigned interface)
{
	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++) {
		const struct attached *a = &h->attached[i];

		if (a->mode == EBPF_MODE_CLSACT && a->interface == interface)
			return a->qdisc;
	}
	return QDISC_UNKNOWN;
}

static void attach_one(struct ebpf_host *h, enum ebpf_program p, const struct link_row *l,
		       enum ebpf_direction d, const char *function)
{
	int xdp_fd = p == EBPF_GUARD ? program_fd(h, "x0_guard_xdp") : -1;
	struct attached *a;
	int r = -EOPNOTSUPP;

	if (!h->objects[p] || find(h, p, l->index, d))
		return;
	a = room(h, p);
	if (!a) {
		trouble(h, p, l->name, -ENOBUFS);
		return;
	}
	*a = (struct attached){ .program = p,
				.link_fd = -1,
				.number = h->options.number,
				.qdisc = qdisc_of(h, l->index) };
	memcpy(a->name, l->name, sizeof(a->name));
	if (xdp_fd >= 0 && (h->options.where == EBPF_WHERE_XDP ||
			    (h->options.where == EBPF_WHERE_AUTO && link_is_native(l))))
		r = attach_xdp(xdp_fd, l->index, true, a);
	if (r < 0 && xdp_fd >= 0 && h->options.where == EBPF_WHERE_XDP)
		r = attach_xdp(xdp_fd, l->index, false, a);
	if (r < 0)
		r = attach_tc(program_fd(h, function), l->index, d,
			      h->options.where == EBPF_WHERE_CLSACT, a);
	if (r < 0) {
		a->mode = EBPF_MODE_NONE;
		trouble(h, p, l->name, r);
	}
}

static void attach_underlay(struct ebpf_host *h, const struct link_row *l)
{
	/* First the guard: the meter counts what it lets through. */
	attach_one(h, EBPF_GUARD, l, EBPF_IN, "x0_guard_tc");
	attach_one(h, EBPF_METER, l, EBPF_IN, "x0_meter_in");
	attach_one(h, EBPF_METER, l, EBPF_OUT, "x0_meter_out");
}

static void attach_tunnel(struct ebpf_host *h, const struct link_row *l)
{
	attach_one(h, EBPF_ENFORCE, l, EBPF_OUT, "x0_enforce_out");
	attach_one(h, EBPF_ENFORCE, l, EBPF_IN, "x0_enforce_in");
}

static void attach_flow(struct ebpf_host *h)
{
	char why[EBPF_WHY_SIZE] = "";
	struct attached *a = room(h, EBPF_FLOW);

	if (!h->objects[EBPF_FLOW] || !a || find(h, EBPF_FLOW, 0, EBPF_IN))
		return;
	*a = (struct attached){ .program = EBPF_FLOW, .link_fd = -1 };
	if (attach_cgroup(program_fd(h, "x0_flow"), a, why) < 0) {
		a->mode = EBPF_MODE_NONE;
		append(h->troubles[EBPF_FLOW], why);
	}
}

/* Anybody may take a filter or the qdisc away; a link nobody can. What is not there any more is
 * attached anew. */
static void forget_lost(struct ebpf_host *h)
{
	struct qdisc_filters found = { 0 };
	unsigned interface = 0;

	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++) {
		struct attached *a = &h->attached[i];

		if (a->mode != EBPF_MODE_CLSACT)
			continue;
		if (a->interface != interface &&
		    qdisc_look(a->interface, h->options.number, &found) < 0)
			return;
		interface = a->interface;
		if (!(found.own[a->direction] & 1U << a->program))
			a->mode = EBPF_MODE_NONE;
	}
}

static bool is_there(const struct link_row *rows, unsigned n, unsigned interface)
{
	for (unsigned i = 0; i < n; i++)
		if (rows[i].index == interface)
			return true;
	return interface == 0;
}

/* The daemon may not ask the kernel itself. A program's functions that were not loaded have no
 * descriptor. */
static void read_runs(struct ebpf_host *h)
{
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++) {
		struct ebpf_runs runs = { 0 };
		struct bpf_program *function;

		if (!h->objects[p])
			continue;
		bpf_object__for_each_program(function, h->objects[p])
		{
			struct bpf_prog_info info = { 0 };
			uint32_t len = sizeof(info);
			int fd = bpf_program__fd(function);

			if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
				continue;
			runs.n += info.run_cnt;
			runs.ns += info.run_time_ns;
		}
		h->table->runs[p] = runs;
	}
}

void ebpf_host_refresh(struct ebpf_host *h)
{
	struct link_row rows[LINKS_MAX];
	int n = links_list(h->options.tun_name, rows);

	if (n < 0)
		return; /* as it was; the next time */
	memset(h->troubles, 0, sizeof(h->troubles));
	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++)
		if (!is_there(rows, (unsigned)n, h->attached[i].interface))
			detach(&h->attached[i]);
	forget_lost(h);
	for (unsigned i = 0; i < (unsigned)n; i++) {
		if (strcmp(rows[i].name, h->options.tun_name) == 0)
			attach_tunnel(h, &rows[i]);
		else if (rows[i].is_ethernet && rows[i].is_up && !rows[i].is_loopback &&
			 !rows[i].has_master)
			attach_underlay(h, &rows[i]);
	}
	attach_flow(h);
	read_runs(h);
	h->table->n_locals = links_addresses((uint64_t(*)[2])h->table->locals);
	tell(h);
}

/* ---- loading ---- */

static bool wants_xdp(const struct ebpf_host *h)
{
	struct link_row rows[LINKS_MAX];
	int n;

	if (h->options.where != EBPF_WHERE_AUTO)
		return h->options.where == EBPF_WHERE_XDP;
	n = links_list(NULL, rows);
	for (int i = 0; i < n; i++)
		if (rows[i].is_ethernet && link_is_native(&rows[i]))
			return true;
	return false;
}

static void load(struct ebpf_host *h, enum ebpf_program p)
{
	const char *without = p == EBPF_GUARD && !wants_xdp(h) ? "x0_guard_xdp" : NULL;
	CLEANUP_FREE char *log = NULL;
	char why[EBPF_WHY_SIZE] = "";
	const uint8_t *bytes;
	size_t len;
	int r;

	if (h->options.wishes[p] == EBPF_OFF) {
		set_state(h, p, false, "switched off in the configuration");
		return;
	}
	ebpf_object_bytes(p, &bytes, &len);
	r = load_object(bytes, len, h->table_fd, without, &h->objects[p], why, &log);
	if (r < 0) {
		h->objects[p] = NULL;
		set_state(h, p, false, why);
		log_refusal(h, p, why, log);
	}
}

static void fill_blocked(struct ebpf_host *h)
{
	const struct bpf_map *m =
		h->objects[EBPF_GUARD]
			? bpf_object__find_map_by_name(h->objects[EBPF_GUARD], "x0_blocked")
			: NULL;
	const uint32_t one = 1;

	for (unsigned i = 0; m && i < h->options.n_blocked; i++) {
		struct ebpf_trie_key key = { .prefix_len = h->options.blocked[i].len };

		memcpy(key.address, h->options.blocked[i].ip, sizeof(key.address));
		h->table->n_blocked +=
			bpf_map_update_elem(bpf_map__fd(m), &key, &one, BPF_ANY) == 0;
	}
}

/* 0 before Linux 5.14, where the program that asks for it is refused anyway. */
static uint64_t namespace_cookie(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (fd < 0)
		return 0;
	(void)getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len);
	(void)close(fd);
	return cookie;
}

static void listen_on(const struct endpoint *local, struct ebpf_listen *ret)
{
	static const uint8_t any[16] = { 0 };
	static const uint8_t any_ipv4[16] = { [10] = 0xff, [11] = 0xff };
	size_t fixed = memcmp(local->ip, any, 16) == 0	      ? 0
		       : memcmp(local->ip, any_ipv4, 16) == 0 ? 12
							      : 16;

	*ret = (struct ebpf_listen){ .port = local->port };
	memcpy(ret->address, local->ip, 16);
	memset(ret->mask, 0xff, fixed);
}

static int make_table(struct ebpf_host *h, char why[EBPF_WHY_SIZE])
{
	struct ebpf_table *t;

	h->table_fd = load_table(why);
	if (h->table_fd < 0)
		return h->table_fd;
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, h->table_fd, 0);
	if (t == MAP_FAILED) {
		(void)snprintf(why, EBPF_WHY_SIZE, "the table cannot be mapped: %s",
			       strerror(errno));
		return -errno;
	}
	h->table = t;
	memcpy(t->overlay, h->options.overlay, 16);
	for (unsigned i = 0; i < h->options.n_listen && i < EBPF_LISTEN_MAX; i++)
		listen_on(&h->options.listen[i], &t->listen[t->n_listen++]);
	t->namespace = namespace_cookie();
	t->network = (struct ebpf_limit){ 1000000000ULL / NETWORK_RATE, BURST_NS };
	t->prefix = (struct ebpf_limit){ 1000000000ULL / PREFIX_RATE, BURST_NS };
	if (getrandom(t->mac_key, sizeof(t->mac_key), 0) != (ssize_t)sizeof(t->mac_key))
		return -EIO;
	return 0;
}

int ebpf_host_new(const struct ebpf_options *options, struct ebpf_host **ret,
		  char why[EBPF_WHY_SIZE])
{
	CLEANUP(host_freep) struct ebpf_host *h = calloc(1, sizeof(*h));
	int r;

	if (!ebpf_is_built(why))
		return -ENOSYS;
	if (!h)
		return -ENOMEM;
	h->options = *options;
	h->table_fd = -1;
	r = make_table(h, why);
	if (r < 0)
		return r;
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++)
		load(h, (enum ebpf_program)p);
	fill_blocked(h);
	ebpf_host_refresh(h);
	*ret = TAKE(h);
	return 0;
}

static void close_all(struct ebpf_host *h)
{
	for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++)
		bpf_object__close(h->objects[p]);
	if (h->table)
		(void)munmap(h->table, sizeof(*h->table));
	if (h->table_fd >= 0)
		(void)close(h->table_fd);
	free(h);
}

void ebpf_host_free(struct ebpf_host *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++)
		detach(&h->attached[i]);
	if (h->table)
		bytes_wipe(h->table->keys, sizeof(h->table->keys));
	close_all(h);
}

void ebpf_host_forget(struct ebpf_host *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++)
		if (h->attached[i].mode != EBPF_MODE_NONE && h->attached[i].link_fd >= 0)
			(void)close(h->attached[i].link_fd);
	close_all(h);
}

void ebpf_host_disarm(struct ebpf_host *h)
{
	int fd = h ? ebpf_host_fd(h, EBPF_FD_RULES) : -1;
	struct ebpf_rules *rules;

	if (!h)
		return;
	__atomic_store_n(&h->table->is_armed, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&h->table->n_keys, 0, __ATOMIC_SEQ_CST);
	bytes_wipe(h->table->keys, sizeof(h->table->keys));
	memset(h->table->buckets, 0, sizeof(h->table->buckets));
	if (fd < 0)
		return;
	rules = mmap(NULL, sizeof(*rules), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rules == MAP_FAILED)
		return;
	__atomic_store_n(&rules->is_armed, 0, __ATOMIC_SEQ_CST);
	(void)munmap(rules, sizeof(*rules));
}

const struct ebpf_table *ebpf_host_table(const struct ebpf_host *h)
{
	return h->table;
}

static int map_fd(const struct ebpf_host *h, const char *name)
{
	const struct bpf_map *m =
		h->objects[EBPF_ENFORCE]
			? bpf_object__find_map_by_name(h->objects[EBPF_ENFORCE], name)
			: NULL;

	return m ? bpf_map__fd(m) : -1;
}

int ebpf_host_fd(const struct ebpf_host *h, enum ebpf_descriptor which)
{
	switch (which) {
	case EBPF_FD_TABLE:
		return h->table_fd;
	case EBPF_FD_RULES:
		return map_fd(h, "x0_rules");
	case EBPF_FD_RING:
		return map_fd(h, "x0_denied");
	case EBPF_N_DESCRIPTORS:
		break;
	}
	return -1;
}
