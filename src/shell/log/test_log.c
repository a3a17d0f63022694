/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "shell/log/line.h"
#include "shell/log/log.h"

static const char *format_one(enum log_format format, const struct log_field *fields, size_t n)
{
	static char line[LOG_LINE_MAX + 1];
	struct log_line l = {
		.format = format,
		.level = LOG_LEVEL_INFO,
		.unix_s = 1700000000,
		.ms = 42,
		.event = "peer_up",
		.fields = fields,
		.n_fields = n,
	};

	line[log_line_format(&l, line)] = '\0';
	return line;
}

#define FORMAT(format, ...)                                                               \
	format_one(format, (const struct log_field[]){ log_str("", NULL), __VA_ARGS__ },  \
		   sizeof((const struct log_field[]){ log_str("", NULL), __VA_ARGS__ }) / \
			   sizeof(struct log_field))

static void text_names_the_event_and_its_fields(void **state)
{
	(void)state;
	const uint8_t id[] = { 0xab, 0x01 };
	const char *line =
		FORMAT(LOG_FORMAT_JOURNAL, log_str("peer", "n2"), log_u64("rtt_us", 1234),
		       log_i64("delta", -5), log_bool("is_direct", true),
		       log_hex("id", SPAN_OF(id)), log_errno("error", -ENOENT), log_str("s", NULL));

	assert_string_equal(line, "<6>peer_up peer=n2 rtt_us=1234 delta=-5 is_direct=true id=ab01 "
				  "error=\"No such file or directory\"\n");
	assert_non_null(strstr(FORMAT(LOG_FORMAT_TEXT, log_u64("n", 1)), " info    peer_up n=1\n"));
}

static void json_is_one_object_with_the_same_fields(void **state)
{
	(void)state;
	const char *line = FORMAT(LOG_FORMAT_JSON, log_str("peer", "a\"b\\c\n\x1b[31m"),
				  log_u64("big", UINT64_MAX), log_bool("b", false));
	json_t *o = json_loads(line, JSON_DECODE_INT_AS_REAL, NULL);

	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "time")),
			    "2023-11-14T22:13:20.042Z");
	assert_string_equal(json_string_value(json_object_get(o, "level")), "info");
	assert_string_equal(json_string_value(json_object_get(o, "event")), "peer_up");
	assert_string_equal(json_string_value(json_object_get(o, "peer")), "a\"b\\c\n\x1b[31m");
	assert_true(json_is_false(json_object_get(o, "b")));
	assert_non_null(strstr(line, "18446744073709551615"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	json_decref(o);
}

static void strings_from_outside_cannot_speak_to_a_terminal(void **state)
{
	(void)state;
	/* NOLINTBEGIN(misc-misleading-bidirectional): to be made harmless is what this is for */
	static const char *const nasty[] = {
		"\x1b]0;title\x07", "\xc2\x9b[31m", "\xe2\x80\xae reversed",
		"\xff\xfe",	    "\xc0\xaf",	    "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\xe2\x82",	    "line\nfeed",
		"tab\tand\rreturn", "\x7f",	    "\xe2\x80\xa8",
	};
	/* NOLINTEND(misc-misleading-bidirectional) */

	for (size_t i = 0; i < N_ELEMENTS(nasty); i++) {
		const char *text = FORMAT(LOG_FORMAT_TEXT, log_str("s", nasty[i]));
		size_t len = strlen(text);

		for (size_t k = 0; k + 1 < len; k++)
			assert_in_range((uint8_t)text[k], 0x20, 0x7e);

		json_t *o = json_loads(FORMAT(LOG_FORMAT_JSON, log_str("s", nasty[i])), 0, NULL);

		assert_non_null(o); /* valid JSON, so valid UTF-8 */
		json_decref(o);
	}
	/* and what is harmless stays as it is */
	assert_non_null(strstr(FORMAT(LOG_FORMAT_TEXT, log_str("s", "узел €𝄞")), "\"узел €𝄞\""));
}

static void long_values_are_cut_and_say_so(void **state)
{
	(void)state;
	char value[3 * LOG_VALUE_MAX];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	const char *line = FORMAT(LOG_FORMAT_JOURNAL, log_str("s", value));

	assert_non_null(strstr(line, "xxx...\n"));
	assert_in_range(strlen(line), LOG_VALUE_MAX, LOG_VALUE_MAX + 40);
	value[LOG_VALUE_MAX - 1] = '\xc3'; /* a character across the cut is left out whole */
	value[LOG_VALUE_MAX] = '\xa4';
	assert_non_null(strstr(FORMAT(LOG_FORMAT_JOURNAL, log_str("s", value)), "xxx...\""));
}

static void a_full_line_stays_whole_and_says_so(void **state)
{
	(void)state;
	char value[LOG_VALUE_MAX];

	memset(value, 1, sizeof(value) - 1); /* six times as long in JSON */
	value[sizeof(value) - 1] = '\0';
	const char *line =
		FORMAT(LOG_FORMAT_JSON, log_str("a", "kept"), log_str("b", value), log_u64("c", 7));
	json_t *o = json_loads(line, 0, NULL);

	assert_non_null(o);
	assert_true(strlen(line) <= LOG_LINE_MAX);
	assert_true(json_is_true(json_object_get(o, "truncated")));
	assert_string_equal(json_string_value(json_object_get(o, "a")), "kept");
	assert_null(json_object_get(o, "b"));
	assert_int_equal(json_integer_value(json_object_get(o, "c")), 7);
	json_decref(o);

	struct log_field many[LOG_FIELDS_MAX + 2];

	for (size_t i = 0; i < N_ELEMENTS(many); i++)
		many[i] = log_u64("n", i);
	assert_null(strstr(format_one(LOG_FORMAT_TEXT, many, LOG_FIELDS_MAX + 1), "truncated"));
	line = format_one(LOG_FORMAT_TEXT, many, LOG_FIELDS_MAX + 2);
	assert_non_null(strstr(line, " n=32 truncated=true\n"));
}

static void only_a_terminal_gets_colours(void **state)
{
	(void)state;
	int fds[2];
	struct log *l;
	char line[256] = "";

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(log_new(fds[1], LOG_FORMAT_AUTO, LOG_LEVEL_INFO, NULL, &l), 0);
	assert_int_equal(log_format_in_use(l), LOG_FORMAT_TEXT);
	log_error(l, "broken");
	assert_true(read(fds[0], line, sizeof(line) - 1) > 0);
	assert_null(strchr(line, '\033'));
	log_free(l);
	(void)close(fds[0]);
	(void)close(fds[1]);

	int terminal = posix_openpt(O_RDWR | O_NOCTTY);

	if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0) {
		print_message("no pseudo terminal here\n");
		skip();
	}
	int slave = open(ptsname(terminal), O_RDWR | O_NOCTTY);

	assert_true(slave >= 0);
	assert_int_equal(log_new(slave, LOG_FORMAT_AUTO, LOG_LEVEL_INFO, NULL, &l), 0);
	log_error(l, "broken");
	memset(line, 0, sizeof(line));
	assert_true(read(terminal, line, sizeof(line) - 1) > 0);
	assert_non_null(strstr(line, "\033[31m"));
	log_free(l);
	(void)close(slave);
	(void)close(terminal);
}

static void journald_is_recognised_by_the_stream_it_made(void **state)
{
	(void)state;
	int fds[2];
	struct stat st;
	struct log *l;
	char stream[64];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fstat(fds[1], &st), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	(void)setenv("JOURNAL_STREAM", stream, 1);
	assert_int_equal(log_new(fds[1], LOG_FORMAT_AUTO, LOG_LEVEL_INFO, NULL, &l), 0);
	assert_int_equal(log_format_in_use(l), LOG_FORMAT_JOURNAL);
	log_free(l);
	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	assert_int_equal(log_new(fds[1], LOG_FORMAT_AUTO, LOG_LEVEL_INFO, NULL, &l), 0);
	assert_int_equal(log_format_in_use(l), LOG_FORMAT_TEXT);
	log_free(l);
	(void)unsetenv("JOURNAL_STREAM");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static int journal_open(struct sockaddr_un *ret)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "/tmp/x0-test-log-%d.sock", getpid());
	(void)unlink(ret->sun_path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)ret, sizeof(*ret)), 0);
	return fd;
}

static void journald_gets_each_field_as_a_field(void **state)
{
	(void)state;
	const uint8_t trace[] = { 0x4b, 0xf9 };
	struct sockaddr_un at;
	char text[LOG_JOURNAL_MAX];
	int journal = journal_open(&at);
	int fds[2];
	struct log *l;
	ssize_t n;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(log_new(fds[1], LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO, "keeper", &l), 0);
	assert_int_equal(log_use_journal(l, at.sun_path), 0);
	log_notice(l, "peer_up", log_str("peer", "a b\nPRIORITY=0"), log_str("why", ""),
		   log_u64("rtt_us", 12), log_hex("trace_id", SPAN_OF(trace)),
		   log_errno("error", -ENOENT));
	n = recv(journal, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "MESSAGE=peer_up source=keeper peer=\"a b\\x0aPRIORITY=0\" "
				  "rtt_us=12 trace_id=4bf9 error=\"No such file or directory\"\n"
				  "PRIORITY=5\nSYSLOG_IDENTIFIER=x0\nX0_EVENT=peer_up\n"
				  "X0_SOURCE=keeper\nX0_PEER=a b\\x0aPRIORITY=0\nX0_RTT_US=12\n"
				  "X0_TRACE_ID=4bf9\nX0_ERROR=No such file or directory\n");
	assert_int_equal(read(fds[0], text, sizeof(text)), -1);

	/* Without journald the event is not lost. */
	(void)close(journal);
	(void)unlink(at.sun_path);
	log_notice(l, "alone");
	n = read(fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "<5>alone source=keeper\n");
	log_free(l);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void a_journald_that_sleeps_does_not_stop_us(void **state)
{
	(void)state;
	struct sockaddr_un at;
	char text[LOG_JOURNAL_MAX];
	int journal = journal_open(&at);
	int fds[2];
	struct log *l;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(log_new(fds[1], LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO, NULL, &l), 0);
	assert_int_equal(log_use_journal(l, at.sun_path), 0);
	for (unsigned i = 0; i < 10000 && log_dropped(l) < 2; i++)
		log_info(l, "event", log_u64("number", i));
	assert_int_equal(log_dropped(l), 2);
	while (recv(journal, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
	log_info(l, "again");
	ssize_t n = recv(journal, text, sizeof(text) - 1, MSG_DONTWAIT);

	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "X0_DROPPED=2\n"));
	log_free(l);
	(void)close(journal);
	(void)unlink(at.sun_path);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void journald_gets_no_more_than_there_is_room_for(void **state)
{
	(void)state;
	char value[LOG_VALUE_MAX];
	struct log_field fields[LOG_FIELDS_MAX + 1];
	char text[LOG_JOURNAL_MAX];
	struct log_line l = { .event = "e", .fields = fields, .n_fields = N_ELEMENTS(fields) };
	size_t len;

	memset(value, 1, sizeof(value) - 1); /* four times as long */
	value[sizeof(value) - 1] = '\0';
	for (size_t i = 0; i < N_ELEMENTS(fields); i++)
		fields[i] = log_str("long", value);
	len = log_journal_format(&l, text);
	assert_true(len <= LOG_JOURNAL_MAX);
	assert_int_equal(text[len - 1], '\n');
	assert_non_null(memmem(text, len, "truncated=true\nPRIORITY=", 24));
}

static void only_the_format_journal_speaks_to_journald(void **state)
{
	(void)state;
	char long_path[256];
	struct log *l;

	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(log_new(2, LOG_FORMAT_JSON, LOG_LEVEL_INFO, NULL, &l), 0);
	assert_int_equal(log_use_journal(l, LOG_JOURNAL_SOCKET), -EINVAL);
	log_free(l);
	assert_int_equal(log_new(2, LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO, NULL, &l), 0);
	assert_int_equal(log_use_journal(l, long_path), -ENAMETOOLONG);
	log_free(l);
}

static void events_above_the_level_are_not_written(void **state)
{
	(void)state;
	int fds[2];
	struct log *l;
	char line[1024];
	ssize_t n;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(log_new(fds[1], LOG_FORMAT_JOURNAL, LOG_LEVEL_NOTICE, "keeper", &l), 0);
	log_info(l, "quiet");
	log_info(NULL, "nowhere");
	assert_int_equal(read(fds[0], line, sizeof(line)), -1);
	log_set_level(l, LOG_LEVEL_INFO);
	log_info(l, "heard", log_u64("n", 1));
	n = read(fds[0], line, sizeof(line) - 1);
	assert_true(n > 0);
	line[n] = '\0';
	assert_string_equal(line, "<6>heard source=keeper n=1\n");
	log_free(l);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void a_reader_that_sleeps_loses_events_and_learns_how_many(void **state)
{
	(void)state;
	int fds[2];
	struct log *l;
	static char all[1 << 20];
	unsigned lost = 0;

	assert_int_equal(pipe(fds), 0);
	(void)fcntl(fds[1], F_SETPIPE_SZ, 4096);
	assert_int_equal(log_new(fds[1], LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO, NULL, &l), 0);
	for (unsigned i = 0; i < 4096 && lost < 3; i++) {
		log_info(l, "event", log_u64("number", i));
		lost = (unsigned)log_dropped(l);
	}
	assert_int_equal(lost, 3);
	assert_true(read(fds[0], all, sizeof(all)) > 0);
	log_info(l, "again");
	ssize_t n = read(fds[0], all, sizeof(all) - 1);

	assert_true(n > 0);
	all[n] = '\0';
	assert_non_null(strstr(all, "<6>again dropped=3\n"));
	log_free(l);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void *log_many(void *arg)
{
	for (unsigned i = 0; i < 200; i++)
		log_info(arg, "thread", log_u64("i", i));
	return NULL;
}

static void lines_of_many_threads_do_not_mix(void **state)
{
	(void)state;
	FILE *f = tmpfile();
	struct log *l;
	pthread_t threads[4];
	char line[256];
	unsigned n = 0;

	assert_non_null(f);
	(void)fcntl(fileno(f), F_SETFL, O_APPEND);
	assert_int_equal(log_new(fileno(f), LOG_FORMAT_JOURNAL, LOG_LEVEL_INFO, NULL, &l), 0);
	for (size_t i = 0; i < N_ELEMENTS(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, l), 0);
	log_set_level(l, LOG_LEVEL_DEBUG);
	for (size_t i = 0; i < N_ELEMENTS(threads); i++)
		(void)pthread_join(threads[i], NULL);
	rewind(f);
	while (fgets(line, sizeof(line), f)) {
		assert_int_equal(strncmp(line, "<6>thread i=", 12), 0);
		n++;
	}
	assert_int_equal(n, 800);
	log_free(l);
	(void)fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_names_the_event_and_its_fields),
		cmocka_unit_test(json_is_one_object_with_the_same_fields),
		cmocka_unit_test(strings_from_outside_cannot_speak_to_a_terminal),
		cmocka_unit_test(long_values_are_cut_and_say_so),
		cmocka_unit_test(a_full_line_stays_whole_and_says_so),
		cmocka_unit_test(only_a_terminal_gets_colours),
		cmocka_unit_test(journald_is_recognised_by_the_stream_it_made),
		cmocka_unit_test(journald_gets_each_field_as_a_field),
		cmocka_unit_test(a_journald_that_sleeps_does_not_stop_us),
		cmocka_unit_test(journald_gets_no_more_than_there_is_room_for),
		cmocka_unit_test(only_the_format_journal_speaks_to_journald),
		cmocka_unit_test(events_above_the_level_are_not_written),
		cmocka_unit_test(a_reader_that_sleeps_loses_events_and_learns_how_many),
		cmocka_unit_test(lines_of_many_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
