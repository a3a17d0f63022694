/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate chain as bytes: n 1 | n * (length 2 | DER). */
#include <errno.h>

#include "core/identity/identity.h"

int chain_decode(struct span bytes, struct span ret[CHAIN_CERTS_MAX], size_t *ret_n)
{
	struct reader r = reader_of(bytes);
	struct span chain[CHAIN_CERTS_MAX];
	size_t n = read_u8(&r);
	size_t total = 0;

	if (n == 0 || n > CHAIN_CERTS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		chain[i] = read_span(&r, read_u16(&r));
		total += chain[i].len;
		if (r.overrun || chain[i].len == 0)
			return -EBADMSG;
	}
	if (r.left > 0 || total > CHAIN_LEN_MAX)
		return -EBADMSG;
	memcpy(ret, chain, n * sizeof(chain[0]));
	*ret_n = n;
	return 0;
}

int chain_encode(const struct span *chain, size_t n, uint8_t *ret, size_t ret_size)
{
	struct writer w = writer_of(ret, ret_size);
	size_t total = 0;

	if (n == 0 || n > CHAIN_CERTS_MAX)
		return -EINVAL;
	write_u8(&w, (uint8_t)n);
	for (size_t i = 0; i < n; i++) {
		total += chain[i].len;
		if (chain[i].len == 0 || total > CHAIN_LEN_MAX)
			return -EINVAL;
		write_u16(&w, (uint16_t)chain[i].len);
		write_span(&w, chain[i]);
	}
	return w.overrun ? -ENOBUFS : (int)w.len;
}

void chain_hash(const struct crypto_ops *ops, const struct span *chain, size_t n,
		uint8_t ret[SHA256_LEN])
{
	ops->sha256(chain, n, ret);
}
