/* SPDX-License-Identifier: Apache-2.0 */
/* certificate.h - what the certificate files of this room share. Not for other rooms. */
#pragma once

#include <openssl/x509.h>

#include "shell/openssl/library.h"

DEFINE_FREEP(X509, X509_free)
DEFINE_FREEP(X509_REQ, X509_REQ_free)

/* One certificate in DER and nothing behind it; NULL otherwise. */
X509 *certificate_parse(struct span der);
/* The same, perhaps an object that this thread has used before: not to be changed. */
X509 *certificate_shared(struct span der);

/* Is it the signature algorithm that keys of this kind use here: ML-DSA-65 with its
 * parameters absent, or ecdsa-with-SHA256? */
bool signature_is(const X509_ALGOR *algorithm, enum key_kind kind);
