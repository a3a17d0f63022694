/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces by rtnetlink (rtnetlink(7)): which are Ethernets that are up, and their families. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shell/lan/internal.h"

#define REQUEST_SIZE 64
#define REPLY_SIZE 32768 /* what the kernel fills at most in one dump message */
#define WAIT_MS 2000
#define FOUND_MAX 256 /* before those that do not fit are left out */

struct listing {
	const struct lan_options *options;
	struct lan_interface found[FOUND_MAX];
	size_t n;
};

static bool is_named(const char *list, const char *name)
{
	size_t len = strlen(name);

	if (list[0] == '\0')
		return true;
	while (*list) {
		size_t n = strcspn(list, ",");

		if (n == len && memcmp(list, name, len) == 0)
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

struct link {
	const char *name;
	bool is_port; /* of a bridge, a bond and the like */
};

static bool will_do(const struct lan_options *o, const struct ifinfomsg *info,
		    const struct link *link)
{
	const unsigned needed = IFF_UP | IFF_RUNNING | IFF_MULTICAST;

	if ((info->ifi_flags & needed) != needed || link->is_port)
		return false;
	if (info->ifi_type != ARPHRD_ETHER ||
	    (info->ifi_flags & (IFF_LOOPBACK | IFF_POINTOPOINT | IFF_NOARP)))
		return false;
	return !(o->skip && strcmp(o->skip, link->name) == 0) && is_named(o->only, link->name);
}

static int on_attribute(const struct nlattr *a, void *arg)
{
	struct link *link = arg;

	if (mnl_attr_get_type(a) == IFLA_IFNAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
		link->name = mnl_attr_get_str(a);
	link->is_port |= mnl_attr_get_type(a) == IFLA_MASTER;
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
	struct link link = { 0 };
	struct listing *l = arg;

	if (h->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	(void)mnl_attr_parse(h, sizeof(*info), on_attribute, &link);
	if (!link.name || strlen(link.name) >= LAN_NAME_SIZE || l->n == FOUND_MAX ||
	    !will_do(l->options, info, &link))
		return MNL_CB_OK;
	l->found[l->n] = (struct lan_interface){ .index = (uint32_t)info->ifi_index };
	memcpy(l->found[l->n++].name, link.name, strlen(link.name) + 1);
	return MNL_CB_OK;
}

static int on_ipv4(const struct nlattr *a, void *arg)
{
	const uint8_t **local = arg;

	if (mnl_attr_get_type(a) == IFA_LOCAL && mnl_attr_get_payload_len(a) == 4)
		*local = mnl_attr_get_payload(a);
	return MNL_CB_OK;
}

static void add_ipv4(const struct nlmsghdr *h, const struct ifaddrmsg *info,
		     struct lan_interface *i)
{
	const uint8_t *local = NULL;

	(void)mnl_attr_parse(h, sizeof(*info), on_ipv4, &local);
	if (!local || info->ifa_prefixlen > 32 || i->n_ipv4 == LAN_PREFIXES_MAX)
		return;
	i->has_ipv4 = true;
	i->ipv4[i->n_ipv4++] = (struct lan_prefix){ load_u32(local), info->ifa_prefixlen };
}

/* An address that is not usable yet comes again, when it is. */
static int on_address(const struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(h);
	struct listing *l = arg;

	if (h->nlmsg_type != RTM_NEWADDR || (info->ifa_flags & IFA_F_TENTATIVE))
		return MNL_CB_OK;
	for (size_t i = 0; i < l->n; i++) {
		if (l->found[i].index != info->ifa_index)
			continue;
		if (info->ifa_family == AF_INET)
			add_ipv4(h, info, &l->found[i]);
		l->found[i].has_ipv6 |=
			info->ifa_family == AF_INET6 && info->ifa_scope == RT_SCOPE_LINK;
	}
	return MNL_CB_OK;
}

static int dump(struct mnl_socket *s, uint16_t type, size_t body_len, mnl_cb_t callback,
		struct listing *l)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	_Alignas(struct nlmsghdr) uint8_t reply[REPLY_SIZE];
	struct pollfd p = { .fd = mnl_socket_get_fd(s), .events = POLLIN };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	int r = MNL_CB_OK;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = type;
	(void)mnl_nlmsg_put_extra_header(h, body_len); /* zeros: AF_UNSPEC */
	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		ssize_t len;

		if (poll(&p, 1, WAIT_MS) == 0)
			return -ETIMEDOUT;
		len = mnl_socket_recvfrom(s, reply, sizeof(reply));
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		r = mnl_cb_run(reply, (size_t)len, type, mnl_socket_get_portid(s), callback, l);
	}
	return r < 0 ? -errno : 0;
}

int interfaces_list(const struct lan_options *options, struct lan_interface *ret, size_t max,
		    size_t *ret_n, size_t *ret_left_out)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct listing l = { .options = options };
	int r = 0;

	if (!s)
		return -errno;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	if (r == 0)
		r = dump(s, RTM_GETLINK, sizeof(struct ifinfomsg), on_link, &l);
	if (r == 0)
		r = dump(s, RTM_GETADDR, sizeof(struct ifaddrmsg), on_address, &l);
	(void)mnl_socket_close(s);
	if (r < 0)
		return r;
	*ret_n = *ret_left_out = 0;
	for (size_t i = 0; i < l.n; i++) {
		if (!l.found[i].has_ipv4 && !l.found[i].has_ipv6)
			continue;
		if (*ret_n < max)
			ret[(*ret_n)++] = l.found[i];
		else
			(*ret_left_out)++;
	}
	return 0;
}

int interfaces_watch(void)
{
	struct sockaddr_nl a = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int r;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}
