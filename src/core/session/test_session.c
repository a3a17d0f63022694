/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/session/state.h"
#include "core/session/test_pair.h"

static void the_responder_speaks_first(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	assert_false(session_can_send(p.s[0], p.now_us));
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), -EAGAIN);
	assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR(""), false, &packet), 0);
	assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_OPENED);
	pair_assert_talks(&p);
	pair_done(&p);
}

static void a_forgery_opens_nothing_and_lets_nobody_send(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;
	struct session_counters counters;

	pair_new(&p, AEAD_CHACHA20_POLY1305, NULL);
	assert_int_equal(pair_seal(&p, 1, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), 0);
	packet.bytes[0] ^= 1;
	assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_FORGED);
	packet.len = AEAD_TAG_LEN - 1;
	assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_FORGED);
	assert_false(session_can_send(p.s[0], p.now_us));
	session_counters(p.s[0], &counters);
	assert_int_equal(counters.forged, 1);
	assert_int_equal(counters.opened, 0);
	pair_done(&p);
}

static void the_two_uses_and_directions_do_not_open_each_other(void **state)
{
	(void)state;
	struct pair p;
	struct packet packet;

	pair_new(&p, AEAD_AES_256_GCM, NULL);
	pair_greet(&p);
	assert_int_equal(pair_seal(&p, 0, SESSION_LINK, 0, SPAN_STR("x"), false, &packet), 0);
	packet.use = SESSION_E2E;
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_FORGED);
	packet.use = SESSION_LINK;
	packet.index = 100; /* reflected to its sender */
	assert_int_equal(pair_open(&p, 0, &packet, NULL, NULL), SESSION_FORGED);
	packet.index = 99;
	assert_int_equal(pair_open(&p, 1, &packet, NULL, NULL), SESSION_UNKNOWN);
	pair_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_responder_speaks_first),
		cmocka_unit_test(a_forgery_opens_nothing_and_lets_nobody_send),
		cmocka_unit_test(the_two_uses_and_directions_do_not_open_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
