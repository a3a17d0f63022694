/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/identity/fake_ops.h"

#define CA "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define KEY "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA"
#define TOKEN "AQEBAQEBAQECAgICAgICAgICAgICAgIC"
#define GOOD "x0://join/example.mesh?e=192.0.2.1:26969&ca=" CA "&k=" KEY "&t=" TOKEN

static struct invite some_invite(void)
{
	struct invite i = {
		.domain = "example.mesh",
		.n_endpoints = 1,
		.endpoints = { "192.0.2.1:26969" },
	};

	for (uint8_t n = 0; n < 32; n++) {
		i.ca[n] = n;
		i.network_key[n] = (uint8_t)(31 - n);
	}
	memset(i.token.id, 1, sizeof(i.token.id));
	memset(i.token.secret, 2, sizeof(i.token.secret));
	return i;
}

static void an_invitation_is_read_back(void **state)
{
	(void)state;
	struct invite i = some_invite();
	struct invite back;
	const char *reason;
	char text[INVITE_TEXT_MAX];

	assert_int_equal(invite_format(&i, text, sizeof(text)), 0);
	assert_string_equal(text, GOOD);
	memset(&back, 0xee, sizeof(back));
	assert_int_equal(invite_parse(text, &back, &reason), 0);
	assert_memory_equal(&back, &i, sizeof(i));
}

static void the_longest_invitation_fits_and_one_endpoint_more_is_refused(void **state)
{
	(void)state;
	struct invite i = some_invite();
	struct invite back;
	const char *reason;
	char text[INVITE_TEXT_MAX];

	memset(i.domain, 'd', DOMAIN_MAX);
	i.n_endpoints = INVITE_ENDPOINTS_MAX;
	for (size_t n = 0; n < INVITE_ENDPOINTS_MAX; n++) /* 63 + 1 + 9 + 6 = 79 characters */
		(void)snprintf(i.endpoints[n], sizeof(i.endpoints[n]), "%063d.x%08d:65535", 0, 0);
	assert_int_equal(invite_format(&i, text, sizeof(text)), 0);
	assert_int_equal(invite_parse(text, &back, &reason), 0);
	assert_memory_equal(&back, &i, sizeof(i));
	for (size_t size = 0; size <= strlen(text); size += 7)
		assert_int_equal(invite_format(&i, text, size), -ENOBUFS);
	(void)strcpy(text, "x0://join/d?e=h:1,h:1,h:1,h:1,h:1,h:1,h:1,h:1,h:1,h:1,h:1,h:1,h:1,h:1,"
			   "h:1,h:1,h:1&ca=" CA "&k=" KEY "&t=" TOKEN);
	assert_int_equal(invite_parse(text, &back, &reason), -EINVAL);
	assert_non_null(strstr(reason, "more than 16 endpoints"));
	i.n_endpoints++;
	assert_int_equal(invite_format(&i, text, sizeof(text)), -EINVAL);
}

static void the_parts_may_come_in_any_order(void **state)
{
	(void)state;
	struct invite i = some_invite();
	struct invite back;
	const char *reason;

	assert_int_equal(invite_parse("x0://join/example.mesh?t=" TOKEN "&k=" KEY "&ca=" CA
				      "&e=192.0.2.1:26969",
				      &back, &reason),
			 0);
	assert_memory_equal(&back, &i, sizeof(i));
}

static void each_way_to_be_wrong_has_its_sentence(void **state)
{
	(void)state;
	static const struct {
		const char *text, *part_of_reason;
	} cases[] = {
		{ "", "begins with x0://join/" },
		{ "https://join/example.mesh", "begins with x0://join/" },
		{ " " GOOD, "begins with x0://join/" },
		{ "x0://join/example.mesh", "cut off" },
		{ "x0://join/?e=h:1&ca=" CA "&k=" KEY "&t=" TOKEN, "trust domain" },
		{ "x0://join/Example?e=h:1&ca=" CA "&k=" KEY "&t=" TOKEN, "trust domain" },
		{ "x0://join/a/b?e=h:1&ca=" CA "&k=" KEY "&t=" TOKEN, "trust domain" },
		{ "x0://join/d?", "no '='" },
		{ "x0://join/d?e", "no '='" },
		{ GOOD "&", "no '='" },
		{ GOOD "&x=1", "does not know" },
		{ GOOD "&E=h:1", "does not know" },
		{ GOOD "&=1", "does not know" },
		{ GOOD "&e=h:1", "\"e\" twice" },
		{ GOOD "&ca=" CA, "\"ca\" twice" },
		{ GOOD "&k=" KEY, "\"k\" twice" },
		{ GOOD "&t=" TOKEN, "\"t\" twice" },
		{ GOOD "=", "\"t\"" },
		{ GOOD " ", "\"t\"" },
		{ "x0://join/d?ca=" CA "&k=" KEY "&t=" TOKEN, "names no endpoint" },
		{ "x0://join/d?e=h:1&k=" KEY "&t=" TOKEN, "lacks the root's hash" },
		{ "x0://join/d?e=h:1&ca=" CA "&t=" TOKEN, "lacks the network key" },
		{ "x0://join/d?e=h:1&ca=" CA "&k=" KEY, "lacks the token" },
		{ "x0://join/d?e=&ca=" CA "&k=" KEY "&t=" TOKEN, "is not host:port" },
		{ "x0://join/d?e=h:1,&ca=" CA "&k=" KEY "&t=" TOKEN, "is not host:port" },
		{ "x0://join/d?e=h:1&ca=" CA "A&k=" KEY "&t=" TOKEN, "\"ca\") is not 32" },
		{ "x0://join/d?e=h:1&ca=&k=" KEY "&t=" TOKEN, "\"ca\") is not 32" },
		{ "x0://join/d?e=h:1&ca=" CA "&k=AAAA&t=" TOKEN, "\"k\") is not 32" },
		{ "x0://join/d?e=h:1&ca=" CA "&k=" KEY "&t=AAAA", "\"t\") is not 24" },
		{ "x0://join/d?e=h:1&ca=" CA "&k=" KEY "&t=" TOKEN "AAAA", "\"t\") is not 24" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct invite back = { .n_endpoints = 99 };
		const char *reason = "";

		assert_int_equal(invite_parse(cases[i].text, &back, &reason), -EINVAL);
		if (!strstr(reason, cases[i].part_of_reason))
			fail_msg("%s: %s", cases[i].text, reason);
		assert_int_equal(back.n_endpoints, 99); /* untouched */
	}
}

static void every_truncation_of_an_invitation_is_refused(void **state)
{
	(void)state;
	char text[sizeof(GOOD)];
	struct invite back;
	const char *reason;

	for (size_t len = 0; len < sizeof(GOOD) - 1; len++) {
		memcpy(text, GOOD, len);
		text[len] = '\0';
		assert_int_equal(invite_parse(text, &back, &reason), -EINVAL);
	}
}

static void a_text_longer_than_any_invitation_is_refused(void **state)
{
	(void)state;
	char text[INVITE_TEXT_MAX + 1] = "x0://join/";
	struct invite back;
	const char *reason;

	memset(text + 10, 'a', sizeof(text) - 11);
	assert_int_equal(invite_parse(text, &back, &reason), -EINVAL);
	assert_non_null(strstr(reason, "longer"));
}

static void endpoints_are_names_or_addresses_with_a_port(void **state)
{
	(void)state;
	static const char *const good[] = {
		"h:1",
		"relay.example.org:65535",
		"Relay-1.example:26969",
		"192.0.2.1:26969",
		"[2001:db8::1]:26969",
		"1.pool.example:80",
	};
	static const char *const bad[] = {
		"",
		"h",
		"h:",
		"h:0",
		"h:65536",
		"h:080",
		"h:1x",
		":1",
		"h h:1",
		".h:1",
		"h.:1",
		"h..i:1",
		"-h:1",
		"h-:1",
		"h_i:1",
		"1.2.3:1",
		"1.2.3.256:1",
		"1.2.3.4.5:1",
		"2001:db8::1",
		"2001:db8::1:26969",
		"[2001:db8::1]",
		"[2001:db8::1]26969",
		"[fe80::1%2]:1",
		"[h]:1",
		"[1.2.3.4]:1",
		"[::1:1",
		"h:1:2",
		"a23456789.b23456789.c23456789.d23456789.e23456789.f23456789.g23456789.hijkl:65535",
		"a234567890123456789012345678901234567890123456789012345678901234:1",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!invite_endpoint_is_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (invite_endpoint_is_valid(bad[i]))
			fail_msg("accepted: %s", bad[i]);
}

static void an_invitation_that_could_not_be_read_is_not_written(void **state)
{
	(void)state;
	char text[INVITE_TEXT_MAX];
	struct invite i = some_invite();

	i.n_endpoints = 0;
	assert_int_equal(invite_format(&i, text, sizeof(text)), -EINVAL);
	i = some_invite();
	(void)strcpy(i.endpoints[0], "h:1&e=2");
	assert_int_equal(invite_format(&i, text, sizeof(text)), -EINVAL);
	i = some_invite();
	(void)strcpy(i.domain, "a?b");
	assert_int_equal(invite_format(&i, text, sizeof(text)), -EINVAL);
}

static const uint8_t request_a[SHA256_LEN] = { 'a' };
static const uint8_t request_b[SHA256_LEN] = { 'b' };
static const uint8_t request_c[SHA256_LEN] = { 'c' };

static void a_token_is_good_for_its_uses_and_a_repeat_costs_none(void **state)
{
	(void)state;
	struct token_entry e = { .n_uses_left = 2, .expires_s = 1000 };

	assert_int_equal(token_judge(&e, request_a, 999), TOKEN_OK);
	assert_int_equal(token_judge(&e, request_a, 999), TOKEN_OK); /* judging counts nothing */
	token_count(&e, request_a);
	assert_int_equal(token_judge(&e, request_a, 999), TOKEN_REPEATED);
	assert_int_equal(token_judge(&e, request_b, 999), TOKEN_OK);
	token_count(&e, request_b);
	assert_int_equal(token_judge(&e, request_c, 999), TOKEN_USED_UP);
	assert_int_equal(token_judge(&e, request_a, 999), TOKEN_REPEATED);
	assert_int_equal(token_judge(&e, request_b, 5000), TOKEN_REPEATED); /* a lost answer */
}

static void a_token_expires_at_its_second(void **state)
{
	(void)state;
	struct token_entry e = { .n_uses_left = 2, .expires_s = 1000 };

	assert_int_equal(token_judge(&e, request_a, 999), TOKEN_OK);
	assert_int_equal(token_judge(&e, request_a, 1000), TOKEN_EXPIRED);
	assert_int_equal(token_judge(NULL, request_a, 0), TOKEN_UNKNOWN);
}

static void a_token_that_remembers_all_it_can_is_used_up(void **state)
{
	(void)state;
	struct token_entry e = { .n_uses_left = 100, .expires_s = 1000 };
	uint8_t request[SHA256_LEN] = { 0 };

	for (; request[0] < TOKEN_USES_MAX; request[0]++) {
		assert_int_equal(token_judge(&e, request, 0), TOKEN_OK);
		token_count(&e, request);
	}
	assert_int_equal(token_judge(&e, request, 0), TOKEN_USED_UP);
}

static void the_join_key_is_the_designs_derivation_of_the_secret(void **state)
{
	(void)state;
	static const uint8_t secret[TOKEN_SECRET_LEN] = { 1, 2, 3 };
	static const uint8_t one = 1;
	const struct span ikm = SPAN_OF(secret);
	const struct span expand[] = { SPAN_STR("mac"), SPAN(&one, 1) };
	uint8_t prk[SHA256_LEN];
	uint8_t expected[SHA256_LEN];
	uint8_t key[SHA256_LEN];

	fake_hmac_sha256(SPAN_STR("x0 join 1"), &ikm, 1, prk);
	fake_hmac_sha256(SPAN_OF(prk), expand, 2, expected);
	token_join_key(&fake_ops, secret, key);
	assert_memory_equal(key, expected, SHA256_LEN);
}

static void every_verdict_has_a_text_of_its_own(void **state)
{
	(void)state;
	for (int a = TOKEN_OK; a <= TOKEN_USED_UP; a++)
		for (int b = TOKEN_OK; b < a; b++)
			assert_string_not_equal(token_verdict_text((enum token_verdict)a),
						token_verdict_text((enum token_verdict)b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invitation_is_read_back),
		cmocka_unit_test(the_longest_invitation_fits_and_one_endpoint_more_is_refused),
		cmocka_unit_test(the_parts_may_come_in_any_order),
		cmocka_unit_test(each_way_to_be_wrong_has_its_sentence),
		cmocka_unit_test(every_truncation_of_an_invitation_is_refused),
		cmocka_unit_test(a_text_longer_than_any_invitation_is_refused),
		cmocka_unit_test(endpoints_are_names_or_addresses_with_a_port),
		cmocka_unit_test(an_invitation_that_could_not_be_read_is_not_written),
		cmocka_unit_test(a_token_is_good_for_its_uses_and_a_repeat_costs_none),
		cmocka_unit_test(a_token_expires_at_its_second),
		cmocka_unit_test(a_token_that_remembers_all_it_can_is_used_up),
		cmocka_unit_test(the_join_key_is_the_designs_derivation_of_the_secret),
		cmocka_unit_test(every_verdict_has_a_text_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
