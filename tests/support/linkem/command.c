/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: words, quantities with their units, and what they change. */
#include "linkem/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define QUANTITY_MAX UINT64_C(1000000000000000)
#define DECIMALS_MAX 6

struct word {
	const char *at;
	size_t len;
};

struct unit {
	const char *name;
	uint64_t millionths; /* of the base unit, times a million */
};

static const struct unit times[] = {
	{ "us", 1000000 }, { "ms", 1000000000 }, { "s", 1000000000000 }, { NULL, 0 }
};
static const struct unit shares[] = { { "%", 10000000000 }, { "ppm", 1000000 }, { NULL, 0 } };
static const struct unit rates[] = { { "bit", 1000000 },
				     { "kbit", 1000000000 },
				     { "mbit", 1000000000000 },
				     { "gbit", 1000000000000000 },
				     { NULL, 0 } };
static const struct unit sizes[] = { { "", 1000000 },
				     { "k", UINT64_C(1024) * 1000000 },
				     { "m", UINT64_C(1048576) * 1000000 },
				     { NULL, 0 } };

static const struct {
	const char *name;
	const struct unit *units;
} keys[N_COMMAND_KEYS] = {
	[KEY_DELAY] = { "delay", times },
	[KEY_JITTER] = { "jitter", times },
	[KEY_LOSS] = { "loss", shares },
	[KEY_BAD] = { "bad", shares },
	[KEY_GOOD] = { "good", shares },
	[KEY_BAD_LOSS] = { "bad_loss", shares },
	[KEY_DUPLICATE] = { "duplicate", shares },
	[KEY_CORRUPT] = { "corrupt", shares },
	[KEY_REORDER] = { "reorder", shares },
	[KEY_REORDER_BY] = { "reorder_by", times },
	[KEY_RATE] = { "rate", rates },
	[KEY_QUEUE] = { "queue", sizes },
};

static const struct {
	const char *name;
	enum command_verb verb;
	bool has_direction;
} verbs[] = {
	{ "set", COMMAND_SET, true },	   { "clear", COMMAND_CLEAR, true },
	{ "cut", COMMAND_CUT, true },	   { "heal", COMMAND_HEAL, true },
	{ "down", COMMAND_DOWN, false },   { "up", COMMAND_UP, false },
	{ "stats", COMMAND_STATS, false }, { "judge", COMMAND_JUDGE, false },
	{ "reset", COMMAND_RESET, false }, { "quit", COMMAND_QUIT, false },
};

static int refuse(const char *what, struct word word, char why[COMMAND_WHY_SIZE])
{
	char plain[33];
	size_t n = 0;

	for (; n < word.len && n < sizeof(plain) - 1; n++)
		plain[n] = word.at[n] > ' ' && word.at[n] < 127 && word.at[n] != '"' &&
					   word.at[n] != '\\'
				   ? word.at[n]
				   : '?';
	plain[n] = '\0';
	(void)snprintf(why, COMMAND_WHY_SIZE, "%s: '%s'", what, plain);
	return -EINVAL;
}

static bool is_word(struct word w, const char *text)
{
	return w.len == strlen(text) && memcmp(w.at, text, w.len) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes the next word off the line; empty at its end. */
static struct word next_word(struct word *line)
{
	struct word w;

	while (line->len > 0 && is_blank(*line->at)) {
		line->at++;
		line->len--;
	}
	w = (struct word){ line->at, 0 };
	while (line->len > 0 && !is_blank(*line->at)) {
		line->at++;
		line->len--;
		w.len++;
	}
	return w;
}

/* "12.5", in millionths; the rest of the word is left in *w. */
static bool take_number(struct word *w, uint64_t *ret)
{
	uint64_t n = 0;
	unsigned decimals = 0;
	bool is_fraction = false;
	size_t at = 0;

	for (; at < w->len; at++) {
		char c = w->at[at];

		if (c == '.' && !is_fraction && at > 0) {
			is_fraction = true;
			continue;
		}
		if (c < '0' || c > '9')
			break;
		if (is_fraction && ++decimals > DECIMALS_MAX)
			return false;
		if (n > QUANTITY_MAX)
			return false;
		n = n * 10 + (uint64_t)(c - '0');
	}
	if (at == 0 || (is_fraction && decimals == 0))
		return false;
	for (; decimals < DECIMALS_MAX; decimals++) {
		if (n > QUANTITY_MAX)
			return false;
		n *= 10;
	}
	w->at += at;
	w->len -= at;
	*ret = n;
	return true;
}

static bool parse_quantity(struct word w, const struct unit *units, uint64_t *ret)
{
	uint64_t n;

	if (!take_number(&w, &n))
		return false;
	if (n == 0 && w.len == 0) { /* nothing needs no unit */
		*ret = 0;
		return true;
	}
	for (; units->name; units++) {
		unsigned __int128 v = (unsigned __int128)n * units->millionths / 1000000 / 1000000;

		if (!is_word(w, units->name))
			continue;
		*ret = (uint64_t)v;
		return v <= QUANTITY_MAX;
	}
	return false;
}

static int parse_setting(struct word w, struct command *c, char why[COMMAND_WHY_SIZE])
{
	const char *equals = memchr(w.at, '=', w.len);
	struct word key = { w.at, equals ? (size_t)(equals - w.at) : w.len };

	for (unsigned i = 0; equals && i < N_COMMAND_KEYS; i++) {
		struct word value = { equals + 1, w.len - key.len - 1 };

		if (!is_word(key, keys[i].name))
			continue;
		if (!parse_quantity(value, keys[i].units, &c->values[i]))
			return refuse("no such quantity", w, why);
		c->named |= 1U << i;
		return 0;
	}
	return refuse("no such setting", w, why);
}

static bool parse_direction(struct word w, unsigned *ret)
{
	if (is_word(w, "both"))
		*ret = COMMAND_A_TO_B | COMMAND_B_TO_A;
	else if (is_word(w, "ab"))
		*ret = COMMAND_A_TO_B;
	else if (is_word(w, "ba"))
		*ret = COMMAND_B_TO_A;
	else
		return false;
	return true;
}

static int parse_rest(struct word line, struct command *c, char why[COMMAND_WHY_SIZE])
{
	struct word w = next_word(&line);
	int r = 0;

	if (c->verb == COMMAND_JUDGE) {
		if (!parse_quantity(w, times, &c->time_us) || c->time_us == 0)
			return refuse("no such time", w, why);
		w = next_word(&line);
	}
	if (c->verb == COMMAND_SET && w.len == 0)
		return refuse("nothing to set", w, why);
	for (; r == 0 && w.len > 0; w = next_word(&line))
		r = c->verb == COMMAND_SET ? parse_setting(w, c, why)
					   : refuse("too many words", w, why);
	return r;
}

int command_parse(const char *line, size_t len, struct command *ret, char why[COMMAND_WHY_SIZE])
{
	struct word rest = { line, len };
	struct word verb = next_word(&rest);

	if (len > COMMAND_LEN_MAX)
		return refuse("too long a line", verb, why);
	for (size_t i = 0; i < N_ELEMENTS(verbs); i++) {
		struct command c = { .verb = verbs[i].verb };
		struct word direction;
		int r;

		if (!is_word(verb, verbs[i].name))
			continue;
		if (verbs[i].has_direction) {
			direction = next_word(&rest);
			if (!parse_direction(direction, &c.directions))
				return refuse("no direction (ab, ba, both)", direction, why);
		}
		r = parse_rest(rest, &c, why);
		if (r == 0)
			*ret = c;
		return r;
	}
	return refuse("no such command", verb, why);
}

static uint32_t least(uint64_t v)
{
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void apply_settings(const struct command *c, struct impair_config *config)
{
	uint32_t *const small[N_COMMAND_KEYS] = {
		[KEY_DELAY] = &config->delay_us,	  [KEY_JITTER] = &config->jitter_us,
		[KEY_LOSS] = &config->loss_ppm,		  [KEY_BAD] = &config->bad_ppm,
		[KEY_GOOD] = &config->good_ppm,		  [KEY_BAD_LOSS] = &config->bad_loss_ppm,
		[KEY_DUPLICATE] = &config->duplicate_ppm, [KEY_CORRUPT] = &config->corrupt_ppm,
		[KEY_REORDER] = &config->reorder_ppm,	  [KEY_REORDER_BY] = &config->reorder_us,
		[KEY_QUEUE] = &config->queue_bytes,
	};

	for (unsigned i = 0; i < N_COMMAND_KEYS; i++)
		if (c->named & 1U << i && small[i])
			*small[i] = least(c->values[i]);
	if (c->named & 1U << KEY_RATE)
		config->rate_bps = c->values[KEY_RATE];
	/* a bad state that loses nothing is none */
	if (c->named & 1U << KEY_BAD && !(c->named & 1U << KEY_BAD_LOSS) && !config->bad_loss_ppm)
		config->bad_loss_ppm = IMPAIR_PPM;
}

void command_apply(const struct command *c, struct impair_config *config)
{
	if (c->verb == COMMAND_SET)
		apply_settings(c, config);
	if (c->verb == COMMAND_CLEAR)
		*config = (struct impair_config){ 0 };
	if (c->verb == COMMAND_CUT || c->verb == COMMAND_HEAL)
		config->is_cut = c->verb == COMMAND_CUT;
}
