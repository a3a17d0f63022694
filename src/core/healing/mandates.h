/* SPDX-License-Identifier: Apache-2.0 */
/* mandates.h - what may be done unasked, decided beforehand: a file that the operator writes.
 *
 * One mandate a line, `#` begins a comment:
 *
 *	allow REMEDY [rate N] [hours FROM-TO]
 *
 * rate: so many an hour at most, 1 to 60 (10). hours: of the day in UTC, FROM to before TO, 0 to
 * 24; 22-6 goes over midnight (0-24). A remedy that no line allows is not taken: a person is told.
 * A file with nothing in it allows nothing; without a file mandates_default() holds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define MANDATES_FILE_MAX 4096 /* bytes; far more than all lines that mean something */
#define MANDATES_LINES_MAX 128
#define MANDATE_RATE_DEFAULT 10
#define MANDATE_RATE_MAX 60
#define MANDATES_WHY_SIZE 120

/* What can be done. */
enum mandate_remedy {
	REMEDY_AVOID,	    /* a neighbour: what its link costs us is raised */
	REMEDY_REHANDSHAKE, /* with a neighbour */
	REMEDY_FREE_SPACE,  /* what the daemon itself may forget is given back to the disk */
	MANDATE_N_REMEDIES,
};

struct mandate {
	bool is_allowed;
	unsigned rate_per_hour;
	unsigned from_hour, to_hour;
};

struct mandates {
	struct mandate of[MANDATE_N_REMEDIES];
	bool is_default; /* there is no file */
};

/* Own node's reversible remedies, ten of each an hour, at any time. */
void mandates_default(struct mandates *ret);
/* -EBADMSG and, in why, the line and what is wrong with it. ret is untouched then. */
int mandates_parse(struct span text, struct mandates *ret, char why[MANDATES_WHY_SIZE]);
/* n_taken: of the remedy in the last hour. why_not gets static text where it is false. */
bool mandates_allow(const struct mandates *m, enum mandate_remedy remedy, int64_t unix_s,
		    unsigned n_taken, const char **why_not);

const char *remedy_name(enum mandate_remedy r);	  /* "none" behind the last */
const char *remedy_effect(enum mandate_remedy r); /* a sentence for people */
