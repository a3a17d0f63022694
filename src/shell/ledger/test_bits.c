/* SPDX-License-Identifier: Apache-2.0 */
/* Bits of a small ledger, flipped one by one: each is found. All bits of each file, but of the long
 * base64 of keys and signatures one bit of each second byte. Shared by as many processes as there
 * are processors, each with a copy of its own: it is some 15,000 times the whole ledger. */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "shell/ledger/test_support.h"

struct file_list {
	char names[64][128];
	size_t n;
};

static void list_files(const char *directory, const char *under, struct file_list *list)
{
	char path[256];
	DIR *d;
	const struct dirent *entry;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, under);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d))) {
		char name[128];

		if (entry->d_name[0] == '.')
			continue;
		assert_true(snprintf(name, sizeof(name), "%s%s%s", under, *under ? "/" : "",
				     entry->d_name) < (int)sizeof(name));
		if (entry->d_type == DT_DIR) {
			list_files(directory, name, list);
		} else {
			assert_true(list->n < N_ELEMENTS(list->names));
			(void)snprintf(list->names[list->n++], sizeof(name), "%s", name);
		}
	}
	(void)closedir(d);
}

static bool flip(int fd, off_t at, unsigned bit)
{
	uint8_t byte;

	if (pread(fd, &byte, 1, at) != 1)
		return false;
	byte ^= (uint8_t)(1U << bit);
	return pwrite(fd, &byte, 1, at) == 1;
}

/* Of the journal the heads, the record and some of the zeros. */
static bool is_tried(const char *name, off_t at)
{
	return strcmp(name, "journal") != 0 || at < JOURNAL_HEAD_LEN ||
	       (at >= JOURNAL_BLOCK && at < JOURNAL_BLOCK + JOURNAL_HEAD_LEN) ||
	       (at >= (off_t)JOURNAL_START && at < (off_t)JOURNAL_START + 192) || at % 4093 == 0;
}

/* In the middle of what is long there is nothing but base64. */
static bool has_all_bits(const char *name, off_t at, off_t len)
{
	bool is_long = strcmp(name, "checkpoint") == 0 || strcmp(name, "verifiers") == 0;

	return !is_long || at < 160 || at >= len - 64;
}

/* How many were not found. */
static unsigned try_byte(const char *directory, const char *name, int fd, off_t at, off_t len)
{
	unsigned n_missed = 0;

	for (unsigned bit = 0; bit < 8; bit++) {
		if (!has_all_bits(name, at, len) && (at % 2 != 0 || bit != (unsigned)at / 2 % 8))
			continue;
		if (flip(fd, at, bit) && verify_directory(directory, false) > 0 &&
		    flip(fd, at, bit))
			continue;
		print_message("%s: byte %lld, bit %u\n", name, (long long)at, bit);
		n_missed++;
	}
	return n_missed;
}

struct share {
	off_t nth, n; /* the bytes whose number leaves this rest */
};

static unsigned try_file(const char *directory, const char *name, struct share share)
{
	char path[512];
	struct stat status = { 0 };
	unsigned n_missed = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0)
		return 1;
	for (off_t at = share.nth; at < status.st_size; at += share.n)
		if (is_tried(name, at))
			n_missed += try_byte(directory, name, fd, at, status.st_size);
	(void)close(fd);
	return n_missed;
}

/* Asserts nothing: the runner of the tests is the parent's. */
static unsigned try_all(const char *directory, const struct file_list *list, struct share share)
{
	char copy[256];
	unsigned n_missed = 0;

	(void)snprintf(copy, sizeof(copy), "%s-%d", directory, (int)share.nth);
	run_command("cp -a %s %s", directory, copy);
	n_missed += try_file(copy, "key", share);
	/* An auditor does not have it; and to compute the public ones from it takes time. */
	run_command("rm %s/%s", copy, "key");
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->names[i], "key") != 0)
			n_missed += try_file(copy, list->names[i], share);
	return n_missed + (verify_directory(copy, true) == 0 ? 0 : 1);
}

static void try_all_at_once(const char *directory, const struct file_list *list)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	pid_t children[8];
	int status = 0;

	(void)fflush(stdout); /* or each of them would say it again */
	n = n < 1 ? 1 : n > (long)N_ELEMENTS(children) ? (long)N_ELEMENTS(children) : n;
	for (long i = 0; i < n; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			status = try_all(directory, list, (struct share){ i, n }) == 0 ? 0 : 1;
			(void)fflush(stdout);
			_exit(status);
		}
	}
	for (long i = 0; i < n; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

/* Two checkpoints, so that there are partial tiles of two widths, and a record in the journal. */
static void each_flipped_bit_is_found(void **state)
{
	struct file_list list = { .n = 0 };
	struct ledger *l = open_ledger_of(*state, JOURNAL_LEN_MIN);
	char path[128], copy[128];

	append(l, 0, 2);
	assert_int_equal(ledger_checkpoint(l), 0);
	append(l, 2, 3);
	assert_int_equal(ledger_checkpoint(l), 0);
	append(l, 3, 4);
	assert_int_equal(ledger_commit(l), 0);
	(void)snprintf(path, sizeof(path), "%s/.", (const char *)*state);
	(void)snprintf(copy, sizeof(copy), "%s/copy", (const char *)*state);
	assert_int_equal(mkdir(copy, 0700), 0);
	run_command("cd %s && cp -a checkpoint journal key lock tile verifiers %s", path, copy);
	ledger_close(l);
	assert_int_equal(verify_directory(copy, true), 0);
	list_files(copy, "", &list);
	assert_int_equal(list.n, 9);
	try_all_at_once(copy, &list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_flipped_bit_is_found, set_up_directory,
						tear_down_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
