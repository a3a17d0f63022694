/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "shell/control/control.h"

struct fixture {
	char dir[64];
	char path[96];
	struct control_server *server;
	uint64_t request; /* the last one asked */
	uint64_t gone;
	unsigned n_requests, n_gone;
	struct control_caller caller;
	bool answers_at_once;
};

static void on_request(void *arg, uint64_t request, const char *verb, const json_t *args,
		       const struct control_caller *caller)
{
	struct fixture *f = arg;

	f->request = request;
	f->n_requests++;
	f->caller = *caller;
	if (f->answers_at_once)
		assert_int_equal(control_result(f->server, request,
						json_pack("{ss sO}", "verb", verb, "args",
							  (json_t *)(uintptr_t)args)),
				 0);
}

static void on_gone(void *arg, uint64_t request)
{
	struct fixture *f = arg;

	f->gone = request;
	f->n_gone++;
}

static int start(struct fixture *f)
{
	struct control_options options = { .on_request = on_request, .on_gone = on_gone, .arg = f };
	char why[CONTROL_WHY_SIZE];
	int fd = control_listen(f->path, why);

	assert_true(fd >= 0);
	control_options_fill(geteuid(), &options);
	return control_server_new(fd, &options, &f->server);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/x0-control-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/x0.sock", f->dir);
	f->answers_at_once = true;
	*state = f;
	return start(f);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char lock[128];

	control_server_free(f->server);
	(void)unlink(f->path);
	(void)snprintf(lock, sizeof(lock), "%s.lock", f->path);
	(void)unlink(lock);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

static struct control_client *connect_to(struct fixture *f)
{
	struct control_client *c = NULL;
	char why[CONTROL_WHY_SIZE];

	assert_int_equal(control_client_open(f->path, &c, why), 0);
	return c;
}

/* Lets the server work until it has nothing more to do. */
static void serve(struct fixture *f)
{
	struct pollfd p = { .fd = control_server_fd(f->server), .events = POLLIN };

	for (unsigned i = 0; i < 10000 && poll(&p, 1, 0) == 1; i++)
		control_server_process(f->server);
}

static void a_request_gets_its_answer(void **state)
{
	struct fixture *f = *state;
	struct control_client *c = connect_to(f);
	struct control_response r;

	for (int i = 0; i < 3; i++) { /* one after the other on one connection */
		assert_int_equal(control_client_request(c, "ping", json_pack("{ss}", "node", "n2")),
				 0);
		serve(f);
		assert_int_equal(control_client_next(c, 1000, &r), 0);
		assert_int_equal(r.kind, CONTROL_RESULT);
		assert_string_equal(json_string_value(json_object_get(r.value, "verb")), "ping");
		assert_string_equal(json_string_value(json_object_get(
					    json_object_get(r.value, "args"), "node")),
				    "n2");
		control_response_done(&r);
	}
	assert_int_equal(f->caller.uid, geteuid());
	assert_int_equal(f->caller.pid, getpid());
	assert_int_equal(f->n_requests, 3);
	control_client_free(c);
	serve(f);
	assert_int_equal(control_server_clients(f->server), 0);
	assert_int_equal(f->n_gone, 0);
}

static void events_come_before_the_result(void **state)
{
	struct fixture *f = *state;
	struct control_client *c = connect_to(f);
	struct control_response r;

	f->answers_at_once = false;
	assert_int_equal(control_client_request(c, "trace", NULL), 0);
	serve(f);
	assert_int_equal(control_event(f->server, f->request, json_integer(1)), 0);
	assert_int_equal(control_event(f->server, f->request, json_integer(2)), 0);
	assert_int_equal(control_error(f->server, f->request, "no_route", "no way there"), 0);
	assert_int_equal(control_event(f->server, f->request, json_integer(3)), -ENOENT);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(control_client_next(c, 1000, &r), 0);
		assert_int_equal(r.kind, CONTROL_EVENT);
		assert_int_equal(json_integer_value(r.value), i);
		control_response_done(&r);
	}
	assert_int_equal(control_client_next(c, 1000, &r), 0);
	assert_int_equal(r.kind, CONTROL_ERROR);
	assert_string_equal(r.code, "no_route");
	assert_string_equal(r.message, "no way there");
	assert_int_equal(control_client_next(c, 1, &r), -ETIMEDOUT);
	control_client_free(c);
}

static void the_next_request_waits_until_the_first_is_done(void **state)
{
	struct fixture *f = *state;
	struct control_client *c = connect_to(f);
	struct control_response r;

	f->answers_at_once = false;
	assert_int_equal(control_client_request(c, "one", NULL), 0);
	assert_int_equal(control_client_request(c, "two", NULL), 0);
	serve(f);
	assert_int_equal(f->n_requests, 1);
	assert_int_equal(control_result(f->server, f->request, NULL), 0);
	serve(f);
	assert_int_equal(f->n_requests, 2);
	assert_int_equal(control_client_next(c, 1000, &r), 0);
	assert_true(json_is_null(r.value));
	control_response_done(&r);
	control_client_free(c);
}

static void a_client_that_leaves_is_reported_once(void **state)
{
	struct fixture *f = *state;
	struct control_client *c = connect_to(f);

	f->answers_at_once = false;
	assert_int_equal(control_client_request(c, "ping", NULL), 0);
	serve(f);
	control_client_free(c);
	serve(f);
	assert_int_equal(f->n_gone, 1);
	assert_int_equal(f->gone, f->request);
	assert_int_equal(control_result(f->server, f->request, json_true()), -ENOENT);
	assert_int_equal(control_server_clients(f->server), 0);
}

static void a_slow_client_gets_back_pressure(void **state)
{
	struct fixture *f = *state;
	struct control_client *c = connect_to(f);
	struct control_response r;
	char text[1001];
	unsigned sent = 0, got = 0;

	memset(text, 'x', 1000);
	text[1000] = '\0';
	f->answers_at_once = false;
	assert_int_equal(control_client_request(c, "top", NULL), 0);
	serve(f);
	while (control_event(f->server, f->request, json_string(text)) == 0)
		assert_in_range(++sent, 1, 10000);
	assert_true(sent >= CONTROL_QUEUE_BUSY / 1000);
	assert_int_equal(control_event(f->server, f->request, json_string(text)), -EAGAIN);
	assert_int_equal(control_result(f->server, f->request, json_true()), 0); /* always fits */
	do {
		serve(f);
		assert_int_equal(control_client_next(c, 1000, &r), 0);
		control_response_done(&r);
		got += r.kind == CONTROL_EVENT;
	} while (r.kind == CONTROL_EVENT);
	assert_int_equal(got, sent);
	control_client_free(c);
}

static void an_answer_that_is_too_long_becomes_an_error(void **state)
{
	struct fixture *f = *state;
	struct control_client *c = connect_to(f);
	struct control_response r;
	char *text = malloc(CONTROL_FRAME_MAX + 1);

	assert_non_null(text);
	memset(text, 'x', CONTROL_FRAME_MAX);
	text[CONTROL_FRAME_MAX] = '\0';
	f->answers_at_once = false;
	assert_int_equal(control_client_request(c, "status", NULL), 0);
	serve(f);
	assert_int_equal(control_result(f->server, f->request, json_string(text)), -EMSGSIZE);
	assert_int_equal(control_client_next(c, 1000, &r), 0);
	assert_string_equal(r.code, "too_long");
	assert_int_equal(control_client_request(c, text, NULL), -EMSGSIZE);
	free(text);
	control_client_free(c);
}

static void places_are_bounded_and_the_idle_give_way(void **state)
{
	struct fixture *f = *state;
	struct control_client *clients[CONTROL_CLIENTS_MAX], *more;
	struct control_response r;

	f->answers_at_once = false;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		clients[i] = connect_to(f);
		serve(f);
		if (i != 3)
			assert_int_equal(control_client_request(clients[i], "top", NULL), 0);
		serve(f);
	}
	assert_int_equal(control_server_clients(f->server), CONTROL_CLIENTS_MAX);
	more = connect_to(f); /* takes the place of the one who asked nothing */
	serve(f);
	assert_int_equal(control_client_next(clients[3], 1000, &r), -ECONNRESET);
	assert_int_equal(control_client_request(more, "top", NULL), 0);
	serve(f);
	assert_int_equal(f->n_requests, CONTROL_CLIENTS_MAX);
	assert_int_equal(f->n_gone, 0);
	control_client_free(more);
	more = connect_to(f);
	serve(f);
	assert_int_equal(control_client_request(more, "top", NULL), 0);
	serve(f);
	struct control_client *refused = connect_to(f); /* all are busy */

	serve(f);
	assert_int_equal(control_client_next(refused, 1000, &r), 0);
	assert_string_equal(r.code, "busy");
	control_client_free(refused);
	control_client_free(more);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		control_client_free(clients[i]);
}

static void who_reads_nothing_gives_way_first(void **state)
{
	struct fixture *f = *state;
	struct control_client *clients[CONTROL_CLIENTS_MAX], *more;
	uint64_t stalled = 0;

	f->answers_at_once = false;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		clients[i] = connect_to(f);
		assert_int_equal(control_client_request(clients[i], "top", NULL), 0);
		serve(f);
		if (i == 7)
			stalled = f->request;
	}
	while (control_event(f->server, stalled, json_stringn("0123456789", 10)) == 0)
		;
	more = connect_to(f);
	serve(f);
	assert_int_equal(f->gone, stalled);
	control_client_free(more);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		control_client_free(clients[i]);
}

static int raw_connect(struct fixture *f)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void what_is_no_frame_ends_the_connection(void **state)
{
	struct fixture *f = *state;
	static const uint8_t wrong[][4] = { { 0, 0, 0, 0 },
					    { 0, 0x10, 0, 1 },
					    { 0xff, 0xff, 0xff, 0xff } };
	char byte;

	for (size_t i = 0; i < 3; i++) {
		int fd = raw_connect(f);

		assert_int_equal(send(fd, wrong[i], 4, 0), 4);
		serve(f);
		assert_int_equal(recv(fd, &byte, 1, 0), 0);
		(void)close(fd);
	}
	assert_int_equal(control_server_clients(f->server), 0);
}

static void what_is_no_request_is_told_so(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = {
		"[]",
		"{",
		"null",
		"{}",
		"{\"verb\": 1}",
		"{\"verb\": \"\"}",
		"{\"verb\": \"a b\"}",
		"{\"verb\": \"a\", \"args\": []}",
		"{\"verb\": \"a\", \"verb\": \"b\"}",
		"{\"verb\": \"a\\u0000\"}",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint8_t frame[64], answer[256];
		size_t len = strlen(wrong[i]);
		int fd = raw_connect(f);

		store_u32(frame, (uint32_t)len);
		memcpy(frame + 4, wrong[i], len);
		for (size_t k = 0; k < len + 4; k++) { /* byte by byte */
			assert_int_equal(send(fd, frame + k, 1, 0), 1);
			serve(f);
		}
		ssize_t n = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);

		assert_true(n > 4);
		answer[n] = '\0';
		assert_non_null(strstr((char *)answer + 4, "bad_request"));
		(void)close(fd);
	}
	assert_int_equal(f->n_requests, 0);
}

/* As another user: what the server says to the first thing it is asked. */
static void ask_as(struct fixture *f, uid_t uid, gid_t group, char code[CONTROL_VERB_MAX])
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct control_client *c;
		struct control_response r = { 0 };
		char why[CONTROL_WHY_SIZE];
		bool is_ok = setgroups(group ? 1 : 0, &group) == 0 &&
			     setresgid(65534, 65534, 65534) == 0 && setresuid(uid, uid, uid) == 0 &&
			     control_client_open(f->path, &c, why) == 0 &&
			     control_client_request(c, "status", NULL) == 0 &&
			     control_client_next(c, 5000, &r) == 0;

		if (is_ok && r.kind == CONTROL_RESULT)
			(void)snprintf(r.code, sizeof(r.code), "allowed");
		(void)!write(fds[1], is_ok ? r.code : "failed", 32);
		_exit(0);
	}
	struct pollfd p[2] = { { .fd = control_server_fd(f->server), .events = POLLIN },
			       { .fd = fds[0], .events = POLLIN } };

	while (poll(p, 2, 5000) > 0 && !(p[1].revents & POLLIN))
		control_server_process(f->server);
	assert_true(read(fds[0], code, CONTROL_VERB_MAX) > 0);
	(void)waitpid(pid, NULL, 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void others_are_denied_members_are_not(void **state)
{
	struct fixture *f = *state;
	struct control_options options = {
		.owner = 1234,
		.has_group = true,
		.group = 4321,
		.on_request = on_request,
		.arg = f,
	};
	char why[CONTROL_WHY_SIZE], code[CONTROL_VERB_MAX];

	if (geteuid() != 0 || chown(f->dir, 65534, 4321) < 0) {
		print_message("skipped: needs a root that can become anybody\n");
		skip();
	}
	control_server_free(f->server);
	(void)unlink(f->path);
	assert_int_equal(control_server_new(control_listen(f->path, why), &options, &f->server), 0);
	(void)chmod(f->dir, 0755);
	(void)chmod(f->path, 0666); /* so that not the file mode decides */
	ask_as(f, 65534, 0, code);
	assert_string_equal(code, "denied");
	assert_int_equal(f->n_requests, 0);
	ask_as(f, 65534, 4321, code);
	assert_string_equal(code, "allowed");
	ask_as(f, 1234, 0, code);
	assert_string_equal(code, "allowed");
	ask_as(f, 0, 0, code);
	assert_string_equal(code, "allowed");
}

static void the_socket_is_for_its_owner_and_the_group(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	if (getgrnam(CONTROL_GROUP) && geteuid() == 0)
		assert_int_equal(st.st_mode & 0777, 0660);
	else if (!getgrnam(CONTROL_GROUP))
		assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_socket_in_use_is_not_taken_over_a_stale_one_is(void **state)
{
	struct fixture *f = *state;
	char why[CONTROL_WHY_SIZE];
	int fd;

	assert_int_equal(control_listen(f->path, why), -EADDRINUSE);
	assert_non_null(strstr(why, "x0 down"));
	control_server_free(f->server); /* as a crash leaves it */
	fd = control_listen(f->path, why);
	assert_true(fd >= 0);
	(void)close(fd);

	(void)unlink(f->path);
	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(control_listen(f->path, why), -EEXIST);
	(void)unlink(f->path);

	char lock[128];

	(void)snprintf(lock, sizeof(lock), "%s.lock", f->path);
	fd = open(lock, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(control_listen(f->path, why), -EAGAIN);
	(void)close(fd);
	assert_int_equal(start(f), 0);
}

static void a_socket_is_removed_by_who_left_it_and_not_from_under_another(void **state)
{
	struct fixture *f = *state;
	char nowhere[256];
	char why[CONTROL_WHY_SIZE];
	int fd;

	assert_int_equal(control_unlisten(f->path), -EADDRINUSE); /* the fixture listens */
	assert_int_equal(access(f->path, F_OK), 0);
	control_server_free(f->server);
	assert_int_equal(control_unlisten(f->path), 0);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_int_equal(control_unlisten(f->path), 0); /* it is gone already */
	(void)snprintf(nowhere, sizeof(nowhere), "%s/nowhere.sock", f->dir);
	assert_int_equal(control_unlisten(nowhere), 0);

	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(control_unlisten(f->path), -EEXIST); /* no socket: not ours */
	(void)unlink(f->path);
	fd = control_listen(f->path, why);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(start(f), 0);
}

static void without_a_daemon_the_next_command_is_named(void **state)
{
	struct fixture *f = *state;
	struct control_client *c = NULL;
	char why[CONTROL_WHY_SIZE];
	char long_path[256];

	assert_int_equal(control_client_open("/nonexistent/x0.sock", &c, why), -ENOENT);
	assert_non_null(strstr(why, "start it with: x0 up"));
	control_server_free(f->server);
	assert_int_equal(control_client_open(f->path, &c, why), -ECONNREFUSED);
	assert_non_null(strstr(why, "start it with: x0 up"));
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(control_client_open(long_path, &c, why), -ENAMETOOLONG);
	assert_int_equal(control_listen(long_path, why), -ENAMETOOLONG);
	assert_null(c);
	assert_int_equal(start(f), 0);
}

static void responses_are_checked(void **state)
{
	(void)state;
	static const char *const wrong[] = { "{}",
					     "[]",
					     "{\"event\": 1, \"result\": 2}",
					     "{\"error\": 1}",
					     "{\"error\": {\"code\": \"a\"}}",
					     "{\"error\": {\"code\": 1, \"message\": \"b\"}}" };
	struct control_response r;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_true(control_response_parse(wrong[i], strlen(wrong[i]), &r) < 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_gets_its_answer),
		TEST(events_come_before_the_result),
		TEST(the_next_request_waits_until_the_first_is_done),
		TEST(a_client_that_leaves_is_reported_once),
		TEST(a_slow_client_gets_back_pressure),
		TEST(an_answer_that_is_too_long_becomes_an_error),
		TEST(places_are_bounded_and_the_idle_give_way),
		TEST(who_reads_nothing_gives_way_first),
		TEST(what_is_no_frame_ends_the_connection),
		TEST(what_is_no_request_is_told_so),
		TEST(others_are_denied_members_are_not),
		TEST(the_socket_is_for_its_owner_and_the_group),
		TEST(a_socket_in_use_is_not_taken_over_a_stale_one_is),
		TEST(a_socket_is_removed_by_who_left_it_and_not_from_under_another),
		TEST(without_a_daemon_the_next_command_is_named),
		cmocka_unit_test(responses_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
