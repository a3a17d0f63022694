/* SPDX-License-Identifier: Apache-2.0 */
/* checked_ops.h - a table of crypto_ops that does what another does and checks that no nonce is
 * sealed with twice under one key, over everything that uses it, and that no key seals later than
 * 170 s or opens later than 180 s after it was made (docs/session.md, Timers). Certificates it has
 * read and paths it has verified it remembers (both are functions of their inputs alone): a
 * simulation meets the same few thousands of times. */
#pragma once

#include "core/crypto/crypto.h"

/* base is borrowed until the process ends. One table a process. */
const struct crypto_ops *checked_ops(const struct crypto_ops *base);
/* Forgets all keys seen (between runs). */
void checked_ops_reset(void);
uint64_t checked_ops_seals(void);
/* Nonces used twice; must stay 0. */
uint64_t checked_ops_reuses(void);
/* The true time, from now on. */
void checked_ops_time(uint64_t now_us);
/* Uses of keys that were too old; must stay 0. */
uint64_t checked_ops_too_old(void);
