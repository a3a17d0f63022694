/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to servers that take them, are busy, refuse, hang, or answer without end
 * (tests/support/sink.py). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/notify/notify.h"

#define SECRET "123456:s3cret-token"
#define RETRY_MS 20
#define PATIENCE_MS 60000 /* for what comes at once where nobody else needs the machine */

/* ---- the other side ---- */

static struct {
	pid_t pid; /* 0: there is none */
	FILE *said;
	int keep; /* it ends when this is closed */
	unsigned http, smtp, https;
} sink;

static int begin_sink(void **state)
{
	(void)state;
	const char *source = getenv("X0_SOURCE");
	char script[512], line[128];
	int in[2], out[2];

	(void)snprintf(script, sizeof(script), "%s/tests/support/sink.py", source ? source : ".");
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	sink.pid = fork();
	assert_true(sink.pid >= 0);
	if (sink.pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)execlp("python3", "python3", script, getenv("X0_SINK_CERT"), NULL);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	sink.keep = in[1];
	sink.said = fdopen(out[0], "re");
	assert_non_null(sink.said);
	(void)setvbuf(sink.said, NULL, _IONBF, 0); /* what was read ahead poll() would not see */
	if (!fgets(line, sizeof(line), sink.said) ||
	    sscanf(line, "ports %u %u %u", &sink.http, &sink.smtp, &sink.https) != 3) { // NOLINT
		print_message("SKIPPED: no python3 to run %s\n", script);
		sink.http = 0;
	}
	return 0;
}

static int end_sink(void **state)
{
	(void)state;
	(void)close(sink.keep);
	(void)fclose(sink.said);
	(void)waitpid(sink.pid, NULL, 0);
	return 0;
}

/* The next that it was told. */
static const char *heard(void)
{
	static char line[8192];
	struct pollfd p = { .fd = fileno(sink.said), .events = POLLIN };

	(void)poll(&p, 1, PATIENCE_MS);
	if (!(p.revents & POLLIN) || !fgets(line, sizeof(line), sink.said))
		line[0] = '\0';
	return line;
}

/* ---- this side ---- */

struct side {
	struct loop *loop;
	struct notify *notify;
	struct loop_timer *timer;
	char url[96], mail[96];
	int log_pipe[2];
	struct log *log;
	enum notify_way way;
	uint64_t n_wanted, until_us;
	bool wants_tries; /* and not ends */
};

static void open_side(struct side *s, struct notify_options *o)
{
	char why[FETCH_WHY_SIZE];
	int r;

	if (!sink.http)
		skip();
	assert_int_equal(loop_new(&s->loop), 0);
	assert_int_equal(pipe2(s->log_pipe, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(log_new(s->log_pipe[1], LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG, "test", &s->log),
			 0);
	o->loop = s->loop;
	o->log = s->log;
	o->node = "spiffe://x/node/a";
	o->per_hour = o->per_hour ? o->per_hour : 60;
	o->retry_ms = RETRY_MS;
	r = notify_new(o, &s->notify, why);
	if (r == -ENOENT) {
		print_message("SKIPPED: %s\n", why);
		skip();
	}
	assert_int_equal(r, 0);
}

static void close_side(struct side *s)
{
	notify_free(s->notify);
	loop_free(s->loop);
	log_free(s->log);
	(void)close(s->log_pipe[0]);
	(void)close(s->log_pipe[1]);
}

static uint64_t n_ended(const struct side *s)
{
	struct notify_counters c;

	notify_counters(s->notify, s->way, &c);
	return c.sent + c.refused + c.given_up + (s->wants_tries ? c.retries : 0);
}

static void look(void *arg, uint64_t now_us)
{
	struct side *s = arg;

	if (n_ended(s) >= s->n_wanted || now_us >= s->until_us) {
		loop_timer_free(s->timer);
		loop_stop(s->loop);
		return;
	}
	loop_timer_arm(s->timer, now_us + MS(5));
}

static struct notify_counters run_until(struct side *s, enum notify_way way, uint64_t n)
{
	struct notify_counters c;

	s->way = way;
	s->n_wanted = n;
	s->until_us = loop_now_us() + MS(PATIENCE_MS);
	assert_int_equal(loop_timer_new(s->loop, look, s, &s->timer), 0);
	loop_timer_arm(s->timer, loop_now_us());
	loop_run(s->loop);
	notify_counters(s->notify, way, &c);
	return c;
}

/* Until so many have met their end at this way. */
static struct notify_counters run(struct side *s, enum notify_way way, uint64_t n)
{
	s->wants_tries = false;
	return run_until(s, way, n);
}

/* Until one was tried there, with or without success. */
static struct notify_counters run_once(struct side *s, enum notify_way way)
{
	s->wants_tries = true;
	return run_until(s, way, 1);
}

static void send_at(struct side *s, const char *title, uint64_t now_us)
{
	const struct notify_message m = {
		.severity = NOTIFY_SERIOUS,
		.incident = 7,
		.title = title,
		.text = "what is wrong\nand the plan",
		.unix_ms = 1795219200000,
	};

	assert_int_equal(notify_send(s->notify, &m, now_us), 0);
}

static void send_one(struct side *s, const char *title)
{
	send_at(s, title, loop_now_us());
}

static const char *url_to(struct side *s, const char *path)
{
	(void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u/%s", sink.http, path);
	return s->url;
}

static const char *mail_server(struct side *s)
{
	(void)snprintf(s->mail, sizeof(s->mail), "smtp://127.0.0.1:%u", sink.smtp);
	return s->mail;
}

static void each_way_delivers(void **state)
{
	(void)state;
	struct side s = { 0 };
	struct notify_options o = {
		.webhook_url = url_to(&s, "ok"),
		.webhook_bearer = "b3arer",
	};

	open_side(&s, &o);
	send_one(&s, "first");
	assert_int_equal(run(&s, NOTIFY_WEBHOOK, 1).sent, 1);
	const char *line = heard();

	assert_non_null(strstr(line, "\"path\": \"/ok\""));
	assert_non_null(strstr(line, "\"title\": \"first\""));
	assert_non_null(strstr(line, "\"authorization\": \"Bearer b3arer\""));
	assert_non_null(strstr(line, "\"type\": \"application/json\""));
	assert_false(notify_has(s.notify, NOTIFY_MAIL));
	close_side(&s);

	s = (struct side){ 0 };
	o = (struct notify_options){
		.mail_url = mail_server(&s),
		.mail_is_plain = true,
		.mail_from = "x0@a.example",
		.mail_to = "admin@b.example",
	};
	open_side(&s, &o);
	send_one(&s, "second");
	assert_int_equal(run(&s, NOTIFY_MAIL, 1).sent, 1);
	line = heard();
	assert_non_null(strstr(line, "RCPT TO:<admin@b.example>"));
	assert_non_null(strstr(line, "Subject: [x0] serious: second\\r\\n"));
	assert_non_null(strstr(line, "what is wrong\\r\\nand the plan\\r\\n"));
	close_side(&s);

	s = (struct side){ 0 };
	url_to(&s, "");
	s.url[strlen(s.url) - 1] = '\0';
	o = (struct notify_options){
		.telegram_url = s.url,
		.telegram_chat = "-100",
		.telegram_token = SECRET,
	};
	open_side(&s, &o);
	send_one(&s, "third");
	assert_int_equal(run(&s, NOTIFY_TELEGRAM, 1).sent, 1);
	line = heard();
	assert_non_null(strstr(line, "\"path\": \"/bot" SECRET "/sendMessage\""));
	assert_non_null(strstr(line, "\"chat_id\": \"-100\""));
	close_side(&s);
}

static void who_is_busy_is_asked_again_and_not_before_it_says(void **state)
{
	(void)state;
	struct side s = { 0 };
	struct notify_options o = {
		.webhook_url = url_to(&s, "later/1"),
		.mail_url = mail_server(&s),
		.mail_is_plain = true,
		.mail_from = "x0@a.example",
		.mail_to = "once@b.example",
	};
	uint64_t began_us = loop_now_us();
	struct notify_counters c;

	open_side(&s, &o);
	send_one(&s, "busy");
	c = run(&s, NOTIFY_MAIL, 1);
	assert_int_equal(c.sent, 1);
	assert_int_equal(c.retries, 1);
	assert_true(loop_now_us() - began_us >= MS(RETRY_MS) / 2);
	c = run(&s, NOTIFY_WEBHOOK, 1);
	assert_int_equal(c.sent, 1);
	assert_int_equal(c.retries, 1);
	assert_true(loop_now_us() - began_us >= SECONDS(1)); /* 30 ms by itself */
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(strstr(heard(), "busy"));
	close_side(&s);
}

static void what_is_refused_is_not_tried_again(void **state)
{
	(void)state;
	static const char *const paths[] = { "refuse", "move" };

	for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
		struct side s = { 0 };
		struct notify_options o = {
			.webhook_url = url_to(&s, paths[i]),
			.mail_url = mail_server(&s),
			.mail_is_plain = true,
			.mail_from = "x0@a.example",
			.mail_to = "refuse@b.example",
		};
		struct notify_counters c;

		open_side(&s, &o);
		send_one(&s, "unwanted");
		c = run(&s, NOTIFY_WEBHOOK, 1);
		assert_int_equal(c.refused, 1);
		c = run(&s, NOTIFY_MAIL, 1);
		assert_int_equal(c.refused, 1);
		assert_int_equal(c.retries, 0);
		assert_non_null(strstr(heard(), paths[i]));
		close_side(&s);
	}
}

static void an_answer_without_end_is_an_answer(void **state)
{
	(void)state;
	struct side s = { 0 };
	struct notify_options o = { .webhook_url = url_to(&s, "huge") };

	open_side(&s, &o);
	send_one(&s, "huge");
	assert_int_equal(run(&s, NOTIFY_WEBHOOK, 1).sent, 1);
	assert_non_null(strstr(heard(), "huge"));
	close_side(&s);
}

static void one_that_hangs_holds_up_neither_the_others_nor_the_end(void **state)
{
	(void)state;
	struct side s = { 0 };
	struct notify_options o = {
		.webhook_url = url_to(&s, "hang"),
		.mail_url = mail_server(&s),
		.mail_is_plain = true,
		.mail_from = "x0@a.example",
		.mail_to = "admin@b.example",
	};
	uint64_t began_us = loop_now_us();

	open_side(&s, &o);
	send_one(&s, "hanging");
	assert_int_equal(run(&s, NOTIFY_MAIL, 1).sent, 1);
	assert_int_equal(n_ended(&s), 1);
	close_side(&s);
	assert_true(loop_now_us() - began_us < MS(NOTIFY_ANSWER_MS)); /* it was not waited for */
	assert_non_null(strstr(heard(), "hanging"));
	assert_non_null(strstr(heard(), "hanging"));
}

static void a_flood_is_held_back_and_summed_up(void **state)
{
	(void)state;
	struct side s = { 0 };
	struct notify_options o = { .webhook_url = url_to(&s, "ok"), .per_hour = 3600 };
	struct notify_counters c;
	uint64_t now_us;
	char title[32];

	open_side(&s, &o);
	now_us = loop_now_us(); /* one instant, and one before it: no more may leave for that */
	for (unsigned i = 1; i <= 1000; i++) {
		(void)snprintf(title, sizeof(title), "incident %u.", i);
		send_at(&s, title, now_us - i % 2);
	}
	notify_counters(s.notify, NOTIFY_WEBHOOK, &c);
	assert_int_equal(c.waiting, NOTIFY_BURST);
	assert_int_equal(c.held_back, 1000 - NOTIFY_BURST);
	c = run(&s, NOTIFY_WEBHOOK, NOTIFY_BURST + 1); /* a second later */
	assert_int_equal(c.sent, NOTIFY_BURST + 1);
	for (unsigned i = 0; i < NOTIFY_BURST; i++)
		assert_non_null(strstr(heard(), "incident"));
	const char *line = heard();

	assert_non_null(strstr(line, "995 more were held back"));
	assert_non_null(strstr(line, "incident 6.\\nincident 7."));
	assert_non_null(strstr(line, "and 990 others"));
	assert_non_null(strstr(line, "serious"));
	close_side(&s);
}

static void nothing_secret_is_logged(void **state)
{
	(void)state;
	struct side s = { 0 };
	struct notify_options o = {
		.telegram_url = "http://127.0.0.1:1", /* nobody listens there */
		.telegram_chat = "-100",
		.telegram_token = SECRET,
		.webhook_url = "http://127.0.0.1:1/" SECRET,
		.webhook_bearer = SECRET,
	};
	char said[4096] = "";
	ssize_t n;

	open_side(&s, &o);
	send_one(&s, "x");
	(void)run_once(&s, NOTIFY_TELEGRAM);
	n = read(s.log_pipe[0], said, sizeof(said) - 1);
	assert_true(n > 0);
	assert_non_null(strstr(said, "notices_not_sent"));
	assert_non_null(strstr(said, "telegram"));
	assert_null(strstr(said, "s3cret"));
	close_side(&s);
}

static void mail_that_needs_tls_does_not_go_without(void **state)
{
	(void)state;
	struct side s = { 0 };
	struct notify_options o = {
		.mail_url = mail_server(&s), /* which has no STARTTLS */
		.mail_from = "x0@a.example",
		.mail_to = "admin@b.example",
		.mail_user = "x0",
		.mail_password = "s3cret",
	};
	struct notify_counters c;

	open_side(&s, &o);
	send_one(&s, "x");
	c = run_once(&s, NOTIFY_MAIL);
	assert_int_equal(c.sent, 0);
	assert_true(c.retries > 0);
	close_side(&s);
}

static void a_certificate_that_nobody_trusts_is_refused(void **state)
{
	(void)state;
	struct side s = { 0 };
	struct notify_options o = { .webhook_url = s.url };

	if (!sink.https) {
		print_message("SKIPPED: no program openssl to make a certificate\n");
		skip();
	}
	(void)snprintf(s.url, sizeof(s.url), "https://localhost:%u/ok", sink.https);
	open_side(&s, &o);
	send_one(&s, "x");
	assert_int_equal(run_once(&s, NOTIFY_WEBHOOK).sent, 0);
	close_side(&s);
	o.ca_file = getenv("X0_SINK_CERT");
	open_side(&s, &o);
	send_one(&s, "trusted");
	assert_int_equal(run(&s, NOTIFY_WEBHOOK, 1).sent, 1);
	assert_non_null(strstr(heard(), "trusted"));
	close_side(&s);
	/* nor one of another name */
	(void)snprintf(s.url, sizeof(s.url), "https://127.0.0.1:%u/ok", sink.https);
	open_side(&s, &o);
	send_one(&s, "x");
	assert_int_equal(run_once(&s, NOTIFY_WEBHOOK).sent, 0);
	close_side(&s);
}

static void wrong_settings_are_refused_with_a_sentence(void **state)
{
	(void)state;
	const struct notify_options wrong[] = {
		{ .per_hour = 0 },
		{ .per_hour = 1, .webhook_url = "ftp://a" },
		{ .per_hour = 1, .webhook_url = "https://a b" },
		{ .per_hour = 1, .webhook_url = "https://a", .webhook_bearer = "x\r\nHost: b" },
		{ .per_hour = 1, .mail_url = "smtp://a" },
		{ .per_hour = 1, .mail_url = "smtp://a", .mail_from = "a", .mail_to = "b@c" },
		{ .per_hour = 1,
		  .mail_url = "smtp://a",
		  .mail_from = "a@b",
		  .mail_to = "b@c",
		  .mail_user = "u" },
		{ .per_hour = 1,
		  .mail_url = "smtp://a",
		  .mail_from = "a@b",
		  .mail_to = "b@c",
		  .mail_user = "u",
		  .mail_password = "s3cret",
		  .mail_is_plain = true },
		{ .per_hour = 1, .telegram_chat = "1", .telegram_url = "https://t" },
		{ .per_hour = 1,
		  .telegram_chat = "1",
		  .telegram_url = "https://t",
		  .telegram_token = "12:s3cret/../x" },
	};

	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		char why[FETCH_WHY_SIZE] = "";
		struct notify *n = NULL;

		assert_int_equal(notify_new(&wrong[i], &n, why), -EINVAL);
		assert_true(strlen(why) > 10);
		assert_null(strstr(why, "s3cret"));
	}
}

/* ---- from the configuration ---- */

static struct config *configured(const char *text)
{
	const struct config_environment env = { .is_root = true };
	struct config_report report;
	struct config *c = NULL;

	assert_int_equal(config_parse(text, strlen(text), "test.yaml", &env, &c, &report), 0);
	return c;
}

static void secrets_come_from_files_that_are_closed(void **state)
{
	(void)state;
	char path[] = "/tmp/x0-test-token-XXXXXX";
	char text[256], why[FETCH_WHY_SIZE] = "";
	struct notify *n = NULL;
	struct notify_options base = { .node = "a" };
	struct notify_secrets secrets = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_true(write(fd, SECRET "\n", sizeof(SECRET)) > 0);
	assert_int_equal(loop_new(&base.loop), 0);
	(void)snprintf(text, sizeof(text),
		       "notify:\n  telegram_chat: \"-100\"\n  telegram_token_file: %s\n", path);
	struct config *c = configured(text);

	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(notify_secrets_read(c, &secrets, why), -EPERM);
	assert_non_null(strstr(why, "chmod 600"));
	notify_secrets_done(&secrets);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(notify_secrets_read(c, &secrets, why), 0);
	int r = notify_configured(c, &base, &secrets, &n, why);

	notify_secrets_done(&secrets);

	if (r != -ENOENT) { /* without libcurl */
		assert_int_equal(r, 0);
		assert_true(notify_has(n, NOTIFY_TELEGRAM));
		assert_false(notify_has(n, NOTIFY_WEBHOOK));
	}
	notify_free(n);
	config_free(c);
	assert_int_equal(unlink(path), 0);
	c = configured("notify:\n  per_hour: 5\n"); /* and no way */
	assert_int_equal(notify_secrets_read(c, &secrets, why), 0);
	assert_int_equal(notify_configured(c, &base, &secrets, &n, why), 0);
	assert_null(n);
	config_free(c);
	loop_free(base.loop);
	(void)close(fd);
}

/* A certificate for localhost, for the sink; "" where openssl is not there. */
static void make_certificate(char *path, size_t size)
{
	char command[512];
	int fd;

	(void)snprintf(path, size, "/tmp/x0-test-notify-XXXXXX");
	fd = mkstemp(path);
	if (fd >= 0)
		(void)close(fd);
	(void)snprintf(command, sizeof(command),
		       "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
		       " -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2"
		       " -keyout %s -out %s.crt 2>/dev/null && cat %s.crt >>%s && rm %s.crt",
		       path, path, path, path, path);
	if (fd < 0 || system(command) != 0) /* NOLINT: a path of our own making */
		return;
	(void)setenv("X0_SINK_CERT", path, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_delivers),
		cmocka_unit_test(who_is_busy_is_asked_again_and_not_before_it_says),
		cmocka_unit_test(what_is_refused_is_not_tried_again),
		cmocka_unit_test(an_answer_without_end_is_an_answer),
		cmocka_unit_test(one_that_hangs_holds_up_neither_the_others_nor_the_end),
		cmocka_unit_test(a_flood_is_held_back_and_summed_up),
		cmocka_unit_test(nothing_secret_is_logged),
		cmocka_unit_test(mail_that_needs_tls_does_not_go_without),
		cmocka_unit_test(a_certificate_that_nobody_trusts_is_refused),
		cmocka_unit_test(secrets_come_from_files_that_are_closed),
		cmocka_unit_test(wrong_settings_are_refused_with_a_sentence),
	};
	char certificate[64];
	int r;

	make_certificate(certificate, sizeof(certificate));
	r = cmocka_run_group_tests(tests, begin_sink, end_sink);
	(void)unlink(certificate);
	return r;
}
