/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the files of this room share. */
#pragma once

#include <sys/statvfs.h>

#include "shell/host/host.h"

/* ---- disk.c: a file system, asked where waiting is allowed ---- */

struct disk;

struct disk_view {
	int error; /* 0, -EAGAIN before the first answer, -ETIMEDOUT, or what the system says */
	uint64_t taken_us; /* of what is in about */
	struct statvfs about;
};

/* -ENOMEM, or what opening path says. */
int disk_new(struct loop *l, const char *path, struct disk **ret);
void disk_free(struct disk *d);
/* Asks anew, unless it is being asked. */
void disk_ask(struct disk *d, uint64_t now_us);
void disk_look(const struct disk *d, uint64_t now_us, struct disk_view *ret);
