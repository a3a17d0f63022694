/* SPDX-License-Identifier: Apache-2.0 */
/* The work queue, and name look-ups, which libuv runs on the same threads. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "shell/loop/loop_internal.h"

struct job {
	uv_work_t uv;
	struct loop *loop;
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

static void on_work(uv_work_t *uv)
{
	struct job *j = (struct job *)uv;

	j->work(j->arg);
}

static void on_done(uv_work_t *uv, int status)
{
	struct job *j = (struct job *)uv;

	(void)status; /* nothing here cancels */
	j->loop->n_work--;
	j->done(j->arg);
	free(j);
}

int loop_work(struct loop *l, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	CLEANUP_FREE struct job *j = calloc(1, sizeof(*j));
	int r;

	if (l->n_work >= LOOP_WORK_MAX)
		return -ENOBUFS;
	if (!j)
		return -ENOMEM;
	*j = (struct job){ .loop = l, .work = work, .done = done, .arg = arg };
	r = uv_queue_work(&l->uv, &j->uv, on_work, on_done);
	if (r < 0)
		return r;
	l->n_work++;
	(void)TAKE(j);
	return 0;
}

void loop_end_threads(void)
{
	uv_library_shutdown();
}

/* ---- names ---- */

struct look_up {
	uv_getaddrinfo_t uv;
	struct loop *loop;
	loop_resolve_handler *handler;
	void *arg;
	uint16_t port;
	char host[256];
};

/* "host", "host:port" or "[address]:port". */
static int split(const char *text, uint16_t default_port, struct look_up *ret)
{
	const char *colon = strrchr(text, ':');
	size_t host_len = colon ? (size_t)(colon - text) : strlen(text);
	unsigned long port = default_port;

	if (colon) {
		char *end;

		if (!isdigit((unsigned char)colon[1]))
			return -EINVAL;
		port = strtoul(colon + 1, &end, 10);
		if (*end != '\0' || port == 0 || port > UINT16_MAX)
			return -EINVAL;
	}
	if (host_len >= 2 && text[0] == '[' && text[host_len - 1] == ']') {
		text++;
		host_len -= 2;
	} else if (memchr(text, ':', host_len)) {
		return -EINVAL; /* an IPv6 address without brackets */
	}
	if (host_len == 0 || host_len >= sizeof(ret->host))
		return -EINVAL;
	memcpy(ret->host, text, host_len);
	ret->host[host_len] = '\0';
	ret->port = (uint16_t)port;
	return 0;
}

static bool to_endpoint(const struct addrinfo *a, uint16_t port, struct endpoint *ret)
{
	*ret = (struct endpoint){ .port = port };
	if (a->ai_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(void *)a->ai_addr;

		ret->ip[10] = ret->ip[11] = 0xff;
		memcpy(ret->ip + 12, &in->sin_addr, 4);
		return true;
	}
	if (a->ai_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(void *)a->ai_addr;

		memcpy(ret->ip, &in6->sin6_addr, 16);
		ret->scope = in6->sin6_scope_id;
		return true;
	}
	return false;
}

static int to_errno(int status)
{
	switch (status) {
	case UV_EAI_NONAME:
	case UV_EAI_NODATA:
	case UV_EAI_ADDRFAMILY:
	case UV_EAI_FAMILY:
		return -ENOENT;
	case UV_EAI_AGAIN:
	case UV_EAI_FAIL: /* the server refused: it may not tomorrow */
		return -EAGAIN;
	case UV_EAI_MEMORY:
		return -ENOMEM;
	case UV_EAI_CANCELED:
		return -ECANCELED;
	default:
		return status > -3000 ? status : -EIO; /* libuv's own codes begin at -3000 */
	}
}

static void on_found(uv_getaddrinfo_t *uv, int status, struct addrinfo *list)
{
	struct look_up *u = (struct look_up *)uv;
	struct endpoint found[LOOP_RESOLVE_MAX];
	size_t n = 0;

	for (const struct addrinfo *a = list; a && n < LOOP_RESOLVE_MAX; a = a->ai_next)
		n += to_endpoint(a, u->port, &found[n]);
	uv_freeaddrinfo(list);
	u->loop->n_work--;
	if (status == 0 && n == 0)
		status = UV_EAI_NONAME;
	u->handler(u->arg, status < 0 ? to_errno(status) : 0, found, n);
	free(u);
}

int loop_resolve(struct loop *l, const char *host_port, uint16_t default_port,
		 loop_resolve_handler *handler, void *arg)
{
	CLEANUP_FREE struct look_up *u = calloc(1, sizeof(*u));
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
		.ai_protocol = IPPROTO_UDP,
	};
	int r;

	if (!u)
		return -ENOMEM;
	if (split(host_port, default_port, u) < 0)
		return -EINVAL;
	if (l->n_work >= LOOP_WORK_MAX)
		return -ENOBUFS;
	u->loop = l;
	u->handler = handler;
	u->arg = arg;
	r = uv_getaddrinfo(&l->uv, &u->uv, on_found, u->host, NULL, &hints);
	if (r < 0)
		return to_errno(r);
	l->n_work++;
	(void)TAKE(u);
	return 0;
}
