/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - the last events, by number, in memory that does not grow.
 *
 * Whoever follows keeps a number and asks for what comes next; who falls behind the oldest has
 * lost something and can be told how much. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define JOURNAL_EVENTS_MAX 1024
#define JOURNAL_TEXT_MAX 480 /* of one event */

enum journal_topic {
	TOPIC_PEERS,
	TOPIC_LINKS,
	TOPIC_ROUTES,
	TOPIC_SESSIONS,
	TOPIC_SECURITY,
	TOPIC_NETWORKS,
	TOPIC_TOPOLOGY,
	TOPIC_INCIDENTS,
	N_TOPICS,
};

#define JOURNAL_ALL_TOPICS ((1u << N_TOPICS) - 1)

const char *journal_topic_name(enum journal_topic t);
/* "links,peers": a bit for each. -EINVAL for none, or one that there is not. */
int journal_topics_parse(const char *list, unsigned *ret);

struct journal;

/* first: the number of the first event, such that none is used twice by daemons that follow each
 * other. -ENOMEM. */
int journal_new(uint64_t first, struct journal **ret);
void journal_free(struct journal *j);

/* Copied. -EMSGSIZE. */
int journal_add(struct journal *j, enum journal_topic topic, struct span text);

uint64_t journal_oldest(const struct journal *j); /* that is still here */
uint64_t journal_next(const struct journal *j);	  /* the number of the next one to be added */

/* The first event of these topics from *seq on, of which *seq becomes the number. False: there is
 * none yet, and *seq is journal_next(). Where *seq is older than the oldest it begins there. */
bool journal_find(const struct journal *j, unsigned topics, uint64_t *seq, struct span *ret);
