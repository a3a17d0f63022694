/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side: many clients on one epoll descriptor, none of which can make us wait. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/secret.h"
#include "shell/control/frame.h"

#define LISTENER UINT64_MAX /* epoll's data of the listening socket */

_Static_assert(CONTROL_CLIENTS_MAX <= 256, "a slot fits the low byte of a number");

struct connection {
	int fd;		  /* -1: free */
	uint64_t number;  /* of this connection: never used twice */
	uint64_t request; /* in work; 0 for none */
	struct control_caller caller;
	uint8_t head[FRAME_HEAD];
	uint8_t *body;		   /* of the frame being read, NULL until its length is known */
	size_t body_len, read_len; /* read_len counts the head too */
	uint8_t *out;		   /* not yet taken by the client: out_len bytes from out_start */
	size_t out_start, out_len, out_size;
	uint64_t stalled_since; /* count of stalls so far, when it stopped reading; 0: it reads */
	uint64_t used_at;	/* count of requests so far, when it last asked */
};

struct control_server {
	int listen_fd, epoll_fd;
	struct control_options options;
	uint64_t next_number, n_stalls;
	size_t n_clients;
	struct connection clients[CONTROL_CLIENTS_MAX];
};

static void control_server_freep(struct control_server **s)
{
	control_server_free(*s);
}

int control_server_new(int listen_fd, const struct control_options *options,
		       struct control_server **ret)
{
	CLEANUP(control_server_freep) struct control_server *s = calloc(1, sizeof(*s));
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = LISTENER };

	if (!s) {
		(void)close(listen_fd);
		return -ENOMEM;
	}
	s->listen_fd = listen_fd;
	s->options = *options;
	s->next_number = 1;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		s->clients[i].fd = -1;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, listen_fd, &e) < 0)
		return -errno;
	*ret = TAKE(s);
	return 0;
}

int control_server_fd(const struct control_server *s)
{
	return s->epoll_fd;
}

size_t control_server_clients(const struct control_server *s)
{
	return s->n_clients;
}

/* Numbers of connections and requests come from one count, the slot in the low byte. */
static uint64_t next_number(struct control_server *s, const struct connection *c)
{
	return s->next_number++ << 8 | (uint64_t)(c - s->clients);
}

static void watch(struct control_server *s, struct connection *c, int operation)
{
	struct epoll_event e = { .events = EPOLLRDHUP, .data.u64 = c->number };

	/* Back-pressure: what is asked while a request is in work, or while answers lie here
	 * unread, stays in the socket. */
	if (c->request == 0 && c->out_len == 0)
		e.events |= EPOLLIN;
	if (c->out_len > 0)
		e.events |= EPOLLOUT;
	(void)epoll_ctl(s->epoll_fd, operation, c->fd, &e);
}

/* Tells nobody: see drop(). Returns the request it had in work. */
static uint64_t close_connection(struct control_server *s, struct connection *c)
{
	uint64_t request = c->request;

	(void)close(c->fd);	  /* and epoll forgets it */
	heap_free_wiped(c->body); /* an invitation or a passphrase may have come or gone */
	heap_free_wiped(c->out);
	*c = (struct connection){ .fd = -1 };
	s->n_clients--;
	return request;
}

static void drop(struct control_server *s, struct connection *c)
{
	uint64_t request = close_connection(s, c);

	if (request && s->options.on_gone)
		s->options.on_gone(s->options.arg, request);
}

void control_server_free(struct control_server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (s->clients[i].fd >= 0)
			(void)close_connection(s, &s->clients[i]);
	}
	if (s->epoll_fd >= 0)
		(void)close(s->epoll_fd);
	(void)close(s->listen_fd);
	free(s);
}

/* ---- sending ---- */

/* -EPIPE when the client is gone. */
static int flush(struct control_server *s, struct connection *c)
{
	while (c->out_len > 0) {
		ssize_t n =
			send(c->fd, c->out + c->out_start, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -EPIPE;
		c->out_start += (size_t)n;
		c->out_len -= (size_t)n;
	}
	if (c->out_len == 0) {
		heap_free_wiped(c->out);
		c->out = NULL;
		c->out_start = c->out_size = 0;
		c->stalled_since = 0;
	} else if (c->stalled_since == 0) {
		c->stalled_since = ++s->n_stalls;
	}
	return 0;
}

/* No bound is needed here: events stop at CONTROL_QUEUE_BUSY, then comes one last frame, and
 * nothing more is asked before all is read. */
static int enqueue(struct connection *c, const uint8_t *bytes, size_t len)
{
	if (c->out_start > 0) {
		memmove(c->out, c->out + c->out_start, c->out_len);
		c->out_start = 0;
	}
	if (c->out_size - c->out_len < len) {
		size_t size = c->out_len + len;
		uint8_t *out = heap_realloc_wiped(c->out, size);

		if (!out)
			return -ENOMEM;
		c->out = out;
		c->out_size = size;
	}
	memcpy(c->out + c->out_len, bytes, len);
	c->out_len += len;
	return 0;
}

static int send_object(struct control_server *s, struct connection *c, json_t *object)
{
	CLEANUP(heap_free_wipedp) uint8_t *frame = NULL;
	size_t len;
	int r = object ? frame_make(object, &frame, &len) : -ENOMEM;

	json_decref(object);
	if (r < 0)
		return r;
	r = enqueue(c, frame, len);
	return r < 0 ? r : flush(s, c);
}

static json_t *error_object(const char *code, const char *message)
{
	/* "s?" would make an invalid message null; it is a string in the protocol */
	json_t *text = json_string(message);

	return json_pack("{s{ss so}}", "error", "code", code, "message",
			 text ? text : json_string("not UTF-8"));
}

static struct connection *of_request(struct control_server *s, uint64_t request)
{
	struct connection *c = &s->clients[(request & 0xff) % CONTROL_CLIENTS_MAX];

	return request != 0 && c->fd >= 0 && c->request == request ? c : NULL;
}

/* Ends the request and sends its last frame. */
static int finish(struct control_server *s, struct connection *c, json_t *object)
{
	int r = send_object(s, c, object);

	if (r == -EMSGSIZE)
		(void)send_object(s, c, error_object("too_long", "the answer is too long"));
	if (r < 0 && r != -EMSGSIZE) {
		(void)close_connection(s, c);
		return -ENOENT;
	}
	c->request = 0;
	watch(s, c, EPOLL_CTL_MOD);
	return r;
}

int control_event(struct control_server *s, uint64_t request, json_t *value)
{
	struct connection *c = of_request(s, request);
	int r;

	if (!c || c->out_len >= CONTROL_QUEUE_BUSY) {
		json_decref(value);
		return c ? -EAGAIN : -ENOENT;
	}
	r = send_object(s, c, json_pack("{so}", "event", value ? value : json_null()));
	if (r < 0 && r != -EMSGSIZE) {
		(void)close_connection(s, c);
		return -ENOENT;
	}
	watch(s, c, EPOLL_CTL_MOD);
	return r;
}

int control_result(struct control_server *s, uint64_t request, json_t *value)
{
	struct connection *c = of_request(s, request);

	if (!c) {
		json_decref(value);
		return -ENOENT;
	}
	return finish(s, c, json_pack("{so}", "result", value ? value : json_null()));
}

int control_error(struct control_server *s, uint64_t request, const char *code, const char *message)
{
	struct connection *c = of_request(s, request);

	return c ? finish(s, c, error_object(code, message)) : -ENOENT;
}

/* ---- receiving ---- */

static void dispatch(struct control_server *s, struct connection *c)
{
	json_t *root;
	const char *verb;
	const json_t *args;
	int r = control_request_parse((const char *)c->body, c->body_len, &root, &verb, &args);

	heap_free_wiped(c->body);
	c->body = NULL;
	c->body_len = c->read_len = 0;
	c->request = next_number(s, c);
	c->used_at = c->request >> 8;
	if (r < 0) {
		(void)control_error(s, c->request, "bad_request",
				    r == -EBADMSG ? "this is no JSON object"
						  : "this is no request: {\"verb\", \"args\"}");
		return;
	}
	watch(s, c, EPOLL_CTL_MOD);
	s->options.on_request(s->options.arg, c->request, verb, args, &c->caller);
	json_decref(root);
}

/* The next piece of a frame: 1 for more to come, 0 for nothing there, -EPIPE to give up. */
static int read_piece(struct connection *c)
{
	bool in_head = c->read_len < FRAME_HEAD;
	uint8_t *to = in_head ? c->head + c->read_len : c->body + c->read_len - FRAME_HEAD;
	size_t wanted = (in_head ? FRAME_HEAD : FRAME_HEAD + c->body_len) - c->read_len;
	ssize_t n = recv(c->fd, to, wanted, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -EPIPE;
	if (n == 0)
		return -EPIPE;
	c->read_len += (size_t)n;
	if (c->read_len == FRAME_HEAD && in_head) {
		c->body_len = load_u32(c->head);
		if (c->body_len == 0 || c->body_len > CONTROL_FRAME_MAX)
			return -EPIPE;
		c->body = malloc(c->body_len);
		if (!c->body)
			return -EPIPE;
	}
	return 1;
}

/* Reads one frame and no byte beyond it: what follows stays in the socket, where epoll sees it
 * once the request is done. */
static void receive(struct control_server *s, struct connection *c)
{
	int r = 1;

	while (r > 0 && !(c->body && c->read_len == FRAME_HEAD + c->body_len))
		r = read_piece(c);
	if (r < 0)
		drop(s, c);
	else if (r > 0)
		dispatch(s, c);
}

/* ---- accepting ---- */

static bool is_member(int fd, const struct control_caller *caller, gid_t group)
{
	gid_t groups[CONTROL_GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (caller->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

static bool may_operate(const struct control_server *s, int fd, struct control_caller *ret)
{
	struct ucred u;
	socklen_t len = sizeof(u);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) < 0)
		return false;
	*ret = (struct control_caller){ .uid = u.uid, .gid = u.gid, .pid = u.pid };
	return u.uid == 0 || u.uid == s->options.owner ||
	       (s->options.has_group && is_member(fd, ret, s->options.group));
}

/* One last word to somebody who gets no place. */
static void turn_away(int fd, const char *code, const char *message)
{
	CLEANUP(heap_free_wipedp) uint8_t *frame = NULL;
	json_t *object = error_object(code, message);
	size_t len;

	if (object && frame_make(object, &frame, &len) == 0)
		(void)send(fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	json_decref(object);
	(void)close(fd);
}

/* Who gives way when all places are taken: who reads nothing, the longest stalled first; then
 * who asks nothing, the longest idle first; else nobody. */
static struct connection *find_evictable(struct control_server *s)
{
	struct connection *stalled = NULL, *idle = NULL;

	for (struct connection *c = s->clients; c < s->clients + CONTROL_CLIENTS_MAX; c++) {
		if (c->stalled_since > 0 && (!stalled || c->stalled_since < stalled->stalled_since))
			stalled = c;
		if (c->request == 0 && (!idle || c->used_at < idle->used_at))
			idle = c;
	}
	return stalled ? stalled : idle;
}

static struct connection *find_place(struct control_server *s)
{
	struct connection *c;

	if (s->n_clients == CONTROL_CLIENTS_MAX) {
		c = find_evictable(s);
		if (c)
			drop(s, c);
	}
	for (c = s->clients; c < s->clients + CONTROL_CLIENTS_MAX; c++) {
		if (c->fd < 0)
			return c;
	}
	return NULL;
}

static void accept_one(struct control_server *s, int fd)
{
	struct control_caller caller = { 0 };
	struct connection *c;

	if (!may_operate(s, fd, &caller)) {
		turn_away(fd, "denied", "only root, the daemon's user and members of group x0 may");
		return;
	}
	c = find_place(s);
	if (!c) {
		turn_away(fd, "busy", "the daemon has as many clients as it can have");
		return;
	}
	*c = (struct connection){ .fd = fd, .caller = caller };
	c->number = next_number(s, c);
	c->used_at = c->number >> 8;
	s->n_clients++;
	watch(s, c, EPOLL_CTL_ADD);
}

static void on_listener(struct control_server *s)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		accept_one(s, fd);
	}
}

static void on_connection(struct control_server *s, struct connection *c, uint32_t events)
{
	if ((events & EPOLLOUT) && flush(s, c) < 0) {
		drop(s, c);
		return;
	}
	if (events & EPOLLOUT)
		watch(s, c, EPOLL_CTL_MOD);
	if (events & EPOLLIN)
		receive(s, c);
	else if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		drop(s, c);
}

void control_server_process(struct control_server *s)
{
	struct epoll_event events[CONTROL_CLIENTS_MAX + 1];
	int n = epoll_wait(s->epoll_fd, events, (int)N_ELEMENTS(events), 0);

	for (int i = 0; i < n; i++) {
		uint64_t number = events[i].data.u64;
		struct connection *c = &s->clients[(number & 0xff) % CONTROL_CLIENTS_MAX];

		if (number == LISTENER)
			on_listener(s);
		else if (c->fd >= 0 && c->number == number) /* else gone within this turn */
			on_connection(s, c, events[i].events);
	}
}
