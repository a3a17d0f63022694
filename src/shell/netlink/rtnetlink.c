/* SPDX-License-Identifier: Apache-2.0 */
/* Links, addresses and routes by rtnetlink (rtnetlink(7)), through libmnl. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "shell/netlink/talk.h"

#define REQUEST_SIZE NETLINK_REQUEST_SIZE
#define REPLY_SIZE 32768 /* what the kernel fills at most in one dump message */

struct netlink {
	struct mnl_socket *socket;
	unsigned port;
	unsigned sequence;
};

static void netlink_freep(struct netlink **n)
{
	netlink_free(*n);
}

int netlink_new(struct netlink **ret)
{
	return netlink_new_of(NETLINK_ROUTE, ret);
}

int netlink_new_of(int bus, struct netlink **ret)
{
	CLEANUP(netlink_freep) struct netlink *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!n->socket || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	n->port = mnl_socket_get_portid(n->socket);
	*ret = TAKE(n);
	return 0;
}

void netlink_free(struct netlink *n)
{
	if (!n)
		return;
	if (n->socket)
		(void)mnl_socket_close(n->socket);
	free(n);
}

int netlink_talk(struct netlink *n, struct nlmsghdr *h, mnl_cb_t callback, void *arg)
{
	_Alignas(struct nlmsghdr) uint8_t reply[REPLY_SIZE];
	struct pollfd p = { .fd = mnl_socket_get_fd(n->socket), .events = POLLIN };
	int r = MNL_CB_OK;

	h->nlmsg_seq = ++n->sequence;
	if (mnl_socket_sendto(n->socket, h, h->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		if (poll(&p, 1, NETLINK_WAIT_MS) == 0)
			return -ETIMEDOUT;
		ssize_t len = mnl_socket_recvfrom(n->socket, reply, sizeof(reply));

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		r = mnl_cb_run(reply, (size_t)len, n->sequence, n->port, callback, arg);
		if (r < 0 && errno == ESRCH && n->sequence != ((struct nlmsghdr *)reply)->nlmsg_seq)
			r = MNL_CB_OK; /* the late answer to a request that timed out */
	}
	return r < 0 ? -errno : 0;
}

static int talk(struct netlink *n, struct nlmsghdr *h, mnl_cb_t callback, void *arg)
{
	return netlink_talk(n, h, callback, arg);
}

static struct nlmsghdr *request(uint8_t *buffer, unsigned type, unsigned flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);

	h->nlmsg_type = (uint16_t)type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return h;
}

/* The attributes that are read here all have numbers below this. */
#define ATTRIBUTES_MAX 32

struct attributes {
	const struct nlattr *of[ATTRIBUTES_MAX];
};

static int keep_attribute(const struct nlattr *a, void *arg)
{
	struct attributes *all = arg;

	if (mnl_attr_get_type(a) < ATTRIBUTES_MAX)
		all->of[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

static struct attributes parse(const struct nlmsghdr *h, size_t header_len)
{
	struct attributes all = { 0 };

	(void)mnl_attr_parse(h, (unsigned)header_len, keep_attribute, &all);
	return all;
}

static bool is_address(const struct nlattr *a)
{
	return a && mnl_attr_get_payload_len(a) == 16;
}

/* ---- links ---- */

static int on_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
	struct attributes all = parse(h, sizeof(*info));
	struct netlink_link *link = arg;

	link->index = (unsigned)info->ifi_index;
	link->is_up = info->ifi_flags & IFF_UP;
	if (all.of[IFLA_MTU])
		link->mtu_bytes = mnl_attr_get_u32(all.of[IFLA_MTU]);
	if (all.of[IFLA_MASTER])
		link->master = mnl_attr_get_u32(all.of[IFLA_MASTER]);
	return MNL_CB_OK;
}

int netlink_link(struct netlink *n, const char *name, struct netlink_link *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct nlmsghdr *h = request(buffer, RTM_GETLINK, NLM_F_ACK);
	struct netlink_link link = { 0 };
	int r;

	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	(void)mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	r = talk(n, h, on_link, &link);
	if (r < 0)
		return r;
	*ret = link;
	return 0;
}

static struct nlmsghdr *link_request(uint8_t *buffer, unsigned index, struct ifinfomsg **ret)
{
	struct nlmsghdr *h = request(buffer, RTM_NEWLINK, NLM_F_ACK);

	*ret = mnl_nlmsg_put_extra_header(h, sizeof(**ret));
	(*ret)->ifi_index = (int)index;
	return h;
}

int netlink_link_set_up(struct netlink *n, unsigned index, bool is_up)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct ifinfomsg *info;
	struct nlmsghdr *h = link_request(buffer, index, &info);

	info->ifi_change = IFF_UP;
	info->ifi_flags = is_up ? IFF_UP : 0;
	return talk(n, h, NULL, NULL);
}

int netlink_link_set_mtu(struct netlink *n, unsigned index, unsigned mtu_bytes)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct ifinfomsg *info;
	struct nlmsghdr *h = link_request(buffer, index, &info);

	mnl_attr_put_u32(h, IFLA_MTU, mtu_bytes);
	return talk(n, h, NULL, NULL);
}

int netlink_link_set_gso_max(struct netlink *n, unsigned index, unsigned bytes)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct ifinfomsg *info;
	struct nlmsghdr *h = link_request(buffer, index, &info);

	mnl_attr_put_u32(h, IFLA_GSO_MAX_SIZE, bytes);
	return talk(n, h, NULL, NULL);
}

/* ---- families ---- */

static bool is_ipv4(const struct netlink_prefix *p)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return p->len >= 96 && memcmp(p->ip, mapped, sizeof(mapped)) == 0;
}

static uint8_t family_of(const struct netlink_prefix *p)
{
	return is_ipv4(p) ? AF_INET : AF_INET6;
}

static uint8_t len_of(const struct netlink_prefix *p)
{
	return (uint8_t)(is_ipv4(p) ? p->len - 96 : p->len);
}

static void put_address(struct nlmsghdr *h, uint16_t type, const struct netlink_prefix *p)
{
	if (is_ipv4(p))
		mnl_attr_put(h, type, 4, p->ip + 12);
	else
		mnl_attr_put(h, type, 16, p->ip);
}

/* ---- which way ---- */

static int on_way(const struct nlmsghdr *h, void *arg)
{
	struct attributes all = parse(h, sizeof(struct rtmsg));
	unsigned *index = arg;

	if (h->nlmsg_type == RTM_NEWROUTE && all.of[RTA_OIF])
		*index = mnl_attr_get_u32(all.of[RTA_OIF]);
	return MNL_CB_OK;
}

int netlink_interface_to(struct netlink *n, const uint8_t ip[16], unsigned *ret_index)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct nlmsghdr *h = request(buffer, RTM_GETROUTE, NLM_F_ACK);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct netlink_prefix to = { .len = 128 };
	unsigned index = 0;
	int r;

	memcpy(to.ip, ip, sizeof(to.ip));
	m->rtm_family = family_of(&to);
	m->rtm_dst_len = len_of(&to);
	put_address(h, RTA_DST, &to);
	r = talk(n, h, on_way, &index);
	if (r < 0)
		return r;
	if (index == 0)
		return -ENETUNREACH;
	*ret_index = index;
	return 0;
}

/* ---- addresses ---- */

static int change_address(struct netlink *n, unsigned type, unsigned flags, unsigned index,
			  const struct netlink_prefix *address)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct nlmsghdr *h = request(buffer, type, NLM_F_ACK | flags);
	struct ifaddrmsg *a = mnl_nlmsg_put_extra_header(h, sizeof(*a));

	if (address->len > 128)
		return -EINVAL;
	a->ifa_family = family_of(address);
	a->ifa_prefixlen = len_of(address);
	a->ifa_flags = IFA_F_NODAD; /* the address follows from the identity: nobody else has it */
	a->ifa_scope = RT_SCOPE_UNIVERSE;
	a->ifa_index = index;
	put_address(h, IFA_LOCAL, address);
	put_address(h, IFA_ADDRESS, address);
	return talk(n, h, NULL, NULL);
}

int netlink_address_add(struct netlink *n, unsigned index, const struct netlink_prefix *address)
{
	return change_address(n, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address);
}

int netlink_address_delete(struct netlink *n, unsigned index, const struct netlink_prefix *address)
{
	return change_address(n, RTM_DELADDR, 0, index, address);
}

struct listing {
	unsigned index;
	struct netlink_prefix *list;
	size_t n, max;
};

static void listing_add(struct listing *l, const struct nlattr *ip, unsigned len)
{
	if (l->n < l->max) {
		l->list[l->n] = (struct netlink_prefix){ .len = len };
		if (ip)
			memcpy(l->list[l->n].ip, mnl_attr_get_payload(ip), 16);
	}
	l->n++;
}

static int on_address(const struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(h);
	struct attributes all = parse(h, sizeof(*info));
	struct listing *l = arg;

	if (info->ifa_index == l->index && info->ifa_family == AF_INET6 &&
	    is_address(all.of[IFA_ADDRESS]))
		listing_add(l, all.of[IFA_ADDRESS], info->ifa_prefixlen);
	return MNL_CB_OK;
}

int netlink_addresses(struct netlink *n, unsigned index, struct netlink_prefix *ret, size_t max)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct nlmsghdr *h = request(buffer, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *a = mnl_nlmsg_put_extra_header(h, sizeof(*a));
	struct listing l = { .index = index, .list = ret, .max = max };
	int r;

	a->ifa_family = AF_INET6;
	r = talk(n, h, on_address, &l);
	return r < 0 ? r : (int)l.n;
}

/* ---- routes ---- */

static int change_route(struct netlink *n, unsigned type, unsigned flags, uint32_t table,
			unsigned index, const struct netlink_prefix *to)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct nlmsghdr *h = request(buffer, type, NLM_F_ACK | flags);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	if (to->len > 128)
		return -EINVAL;
	m->rtm_family = family_of(to);
	m->rtm_dst_len = len_of(to);
	m->rtm_table = table <= UINT8_MAX ? (uint8_t)table : RT_TABLE_UNSPEC;
	m->rtm_protocol = NETLINK_ROUTE_PROTOCOL;
	m->rtm_scope = is_ipv4(to) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNICAST;
	put_address(h, RTA_DST, to);
	mnl_attr_put_u32(h, RTA_OIF, index);
	mnl_attr_put_u32(h, RTA_TABLE, table);
	return talk(n, h, NULL, NULL);
}

int netlink_route_add(struct netlink *n, unsigned index, const struct netlink_prefix *to)
{
	return netlink_table_route_add(n, RT_TABLE_MAIN, index, to);
}

int netlink_route_delete(struct netlink *n, unsigned index, const struct netlink_prefix *to)
{
	return netlink_table_route_delete(n, RT_TABLE_MAIN, index, to);
}

int netlink_table_route_add(struct netlink *n, uint32_t table, unsigned index,
			    const struct netlink_prefix *to)
{
	return change_route(n, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, table, index, to);
}

int netlink_table_route_delete(struct netlink *n, uint32_t table, unsigned index,
			       const struct netlink_prefix *to)
{
	return change_route(n, RTM_DELROUTE, 0, table, index, to);
}

static int on_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct attributes all = parse(h, sizeof(*m));
	const struct nlattr *to = is_address(all.of[RTA_DST]) ? all.of[RTA_DST] : NULL;
	struct listing *l = arg;

	if (m->rtm_family == AF_INET6 && m->rtm_protocol == NETLINK_ROUTE_PROTOCOL &&
	    all.of[RTA_OIF] && mnl_attr_get_u32(all.of[RTA_OIF]) == l->index &&
	    l->n < NETLINK_ROUTES_MAX)
		listing_add(l, to, m->rtm_dst_len);
	return MNL_CB_OK;
}

int netlink_routes(struct netlink *n, unsigned index, struct netlink_prefix *ret, size_t max)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct nlmsghdr *h = request(buffer, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct listing l = { .index = index, .list = ret, .max = max };
	int r;

	m->rtm_family = AF_INET6;
	r = talk(n, h, on_route, &l);
	return r < 0 ? r : (int)l.n;
}

struct route_count {
	unsigned index, n;
};

static int count_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct attributes all = parse(h, sizeof(*m));
	struct route_count *c = arg;

	c->n += m->rtm_protocol == NETLINK_ROUTE_PROTOCOL && all.of[RTA_OIF] &&
		mnl_attr_get_u32(all.of[RTA_OIF]) == c->index;
	return MNL_CB_OK;
}

int netlink_routes_count(struct netlink *n, unsigned index)
{
	static const uint8_t families[] = { AF_INET6, AF_INET };
	struct route_count c = { .index = index };

	for (size_t i = 0; i < N_ELEMENTS(families); i++) {
		_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
		struct nlmsghdr *h = request(buffer, RTM_GETROUTE, NLM_F_DUMP);
		struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
		int r;

		m->rtm_family = families[i];
		r = talk(n, h, count_route, &c);
		if (r < 0 && r != -EAFNOSUPPORT && r != -EOPNOTSUPP)
			return r;
	}
	return (int)c.n;
}

/* ---- rules ---- */

static struct nlmsghdr *rule_request(uint8_t *buffer, unsigned type, unsigned flags,
				     const struct netlink_rule *rule)
{
	struct nlmsghdr *h = request(buffer, type, NLM_F_ACK | flags);
	struct fib_rule_hdr *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));

	r->family = rule->is_ipv4 ? AF_INET : AF_INET6;
	r->action = rule->table ? FR_ACT_TO_TBL : FR_ACT_UNREACHABLE;
	mnl_attr_put_u32(h, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u8(h, FRA_PROTOCOL, NETLINK_ROUTE_PROTOCOL);
	if (rule->table)
		mnl_attr_put_u32(h, FRA_TABLE, rule->table);
	if (rule->mark) {
		mnl_attr_put_u32(h, FRA_FWMARK, rule->mark);
		mnl_attr_put_u32(h, FRA_FWMASK, UINT32_MAX);
	}
	if (rule->is_without_default)
		mnl_attr_put_u32(h, FRA_SUPPRESS_PREFIXLEN, 0);
	return h;
}

int netlink_rule_add(struct netlink *n, const struct netlink_rule *rule)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	int r = talk(n, rule_request(buffer, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule), NULL,
		     NULL);

	return r == -EEXIST ? 0 : r;
}

#define RULES_MAX 64 /* of ours in one listing */

struct rules {
	uint32_t first, n_priorities;
	struct netlink_rule list[RULES_MAX];
	size_t n;
};

static int on_rule(const struct nlmsghdr *h, void *arg)
{
	const struct fib_rule_hdr *r = mnl_nlmsg_get_payload(h);
	struct attributes all = parse(h, sizeof(*r));
	const struct nlattr *priority = all.of[FRA_PRIORITY];
	const struct nlattr *protocol = all.of[FRA_PROTOCOL];
	struct rules *rules = arg;
	uint32_t at = priority ? mnl_attr_get_u32(priority) : 0;

	if (!protocol || mnl_attr_get_u8(protocol) != NETLINK_ROUTE_PROTOCOL ||
	    at - rules->first >= rules->n_priorities || rules->n == RULES_MAX)
		return MNL_CB_OK;
	rules->list[rules->n++] = (struct netlink_rule){
		.is_ipv4 = r->family == AF_INET,
		.priority = at,
		.mark = all.of[FRA_FWMARK] ? mnl_attr_get_u32(all.of[FRA_FWMARK]) : 0,
		.table = r->action != FR_ACT_TO_TBL ? 0
			 : all.of[FRA_TABLE]	    ? mnl_attr_get_u32(all.of[FRA_TABLE])
						    : r->table,
		.is_without_default = all.of[FRA_SUPPRESS_PREFIXLEN] &&
				      mnl_attr_get_u32(all.of[FRA_SUPPRESS_PREFIXLEN]) == 0,
	};
	return MNL_CB_OK;
}

static int list_rules(struct netlink *n, uint8_t family, struct rules *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];
	struct nlmsghdr *h = request(buffer, RTM_GETRULE, NLM_F_DUMP);
	struct fib_rule_hdr *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	int e;

	r->family = family;
	e = talk(n, h, on_rule, ret);
	return e == -EAFNOSUPPORT || e == -EOPNOTSUPP ? 0 : e; /* a kernel without IPv6 */
}

static int list_all_rules(struct netlink *n, uint32_t first_priority, uint32_t n_priorities,
			  struct rules *ret)
{
	int r;

	*ret = (struct rules){ .first = first_priority, .n_priorities = n_priorities };
	r = list_rules(n, AF_INET, ret);
	return r == 0 ? list_rules(n, AF_INET6, ret) : r;
}

int netlink_rules_count(struct netlink *n, uint32_t first_priority, uint32_t n_priorities)
{
	struct rules rules;
	int r = list_all_rules(n, first_priority, n_priorities, &rules);

	return r < 0 ? r : (int)rules.n;
}

int netlink_rules_delete(struct netlink *n, uint32_t first_priority, uint32_t n_priorities)
{
	struct rules rules;
	int r = list_all_rules(n, first_priority, n_priorities, &rules);

	for (size_t i = 0; r == 0 && i < rules.n; i++) {
		_Alignas(struct nlmsghdr) uint8_t buffer[REQUEST_SIZE];

		r = talk(n, rule_request(buffer, RTM_DELRULE, 0, &rules.list[i]), NULL, NULL);
		r = r == -ENOENT ? 0 : r; /* somebody was faster */
	}
	return r < 0 ? r : (int)rules.n;
}
