/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's settings of forwarding. Switching the whole machine on or off sets each interface
 * too, and lets redirects in where it goes off; so more has to be put back than was asked for. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/keeper/before.h"

#define REDIRECTS "/proc/sys/net/ipv4/conf/all/accept_redirects"
#define MAGIC 0x78306677U /* "x0fw" */
#define VERSION 1
#define PATH_SIZE 512

/* Since Linux 5.14; linux/socket headers of older ones lack it. */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static const struct {
	const char *all, *name, *each;
} sysctls[BEFORE_N_FAMILIES] = {
	[BEFORE_IPV4] = { "/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward",
			  "/proc/sys/net/ipv4/conf" },
	[BEFORE_IPV6] = { "/proc/sys/net/ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding",
			  "/proc/sys/net/ipv6/conf" },
};

/* ---- settings ---- */

/* 0, 1 or another; -1 where it cannot be read. */
static int sysctl_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = 0;
	ssize_t n = fd < 0 ? -1 : read(fd, &c, 1);

	if (fd >= 0)
		(void)close(fd);
	return n == 1 ? c - '0' : -1;
}

static int sysctl_write(const char *path, bool is_on)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 || write(fd, is_on ? "1" : "0", 1) != 1 ? -errno : 0;

	if (fd >= 0)
		(void)close(fd);
	return r;
}

/* That of one interface; "default" is among them. False: no such name. */
static bool path_of(unsigned family, const char *interface, char ret[PATH_SIZE])
{
	if (interface[0] == '\0' || interface[0] == '.' || strchr(interface, '/') ||
	    strcmp(interface, "all") == 0)
		return false;
	(void)snprintf(ret, PATH_SIZE, "%s/%s/forwarding", sysctls[family].each, interface);
	return true;
}

static void look_at_interfaces(unsigned family, struct before *ret)
{
	DIR *directory = opendir(sysctls[family].each);
	const struct dirent *e;
	char path[PATH_SIZE];

	while (directory && (e = readdir(directory))) {
		unsigned *n = &ret->n_interfaces[family];

		if (strlen(e->d_name) >= sizeof(ret->interfaces[0][0]) ||
		    !path_of(family, e->d_name, path) || sysctl_read(path) != 1)
			continue;
		if (*n < BEFORE_INTERFACES_MAX)
			(void)snprintf(ret->interfaces[family][(*n)++],
				       sizeof(ret->interfaces[0][0]), "%.15s", e->d_name);
		else
			ret->n_forgotten++;
	}
	if (directory)
		(void)closedir(directory);
}

void before_look(struct before *ret)
{
	*ret = (struct before){ .had_redirects = sysctl_read(REDIRECTS) == 1 };
	for (unsigned i = 0; i < BEFORE_N_FAMILIES; i++) {
		ret->was_off[i] = sysctl_read(sysctls[i].all) == 0;
		if (ret->was_off[i])
			look_at_interfaces(i, ret);
	}
}

bool before_is_on(enum before_family family)
{
	return sysctl_read(sysctls[family].all) == 1;
}

int before_switch_on(const struct before *b, char why[KEEPER_WHY_SIZE])
{
	for (unsigned i = 0; i < BEFORE_N_FAMILIES; i++) {
		int r = 0;

		if (b->was_off[i] && sysctl_read(sysctls[i].all) == 0)
			r = sysctl_write(sysctls[i].all, true);
		if (r < 0) {
			(void)snprintf(why, KEEPER_WHY_SIZE,
				       "set it yourself: sysctl -w %s=1; here: %s", sysctls[i].name,
				       r == -EPERM ? "not permitted" : strerror(-r));
			return r;
		}
	}
	return 0;
}

void before_restore(const struct before *b)
{
	char path[PATH_SIZE];

	for (unsigned i = 0; i < BEFORE_N_FAMILIES; i++) {
		if (!b->was_off[i])
			continue;
		(void)sysctl_write(sysctls[i].all, false);
		if (i == BEFORE_IPV4)
			(void)sysctl_write(REDIRECTS, b->had_redirects);
		for (unsigned j = 0; j < b->n_interfaces[i]; j++)
			if (path_of(i, b->interfaces[i][j], path))
				(void)sysctl_write(path, true);
	}
}

/* ---- as bytes ---- */

size_t before_encode(const struct before *b, const char of[BEFORE_OF_SIZE],
		     uint8_t ret[BEFORE_SIZE_MAX])
{
	struct writer w = writer_of(ret, BEFORE_SIZE_MAX);

	write_u32(&w, MAGIC);
	write_u8(&w, VERSION);
	write_bytes(&w, (const uint8_t *)of, BEFORE_OF_SIZE);
	write_u8(&w, (uint8_t)(b->was_off[BEFORE_IPV4] | b->was_off[BEFORE_IPV6] << 1 |
			       b->had_redirects << 2));
	for (unsigned i = 0; i < BEFORE_N_FAMILIES; i++) {
		write_u8(&w, (uint8_t)b->n_interfaces[i]);
		write_bytes(&w, (const uint8_t *)b->interfaces[i],
			    b->n_interfaces[i] * sizeof(b->interfaces[i][0]));
	}
	return w.overrun ? 0 : w.len;
}

static int read_names(struct reader *r, unsigned family, struct before *ret)
{
	unsigned n = read_u8(r);

	if (n > BEFORE_INTERFACES_MAX)
		return -EBADMSG;
	for (unsigned i = 0; i < n; i++) {
		char *name = ret->interfaces[family][i];
		char path[PATH_SIZE];

		read_copy(r, (uint8_t *)name, sizeof(ret->interfaces[0][0]));
		if (name[sizeof(ret->interfaces[0][0]) - 1] || !path_of(family, name, path))
			return -EBADMSG;
	}
	ret->n_interfaces[family] = n;
	return 0;
}

int before_decode(struct span bytes, const char of[BEFORE_OF_SIZE], struct before *ret)
{
	struct reader r = reader_of(bytes);
	struct before b = { 0 };
	char written_of[BEFORE_OF_SIZE];
	uint8_t bits;

	if (read_u32(&r) != MAGIC || read_u8(&r) != VERSION)
		return -EBADMSG;
	read_copy(&r, (uint8_t *)written_of, sizeof(written_of));
	bits = read_u8(&r);
	b.was_off[BEFORE_IPV4] = bits & 1;
	b.was_off[BEFORE_IPV6] = bits & 2;
	b.had_redirects = bits & 4;
	for (unsigned i = 0; i < BEFORE_N_FAMILIES; i++)
		if (read_names(&r, i, &b) < 0)
			return -EBADMSG;
	if (r.overrun || r.left > 0 || bits > 7)
		return -EBADMSG;
	if (memcmp(written_of, of, BEFORE_OF_SIZE) != 0)
		return -ESTALE;
	*ret = b;
	return 0;
}

/* ---- the file ---- */

/* The boot's id, and a number that no other network namespace of it has (or, of an older kernel,
 * none that is there now). */
static void this_host(char ret[BEFORE_OF_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	uint64_t number = 0;
	socklen_t len = sizeof(number);
	struct stat st;

	memset(ret, 0, BEFORE_OF_SIZE);
	if (fd >= 0) {
		(void)!read(fd, ret, BEFORE_OF_SIZE - sizeof(number));
		(void)close(fd);
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if ((fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &number, &len) < 0) &&
	    stat("/proc/self/ns/net", &st) == 0)
		number = st.st_ino;
	if (fd >= 0)
		(void)close(fd);
	memcpy(ret + BEFORE_OF_SIZE - sizeof(number), &number, sizeof(number));
}

static void file_of(const char *run_dir, const char *tun_name, const char *end, char ret[PATH_SIZE])
{
	(void)snprintf(ret, PATH_SIZE, "%.400s/forwarding-%.15s%s", run_dir, tun_name, end);
}

static int write_file(const char *path, const uint8_t *bytes, size_t len)
{
	int fd, r;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write(fd, bytes, len) == (ssize_t)len ? 0 : -EIO;
	(void)close(fd);
	return r;
}

int before_write(const char *run_dir, const char *tun_name, const struct before *b,
		 char why[KEEPER_WHY_SIZE])
{
	char path[PATH_SIZE], new[PATH_SIZE], of[BEFORE_OF_SIZE];
	uint8_t bytes[BEFORE_SIZE_MAX];
	int r;

	if (!run_dir)
		return 0;
	this_host(of);
	file_of(run_dir, tun_name, "", path);
	file_of(run_dir, tun_name, ".new", new);
	r = write_file(new, bytes, before_encode(b, of, bytes));
	if (r == 0 && rename(new, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)snprintf(why, KEEPER_WHY_SIZE, "%.120s cannot be written: %s", path,
			       strerror(-r));
		(void)unlink(new);
	}
	return r;
}

/* Nobody else could have made it: the directory is the daemon's, who has no privileges. */
static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	       st.st_nlink == 1 && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

bool before_read(const char *run_dir, const char *tun_name, struct before *ret)
{
	char path[PATH_SIZE], of[BEFORE_OF_SIZE];
	uint8_t bytes[BEFORE_SIZE_MAX];
	ssize_t n = -1;
	int fd;

	if (!run_dir)
		return false;
	file_of(run_dir, tun_name, "", path);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (is_ours(fd))
		n = read(fd, bytes, sizeof(bytes));
	(void)close(fd);
	this_host(of);
	return n > 0 && before_decode(SPAN(bytes, (size_t)n), of, ret) == 0;
}

void before_remove(const char *run_dir, const char *tun_name)
{
	char path[PATH_SIZE];

	if (!run_dir)
		return;
	file_of(run_dir, tun_name, "", path);
	(void)unlink(path);
}
