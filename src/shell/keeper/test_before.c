/* SPDX-License-Identifier: Apache-2.0 */
/* The file in which a keeper leaves how the host was. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/keeper/before.h"

static const char of[BEFORE_OF_SIZE] = "this boot and this network";
static char directory[] = "/tmp/x0-test-before-XXXXXX";

static struct before some(void)
{
	return (struct before){
		.was_off = { true, true },
		.had_redirects = true,
		.n_interfaces = { 1, 2 },
		.interfaces = { { "eth0" }, { "default", "wlan0.7" } },
	};
}

static void it_is_read_as_it_was_written(void **state)
{
	(void)state;
	struct before b = some(), got;
	uint8_t bytes[BEFORE_SIZE_MAX];
	size_t len = before_encode(&b, of, bytes);

	assert_int_equal(before_decode(SPAN(bytes, len), of, &got), 0);
	assert_memory_equal(&got, &b, sizeof(b));
}

static void as_many_interfaces_as_are_kept_fit(void **state)
{
	(void)state;
	struct before b = { .was_off = { true, true } }, got;
	uint8_t bytes[BEFORE_SIZE_MAX];
	size_t len;

	for (unsigned i = 0; i < BEFORE_N_FAMILIES; i++)
		for (unsigned j = 0; j < BEFORE_INTERFACES_MAX; j++)
			(void)snprintf(b.interfaces[i][b.n_interfaces[i]++], 16, "interface-%u", j);
	len = before_encode(&b, of, bytes);
	assert_true(len > 0);
	assert_int_equal(before_decode(SPAN(bytes, len), of, &got), 0);
	assert_memory_equal(&got, &b, sizeof(b));
}

static void every_cut_and_every_wrong_name_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = { "", "..", ".", "all", "a/b", "../all", ".hidden" };
	struct before b = some(), got;
	uint8_t bytes[BEFORE_SIZE_MAX];
	size_t len = before_encode(&b, of, bytes);

	for (size_t i = 0; i < len; i++)
		assert_int_equal(before_decode(SPAN(bytes, i), of, &got), -EBADMSG);
	assert_int_equal(before_decode(SPAN(bytes, len + 1), of, &got), -EBADMSG);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memset(b.interfaces[0][0], 0, 16);
		memcpy(b.interfaces[0][0], wrong[i], strlen(wrong[i]));
		len = before_encode(&b, of, bytes);
		assert_int_equal(before_decode(SPAN(bytes, len), of, &got), -EBADMSG);
	}
	memset(b.interfaces[0][0], 'x', 16); /* without an end */
	len = before_encode(&b, of, bytes);
	assert_int_equal(before_decode(SPAN(bytes, len), of, &got), -EBADMSG);
}

static void that_of_another_boot_or_namespace_is_not_ours(void **state)
{
	(void)state;
	static const char other[BEFORE_OF_SIZE] = "another boot";
	struct before b = some(), got = { 0 };
	uint8_t bytes[BEFORE_SIZE_MAX];
	size_t len = before_encode(&b, of, bytes);

	assert_int_equal(before_decode(SPAN(bytes, len), other, &got), -ESTALE);
	assert_false(got.was_off[0]);
}

static const char *path_in(const char *name)
{
	static char path[100];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void only_a_file_that_we_alone_could_write_is_believed(void **state)
{
	(void)state;
	struct before b = some(), got;
	char why[KEEPER_WHY_SIZE] = "";
	char other[100];

	assert_false(before_read(directory, "x0", &got));
	assert_int_equal(before_write(directory, "x0", &b, why), 0);
	assert_int_equal(before_write(directory, "x0", &b, why), 0); /* over the old one */
	assert_true(before_read(directory, "x0", &got));
	assert_memory_equal(&got, &b, sizeof(b));
	assert_false(before_read(directory, "x1", &got));

	assert_int_equal(chmod(path_in("forwarding-x0"), 0620), 0);
	assert_false(before_read(directory, "x0", &got));
	assert_int_equal(chmod(path_in("forwarding-x0"), 0600), 0);
	(void)snprintf(other, sizeof(other), "%s", path_in("other"));
	assert_int_equal(link(path_in("forwarding-x0"), other), 0);
	assert_false(before_read(directory, "x0", &got)); /* by a second name */
	assert_int_equal(unlink(path_in("forwarding-x0")), 0);
	assert_int_equal(symlink("other", path_in("forwarding-x0")), 0);
	assert_false(before_read(directory, "x0", &got));
	/* the link gives way, what it leads to is left alone */
	b.had_redirects = false;
	assert_int_equal(before_write(directory, "x0", &b, why), 0);
	assert_true(before_read(directory, "x0", &got) && !got.had_redirects);
	assert_int_equal(unlink(other), 0);
	before_remove(directory, "x0");
	assert_false(before_read(directory, "x0", &got));
	assert_int_equal(mkfifo(path_in("forwarding-x0"), 0600), 0);
	assert_false(before_read(directory, "x0", &got)); /* and does not wait */
	before_remove(directory, "x0");
}

static void where_it_cannot_be_written_the_reason_is_told(void **state)
{
	(void)state;
	struct before b = some();
	char why[KEEPER_WHY_SIZE] = "";

	assert_int_equal(before_write("/nonexistent", "x0", &b, why), -ENOENT);
	assert_non_null(strstr(why, "/nonexistent/forwarding-x0 cannot be written"));
	assert_int_equal(before_write(NULL, "x0", &b, why), 0); /* nowhere, on purpose */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_read_as_it_was_written),
		cmocka_unit_test(as_many_interfaces_as_are_kept_fit),
		cmocka_unit_test(every_cut_and_every_wrong_name_is_refused),
		cmocka_unit_test(that_of_another_boot_or_namespace_is_not_ours),
		cmocka_unit_test(only_a_file_that_we_alone_could_write_is_believed),
		cmocka_unit_test(where_it_cannot_be_written_the_reason_is_told),
	};
	int r;

	if (!mkdtemp(directory))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(directory);
	return r;
}
