/* SPDX-License-Identifier: Apache-2.0 */
/* A log file that has become long: kept once, cut for all who write into it, and never in the way.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "shell/log/file.h"

static char directory[64], path[96], old[128];

static int make(void **state)
{
	int fd;

	(void)snprintf(directory, sizeof(directory), "/tmp/x0-test-log-XXXXXX");
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/" LOG_FILE_NAME, directory);
	(void)snprintf(old, sizeof(old), "%s" LOG_FILE_OLD_SUFFIX, path);
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	*state = (void *)(intptr_t)
		fd; /* NOLINT(performance-no-int-to-ptr): the state is a pointer */
	return 0;
}

static int end(void **state)
{
	(void)close((int)(intptr_t)*state);
	(void)unlink(path);
	(void)unlink(old);
	(void)rmdir(old);
	return rmdir(directory);
}

static off_t length(const char *of)
{
	struct stat st;

	return stat(of, &st) < 0 ? -1 : st.st_size;
}

/* One line, then holes. */
static void lengthen(int fd, const char *line, off_t len)
{
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	assert_int_equal(ftruncate(fd, len), 0);
}

static void begins_with(const char *of, const char *line)
{
	char got[64] = "";
	FILE *f = fopen(of, "re");

	assert_non_null(f);
	assert_non_null(fgets(got, sizeof(got), f));
	(void)fclose(f);
	assert_string_equal(got, line);
}

static void a_short_one_stays(void **state)
{
	int fd = (int)(intptr_t)*state;
	bool is_cut;

	lengthen(fd, "first\n", LOG_FILE_MAX);
	assert_int_equal(log_file_turn(fd, path, &is_cut), 0);
	assert_false(is_cut);
	assert_int_equal(length(path), LOG_FILE_MAX);
	assert_int_equal(length(old), -1);
}

static void a_long_one_is_kept_once_and_all_writers_begin_anew(void **state)
{
	int fd = (int)(intptr_t)*state;
	int other = dup(fd); /* as keeper and daemon */
	bool is_cut;

	lengthen(fd, "first\n", LOG_FILE_MAX + 1);
	assert_int_equal(log_file_turn(fd, path, &is_cut), 1);
	assert_true(is_cut);
	assert_int_equal(length(path), 0);
	assert_int_equal(length(old), LOG_FILE_MAX + 1);
	begins_with(old, "first\n");
	assert_int_equal(write(other, "second\n", 7), 7);
	assert_int_equal(length(path), 7); /* and no hole before it */
	assert_int_equal(log_file_turn(fd, path, &is_cut), 0);
	assert_int_equal(ftruncate(fd, LOG_FILE_MAX + 100), 0);
	assert_int_equal(log_file_turn(fd, path, &is_cut), 1);
	begins_with(old, "second\n");
	assert_int_equal(length(old), LOG_FILE_MAX + 100);
	(void)close(other);
}

/* As one of a version that did not turn it. */
static void of_one_that_is_very_long_the_end_is_kept_too(void **state)
{
	int fd = (int)(intptr_t)*state;
	char last[8] = "";
	bool is_cut;
	int kept;

	lengthen(fd, "first\n", 4 * LOG_FILE_FULL);
	assert_int_equal(write(fd, "last\n", 5), 5);
	assert_int_equal(log_file_turn(fd, path, &is_cut), 1);
	begins_with(old, "first\n");
	kept = open(old, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(kept, last, sizeof(last), 4 * LOG_FILE_FULL), 5);
	assert_memory_equal(last, "last\n", 5);
	(void)close(kept);
}

/* 4 TiB of nothing: no byte of it is copied, or this would not end. */
static void one_that_would_fill_the_disk_is_not_copied(void **state)
{
	int fd = (int)(intptr_t)*state;
	bool is_cut;

	if (ftruncate(fd, (off_t)1 << 42) < 0)
		skip(); /* this file system has no files of that length */
	assert_int_equal(log_file_turn(fd, path, &is_cut), -ENOSPC);
	assert_true(is_cut);
	assert_int_equal(length(path), 0);
	assert_int_equal(length(old), -1);
}

/* Somebody led standard error elsewhere, or has moved the file away. */
static void what_is_not_ours_is_left_alone(void **state)
{
	int fd = (int)(intptr_t)*state;
	bool is_cut;
	int ends[2];

	lengthen(fd, "theirs\n", LOG_FILE_MAX + 1);
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(log_file_turn(fd, path, &is_cut), 0);
	assert_int_equal(symlink(old, path), 0);
	assert_int_equal(log_file_turn(fd, path, &is_cut), 0);
	assert_int_equal(length(old), LOG_FILE_MAX + 1);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(log_file_turn(ends[1], path, &is_cut), 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* A directory is in the way of the copy. */
static void one_that_cannot_be_kept_is_cut_when_it_is_four_times_as_long(void **state)
{
	int fd = (int)(intptr_t)*state;
	bool is_cut;

	assert_int_equal(mkdir(old, 0700), 0);
	lengthen(fd, "first\n", LOG_FILE_FULL);
	assert_int_equal(log_file_turn(fd, path, &is_cut), -EISDIR);
	assert_false(is_cut);
	assert_int_equal(length(path), LOG_FILE_FULL);
	assert_int_equal(ftruncate(fd, LOG_FILE_FULL + 1), 0);
	assert_int_equal(log_file_turn(fd, path, &is_cut), -EISDIR);
	assert_true(is_cut);
	assert_int_equal(length(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_short_one_stays, make, end),
		cmocka_unit_test_setup_teardown(a_long_one_is_kept_once_and_all_writers_begin_anew,
						make, end),
		cmocka_unit_test_setup_teardown(of_one_that_is_very_long_the_end_is_kept_too, make,
						end),
		cmocka_unit_test_setup_teardown(one_that_would_fill_the_disk_is_not_copied, make,
						end),
		cmocka_unit_test_setup_teardown(what_is_not_ours_is_left_alone, make, end),
		cmocka_unit_test_setup_teardown(
			one_that_cannot_be_kept_is_cut_when_it_is_four_times_as_long, make, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
