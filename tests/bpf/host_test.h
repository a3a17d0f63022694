/* SPDX-License-Identifier: Apache-2.0 */
/* host_test.h - for tests of struct ebpf_host in a network namespace of their own: whether it can
 * be had here, commands, interfaces, and what is attached. Included by one file of each test. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "shell/bpf/bpf.h"

static struct ebpf_options options;

static inline void need_root(void)
{
	struct ebpf_host *h;
	char why[EBPF_WHY_SIZE] = "";
	static int known = 1;

	if (known == 1)
		known = ebpf_host_new(&options, &h, why);
	else
		h = NULL;
	if (known < 0) {
		print_message("NOT tested: %s\n", why[0] ? why : "no eBPF here");
		skip();
	}
	ebpf_host_free(h);
}

static inline int run(const char *command)
{
	int status = system(command); /* NOLINT(cert-env33-c): commands of this file */

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void make_veth(void)
{
	(void)run("ip link del va 2>/dev/null");
	assert_int_equal(run("ip link add va type veth peer name vb && ip link set va up && "
			     "ip link set vb up && ip link set lo up"),
			 0);
}

static inline void make_tunnel(void)
{
	(void)run("ip link del x0test 2>/dev/null");
	assert_int_equal(run("ip tuntap add dev x0test mode tun && ip link set x0test up"), 0);
}

static inline unsigned count_mode(const struct ebpf_host *h, enum ebpf_program p, enum ebpf_mode m)
{
	const struct ebpf_table *t = ebpf_host_table(h);
	unsigned n = 0;

	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++)
		n += t->attachments[i].mode == m && t->attachments[i].program == p;
	return n;
}

static inline struct ebpf_host *attached(enum ebpf_where where)
{
	struct ebpf_options o = options;
	char why[EBPF_WHY_SIZE] = "";
	struct ebpf_host *h;

	o.where = where;
	if (ebpf_host_new(&o, &h, why) < 0)
		fail_msg("%s", why);
	return h;
}

/* Of a program that is attached; 0: it is not. */
static inline uint32_t id_of(const struct ebpf_host *h, enum ebpf_program p)
{
	const struct ebpf_table *t = ebpf_host_table(h);

	for (unsigned i = 0; i < EBPF_ATTACHMENTS_MAX; i++)
		if (t->attachments[i].mode != EBPF_MODE_NONE && t->attachments[i].program == p)
			return t->attachments[i].id;
	return 0;
}

/* The kernel frees a program a moment after its last user. */
static inline bool is_gone(uint32_t id)
{
	for (unsigned tries = 0; tries < 100; tries++) {
		struct ebpf_image i;
		char why[EBPF_WHY_SIZE];

		if (ebpf_image_counts(id, &i, why) == -ENOENT)
			return true;
		(void)usleep(20000);
	}
	return false;
}

/* In a child that is killed; returns an id of what it had attached. */
static inline uint32_t attach_and_be_killed(enum ebpf_where where)
{
	int fds[2], status;
	uint32_t id = 0;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct ebpf_host *h = attached(where);

		id = id_of(h, EBPF_METER);
		(void)!write(fds[1], &id, sizeof(id));
		(void)pause();
		_exit(0);
	}
	assert_int_equal(read(fds[0], &id, sizeof(id)), sizeof(id));
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
	assert_true(id != 0);
	return id;
}
