/* SPDX-License-Identifier: Apache-2.0 */
/* The signed list of revoked certificates and node ids.
 *
 * Entries are in ascending order of their bytes on the wire (serial, then node id), each once:
 * so a list has one form, and is searched by halves. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/identity/identity.h"

static const char magic[] = "x0 revoked 1"; /* with its NUL */

#define HEADER_LEN (sizeof(magic) + 8 + 2)
#define ENTRY_LEN (SERIAL_LEN + 8)

static int compare(const struct revoked *a, const struct revoked *b)
{
	int by_serial = memcmp(a->serial, b->serial, SERIAL_LEN);

	if (by_serial != 0)
		return by_serial;
	return a->node_id < b->node_id ? -1 : a->node_id > b->node_id;
}

/* Where the entry is, or where it belongs. */
static size_t find(const struct revocation_list *list, const struct revoked *entry, bool *ret_found)
{
	size_t low = 0;
	size_t high = list->n;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(&list->entries[middle], entry);

		*ret_found = *ret_found || order == 0;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool holds(const struct revocation_list *list, uint64_t node_id, const uint8_t *serial)
{
	struct revoked entry = { .node_id = node_id };
	bool found;

	if (serial)
		memcpy(entry.serial, serial, SERIAL_LEN);
	(void)find(list, &entry, &found);
	return found;
}

bool revocation_covers(const struct revocation_list *list, uint64_t node_id,
		       const uint8_t serial[SERIAL_LEN])
{
	return holds(list, node_id, serial) || holds(list, node_id, NULL);
}

int revocation_add(struct revocation_list *list, const struct revoked *entry)
{
	struct revoked *entries;
	bool found;
	size_t at = find(list, entry, &found);

	if (found)
		return -EEXIST;
	if (list->n >= REVOKED_MAX)
		return -ENOBUFS;
	entries = realloc(list->entries, (list->n + 1) * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	list->entries = entries;
	memmove(entries + at + 1, entries + at, (list->n - at) * sizeof(*entries));
	entries[at] = *entry;
	list->n++;
	return 0;
}

void revocation_done(struct revocation_list *list)
{
	free(list->entries);
	*list = (struct revocation_list){ 0 };
}

int revocation_encode(const struct revocation_list *list, uint8_t *ret, size_t ret_size)
{
	struct writer w = writer_of(ret, ret_size);

	if (list->n > REVOKED_MAX)
		return -EINVAL;
	write_bytes(&w, (const uint8_t *)magic, sizeof(magic));
	write_u64(&w, list->number);
	write_u16(&w, (uint16_t)list->n);
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0 && compare(&list->entries[i - 1], &list->entries[i]) >= 0)
			return -EINVAL;
		write_bytes(&w, list->entries[i].serial, SERIAL_LEN);
		write_u64(&w, list->entries[i].node_id);
	}
	return w.overrun ? -ENOBUFS : (int)w.len;
}

static int read_entries(struct reader *r, struct revocation_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		read_copy(r, list->entries[i].serial, SERIAL_LEN);
		list->entries[i].node_id = read_u64(r);
		if (i > 0 && compare(&list->entries[i - 1], &list->entries[i]) >= 0)
			return -EBADMSG;
	}
	return 0;
}

/* The list without its signature. The length is checked before anything is allocated. */
static int read_list(struct span bytes, struct revocation_list *ret)
{
	struct reader r = reader_of(bytes);
	const uint8_t *start = read_bytes(&r, sizeof(magic));

	if (!start || memcmp(start, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	ret->number = read_u64(&r);
	ret->n = read_u16(&r);
	if (r.overrun || ret->n > REVOKED_MAX || r.left != ret->n * ENTRY_LEN)
		return -EBADMSG;
	if (ret->n == 0)
		return 0;
	ret->entries = calloc(ret->n, sizeof(ret->entries[0]));
	if (!ret->entries)
		return -ENOMEM;
	return read_entries(&r, ret);
}

static bool is_signed_by_a_root(const struct crypto_ops *ops, struct span list,
				const uint8_t *signature, const struct span *roots, size_t n_roots)
{
	for (size_t i = 0; i < n_roots; i++) {
		struct cert root;

		if (ops->cert_read(roots[i], &root) == 0 && root.is_mldsa65 && root.is_ca &&
		    ops->mldsa65_verify(root.pk, list, SPAN_STR(REVOCATION_CONTEXT), signature) ==
			    0)
			return true;
	}
	return false;
}

int revocation_decode(const struct crypto_ops *ops, struct span bytes, const struct span *roots,
		      size_t n_roots, struct revocation_list *ret)
{
	CLEANUP(revocation_done) struct revocation_list list = { 0 };
	struct span body = bytes;
	int error;

	if (bytes.len < HEADER_LEN + MLDSA65_SIG_LEN)
		return -EBADMSG;
	body.len -= MLDSA65_SIG_LEN;
	error = read_list(body, &list);
	if (error < 0)
		return error;
	if (!is_signed_by_a_root(ops, body, bytes.at + body.len, roots, n_roots))
		return -EKEYREJECTED;
	revocation_done(ret);
	*ret = list;
	list = (struct revocation_list){ 0 };
	return 0;
}
