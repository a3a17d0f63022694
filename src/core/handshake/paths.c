/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of datagrams as bytes: to key tables, to bind cookies, to count limits. */
#include "core/handshake/internal.h"

#define TAG_IPV4 4
#define TAG_IPV6 6
#define TAG_MESH 0xff

size_t path_source(const struct hs_path *path, uint8_t ret[SOURCE_MAX])
{
	struct writer w = writer_of(ret, SOURCE_MAX);
	bool is_ipv4 = !path->is_mesh && endpoint_is_ipv4(&path->remote);

	if (path->is_mesh) {
		write_u8(&w, TAG_MESH);
		write_u64(&w, path->node_id);
		return w.len;
	}
	write_u8(&w, is_ipv4 ? TAG_IPV4 : TAG_IPV6);
	write_bytes(&w, path->remote.ip + (is_ipv4 ? 12 : 0), is_ipv4 ? 4 : 16);
	write_u16(&w, path->remote.port);
	return w.len;
}

void path_key_of(const struct hs_path *path, struct path_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	(void)path_source(path, ret->bytes);
	if (!path->is_mesh)
		store_u32(ret->bytes + PATH_KEY_LEN - 4, path->remote.scope);
}

size_t path_prefix(const struct hs_path *path, uint8_t ret[SOURCE_PREFIX_MAX])
{
	struct writer w = writer_of(ret, SOURCE_PREFIX_MAX);

	if (path->is_mesh) {
		write_u8(&w, TAG_MESH);
		write_u64(&w, path->via);
	} else if (endpoint_is_ipv4(&path->remote)) {
		write_u8(&w, TAG_IPV4);
		write_bytes(&w, path->remote.ip + 12, 3);
	} else {
		write_u8(&w, TAG_IPV6);
		write_bytes(&w, path->remote.ip, 7);
	}
	return w.len;
}

static size_t cut(uint8_t ret[SOURCE_MAX], size_t len)
{
	memset(ret + len, 0, SOURCE_MAX - len);
	return len;
}

size_t path_host(const struct hs_path *path, uint8_t ret[SOURCE_MAX])
{
	size_t n = path_source(path, ret);

	return cut(ret, path->is_mesh ? n : n - 2);
}

size_t path_network(const struct hs_path *path, uint8_t ret[SOURCE_MAX])
{
	size_t n = path_host(path, ret);

	return ret[0] == TAG_IPV6 ? cut(ret, 9) : n;
}

void path_names_of(const struct hs_path *path, struct path_names *ret)
{
	ret->source.of[RATE_HOST] = SPAN(ret->host, path_host(path, ret->host));
	ret->source.of[RATE_NETWORK] = SPAN(ret->network, path_network(path, ret->network));
	ret->source.of[RATE_PREFIX] = SPAN(ret->prefix, path_prefix(path, ret->prefix));
}

size_t path_body_size(const struct hs_path *path)
{
	return path->is_mesh ? WIRE_HS_BODY_MESH : WIRE_HS_BODY_LINK;
}
