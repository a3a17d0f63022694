/* SPDX-License-Identifier: Apache-2.0 */
/* What the network says of datagrams that it did not deliver: the sockets' error queues. */
#include <errno.h>
#include <time.h> /* before the next one, which needs it */

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "shell/udp/internal.h"

#define ERRORS_A_CALL 64 /* so that who forges ICMP cannot starve the loop */
#define CONTROL_MAX 512

int udp_hear_errors(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

static const struct sock_extended_err *error_of(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
		if ((c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR))
			return (const struct sock_extended_err *)(void *)CMSG_DATA(c);
	return NULL;
}

/* Nobody is there, or no way to it. Not: too big (probe.c), or a hop limit. */
static bool is_refusal(const struct sock_extended_err *e)
{
	return (e->ee_origin == SO_EE_ORIGIN_ICMP || e->ee_origin == SO_EE_ORIGIN_ICMP6 ||
		e->ee_origin == SO_EE_ORIGIN_LOCAL) &&
	       (e->ee_errno == ECONNREFUSED || e->ee_errno == EHOSTUNREACH ||
		e->ee_errno == ENETUNREACH || e->ee_errno == EHOSTDOWN || e->ee_errno == EACCES);
}

/* False: there is no more. */
static bool take_error(struct udp *u, int fd, udp_refusal *handler, void *arg)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_MAX];
	struct sockaddr_in6 to = { 0 };
	uint8_t quoted[8];
	struct iovec piece = { quoted, sizeof(quoted) };
	struct msghdr h = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	const struct sock_extended_err *e;
	struct endpoint endpoint;

	if (recvmsg(fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return errno == EINTR;
	e = error_of(&h);
	if (!e || !is_refusal(e) || h.msg_namelen != sizeof(to) || to.sin6_family != AF_INET6)
		return true;
	endpoint = udp_endpoint(&to);
	u->counters.refusals++;
	handler(arg, &endpoint);
	return true;
}

void udp_receive_errors(struct udp *u, udp_refusal *handler, void *arg)
{
	for (unsigned i = 0; i < ERRORS_A_CALL && take_error(u, u->main.fd, handler, arg);)
		i++;
	for (unsigned i = 0; u->urgent.fd >= 0 && i < ERRORS_A_CALL; i++)
		if (!take_error(u, u->urgent.fd, handler, arg))
			break;
}
