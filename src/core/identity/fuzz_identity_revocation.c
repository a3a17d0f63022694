/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a revocation list under a signature that always verifies: what decodes encodes
 * to the same bytes, and covers each of its entries. */
#include <stdlib.h>

#include "core/identity/fake_ops.h"

#define LIST_MAX (32 + REVOKED_MAX * (SERIAL_LEN + 8))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int accept(const uint8_t pk[MLDSA65_PK_LEN], struct span message, struct span context,
		  const uint8_t sig[MLDSA65_SIG_LEN])
{
	(void)pk;
	(void)message;
	(void)context;
	(void)sig;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fake_cert root = {
		.magic = "fake",
		.cert = { .is_mldsa65 = true, .is_ca = true },
	};
	static uint8_t again[LIST_MAX];
	static uint8_t input[LIST_MAX + MLDSA65_SIG_LEN];
	struct crypto_ops ops = fake_ops;
	const struct span roots[] = { SPAN(&root, sizeof(root)) };
	struct revocation_list list = { 0 };

	if (size > LIST_MAX)
		return 0;
	if (size > 0)
		memcpy(input, data, size); /* the signature that follows may be anything */
	ops.mldsa65_verify = accept;
	if (revocation_decode(&ops, SPAN(input, size + MLDSA65_SIG_LEN), roots, 1, &list) == 0) {
		if (revocation_encode(&list, again, sizeof(again)) != (int)size ||
		    memcmp(again, data, size) != 0)
			abort();
		for (size_t i = 0; i < list.n; i++)
			if (!revocation_covers(&list, list.entries[i].node_id,
					       list.entries[i].serial))
				abort();
	}
	revocation_done(&list);
	return 0;
}
