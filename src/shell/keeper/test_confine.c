/* SPDX-License-Identifier: Apache-2.0 */
/* Confinement, each time in a process of its own: it cannot be undone. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "shell/keeper/keeper.h"
#include "shell/keeper/message.h"

/* Runs f in a child; returns its wait status. f returns 0 or the line that went wrong. */
static int in_child(int (*f)(void))
{
	int status = -1;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(f());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		print_message("line %d (modulo 256)\n", WEXITSTATUS(status));
	return status;
}

#define CHECK(condition)                           \
	do {                                       \
		if (!(condition))                  \
			return __LINE__ % 255 + 1; \
	} while (0)

/* As root it becomes nobody; otherwise it is what it is. */
static int confine(struct keeper_protections *ret)
{
	struct keeper_user user;

	keeper_user_find("nobody", &user);
	return keeper_confine(&user, ret);
}

/* Not so for the root of a user namespace that maps nobody else. */
static bool is_nobody_there(void)
{
	struct keeper_user user;

	keeper_user_find("nobody", &user);
	return user.is_other || user.uid != 0;
}

static int sees_no_privileges(void)
{
	struct keeper_protections p;
	char line[256];
	unsigned n = 0;
	bool was_root = geteuid() == 0;

	CHECK(confine(&p) == 0);
	CHECK(p.of[KEEPER_USER].is_on);
	CHECK(p.of[KEEPER_CAPABILITIES].is_on);
	CHECK(p.of[KEEPER_NO_NEW_PRIVS].is_on);
	CHECK(geteuid() != 0 && (!was_root || geteuid() == 65534));
	CHECK(setuid(0) < 0 && seteuid(0) < 0);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);

	FILE *f = fopen("/proc/self/status", "re");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		n += strcmp(line, "CapPrm:\t0000000000000000\n") == 0;
		n += strcmp(line, "CapEff:\t0000000000000000\n") == 0;
		n += strcmp(line, "CapInh:\t0000000000000000\n") == 0;
		n += strcmp(line, "CapAmb:\t0000000000000000\n") == 0;
		n += was_root && strcmp(line, "CapBnd:\t0000000000000000\n") == 0;
		n += strcmp(line, "NoNewPrivs:\t1\n") == 0;
		n += p.of[KEEPER_SECCOMP].is_on && strcmp(line, "Seccomp:\t2\n") == 0;
	}
	(void)fclose(f);
	CHECK(n == 5u + was_root + p.of[KEEPER_SECCOMP].is_on);
	return 0;
}

static void the_daemon_has_no_privileges_left(void **state)
{
	(void)state;
	if (!is_nobody_there()) {
		print_message("skipped: root of a user namespace without nobody\n");
		skip();
	}
	assert_int_equal(in_child(sees_no_privileges), 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static int does_daily_work(void)
{
	struct keeper_protections p;
	struct addrinfo *found = NULL;
	struct ifaddrs *list = NULL;
	char path[] = "/tmp/x0-confine-XXXXXX";
	pthread_t thread;
	int on = 1;

	CHECK(confine(&p) == 0);
	int fd = mkstemp(path);

	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 && close(fd) == 0);
	CHECK(unlink(path) == 0);
	CHECK(pthread_create(&thread, NULL, nothing, &p) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(getaddrinfo("localhost", "1", NULL, &found) == 0);
	freeaddrinfo(found);
	CHECK(getifaddrs(&list) == 0);
	freeifaddrs(list);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0 && ioctl(fd, FIONBIO, &on) == 0);
	void *memory = malloc(64 << 20);

	CHECK(memory);
	free(memory);
	return 0;
}

static void what_the_daemon_does_all_day_still_works(void **state)
{
	(void)state;
	assert_int_equal(in_child(does_daily_work), 0);
}

static int is_refused(void)
{
	struct keeper_protections p;

	CHECK(confine(&p) == 0);
	CHECK(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
	CHECK(setsockopt(0, 263 /* SOL_PACKET */, 0, "", 0) < 0 && errno == EPERM);
	CHECK(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		      MAP_FAILED &&
	      errno == EPERM);
	void *page = mmap(NULL, 4096, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED && mprotect(page, 4096, PROT_EXEC) < 0 && errno == EPERM);
	CHECK(fork() < 0 && errno == EPERM);
	CHECK(ioctl(0, TIOCSTI, "x") < 0 && errno == EPERM);
	CHECK(kill(getppid(), 0) < 0 && errno == EPERM);
	CHECK(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS);
	CHECK(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EPERM);
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 && errno == EPERM);
	return 0;
}

static int runs_a_program(void)
{
	struct keeper_protections p;

	CHECK(confine(&p) == 0);
	(void)execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static int traces(void)
{
	struct keeper_protections p;

	CHECK(confine(&p) == 0);
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	return 1;
}

static int makes_a_namespace(void)
{
	struct keeper_protections p;

	CHECK(confine(&p) == 0);
	(void)unshare(CLONE_NEWUSER);
	return 1;
}

static int tells_whether_there_is_a_filter(void)
{
	struct keeper_protections p;

	CHECK(confine(&p) == 0);
	return p.of[KEEPER_SECCOMP].is_on ? 0 : 2;
}

static bool has_filter(void)
{
	static int status = -1;

	if (status < 0)
		status = in_child(tells_whether_there_is_a_filter);
	if (status != 0)
		print_message("skipped: no filter in a sanitizer build, or the kernel refuses\n");
	return status == 0;
}

static void calls_off_the_list_are_refused(void **state)
{
	(void)state;
	if (!has_filter())
		skip();
	assert_int_equal(in_child(is_refused), 0);
}

static void calls_that_nobody_needs_end_the_process(void **state)
{
	(void)state;
	int (*const f[])(void) = { runs_a_program, traces, makes_a_namespace };

	if (!has_filter())
		skip();
	for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++) {
		int status = in_child(f[i]);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		(void)close(fd);
	return is_written;
}

/* Only ourselves mapped, as root: nobody is nobody here. 77: no user namespaces. */
static int is_root_of_a_small_world(void)
{
	struct keeper_user user;
	struct keeper_protections p;
	char map[64];
	unsigned uid = geteuid(), gid = getegid();

	if (unshare(CLONE_NEWUSER) < 0)
		return 77;
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!write_text("/proc/self/setgroups", "deny") || !write_text("/proc/self/uid_map", map))
		return 77;
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	CHECK(write_text("/proc/self/gid_map", map));

	keeper_user_find("nobody", &user);
	CHECK(!user.is_other && user.uid == 0);
	CHECK(strstr(user.why, "this user namespace has no user nobody"));
	CHECK(keeper_confine(&user, &p) == 0);
	CHECK(!p.of[KEEPER_USER].is_on);
	CHECK(strstr(p.of[KEEPER_USER].text, "runs as root"));
	CHECK(strstr(p.of[KEEPER_USER].text, "user namespace"));
	CHECK(p.of[KEEPER_CAPABILITIES].is_on);
	CHECK(p.of[KEEPER_NO_NEW_PRIVS].is_on);
	return 0;
}

static void in_a_user_namespace_it_says_what_is_off(void **state)
{
	(void)state;
	int status = in_child(is_root_of_a_small_world);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("skipped: no user namespaces here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void an_unknown_user_becomes_nobody_and_says_so(void **state)
{
	(void)state;
	struct keeper_user user;

	keeper_user_find("no-such-user-here", &user);
	if (geteuid() != 0 || !is_nobody_there()) {
		assert_false(user.is_other);
		assert_int_equal(user.uid, geteuid());
		return;
	}
	assert_true(user.is_other);
	assert_string_equal(user.name, "nobody");
	assert_string_equal(user.why, "there is no user no-such-user-here");
}

static void a_directory_is_made_and_given_to_the_user(void **state)
{
	(void)state;
	char top[] = "/tmp/x0-directory-XXXXXX", path[128], file[160], alias[160], link_name[160];
	char why[KEEPER_WHY_SIZE], command[256];
	struct keeper_user user;
	struct stat st;
	int fd;

	assert_non_null(mkdtemp(top));
	(void)snprintf(path, sizeof(path), "%s/a/state", top);
	keeper_user_find("nobody", &user);
	assert_int_equal(keeper_directory(path, 0700, &user, false, why), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, user.uid);

	/* what root left inside is given; what has a second name, or is a link, is not */
	(void)snprintf(file, sizeof(file), "%s/key", path);
	fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	(void)close(fd);
	(void)snprintf(alias, sizeof(alias), "%s/foreign", path);
	fd = open(alias, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	(void)close(fd);
	(void)snprintf(link_name, sizeof(link_name), "%s/second", top);
	assert_int_equal(link(alias, link_name), 0);
	(void)snprintf(link_name, sizeof(link_name), "%s/link", path);
	assert_int_equal(symlink("/etc/passwd", link_name), 0);
	assert_int_equal(keeper_directory(path, 0750, &user, true, why), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_uid, user.uid);
	assert_int_equal(stat(alias, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(stat("/etc/passwd", &st), 0);
	assert_int_equal(st.st_uid, 0);

	assert_true(keeper_directory(file, 0700, &user, false, why) < 0);
	assert_non_null(strstr(why, file));
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", top);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this test made */
	assert_int_equal(system(command), 0);
}

static void messages_have_one_length_and_known_verbs(void **state)
{
	(void)state;
	struct request q = { .verb = VERB_ROUTE_ADD,
			     .sequence = 7,
			     .number = 9,
			     .priority = 3,
			     .prefix = { .ip = { 0xfd, 1 }, .len = 48 } };
	struct request back;
	struct reply reply = { .sequence = 5,
			       .result = -EPERM,
			       .counters = { 1, 2, 3, 4 },
			       .why = "not permitted",
			       .fd = -1 };
	struct reply reply_back;
	uint8_t bytes[REQUEST_SIZE + 1] = { 0 }, reply_bytes[REPLY_SIZE];

	keeper_request_encode(&q, bytes);
	assert_int_equal(keeper_request_decode(SPAN(bytes, REQUEST_SIZE), &back), 0);
	assert_int_equal(back.verb, VERB_ROUTE_ADD);
	assert_int_equal(back.sequence, 7);
	assert_int_equal(back.number, 9);
	assert_int_equal(back.priority, 3);
	assert_int_equal(back.prefix.len, 48);
	assert_memory_equal(back.prefix.ip, q.prefix.ip, 16);
	assert_int_equal(keeper_request_decode(SPAN(bytes, REQUEST_SIZE - 1), &back), -EBADMSG);
	assert_int_equal(keeper_request_decode(SPAN(bytes, REQUEST_SIZE + 1), &back), -EBADMSG);
	bytes[0] = N_VERBS;
	assert_int_equal(keeper_request_decode(SPAN(bytes, REQUEST_SIZE), &back), -EBADMSG);
	bytes[0] = 0;
	bytes[1] = 129;
	assert_int_equal(keeper_request_decode(SPAN(bytes, REQUEST_SIZE), &back), -EBADMSG);

	reply_encode(&reply, reply_bytes);
	assert_int_equal(reply_decode(SPAN_OF(reply_bytes), &reply_back), 0);
	assert_int_equal(reply_back.result, -EPERM);
	assert_int_equal(reply_back.counters.destination_bytes, 4);
	assert_string_equal(reply_back.why, "not permitted");
	assert_int_equal(reply_decode(SPAN(reply_bytes, 3), &reply_back), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_daemon_has_no_privileges_left),
		cmocka_unit_test(what_the_daemon_does_all_day_still_works),
		cmocka_unit_test(calls_off_the_list_are_refused),
		cmocka_unit_test(calls_that_nobody_needs_end_the_process),
		cmocka_unit_test(in_a_user_namespace_it_says_what_is_off),
		cmocka_unit_test(an_unknown_user_becomes_nobody_and_says_so),
		cmocka_unit_test(a_directory_is_made_and_given_to_the_user),
		cmocka_unit_test(messages_have_one_length_and_known_verbs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
