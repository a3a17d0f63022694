/* SPDX-License-Identifier: Apache-2.0 */
/* x0pq.h - our OpenSSL provider: ML-KEM and ML-DSA of pqc/ for libraries before 3.5, which
 * have neither. It speaks the interface and the parameter names of OpenSSL 3.5, so callers
 * are the same on both. Loaded in process by OSSL_PROVIDER_add_builtin(), never as a module
 * file: the code below uses the loading process's own libcrypto. */
#pragma once

#include <openssl/core.h>

#define X0PQ_NAME "x0pq"

OSSL_provider_init_fn x0pq_provider_init;
