/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of /proc and of control groups become numbers, or are refused. */
#include "shell/host/parse.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* A cursor over one text, by lines. */
struct scan {
	const char *at, *end;
};

static struct scan scan_of(struct span text)
{
	const char *at = (const char *)text.at;

	return (struct scan){ .at = at, .end = at + text.len };
}

/* The next line that is whole: what a cut text ends in is none. */
static bool next_line(struct scan *s, struct scan *ret_line)
{
	const char *end = s->at < s->end ? memchr(s->at, '\n', (size_t)(s->end - s->at)) : NULL;

	if (!end)
		return false;
	*ret_line = (struct scan){ .at = s->at, .end = end };
	s->at = end + 1;
	return true;
}

static bool skip_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return false;
	s->at += len;
	return true;
}

static void skip_blanks(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
		s->at++;
}

/* The line that begins with key. */
static bool find_line(struct span text, const char *key, struct scan *ret)
{
	struct scan s = scan_of(text);

	while (next_line(&s, ret))
		if (skip_word(ret, key))
			return true;
	return false;
}

static bool is_digit(const struct scan *s)
{
	return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static bool read_number(struct scan *s, uint64_t *ret)
{
	uint64_t n = 0;

	skip_blanks(s);
	if (!is_digit(s))
		return false;
	for (; is_digit(s); s->at++) {
		n = n * 10 + (uint64_t)(*s->at - '0');
		if (n > PARSE_NUMBER_MAX)
			return false;
	}
	*ret = n;
	return true;
}

/* "12.34" */
static bool read_decimal(struct scan *s, double *ret)
{
	uint64_t whole;
	double fraction = 0, unit = 0.1;

	if (!read_number(s, &whole) || s->at == s->end || *s->at != '.')
		return false;
	s->at++;
	if (!is_digit(s))
		return false;
	for (; is_digit(s); s->at++) {
		fraction += (double)(*s->at - '0') * unit;
		unit /= 10;
	}
	*ret = (double)whole + fraction;
	return true;
}

int parse_cpu(struct span text, struct parse_cpu *ret)
{
	/* user nice system idle iowait irq softirq steal; guests are in user already */
	uint64_t ticks[8] = { 0 };
	uint64_t total = 0;
	size_t n = 0;
	struct scan line;

	if (!find_line(text, "cpu ", &line))
		return -EBADMSG;
	while (n < sizeof(ticks) / sizeof(ticks[0]) && read_number(&line, &ticks[n]))
		total += ticks[n++];
	skip_blanks(&line);
	if (n < 4 || (n < 8 && line.at != line.end) || total > PARSE_NUMBER_MAX)
		return -EBADMSG;
	*ret = (struct parse_cpu){ .total = total, .busy = total - ticks[3] - ticks[4] };
	return 0;
}

int parse_loadavg(struct span text, double *ret_load, double *ret_running)
{
	struct scan s = scan_of(text), line;
	double load, of_5_minutes, of_15_minutes;
	uint64_t running;

	if (!next_line(&s, &line) || !read_decimal(&line, &load) ||
	    !read_decimal(&line, &of_5_minutes) || !read_decimal(&line, &of_15_minutes) ||
	    !read_number(&line, &running) || !skip_word(&line, "/"))
		return -EBADMSG;
	*ret_load = load;
	*ret_running = (double)running;
	return 0;
}

int parse_meminfo(struct span text, const char *key, double *ret_bytes)
{
	struct scan line;
	uint64_t kib;

	if (!find_line(text, key, &line))
		return -ENODATA;
	if (!skip_word(&line, ":") || !read_number(&line, &kib) || !skip_word(&line, " kB") ||
	    kib > PARSE_NUMBER_MAX / 1024)
		return -EBADMSG;
	*ret_bytes = (double)(kib * 1024);
	return 0;
}

int parse_statm(struct span text, double *ret_virtual, double *ret_resident)
{
	const uint64_t most = PARSE_NUMBER_MAX >> 16; /* pages have up to 64 KiB */
	struct scan s = scan_of(text), line;
	uint64_t size, resident;

	if (!next_line(&s, &line) || !read_number(&line, &size) || !read_number(&line, &resident) ||
	    size > most || resident > most)
		return -EBADMSG;
	*ret_virtual = (double)size;
	*ret_resident = (double)resident;
	return 0;
}

int parse_pressure(struct span text, const char *line, double *ret_share)
{
	struct scan found;
	double percent;

	if (!find_line(text, line, &found))
		return -ENODATA;
	if (!skip_word(&found, " avg10=") || !read_decimal(&found, &percent) || percent > 100)
		return -EBADMSG;
	*ret_share = percent / 100;
	return 0;
}

int parse_cgroup(struct span text, char *ret, size_t size)
{
	struct scan line;
	size_t len;

	if (!find_line(text, "0::", &line))
		return -ENODATA;
	len = (size_t)(line.end - line.at);
	if (len == 0 || len >= size || line.at[0] != '/' || memchr(line.at, 0, len))
		return -EBADMSG;
	if (len >= 3 && memcmp(line.at, "/..", 3) == 0)
		return -ENODATA; /* above the root of this namespace (cgroup_namespaces(7)) */
	memcpy(ret, line.at, len);
	ret[len] = '\0';
	return 0;
}

int parse_cpu_stat(struct span text, double *ret_us)
{
	struct scan line;
	uint64_t us;

	if (!find_line(text, "usage_usec ", &line) || !read_number(&line, &us) ||
	    line.at != line.end)
		return -EBADMSG;
	*ret_us = (double)us;
	return 0;
}

int parse_limit(struct span text, double *ret)
{
	struct scan s = scan_of(text), line;
	uint64_t n;

	if (!next_line(&s, &line))
		return -EBADMSG;
	if (skip_word(&line, "max") && line.at == line.end)
		return -ENODATA;
	if (!read_number(&line, &n) || line.at != line.end)
		return -EBADMSG;
	*ret = (double)n;
	return 0;
}
