/* SPDX-License-Identifier: Apache-2.0 */
/* The two numbers that only grow: boot epoch and clock floor, as decimal lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "shell/store/internal.h"

static bool parse_decimal(struct span text, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (text.len < 2 || text.at[text.len - 1] != '\n')
		return false;
	for (size_t i = 0; i + 1 < text.len; i++) {
		uint8_t digit = (uint8_t)(text.at[i] - '0');

		if (digit > 9 || v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return true;
}

/* 0 where the file does not exist. */
static int read_number(const struct store *s, enum store_file file, uint64_t max, uint64_t *ret,
		       struct store_error *ret_error)
{
	CLEANUP(store_value_done) struct store_value value = { 0 };
	int error = store_read(s, file, &value, ret_error);

	if (error == -ENOENT) {
		*ret = 0;
		return 0;
	}
	if (error < 0)
		return error;
	if (!parse_decimal(store_value_span(&value), max, ret))
		return store_fail(ret_error, -EBADMSG,
				  "%s/%s does not hold a number; if the disk was damaged, remove "
				  "the file and start again",
				  store_directory(s), store_file_name(file));
	return 0;
}

static int write_number(struct store *s, enum store_file file, uint64_t v,
			struct store_error *ret_error)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%" PRIu64 "\n", v);

	return store_write(s, file, SPAN(text, (size_t)len), ret_error);
}

int store_next_boot_epoch(const struct store *s, int64_t unix_s, uint64_t *ret,
			  struct store_error *ret_error)
{
	uint64_t now = unix_s > 0 ? (uint64_t)unix_s : 0;
	uint64_t epoch = 0;
	int error = read_number(s, STORE_BOOT_EPOCH, UINT64_MAX - 1, &epoch, ret_error);

	if (error < 0)
		return error;
	*ret = epoch + 1 > now ? epoch + 1 : now;
	return 0;
}

int store_save_boot_epoch(struct store *s, uint64_t epoch, struct store_error *ret_error)
{
	return write_number(s, STORE_BOOT_EPOCH, epoch, ret_error);
}

int store_clock(const struct store *s, int64_t system_s, int64_t build_s, int64_t *ret,
		struct store_error *ret_error)
{
	uint64_t saved = 0;
	int64_t latest = system_s > build_s ? system_s : build_s;
	int error = read_number(s, STORE_CLOCK_FLOOR, INT64_MAX, &saved, ret_error);

	if (error < 0)
		return error;
	*ret = (int64_t)saved > latest ? (int64_t)saved : latest;
	return 0;
}

int store_save_clock(struct store *s, int64_t unix_s, struct store_error *ret_error)
{
	uint64_t saved = 0;
	int error = read_number(s, STORE_CLOCK_FLOOR, INT64_MAX, &saved, ret_error);

	if (error < 0 || unix_s <= (int64_t)saved)
		return error;
	return write_number(s, STORE_CLOCK_FLOOR, (uint64_t)unix_s, ret_error);
}
