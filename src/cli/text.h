/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - small things to read and write: durations, times, sizes, names. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TEXT_SIZE 32

/* "90s", "30m", "1h", "7d", "2w", "1h30m". Every number has
 * its unit: -EINVAL without; -ERANGE beyond a hundred years. */
int text_duration(const char *text, int64_t *ret_s);
/* Seconds with a fraction, as "0.2", in milliseconds. -EINVAL, -ERANGE outside min to max. */
int text_seconds(const char *text, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms);
/* A whole number. -EINVAL, -ERANGE outside min to max. */
int text_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* "45 s", "12 min", "3 h 20 min", "29 d 4 h". */
void text_span(int64_t s, char ret[TEXT_SIZE]);
/* "0.812 ms", "12.3 ms", "104 ms". */
void text_rtt(uint64_t us, char ret[TEXT_SIZE]);
/* "812 B", "1.2 KiB", "64 MiB". */
void text_bytes(uint64_t bytes, char ret[TEXT_SIZE]);
/* "2026-01-31 13:05 UTC". */
void text_date(int64_t unix_s, char ret[TEXT_SIZE]);
/* Parts per million as "0%", "0.3%", "12%". */
void text_loss(uint64_t ppm, char ret[TEXT_SIZE]);

/* Edits (insert, delete, replace, swap of neighbours) from one word to the other; words longer
 * than 63 characters are as far as they are long. */
unsigned text_distance(const char *a, const char *b);
/* Makes a node's name of a host's: first label, lower case, what is not allowed becomes a dash.
 * "" where nothing is left. */
void text_node_name(const char *host, char *ret, size_t size);
/* Copies, control characters as '?', cut to fit: what came from elsewhere and goes to a terminal.
 */
void text_plain(const char *from, char *ret, size_t size);
