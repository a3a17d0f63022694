/* SPDX-License-Identifier: Apache-2.0 */
/* Which interfaces there are, and what they are, by rtnetlink and ethtool. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "base/cleanup.h"
#include "shell/bpf/internal.h"

#define REPLY_SIZE 32768

struct listing {
	struct link_row *rows;
	const char *first;
	unsigned n;
};

static int on_kind(const struct nlattr *a, void *arg)
{
	struct link_row *l = arg;

	if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
		(void)snprintf(l->kind, sizeof(l->kind), "%s", mnl_attr_get_str(a));
	return MNL_CB_OK;
}

static int on_attribute(const struct nlattr *a, void *arg)
{
	struct link_row *l = arg;

	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		(void)snprintf(l->name, sizeof(l->name), "%s", mnl_attr_get_str(a));
		break;
	case IFLA_MASTER:
		l->has_master = true;
		break;
	case IFLA_LINKINFO:
		(void)mnl_attr_parse_nested(a, on_kind, l);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static void keep(struct listing *list, const struct link_row *l)
{
	bool is_first = list->first && strcmp(l->name, list->first) == 0;

	if (list->n < LINKS_MAX)
		list->n++;
	else if (!is_first)
		return;
	list->rows[list->n - 1] = is_first ? list->rows[0] : *l;
	if (is_first)
		list->rows[0] = *l;
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct listing *list = arg;
	struct link_row l = {
		.index = (unsigned)i->ifi_index,
		.is_ethernet = i->ifi_type == ARPHRD_ETHER,
		.is_loopback = (i->ifi_flags & IFF_LOOPBACK) != 0,
		.is_up = (i->ifi_flags & IFF_UP) != 0,
	};
	(void)mnl_attr_parse(h, sizeof(*i), on_attribute, &l);
	keep(list, &l);
	return MNL_CB_OK;
}

static int dump(struct mnl_socket *s, struct listing *list)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[REPLY_SIZE];
	struct nlmsghdr *h = mnl_nlmsg_put_header(bytes);
	struct ifinfomsg *i;
	int r = MNL_CB_OK;

	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = 1;
	i = mnl_nlmsg_put_extra_header(h, sizeof(*i));
	i->ifi_family = AF_UNSPEC;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(s, bytes, sizeof(bytes));

		if (n < 0)
			return -errno;
		r = mnl_cb_run(bytes, (size_t)n, 1, mnl_socket_get_portid(s), on_link, list);
	}
	return r < 0 ? -errno : (int)list->n;
}

int links_list(const char *first, struct link_row ret[LINKS_MAX])
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct listing list = { .rows = ret, .first = first };
	int r = s ? dump(s, &list) : -errno;

	if (s)
		(void)mnl_socket_close(s);
	return r;
}

/* Drivers whose native XDP keeps segmentation and checksum offloads. Others lose some: veth those
 * of its other end, virtio_net what it takes from its host. */
static const char *const native_drivers[] = {
	"bnxt_en", "ena",     "i40e",	   "ice", "igb", "igc",
	"ixgbe",   "mlx4_en", "mlx5_core", "nfp", "sfc",
};

bool link_is_native(const struct link_row *l)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (char *)&info };
	int fd;

	if (l->kind[0])
		return false; /* made of software */
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", l->name);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0)
		info.driver[0] = '\0';
	if (fd >= 0)
		(void)close(fd);
	for (size_t i = 0; i < N_ELEMENTS(native_drivers); i++)
		if (strcmp(native_drivers[i], info.driver) == 0)
			return true;
	return false;
}

static bool address_of(const struct sockaddr *a, uint64_t ret[2])
{
	uint8_t bytes[16] = { 0 };

	if (!a)
		return false;
	if (a->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)a;

		memcpy(bytes, &in6->sin6_addr, 16);
	} else if (a->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)a;

		bytes[10] = bytes[11] = 0xff;
		memcpy(bytes + 12, &in->sin_addr, 4);
	} else {
		return false;
	}
	memcpy(ret, bytes, 16);
	return true;
}

unsigned links_addresses(uint64_t ret[EBPF_LOCALS_MAX][2])
{
	struct ifaddrs *list;
	unsigned n = 0;

	if (getifaddrs(&list) < 0)
		return 0;
	for (const struct ifaddrs *i = list; i && n < EBPF_LOCALS_MAX; i = i->ifa_next)
		n += address_of(i->ifa_addr, ret[n]);
	freeifaddrs(list);
	return n;
}
