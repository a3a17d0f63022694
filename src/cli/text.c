/* SPDX-License-Identifier: Apache-2.0 */
/* Durations, times, sizes, names. */
#include "cli/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MINUTE 60
#define HOUR 3600
#define DAY 86400
#define WEEK (7 * DAY)
#define DURATION_MAX_S (INT64_C(100) * 366 * DAY)
#define WORD_MAX 63

static int64_t unit_seconds(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return MINUTE;
	case 'h':
		return HOUR;
	case 'd':
		return DAY;
	case 'w':
		return WEEK;
	default:
		return 0;
	}
}

int text_duration(const char *text, int64_t *ret_s)
{
	int64_t total = 0;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	while (*text) {
		int64_t n = 0;
		int64_t unit;

		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		for (; isdigit((unsigned char)*text); text++) {
			n = n * 10 + (*text - '0');
			if (n > DURATION_MAX_S)
				return -ERANGE;
		}
		if (*text)
			unit = unit_seconds(*text++);
		else
			unit = 0; /* "1h30": minutes or seconds? "5": of what? */
		if (unit == 0)
			return -EINVAL;
		if (n > DURATION_MAX_S / unit)
			return -ERANGE;
		total += n * unit;
		if (total > DURATION_MAX_S)
			return -ERANGE;
	}
	*ret_s = total;
	return 0;
}

int text_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		if (n > (UINT64_MAX - 9) / 10)
			return -ERANGE;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	if (n < min || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int text_seconds(const char *text, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms)
{
	uint64_t ms = 0;
	uint64_t digit_ms = 100;
	int n_digits = 0;

	for (; isdigit((unsigned char)*text); text++, n_digits++) {
		ms = ms * 10 + (uint64_t)(*text - '0') * 1000;
		if (ms > UINT32_MAX)
			return -ERANGE;
	}
	if (*text == '.')
		for (text++; isdigit((unsigned char)*text); text++, n_digits++) {
			ms += (uint64_t)(*text - '0') * digit_ms;
			digit_ms /= 10;
		}
	if (*text || n_digits == 0)
		return -EINVAL;
	if (ms < min_ms || ms > max_ms)
		return -ERANGE;
	*ret_ms = ms;
	return 0;
}

static void two_units(int64_t s, int64_t large, const char *large_name, int64_t small,
		      const char *small_name, char ret[TEXT_SIZE])
{
	int64_t rest = s % large / small;

	if (rest > 0)
		(void)snprintf(ret, TEXT_SIZE, "%" PRId64 " %s %" PRId64 " %s", s / large,
			       large_name, rest, small_name);
	else
		(void)snprintf(ret, TEXT_SIZE, "%" PRId64 " %s", s / large, large_name);
}

void text_span(int64_t s, char ret[TEXT_SIZE])
{
	if (s < 0)
		s = 0;
	if (s < MINUTE)
		(void)snprintf(ret, TEXT_SIZE, "%" PRId64 " s", s);
	else if (s < HOUR)
		(void)snprintf(ret, TEXT_SIZE, "%" PRId64 " min", s / MINUTE);
	else if (s < DAY)
		two_units(s, HOUR, "h", MINUTE, "min", ret);
	else
		two_units(s, DAY, "d", HOUR, "h", ret);
}

void text_rtt(uint64_t us, char ret[TEXT_SIZE])
{
	double ms = (double)us / 1000;

	(void)snprintf(ret, TEXT_SIZE, ms < 10 ? "%.3f ms" : ms < 100 ? "%.1f ms" : "%.0f ms", ms);
}

void text_bytes(uint64_t bytes, char ret[TEXT_SIZE])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double n = (double)bytes;
	size_t i = 0;

	if (bytes < 1024) {
		(void)snprintf(ret, TEXT_SIZE, "%" PRIu64 " B", bytes);
		return;
	}
	for (n /= 1024; n >= 1024 && i < 5; i++)
		n /= 1024;
	(void)snprintf(ret, TEXT_SIZE, n < 10 ? "%.1f %s" : "%.0f %s", n, units[i]);
}

void text_date(int64_t unix_s, char ret[TEXT_SIZE])
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(ret, TEXT_SIZE, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		(void)snprintf(ret, TEXT_SIZE, "%" PRId64, unix_s);
}

void text_loss(uint64_t ppm, char ret[TEXT_SIZE])
{
	double percent = (double)ppm / 10000;

	if (ppm == 0)
		(void)snprintf(ret, TEXT_SIZE, "0%%");
	else if (percent < 0.1)
		(void)snprintf(ret, TEXT_SIZE, "<0.1%%");
	else
		(void)snprintf(ret, TEXT_SIZE, percent < 10 ? "%.1f%%" : "%.0f%%", percent);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Three rows of the usual table (Damerau-Levenshtein, adjacent swaps only). */
unsigned text_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned n_a = (unsigned)strlen(a);
	unsigned n_b = (unsigned)strlen(b);

	if (n_a > WORD_MAX || n_b > WORD_MAX)
		return n_a > n_b ? n_a : n_b;
	for (unsigned j = 0; j <= n_b; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= n_a; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i + 2) % 3];
		const unsigned *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (unsigned j = 1; j <= n_b; j++) {
			row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]),
				       least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[n_a % 3][n_b];
}

void text_node_name(const char *host, char *ret, size_t size)
{
	size_t len = 0;

	for (; *host && *host != '.' && len + 1 < size; host++) {
		unsigned char ch = (unsigned char)*host;
		bool is_word = isascii(ch) && isalnum(ch);

		if (!is_word && len == 0)
			continue; /* begins with a letter or digit */
		if (is_word)
			ret[len++] = (char)tolower(ch);
		else if (ch == '_')
			ret[len++] = '_';
		else
			ret[len++] = '-';
	}
	while (len > 0 && (ret[len - 1] == '-' || ret[len - 1] == '_'))
		len--; /* and ends with one */
	ret[len] = '\0';
}

void text_plain(const char *from, char *ret, size_t size)
{
	size_t len = 0;

	for (; *from && len + 1 < size; from++)
		ret[len++] = iscntrl((unsigned char)*from) && *from != '\n' ? '?' : *from;
	ret[len] = '\0';
}
