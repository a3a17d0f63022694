/* SPDX-License-Identifier: Apache-2.0 */
/* atlas.h - where other nodes were last said to be, so that they are found again after a restart.
 *
 * A map of registers, the last writer wins: each node writes its own entry and nobody else's, told
 * to us by itself inside a session, and its (boot epoch, counter) says which of two is newer.
 * Merging is commutative, associative and idempotent, so entries may come twice and in any order.
 * Nothing that one node says of another is taken. */
#pragma once

#include "core/nat/candidate.h"

#define ATLAS_NODES_MAX 1024 /* of more the one heard of longest ago is forgotten */

struct atlas_entry {
	uint64_t node_id;    /* whose; not 0 */
	uint32_t boot_epoch; /* 0, 0: from a list on disk, older than all that is said */
	uint32_t counter;
	struct candidates at;
	struct endpoint reached; /* where a link to it last was; null for none */
	uint64_t heard_us;
};

struct atlas;

int atlas_new(const uint8_t hash_key[16], struct atlas **ret);
void atlas_free(struct atlas *a);

/* Takes the newer of the two. True: something is different now. */
bool atlas_merge(struct atlas *a, const struct atlas_entry *e);
/* A link with it is up there: our own observation, and no part of the register. */
bool atlas_reached(struct atlas *a, uint64_t node_id, const struct endpoint *at, uint64_t now_us);
void atlas_forget(struct atlas *a, uint64_t node_id);
const struct atlas_entry *atlas_get(const struct atlas *a, uint64_t node_id);
/* In order of first hearing; start with *cursor = 0, NULL at the end. */
const struct atlas_entry *atlas_next(const struct atlas *a, size_t *cursor);
size_t atlas_count(const struct atlas *a);
/* Grows with each change. */
uint64_t atlas_version(const struct atlas *a);

/* Of two entries of one node: negative, 0 or positive as a is older than, the same as or newer than
 * b. Of two with one version the bytes decide, so that all who have both keep the same. */
int atlas_compare(const struct atlas_entry *a, const struct atlas_entry *b);
