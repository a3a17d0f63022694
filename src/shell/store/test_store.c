/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/store/store.h"

struct fixture {
	char directory[64];
	struct store *store;
	struct store_error error;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	(void)strcpy(f->directory, "/tmp/x0-test-store-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	*state = f;
	return store_open(f->directory, STORE_OWN, &f->store, &f->error);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	store_close(f->store);
	(void)snprintf(command, sizeof(command), "rm -rf %s", f->directory);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this test made */
	(void)!system(command);
	free(f);
	return 0;
}

static void path_of(const struct fixture *f, const char *name, char ret[256])
{
	(void)snprintf(ret, 256, "%s/%s", f->directory, name);
}

static void put_file(const struct fixture *f, const char *name, const char *content, mode_t mode)
{
	char path[256];
	FILE *file;

	path_of(f, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void assert_content(struct fixture *f, enum store_file file, const char *expected)
{
	struct store_value v = { 0 };

	assert_int_equal(store_read(f->store, file, &v, &f->error), 0);
	assert_int_equal(v.len, strlen(expected));
	assert_memory_equal(v.at, expected, v.len);
	store_value_done(&v);
	assert_null(v.at);
}

static void what_is_written_is_read_back_from_a_closed_file(void **state)
{
	struct fixture *f = *state;
	struct stat status;
	char path[256];

	for (int file = 0; file < STORE_N_FILES; file++) {
		assert_false(store_has(f->store, (enum store_file)file));
		assert_int_equal(
			store_write(f->store, (enum store_file)file, SPAN_STR("one\n"), &f->error),
			0);
		assert_int_equal(
			store_write(f->store, (enum store_file)file, SPAN_STR("two\n"), &f->error),
			0);
		assert_content(f, (enum store_file)file, "two\n");
		path_of(f, store_file_name((enum store_file)file), path);
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_mode & 07777, 0600);
	}
	assert_int_equal(store_write(f->store, STORE_ROOT_P256, SPAN(NULL, 0), &f->error), 0);
	assert_content(f, STORE_ROOT_P256, "");
}

static void a_missing_file_is_told_by_its_path(void **state)
{
	struct fixture *f = *state;
	struct store_value v = { 0 };

	assert_int_equal(store_read(f->store, STORE_NODE_MLDSA_KEY, &v, &f->error), -ENOENT);
	assert_non_null(strstr(f->error.text, f->directory));
	assert_non_null(strstr(f->error.text, "node-mldsa65.key"));
	assert_int_equal(store_remove(f->store, STORE_NODE_MLDSA_KEY, &f->error), 0);
}

static void a_removed_file_is_gone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_write(f->store, STORE_TOKENS, SPAN_STR("x"), &f->error), 0);
	assert_int_equal(store_remove(f->store, STORE_TOKENS, &f->error), 0);
	assert_false(store_has(f->store, STORE_TOKENS));
}

static void a_new_directory_is_closed_to_others(void **state)
{
	struct fixture *f = *state;
	struct store *s;
	struct stat status;
	char path[256];

	path_of(f, "inner", path);
	assert_int_equal(store_open(path, STORE_OWN, &s, &f->error), 0);
	assert_string_equal(store_directory(s), path);
	store_close(s);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	path_of(f, "no/such/parent", path);
	assert_int_equal(store_open(path, STORE_OWN, &s, &f->error), -ENOENT);
	assert_non_null(strstr(f->error.text, path));
	assert_int_equal(store_open("/dev/null", STORE_OWN, &s, &f->error), -ENOTDIR);
	store_close(NULL);
}

static void a_directory_others_may_write_to_is_refused_with_the_command_to_run(void **state)
{
	struct fixture *f = *state;
	struct store *s;
	char path[256];

	path_of(f, "open", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(store_open(path, STORE_OWN, &s, &f->error), -EPERM);
	assert_non_null(strstr(f->error.text, "chmod 700 "));
}

static void a_secret_with_open_permissions_is_refused_with_the_command_to_run(void **state)
{
	struct fixture *f = *state;
	static const mode_t open_modes[] = { 0640, 0604, 0620, 0610, 0644, 0666 };
	struct store_value v = { 0 };
	char expected[300];

	for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
		put_file(f, "node-mldsa65.key", "key", open_modes[i]);
		assert_int_equal(store_read(f->store, STORE_NODE_MLDSA_KEY, &v, &f->error), -EPERM);
		(void)snprintf(expected, sizeof(expected), "run: chmod 600 %s/node-mldsa65.key",
			       f->directory);
		assert_non_null(strstr(f->error.text, expected));
	}
	put_file(f, "node-mldsa65.key", "key", 0600);
	assert_content(f, STORE_NODE_MLDSA_KEY, "key");
	put_file(f, "root-p256.der", "roots", 0644); /* no secret */
	assert_content(f, STORE_ROOT_P256, "roots");
}

static void links_pipes_and_oversized_files_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store_value v = { 0 };
	char path[256];

	path_of(f, "root-p256.der", path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(store_read(f->store, STORE_ROOT_P256, &v, &f->error), -ELOOP);
	assert_int_equal(store_write(f->store, STORE_ROOT_P256, SPAN_STR("x"), &f->error), 0);
	assert_content(f, STORE_ROOT_P256, "x"); /* the link was replaced, not followed */
	path_of(f, "boot-epoch", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(store_read(f->store, STORE_BOOT_EPOCH, &v, &f->error), -EINVAL);
	put_file(f, "clock-floor", "1234567890123456789012345678901234567890\n", 0600);
	assert_int_equal(store_read(f->store, STORE_CLOCK_FLOOR, &v, &f->error), -EFBIG);
	assert_int_equal(store_write(f->store, STORE_CLOCK_FLOOR, SPAN("0", 33), &f->error),
			 -EFBIG);
}

static void half_written_files_of_a_crash_are_ignored_and_removed(void **state)
{
	struct fixture *f = *state;
	char path[256];

	assert_int_equal(store_write(f->store, STORE_TOKENS, SPAN_STR("old"), &f->error), 0);
	store_close(f->store);
	put_file(f, ".new-tokens.json", "ha", 0600);
	put_file(f, ".new-root-p256.der", "", 0600);
	assert_int_equal(store_open(f->directory, STORE_LOOK, &f->store, &f->error), 0);
	path_of(f, ".new-root-p256.der", path);
	assert_int_equal(access(path, F_OK), 0); /* who only looks removes nothing */
	store_close(f->store);
	assert_int_equal(store_open(f->directory, STORE_OWN, &f->store, &f->error), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_content(f, STORE_TOKENS, "old");
	assert_false(store_has(f->store, STORE_ROOT_P256));
}

static void a_second_owner_is_refused_with_the_pid_of_the_first(void **state)
{
	struct fixture *f = *state;
	struct store *second;
	char pid[32];

	(void)snprintf(pid, sizeof(pid), "process %d", (int)getpid());
	assert_int_equal(store_open(f->directory, STORE_OWN, &second, &f->error), -EBUSY);
	assert_non_null(strstr(f->error.text, pid));
	assert_int_equal(store_open(f->directory, STORE_LOOK, &second, &f->error), 0);
	assert_int_equal(store_write(second, STORE_ROOT_P256, SPAN_STR("x"), &f->error), -EROFS);
	assert_int_equal(store_remove(second, STORE_ROOT_P256, &f->error), -EROFS);
	store_close(second);
	store_close(f->store);
	assert_int_equal(store_open(f->directory, STORE_OWN, &f->store, &f->error), 0);
}

static void the_lock_of_a_killed_owner_is_free(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	store_close(f->store);
	f->store = NULL;
	child = fork();
	if (child == 0) {
		(void)store_open(f->directory, STORE_OWN, &f->store, &f->error);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(store_open(f->directory, STORE_OWN, &f->store, &f->error), 0);
}

static void an_unwritable_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	bool was_root = geteuid() == 0;
	struct store *s = NULL;
	int error;
	char path[256];

	path_of(f, "inner", path);
	assert_int_equal(mkdir(path, 0500), 0);
	if (was_root) { /* root may write anywhere: be somebody else for a moment */
		assert_int_equal(chown(f->directory, 65534, 65534), 0);
		assert_int_equal(chown(path, 65534, 65534), 0);
		if (seteuid(65534) < 0) {
			print_message("skipped: cannot become an unprivileged user\n");
			skip();
		}
	}
	error = store_open(path, STORE_OWN, &s, &f->error);
	if (was_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(error, -EACCES);
	assert_non_null(strstr(f->error.text, "cannot write to the directory"));
	assert_non_null(strstr(f->error.text, path));
}

/* No room for the new content: an error with the path, and the old content stays. */
static void assert_full_disk_loses_nothing(struct fixture *f, int expected)
{
	static const uint8_t big[64 << 10];
	char path[256];

	assert_int_equal(store_write(f->store, STORE_MEMBERSHIP, SPAN_OF(big), &f->error),
			 expected);
	assert_non_null(strstr(f->error.text, "/membership: "));
	assert_non_null(strstr(f->error.text, strerror(-expected)));
	assert_non_null(strstr(f->error.text, "unchanged"));
	assert_content(f, STORE_MEMBERSHIP, "old");
	path_of(f, ".new-membership", path);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_file_size_limit_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct rlimit before;
	struct rlimit small;

	assert_int_equal(store_write(f->store, STORE_MEMBERSHIP, SPAN_STR("old"), &f->error), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 4096;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_full_disk_loses_nothing(f, -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

static void a_full_disk_loses_nothing(void **state)
{
	struct fixture *f = *state;
	char path[256];
	size_t len;

	path_of(f, "small", path);
	if (mkdir(path, 0700) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("x0-test", path, "tmpfs", 0, "size=32k,mode=0700") < 0) {
		print_message("skipped: may not mount a small tmpfs (%s)\n", strerror(errno));
		skip();
	}
	store_close(f->store);
	f->store = NULL;
	len = strlen(f->directory);
	(void)snprintf(f->directory + len, sizeof(f->directory) - len, "/small");
	assert_int_equal(store_open(f->directory, STORE_OWN, &f->store, &f->error), 0);
	assert_int_equal(store_write(f->store, STORE_MEMBERSHIP, SPAN_STR("old"), &f->error), 0);
	assert_full_disk_loses_nothing(f, -ENOSPC);
	store_close(f->store);
	f->store = NULL;
	*strrchr(f->directory, '/') = '\0';
	assert_int_equal(umount(path), 0);
}

static uint64_t begin_boot(struct fixture *f, int64_t unix_s)
{
	uint64_t epoch;

	assert_int_equal(store_next_boot_epoch(f->store, unix_s, &epoch, &f->error), 0);
	assert_int_equal(store_save_boot_epoch(f->store, epoch, &f->error), 0);
	return epoch;
}

static void the_boot_epoch_grows_whatever_the_clock_says(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(begin_boot(f, 1000), 1000);
	assert_content(f, STORE_BOOT_EPOCH, "1000\n");
	assert_int_equal(begin_boot(f, 5), 1001);
	assert_int_equal(begin_boot(f, -5), 1002);
	assert_int_equal(begin_boot(f, 2000), 2000);
}

static void an_epoch_that_cannot_be_saved_is_told(void **state)
{
	struct fixture *f = *state;
	struct store *looking;

	assert_int_equal(store_open(f->directory, STORE_LOOK, &looking, &f->error), 0);
	assert_int_equal(store_save_boot_epoch(looking, 1000, &f->error), -EROFS);
	store_close(looking);
}

static void a_damaged_number_is_told_and_not_guessed(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {
		"",
		"\n",
		"12",
		"12 \n",
		"-1\n",
		"0x5\n",
		"1\n2\n",
		"18446744073709551615\n",
		"99999999999999999999\n",
	};
	uint64_t epoch = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_file(f, "boot-epoch", bad[i], 0600);
		assert_int_equal(store_next_boot_epoch(f->store, 1, &epoch, &f->error), -EBADMSG);
		assert_non_null(strstr(f->error.text, "/boot-epoch does not hold a number"));
	}
	assert_int_equal(epoch, 7);
}

static void the_clock_never_goes_below_its_floor(void **state)
{
	struct fixture *f = *state;
	int64_t now;

	assert_int_equal(store_clock(f->store, 100, 50, &now, &f->error), 0);
	assert_int_equal(now, 100);
	assert_int_equal(store_clock(f->store, 10, 50, &now, &f->error), 0);
	assert_int_equal(now, 50);
	assert_int_equal(store_save_clock(f->store, 70, &f->error), 0);
	assert_int_equal(store_save_clock(f->store, 60, &f->error), 0);
	assert_int_equal(store_save_clock(f->store, -60, &f->error), 0);
	assert_int_equal(store_clock(f->store, 10, 50, &now, &f->error), 0);
	assert_int_equal(now, 70);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(what_is_written_is_read_back_from_a_closed_file),
		WITH_STORE(a_missing_file_is_told_by_its_path),
		WITH_STORE(a_removed_file_is_gone),
		WITH_STORE(a_new_directory_is_closed_to_others),
		WITH_STORE(a_directory_others_may_write_to_is_refused_with_the_command_to_run),
		WITH_STORE(a_secret_with_open_permissions_is_refused_with_the_command_to_run),
		WITH_STORE(links_pipes_and_oversized_files_are_refused),
		WITH_STORE(half_written_files_of_a_crash_are_ignored_and_removed),
		WITH_STORE(a_second_owner_is_refused_with_the_pid_of_the_first),
		WITH_STORE(the_lock_of_a_killed_owner_is_free),
		WITH_STORE(an_unwritable_directory_is_refused),
		WITH_STORE(a_file_size_limit_loses_nothing),
		WITH_STORE(a_full_disk_loses_nothing),
		WITH_STORE(the_boot_epoch_grows_whatever_the_clock_says),
		WITH_STORE(an_epoch_that_cannot_be_saved_is_told),
		WITH_STORE(a_damaged_number_is_told_and_not_guessed),
		WITH_STORE(the_clock_never_goes_below_its_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
