/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as each of the three lists; the first byte chooses. */
#include "shell/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token_entry tokens[TOKENS_MAX];
	static struct store_peer peers[STORE_PEERS_MAX];
	static struct store_issued issued[STORE_ISSUED_MAX];
	struct store_error error;
	size_t n;

	if (size == 0)
		return 0;
	struct span text = SPAN(data + 1, size - 1);

	if (data[0] == 't')
		(void)store_decode_tokens(text, tokens, &n, &error);
	else if (data[0] == 'p')
		(void)store_decode_peers(text, peers, &n, &error);
	else
		(void)store_decode_issued(text, issued, &n, &error);
	return 0;
}
