/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h - locked, fenced memory behind base/secret.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"

#define SECRET_PLACES 24
#define SECRET_PLACE_LEN 8192	    /* an ML-DSA-87 key with its seed fits */
#define SECRET_LARGE_MAX 16	    /* mappings for what is longer, at once */
#define SECRET_LARGE_LEN (4U << 20) /* the longest of them */

/* From here on secret_alloc() gives such memory. At the start of a program, before it has
 * threads; calling it again does nothing. -ENOMEM, and then everything stays as it was. */
int secret_open(void);

struct secret_description {
	size_t n_held;	     /* secrets there are now */
	size_t locked_bytes; /* so far; places stay locked */
	size_t unlocked_bytes;
	char why[128]; /* mlock() failed for unlocked_bytes, with the limit; "" where it did not */
};

void secret_describe(struct secret_description *ret);

/* ---- passphrases ---- */

#define PASSPHRASE_MIN 8 /* of a new one */
#define PASSPHRASE_MAX 1024
#define SECRET_WHY_SIZE 512

/* Text in secret_alloc(), with a NUL behind it. All zeros is none. */
struct passphrase {
	char *at;
	size_t len;
};

void passphrase_done(struct passphrase *p);
/* The first line of a file, without its end; "-" is standard input. -EPERM for a file that others
 * may read, -EINVAL for one whose line is empty or too long, or what the system says; ret_why gets
 * a sentence for people. */
int passphrase_read(const char *path, struct passphrase *ret, char ret_why[SECRET_WHY_SIZE]);
