/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the kernel's batman-adv: one request and all of its answer at a time, through libmnl. */
#include "shell/batman/batman.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/batman_adv.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "shell/batman/codec.h"

#define REPLY_SIZE 32768 /* what the kernel fills at most in one dump message */
#define TRIES 5		 /* of a dump that changes while it is read */
#define ROWS_AT_FIRST 64

struct batman {
	struct mnl_socket *generic, *route;
	uint16_t family;
	unsigned sequence;
};

DEFINE_FREEP(struct batman, batman_free)

/* ---- asking ---- */

/* An acknowledgement, the end of a dump, or an error: the first two are an errno of 0, and all
 * begin with it. libmnl 1.0 passes over the error at the end of a dump, so both are read here. */
static int on_end(const struct nlmsghdr *h, void *arg)
{
	int error;

	(void)arg;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(error))
		return MNL_CB_STOP;
	memcpy(&error, mnl_nlmsg_get_payload(h), sizeof(error));
	if (error >= 0)
		return MNL_CB_STOP;
	errno = -error;
	return MNL_CB_ERROR;
}

static mnl_cb_t on_control[] = { [NLMSG_ERROR] = on_end, [NLMSG_DONE] = on_end };

/* Sends and reads until the kernel's acknowledgement or the end of the dump. */
static int talk(struct batman *b, struct mnl_socket *socket, struct nlmsghdr *h, mnl_cb_t callback,
		void *arg)
{
	_Alignas(struct nlmsghdr) uint8_t reply[REPLY_SIZE];
	struct pollfd p = { .fd = mnl_socket_get_fd(socket), .events = POLLIN };
	int r = MNL_CB_OK;

	h->nlmsg_seq = ++b->sequence;
	if (mnl_socket_sendto(socket, h, h->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		if (poll(&p, 1, BATMAN_WAIT_MS) == 0)
			return -ETIMEDOUT;
		ssize_t len = mnl_socket_recvfrom(socket, reply, sizeof(reply));

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		r = mnl_cb_run2(reply, (size_t)len, b->sequence, mnl_socket_get_portid(socket),
				callback, arg, on_control, N_ELEMENTS(on_control));
		if (r < 0 && errno == ESRCH && b->sequence != ((struct nlmsghdr *)reply)->nlmsg_seq)
			r = MNL_CB_OK; /* the late answer to a request that timed out */
	}
	return r < 0 ? -errno : 0;
}

static int open_socket(int protocol, struct mnl_socket **ret)
{
	*ret = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (!*ret || mnl_socket_bind(*ret, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

static int failed(int r)
{
	errno = -r;
	return MNL_CB_ERROR;
}

static int on_family(const struct nlmsghdr *h, void *arg)
{
	int r = batman_read_family(h, arg);

	return r < 0 ? failed(r) : MNL_CB_OK;
}

/* The kernel loads the module for this question, where it has it. */
static int find_family(struct batman *b)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	struct nlmsghdr *h = batman_request(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK, 0);

	mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, BATADV_NL_NAME);
	return talk(b, b->generic, h, on_family, &b->family);
}

int batman_new(struct batman **ret)
{
	CLEANUP(batman_freep) struct batman *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	r = open_socket(NETLINK_GENERIC, &b->generic);
	if (r == 0)
		r = open_socket(NETLINK_ROUTE, &b->route);
	if (r == 0)
		r = find_family(b);
	if (r < 0)
		return r;
	*ret = TAKE(b);
	return 0;
}

void batman_free(struct batman *b)
{
	if (!b)
		return;
	if (b->generic)
		(void)mnl_socket_close(b->generic);
	if (b->route)
		(void)mnl_socket_close(b->route);
	free(b);
}

/* ---- interfaces ---- */

struct link {
	unsigned index, master, mtu_bytes;
	bool is_up;
	bool is_mesh;
};

static int on_link_kind(const struct nlattr *a, void *arg)
{
	struct link *link = arg;

	if (mnl_attr_get_type(a) == IFLA_INFO_KIND &&
	    mnl_attr_get_payload_len(a) >= sizeof("batadv") - 1 &&
	    memcmp(mnl_attr_get_payload(a), "batadv", sizeof("batadv") - 1) == 0)
		link->is_mesh = true;
	return MNL_CB_OK;
}

static int on_link_attribute(const struct nlattr *a, void *arg)
{
	bool has_number = mnl_attr_get_payload_len(a) >= sizeof(uint32_t);
	struct link *link = arg;

	if (mnl_attr_get_type(a) == IFLA_MTU && has_number)
		link->mtu_bytes = mnl_attr_get_u32(a);
	else if (mnl_attr_get_type(a) == IFLA_MASTER && has_number)
		link->master = mnl_attr_get_u32(a);
	else if (mnl_attr_get_type(a) == IFLA_LINKINFO)
		(void)mnl_attr_parse_nested(a, on_link_kind, link);
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
	struct link *link = arg;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*info))
		return failed(-EBADMSG);
	link->index = (unsigned)info->ifi_index;
	link->is_up = info->ifi_flags & IFF_UP;
	(void)mnl_attr_parse(h, sizeof(*info), on_link_attribute, link);
	return MNL_CB_OK;
}

static struct nlmsghdr *link_request(void *buffer, unsigned type, unsigned flags, unsigned index,
				     struct ifinfomsg **ret_info)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);

	h->nlmsg_type = (uint16_t)type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	*ret_info = mnl_nlmsg_put_extra_header(h, sizeof(**ret_info));
	(*ret_info)->ifi_index = (int)index;
	return h;
}

static int find_link(struct batman *b, const char *name, struct link *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	struct ifinfomsg *info;
	struct nlmsghdr *h = link_request(buffer, RTM_GETLINK, 0, 0, &info);

	*ret = (struct link){ 0 };
	if (!name[0] || strlen(name) >= BATMAN_NAME_SIZE)
		return -ENODEV;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	return talk(b, b->route, h, on_link, ret);
}

static int find_mesh(struct batman *b, const char *name, struct link *ret)
{
	int r = find_link(b, name, ret);

	if (r == 0 && !ret->is_mesh)
		r = -EOPNOTSUPP;
	return r;
}

static int set_up(struct batman *b, unsigned index)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	struct ifinfomsg *info;
	struct nlmsghdr *h = link_request(buffer, RTM_NEWLINK, 0, index, &info);

	info->ifi_change = IFF_UP;
	info->ifi_flags = IFF_UP;
	return talk(b, b->route, h, NULL, NULL);
}

int batman_create(struct batman *b, const char *mesh, const char *algorithm)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	struct nlattr *outer, *inner;
	struct ifinfomsg *info;
	struct nlmsghdr *h = link_request(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, &info);
	struct link link;
	int r;

	if (!mesh[0] || strlen(mesh) >= BATMAN_NAME_SIZE ||
	    strlen(algorithm) >= BATMAN_ALGORITHM_SIZE)
		return -EINVAL;
	mnl_attr_put_strz(h, IFLA_IFNAME, mesh);
	outer = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "batadv");
	inner = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	mnl_attr_put_strz(h, IFLA_BATADV_ALGO_NAME, algorithm);
	mnl_attr_nest_end(h, inner);
	mnl_attr_nest_end(h, outer);
	r = talk(b, b->route, h, NULL, NULL);
	if (r == 0)
		r = find_mesh(b, mesh, &link);
	return r == 0 ? set_up(b, link.index) : r;
}

int batman_destroy(struct batman *b, const char *mesh)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	struct ifinfomsg *info;
	struct link link;
	int r = find_mesh(b, mesh, &link);

	if (r < 0)
		return r;
	return talk(b, b->route, link_request(buffer, RTM_DELLINK, 0, link.index, &info), NULL,
		    NULL);
}

static int set_master(struct batman *b, unsigned index, unsigned master)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	struct ifinfomsg *info;
	struct nlmsghdr *h = link_request(buffer, RTM_NEWLINK, 0, index, &info);

	mnl_attr_put_u32(h, IFLA_MASTER, master);
	return talk(b, b->route, h, NULL, NULL);
}

int batman_add(struct batman *b, const char *mesh, const char *interface)
{
	struct link of_mesh, link = { 0 };
	int r = find_mesh(b, mesh, &of_mesh);

	if (r == 0)
		r = find_link(b, interface, &link);
	if (r < 0)
		return r;
	if (link.master > 0 && link.master != of_mesh.index)
		return -EBUSY; /* the kernel would move it */
	if (link.master != of_mesh.index)
		r = set_master(b, link.index, of_mesh.index);
	return r == 0 && !link.is_up ? set_up(b, link.index) : r;
}

int batman_remove(struct batman *b, const char *mesh, const char *interface)
{
	struct link of_mesh, link = { 0 };
	int r = find_mesh(b, mesh, &of_mesh);

	if (r == 0)
		r = find_link(b, interface, &link);
	if (r == 0 && link.master != of_mesh.index)
		r = -ENOENT;
	return r == 0 ? set_master(b, link.index, 0) : r;
}

int batman_mtu(struct batman *b, const char *interface, unsigned *ret_bytes)
{
	struct link link;
	int r = find_link(b, interface, &link);

	if (r == 0)
		*ret_bytes = link.mtu_bytes;
	return r;
}

/* ---- settings ---- */

static int on_mesh(const struct nlmsghdr *h, void *arg)
{
	int r = batman_read_mesh(h, arg);

	return r < 0 ? failed(r) : MNL_CB_OK;
}

int batman_mesh(struct batman *b, const char *mesh, struct batman_mesh *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	struct batman_mesh found = { 0 };
	struct link link;
	int r = find_mesh(b, mesh, &link);

	if (r < 0)
		return r;
	r = talk(b, b->generic,
		 batman_request(buffer, b->family, BATADV_CMD_GET_MESH, NLM_F_ACK, link.index),
		 on_mesh, &found);
	if (r == 0)
		*ret = found;
	return r;
}

struct interfaces {
	struct batman_interface *list;
	size_t n;
};

static int on_interface(const struct nlmsghdr *h, void *arg)
{
	struct interfaces *all = arg;
	int r;

	if (all->n == BATMAN_INTERFACES_MAX)
		return failed(-ENOBUFS);
	r = batman_read_interface(h, &all->list[all->n]);
	if (r < 0)
		return failed(r);
	all->n++;
	return MNL_CB_OK;
}

/* What changes while the kernel lists it is asked for again. */
static int dump(struct batman *b, uint8_t command, unsigned index, mnl_cb_t callback, void *arg,
		size_t *n)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < TRIES; i++) {
		*n = 0;
		r = talk(b, b->generic,
			 batman_request(buffer, b->family, command, NLM_F_DUMP, index), callback,
			 arg);
	}
	return r;
}

int batman_interfaces(struct batman *b, const char *mesh,
		      struct batman_interface ret[BATMAN_INTERFACES_MAX], size_t *ret_n)
{
	struct interfaces all = { .list = ret };
	struct link link;
	int r = find_mesh(b, mesh, &link);

	if (r == 0)
		r = dump(b, BATADV_CMD_GET_HARDIF, link.index, on_interface, &all, &all.n);
	if (r == 0)
		*ret_n = all.n;
	return r;
}

static bool is_equal(const struct batman_value *a, const struct batman_value *b)
{
	return a->is_known && a->number == b->number && a->mask == b->mask;
}

static int on_interface_again(const struct nlmsghdr *h, void *arg)
{
	int r = batman_read_interface(h, arg);

	return r < 0 ? failed(r) : MNL_CB_OK;
}

/* The kernel passes over what it does not know: so it is asked what it has now. */
static int check_set(struct batman *b, const char *mesh, unsigned mesh_index, unsigned index,
		     const struct batman_setting *s, const struct batman_value *value)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	size_t at = (size_t)(s - batman_settings);
	struct batman_interface interface = { 0 };
	struct batman_mesh now = { 0 };
	struct nlmsghdr *h;
	int r;

	if (index == 0) {
		r = batman_mesh(b, mesh, &now);
	} else {
		h = batman_request(buffer, b->family, BATADV_CMD_GET_HARDIF, NLM_F_ACK, mesh_index);
		mnl_attr_put_u32(h, BATADV_ATTR_HARD_IFINDEX, index);
		r = talk(b, b->generic, h, on_interface_again, &interface);
	}
	if (r < 0)
		return r;
	return is_equal(index == 0 ? &now.values[at] : &interface.values[at], value) ? 0
										     : -EOPNOTSUPP;
}

int batman_set(struct batman *b, const char *mesh, const char *interface,
	       const struct batman_setting *s, const struct batman_value *value)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[BATMAN_REQUEST_SIZE];
	struct link of_mesh, link = { 0 };
	struct nlmsghdr *h;
	int r = find_mesh(b, mesh, &of_mesh);

	if (r == 0 && interface)
		r = find_link(b, interface, &link);
	if (r == 0 && interface && link.master != of_mesh.index)
		r = -ENOENT;
	if (r < 0)
		return r;
	h = batman_request(buffer, b->family,
			   interface ? BATADV_CMD_SET_HARDIF : BATADV_CMD_SET_MESH, NLM_F_ACK,
			   of_mesh.index);
	if (interface)
		mnl_attr_put_u32(h, BATADV_ATTR_HARD_IFINDEX, link.index);
	batman_put_setting(h, s, value);
	r = talk(b, b->generic, h, NULL, NULL);
	return r == 0 ? check_set(b, mesh, of_mesh.index, link.index, s, value) : r;
}

/* ---- tables ---- */

struct rows {
	enum batman_table table;
	struct batman_row *list;
	size_t n, size;
};

static int grow(struct rows *rows)
{
	size_t size = rows->size ? 2 * rows->size : ROWS_AT_FIRST;
	struct batman_row *list;

	if (rows->n == BATMAN_ROWS_MAX)
		return -ENOBUFS;
	list = reallocarray(rows->list, size, sizeof(*list));
	if (!list)
		return -ENOMEM;
	rows->list = list;
	rows->size = size;
	return 0;
}

static int on_row(const struct nlmsghdr *h, void *arg)
{
	struct rows *rows = arg;
	int r = rows->n == rows->size ? grow(rows) : 0;

	if (r == 0)
		r = batman_read_row(h, rows->table, &rows->list[rows->n]);
	if (r < 0)
		return failed(r);
	rows->n++;
	return MNL_CB_OK;
}

int batman_table(struct batman *b, const char *mesh, enum batman_table table,
		 struct batman_row **ret, size_t *ret_n)
{
	static const uint8_t commands[BATMAN_N_TABLES] = {
		[BATMAN_NEIGHBOURS] = BATADV_CMD_GET_NEIGHBORS,
		[BATMAN_ORIGINATORS] = BATADV_CMD_GET_ORIGINATORS,
		[BATMAN_GATEWAYS] = BATADV_CMD_GET_GATEWAYS,
		[BATMAN_LOCAL] = BATADV_CMD_GET_TRANSTABLE_LOCAL,
		[BATMAN_GLOBAL] = BATADV_CMD_GET_TRANSTABLE_GLOBAL,
		[BATMAN_CLAIMS] = BATADV_CMD_GET_BLA_CLAIM,
		[BATMAN_BACKBONES] = BATADV_CMD_GET_BLA_BACKBONE,
	};
	struct rows rows = { .table = table };
	struct link link;
	int r = find_mesh(b, mesh, &link);

	if (r == 0)
		r = dump(b, commands[table], link.index, on_row, &rows, &rows.n);
	if (r < 0) {
		free(rows.list);
		return r;
	}
	*ret = rows.list;
	*ret_n = rows.n;
	return 0;
}
