/* SPDX-License-Identifier: Apache-2.0 */
/* What of nftables there is, as the kernel itself lists it, and that something of it or of the
 * rules of routing changed. What changed is not read out of the messages: they may be lost, so who
 * hears of one looks for himself. */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shell/netlink/talk.h"

#define MESSAGES_A_CALL 1024 /* what more there is is read at the next */

/* ---- that something changed ---- */

static int join(int fd, int group)
{
	return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0
		       ? -errno
		       : 0;
}

int netlink_changes_open(enum netlink_topic topic)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	bool is_rules = topic == NETLINK_RULES;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			is_rules ? NETLINK_ROUTE : NETLINK_NETFILTER);
	int r;

	if (fd < 0)
		return -errno;
	/* without a port of its own it hears nothing */
	r = bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ? -errno : 0;
	if (r == 0)
		r = join(fd, is_rules ? RTNLGRP_IPV4_RULE : NFNLGRP_NFTABLES);
	if (r == 0 && is_rules)
		r = join(fd, RTNLGRP_IPV6_RULE);
	if (r < 0)
		(void)close(fd);
	return r < 0 ? r : fd;
}

void netlink_changes_forget(int fd)
{
	char byte;

	for (unsigned i = 0; i < MESSAGES_A_CALL; i++)
		if (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) < 0 && errno != EINTR &&
		    errno != ENOBUFS)
			return;
}

/* ---- what there is ---- */

static struct nlmsghdr *list_request(uint8_t *buffer, unsigned type)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *m;

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->nfgen_family = NFPROTO_INET;
	m->version = NFNETLINK_V0;
	return h;
}

static int list(struct nlmsghdr *h, mnl_cb_t on_message, void *arg)
{
	struct netlink *n = NULL;
	int r = netlink_new_of(NETLINK_NETFILTER, &n);

	if (r == 0)
		r = netlink_talk(n, h, on_message, arg);
	netlink_free(n);
	return r;
}

static int count_message(const struct nlmsghdr *h, void *arg)
{
	unsigned *n = arg;

	*n += (h->nlmsg_type & 0xff) == NFT_MSG_NEWRULE;
	return MNL_CB_OK;
}

int nft_rules_count(const char *table)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[NETLINK_REQUEST_SIZE];
	struct nlmsghdr *h = list_request(buffer, NFT_MSG_GETRULE);
	unsigned n = 0;
	int r;

	if (strlen(table) >= NFT_TABLE_SIZE)
		return -EINVAL;
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, table);
	r = list(h, count_message, &n);
	return r < 0 ? r : (int)n;
}

struct names {
	const char *prefix;
	struct nft_names *ret;
};

static int keep_name(const struct nlattr *a, void *arg)
{
	const struct names *names = arg;
	struct nft_names *ret = names->ret;
	size_t prefix_len = strlen(names->prefix);
	const char *name;

	if (mnl_attr_get_type(a) != NFTA_TABLE_NAME ||
	    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0)
		return MNL_CB_OK;
	name = mnl_attr_get_str(a);
	if (strncmp(name, names->prefix, prefix_len) != 0 ||
	    strlen(name + prefix_len) >= sizeof(ret->list[0]) || ret->n == NFT_NAMES_MAX)
		return MNL_CB_OK;
	memcpy(ret->list[ret->n++], name + prefix_len, strlen(name + prefix_len) + 1);
	return MNL_CB_OK;
}

static int on_table(const struct nlmsghdr *h, void *arg)
{
	if ((h->nlmsg_type & 0xff) == NFT_MSG_NEWTABLE)
		(void)mnl_attr_parse(h, sizeof(struct nfgenmsg), keep_name, arg);
	return MNL_CB_OK;
}

int nft_tables(const char *prefix, struct nft_names *ret)
{
	_Alignas(struct nlmsghdr) uint8_t buffer[NETLINK_REQUEST_SIZE];
	struct names names = { .prefix = prefix, .ret = ret };

	ret->n = 0;
	return list(list_request(buffer, NFT_MSG_GETTABLE), on_table, &names);
}
