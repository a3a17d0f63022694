/* SPDX-License-Identifier: Apache-2.0 */
/* tokens.json: the authority's register of join tokens. It holds join keys, not secrets: who
 * reads it can answer a request but cannot make an invitation again. */
#include <errno.h>
#include <stdio.h>

#include "shell/store/internal.h"

static int decode_uses(json_t *uses, struct token_entry *ret, struct store_error *ret_error)
{
	size_t n = json_array_size(uses);

	if (!json_is_array(uses) || n > TOKEN_USES_MAX)
		return store_fail(ret_error, -EBADMSG, "\"uses\" is not an array of at most %d",
				  TOKEN_USES_MAX);
	for (size_t i = 0; i < n; i++) {
		const char *hash = json_string_value(json_array_get(uses, i));

		if (!hash || !json_hex_value(hash, ret->uses[i], SHA256_LEN))
			return store_fail(ret_error, -EBADMSG, "\"uses\" holds what is no hash");
	}
	ret->n_uses = n;
	return 0;
}

static int decode_token(json_t *entry, void *ret, struct store_error *ret_error)
{
	struct token_entry *t = ret;
	json_error_t where;
	const char *id;
	const char *key;
	const char *name;
	json_int_t uses_left;
	json_int_t expires;
	json_t *uses;

	if (json_unpack_ex(entry, &where, 0, "{s:s, s:s, s:s, s:I, s:I, s:o !}", "id", &id,
			   "join_key", &key, "name", &name, "uses_left", &uses_left, "expires",
			   &expires, "uses", &uses) < 0)
		return store_fail(ret_error, -EBADMSG, "%s", where.text);
	if (!json_hex_value(id, t->id, sizeof(t->id)))
		return store_fail(ret_error, -EBADMSG, "\"id\" is not 8 bytes in hexadecimal");
	if (!json_hex_value(key, t->join_key, sizeof(t->join_key)))
		return store_fail(ret_error, -EBADMSG,
				  "\"join_key\" is not 32 bytes in hexadecimal");
	if (name[0] && !node_name_is_valid(name))
		return store_fail(ret_error, -EBADMSG, "\"name\" is no name of a node");
	if (uses_left < 0 || uses_left > TOKEN_USES_MAX || expires < 0)
		return store_fail(ret_error, -EBADMSG, "\"uses_left\" or \"expires\" out of range");
	(void)snprintf(t->name, sizeof(t->name), "%s", name);
	t->n_uses_left = (uint32_t)uses_left;
	t->expires_s = expires;
	return decode_uses(uses, t, ret_error);
}

static json_t *encode_token(const void *entry)
{
	const struct token_entry *t = entry;
	json_t *uses = json_array();

	for (size_t i = 0; uses && i < t->n_uses; i++)
		if (json_array_append_new(uses, json_hex(t->uses[i], SHA256_LEN)) < 0) {
			json_decref(uses);
			uses = NULL;
		}
	return json_pack("{s:o, s:o, s:s, s:I, s:I, s:o}", "id", json_hex(t->id, sizeof(t->id)),
			 "join_key", json_hex(t->join_key, sizeof(t->join_key)), "name", t->name,
			 "uses_left", (json_int_t)t->n_uses_left, "expires",
			 (json_int_t)t->expires_s, "uses", uses);
}

const struct list_format tokens_format = {
	.key = "tokens",
	.n_max = TOKENS_MAX,
	.entry_size = sizeof(struct token_entry),
	.decode = decode_token,
	.encode = encode_token,
};

int store_decode_tokens(struct span text, struct token_entry ret[TOKENS_MAX], size_t *ret_n,
			struct store_error *ret_error)
{
	return list_decode(&tokens_format, text, ret, ret_n, ret_error);
}

int store_load_tokens(const struct store *s, struct token_entry ret[TOKENS_MAX], size_t *ret_n,
		      struct store_error *ret_error)
{
	return list_load(s, STORE_TOKENS, &tokens_format, ret, ret_n, ret_error);
}

int store_save_tokens(struct store *s, const struct token_entry *tokens, size_t n,
		      struct store_error *ret_error)
{
	return list_save(s, STORE_TOKENS, &tokens_format, tokens, n, ret_error);
}
