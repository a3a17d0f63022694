/* SPDX-License-Identifier: Apache-2.0 */
/* authority-issued.json: whom the authority has certified. */
#include <errno.h>
#include <stdio.h>

#include "shell/store/internal.h"

static int decode_issued(json_t *entry, void *ret, struct store_error *ret_error)
{
	struct store_issued *i = ret;
	uint8_t node_id[8];
	json_error_t where;
	const char *name;
	const char *id;
	const char *serial;
	const char *request;
	json_int_t not_after;
	int is_revoked;

	if (json_unpack_ex(entry, &where, 0, "{s:s, s:s, s:s, s:I, s:b, s:s !}", "name", &name,
			   "node_id", &id, "serial", &serial, "not_after", &not_after, "revoked",
			   &is_revoked, "request", &request) < 0)
		return store_fail(ret_error, -EBADMSG, "%s", where.text);
	if (!node_name_is_valid(name))
		return store_fail(ret_error, -EBADMSG, "\"name\" is no name of a node");
	if (!json_hex_value(id, node_id, sizeof(node_id)) || load_u64(node_id) == 0)
		return store_fail(ret_error, -EBADMSG, "\"node_id\" is no node id");
	if (!json_hex_value(serial, i->serial, sizeof(i->serial)))
		return store_fail(ret_error, -EBADMSG, "\"serial\" is not 20 bytes in hexadecimal");
	if (!json_hex_value(request, i->request, sizeof(i->request)))
		return store_fail(ret_error, -EBADMSG,
				  "\"request\" is not 32 bytes in hexadecimal");
	(void)snprintf(i->name, sizeof(i->name), "%s", name);
	i->node_id = load_u64(node_id);
	i->not_after_s = not_after;
	i->is_revoked = is_revoked;
	return 0;
}

static json_t *encode_issued(const void *entry)
{
	const struct store_issued *i = entry;
	uint8_t node_id[8];

	store_u64(node_id, i->node_id);
	return json_pack("{s:s, s:o, s:o, s:I, s:b, s:o}", "name", i->name, "node_id",
			 json_hex(node_id, sizeof(node_id)), "serial",
			 json_hex(i->serial, sizeof(i->serial)), "not_after",
			 (json_int_t)i->not_after_s, "revoked", (int)i->is_revoked, "request",
			 json_hex(i->request, sizeof(i->request)));
}

const struct list_format issued_format = {
	.key = "issued",
	.n_max = STORE_ISSUED_MAX,
	.entry_size = sizeof(struct store_issued),
	.decode = decode_issued,
	.encode = encode_issued,
};

int store_decode_issued(struct span text, struct store_issued ret[STORE_ISSUED_MAX], size_t *ret_n,
			struct store_error *ret_error)
{
	return list_decode(&issued_format, text, ret, ret_n, ret_error);
}

int store_load_issued(const struct store *s, struct store_issued ret[STORE_ISSUED_MAX],
		      size_t *ret_n, struct store_error *ret_error)
{
	return list_load(s, STORE_AUTHORITY_ISSUED, &issued_format, ret, ret_n, ret_error);
}

int store_save_issued(struct store *s, const struct store_issued *issued, size_t n,
		      struct store_error *ret_error)
{
	return list_save(s, STORE_AUTHORITY_ISSUED, &issued_format, issued, n, ret_error);
}
