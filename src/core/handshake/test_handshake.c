/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/units.h"
#include "core/handshake/test_world.h"
#include "core/wire/wire.h"

static void two_hosts_agree_on_a_secret(void **state)
{
	(void)state;
	struct world w;
	struct host *a, *b;

	world_init(&w, 1);
	a = world_add(&w);
	b = world_add(&w);
	assert_int_equal(world_start(&w, a, b), 0);
	world_run(&w, SECONDS(20));

	assert_int_equal(a->n_done, 1);
	assert_int_equal(b->n_done, 1);
	assert_true(world_agree(a, b));
	assert_int_equal(a->n_failed, 0);
	assert_int_equal(a->done[0].id, 101);
	assert_int_equal(b->done[0].id, 0);
	assert_int_equal(a->done[0].aead, AEAD_AES_256_GCM);
	assert_string_equal(a->done[0].peer.name, "n1");
	assert_string_equal(b->done[0].peer.name, "n0");
	assert_true(b->done[0].peer_boot_epoch == 1);
	assert_int_equal(a->done_us[0], 4 * w.delay_us); /* two round trips */
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_hosts_agree_on_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
