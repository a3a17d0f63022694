/* SPDX-License-Identifier: Apache-2.0 */
/* Who follows events: where it begins, what it is told it missed, and when it is too slow. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/api_internal.h"

#define PLACES 16
#define FIRST 5000

struct fixture {
	struct config config;
	struct api_shared shared;
	struct api_thread thread;
	struct http_message message;
	struct http_refusal why;   /* what was opened last, where it was refused */
	struct peer_identity peer; /* of who has an identity */
};

/* The thread's, which these tests do not let run. */
static void on_tick(void *arg, uint64_t now_us)
{
	(void)arg;
	(void)now_us;
}

static int start(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->config.api_loopback_read = 1;
	f->shared.config = &f->config;
	f->shared.version = "1";
	f->thread.shared = &f->shared;
	f->thread.n_sockets = PLACES;
	f->thread.sockets = calloc(PLACES, sizeof(*f->thread.sockets));
	f->thread.metrics_listener = -1;
	assert_int_equal(journal_new(FIRST, &f->thread.journal), 0);
	assert_int_equal(loop_new(&f->thread.loop), 0);
	assert_int_equal(loop_timer_new(f->thread.loop, on_tick, NULL, &f->thread.timer), 0);
	*state = f;
	return 0;
}

static int stop(void **state)
{
	struct fixture *f = *state;

	loop_free(f->thread.loop);
	journal_free(f->thread.journal);
	free(f->thread.sockets);
	free(f);
	return 0;
}

static void happen(struct fixture *f, unsigned n)
{
	const struct api_event_record e = { .topic = TOPIC_LINKS, .name = "link_up", .peer = "b" };

	for (unsigned i = 0; i < n; i++)
		api_take_event(&f->thread, &e);
}

static unsigned open_as(struct fixture *f, uint64_t id, const char *argument, const char *identity)
{
	const struct http_request q = {
		.method = HTTP_GET,
		.is_loopback = identity[0] == '\0',
		.path = "/ws",
		.args = &argument,
		.n_args = argument ? 1 : 0,
		.authorization = "",
		.content_type = "",
		.identity = identity,
		.peer = identity[0] ? &f->peer : NULL,
	};

	return api_socket_open(&f->thread, id, &q, &f->why) ? 0 : f->why.status;
}

static unsigned open_with(struct fixture *f, uint64_t id, const char *argument)
{
	return open_as(f, id, argument, "");
}

/* The next message as JSON; NULL for none, or a close. */
static json_t *next(struct fixture *f, uint64_t id)
{
	f->message.len = 0;
	f->message.close = 0;
	api_socket_ready(&f->thread, id, &f->message);
	if (f->message.len == 0 || f->message.close)
		return NULL;
	return json_loadb(f->message.text, f->message.len, 0, NULL);
}

static json_int_t number(struct fixture *f, uint64_t id, const char *key)
{
	json_t *j = next(f, id);
	json_int_t n = j ? json_integer_value(json_object_get(j, key)) : -1;

	json_decref(j);
	return n;
}

static bool is_gap(struct fixture *f, uint64_t id)
{
	json_t *j = next(f, id);
	bool gap = json_is_true(json_object_get(j, "is_gap"));

	assert_string_equal(json_string_value(json_object_get(j, "type")), "hello");
	json_decref(j);
	return gap;
}

static void without_a_number_it_begins_with_what_happens_next(void **state)
{
	struct fixture *f = *state;

	happen(f, 3);
	assert_int_equal(open_with(f, 1, NULL), 0);
	assert_int_equal(number(f, 1, "begins"), FIRST + 3);
	assert_null(next(f, 1));
	happen(f, 1);
	assert_int_equal(number(f, 1, "seq"), FIRST + 3);
	assert_null(next(f, 1));
}

static void with_a_number_it_goes_on_there(void **state)
{
	struct fixture *f = *state;

	happen(f, 5);
	assert_int_equal(open_with(f, 2, "since=5002"), 0);
	assert_false(is_gap(f, 2));
	for (unsigned i = 2; i < 5; i++)
		assert_int_equal(number(f, 2, "seq"), FIRST + i);
	assert_null(next(f, 2));
}

static void what_is_gone_or_never_was_is_a_gap(void **state)
{
	struct fixture *f = *state;

	happen(f, JOURNAL_EVENTS_MAX + 10);
	assert_int_equal(open_with(f, 3, "since=5000"), 0);
	assert_true(is_gap(f, 3));
	assert_int_equal(number(f, 3, "seq"), FIRST + 10);
	assert_int_equal(open_with(f, 4, "since=999999"), 0);
	assert_true(is_gap(f, 4));
	assert_null(next(f, 4));
}

static void a_reader_that_is_too_slow_is_closed_and_told_where_to_resume(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_with(f, 5, NULL), 0);
	assert_false(is_gap(f, 5));
	happen(f, JOURNAL_EVENTS_MAX); /* as many as are kept: nothing is lost yet */
	assert_int_equal(number(f, 5, "seq"), FIRST);
	happen(f, 2);
	assert_null(next(f, 5));
	assert_int_equal(f->message.close, 1013);
	assert_non_null(strstr(f->message.text, "since=5002"));
	api_socket_closed(&f->thread, 5);
	assert_null(next(f, 5));
}

static void topics_can_be_changed_and_anything_else_is_refused(void **state)
{
	struct fixture *f = *state;
	const char *why = "";

	assert_int_equal(open_with(f, 6, "topics=peers"), 0);
	assert_false(is_gap(f, 6));
	happen(f, 1); /* of links */
	assert_null(next(f, 6));
	assert_true(api_socket_message(&f->thread, 6, SPAN_STR("{\"topics\":[\"links\"]}"), &why));
	happen(f, 1);
	assert_int_equal(number(f, 6, "seq"), FIRST + 1);
	assert_false(api_socket_message(&f->thread, 6, SPAN_STR("{\"topics\":[]}"), &why));
	assert_false(api_socket_message(&f->thread, 6, SPAN_STR("{\"topics\":[5]}"), &why));
	assert_false(api_socket_message(&f->thread, 6, SPAN_STR("{\"topics\":\"links\"}"), &why));
	assert_false(api_socket_message(&f->thread, 6,
					SPAN_STR("{\"topics\":[\"links\"],\"more\":1}"), &why));
	assert_false(api_socket_message(&f->thread, 6, SPAN_STR("["), &why));
}

static void who_may_not_read_may_not_follow(void **state)
{
	struct fixture *f = *state;

	f->config.api_loopback_read = 0;
	assert_int_equal(open_with(f, 7, NULL), 401);
	assert_string_equal(f->why.code, "needs_token");
	assert_string_equal(f->why.field, "Authorization");
	f->config.api_loopback_read = 1;
	assert_int_equal(open_with(f, 7, "since=-1"), 422);
	assert_int_equal(open_with(f, 7, "topics=nonsense"), 422);
	assert_string_equal(f->why.code, "unknown_topic");
	assert_string_equal(f->why.field, "topics");
	assert_int_equal(open_with(f, 7, "nonsense=1"), 400);
	assert_null(next(f, 7));
}

static void who_asks_for_another_topic_is_told_which_there_are(void **state)
{
	struct fixture *f = *state;
	struct api_problem p = { 0 };
	json_t *args = json_pack("{s:s}", "topics", "nonsense");

	assert_null(api_events_json(&f->thread, args, &p));
	json_decref(args);
	assert_int_equal(p.status, 422);
	assert_string_equal(p.field, "topics");
	for (unsigned t = 0; t < N_TOPICS; t++)
		assert_non_null(strstr(p.detail, journal_topic_name(t)));
}

/* One of "d", whose certificate counts. */
static void trust_in(struct fixture *f, struct api_published *p)
{
	(void)snprintf(p->trust.domain, sizeof(p->trust.domain), "d");
	memset(p->trust.bundle, 7, sizeof(p->trust.bundle));
	(void)snprintf(f->peer.spiffe_id, sizeof(f->peer.spiffe_id), "spiffe://d/node/m");
	memset(f->peer.bundle, 7, sizeof(f->peer.bundle));
	f->peer.node_id = 12;
	f->peer.not_after_s = INT64_MAX;
}

static void whom_a_new_policy_does_not_allow_gets_no_further_event(void **state)
{
	static const struct policy_rule rule = { POLICY_ALLOW,	      false,	POLICY_API,
						 "spiffe://d/node/m", "socket", 1 };
	struct fixture *f = *state;
	struct api_published allows = { 0 }, denies = { 0 };

	assert_int_equal(policy_new(&rule, 1, &allows.policy), 0);
	assert_int_equal(policy_new(NULL, 0, &denies.policy), 0);
	trust_in(f, &allows);
	trust_in(f, &denies);
	f->thread.now = &denies;
	assert_int_equal(open_as(f, 8, NULL, rule.from), 403);
	f->thread.now = &allows;
	assert_int_equal(open_as(f, 8, NULL, rule.from), 0);
	assert_int_equal(open_with(f, 9, NULL), 0);
	assert_false(is_gap(f, 8));
	assert_false(is_gap(f, 9));
	happen(f, 2);
	assert_int_equal(number(f, 8, "seq"), FIRST);
	f->thread.now = &denies;
	assert_null(next(f, 8));
	assert_int_equal(f->message.close, 1008);
	assert_int_equal(number(f, 9, "seq"), FIRST); /* this machine's viewer */
	policy_free(allows.policy);
	policy_free(denies.policy);
}

static void whose_certificate_counts_no_more_is_closed_and_not_admitted(void **state)
{
	static const struct policy_rule rule = { POLICY_ALLOW,	      false,	POLICY_API,
						 "spiffe://d/node/m", "socket", 1 };
	struct fixture *f = *state;
	struct api_published before = { 0 }, revoked = { 0 }, none = { 0 };
	struct revoked entry = { .node_id = 12 };

	assert_int_equal(policy_new(&rule, 1, &before.policy), 0);
	revoked.policy = none.policy = before.policy;
	trust_in(f, &before);
	trust_in(f, &revoked);
	assert_int_equal(revocation_add(&revoked.trust.revoked, &entry), 0);
	f->thread.now = &before;
	assert_int_equal(open_as(f, 8, NULL, rule.from), 0);
	assert_false(is_gap(f, 8));
	f->thread.now = &revoked;
	assert_null(next(f, 8));
	assert_int_equal(f->message.close, 1008);
	assert_non_null(strstr(f->message.text, "revoked"));
	assert_int_equal(open_as(f, 9, NULL, rule.from), 401);
	f->thread.now = &none; /* no TLS could be made: nobody can be judged */
	assert_int_equal(open_as(f, 9, NULL, rule.from), 401);
	f->thread.now = &before;
	f->peer.not_after_s = 1; /* past */
	assert_null(next(f, 8));
	assert_non_null(strstr(f->message.text, "expired"));
	assert_int_equal(open_as(f, 9, NULL, rule.from), 401);
	revocation_done(&revoked.trust.revoked);
	policy_free(before.policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_a_number_it_begins_with_what_happens_next,
						start, stop),
		cmocka_unit_test_setup_teardown(with_a_number_it_goes_on_there, start, stop),
		cmocka_unit_test_setup_teardown(what_is_gone_or_never_was_is_a_gap, start, stop),
		cmocka_unit_test_setup_teardown(
			a_reader_that_is_too_slow_is_closed_and_told_where_to_resume, start, stop),
		cmocka_unit_test_setup_teardown(topics_can_be_changed_and_anything_else_is_refused,
						start, stop),
		cmocka_unit_test_setup_teardown(who_may_not_read_may_not_follow, start, stop),
		cmocka_unit_test_setup_teardown(who_asks_for_another_topic_is_told_which_there_are,
						start, stop),
		cmocka_unit_test_setup_teardown(
			whom_a_new_policy_does_not_allow_gets_no_further_event, start, stop),
		cmocka_unit_test_setup_teardown(
			whose_certificate_counts_no_more_is_closed_and_not_admitted, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
