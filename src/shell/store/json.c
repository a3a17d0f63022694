/* SPDX-License-Identifier: Apache-2.0 */
/* Lists as JSON: {"version": 1, "<key>": [ ... ]}, read as strictly as written. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "shell/store/internal.h"

#define VERSION 1
#define HEX_BYTES_MAX 64

json_t *json_hex(const uint8_t *from, size_t n)
{
	char text[2 * HEX_BYTES_MAX + 1];
	json_t *j;

	if (n > HEX_BYTES_MAX)
		return NULL;
	bytes_to_hex(from, n, text);
	j = json_string(text);
	bytes_wipe(text, sizeof(text));
	return j;
}

bool json_hex_value(const char *text, uint8_t *ret, size_t n)
{
	return strspn(text, "0123456789abcdef") == strlen(text) &&
	       bytes_from_hex(text, ret, n) == 0;
}

static int decode_entries(const struct list_format *f, json_t *array, void *ret, size_t *ret_n,
			  struct store_error *ret_error)
{
	size_t n = json_array_size(array);
	struct store_error why = { "" };

	if (!json_is_array(array))
		return store_fail(ret_error, -EBADMSG, "\"%s\" is not an array", f->key);
	if (n > f->n_max)
		return store_fail(ret_error, -EBADMSG, "\"%s\" has %zu entries; %zu are allowed",
				  f->key, n, f->n_max);
	for (size_t i = 0; i < n; i++) {
		void *entry = (uint8_t *)ret + i * f->entry_size;

		memset(entry, 0, f->entry_size);
		if (f->decode(json_array_get(array, i), entry, &why) < 0)
			return store_fail(ret_error, -EBADMSG, "entry %zu of \"%s\": %s", i + 1,
					  f->key, why.text);
	}
	*ret_n = n;
	return 0;
}

int list_decode(const struct list_format *f, struct span text, void *ret, size_t *ret_n,
		struct store_error *ret_error)
{
	json_error_t where;
	json_auto_t *root =
		json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES, &where);
	json_t *array;
	int version;

	if (!root)
		return store_fail(ret_error, -EBADMSG, "line %d: %s", where.line, where.text);
	if (json_unpack_ex(root, &where, 0, "{s:i, s:o !}", "version", &version, f->key, &array) <
	    0)
		return store_fail(ret_error, -EBADMSG, "%s", where.text);
	if (version != VERSION)
		return store_fail(ret_error, -EBADMSG, "version %d; this x0 knows version %d",
				  version, VERSION);
	return decode_entries(f, array, ret, ret_n, ret_error);
}

int list_load(const struct store *s, enum store_file file, const struct list_format *f, void *ret,
	      size_t *ret_n, struct store_error *ret_error)
{
	CLEANUP(store_value_done) struct store_value value = { 0 };
	struct store_error why = { "" };
	int error = store_read(s, file, &value, ret_error);

	if (error == -ENOENT) {
		*ret_n = 0;
		return 0;
	}
	if (error < 0)
		return error;
	if (list_decode(f, store_value_span(&value), ret, ret_n, &why) < 0)
		return store_fail(ret_error, -EBADMSG, "%s/%s: %.300s", store_directory(s),
				  store_file_name(file), why.text);
	return 0;
}

static json_t *encode_list(const struct list_format *f, const void *entries, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++) {
		const void *entry = (const uint8_t *)entries + i * f->entry_size;

		/* takes the entry; a NULL makes it fail */
		if (json_array_append_new(array, f->encode(entry)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return json_pack("{s:i, s:o}", "version", VERSION, f->key, array);
}

int list_save(struct store *s, enum store_file file, const struct list_format *f,
	      const void *entries, size_t n, struct store_error *ret_error)
{
	json_auto_t *root = NULL;
	char *text;
	int error;

	if (n > f->n_max)
		return store_fail(ret_error, -ENOBUFS, "\"%s\" may have at most %zu entries",
				  f->key, f->n_max);
	root = encode_list(f, entries, n);
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	if (!text)
		return store_fail(ret_error, -ENOMEM, "out of memory");
	error = store_write(s, file, SPAN(text, strlen(text)), ret_error);
	bytes_wipe(text, strlen(text));
	free(text);
	return error;
}
