/* SPDX-License-Identifier: Apache-2.0 */
/* The child's end of the socketpair: ask and wait, or just beat. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shell/keeper/client.h"
#include "shell/keeper/message.h"

/* A request whose reply nobody waits for: others overtake it. */
struct later {
	uint32_t begun; /* its sequence; 0: none */
	bool is_done;	/* its reply has come */
	struct reply reply;
};

struct keeper_client {
	int fd;
	uint32_t sequence;
	unsigned n_restarts;
	struct later apply, read; /* the guard's */
	bool has_news[KEEPER_N_HELD];
	struct keeper_news news[KEEPER_N_HELD]; /* the last of each */
};

int keeper_client_new(int fd, unsigned n_restarts, struct keeper_client **ret)
{
	struct keeper_client *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->fd = fd;
	k->n_restarts = n_restarts;
	*ret = k;
	return 0;
}

void keeper_client_free(struct keeper_client *k)
{
	if (!k)
		return;
	(void)close(k->fd);
	free(k);
}

int keeper_client_fd(const struct keeper_client *k)
{
	return k->fd;
}

unsigned keeper_restarts(const struct keeper_client *k)
{
	return k->n_restarts;
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int fd_in(struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int receive_reply(int fd, struct reply *ret)
{
	uint8_t bytes[REPLY_SIZE];
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
	struct iovec piece = { bytes, sizeof(bytes) };
	struct msghdr h = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int passed, r;

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	passed = fd_in(&h);
	r = reply_decode(SPAN(bytes, (size_t)n), ret);
	if (r < 0 && passed >= 0)
		(void)close(passed);
	if (r == 0)
		ret->fd = passed;
	return r;
}

static int fail(int r, char why[KEEPER_WHY_SIZE])
{
	(void)snprintf(why, KEEPER_WHY_SIZE, "the keeper does not answer: %s", strerror(-r));
	return r;
}

/* A late reply to a call that was given up is passed over by its sequence number; that of the
 * guard, which others overtake, is kept, and so is what nobody asked for, of sequence 0. */
static void keep_other(struct keeper_client *k, const struct reply *reply)
{
	struct later *const all[] = { &k->apply, &k->read };

	if (reply->sequence == 0 && reply->number < KEEPER_N_HELD) {
		struct keeper_news *n = &k->news[reply->number];

		*n = (struct keeper_news){ .what = (enum keeper_held)reply->number,
					   .is_lost = reply->result < 0 };
		memcpy(n->why, reply->why, sizeof(n->why));
		k->has_news[n->what] = true;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (!all[i]->begun || reply->sequence != all[i]->begun)
			continue;
		all[i]->reply = *reply;
		all[i]->is_done = true;
	}
	if (reply->fd >= 0)
		(void)close(reply->fd);
}

static int await(struct keeper_client *k, uint32_t sequence, struct reply *ret)
{
	struct pollfd p = { .fd = k->fd, .events = POLLIN };
	int64_t end_ms = now_ms() + KEEPER_CALL_MS;

	for (;;) {
		int64_t left_ms = end_ms - now_ms();
		int r;

		if (left_ms <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left_ms) <= 0)
			continue;
		r = receive_reply(k->fd, ret);
		if (r == 0 && ret->sequence == sequence)
			return 0;
		if (r == 0)
			keep_other(k, ret);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
}

static int ask(struct keeper_client *k, struct request *request)
{
	uint8_t bytes[REQUEST_SIZE];

	request->sequence = ++k->sequence;
	keeper_request_encode(request, bytes);
	return send(k->fd, bytes, sizeof(bytes), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int call(struct keeper_client *k, struct request *request, struct reply *ret,
		char why[KEEPER_WHY_SIZE])
{
	int r = ask(k, request);

	if (r == 0)
		r = await(k, request->sequence, ret);
	if (r < 0)
		return fail(r, why);
	(void)snprintf(why, KEEPER_WHY_SIZE, "%s", ret->why);
	return ret->result;
}

static int call_simple(struct keeper_client *k, struct request request, char why[KEEPER_WHY_SIZE])
{
	struct reply reply = { .fd = -1 };

	return call(k, &request, &reply, why);
}

int keeper_tun_open(struct keeper_client *k, unsigned wanted, int *ret_fd, unsigned *ret_offloads,
		    char why[KEEPER_WHY_SIZE])
{
	struct request request = { .verb = VERB_TUN_OPEN, .number = wanted };
	struct reply reply = { .fd = -1 };
	int r = call(k, &request, &reply, why);

	if (r < 0)
		return r;
	if (reply.fd < 0)
		return fail(-EBADMSG, why);
	*ret_fd = reply.fd;
	*ret_offloads = reply.number;
	return 0;
}

int keeper_mtu(struct keeper_client *k, unsigned mtu_bytes, char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_MTU, .number = mtu_bytes }, why);
}

int keeper_address_add(struct keeper_client *k, const struct netlink_prefix *address,
		       char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_ADDRESS_ADD, .prefix = *address },
			   why);
}

int keeper_address_delete(struct keeper_client *k, const struct netlink_prefix *address,
			  char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_ADDRESS_DELETE, .prefix = *address },
			   why);
}

int keeper_exit_set(struct keeper_client *k, unsigned bits, char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_EXIT, .number = bits }, why);
}

int keeper_forward(struct keeper_client *k, bool is_on, char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_FORWARD, .number = is_on }, why);
}

int keeper_link_up(struct keeper_client *k, char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_LINK_UP }, why);
}

int keeper_route_add(struct keeper_client *k, const struct netlink_prefix *to,
		     char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_ROUTE_ADD, .prefix = *to }, why);
}

int keeper_route_delete(struct keeper_client *k, const struct netlink_prefix *to,
			char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_ROUTE_DELETE, .prefix = *to }, why);
}

static int begin_later(struct keeper_client *k, struct later *l, enum verb verb)
{
	struct request request = { .verb = verb };
	int r = ask(k, &request);

	if (r == 0)
		*l = (struct later){ .begun = request.sequence };
	return r;
}

static int end_later(struct keeper_client *k, struct later *l, char why[KEEPER_WHY_SIZE])
{
	struct reply reply;
	int r;

	while (!l->is_done) {
		r = receive_reply(k->fd, &reply);
		if (r < 0)
			return r == -EAGAIN ? r : -EPIPE;
		keep_other(k, &reply);
	}
	l->begun = 0;
	l->is_done = false;
	(void)snprintf(why, KEEPER_WHY_SIZE, "%s", l->reply.why);
	return l->reply.result;
}

bool keeper_news(struct keeper_client *k, struct keeper_news *ret)
{
	for (unsigned i = 0; i < KEEPER_N_HELD; i++) {
		if (!k->has_news[i])
			continue;
		k->has_news[i] = false;
		*ret = k->news[i];
		return true;
	}
	return false;
}

void keeper_guard_begin(struct keeper_client *k)
{
	(void)begin_later(k, &k->apply, VERB_GUARD_APPLY);
}

int keeper_guard_end(struct keeper_client *k, char why[KEEPER_WHY_SIZE])
{
	return end_later(k, &k->apply, why);
}

int keeper_guard_read_begin(struct keeper_client *k)
{
	return k->read.begun ? 0 : begin_later(k, &k->read, VERB_GUARD_READ);
}

int keeper_guard_read_end(struct keeper_client *k, struct nft_counters *ret,
			  char why[KEEPER_WHY_SIZE])
{
	int r = end_later(k, &k->read, why);

	if (r == 0)
		*ret = k->read.reply.counters;
	return r;
}

int keeper_guard_apply(struct keeper_client *k, char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_GUARD_APPLY }, why);
}

int keeper_guard_remove(struct keeper_client *k, char why[KEEPER_WHY_SIZE])
{
	return call_simple(k, (struct request){ .verb = VERB_GUARD_REMOVE }, why);
}

int keeper_guard_read(struct keeper_client *k, struct nft_counters *ret, char why[KEEPER_WHY_SIZE])
{
	struct request request = { .verb = VERB_GUARD_READ };
	struct reply reply = { .fd = -1 };
	int r = call(k, &request, &reply, why);

	if (r == 0)
		*ret = reply.counters;
	return r;
}

int keeper_realtime(struct keeper_client *k, pid_t thread, unsigned priority,
		    char why[KEEPER_WHY_SIZE])
{
	return call_simple(k,
			   (struct request){ .verb = VERB_REALTIME,
					     .number = (uint32_t)thread,
					     .priority = priority },
			   why);
}

static int names_socket(struct keeper_client *k, uint32_t kind, int *ret_fd,
			char why[KEEPER_WHY_SIZE])
{
	struct request request = { .verb = VERB_NAMES_LISTEN, .number = kind };
	struct reply reply = { .fd = -1 };
	int r = call(k, &request, &reply, why);

	if (r == 0 && reply.fd < 0) {
		(void)snprintf(why, KEEPER_WHY_SIZE, "the keeper sent no socket");
		return -EBADMSG;
	}
	*ret_fd = reply.fd;
	return r;
}

int keeper_names_listen(struct keeper_client *k, int *ret_udp_fd, int *ret_tcp_fd,
			char why[KEEPER_WHY_SIZE])
{
	int udp_fd, tcp_fd;
	int r = names_socket(k, 0, &udp_fd, why);

	if (r < 0)
		return r;
	r = names_socket(k, 1, &tcp_fd, why);
	if (r < 0) {
		(void)close(udp_fd);
		return r;
	}
	*ret_udp_fd = udp_fd;
	*ret_tcp_fd = tcp_fd;
	return 0;
}

int keeper_names_apply(struct keeper_client *k, bool is_again, enum keeper_names *ret,
		       char why[KEEPER_WHY_SIZE])
{
	struct request request = { .verb = VERB_NAMES_APPLY, .number = is_again };
	struct reply reply = { .fd = -1 };
	int r = call(k, &request, &reply, why);

	if (r < 0)
		return r;
	if (reply.number >= KEEPER_N_NAMES)
		return -EBADMSG;
	*ret = (enum keeper_names)reply.number;
	(void)snprintf(why, KEEPER_WHY_SIZE, "%s", reply.why);
	return 0;
}

int keeper_ebpf_fd(struct keeper_client *k, enum ebpf_descriptor which, int *ret_fd,
		   char why[KEEPER_WHY_SIZE])
{
	struct request request = { .verb = VERB_EBPF_FD, .number = which };
	struct reply reply = { .fd = -1 };
	int r = call(k, &request, &reply, why);

	if (r < 0)
		return r;
	if (reply.fd < 0)
		return fail(-EBADMSG, why);
	*ret_fd = reply.fd;
	return 0;
}

static int call_ether(struct keeper_client *k, struct request request, struct keeper_ether *ret,
		      char why[KEEPER_WHY_SIZE])
{
	struct reply reply = { .fd = -1 };
	int r = call(k, &request, &reply, why);

	if (r < 0)
		return r;
	if (reply.fd < 0)
		return fail(-EBADMSG, why);
	*ret = (struct keeper_ether){ .fd = reply.fd, .mtu_bytes = reply.number };
	memcpy(ret->address, reply.address, sizeof(ret->address));
	return 0;
}

int keeper_batman_socket(struct keeper_client *k, unsigned which, struct keeper_ether *ret,
			 char why[KEEPER_WHY_SIZE])
{
	return call_ether(k, (struct request){ .verb = VERB_BATMAN_SOCKET, .number = which }, ret,
			  why);
}

int keeper_batman_tap(struct keeper_client *k, struct keeper_ether *ret, char why[KEEPER_WHY_SIZE])
{
	return call_ether(k, (struct request){ .verb = VERB_BATMAN_TAP }, ret, why);
}

static int send_silent(struct keeper_client *k, enum verb verb)
{
	struct request request = { .verb = verb };
	uint8_t bytes[REQUEST_SIZE];

	keeper_request_encode(&request, bytes);
	if (send(k->fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		/* full of beats that the keeper had no time to read: it knows that we live */
		return errno == EAGAIN || errno == ENOBUFS ? 0 : -EPIPE;
	return 0;
}

int keeper_ebpf_refresh(struct keeper_client *k)
{
	return send_silent(k, VERB_EBPF_REFRESH);
}

int keeper_heartbeat(struct keeper_client *k)
{
	return send_silent(k, VERB_HEARTBEAT);
}
