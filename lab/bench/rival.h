/* SPDX-License-Identifier: Apache-2.0 */
/* rival.h - another implementation in a process of its own, timed round by round beside ours. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RIVAL_VERSION_SIZE 80

struct rival;

enum rival_kind {
	RIVAL_ROOT, /* x0-lab-rival with the libcrypto of the system whose root directory this is */
	RIVAL_NODE, /* the Node.js program at this path, with the OpenSSL within it */
};

/* Starts it on this processor. NULL after having said on standard error why not: a root needs
 * the right to chroot(). */
struct rival *rival_start(enum rival_kind kind, const char *path);
const char *rival_version(const struct rival *r);
/* Nanoseconds an operation takes, over at least min_ns of them. -ENOENT where it does not have
 * it, -EIO where it failed. */
double rival_round_ns(struct rival *r, const char *operation, int64_t min_ns);
void rival_end(struct rival *r);
