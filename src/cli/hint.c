/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the user's --config into the commands that a message names. */
#include "cli/hint.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"

#define PROGRAM "x0 "

static size_t word_len(const char *text)
{
	size_t len = 0;

	while (islower((unsigned char)text[len]))
		len++;
	return len;
}

static bool ends_with(const char *text, size_t len, const char *what)
{
	size_t n = strlen(what);

	return len >= n && memcmp(text + len - n, what, n) == 0;
}

/* "(there: x0 status)", "run x0 invite on NAME". To join, an invitation is asked for elsewhere. */
static bool is_for_elsewhere(const char *text, size_t at, const char *after, const char *verb_now,
			     const char *verb)
{
	static const char *const places[] = { "there: ", "machine: ", "authority: " };

	for (size_t i = 0; i < N_ELEMENTS(places); i++)
		if (ends_with(text, at, places[i]))
			return true;
	if (strcmp(verb_now, "join") == 0 && strcmp(verb, "invite") == 0)
		return true;
	if (*after == ' ' && strncmp(after, " on ", 4) != 0)
		after += 1 + word_len(after + 1); /* "x0 node list on NAME" */
	return strncmp(after, " on ", 4) == 0;
}

/* The verb behind the "x0 " at this place, which takes --config; NULL for none. */
static const struct cli_verb *verb_at(const char *text, size_t at, const char *verb_now)
{
	const char *name = text + at + strlen(PROGRAM);
	size_t len = word_len(name);
	char copy[32] = "";
	const struct cli_verb *verb;

	if (len == 0 || len >= sizeof(copy) || (at > 0 && !strchr(" (\n`\"", text[at - 1])))
		return NULL;
	memcpy(copy, name, len);
	verb = cli_verb_find(copy);
	if (!verb || verb->run_raw || strcmp(copy, "help") == 0 || strcmp(copy, "version") == 0 ||
	    strcmp(copy, "completion") == 0)
		return NULL;
	if (strncmp(name + len, " --config", strlen(" --config")) == 0)
		return NULL;
	return is_for_elsewhere(text, at, name + len, verb_now, copy) ? NULL : verb;
}

/* As a shell takes it. */
static void put_quoted(const char *text, FILE *to)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-+=,@%:";

	if (*text && strspn(text, plain) == strlen(text)) {
		(void)fputs(text, to);
		return;
	}
	(void)fputc('\'', to);
	for (; *text; text++)
		(void)(*text == '\'' ? fputs("'\\''", to) : fputc(*text, to));
	(void)fputc('\'', to);
}

char *hint_with_config(const char *text, const char *verb_now, const char *config)
{
	char *ret = NULL;
	size_t len;
	FILE *to = open_memstream(&ret, &len);

	if (!to)
		return NULL;
	for (size_t at = 0; text[at];) {
		const struct cli_verb *verb = NULL;

		if (strncmp(text + at, PROGRAM, strlen(PROGRAM)) == 0)
			verb = verb_at(text, at, verb_now);
		if (!verb) {
			(void)fputc(text[at++], to);
			continue;
		}
		(void)fprintf(to, PROGRAM "%s --config ", verb->name);
		put_quoted(config, to);
		at += strlen(PROGRAM) + strlen(verb->name);
	}
	(void)fclose(to);
	return ret;
}
