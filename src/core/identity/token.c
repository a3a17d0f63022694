/* SPDX-License-Identifier: Apache-2.0 */
/* What the authority keeps of a join token, and how it judges a use of one. */
#include <assert.h>

#include "core/identity/identity.h"

void token_join_key(const struct crypto_ops *ops, const uint8_t secret[TOKEN_SECRET_LEN],
		    uint8_t ret[SHA256_LEN])
{
	uint8_t prk[SHA256_LEN];

	hkdf_extract(ops, SPAN_STR("x0 join 1"), SPAN(secret, TOKEN_SECRET_LEN), prk);
	hkdf_expand(ops, prk, SPAN_STR("mac"), ret, SHA256_LEN);
	bytes_wipe(prk, sizeof(prk));
}

static bool was_counted(const struct token_entry *entry, const uint8_t request[SHA256_LEN])
{
	for (size_t i = 0; i < entry->n_uses; i++)
		if (bytes_equal_ct(entry->uses[i], request, SHA256_LEN))
			return true;
	return false;
}

/* A repeat comes first: whose answer was lost asks again, be it after the last use or after
 * the expiry, and gets what was granted. */
enum token_verdict token_judge(const struct token_entry *entry, const uint8_t request[SHA256_LEN],
			       int64_t unix_s)
{
	if (!entry)
		return TOKEN_UNKNOWN;
	if (was_counted(entry, request))
		return TOKEN_REPEATED;
	if (unix_s >= entry->expires_s)
		return TOKEN_EXPIRED;
	if (entry->n_uses_left == 0 || entry->n_uses >= TOKEN_USES_MAX)
		return TOKEN_USED_UP;
	return TOKEN_OK;
}

void token_count(struct token_entry *entry, const uint8_t request[SHA256_LEN])
{
	assert(entry->n_uses_left > 0 && entry->n_uses < TOKEN_USES_MAX);
	memcpy(entry->uses[entry->n_uses++], request, SHA256_LEN);
	entry->n_uses_left--;
}

const char *token_verdict_text(enum token_verdict v)
{
	switch (v) {
	case TOKEN_OK:
		return "token is good";
	case TOKEN_REPEATED:
		return "token was used for this same request before";
	case TOKEN_UNKNOWN:
		return "token is unknown";
	case TOKEN_EXPIRED:
		return "token has expired";
	case TOKEN_USED_UP:
		return "token has been used up";
	}
	return "unknown verdict";
}
