/* SPDX-License-Identifier: Apache-2.0 */
/* command.h - one line of text that says what a link shall do from now on. README.md has them. */
#pragma once

#include <stddef.h>

#include "linkem/impair.h"

#define COMMAND_LEN_MAX 512
#define COMMAND_WHY_SIZE 160

enum command_verb {
	COMMAND_SET,   /* what is named; the rest stays */
	COMMAND_CLEAR, /* nothing is done to frames any more */
	COMMAND_CUT,   /* nothing passes, and nobody is told */
	COMMAND_HEAL,
	COMMAND_DOWN, /* the carrier, at both ends */
	COMMAND_UP,
	COMMAND_STATS,
	COMMAND_JUDGE, /* may a test that asserts .time_us be believed? */
	COMMAND_RESET, /* lateness and counters begin anew */
	COMMAND_QUIT,
};

#define COMMAND_A_TO_B 1U
#define COMMAND_B_TO_A 2U

enum command_key {
	KEY_DELAY,
	KEY_JITTER,
	KEY_LOSS,
	KEY_BAD,
	KEY_GOOD,
	KEY_BAD_LOSS,
	KEY_DUPLICATE,
	KEY_CORRUPT,
	KEY_REORDER,
	KEY_REORDER_BY,
	KEY_RATE,
	KEY_QUEUE,
	N_COMMAND_KEYS,
};

struct command {
	enum command_verb verb;
	unsigned directions; /* of COMMAND_A_TO_B and COMMAND_B_TO_A */
	unsigned named;	     /* bits of enum command_key */
	uint64_t values[N_COMMAND_KEYS];
	uint64_t time_us; /* COMMAND_JUDGE */
};

/* -EINVAL and a sentence for what is none; the line may hold anything and needs no end. */
int command_parse(const char *line, size_t len, struct command *ret, char why[COMMAND_WHY_SIZE]);
/* What it makes of a direction that it names; impair_configure() checks the outcome. */
void command_apply(const struct command *c, struct impair_config *config);
