/* SPDX-License-Identifier: Apache-2.0 */
/* One network namespace a node, veth pairs between them, and programs run inside. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/demo_internal.h"

#define IP_MS 5000		    /* the program ip is done long before */
#define NOWHERE "02:00:00:00:ff:ff" /* an address that nobody has */

/* ---- programs ---- */

static void read_back(int fd, char ret[DEMO_OUTPUT_SIZE])
{
	ssize_t n = pread(fd, ret, DEMO_OUTPUT_SIZE - 1, 0);

	ret[n > 0 ? n : 0] = '\0';
	(void)close(fd);
}

/* As systemd hands sockets to services: sd_listen_fds(3). */
static void hand_over(int fd)
{
	char pid[24];

	if (fd == 3)
		(void)fcntl(fd, F_SETFD, 0);
	else
		(void)dup2(fd, 3);
	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "1", 1);
}

_Noreturn static void become(int netns, int in, int out, int err, int listener,
			     const char *const argv[])
{
	if (in >= 0)
		(void)dup2(in, STDIN_FILENO);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(err, STDERR_FILENO);
	if (netns >= 0 && setns(netns, CLONE_NEWNET) < 0) {
		(void)dprintf(STDERR_FILENO, "setns: %s\n", strerror(errno));
		_exit(126);
	}
	if (listener >= 0)
		hand_over(listener);
	(void)execvp(argv[0], (char *const *)argv);
	(void)dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* A file with this text to read, or -1 for none. */
static int input_of(const char *text)
{
	int fd = text ? memfd_create("in", MFD_CLOEXEC) : -1;

	if (fd >= 0 && pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text)) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

int lab_run(const struct demo *d, const struct demo_node *n, int timeout_ms, struct lab_output *ret,
	    const char *const argv[])
{
	return lab_run_input(d, n, timeout_ms, ret, argv, NULL);
}

int lab_run_input(const struct demo *d, const struct demo_node *n, int timeout_ms,
		  struct lab_output *ret, const char *const argv[], const char *input)
{
	uint64_t end_us = report_now_us() + (uint64_t)timeout_ms * 1000;
	/* files, not pipes: what the program leaves behind in the background may keep them */
	int in = input_of(input);
	int out = memfd_create("out", MFD_CLOEXEC);
	int err = memfd_create("err", MFD_CLOEXEC);
	int status = 0;
	/* of the node that is looked at by it, for the program that starts the daemon */
	bool is_listener = n == &d->nodes[0] && argv[1] && strcmp(argv[1], "up") == 0;
	pid_t pid = fork();

	if (pid == 0)
		become(n ? n->netns : -1, in, out, err, is_listener ? d->api_fd : -1, argv);
	while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
		if (report_now_us() > end_us || demo_is_stopped()) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			break;
		}
		report_nap_ms(2);
	}
	if (in >= 0)
		(void)close(in);
	read_back(out, ret->out);
	read_back(err, ret->err);
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* `ip` with these words, split at blanks. */
static bool ip(const struct demo *d, const struct demo_node *n, struct lab_output *o,
	       const char *format, ...)
{
	const char *argv[24] = { "ip" };
	char words[DEMO_TEXT_SIZE];
	char *save = NULL;
	size_t at = 1;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	for (char *w = strtok_r(words, " ", &save); w && at < 23; w = strtok_r(NULL, " ", &save))
		argv[at++] = w;
	return lab_run(d, n, IP_MS, o, argv) == 0;
}

/* ---- namespaces ---- */

static bool enter(int netns)
{
	return setns(netns, CLONE_NEWNET) == 0;
}

int lab_socket(const struct demo *d, const struct demo_node *n, int type)
{
	int fd = -1;

	/* a socket stays in the namespace that it was made in */
	if (enter(n->netns))
		fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	int error = errno;

	if (!enter(d->home_netns))
		abort(); /* we hold the descriptor: only a bug could refuse it */
	errno = error;
	return fd;
}

/* Who sets an interface down by hand and up again has a link again; where it cannot be had, not. */
static void keep_addresses(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/all/keep_addr_on_down", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "1", 1);
	(void)close(fd);
}

static int make_namespaces(struct demo *d)
{
	struct lab_output o;

	d->home_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < d->n_nodes; i++) {
		struct demo_node *n = &d->nodes[i];

		if (unshare(CLONE_NEWNET) < 0 ||
		    (n->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0)
			return demo_failed(d, NULL, "making the nodes' network namespaces",
					   "one for each node", "%s at %s", strerror(errno),
					   n->name);
		keep_addresses();
	}
	if (d->home_netns < 0 || !enter(d->home_netns))
		abort();
	for (unsigned i = 0; i < d->n_nodes; i++)
		if (!ip(d, &d->nodes[i], &o, "link set dev lo up"))
			return demo_failed(d, NULL, "making the nodes' network namespaces",
					   "ip link set dev lo up", "%s", o.err);
	return 0;
}

/* ---- cables ---- */

static bool end_up(const struct demo *d, const struct demo_end *e, const struct demo_end *other,
		   struct lab_output *o)
{
	const struct demo_node *n = &d->nodes[e->node];

	/* one address an interface, and neighbours that need not be asked for */
	return ip(d, n, o, "link set dev %s up addrgenmode none", e->dev) &&
	       ip(d, n, o, "addr add %s/64 dev %s nodad", e->ip, e->dev) &&
	       ip(d, n, o, "neigh replace %s lladdr %s dev %s nud permanent", other->ip, other->mac,
		  e->dev);
}

static int connect_ends(struct demo *d, const struct demo_end *a, const struct demo_end *b)
{
	struct lab_output o;
	int netns = dup(d->nodes[b->node].netns); /* inherited by ip, which names it by number */
	bool is_made = ip(d, &d->nodes[a->node], &o,
			  "link add name %s address %s type veth peer name %s address %s netns "
			  "/proc/self/fd/%d",
			  a->dev, a->mac, b->dev, b->mac, netns);

	(void)close(netns);
	if (is_made && end_up(d, a, b, &o) && end_up(d, b, a, &o))
		return 0;
	return demo_failed(d, NULL, "connecting the nodes by veth pairs", "ip makes them",
			   "%s to %s: %s", d->nodes[a->node].name, d->nodes[b->node].name, o.err);
}

static void set_end(struct demo_end *e, unsigned node, unsigned to, unsigned link, unsigned side)
{
	e->node = node;
	(void)snprintf(e->dev, sizeof(e->dev), "to-n%u", to + 1);
	(void)snprintf(e->ip, sizeof(e->ip), "2001:db8:0:%x::%u", link + 1, side + 1);
	(void)snprintf(e->mac, sizeof(e->mac), "02:00:00:00:%02x:%02x", (link + 1) & 0xff,
		       (side + 1) & 0xff);
}

static void add_link(struct demo *d, unsigned a, unsigned b)
{
	struct demo_link *l = &d->links[d->n_links];

	set_end(&l->end[0], a, b, d->n_links, 0);
	set_end(&l->end[1], b, a, d->n_links, 1);
	d->n_links++;
}

struct demo_link *lab_link(struct demo *d, unsigned a, unsigned b)
{
	for (unsigned i = 0; i < d->n_links; i++) {
		struct demo_link *l = &d->links[i];

		if ((l->end[0].node == a && l->end[1].node == b) ||
		    (l->end[0].node == b && l->end[1].node == a))
			return l;
	}
	return NULL;
}

/* Two rows, each node joined to those left, right, above and below. */
int lab_make(struct demo *d)
{
	unsigned columns = d->n_nodes / 2;
	int r = make_namespaces(d);

	assert(columns > 0); /* parse_nodes() sees to it */
	for (unsigned i = 0; i < d->n_nodes; i++) {
		if (i % columns + 1 < columns)
			add_link(d, i, i + 1);
		if (i < columns)
			add_link(d, i, i + columns);
	}
	for (unsigned i = 0; i < d->n_links && r == 0; i++)
		r = connect_ends(d, &d->links[i].end[0], &d->links[i].end[1]);
	return r;
}

/* ---- the cables that are there for joining only ---- */

void lab_join_address(unsigned i, char ret[48])
{
	(void)snprintf(ret, 48, "2001:db8:1:%x::1", i + 1);
}

static void join_ends(unsigned i, struct demo_end *a, struct demo_end *b)
{
	*a = (struct demo_end){ .node = 0 };
	*b = (struct demo_end){ .node = i };
	(void)snprintf(a->dev, sizeof(a->dev), "join-n%u", i + 1);
	(void)snprintf(b->dev, sizeof(b->dev), "join-n1");
	lab_join_address(i, a->ip);
	(void)snprintf(b->ip, sizeof(b->ip), "2001:db8:1:%x::2", i + 1);
	(void)snprintf(a->mac, sizeof(a->mac), "02:00:00:01:%02x:01", (i + 1) & 0xff);
	(void)snprintf(b->mac, sizeof(b->mac), "02:00:00:01:%02x:02", (i + 1) & 0xff);
}

int lab_join_open(struct demo *d)
{
	int r = 0;

	for (unsigned i = 1; i < d->n_nodes && r == 0; i++) {
		struct demo_end a, b;

		join_ends(i, &a, &b);
		r = connect_ends(d, &a, &b);
	}
	return r;
}

int lab_join_close(struct demo *d)
{
	struct lab_output o;

	for (unsigned i = 1; i < d->n_nodes; i++)
		if (!ip(d, &d->nodes[0], &o, "link delete dev join-%s", d->nodes[i].name))
			return demo_failed(d, NULL, "taking away the cables for joining",
					   "ip link delete", "%s", o.err);
	return 0;
}

/* ---- faults ---- */

bool lab_cut(const struct demo *d, const struct demo_link *l, bool is_cut)
{
	bool is_done = true;
	struct lab_output o;

	/* The frames go to an address that nobody has, so the other end drops them: no error,
	 * no lost carrier, nothing that the daemons could notice but silence. */
	for (unsigned i = 0; i < 2; i++) {
		const struct demo_end *e = &l->end[i];
		const struct demo_end *other = &l->end[1 - i];

		is_done &= ip(d, &d->nodes[e->node], &o,
			      "neigh replace %s lladdr %s dev %s nud permanent", other->ip,
			      is_cut ? NOWHERE : other->mac, e->dev);
	}
	return is_done;
}

/* As tests/e2e/liar.sh: a datagram of type 0x10 whose hop field is not 0 is one that is passed on.
 */
bool lab_drop(const struct demo *d, const struct demo_node *n, bool is_dropping,
	      char ret_why[DEMO_TEXT_SIZE])
{
	static const char *const load[] = { "nft", "-f", "-", NULL };
	static const char *const unload[] = { "nft", "delete", "table", "inet", "demo", NULL };
	char rules[DEMO_TEXT_SIZE];
	struct lab_output o;
	int r;

	(void)snprintf(rules, sizeof(rules),
		       "table inet demo {\n\tchain out {\n"
		       "\t\ttype filter hook output priority 0;\n"
		       "\t\toifname != \"to-%s\" udp dport %u @th,64,8 0x10 @th,80,16 != 0 drop\n"
		       "\t}\n}\n",
		       d->nodes[0].name, DEMO_PORT);
	r = is_dropping ? lab_run_input(d, n, IP_MS, &o, load, rules)
			: lab_run(d, n, IP_MS, &o, unload);
	if (r == 0)
		return true;
	o.err[strcspn(o.err, "\n")] = '\0';
	(void)snprintf(ret_why, DEMO_TEXT_SIZE, "nft: %.400s",
		       o.err[0] ? o.err : "it did not end, or died");
	return false;
}
