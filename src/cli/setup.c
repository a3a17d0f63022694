/* SPDX-License-Identifier: Apache-2.0 */
/* Directories, files and names, as `x0 init`, `join` and `leave` need them. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "shell/keeper/keeper.h"
#include "shell/openssl/crypto_openssl.h"
#include "shell/store/store.h"

#define HOST_NAME_SIZE 256
#define OWN_TRIES 40 /* a daemon that is ending lets go of its directory soon */
#define OWN_PAUSE_US 100000

int setup_exit_of(int r)
{
	return r == -EACCES || r == -EPERM || r == -EROFS ? CLI_DENIED : CLI_FAILED;
}

static int say_denied(struct cli *c, int r, const char *why)
{
	if (geteuid() != 0 && setup_exit_of(r) == CLI_DENIED)
		return cli_fail(c, CLI_DENIED, "denied", "%s; as root: sudo x0 %s ...", why,
				c->verb->name);
	return cli_fail(c, setup_exit_of(r), "state", "%s", why);
}

int setup_state(struct cli *c, const struct config *config)
{
	char why[KEEPER_WHY_SIZE] = "";
	struct keeper_user user;
	int r;

	keeper_user_find(config->user, &user);
	r = keeper_directory(config->state_dir, 0700, &user, false, why);
	return r < 0 ? say_denied(c, r, why) : 0;
}

int setup_hand_over(struct cli *c, const struct config *config)
{
	char why[KEEPER_WHY_SIZE] = "";
	struct keeper_user user;
	int r;

	keeper_user_find(config->user, &user);
	r = keeper_directory(config->state_dir, 0700, &user, true, why);
	return r < 0 ? say_denied(c, r, why) : 0;
}

int setup_not_member(struct cli *c, const struct config *config)
{
	struct store *s = NULL;
	struct store_error e;
	bool is_member;

	if (access(config->state_dir, R_OK | X_OK) < 0 ||
	    store_open(config->state_dir, STORE_LOOK, &s, &e) < 0)
		return 0; /* what is wrong with it will be said when it is opened to be changed */
	is_member = store_has(s, STORE_MEMBERSHIP);
	store_close(s);
	if (!is_member)
		return 0;
	return cli_fail(c, CLI_FAILED, "member",
			"this node is already a member of a mesh (%s); look: x0 status, start it: "
			"x0 up, or leave it first: x0 leave",
			config->domain);
}

int setup_store(struct cli *c, const struct config *config, struct store **ret)
{
	struct store_error e;
	int r = -EBUSY;

	/* Where it cannot be locked: this command holds its keys for a moment only. */
	(void)crypto_openssl_secure_heap();
	for (unsigned i = 0; r == -EBUSY && i < OWN_TRIES; i++) {
		if (i > 0)
			(void)usleep(OWN_PAUSE_US);
		r = store_open(config->state_dir, STORE_OWN, ret, &e);
	}
	if (r == -EBUSY)
		return cli_fail(c, CLI_FAILED, "busy", "%s; stop it: x0 down", e.text);
	return r < 0 ? say_denied(c, r, e.text) : 0;
}

/* ---- files ---- */

static int make_parents(const char *path)
{
	char *copy = strdup(path);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	for (char *at = strchr(copy + 1, '/'); r == 0 && at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			r = -errno;
		*at = '/';
	}
	free(copy);
	return r;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int setup_write_file(const char *path, const char *text, size_t len)
{
	CLEANUP_FREE char *beside = NULL;
	int r = make_parents(path);
	int fd;

	if (r < 0)
		return r;
	if (asprintf(&beside, "%s.new", path) < 0) {
		beside = NULL;
		return -ENOMEM;
	}
	/* 0644: the daemon, which is not root, reads it again at a reload; no secret is in it. */
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, len);
	if (r == 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	(void)close(fd);
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(beside);
	return r;
}

/* ---- names ---- */

void setup_host_name(char *ret, size_t size)
{
	char host[HOST_NAME_SIZE] = "";

	(void)gethostname(host, sizeof(host) - 1);
	text_node_name(host, ret, size);
	if (!ret[0])
		(void)snprintf(ret, size, "node");
}
