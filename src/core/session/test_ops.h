/* SPDX-License-Identifier: Apache-2.0 */
/* test_ops.h - a table of toy cryptography for this room's tests: deterministic, quick, worth
 * nothing outside them. Its AEAD aborts when one key seals twice under one nonce. */
#pragma once

#include "base/rng.h"
#include "core/crypto/crypto.h"

extern const struct crypto_ops test_ops;

/* Forgets which (key, nonce) pairs were seen: for a test that begins anew with the same keys. */
void test_ops_forget_nonces(void);
unsigned test_ops_aeads(void); /* how many are live */

/* Bytes out of a struct rng. */
struct entropy test_entropy(struct rng *rng);
