/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's side: blocking, one request after the other. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/secret.h"
#include "shell/control/frame.h"

struct control_client {
	int fd;
	uint8_t *in; /* read, in_len bytes; FRAME_HEAD + CONTROL_FRAME_MAX at most */
	size_t in_len, in_size;
};

static void control_client_freep(struct control_client **c)
{
	control_client_free(*c);
}

static int explain(int r, const char *path, char why[CONTROL_WHY_SIZE])
{
	if (r == -ENOENT || r == -ECONNREFUSED)
		(void)snprintf(why, CONTROL_WHY_SIZE,
			       "the daemon is not running (%.150s); start it with: x0 up", path);
	else if (r == -EACCES || r == -EPERM)
		(void)snprintf(why, CONTROL_WHY_SIZE,
			       "not allowed to use %.150s: run as root, or as a member of group "
			       "x0 (usermod -aG x0 NAME)",
			       path);
	else
		(void)snprintf(why, CONTROL_WHY_SIZE, "control socket %.150s: %s", path,
			       strerror(-r));
	return r;
}

int control_client_open(const char *path, struct control_client **ret, char why[CONTROL_WHY_SIZE])
{
	CLEANUP(control_client_freep) struct control_client *c = calloc(1, sizeof(*c));
	struct sockaddr_un a;
	int r = socket_address(path, &a);

	if (!c)
		return explain(-ENOMEM, path, why);
	c->fd = -1;
	if (r < 0)
		return explain(r, path, why);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return explain(-errno, path, why);
	if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return explain(-errno, path, why);
	why[0] = '\0';
	*ret = TAKE(c);
	return 0;
}

void control_client_free(struct control_client *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		(void)close(c->fd);
	heap_free_wiped(c->in); /* an answer may be an invitation */
	free(c);
}

int control_client_fd(const struct control_client *c)
{
	return c->fd;
}

int control_client_request(struct control_client *c, const char *verb, json_t *args)
{
	json_t *object = json_pack("{ss so}", "verb", verb, "args", args ? args : json_object());
	CLEANUP(heap_free_wipedp) uint8_t *frame = NULL; /* it may hold a passphrase */
	size_t len, sent = 0;
	int r = object ? frame_make(object, &frame, &len) : -EINVAL;

	json_decref(object);
	if (r < 0)
		return r;
	while (sent < len) {
		ssize_t n = send(c->fd, frame + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		/* Turned away: why is what control_client_next() reads. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0)
			return -errno;
		sent += (size_t)n;
	}
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* At least one more byte. */
static int read_more(struct control_client *c, int64_t end_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int64_t left_ms = end_ms < 0 ? -1 : end_ms - now_ms();
	ssize_t n;

	if (end_ms >= 0 && left_ms < 0)
		left_ms = 0;
	if (c->in_size == c->in_len) {
		size_t size = c->in_size ? 2 * c->in_size : 4096;
		uint8_t *in = heap_realloc_wiped(c->in, size);

		if (!in)
			return -ENOMEM;
		c->in = in;
		c->in_size = size;
	}
	n = poll(&p, 1, (int)left_ms);
	if (n == 0)
		return -ETIMEDOUT;
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, 0);
	if (n == 0)
		return -ECONNRESET;
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	c->in_len += (size_t)n;
	return 0;
}

int control_client_next(struct control_client *c, int timeout_ms, struct control_response *ret)
{
	int64_t end_ms = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	const char *text;
	size_t text_len, used;
	int r;

	while ((r = control_frame_split(c->in, c->in_len, &text, &text_len, &used)) == 0) {
		r = read_more(c, end_ms);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return -EBADMSG;
	r = control_response_parse(text, text_len, ret);
	c->in_len -= used;
	memmove(c->in, c->in + used, c->in_len);
	bytes_wipe(c->in + c->in_len, used);
	return r;
}
