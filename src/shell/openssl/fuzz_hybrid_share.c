/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzing of what a TLS peer sends in a hybrid group. The first byte chooses the group and the
 * side: a client share is taken and answered, a server share is decapsulated with a key of ours. */
#include <assert.h>

#include <openssl/err.h>

#include "shell/openssl/x0pq_hybrid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pq_provider provider;

static void client_share(const struct hybrid_group *g, const uint8_t *at, size_t len)
{
	CLEANUP(hybrid_key_unrefp) struct hybrid_key *k = hybrid_key_new(&provider, g);
	uint8_t share[HYBRID_SHARE_MAX];
	uint8_t secret[HYBRID_SECRET_MAX];

	if (k && hybrid_key_set_share(k, at, len))
		assert(hybrid_encapsulate(k, share, secret));
}

static void server_share(unsigned i, const uint8_t *at, size_t len)
{
	static struct hybrid_key *keys[HYBRID_N_GROUPS];
	uint8_t secret[HYBRID_SECRET_MAX];

	if (!keys[i]) {
		keys[i] = hybrid_key_new(&provider, &hybrid_groups[i]);
		assert(keys[i] && hybrid_key_generate(keys[i]));
	}
	(void)hybrid_decapsulate(keys[i], at, len, secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned i;

	if (size == 0)
		return 0;
	provider.libctx = library()->ctx;
	i = data[0] % HYBRID_N_GROUPS;
	if (data[0] & 0x80)
		server_share(i, data + 1, size - 1);
	else
		client_share(&hybrid_groups[i], data + 1, size - 1);
	ERR_clear_error();
	return 0;
}
