/* SPDX-License-Identifier: Apache-2.0 */
/* peers.json: where peers were last seen. */
#include <errno.h>
#include <stdio.h>

#include "shell/store/internal.h"

static int decode_endpoints(json_t *endpoints, struct store_peer *ret,
			    struct store_error *ret_error)
{
	size_t n = json_array_size(endpoints);

	if (!json_is_array(endpoints) || n > STORE_PEER_ENDPOINTS_MAX)
		return store_fail(ret_error, -EBADMSG,
				  "\"endpoints\" is not an array of at most %d",
				  STORE_PEER_ENDPOINTS_MAX);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(endpoints, i));

		if (!text || endpoint_parse(text, 0, &ret->endpoints[i]) < 0 ||
		    ret->endpoints[i].port == 0)
			return store_fail(ret_error, -EBADMSG,
					  "\"endpoints\" holds what is no address with a port");
	}
	ret->n_endpoints = n;
	return 0;
}

static int decode_peer(json_t *entry, void *ret, struct store_error *ret_error)
{
	struct store_peer *p = ret;
	char domain[DOMAIN_MAX + 1];
	char name[NODE_NAME_MAX + 1];
	json_error_t where;
	const char *id;
	json_int_t seen;
	json_t *endpoints;

	if (json_unpack_ex(entry, &where, 0, "{s:s, s:I, s:o !}", "id", &id, "seen", &seen,
			   "endpoints", &endpoints) < 0)
		return store_fail(ret_error, -EBADMSG, "%s", where.text);
	if (spiffe_id_parse(id, domain, name) < 0)
		return store_fail(ret_error, -EBADMSG, "\"id\" is no SPIFFE ID of a node");
	if (seen < 0)
		return store_fail(ret_error, -EBADMSG, "\"seen\" is out of range");
	(void)snprintf(p->spiffe_id, sizeof(p->spiffe_id), "%s", id);
	p->seen_s = seen;
	return decode_endpoints(endpoints, p, ret_error);
}

static json_t *encode_peer(const void *entry)
{
	const struct store_peer *p = entry;
	json_t *endpoints = json_array();

	for (size_t i = 0; endpoints && i < p->n_endpoints; i++) {
		char text[ENDPOINT_TEXT_SIZE];

		endpoint_format(&p->endpoints[i], text);
		if (json_array_append_new(endpoints, json_string(text)) < 0) {
			json_decref(endpoints);
			endpoints = NULL;
		}
	}
	return json_pack("{s:s, s:I, s:o}", "id", p->spiffe_id, "seen", (json_int_t)p->seen_s,
			 "endpoints", endpoints);
}

const struct list_format peers_format = {
	.key = "peers",
	.n_max = STORE_PEERS_MAX,
	.entry_size = sizeof(struct store_peer),
	.decode = decode_peer,
	.encode = encode_peer,
};

int store_decode_peers(struct span text, struct store_peer ret[STORE_PEERS_MAX], size_t *ret_n,
		       struct store_error *ret_error)
{
	return list_decode(&peers_format, text, ret, ret_n, ret_error);
}

int store_load_peers(const struct store *s, struct store_peer ret[STORE_PEERS_MAX], size_t *ret_n,
		     struct store_error *ret_error)
{
	return list_load(s, STORE_PEERS, &peers_format, ret, ret_n, ret_error);
}

int store_save_peers(struct store *s, const struct store_peer *peers, size_t n,
		     struct store_error *ret_error)
{
	return list_save(s, STORE_PEERS, &peers_format, peers, n, ret_error);
}
