/* SPDX-License-Identifier: Apache-2.0 */
/* SPIFFE IDs as text, and the node id and overlay address that follow from one.
 *
 * Stricter than the SPIFFE-ID standard (sections 2.1 and 2.2) where it leaves room: a path is
 * "/node/" and one name in lower case, so that one identity has one spelling. */
#include <errno.h>
#include <stdio.h>

#include "core/identity/identity.h"

#define SCHEME "spiffe://"
#define PATH "/node/"
#define OVERLAY_PREFIX_BYTE 0xfd /* unique local addresses, locally assigned (RFC 4193) */
#define OVERLAY_DOMAIN_LEN 5
#define OVERLAY_ID_OFFSET 8

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool has_valid_characters(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_alphanumeric(text[i]) && text[i] != '.' && text[i] != '-' && text[i] != '_')
			return false;
	return true;
}

bool domain_is_valid(const char *domain)
{
	size_t len = strnlen(domain, DOMAIN_MAX + 1);

	return len >= 1 && len <= DOMAIN_MAX && has_valid_characters(domain, len);
}

bool node_name_is_valid(const char *name)
{
	size_t len = strnlen(name, NODE_NAME_MAX + 1);

	return len >= 1 && len <= NODE_NAME_MAX && has_valid_characters(name, len) &&
	       is_alphanumeric(name[0]) && is_alphanumeric(name[len - 1]);
}

int spiffe_id_format(const char *domain, const char *name, char ret[SPIFFE_ID_SIZE])
{
	if (!domain_is_valid(domain) || !node_name_is_valid(name))
		return -EINVAL;
	(void)snprintf(ret, SPIFFE_ID_SIZE, SCHEME "%s" PATH "%s", domain, name);
	return 0;
}

int spiffe_id_parse(const char *text, char ret_domain[DOMAIN_MAX + 1],
		    char ret_name[NODE_NAME_MAX + 1])
{
	char domain[DOMAIN_MAX + 1];
	const char *slash;
	const char *name;
	size_t len;

	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return -EINVAL;
	text += strlen(SCHEME);
	slash = strchr(text, '/');
	if (!slash || strncmp(slash, PATH, strlen(PATH)) != 0)
		return -EINVAL;
	len = (size_t)(slash - text);
	name = slash + strlen(PATH);
	if (len > DOMAIN_MAX)
		return -EINVAL;
	memcpy(domain, text, len);
	domain[len] = '\0';
	if (!domain_is_valid(domain) || !node_name_is_valid(name))
		return -EINVAL;
	memcpy(ret_domain, domain, len + 1);
	memcpy(ret_name, name, strlen(name) + 1);
	return 0;
}

static void hash_text(const struct crypto_ops *ops, const char *text, uint8_t ret[SHA256_LEN])
{
	const struct span part = SPAN(text, strlen(text));

	ops->sha256(&part, 1, ret);
}

uint64_t node_id_of(const struct crypto_ops *ops, const char *spiffe_id)
{
	uint8_t hash[SHA256_LEN];

	hash_text(ops, spiffe_id, hash);
	return load_u64(hash);
}

void overlay_address_of(const struct crypto_ops *ops, const char *domain, uint64_t node_id,
			uint8_t ret[OVERLAY_ADDRESS_LEN])
{
	uint8_t hash[SHA256_LEN];

	hash_text(ops, domain, hash);
	memset(ret, 0, OVERLAY_ADDRESS_LEN);
	ret[0] = OVERLAY_PREFIX_BYTE;
	memcpy(ret + 1, hash, OVERLAY_DOMAIN_LEN);
	store_u64(ret + OVERLAY_ID_OFFSET, node_id);
}

bool overlay_address_parse(const struct crypto_ops *ops, const char *domain,
			   const uint8_t address[OVERLAY_ADDRESS_LEN], uint64_t *ret_node_id)
{
	uint64_t node_id = load_u64(address + OVERLAY_ID_OFFSET);
	uint8_t expected[OVERLAY_ADDRESS_LEN];

	overlay_address_of(ops, domain, node_id, expected);
	if (node_id == 0 || memcmp(address, expected, OVERLAY_ADDRESS_LEN) != 0)
		return false;
	*ret_node_id = node_id;
	return true;
}
