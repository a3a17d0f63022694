/* SPDX-License-Identifier: Apache-2.0 */
/* The state directory: its lock, and reading and replacing its files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "shell/store/internal.h"

#define LOCK_NAME "lock"
#define TEMPORARY_PREFIX ".new-" /* then the name of the file it will replace */
#define NAME_SIZE 64
#define KEY_MAX 16384		    /* an expanded ML-DSA-65 key is 4,032 bytes */
#define MEMBERSHIP_MAX (192U << 10) /* as the authority answers it, at most */
#define DECIMAL_MAX 32
#define JSON_MAX (4U << 20) /* the longest list, tokens, stays below 2 MiB */

static const struct file {
	const char *name;
	bool is_secret;
	size_t len_max;
} files[STORE_N_FILES] = {
	[STORE_AUTHORITY_MLDSA_KEY] = { "authority-mldsa65.key", true, KEY_MAX },
	[STORE_AUTHORITY_P256_KEY] = { "authority-p256.key", true, KEY_MAX },
	[STORE_AUTHORITY_ISSUED] = { "authority-issued.json", false, JSON_MAX },
	[STORE_ROOT_MLDSA] = { "root-mldsa65.der", false, CHAIN_LEN_MAX },
	[STORE_ROOT_P256] = { "root-p256.der", false, CHAIN_LEN_MAX },
	[STORE_NODE_MLDSA_KEY] = { "node-mldsa65.key", true, KEY_MAX },
	[STORE_NODE_P256_KEY] = { "node-p256.key", true, KEY_MAX },
	[STORE_MEMBERSHIP] = { "membership", true, MEMBERSHIP_MAX },
	[STORE_TOKENS] = { "tokens.json", true, JSON_MAX },
	[STORE_BOOT_EPOCH] = { "boot-epoch", false, DECIMAL_MAX },
	[STORE_CLOCK_FLOOR] = { "clock-floor", false, DECIMAL_MAX },
	[STORE_PEERS] = { "peers.json", false, JSON_MAX },
	[STORE_EXIT] = { "exit", false, NODE_NAME_MAX },
};

struct store {
	char directory[PATH_MAX];
	enum store_access access;
	int directory_fd;
	int lock_fd; /* -1 without lock */
};

static void close_fdp(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define CLEANUP_FD CLEANUP(close_fdp)

DEFINE_FREEP(struct store, store_close)

int store_fail(struct store_error *ret, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(ret->text, sizeof(ret->text), format, arguments);
	va_end(arguments);
	return error;
}

const char *store_file_name(enum store_file file)
{
	return files[file].name;
}

const char *store_directory(const struct store *s)
{
	return s->directory;
}

static int open_directory(struct store *s, struct store_error *ret_error)
{
	struct stat status;

	if (mkdir(s->directory, 0700) < 0 && errno != EEXIST)
		return store_fail(ret_error, -errno, "cannot make the directory %s: %s",
				  s->directory, strerror(errno));
	s->directory_fd = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->directory_fd < 0 || fstat(s->directory_fd, &status) < 0)
		return store_fail(ret_error, -errno, "cannot open the directory %s: %s",
				  s->directory, strerror(errno));
	if (status.st_mode & 022)
		return store_fail(ret_error, -EPERM,
				  "others may write to the directory %s; run: chmod 700 %s",
				  s->directory, s->directory);
	return 0;
}

/* The pid in the lock file is for people only: what counts is the lock. */
static int refuse_second(const struct store *s, int fd, struct store_error *ret_error)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	if (pid[0] == '\0')
		return store_fail(ret_error, -EBUSY, "another process is using %s", s->directory);
	return store_fail(ret_error, -EBUSY, "x0 is already running on %s, as process %s",
			  s->directory, pid);
}

static int take_lock(struct store *s, struct store_error *ret_error)
{
	CLEANUP_FD int fd =
		openat(s->directory_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return store_fail(ret_error, -errno, "cannot write to the directory %s: %s",
				  s->directory, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return refuse_second(s, fd, ret_error);
	/* A disk so full that the pid does not fit is no reason to refuse: it informs only. */
	if (ftruncate(fd, 0) == 0)
		(void)!dprintf(fd, "%d\n", (int)getpid());
	s->lock_fd = take_fd(&fd);
	return 0;
}

static void remove_half_written(const struct store *s)
{
	int fd = openat(s->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!directory) {
		close_fdp(&fd);
		return; /* they are ignored anyway */
	}
	while ((entry = readdir(directory)))
		if (strncmp(entry->d_name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) == 0)
			(void)unlinkat(s->directory_fd, entry->d_name, 0);
	(void)closedir(directory);
}

int store_open(const char *directory, enum store_access access, struct store **ret,
	       struct store_error *ret_error)
{
	CLEANUP(store_closep) struct store *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return store_fail(ret_error, -ENOMEM, "out of memory");
	s->directory_fd = -1;
	s->lock_fd = -1;
	s->access = access;
	if (strlen(directory) + NAME_SIZE >= sizeof(s->directory))
		return store_fail(ret_error, -ENAMETOOLONG,
				  "the path of the directory is too long");
	(void)snprintf(s->directory, sizeof(s->directory), "%s", directory);
	error = open_directory(s, ret_error);
	if (error == 0 && access == STORE_OWN)
		error = take_lock(s, ret_error);
	if (error < 0)
		return error;
	if (access == STORE_OWN)
		remove_half_written(s);
	*ret = TAKE(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	close_fdp(&s->lock_fd); /* the file stays: removing it would let two hold two locks */
	close_fdp(&s->directory_fd);
	free(s);
}

void store_value_done(struct store_value *v)
{
	secret_free(v->at); /* of either memory */
	*v = (struct store_value){ 0 };
}

bool store_has(const struct store *s, enum store_file file)
{
	return faccessat(s->directory_fd, files[file].name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int fail_to(const struct store *s, const char *verb, enum store_file file, int error,
		   struct store_error *ret_error)
{
	return store_fail(ret_error, -error, "cannot %s %s/%s: %s", verb, s->directory,
			  files[file].name, strerror(error));
}

static int check_file(const struct store *s, enum store_file file, const struct stat *status,
		      struct store_error *ret_error)
{
	const char *name = files[file].name;

	if (!S_ISREG(status->st_mode))
		return store_fail(ret_error, -EINVAL, "%s/%s is not a regular file", s->directory,
				  name);
	if (files[file].is_secret && (status->st_mode & 077))
		return store_fail(ret_error, -EPERM,
				  "%s/%s holds a secret and its permissions (%03o) let others at "
				  "it; run: chmod 600 %s/%s",
				  s->directory, name, status->st_mode & 0777, s->directory, name);
	if (status->st_size < 0 || (size_t)status->st_size > files[file].len_max)
		return store_fail(
			ret_error, -EFBIG, "%s/%s has %lld bytes, more than the %zu it may have",
			s->directory, name, (long long)status->st_size, files[file].len_max);
	return 0;
}

/* Reads exactly len bytes: our files are only ever replaced whole. 0 or errno. */
static int read_all(int fd, uint8_t *ret, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, ret, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		ret += n;
		len -= (size_t)n;
	}
	return 0;
}

int store_read(const struct store *s, enum store_file file, struct store_value *ret,
	       struct store_error *ret_error)
{
	/* O_NONBLOCK: a named pipe in its place must not hold us up. */
	CLEANUP_FD int fd = openat(s->directory_fd, files[file].name,
				   O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	CLEANUP(store_value_done) struct store_value value = { 0 };
	struct stat status;
	int error;

	if (fd < 0 || fstat(fd, &status) < 0)
		return fail_to(s, "read", file, errno, ret_error);
	error = check_file(s, file, &status, ret_error);
	if (error < 0)
		return error;
	value.len = (size_t)status.st_size;
	/* one more: never a NULL for an empty file */
	value.at = files[file].is_secret ? secret_alloc(value.len + 1) : calloc(1, value.len + 1);
	if (!value.at)
		return fail_to(s, "read", file, ENOMEM, ret_error);
	error = read_all(fd, value.at, value.len);
	if (error)
		return fail_to(s, "read", file, error, ret_error);
	ret->len = value.len;
	ret->at = TAKE(value.at);
	return 0;
}

static int write_all(int fd, struct span content)
{
	while (content.len > 0) {
		ssize_t n = write(fd, content.at, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		content.at += n;
		content.len -= (size_t)n;
	}
	return 0;
}

/* Creates the temporary file, whole and on the disk. 0 or errno. */
static int write_temporary(const struct store *s, const char *name, struct span content)
{
	CLEANUP_FD int fd = -1;
	int error;

	if (unlinkat(s->directory_fd, name, 0) < 0 && errno != ENOENT)
		return errno;
	fd = openat(s->directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return errno;
	error = write_all(fd, content);
	if (error == 0 && fsync(fd) < 0)
		error = errno;
	return error;
}

int store_write(struct store *s, enum store_file file, struct span content,
		struct store_error *ret_error)
{
	char temporary[NAME_SIZE];
	int error;

	if (s->access != STORE_OWN)
		return fail_to(s, "write", file, EROFS, ret_error);
	if (content.len > files[file].len_max)
		return fail_to(s, "write", file, EFBIG, ret_error);
	(void)snprintf(temporary, sizeof(temporary), TEMPORARY_PREFIX "%s", files[file].name);
	error = write_temporary(s, temporary, content);
	if (error == 0 &&
	    renameat(s->directory_fd, temporary, s->directory_fd, files[file].name) < 0)
		error = errno;
	if (error) {
		(void)unlinkat(s->directory_fd, temporary, 0);
		return store_fail(ret_error, -error,
				  "cannot write %s/%s: %s; what was there before is unchanged",
				  s->directory, files[file].name, strerror(error));
	}
	if (fsync(s->directory_fd) < 0)
		return fail_to(s, "sync the directory of", file, errno, ret_error);
	return 0;
}

int store_remove(struct store *s, enum store_file file, struct store_error *ret_error)
{
	if (s->access != STORE_OWN)
		return fail_to(s, "remove", file, EROFS, ret_error);
	if (unlinkat(s->directory_fd, files[file].name, 0) < 0 && errno != ENOENT)
		return fail_to(s, "remove", file, errno, ret_error);
	if (fsync(s->directory_fd) < 0)
		return fail_to(s, "sync the directory of", file, errno, ret_error);
	return 0;
}
