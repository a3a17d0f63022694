/* SPDX-License-Identifier: Apache-2.0 */
/* Our filters at a qdisc clsact, by rtnetlink: needs no libbpf, so that also a build without eBPF
 * takes away what another left. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "base/cleanup.h"
#include "shell/bpf/qdisc.h"

/* Nobody else takes these by chance; and the names of the programs begin as ours do. */
#define PRIORITY_FIRST 0x7830
#define HANDLE_FIRST 0x78300000U
#define NAME_FIRST "x0_"

#define REPLY_SIZE 32768
#define INTERFACES_MAX 1024 /* with a clsact, looked through at a start */

typedef int qdisc_row(const struct nlmsghdr *h, void *arg);

uint16_t qdisc_priority(enum ebpf_program p)
{
	return (uint16_t)(PRIORITY_FIRST + p);
}

uint32_t qdisc_handle(enum ebpf_program p, uint32_t number)
{
	return HANDLE_FIRST + number % EBPF_NUMBERS_MAX * EBPF_N_PROGRAMS + (uint32_t)p;
}

static uint32_t parent_of(enum ebpf_direction d)
{
	return TC_H_MAKE(TC_H_CLSACT, d == EBPF_IN ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

/* ---- asking ---- */

/* Sends one request and hands each row of the answer to on_row. */
static int ask(struct nlmsghdr *h, qdisc_row *on_row, void *arg)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	_Alignas(struct nlmsghdr) uint8_t bytes[REPLY_SIZE];
	int r = MNL_CB_OK;

	if (!s)
		return -errno;
	h->nlmsg_seq = 1;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		r = MNL_CB_ERROR;
	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(s, bytes, sizeof(bytes));

		r = n < 0 ? MNL_CB_ERROR
			  : mnl_cb_run(bytes, (size_t)n, 1, mnl_socket_get_portid(s), on_row, arg);
	}
	r = r < 0 ? -errno : 0;
	(void)mnl_socket_close(s);
	return r;
}

static struct nlmsghdr *request(void *bytes, unsigned type, unsigned flags,
				const struct tcmsg *about, const char *kind)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(bytes);
	struct tcmsg *t;

	h->nlmsg_type = (uint16_t)type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	t = mnl_nlmsg_put_extra_header(h, sizeof(*t));
	*t = *about;
	if (kind)
		mnl_attr_put_strz(h, TCA_KIND, kind);
	return h;
}

static bool is_text(const struct nlattr *a)
{
	return mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0;
}

/* ---- whose a filter is ---- */

struct filter {
	bool is_bpf;
	bool is_named; /* as our programs are */
};

static int on_option(const struct nlattr *a, void *arg)
{
	struct filter *f = arg;

	if (mnl_attr_get_type(a) == TCA_BPF_NAME && is_text(a))
		f->is_named = strncmp(mnl_attr_get_str(a), NAME_FIRST, strlen(NAME_FIRST)) == 0;
	return MNL_CB_OK;
}

static int on_attribute(const struct nlattr *a, void *arg)
{
	struct filter *f = arg;

	if (mnl_attr_get_type(a) == TCA_KIND && is_text(a))
		f->is_bpf = strcmp(mnl_attr_get_str(a), "bpf") == 0;
	else if (mnl_attr_get_type(a) == TCA_OPTIONS)
		(void)mnl_attr_parse_nested(a, on_option, f);
	return MNL_CB_OK;
}

struct looking {
	struct qdisc_filters *found;
	enum ebpf_direction direction;
	uint32_t number;
};

static int on_filter(const struct nlmsghdr *h, void *arg)
{
	const struct tcmsg *t = mnl_nlmsg_get_payload(h);
	const struct looking *l = arg;
	unsigned p = TC_H_MAJ(t->tcm_info) / 0x10000 - PRIORITY_FIRST; /* of the program */
	struct filter f = { 0 };

	(void)mnl_attr_parse(h, sizeof(*t), on_attribute, &f);
	if (!f.is_bpf || p >= EBPF_N_PROGRAMS)
		l->found->n_others++;
	else if (t->tcm_handle == 0)
		return MNL_CB_OK; /* the head of those of this priority */
	else if (!f.is_named)
		l->found->n_others++;
	else if (t->tcm_handle == qdisc_handle((enum ebpf_program)p, l->number))
		l->found->own[l->direction] |= 1U << p;
	else
		l->found->n_kin++;
	return MNL_CB_OK;
}

int qdisc_look(unsigned interface, uint32_t number, struct qdisc_filters *ret)
{
	struct qdisc_filters found = { 0 };
	int r = 0;

	for (unsigned d = 0; r == 0 && d < EBPF_DIRECTIONS; d++) {
		_Alignas(struct nlmsghdr) uint8_t bytes[256];
		struct looking l = { &found, (enum ebpf_direction)d, number };
		const struct tcmsg about = { .tcm_ifindex = (int)interface,
					     .tcm_parent = parent_of(l.direction) };

		r = ask(request(bytes, RTM_GETTFILTER, NLM_F_DUMP, &about, NULL), on_filter, &l);
	}
	if (r == 0)
		*ret = found;
	return r;
}

/* ---- taking away ---- */

static int remove_filter(unsigned interface, enum ebpf_direction d, enum ebpf_program p,
			 uint32_t number)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[256];
	const struct tcmsg about = {
		.tcm_ifindex = (int)interface,
		.tcm_parent = parent_of(d),
		.tcm_handle = qdisc_handle(p, number),
		.tcm_info = TC_H_MAKE((uint32_t)qdisc_priority(p) << 16, htons(ETH_P_ALL)),
	};

	return ask(request(bytes, RTM_DELTFILTER, NLM_F_ACK, &about, "bpf"), NULL, NULL);
}

static void remove_qdisc_if_empty(unsigned interface, uint32_t number)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[256];
	const struct tcmsg about = { .tcm_ifindex = (int)interface,
				     .tcm_parent = TC_H_CLSACT,
				     .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0) };
	struct qdisc_filters left;

	/* Whoever puts a filter there between these two calls loses it: the kernel has no call for
	 * both. */
	if (qdisc_look(interface, number, &left) == 0 && !left.own[EBPF_IN] &&
	    !left.own[EBPF_OUT] && !left.n_kin && !left.n_others)
		(void)ask(request(bytes, RTM_DELQDISC, NLM_F_ACK, &about, "clsact"), NULL, NULL);
}

void qdisc_remove(unsigned interface, enum ebpf_direction d, enum ebpf_program p, uint32_t number,
		  bool is_qdisc_ours)
{
	(void)remove_filter(interface, d, p, number); /* else its interface is gone */
	if (is_qdisc_ours)
		remove_qdisc_if_empty(interface, number);
}

/* ---- after one that was killed ---- */

struct interfaces {
	unsigned index[INTERFACES_MAX];
	unsigned n;
};

static int on_qdisc(const struct nlmsghdr *h, void *arg)
{
	const struct tcmsg *t = mnl_nlmsg_get_payload(h);
	struct interfaces *i = arg;

	if (t->tcm_parent == TC_H_CLSACT && i->n < INTERFACES_MAX)
		i->index[i->n++] = (unsigned)t->tcm_ifindex;
	return MNL_CB_OK;
}

static unsigned clean(unsigned interface, uint32_t number)
{
	struct qdisc_filters found = { 0 };
	unsigned n = 0;

	if (qdisc_look(interface, number, &found) < 0)
		return 0;
	for (unsigned d = 0; d < EBPF_DIRECTIONS; d++)
		for (unsigned p = 0; p < EBPF_N_PROGRAMS; p++)
			if (found.own[d] & 1U << p)
				n += remove_filter(interface, (enum ebpf_direction)d,
						   (enum ebpf_program)p, number) == 0;
	if (n > 0)
		remove_qdisc_if_empty(interface, number);
	return n;
}

unsigned ebpf_clean(uint32_t number)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[256];
	const struct tcmsg about = { 0 };
	struct interfaces all = { 0 };
	unsigned n = 0;

	if (ask(request(bytes, RTM_GETQDISC, NLM_F_DUMP, &about, NULL), on_qdisc, &all) < 0)
		return 0;
	for (unsigned i = 0; i < all.n; i++)
		n += clean(all.index[i], number);
	return n;
}
