/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite, libcurl with its threads, the ledger's files and the signals of the host, each in a
 * process that gave up what the daemon gives up: its user, its capabilities, most system calls. */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/units.h"
#include "shell/fetch/fetch.h"
#include "shell/host/host.h"
#include "shell/keeper/keeper.h"
#include "shell/knowledge/knowledge.h"
#include "shell/ledger/ledger.h"
#include "shell/openssl/crypto_openssl.h"

#define SKIPPED 77
#define PATIENCE_MS 60000

#define CHECK(condition)                                                              \
	do {                                                                          \
		if (!(condition)) {                                                   \
			(void)fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			return 1;                                                     \
		}                                                                     \
	} while (0)

static char directory[64];

static void fill_sevens(void *arg, uint8_t *ret, size_t len)
{
	(void)arg;
	memset(ret, 7, len);
}

static const struct entropy entropy = { .fill = fill_sevens };

static int uses_the_ledger(void)
{
	const struct ledger_config config = {
		.origin = "mesh.example/ledger/alice",
		.ops = openssl_crypto_ops(NULL),
		.crypto = openssl_note_crypto(),
		.entropy = &entropy,
		.reserve_bytes = 4U << 20,
	};
	const struct ledger_entry e = { .kind = LEDGER_NOTICE, .who = "alice", .what = "join" };
	struct ledger_error error;
	struct ledger *l, *second;

	CHECK(ledger_open(directory, &config, &l, &error) == 0);
	CHECK(ledger_append(l, &e, NULL) == 0);
	CHECK(ledger_checkpoint(l) == 0);
	for (unsigned i = 0; i < 4200; i++) { /* so many at once that the file system is synced */
		if (ledger_append(l, &e, NULL) == -EAGAIN)
			CHECK(ledger_commit(l) == 0 && ledger_append(l, &e, NULL) == 0);
	}
	CHECK(ledger_checkpoint(l) == 0);
	CHECK(ledger_open(directory, &config, &second, &error) == -EBUSY);
	ledger_close(l);
	CHECK(ledger_open(directory, &config, &l, &error) == 0);
	ledger_close(l);
	return 0;
}

static int uses_sqlite(void)
{
	static struct knowledge_incident i = { .id = 1, .kind = "delivery", .n_evidence = 1 }, got;
	struct knowledge_notice notice;
	struct knowledge *k;

	CHECK(knowledge_open(directory, &k, &notice) == 0);
	for (i.id = 1; i.id <= 400;
	     i.id++) /* beyond 1,000 pages, so that the log is written back */
		CHECK(knowledge_put_incident(k, &i) == 0);
	knowledge_close(k);
	CHECK(knowledge_open(directory, &k, &notice) == 0 && !notice.aside[0]);
	CHECK(knowledge_get(k, 400, &got) == 0);
	knowledge_close(k);
	return 0;
}

static int serve_on_loopback(unsigned *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, len) < 0 || listen(fd, 8) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void take_outcome(void *arg, const struct fetch_outcome *o)
{
	*(struct fetch_outcome *)arg = *o;
}

/* By a name, so that the resolver's thread runs as well. */
static int uses_libcurl(void)
{
	char url[64], why[FETCH_WHY_SIZE];
	struct fetch_request r = { .kind = FETCH_CONNECT,
				   .url = url,
				   .connect_ms = PATIENCE_MS,
				   .total_ms = PATIENCE_MS };
	struct fetch_outcome o = { .is_done = false };
	struct fetch *f;
	struct loop *l;
	unsigned port = 0;
	int fd, e;

	CHECK(loop_new(&l) == 0);
	e = fetch_new(l, &f, why);
	if (e == -ENOENT)
		return SKIPPED;
	CHECK(e == 0);
	fd = serve_on_loopback(&port);
	CHECK(fd >= 0);
	(void)snprintf(url, sizeof(url), "http://localhost:%u/", port);
	CHECK(fetch_begin(f, &r, take_outcome, &o) == 0);
	for (unsigned ms = 0; ms < PATIENCE_MS && !o.is_done && !o.why; ms += 5) {
		loop_run_once(l);
		(void)usleep(5000);
	}
	if (o.why)
		(void)fprintf(stderr, "%s\n", o.why);
	CHECK(o.is_done);
	fetch_free(f);
	loop_free(l);
	(void)close(fd);
	return 0;
}

static int sample(int ret_errors[HOST_N_SIGNALS])
{
	struct host_options options = { .state_dir = "/" };
	const struct host_value *v;
	struct host *h;

	CHECK(loop_new(&options.loop) == 0);
	CHECK(host_new(&options, &h) == 0);
	host_sample(h, SECONDS(1), 0);
	for (unsigned ms = 0; ms < PATIENCE_MS; ms += 5) { /* the work queue asks for the disk */
		host_sample(h, SECONDS(1) + MS(ms), 0);
		v = host_value(h, HOST_DISK_FREE);
		if (v->error == 0 && v->taken_us > 0)
			break;
		loop_run_once(options.loop);
		(void)usleep(5000);
	}
	for (unsigned i = 0; i < HOST_N_SIGNALS; i++)
		ret_errors[i] = host_value(h, (enum host_signal)i)->error;
	host_free(h);
	loop_free(options.loop);
	return 0;
}

static int before[HOST_N_SIGNALS];

/* What could be read before, adjtimex() too, can be read still. */
static int reads_the_host(void)
{
	int now[HOST_N_SIGNALS];

	CHECK(sample(now) == 0);
	for (unsigned i = 0; i < HOST_N_SIGNALS; i++) {
		if (before[i] == 0 && now[i] < 0 && now[i] != -EAGAIN) {
			(void)fprintf(stderr, "%s: %s\n", host_signal_name((enum host_signal)i),
				      host_missing_text(now[i]));
			return 1;
		}
	}
	return 0;
}

static int run_confined(int (*f)(void))
{
	struct keeper_protections p;
	struct keeper_user user;

	keeper_user_find("nobody", &user);
	if (keeper_confine(&user, &p) < 0 || !p.of[KEEPER_SECCOMP].is_on)
		return SKIPPED;
	(void)snprintf(directory, sizeof(directory), "/tmp/x0-test-confined-XXXXXX");
	CHECK(mkdtemp(directory));
	return f();
}

static void remove_all(const char *of)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", of);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this test made */
	(void)!system(command);
}

static void expect(int (*f)(void))
{
	int status = 0, pipe_fds[2];
	char made[sizeof(directory)] = "";
	pid_t child;

	assert_int_equal(pipe(pipe_fds), 0);
	(void)fflush(stdout);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		status = run_confined(f);
		if (directory[0])
			(void)!write(pipe_fds[1], directory, sizeof(directory));
		_exit(status);
	}
	(void)close(pipe_fds[1]);
	if (read(pipe_fds[0], made, sizeof(made)) == (ssize_t)sizeof(made) && made[0])
		remove_all(made); /* no shell runs behind the filter */
	(void)close(pipe_fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED) {
		print_message(
			"skipped: no filter in this build or on this kernel, or no libcurl\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_ledger_lives_under_the_filter(void **state)
{
	(void)state;
	expect(uses_the_ledger);
}

static void sqlite_lives_under_the_filter(void **state)
{
	(void)state;
	expect(uses_sqlite);
}

static void libcurl_and_its_resolver_live_under_the_filter(void **state)
{
	(void)state;
	expect(uses_libcurl);
}

static void the_host_is_read_under_the_filter(void **state)
{
	(void)state;
	expect(reads_the_host);
}

static int set_up(void **state)
{
	int status = 0;
	pid_t child;
	int fds[2];

	(void)state;
	if (!openssl_crypto_ops(NULL) || pipe(fds) < 0)
		return -1;
	child = fork(); /* threads of this process would not be in those that it forks */
	if (child == 0) {
		(void)sample(before);
		_exit(write(fds[1], before, sizeof(before)) == (ssize_t)sizeof(before) ? 0 : 1);
	}
	(void)close(fds[1]);
	(void)!read(fds[0], before, sizeof(before));
	(void)close(fds[0]);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ledger_lives_under_the_filter),
		cmocka_unit_test(sqlite_lives_under_the_filter),
		cmocka_unit_test(libcurl_and_its_resolver_live_under_the_filter),
		cmocka_unit_test(the_host_is_read_under_the_filter),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
