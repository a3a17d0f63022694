/* SPDX-License-Identifier: Apache-2.0 */
/* What names need privilege for: port 53 of the tunnel's own address, and this host's resolver. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/keeper/verbs.h"
#include "shell/names/resolver.h"

#define DNS_PORT 53
#define BACKLOG 16

_Static_assert(RESOLVER_WHY_SIZE <= KEEPER_WHY_SIZE, "it fits");

#define SAY(text, ...) (void)snprintf((text), KEEPER_WHY_SIZE, __VA_ARGS__)

static int open_socket(const uint8_t address[16], int type)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT) };
	const int on = 1;
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = 0;

	if (fd < 0)
		return -errno;
	memcpy(&at.sin6_addr, address, sizeof(at.sin6_addr));
	/* Only TCP: there it means connections of before; with UDP it would be somebody else's. */
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		r = -errno;
	if (r < 0)
		(void)close(fd);
	return r < 0 ? r : fd;
}

int names_listen(struct verbs *v, const struct request *q, struct reply *ret)
{
	bool is_tcp = q->number == 1;
	int fd;

	if (!v->options->names_zone || !v->has_own || q->number > 1) {
		SAY(ret->why, "the keeper refuses: no names, or no address to serve them on");
		return -EPROTO;
	}
	fd = open_socket(v->own, is_tcp ? SOCK_STREAM : SOCK_DGRAM);
	if (fd == -EADDRINUSE)
		SAY(ret->why,
		    "port 53 (%s) is taken on this node's overlay address; to see by whom: "
		    "ss -lpn 'sport = 53'",
		    is_tcp ? "TCP" : "UDP");
	else if (fd == -EACCES)
		SAY(ret->why, "port 53 is for root (CAP_NET_BIND_SERVICE)");
	else if (fd < 0)
		SAY(ret->why, "port 53 of the overlay address: %s", strerror(-fd));
	if (fd < 0)
		return fd;
	ret->fd = fd;
	return 0;
}

/* ---- this host's resolver ---- */

static void use_file(struct verbs *v, const char *instead)
{
	char why[KEEPER_WHY_SIZE] = "";

	v->names = KEEPER_NAMES_NONE;
	if (!v->options->is_resolv_conf_managed || !v->options->names_owner) {
		SAY(v->names_why,
		    "%.90s, and /etc/resolv.conf is not changed unless the configuration says "
		    "names.resolv_conf: manage",
		    instead);
	} else if (resolv_conf_apply(RESOLV_CONF, v->options->names_owner, v->own, why) == 0) {
		v->names = KEEPER_NAMES_FILE;
		SAY(v->names_why, "%s", why); /* a remark, or nothing */
	} else {
		SAY(v->names_why, "%s", why);
	}
}

static void begin(struct verbs *v)
{
	char why[RESOLVER_WHY_SIZE];

	if (!resolved_is_here(why)) {
		use_file(v, why);
		return;
	}
	v->names_pid = resolved_begin(v->options->tun_name, v->own, v->options->names_zone,
				      v->options->names_reverse_zone);
	v->names = KEEPER_NAMES_PENDING;
	if (v->names_pid < 0) {
		v->names_pid = 0;
		use_file(v, "no process could be started to tell systemd-resolved");
	}
}

int names_apply(struct verbs *v, const struct request *q, struct reply *ret)
{
	if (!v->options->names_zone || !v->has_own) {
		SAY(ret->why, "the keeper refuses: no names, or no address to serve them on");
		return -EPROTO;
	}
	if (q->number == 1 && v->names_pid == 0)
		begin(v);
	ret->number = v->names;
	memcpy(ret->why, v->names_why, sizeof(ret->why));
	return 0;
}

void names_reap(struct verbs *v)
{
	int status;

	if (v->names_pid <= 0 || waitpid(v->names_pid, &status, WNOHANG) != v->names_pid)
		return;
	v->names_pid = 0;
	v->names_why[0] = '\0';
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		v->names = KEEPER_NAMES_RESOLVED;
	else
		use_file(v, "systemd-resolved refused what resolvectl told it");
}

int names_restore(struct verbs *v, char why[KEEPER_WHY_SIZE])
{
	bool was_ours = v->names == KEEPER_NAMES_FILE;
	int r;

	why[0] = '\0';
	v->names = KEEPER_NAMES_NONE;
	if (!v->options->names_owner)
		return 0;
	r = resolv_conf_restore(RESOLV_CONF, v->options->names_owner, why);
	if (r < 0 && !was_ours && !v->options->is_resolv_conf_managed)
		why[0] = '\0'; /* none of ours: somebody else's file need not be readable */
	return r;
}
