/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - the file that a daemon logs into where no journald takes its events: that it stays
 * small.
 *
 * Keeper and daemon share one descriptor of it, so it is not replaced: what is in it is copied to a
 * second file, instead of the one before, and then it is cut. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define LOG_FILE_NAME "x0.log"	      /* in the state directory */
#define LOG_FILE_OLD_SUFFIX ".1"      /* what was in it before */
#define LOG_FILE_MAX ((off_t)4 << 20) /* bytes, from which on it is turned */
#define LOG_FILE_FULL \
	((off_t)16 << 20) /* bytes, from which on it is cut where it cannot be copied */

/* Turns the file at path where fd, opened for reading and appending, leads there and it is longer
 * than LOG_FILE_MAX. A line that somebody writes in the moment between the last look at its length
 * and the cut is lost. May be called on any thread, on one at a time. Returns 1 where it was cut, 0
 * where nothing was to be done; -errno where it could not be copied, and *ret_is_cut, whether it
 * was cut all the same; -ENOSPC where the copy would take more than half of the room on the disk.
 */
int log_file_turn(int fd, const char *path, bool *ret_is_cut);
