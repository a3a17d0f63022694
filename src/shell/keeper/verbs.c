/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper does for its child: each verb with the check that comes before it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shell/keeper/verbs.h"
#include "shell/tun/tun.h"

#define TUN_MTU_MIN 1280 /* of any IPv6 link (RFC 8200 section 5) */

_Static_assert(TUN_WHY_SIZE <= KEEPER_WHY_SIZE && EBPF_WHY_SIZE <= KEEPER_WHY_SIZE &&
		       NFT_WHY_SIZE <= KEEPER_WHY_SIZE,
	       "they fit");

static bool is_ipv4_default(const struct netlink_prefix *p)
{
	return p->len == 96 && memcmp(p->ip, ways_default_ipv4.ip, 16) == 0;
}

static int refuse(struct reply *ret, const char *text)
{
	(void)snprintf(ret->why, sizeof(ret->why), "the keeper refuses: %s", text);
	return -EPROTO;
}

/* Gives a system error its sentence, unless there is one already. */
static int told(struct reply *ret, const char *what, int r)
{
	const char *text = r == -EPERM ? "not permitted (CAP_NET_ADMIN)" : strerror(-r);

	if (r < 0 && ret->why[0] == '\0')
		(void)snprintf(ret->why, sizeof(ret->why), "%s: %s", what, text);
	return r;
}

static bool is_inside(const struct netlink_prefix *p, const struct netlink_prefix *outer)
{
	unsigned bytes = outer->len / 8, bits = outer->len % 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits);

	if (p->len < outer->len || memcmp(p->ip, outer->ip, bytes) != 0)
		return false;
	return bits == 0 || ((p->ip[bytes] ^ outer->ip[bytes]) & mask) == 0;
}

/* An address of this tunnel, IPv6 or IPv4. */
static bool is_of_tunnel(const struct verbs *v, const struct netlink_prefix *p)
{
	return is_inside(p, &v->options->overlay) ||
	       (v->options->has_ipv4 && is_inside(p, &v->options->ipv4));
}

static bool is_permitted(const struct verbs *v, enum keeper_permit what,
			 const struct netlink_prefix *prefix)
{
	return v->options->permits && v->options->permits(v->options->arg, what, prefix);
}

/* ---- TUN and rtnetlink ---- */

/* Runs one rtnetlink call on the tunnel device, the only one the keeper ever touches. */
static int on_tun(struct verbs *v, struct reply *ret, const char *what, const struct request *q,
		  int (*act)(struct netlink *n, unsigned index, const struct request *q))
{
	struct netlink *n = NULL;
	struct netlink_link link;
	int r = netlink_new(&n);

	if (r == 0)
		r = netlink_link(n, v->options->tun_name, &link);
	if (r == 0)
		r = act(n, link.index, q);
	netlink_free(n);
	return told(ret, what, r);
}

static int act_gso_max(struct netlink *n, unsigned index, const struct request *q)
{
	(void)q;
	return netlink_link_set_gso_max(n, index, TUN_GSO_MAX);
}

/* That a super-packet fits into one UDP message is for speed alone: a kernel that does not let us
 * say so cuts as well. */
static int do_tun_open(struct verbs *v, const struct request *q, struct reply *ret)
{
	unsigned got;

	if (q->number & ~(unsigned)(TUN_OFFLOADS_ALL | TUN_MANY_QUEUES))
		return refuse(ret, "no such offload of the tunnel");
	ret->fd = tun_open_offload(v->options->tun_name, q->number, &got, ret->why);
	ret->number = got;
	if (ret->fd >= 0 && got & TUN_OFFLOAD_TCP) {
		struct reply ignored = { 0 };

		(void)on_tun(v, &ignored, "", q, act_gso_max);
	}
	return ret->fd < 0 ? ret->fd : 0;
}

static int act_mtu(struct netlink *n, unsigned index, const struct request *q)
{
	return netlink_link_set_mtu(n, index, q->number);
}

static int do_mtu(struct verbs *v, const struct request *q, struct reply *ret)
{
	if (q->number < TUN_MTU_MIN || q->number > v->options->mtu_max_bytes)
		return refuse(ret, "an MTU outside the configured range");
	return on_tun(v, ret, "cannot set the MTU of the tunnel", q, act_mtu);
}

static int act_address(struct netlink *n, unsigned index, const struct request *q)
{
	int r = netlink_address_add(n, index, &q->prefix);

	return r == -EEXIST ? 0 : r;
}

static int do_address_add(struct verbs *v, const struct request *q, struct reply *ret)
{
	int r;

	if (!is_of_tunnel(v, &q->prefix))
		return refuse(ret, "an address outside the overlay prefix");
	r = on_tun(v, ret, "cannot give the tunnel its address", q, act_address);
	if (r == 0 && is_inside(&q->prefix, &v->options->overlay)) {
		v->has_own = true;
		memcpy(v->own, q->prefix.ip, sizeof(v->own));
	}
	return r;
}

static int act_address_delete(struct netlink *n, unsigned index, const struct request *q)
{
	return netlink_address_delete(n, index, &q->prefix);
}

static int do_address_delete(struct verbs *v, const struct request *q, struct reply *ret)
{
	if (!is_of_tunnel(v, &q->prefix))
		return refuse(ret, "an address outside the overlay prefix");
	return on_tun(v, ret, "cannot take an address from the tunnel", q, act_address_delete);
}

static int act_up(struct netlink *n, unsigned index, const struct request *q)
{
	(void)q;
	return netlink_link_set_up(n, index, true);
}

static int do_link_up(struct verbs *v, const struct request *q, struct reply *ret)
{
	return on_tun(v, ret, "cannot raise the tunnel", q, act_up);
}

static int act_route_add(struct netlink *n, unsigned index, const struct request *q)
{
	return netlink_route_add(n, index, &q->prefix);
}

/* Routes of the overlay are in the main table; those of networks behind other nodes in one of
 * our own, where they stand back behind the networks that this machine is in. */
static int act_network_add(struct netlink *n, unsigned index, const struct request *q)
{
	return netlink_table_route_add(n, q->number, index, &q->prefix);
}

static int act_network_delete(struct netlink *n, unsigned index, const struct request *q)
{
	return netlink_table_route_delete(n, q->number, index, &q->prefix);
}

static int do_network(struct verbs *v, const struct request *q, struct reply *ret, bool is_add)
{
	struct request in_table = *q;
	int r = 0;

	if (is_inside(&v->options->overlay, &q->prefix) ||
	    (v->options->has_ipv4 && is_inside(&v->options->ipv4, &q->prefix)))
		return refuse(ret, "a route for the overlay itself and more");
	/* what may have been permitted before may go in any case */
	if (q->prefix.len == 0 || is_ipv4_default(&q->prefix) ||
	    (is_add && !is_permitted(v, KEEPER_PERMIT_ROUTE, &q->prefix)))
		return refuse(ret, "a route that no rule of the policy (prefix) allows");
	in_table.number = ways_table(v->options->tun_name);
	if (is_add)
		r = ways_look(&v->ways, v->options->tun_name, ret->why);
	if (r == 0)
		r = on_tun(v, ret, is_add ? "cannot add a route" : "cannot delete a route",
			   &in_table, is_add ? act_network_add : act_network_delete);
	return r;
}

static int act_count_routes(struct netlink *n, unsigned index, const struct request *q)
{
	(void)q;
	return netlink_routes_count(n, index);
}

/* The kernel takes routes by itself, with the device or when it goes down, and one may be added
 * twice; so our count is never too low, and where it says too many the kernel is asked. */
static bool has_too_many_routes(struct verbs *v)
{
	struct reply ignored = { 0 };
	int n;

	if (v->n_routes < KEEPER_ROUTES_MAX)
		return false;
	n = on_tun(v, &ignored, "", NULL, act_count_routes);
	if (n >= 0)
		v->n_routes = (unsigned)n;
	return v->n_routes >= KEEPER_ROUTES_MAX;
}

static int do_route_add(struct verbs *v, const struct request *q, struct reply *ret)
{
	bool is_overlay = is_inside(&q->prefix, &v->options->overlay);
	int r;

	if (has_too_many_routes(v)) {
		(void)refuse(ret, "too many routes");
		return -ENOBUFS;
	}
	r = is_overlay ? on_tun(v, ret, "cannot add a route", q, act_route_add)
		       : do_network(v, q, ret, true);
	v->n_routes += r == 0;
	return r;
}

static int act_route_delete(struct netlink *n, unsigned index, const struct request *q)
{
	return netlink_route_delete(n, index, &q->prefix);
}

static int do_route_delete(struct verbs *v, const struct request *q, struct reply *ret)
{
	bool is_overlay = is_inside(&q->prefix, &v->options->overlay);
	int r = is_overlay ? on_tun(v, ret, "cannot delete a route", q, act_route_delete)
			   : do_network(v, q, ret, false);

	v->n_routes -= r == 0 && v->n_routes > 0;
	return r;
}

/* ---- exits ---- */

static int do_exit(struct verbs *v, const struct request *q, struct reply *ret)
{
	if (q->number &
	    ~(unsigned)(KEEPER_EXIT_ROUTES | KEEPER_EXIT_ONLY | KEEPER_EXIT_WITHOUT_LAN))
		return refuse(ret, "no such thing about exits");
	if (q->number && !is_permitted(v, KEEPER_PERMIT_ROUTE, &ways_default_ipv4) &&
	    !is_permitted(v, KEEPER_PERMIT_ROUTE, &ways_default_ipv6))
		return refuse(ret, "no rule of the policy allows prefix 0.0.0.0/0 or ::/0");
	if (!q->number && !v->ways.exit)
		return 0;
	return ways_exit(&v->ways, v->options->tun_name, q->number, ret->why);
}

static int do_forward(struct verbs *v, const struct request *q, struct reply *ret)
{
	if (q->number > 1)
		return refuse(ret, "forwarding is on or off");
	if (q->number && !is_permitted(v, KEEPER_PERMIT_FORWARD, NULL))
		return refuse(ret,
			      "the configuration offers no network (routes.offer, routes.exit)");
	return forwarding_set(&v->ways, v->options->tun_name, q->number, ret->why);
}

bool verbs_has_rules(const struct verbs *v)
{
	return v->ways.is_looked_up || v->ways.exit;
}

int verbs_misses_rules(const struct verbs *v)
{
	return ways_misses_rules(&v->ways, v->options->tun_name);
}

int verbs_repair_rules(struct verbs *v, char why[KEEPER_WHY_SIZE])
{
	return ways_repair_rules(&v->ways, v->options->tun_name, why);
}

bool verbs_has_nat(const struct verbs *v)
{
	return v->ways.is_forwarding;
}

int verbs_misses_nat(const struct verbs *v)
{
	return forwarding_is_missing(&v->ways, v->options->tun_name);
}

int verbs_repair_nat(struct verbs *v, char why[KEEPER_WHY_SIZE])
{
	return forwarding_repair(&v->ways, v->options->tun_name, why);
}

/* ---- nftables ---- */

static int apply_guard(const struct verbs *v, char why[KEEPER_WHY_SIZE])
{
	struct nft_guard guard = { .overlay = v->options->overlay,
				   .has_ipv4 = v->options->has_ipv4,
				   .ipv4 = v->options->ipv4,
				   .has_own = v->has_own };

	(void)snprintf(guard.tun_name, sizeof(guard.tun_name), "%s", v->options->tun_name);
	memcpy(guard.own, v->own, sizeof(guard.own));
	return nft_apply(&guard, why);
}

void verbs_guard_applied(struct verbs *v)
{
	int n = nft_guard_rules(v->options->tun_name);

	v->is_guard_on = true;
	v->n_guard_rules = n > 0 ? n : 1; /* not known: any */
}

static int do_guard_apply(struct verbs *v, const struct request *q, struct reply *ret)
{
	int r;

	(void)q;
	if (!v->options->is_guarded)
		return refuse(ret, "the nftables rule is switched off");
	r = apply_guard(v, ret->why);
	if (r == 0)
		verbs_guard_applied(v);
	return r;
}

bool verbs_has_guard(const struct verbs *v)
{
	return v->is_guard_on;
}

int verbs_misses_guard(const struct verbs *v)
{
	int n = nft_guard_rules(v->options->tun_name);

	return n < 0 ? n : n < v->n_guard_rules;
}

int verbs_repair_guard(struct verbs *v, char why[KEEPER_WHY_SIZE])
{
	int r = apply_guard(v, why);

	if (r == 0)
		verbs_guard_applied(v);
	return r;
}

static int do_guard_remove(struct verbs *v, const struct request *q, struct reply *ret)
{
	int r;

	(void)q;
	if (!v->is_guard_on)
		return refuse(ret, "the nftables rule is not ours");
	r = nft_remove(v->options->tun_name, ret->why);
	v->is_guard_on &= r < 0;
	return r;
}

static int do_guard_read(struct verbs *v, const struct request *q, struct reply *ret)
{
	(void)q;
	if (!v->is_guard_on)
		return refuse(ret, "the nftables rule is not ours");
	return nft_read(v->options->tun_name, &ret->counters, ret->why);
}

/* ---- scheduling ---- */

static bool is_thread_of(pid_t process, uint32_t thread)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%u", (int)process, thread);
	return access(path, F_OK) == 0;
}

/* A thread of the child may end and its number be used again between the check and the call:
 * then some other process runs at a low real-time priority, which is no way to get anything. */
static int do_realtime(struct verbs *v, const struct request *q, struct reply *ret)
{
	struct sched_param p = { .sched_priority = (int)q->priority };

	if (q->priority < 1 || q->priority > KEEPER_REALTIME_MAX)
		return refuse(ret, "a priority outside 1 to 10");
	if (q->number == 0 || !is_thread_of(v->child, q->number))
		return refuse(ret, "no thread of the daemon");
	/* what it starts does not inherit it */
	if (sched_setscheduler((pid_t)q->number, SCHED_FIFO | SCHED_RESET_ON_FORK, &p) == 0)
		return 0;
	if (errno == EPERM)
		(void)snprintf(
			ret->why, sizeof(ret->why),
			"real-time priority is not permitted (CAP_SYS_NICE; refused in a user "
			"namespace)");
	return told(ret, "cannot give real-time priority", -errno);
}

/* ---- eBPF ---- */

static void do_ebpf_refresh(struct verbs *v)
{
	if (!v->options->ebpf)
		return;
	if (v->ebpf)
		ebpf_host_refresh(v->ebpf);
	else if (!v->ebpf_why[0])
		(void)ebpf_host_new(v->options->ebpf, &v->ebpf, v->ebpf_why);
}

bool verbs_do_silent(struct verbs *v, const struct request *request)
{
	if (request->verb == VERB_EBPF_REFRESH)
		do_ebpf_refresh(v);
	return request->verb == VERB_EBPF_REFRESH || request->verb == VERB_HEARTBEAT;
}

static int do_ebpf_fd(struct verbs *v, const struct request *q, struct reply *ret)
{
	int fd;

	if (!v->options->ebpf)
		return refuse(ret, "eBPF is switched off");
	if (q->number >= EBPF_N_DESCRIPTORS)
		return refuse(ret, "no such descriptor");
	fd = v->ebpf ? ebpf_host_fd(v->ebpf, (enum ebpf_descriptor)q->number) : -1;
	if (fd < 0) {
		(void)snprintf(ret->why, sizeof(ret->why), "%s", v->ebpf_why);
		return -ENOENT;
	}
	ret->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return ret->fd < 0 ? told(ret, "the descriptor cannot be passed", -errno) : 0;
}

/* ---- batman-adv ---- */

static int do_batman_socket(struct verbs *v, const struct request *q, struct reply *ret)
{
	if (!v->options->batman || q->number >= v->options->batman->n_interfaces)
		return refuse(ret, "no interface of batman.interfaces");
	return batman_socket(v, q->number, ret);
}

static int do_batman_tap(struct verbs *v, const struct request *q, struct reply *ret)
{
	const struct keeper_batman *b = v->options->batman;

	(void)q;
	if (!b || v->batman_mtu == 0)
		return refuse(ret, "no interface of batman.interfaces is open");
	for (size_t i = 0; i < b->n_addresses; i++)
		if (is_of_tunnel(v, &b->addresses[i]))
			return refuse(ret, "an address of batman.addresses is inside the overlay, "
					   "whose addresses belong to its nodes");
	return told(ret, "cannot set up the device of batman.tap", batman_tap(v, ret));
}

void verbs_do(struct verbs *v, const struct request *request, struct reply *ret)
{
	static int (*const table[N_VERBS])(struct verbs *, const struct request *,
					   struct reply *) = {
		[VERB_TUN_OPEN] = do_tun_open,
		[VERB_MTU] = do_mtu,
		[VERB_ADDRESS_ADD] = do_address_add,
		[VERB_LINK_UP] = do_link_up,
		[VERB_ROUTE_ADD] = do_route_add,
		[VERB_ROUTE_DELETE] = do_route_delete,
		[VERB_GUARD_APPLY] = do_guard_apply,
		[VERB_GUARD_REMOVE] = do_guard_remove,
		[VERB_GUARD_READ] = do_guard_read,
		[VERB_REALTIME] = do_realtime,
		[VERB_ADDRESS_DELETE] = do_address_delete,
		[VERB_EXIT] = do_exit,
		[VERB_FORWARD] = do_forward,
		[VERB_NAMES_LISTEN] = names_listen,
		[VERB_NAMES_APPLY] = names_apply,
		[VERB_EBPF_FD] = do_ebpf_fd,
		[VERB_BATMAN_SOCKET] = do_batman_socket,
		[VERB_BATMAN_TAP] = do_batman_tap,
	};

	*ret = (struct reply){ .sequence = request->sequence, .fd = -1 };
	ret->result = table[request->verb] ? table[request->verb](v, request, ret)
					   : refuse(ret, "no such verb");
}
