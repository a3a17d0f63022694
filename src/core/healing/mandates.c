/* SPDX-License-Identifier: Apache-2.0 */
/* The file of mandates, read strictly. */
#include "core/healing/mandates.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HOURS 24
#define WORDS_MAX 6 /* allow REMEDY rate N hours A-B */

static const struct {
	const char *name, *effect;
} remedies[] = {
	[REMEDY_AVOID] = { "avoid", "packets go around the neighbour where there is another way; "
				    "taken back after the hold" },
	[REMEDY_REHANDSHAKE] = { "rehandshake",
				 "a new handshake with the neighbour, at the address "
				 "where it was; nothing to take back" },
	[REMEDY_FREE_SPACE] = { "free_space",
				"the oldest closed incidents are forgotten and their room is given "
				"back to the disk; nothing to take back" },
};

const char *remedy_name(enum mandate_remedy r)
{
	return r < MANDATE_N_REMEDIES ? remedies[r].name : "none";
}

const char *remedy_effect(enum mandate_remedy r)
{
	return r < MANDATE_N_REMEDIES ? remedies[r].effect : "nothing is done; a person is told";
}

void mandates_default(struct mandates *ret)
{
	*ret = (struct mandates){ .is_default = true };
	for (unsigned i = 0; i < MANDATE_N_REMEDIES; i++)
		ret->of[i] = (struct mandate){ true, MANDATE_RATE_DEFAULT, 0, HOURS };
}

/* ---- one line ---- */

struct words {
	struct span of[WORDS_MAX];
	size_t n;
};

static bool is_word(struct span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* False: more words than any line has. */
static bool split(struct span line, struct words *ret)
{
	size_t i = 0;

	ret->n = 0;
	for (;;) {
		size_t begin;

		while (i < line.len && is_blank(line.at[i]))
			i++;
		if (i == line.len || line.at[i] == '#')
			return true;
		begin = i;
		while (i < line.len && !is_blank(line.at[i]) && line.at[i] != '#')
			i++;
		if (ret->n == WORDS_MAX)
			return false;
		ret->of[ret->n++] = SPAN(line.at + begin, i - begin);
	}
}

static bool number(struct span s, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (s.len == 0 || s.len > 3)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		v = 10 * v + (s.at[i] - '0');
	}
	*ret = v;
	return v <= max;
}

static bool hours(struct span s, struct mandate *m)
{
	const uint8_t *dash = s.len ? memchr(s.at, '-', s.len) : NULL;
	size_t at = dash ? (size_t)(dash - s.at) : 0;

	return dash && number(SPAN(s.at, at), HOURS - 1, &m->from_hour) &&
	       number(SPAN(dash + 1, s.len - at - 1), HOURS, &m->to_hour) &&
	       m->from_hour != m->to_hour;
}

static const char *read_line(const struct words *w, struct mandates *m)
{
	struct mandate new = { true, 0, 0, 0 };
	unsigned r = 0;

	if (!is_word(w->of[0], "allow"))
		return "a mandate begins with allow";
	while (r < MANDATE_N_REMEDIES && (w->n < 2 || !is_word(w->of[1], remedies[r].name)))
		r++;
	if (r == MANDATE_N_REMEDIES)
		return "no such remedy";
	if (m->of[r].is_allowed)
		return "this remedy is allowed already";
	for (size_t i = 2; i < w->n; i += 2) {
		struct span value = i + 1 < w->n ? w->of[i + 1] : SPAN("", 0);

		if (is_word(w->of[i], "rate") && !new.rate_per_hour) {
			if (!number(value, MANDATE_RATE_MAX, &new.rate_per_hour) ||
			    new.rate_per_hour == 0)
				return "a rate is 1 to 60 an hour";
		} else if (is_word(w->of[i], "hours") && !new.to_hour && !new.from_hour) {
			if (!hours(value, &new))
				return "hours are such as 8-18 or 22-6, and not none";
		} else {
			return "after the remedy: rate N, hours FROM-TO, each once";
		}
	}
	if (!new.rate_per_hour)
		new.rate_per_hour = MANDATE_RATE_DEFAULT;
	if (!new.from_hour && !new.to_hour)
		new.to_hour = HOURS;
	m->of[r] = new;
	return NULL;
}

/* ---- the file ---- */

static int refuse(char why[MANDATES_WHY_SIZE], unsigned line, const char *text)
{
	(void)snprintf(why, MANDATES_WHY_SIZE, "line %u: %s", line, text);
	return -EBADMSG;
}

int mandates_parse(struct span text, struct mandates *ret, char why[MANDATES_WHY_SIZE])
{
	struct mandates m = { 0 };
	unsigned line = 0;

	if (text.len > MANDATES_FILE_MAX)
		return refuse(why, 1, "the file is longer than 4096 bytes");
	for (size_t at = 0; at < text.len;) {
		const uint8_t *end = memchr(text.at + at, '\n', text.len - at);
		size_t len = end ? (size_t)(end - text.at) - at : text.len - at;
		const char *fault = NULL;
		struct words w;

		if (++line > MANDATES_LINES_MAX)
			return refuse(why, line, "too many lines");
		for (size_t i = 0; i < len; i++)
			if (text.at[at + i] < ' ' && text.at[at + i] != '\t')
				return refuse(why, line, "a control character");
		if (!split(SPAN(text.at + at, len), &w))
			return refuse(why, line, "too many words");
		if (w.n > 0)
			fault = read_line(&w, &m);
		if (fault)
			return refuse(why, line, fault);
		at += len + 1;
	}
	*ret = m;
	return 0;
}

/* ---- asked ---- */

static bool is_hour(const struct mandate *m, int64_t unix_s)
{
	unsigned hour = (unsigned)(((unix_s / 3600) % HOURS + HOURS) % HOURS);

	if (m->from_hour < m->to_hour)
		return hour >= m->from_hour && hour < m->to_hour;
	return hour >= m->from_hour || hour < m->to_hour;
}

bool mandates_allow(const struct mandates *m, enum mandate_remedy remedy, int64_t unix_s,
		    unsigned n_taken, const char **why_not)
{
	const struct mandate *of = &m->of[remedy];

	if (!of->is_allowed)
		*why_not = "no mandate allows it";
	else if (!is_hour(of, unix_s))
		*why_not = "its mandate is for other hours";
	else if (n_taken >= of->rate_per_hour)
		*why_not = "its mandate allows no more of it this hour";
	else
		return true;
	return false;
}
