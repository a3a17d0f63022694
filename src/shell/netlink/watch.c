/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces whose carrier comes and goes, as rtnetlink tells its group of links. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "shell/netlink/netlink.h"

#define MESSAGE_SIZE 32768
#define MESSAGES_A_CALL 64 /* so that a storm of them cannot starve the loop */

#define LOWER_UP 0x10000 /* IFF_LOWER_UP of linux/if.h, which cannot be beside net/if.h */

struct netlink_watch {
	struct mnl_socket *socket;
	void (*handler)(void *arg, unsigned index, bool has_carrier);
	void *arg;
};

DEFINE_FREEP(struct netlink_watch, netlink_watch_free)

int netlink_watch_new(struct netlink_watch **ret)
{
	CLEANUP(netlink_watch_freep) struct netlink_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->socket || mnl_socket_bind(w->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	*ret = TAKE(w);
	return 0;
}

void netlink_watch_free(struct netlink_watch *w)
{
	if (!w)
		return;
	if (w->socket)
		(void)mnl_socket_close(w->socket);
	free(w);
}

int netlink_watch_fd(const struct netlink_watch *w)
{
	return mnl_socket_get_fd(w->socket);
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
	const unsigned needed = IFF_UP | IFF_RUNNING | LOWER_UP;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
	const struct netlink_watch *w = arg;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*info))
		return MNL_CB_OK;
	if (h->nlmsg_type == RTM_NEWLINK)
		w->handler(w->arg, (unsigned)info->ifi_index, (info->ifi_flags & needed) == needed);
	else if (h->nlmsg_type == RTM_DELLINK && info->ifi_family == AF_UNSPEC)
		w->handler(w->arg, (unsigned)info->ifi_index, false);
	return MNL_CB_OK;
}

int netlink_watch_read(struct netlink_watch *w,
		       void (*handler)(void *arg, unsigned index, bool has_carrier), void *arg)
{
	_Alignas(struct nlmsghdr) uint8_t message[MESSAGE_SIZE];
	int r = 0;

	w->handler = handler;
	w->arg = arg;
	for (unsigned i = 0; i < MESSAGES_A_CALL; i++) {
		ssize_t len = mnl_socket_recvfrom(w->socket, message, sizeof(message));

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == ENOBUFS)
			r = -ENOBUFS;
		if (len < 0 && errno != ENOBUFS)
			break;
		if (len > 0)
			(void)mnl_cb_run(message, (size_t)len, 0, 0, on_message, w);
	}
	return r;
}
