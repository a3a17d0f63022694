/* SPDX-License-Identifier: Apache-2.0 */
/* The guard against forged overlay addresses: table inet x0_TUNNEL, through the program nft
 * (nft(8)).
 *
 * nft reads a fixed text from its standard input, with nothing in it but numbers and a device
 * name that was checked; it runs from a fixed path with an empty environment. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "shell/netlink/netlink.h"

#define OUTPUT_SIZE 16384 /* our table as JSON is some 2 KB */

static int fail(int r, const char *text, char why[NFT_WHY_SIZE])
{
	(void)snprintf(why, NFT_WHY_SIZE, "nftables: %.170s", text);
	return r;
}

static const char *find_nft(void)
{
	static const char *const places[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft",
					      "/usr/local/sbin/nft" };

	for (size_t i = 0; i < N_ELEMENTS(places); i++) {
		if (access(places[i], X_OK) == 0)
			return places[i];
	}
	return NULL;
}

/* ---- running the program ---- */

struct run {
	pid_t pid;
	int in;	 /* its standard input, -1 once closed */
	int out; /* its output and errors */
};

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
	}
}

static int spawn(const char *path, char *const argv[], struct run *ret)
{
	char *const no_environment[] = { (char[]){ "LC_ALL=C" }, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int fds[4] = { -1, -1, -1, -1 };
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0 || pipe2(fds + 2, O_CLOEXEC) < 0) {
		r = -errno;
		close_all(fds, N_ELEMENTS(fds));
		return r;
	}
	(void)sigemptyset(&none);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, fds[0], STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, fds[3], STDOUT_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, fds[3], STDERR_FILENO);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	r = -posix_spawn(&ret->pid, path, &actions, &attributes, argv, no_environment);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	if (r < 0) {
		close_all(fds, N_ELEMENTS(fds));
		return r;
	}
	(void)close(fds[0]);
	(void)close(fds[3]);
	ret->in = fds[1];
	ret->out = fds[2];
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* All of the output as text, what is beyond size is read and thrown away. -ETIMEDOUT. */
static int read_all(int fd, char *ret, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t end_ms = now_ms() + NFT_WAIT_MS;
	size_t len = 0;

	for (;;) {
		char rest[1024];
		bool has_room = len + 1 < size;
		int64_t left_ms = end_ms - now_ms();

		if (left_ms <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left_ms) <= 0)
			continue;
		ssize_t n = read(fd, has_room ? ret + len : rest,
				 has_room ? size - 1 - len : sizeof(rest));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		if (n > 0 && has_room)
			len += (size_t)n;
	}
	ret[len] = '\0';
	return 0;
}

/* The child alone is waited for: the keeper has another. */
static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static int explain(const char *output, char why[NFT_WHY_SIZE])
{
	size_t line = strcspn(output, "\n");

	if (strstr(output, "Operation not permitted"))
		return fail(-EPERM, "not permitted (CAP_NET_ADMIN)", why);
	if (strstr(output, "not supported") || strstr(output, "Protocol not available"))
		return fail(-EPROTONOSUPPORT, "this kernel does not have it (nf_tables)", why);
	if (strstr(output, "No such file or directory"))
		return fail(-ENOENT, "there is no such table", why);
	(void)snprintf(why, NFT_WHY_SIZE, "nftables: nft failed: %.*s",
		       (int)(line < 150 ? line : 150), output);
	return -EIO;
}

/* Runs nft with this input, which must fit a pipe at once (PIPE_BUF); output as text. */
static int run_nft(char *const argv[], const char *input, char output[OUTPUT_SIZE],
		   char why[NFT_WHY_SIZE])
{
	const char *path = find_nft();
	struct run run = { 0 };
	int r, status;

	why[0] = '\0';
	if (!path)
		return fail(-ENOENT, "the program nft is not installed; try: apt install nftables",
			    why);
	r = spawn(path, argv, &run);
	if (r < 0)
		return fail(r, strerror(-r), why);
	/* If nft is gone already its output says why; the keeper ignores SIGPIPE. */
	(void)!write(run.in, input, strlen(input));
	(void)close(run.in);
	r = read_all(run.out, output, OUTPUT_SIZE);
	(void)close(run.out);
	if (r < 0)
		(void)kill(run.pid, SIGKILL);
	status = wait_for(run.pid);
	if (r < 0)
		return fail(r, r == -ETIMEDOUT ? "nft does not come to an end" : strerror(-r), why);
	return status < 0 ? explain(output, why) : 0;
}

static int run_script(const char *script, char why[NFT_WHY_SIZE])
{
	char *const argv[] = { (char[]){ "nft" }, (char[]){ "-f" }, (char[]){ "-" }, NULL };
	char output[OUTPUT_SIZE];

	return run_nft(argv, script, output, why);
}

/* ---- the table ---- */

/* Characters that mean nothing to nft within quotes. */
static bool is_plain_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "_-.");

	return len > 0 && len < 16 && name[len] == '\0';
}

#define GUARD "x0_"
#define NAT "x0nat_"

/* Each tunnel has its own: two daemons in one network namespace do not take it from each other. */
static int table_name(const char *prefix, const char *tun_name, char ret[NFT_TABLE_SIZE],
		      char why[NFT_WHY_SIZE])
{
	if (!is_plain_name(tun_name))
		return fail(-EINVAL, "no name for a device", why);
	(void)snprintf(ret, NFT_TABLE_SIZE, "%s%.15s", prefix, tun_name);
	return 0;
}

/* The same guard for the IPv4 addresses inside. */
/* Which of the packets for addresses inside that come from elsewhere are refused: those for this
 * machine's own. Others are on their way from a network behind it, where it forwards at all, and
 * the node looks whether it offers the one they say they are from. */
static const char *local_destination(bool is_by_fib)
{
	return is_by_fib ? "fib daddr type local " : "";
}

static void ipv4_rules(const struct nft_guard *guard, bool is_by_fib, char *ret, size_t size)
{
	char ip[INET_ADDRSTRLEN];
	unsigned len = guard->ipv4.len - 96;

	ret[0] = '\0';
	if (!guard->has_ipv4)
		return;
	(void)inet_ntop(AF_INET, guard->ipv4.ip + 12, ip, sizeof(ip));
	(void)snprintf(ret, size,
		       "    ip saddr %s/%u counter name forged_source drop\n"
		       "    ip daddr %s/%u %scounter name forged_destination drop\n",
		       ip, len, ip, len, local_destination(is_by_fib));
}

/* On lo, where the kernel can tell whose an address is. */
static void ipv4_lo_rule(const struct nft_guard *guard, bool is_by_fib, char *ret, size_t size)
{
	char ip[INET_ADDRSTRLEN];

	ret[0] = '\0';
	if (!guard->has_ipv4 || !is_by_fib)
		return;
	(void)inet_ntop(AF_INET, guard->ipv4.ip + 12, ip, sizeof(ip));
	(void)snprintf(ret, size,
		       "    iifname \"lo\" ip saddr %s/%u fib saddr type != local counter name "
		       "forged_source drop\n",
		       ip, guard->ipv4.len - 96);
}

/* What is not this machine's, as a match: any address of it, or the one that it has inside. */
static void foreign_source(const struct nft_guard *guard, bool is_by_fib, char *ret, size_t size)
{
	char own[INET6_ADDRSTRLEN];

	(void)inet_ntop(AF_INET6, guard->own, own, sizeof(own));
	if (is_by_fib)
		(void)snprintf(ret, size, "fib saddr type != local");
	else
		(void)snprintf(ret, size, "ip6 saddr != %s", own);
}

static int apply(const struct nft_guard *guard, bool is_by_fib, char why[NFT_WHY_SIZE])
{
	char table[NFT_TABLE_SIZE], ip[INET6_ADDRSTRLEN], foreign[64];
	char ipv4[256], ipv4_lo[160];
	char script[1400];
	unsigned len = guard->overlay.len;
	int r = table_name(GUARD, guard->tun_name, table, why);

	if (r < 0)
		return r;
	(void)inet_ntop(AF_INET6, guard->overlay.ip, ip, sizeof(ip));
	foreign_source(guard, is_by_fib, foreign, sizeof(foreign));
	ipv4_rules(guard, is_by_fib, ipv4, sizeof(ipv4));
	ipv4_lo_rule(guard, is_by_fib, ipv4_lo, sizeof(ipv4_lo));
	/* "add" before "delete" makes the delete succeed where there was no table. Priority raw
	 * (-300) comes before connection tracking and before any other table's accept matters. On
	 * lo only our own address speaks: any local program may bind to a foreign one
	 * (IPV6_FREEBIND) and would be taken for that node by what listens here. */
	(void)snprintf(script, sizeof(script),
		       "add table inet %s\n"
		       "delete table inet %s\n"
		       "table inet %s {\n"
		       "  counter forged_source { }\n"
		       "  counter forged_destination { }\n"
		       "  chain guard {\n"
		       "    type filter hook prerouting priority raw; policy accept;\n"
		       "    iifname \"lo\" ip6 saddr %s/%u %s counter name forged_source drop\n"
		       "%s"
		       "    iifname { \"%s\", \"lo\" } accept\n"
		       "    ip6 saddr %s/%u counter name forged_source drop\n"
		       "    ip6 daddr %s/%u %scounter name forged_destination drop\n"
		       "%s"
		       "  }\n"
		       "}\n",
		       table, table, table, ip, len, foreign, ipv4_lo, guard->tun_name, ip, len, ip,
		       len, local_destination(is_by_fib), ipv4);
	r = run_script(script, why);
	if (r == -ENOENT && find_nft()) /* the table itself cannot be missing */
		return fail(-EPROTONOSUPPORT, "this kernel lacks a part of it (nft_fib_inet)", why);
	return r;
}

int nft_apply(const struct nft_guard *guard, char why[NFT_WHY_SIZE])
{
	int r = fail(-EPROTONOSUPPORT, "there is no address to do without nft_fib_inet", why);

	if (guard->overlay.len > 128 ||
	    (guard->has_ipv4 && (guard->ipv4.len < 96 || guard->ipv4.len > 128)))
		return fail(-EINVAL, "no prefix", why);
	if (!guard->is_without_fib) {
		r = apply(guard, true, why);
		if (r == 0)
			(void)snprintf(why, NFT_WHY_SIZE,
				       "on lo only this machine's addresses may be a source");
	}
	if (r != -EPROTONOSUPPORT || !guard->has_own)
		return r;
	r = apply(guard, false, why);
	if (r == 0)
		(void)snprintf(
			why, NFT_WHY_SIZE,
			"on lo only this node's own address may be a source, for this kernel "
			"lacks nft_fib_inet");
	return r;
}

static int remove_table(const char *table, char why[NFT_WHY_SIZE])
{
	char script[128];

	(void)snprintf(script, sizeof(script), "add table inet %s\ndelete table inet %s\n", table,
		       table);
	return run_script(script, why);
}

int nft_remove(const char *tun_name, char why[NFT_WHY_SIZE])
{
	char table[NFT_TABLE_SIZE];
	int r = table_name(GUARD, tun_name, table, why);

	return r < 0 ? r : remove_table(table, why);
}

/* As JSON. */
static int list_table(char table[NFT_TABLE_SIZE], char output[OUTPUT_SIZE], char why[NFT_WHY_SIZE])
{
	char *const argv[] = { (char[]){ "nft" },
			       (char[]){ "-j" },
			       (char[]){ "list" },
			       (char[]){ "table" },
			       (char[]){ "inet" },
			       table,
			       NULL };

	return run_nft(argv, "", output, why);
}

static void read_counter(const json_t *counter, struct nft_counters *ret)
{
	const char *name = json_string_value(json_object_get(counter, "name"));
	json_int_t packets = json_integer_value(json_object_get(counter, "packets"));
	json_int_t bytes = json_integer_value(json_object_get(counter, "bytes"));

	if (name && strcmp(name, "forged_source") == 0) {
		ret->source_packets = (uint64_t)packets;
		ret->source_bytes = (uint64_t)bytes;
	} else if (name && strcmp(name, "forged_destination") == 0) {
		ret->destination_packets = (uint64_t)packets;
		ret->destination_bytes = (uint64_t)bytes;
	}
}

int nft_read(const char *tun_name, struct nft_counters *ret, char why[NFT_WHY_SIZE])
{
	char table[NFT_TABLE_SIZE];
	char output[OUTPUT_SIZE];
	const json_t *object;
	size_t i;
	int r = table_name(GUARD, tun_name, table, why);

	if (r == 0)
		r = list_table(table, output, why);
	if (r < 0)
		return r;
	json_t *root = json_loads(output, 0, NULL);

	if (!root)
		return fail(-EIO, "nft did not answer in JSON", why);
	*ret = (struct nft_counters){ 0 };
	json_array_foreach(json_object_get(root, "nftables"), i, object)
		read_counter(json_object_get(object, "counter"), ret);
	json_decref(root);
	return 0;
}

/* ---- what is passed on ---- */

#define WAS_IPV4_OFF "was_ipv4_forwarding_off"
#define WAS_IPV6_OFF "was_ipv6_forwarding_off"
#define HAD_REDIRECTS "had_ipv4_redirects"
#define NOT_OF_TUNNEL "not_of_tunnel"

/* "x0", "x1": of ours, and of the other tunnels that have such a table. */
static void tunnels_set(const char *tun_name, const struct nft_names *others, char *ret,
			size_t size)
{
	int len = snprintf(ret, size, "\"%s\"", tun_name);

	for (size_t i = 0; i < others->n; i++)
		if (is_plain_name(others->list[i]))
			len += snprintf(ret + len, size - (size_t)len, ", \"%s\"", others->list[i]);
}

/* Where the machine passed nothing on before it shall pass on for tunnels alone. */
static void forward_chain(const struct nft_forwarding *before, const char *tunnels, char *ret,
			  size_t size)
{
	bool is_both = before->was_ipv4_off && before->was_ipv6_off;

	ret[0] = '\0';
	if (!before->was_ipv4_off && !before->was_ipv6_off)
		return;
	(void)snprintf(ret, size,
		       "  counter " NOT_OF_TUNNEL " { }\n"
		       "  chain forward {\n"
		       "    type filter hook forward priority filter; policy accept;\n"
		       "    %siifname != { %s } oifname != { %s } counter name " NOT_OF_TUNNEL
		       " drop\n"
		       "  }\n",
		       is_both		      ? ""
		       : before->was_ipv4_off ? "meta nfproto ipv4 "
					      : "meta nfproto ipv6 ",
		       tunnels, tunnels);
}

#define TUNNELS_SIZE ((NFT_NAMES_MAX + 1) * 20)

int nft_nat_apply(const char *tun_name, const struct nft_forwarding *before,
		  const struct nft_names *others, char why[NFT_WHY_SIZE])
{
	char table[NFT_TABLE_SIZE];
	char tunnels[TUNNELS_SIZE], forward[2 * TUNNELS_SIZE + 300];
	char script[sizeof(forward) + 600];
	int r = table_name(NAT, tun_name, table, why);

	if (r < 0)
		return r;
	tunnels_set(tun_name, others, tunnels, sizeof(tunnels));
	forward_chain(before, tunnels, forward, sizeof(forward));
	(void)snprintf(script, sizeof(script),
		       "add table inet %s\n"
		       "delete table inet %s\n"
		       "table inet %s {\n"
		       "%s%s%s%s"
		       "  chain nat {\n"
		       "    type nat hook postrouting priority srcnat; policy accept;\n"
		       "    iifname \"%s\" oifname != \"%s\" masquerade\n"
		       "  }\n"
		       "}\n",
		       table, table, table,
		       before->was_ipv4_off ? "  counter " WAS_IPV4_OFF " { }\n" : "",
		       before->was_ipv6_off ? "  counter " WAS_IPV6_OFF " { }\n" : "",
		       before->had_redirects ? "  counter " HAD_REDIRECTS " { }\n" : "", forward,
		       tun_name, tun_name);
	r = run_script(script, why);
	if (r == -ENOENT && find_nft()) /* the table itself cannot be missing */
		return fail(-EPROTONOSUPPORT, "this kernel lacks a part of it (nft_masq)", why);
	return r;
}

int nft_nat_remove(const char *tun_name, char why[NFT_WHY_SIZE])
{
	char table[NFT_TABLE_SIZE];
	int r = table_name(NAT, tun_name, table, why);

	return r < 0 ? r : remove_table(table, why);
}

static int read_forwarding(char table[NFT_TABLE_SIZE], struct nft_forwarding *ret,
			   char why[NFT_WHY_SIZE])
{
	char output[OUTPUT_SIZE];
	int r = list_table(table, output, why);

	if (r < 0)
		return r;
	ret->was_ipv4_off = strstr(output, "\"" WAS_IPV4_OFF "\"") != NULL;
	ret->was_ipv6_off = strstr(output, "\"" WAS_IPV6_OFF "\"") != NULL;
	ret->had_redirects = strstr(output, "\"" HAD_REDIRECTS "\"") != NULL;
	return 0;
}

int nft_nat_read(const char *tun_name, struct nft_forwarding *ret, char why[NFT_WHY_SIZE])
{
	char table[NFT_TABLE_SIZE];
	int r = table_name(NAT, tun_name, table, why);

	return r < 0 ? r : read_forwarding(table, ret, why);
}

int nft_nat_tunnels(const char *tun_name, struct nft_names *ret)
{
	size_t kept = 0;
	int r = nft_tables(NAT, ret);

	for (size_t i = 0; i < ret->n; i++)
		if (strcmp(ret->list[i], tun_name) != 0)
			memmove(ret->list[kept++], ret->list[i], sizeof(ret->list[0]));
	ret->n = r < 0 ? 0 : kept;
	return r;
}

int nft_nat_others(const char *tun_name, struct nft_forwarding *ret, char why[NFT_WHY_SIZE])
{
	struct nft_names names;
	int n = 0, r = nft_nat_tunnels(tun_name, &names);

	*ret = (struct nft_forwarding){ 0 };
	if (r < 0)
		return fail(r, strerror(-r), why);
	for (size_t i = 0; i < names.n; i++) {
		struct nft_forwarding one;

		if (nft_nat_read(names.list[i], &one, why) < 0)
			continue; /* it has just gone */
		ret->was_ipv4_off |= one.was_ipv4_off;
		ret->was_ipv6_off |= one.was_ipv6_off;
		ret->had_redirects |= one.was_ipv4_off && one.had_redirects;
		n++;
	}
	return n;
}

/* ---- whether they are there ---- */

static int rules_count(const char *prefix, const char *tun_name)
{
	char table[NFT_TABLE_SIZE], why[NFT_WHY_SIZE];
	int r = table_name(prefix, tun_name, table, why);

	return r < 0 ? r : nft_rules_count(table);
}

int nft_guard_rules(const char *tun_name)
{
	return rules_count(GUARD, tun_name);
}

int nft_nat_rules(const char *tun_name)
{
	return rules_count(NAT, tun_name);
}
