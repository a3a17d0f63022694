/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a link: what each changes, and what is refused with which sentence. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "linkem/command.h"

static char why[COMMAND_WHY_SIZE];

static int parse(const char *text, struct command *ret)
{
	why[0] = '\0';
	return command_parse(text, strlen(text), ret, why);
}

static void settings_are_taken_with_their_units(void **state)
{
	(void)state;
	struct impair_config config = { .reorder_ppm = 5 };
	struct command c;

	assert_int_equal(parse("set ab delay=20ms jitter=0.5ms loss=1% bad=100ppm good=25% "
			       "bad_loss=90% duplicate=0.01% corrupt=0 reorder_by=1s "
			       "rate=1.5gbit queue=64k\r\n",
			       &c),
			 0);
	assert_int_equal(c.verb, COMMAND_SET);
	assert_int_equal(c.directions, COMMAND_A_TO_B);
	command_apply(&c, &config);
	assert_int_equal(config.delay_us, 20000);
	assert_int_equal(config.jitter_us, 500);
	assert_int_equal(config.loss_ppm, 10000);
	assert_int_equal(config.bad_ppm, 100);
	assert_int_equal(config.good_ppm, 250000);
	assert_int_equal(config.bad_loss_ppm, 900000);
	assert_int_equal(config.duplicate_ppm, 100);
	assert_int_equal(config.corrupt_ppm, 0);
	assert_int_equal(config.reorder_us, 1000000);
	assert_int_equal(config.rate_bps, 1500000000);
	assert_int_equal(config.queue_bytes, 65536);
	assert_int_equal(config.reorder_ppm, 5); /* not named */
}

static void a_bad_state_loses_all_unless_told_otherwise(void **state)
{
	(void)state;
	struct impair_config config = { 0 };
	struct command c;

	assert_int_equal(parse("set both bad=1% good=50%", &c), 0);
	assert_int_equal(c.directions, COMMAND_A_TO_B | COMMAND_B_TO_A);
	command_apply(&c, &config);
	assert_int_equal(config.bad_loss_ppm, IMPAIR_PPM);
}

static void cut_and_heal_leave_the_rest_and_clear_does_not(void **state)
{
	(void)state;
	struct impair_config config = { .delay_us = 7 };
	struct command c;

	assert_int_equal(parse("cut ba", &c), 0);
	assert_int_equal(c.directions, COMMAND_B_TO_A);
	command_apply(&c, &config);
	assert_true(config.is_cut);
	assert_int_equal(parse(" heal  both ", &c), 0);
	command_apply(&c, &config);
	assert_false(config.is_cut);
	assert_int_equal(config.delay_us, 7);
	assert_int_equal(parse("clear both", &c), 0);
	command_apply(&c, &config);
	assert_int_equal(config.delay_us, 0);
}

static void each_plain_word_is_its_verb(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum command_verb verb;
	} all[] = { { "down", COMMAND_DOWN },	{ "up", COMMAND_UP },
		    { "stats", COMMAND_STATS }, { "judge 50ms", COMMAND_JUDGE },
		    { "reset", COMMAND_RESET }, { "quit", COMMAND_QUIT } };
	struct command c;

	for (size_t i = 0; i < N_ELEMENTS(all); i++) {
		assert_int_equal(parse(all[i].text, &c), 0);
		assert_int_equal(c.verb, all[i].verb);
	}
	assert_int_equal(parse("judge 50ms", &c), 0);
	assert_int_equal(c.time_us, 50000);
}

static void what_is_no_command_is_refused_with_its_word(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "no such command: ''" },
		{ "sett both", "no such command: 'sett'" },
		{ "set", "no direction (ab, ba, both): ''" },
		{ "set up delay=1ms", "no direction (ab, ba, both): 'up'" },
		{ "set both", "nothing to set" },
		{ "set both delay", "no such setting: 'delay'" },
		{ "set both speed=5", "no such setting: 'speed=5'" },
		{ "set both delay=", "no such quantity: 'delay='" },
		{ "set both delay=5", "no such quantity: 'delay=5'" },
		{ "set both delay=-5ms", "no such quantity" },
		{ "set both delay=1.2.3ms", "no such quantity" },
		{ "set both delay=1.ms", "no such quantity" },
		{ "set both delay=.5ms", "no such quantity" },
		{ "set both delay=1.0000001ms", "no such quantity" },
		{ "set both delay=99999999999999999999ms", "no such quantity" },
		{ "set both delay=999999999999999s", "no such quantity" },
		{ "set both loss=5ms", "no such quantity" },
		{ "cut both now", "too many words: 'now'" },
		{ "judge", "no such time: ''" },
		{ "judge 0", "no such time: '0'" },
		{ "set both \"\\x=1", "no such setting: '??x=1'" },
	};
	struct command c = { .verb = COMMAND_QUIT };

	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		assert_int_equal(parse(bad[i].text, &c), -EINVAL);
		if (!strstr(why, bad[i].says))
			fail_msg("\"%s\": \"%s\" does not say \"%s\"", bad[i].text, why,
				 bad[i].says);
	}
	assert_int_equal(c.verb, COMMAND_QUIT); /* untouched */
}

static void a_line_is_bounded(void **state)
{
	(void)state;
	char line[COMMAND_LEN_MAX + 1];
	struct command c;

	memset(line, ' ', sizeof(line));
	memcpy(line, "stats", 5); /* NOLINT(bugprone-not-null-terminated-result): spaces follow */
	assert_int_equal(command_parse(line, COMMAND_LEN_MAX, &c, why), 0);
	assert_int_equal(command_parse(line, COMMAND_LEN_MAX + 1, &c, why), -EINVAL);
}

static void a_quantity_too_large_for_its_field_is_refused_by_the_model(void **state)
{
	(void)state;
	struct impair_config config = { 0 };
	struct impair *m;
	struct command c;

	assert_int_equal(parse("set both delay=5000s", &c), 0); /* over 32 bits of us */
	command_apply(&c, &config);
	assert_int_equal(impair_new(1, 0, &m), 0);
	assert_int_equal(impair_configure(m, &config), -EINVAL);
	impair_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_taken_with_their_units),
		cmocka_unit_test(a_bad_state_loses_all_unless_told_otherwise),
		cmocka_unit_test(cut_and_heal_leave_the_rest_and_clear_does_not),
		cmocka_unit_test(each_plain_word_is_its_verb),
		cmocka_unit_test(what_is_no_command_is_refused_with_its_word),
		cmocka_unit_test(a_line_is_bounded),
		cmocka_unit_test(a_quantity_too_large_for_its_field_is_refused_by_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
