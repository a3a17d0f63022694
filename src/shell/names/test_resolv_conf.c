/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/names/resolver.h"

#define WAS "search example.org\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n"

static const uint8_t server[16] = { 0xfd, [15] = 1 };

struct place {
	char dir[64], path[100], before[120], other[100];
	char why[RESOLVER_WHY_SIZE];
};

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) < 0, 0);
	assert_int_equal(fclose(f), 0);
}

static const char *content(const char *path)
{
	static char text[1024];
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	(void)fclose(f);
	return text;
}

static struct place place(void)
{
	struct place p = { .dir = "/tmp/x0-resolv-XXXXXX" };

	assert_non_null(mkdtemp(p.dir));
	(void)snprintf(p.path, sizeof(p.path), "%s/resolv.conf", p.dir);
	(void)snprintf(p.before, sizeof(p.before), "%s.before-x0", p.path);
	(void)snprintf(p.other, sizeof(p.other), "%s/other", p.dir);
	return p;
}

static void remove_place(const struct place *p)
{
	(void)unlink(p->path);
	(void)unlink(p->before);
	(void)unlink(p->other);
	assert_int_equal(rmdir(p->dir), 0); /* nothing else was left */
}

static struct resolv_conf parsed(const char *text)
{
	struct resolv_conf c;

	resolv_conf_parse(SPAN(text, strlen(text)), &c);
	return c;
}

static void servers_are_read_as_the_c_library_reads_them(void **state)
{
	(void)state;
	struct resolv_conf c = parsed("; comment\n nameserver 192.0.2.9\nnameserver 192.0.2.1\n"
				      "nameserver\t2001:db8::1 \nnameserver nonsense\n"
				      "nameserverx 192.0.2.2\nnameserver 192.0.2.3\n"
				      "nameserver 192.0.2.4\n");

	assert_int_equal(c.n, 3);
	assert_true(endpoint_is_ipv4(&c.servers[0]));
	assert_int_equal(c.servers[0].ip[15], 1);
	assert_int_equal(c.servers[1].ip[0], 0x20);
	assert_int_equal(c.servers[2].ip[15], 3); /* the fourth is not asked */
	assert_int_equal(c.servers[0].port, 53);
	assert_false(c.is_ours);
	assert_true(parsed("# x0 of /run/x0\n").is_ours);
	assert_false(parsed("\n# x0 of /run/x0\n").is_ours);
	assert_false(parsed("# x0 of \n").is_ours);
}

static void a_link_local_server_is_on_the_interface_that_is_named(void **state)
{
	(void)state;
	struct resolv_conf c = parsed("nameserver fe80::1%lo\nnameserver fe80::2%7\n"
				      "nameserver 2001:db8::1%lo\n");

	assert_int_equal(c.n, 2); /* the last is not of one link */
	assert_int_equal(c.servers[0].ip[0], 0xfe);
	assert_int_equal(c.servers[0].ip[15], 1);
	assert_int_equal(c.servers[0].scope, if_nametoindex("lo"));
	assert_int_equal(c.servers[1].scope, 7);
	assert_false(parsed("nameserver fe80::7\nnameserver nonsense%lo\n").is_one_away);
	c = parsed("nameserver fe80::1%x0nowhere\nnameserver fe80::1%\nnameserver 10.0.0.1%lo\n"
		   "nameserver fe80::1%an-interface-of-a-name-that-is-too-long-for-any\n");
	assert_int_equal(c.n, 0);
	assert_true(c.is_one_away);
	/* it may come: until then none is put before it */
	struct place p = place();

	write_file(p.path, "nameserver fe80::1%x0nowhere\n");
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_null(strstr(content(p.path), "127.0.0.1"));
	assert_int_equal(resolv_conf_read_before(p.path, &c), 0);
	assert_int_equal(c.n, 0);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	remove_place(&p);
}

static void ours_comes_first_and_what_was_there_comes_back(void **state)
{
	(void)state;
	struct place p = place();
	struct resolv_conf c;

	write_file(p.path, WAS);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_int_equal(resolv_conf_read(p.path, &c), 0);
	assert_true(c.is_ours);
	assert_int_equal(c.n, 3);
	assert_memory_equal(c.servers[0].ip, server, 16);
	assert_int_equal(c.servers[1].ip[15], 1);
	assert_non_null(strstr(content(p.path), "search example.org\n"));
	assert_int_equal(resolv_conf_read_before(p.path, &c), 0);
	assert_int_equal(c.n, 2);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), WAS);
	assert_int_equal(access(p.before, F_OK), -1);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0); /* twice */
	remove_place(&p);
}

static void a_link_comes_back_as_a_link(void **state)
{
	(void)state;
	struct place p = place();
	char target[100] = "";

	write_file(p.other, WAS);
	assert_int_equal(symlink("other", p.path), 0);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_int_equal(readlink(p.path, target, sizeof(target)), -1);
	assert_string_equal(content(p.other), WAS); /* what it leads to is not ours */
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_int_equal(readlink(p.path, target, sizeof(target)), 5);
	assert_string_equal(target, "other");
	remove_place(&p);
}

static void applied_again_after_a_crash_it_keeps_the_first_backup(void **state)
{
	(void)state;
	struct place p = place();
	const uint8_t moved[16] = { 0xfd, [15] = 2 };
	struct resolv_conf c;

	write_file(p.path, WAS);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", moved, p.why), 0);
	assert_int_equal(resolv_conf_read(p.path, &c), 0);
	assert_int_equal(c.n, 3);
	assert_memory_equal(c.servers[0].ip, moved, 16);
	assert_int_equal(c.servers[1].ip[15], 1);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), WAS);
	remove_place(&p);
}

static void what_another_program_wrote_meanwhile_stays(void **state)
{
	(void)state;
	struct place p = place();

	write_file(p.path, WAS);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	write_file(p.path, "nameserver 192.0.2.77\n");
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), "nameserver 192.0.2.77\n");
	assert_int_equal(access(p.before, F_OK), -1);
	remove_place(&p);
}

static void what_another_program_wrote_is_taken_over_in_its_turn(void **state)
{
	(void)state;
	struct place p = place();
	struct resolv_conf c;

	write_file(p.path, WAS);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	write_file(p.other, "nameserver 192.0.2.77\n");
	assert_int_equal(rename(p.other, p.path), 0);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_int_equal(resolv_conf_read_before(p.path, &c), 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.servers[0].ip[15], 77);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), "nameserver 192.0.2.77\n");
	remove_place(&p);
}

/* Written over instead of replaced: the copy must not be the same file by another name. */
static void one_that_was_written_in_place_is_told_apart_from_its_copy(void **state)
{
	(void)state;
	struct place p = place();

	write_file(p.path, WAS);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_string_equal(content(p.before), WAS);
	write_file(p.path, "nameserver 192.0.2.77\n");
	assert_string_equal(content(p.before), WAS);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	remove_place(&p);
}

static void the_file_of_another_x0_is_left_alone(void **state)
{
	(void)state;
	struct place p = place();

	write_file(p.path, WAS);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_int_equal(resolv_conf_apply(p.path, "/run/other", server, p.why), -EBUSY);
	assert_non_null(strstr(p.why, "another x0"));
	assert_int_equal(resolv_conf_restore(p.path, "/run/other", p.why), 0);
	assert_true(access(p.before, F_OK) == 0);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	remove_place(&p);
}

#define VPN "nameserver 203.0.113.53\n"

/* A program that keeps the file it found, ours, and puts it back: vpnc-script. */
static void ours_that_comes_back_from_anothers_copy_is_no_dead_end(void **state)
{
	(void)state;
	struct place p = place();
	struct resolv_conf c;
	char saved[1024];

	write_file(p.path, WAS);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	(void)snprintf(saved, sizeof(saved), "%s", content(p.path));
	write_file(p.path, VPN);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_string_equal(p.why, "");
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), VPN);
	/* the VPN ends, x0 is down, and there is no copy any more */
	write_file(p.path, saved);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_non_null(strstr(p.why, "no copy"));
	assert_int_equal(resolv_conf_read_before(p.path, &c), 0);
	assert_int_equal(c.n, 2);
	assert_int_equal(c.servers[0].ip[15], 1);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), WAS);
	/* the same, and nobody starts it again */
	write_file(p.path, saved);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), WAS);
	assert_int_equal(access(p.before, F_OK), -1);
	remove_place(&p);
}

/* While x0 runs: the copy is that of the VPN, and what is below our lines is the newer. */
static void what_is_below_our_lines_counts_where_it_was_changed(void **state)
{
	(void)state;
	struct place p = place();
	struct resolv_conf c;
	char saved[1024];
	FILE *f;

	write_file(p.path, WAS);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	(void)snprintf(saved, sizeof(saved), "%s", content(p.path));
	write_file(p.path, VPN);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	write_file(p.path, saved);
	assert_int_equal(resolv_conf_read_before(p.path, &c), 0);
	assert_int_equal(c.n, 2);
	/* and a person adds to it */
	f = fopen(p.path, "ae");
	assert_non_null(f);
	assert_true(fputs("options edns0\n", f) >= 0 && fclose(f) == 0);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_non_null(strstr(p.why, "was changed"));
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_string_equal(p.why, "");
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), WAS "options edns0\n");
	remove_place(&p);
}

static void one_of_ours_without_the_line_below_it_is_taken_apart_too(void **state)
{
	(void)state;
	struct place p = place();

	write_file(p.path, "# x0 of /run/x0\n# This file is x0's\nnameserver fd00::1\n" WAS);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), WAS);
	/* and one that holds nothing else */
	write_file(p.path, "# x0 of /run/x0\n# This file");
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), "");
	remove_place(&p);
}

static void write_over(char *text, const char *with)
{
	while (*with)
		*text++ = *with++;
}

/* What a crash leaves that comes while a file is written in place: ours cut short, or what was
 * there with the end of ours behind it. */
static void what_was_written_halfway_is_finished(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct place p = place();
		char ours[1024];

		write_file(p.path, WAS);
		assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
		(void)snprintf(ours, sizeof(ours), "%s", content(p.path));
		for (size_t cut = strlen("# x0 of /run/x0\n"); cut < strlen(ours); cut += 7) {
			char text[1024];

			(void)snprintf(text, sizeof(text), "%.*s", (int)cut, ours);
			if (text[cut - 1] == '\n')
				continue; /* may be somebody's */
			write_file(p.path, text);
			assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
			assert_string_equal(content(p.path), ours);
		}
		write_over(ours, WAS);
		write_file(p.path, ours);
		if (i > 0) { /* the next start, and not the end */
			assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
			assert_non_null(strstr(content(p.path), "# x0 of /run/x0\n"));
			write_file(p.path, ours);
		}
		assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
		assert_string_equal(content(p.path), WAS);
		assert_int_equal(access(p.before, F_OK), -1);
		remove_place(&p);
	}
}

/* The file of a container: it can be written, and nothing can be put over it. */
static void under_mount(const struct place *p)
{
	char why[RESOLVER_WHY_SIZE], ours[1024];

	assert_int_equal(resolv_conf_apply(p->path, "/run/x0", server, why), 0);
	(void)snprintf(ours, sizeof(ours), "%s", content(p->path));
	assert_non_null(strstr(ours, "# x0 of /run/x0\n"));
	assert_string_equal(content(p->other), ours); /* in place: it is still that file */
	assert_int_equal(resolv_conf_restore(p->path, "/run/x0", why), 0);
	assert_string_equal(content(p->path), WAS);
	assert_int_equal(access(p->before, F_OK), -1);
	/* killed between the last byte and the cut */
	assert_int_equal(resolv_conf_apply(p->path, "/run/x0", server, why), 0);
	write_over(ours, WAS);
	write_file(p->path, ours);
	assert_int_equal(resolv_conf_apply(p->path, "/run/x0", server, why), 0);
	assert_int_equal(resolv_conf_restore(p->path, "/run/x0", why), 0);
	assert_string_equal(content(p->path), WAS);
	assert_string_equal(content(p->other), WAS);
	assert_int_equal(access(p->before, F_OK), -1);
}

/* Exits with 77 where this may not be done. */
static void mount_and_try(const struct place *p)
{
	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		_exit(77);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(p->other, p->path, NULL, MS_BIND, NULL) < 0)
		_exit(77);
	under_mount(p);
	_exit(0);
}

static void a_mount_point_is_written_in_place(void **state)
{
	(void)state;
	struct place p = place();
	int status = 0;
	pid_t pid;

	write_file(p.path, "");
	write_file(p.other, WAS);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		mount_and_try(&p);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	remove_place(&p);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void where_no_server_is_named_this_machines_own_is_meant(void **state)
{
	(void)state;
	static const char *const texts[] = { NULL, "", "search example.org\noptions edns0\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct place p = place();
		struct resolv_conf c;

		if (texts[i])
			write_file(p.path, texts[i]);
		assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
		assert_int_equal(resolv_conf_read_before(p.path, &c), 0);
		assert_int_equal(c.n, 2);
		assert_true(endpoint_is_ipv4(&c.servers[0]));
		assert_int_equal(c.servers[0].ip[12], 127);
		assert_int_equal(c.servers[0].port, 53);
		assert_int_equal(c.servers[1].ip[15], 1);
		/* and where the daemon does not answer the C library asks it by itself */
		assert_int_equal(resolv_conf_read(p.path, &c), 0);
		assert_int_equal(c.n, 3);
		assert_memory_equal(c.servers[0].ip, server, 16);
		assert_int_equal(c.servers[1].ip[12], 127);
		assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
		assert_string_equal(content(p.path), texts[i] ? texts[i] : "");
		remove_place(&p);
	}
}

static void where_there_was_none_an_empty_one_stays(void **state)
{
	(void)state;
	struct place p = place();
	struct resolv_conf c;

	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), 0);
	assert_int_equal(resolv_conf_read(p.path, &c), 0);
	assert_int_equal(c.n, 3);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	assert_string_equal(content(p.path), "");
	remove_place(&p);
}

static void one_that_is_too_long_or_cannot_be_written_stays(void **state)
{
	(void)state;
	struct place p = place();
	int fd = open(p.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0 && ftruncate(fd, RESOLV_CONF_MAX + 1) == 0);
	(void)close(fd);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), -EFBIG);
	assert_true(p.why[0] != '\0');
	/* and one that would be too long with our lines: who could read it again? */
	assert_int_equal(truncate(p.path, RESOLV_CONF_MAX - 10), 0);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), -EFBIG);
	assert_int_equal(resolv_conf_restore(p.path, "/run/x0", p.why), 0);
	remove_place(&p);
	assert_int_equal(resolv_conf_apply(p.path, "/run/x0", server, p.why), -ENOENT);
	assert_true(p.why[0] != '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_read_as_the_c_library_reads_them),
		cmocka_unit_test(a_link_local_server_is_on_the_interface_that_is_named),
		cmocka_unit_test(ours_comes_first_and_what_was_there_comes_back),
		cmocka_unit_test(a_link_comes_back_as_a_link),
		cmocka_unit_test(applied_again_after_a_crash_it_keeps_the_first_backup),
		cmocka_unit_test(what_another_program_wrote_meanwhile_stays),
		cmocka_unit_test(what_another_program_wrote_is_taken_over_in_its_turn),
		cmocka_unit_test(one_that_was_written_in_place_is_told_apart_from_its_copy),
		cmocka_unit_test(the_file_of_another_x0_is_left_alone),
		cmocka_unit_test(ours_that_comes_back_from_anothers_copy_is_no_dead_end),
		cmocka_unit_test(what_is_below_our_lines_counts_where_it_was_changed),
		cmocka_unit_test(one_of_ours_without_the_line_below_it_is_taken_apart_too),
		cmocka_unit_test(what_was_written_halfway_is_finished),
		cmocka_unit_test(a_mount_point_is_written_in_place),
		cmocka_unit_test(where_no_server_is_named_this_machines_own_is_meant),
		cmocka_unit_test(where_there_was_none_an_empty_one_stays),
		cmocka_unit_test(one_that_is_too_long_or_cannot_be_written_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
