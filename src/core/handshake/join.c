/* SPDX-License-Identifier: Apache-2.0 */
/* The join block, and the mac that proves a join answer. */
#include <errno.h>

#include "core/handshake/handshake.h"
#include "core/handshake/schedule.h"

int join_block_decode(struct span bytes, struct join_block *ret)
{
	struct reader r = reader_of(bytes);
	struct join_block j = { .token_id = read_bytes(&r, TOKEN_ID_LEN) };

	j.csr_mldsa = read_span(&r, read_u16(&r));
	j.csr_p256 = read_span(&r, read_u16(&r));
	if (r.overrun || r.left > 0 || bytes.len > HS_JOIN_LEN_MAX || j.csr_mldsa.len == 0 ||
	    j.csr_p256.len == 0)
		return -EBADMSG;
	*ret = j;
	return 0;
}

int join_block_encode(const struct join_block *j, uint8_t *ret, size_t ret_size)
{
	struct writer w = writer_of(ret, ret_size < HS_JOIN_LEN_MAX ? ret_size : HS_JOIN_LEN_MAX);

	if (j->csr_mldsa.len == 0 || j->csr_p256.len == 0 || j->csr_mldsa.len > UINT16_MAX ||
	    j->csr_p256.len > UINT16_MAX)
		return -ENOBUFS;
	write_bytes(&w, j->token_id, TOKEN_ID_LEN);
	write_u16(&w, (uint16_t)j->csr_mldsa.len);
	write_span(&w, j->csr_mldsa);
	write_u16(&w, (uint16_t)j->csr_p256.len);
	write_span(&w, j->csr_p256);
	return w.overrun ? -ENOBUFS : (int)w.len;
}

void join_accept_mac(const struct crypto_ops *ops, const uint8_t join_key[SHA256_LEN],
		     const uint8_t t_i[SHA256_LEN], struct span answer, uint8_t ret[SHA256_LEN])
{
	uint8_t hash[SHA256_LEN];
	const struct span parts[] = { SPAN_STR0("x0 join accept"), SPAN(t_i, SHA256_LEN),
				      SPAN_OF(hash) };

	ops->sha256(&answer, 1, hash);
	ops->hmac_sha256(SPAN(join_key, SHA256_LEN), parts, 3, ret);
}
