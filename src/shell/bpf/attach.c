/* SPDX-License-Identifier: Apache-2.0 */
/* Attaching by links, which the kernel takes away with their last descriptor, so that nothing
 * outlives the keeper; where the kernel has no link for tc, by a filter of our own number
 * (qdisc.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_link.h>

#include "base/cleanup.h"
#include "shell/bpf/internal.h"

/* Linux 6.6, newer than the headers of Debian 12. */
#define TCX_INGRESS ((enum bpf_attach_type)46)
#define TCX_EGRESS ((enum bpf_attach_type)47)

static uint32_t id_of(int program_fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(program_fd, &info, &len) < 0 ? 0 : info.id;
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static enum bpf_tc_attach_point point_of(enum ebpf_direction d)
{
	return d == EBPF_IN ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

/* Whether a qdisc that was there before is for us to take away at the end: what another keeper of
 * x0 uses alone. One that somebody else made, even if it is empty now, is not. */
static bool is_kins_alone(unsigned interface, uint32_t number)
{
	struct qdisc_filters found;

	return qdisc_look(interface, number, &found) == 0 && found.n_kin > 0 && found.n_others == 0;
}

static int attach_clsact(int program_fd, unsigned interface, enum ebpf_direction direction,
			 struct attached *ret)
{
	libbpf_print_fn_t before = libbpf_set_print(silent);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)interface,
		    .attach_point = point_of(direction));
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd,
		    .priority = qdisc_priority(ret->program),
		    .handle = qdisc_handle(ret->program, ret->number), .flags = BPF_TC_F_REPLACE);
	int r = bpf_tc_hook_create(&hook);
	bool is_new = r == 0;

	if (is_new)
		ret->qdisc = QDISC_OURS;
	else if (ret->qdisc == QDISC_UNKNOWN)
		ret->qdisc = is_kins_alone(interface, ret->number) ? QDISC_OURS : QDISC_OTHERS;
	if (r == 0 || r == -EEXIST)
		r = bpf_tc_attach(&hook, &options);
	(void)libbpf_set_print(before);
	if (r < 0 && is_new)
		qdisc_remove(interface, direction, ret->program, ret->number, true);
	if (r < 0)
		return r;
	ret->mode = EBPF_MODE_CLSACT;
	ret->link_fd = -1;
	return 0;
}

int attach_tc(int program_fd, unsigned interface, enum ebpf_direction direction, bool is_clsact,
	      struct attached *ret)
{
	int fd = -EINVAL;

	ret->interface = interface;
	ret->direction = direction;
	ret->id = id_of(program_fd);
	if (!is_clsact)
		fd = bpf_link_create(program_fd, (int)interface,
				     direction == EBPF_IN ? TCX_INGRESS : TCX_EGRESS, NULL);
	if (fd < 0)
		return fd == -EINVAL ? attach_clsact(program_fd, interface, direction, ret) : fd;
	ret->mode = EBPF_MODE_TCX;
	ret->link_fd = fd;
	return 0;
}

int attach_xdp(int program_fd, unsigned interface, bool is_native, struct attached *ret)
{
	LIBBPF_OPTS(bpf_link_create_opts, options,
		    .flags = is_native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int fd = bpf_link_create(program_fd, (int)interface, BPF_XDP, &options);

	if (fd < 0)
		return fd;
	ret->interface = interface;
	ret->direction = EBPF_IN;
	ret->id = id_of(program_fd);
	ret->mode = is_native ? EBPF_MODE_XDP_NATIVE : EBPF_MODE_XDP_GENERIC;
	ret->link_fd = fd;
	return 0;
}

/* Where the second hierarchy of control groups is mounted. */
static bool find_cgroup2(char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	CLEANUP_FREE char *line = NULL;
	bool is_found = false;
	size_t room = 0;

	while (f && !is_found && getline(&line, &room, f) > 0) {
		char format[32];

		(void)snprintf(format, sizeof(format), "%%*s %%*s %%*s %%*s %%%zus", size - 1);
		is_found = strstr(line, " - cgroup2 ") && sscanf(line, format, ret) == 1;
	}
	if (f)
		(void)fclose(f);
	return is_found;
}

int attach_cgroup(int program_fd, struct attached *ret, char why[EBPF_WHY_SIZE])
{
	char path[256];
	int dir, fd;

	if (!find_cgroup2(path, sizeof(path))) {
		(void)snprintf(why, EBPF_WHY_SIZE,
			       "cgroup2 is not mounted here: mount -t cgroup2 none /sys/fs/cgroup");
		return -ENOENT;
	}
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = dir < 0 ? -errno : bpf_link_create(program_fd, dir, BPF_CGROUP_SOCK_OPS, NULL);
	if (dir >= 0)
		(void)close(dir);
	if (fd < 0) {
		(void)snprintf(why, EBPF_WHY_SIZE,
			       "the kernel refuses it at the control group %.80s: %s", path,
			       strerror(-fd));
		return fd;
	}
	ret->mode = EBPF_MODE_CGROUP;
	ret->id = id_of(program_fd);
	ret->link_fd = fd;
	(void)snprintf(ret->name, sizeof(ret->name), "cgroup");
	return 0;
}

void detach(struct attached *a)
{
	if (a->mode == EBPF_MODE_NONE)
		return;
	if (a->link_fd >= 0)
		(void)close(a->link_fd);
	else
		qdisc_remove(a->interface, a->direction, a->program, a->number,
			     a->qdisc == QDISC_OURS);
	a->mode = EBPF_MODE_NONE;
}
