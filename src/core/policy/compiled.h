/* SPDX-License-Identifier: Apache-2.0 */
/* compiled.h - what one principal may begin with this machine, as a bit for each port: the form in
 * which the kernel can decide. It says the same as policy_decide() for every resource that is ever
 * asked about under POLICY_CONNECT and POLICY_PING (a test asks for all of them). */
#pragma once

#include "core/policy/policy.h"

/* Patterns with a star that are neither "*" nor end with it right behind "tcp:" or the like: each
 * costs milliseconds to take apart. */
#define POLICY_COMPILED_PATTERNS_MAX 32

struct policy_ports {
	uint8_t tcp[8192]; /* bit p & 7 of byte p >> 3 */
	uint8_t udp[8192];
	uint8_t protocols[32]; /* "proto:N" */
	uint32_t icmp;	       /* connect "icmpv6" */
	uint32_t ping;	       /* ping */
};

struct policy_compiler;

/* Borrows the policy, which policy_compile() reads. -ENOMEM, -ENOBUFS: too many such patterns. */
int policy_compiler_new(const struct policy *p, struct policy_compiler **ret);
void policy_compiler_free(struct policy_compiler *c); /* the policy may be gone by then */
void policy_compile(const struct policy_compiler *c, const char *principal,
		    struct policy_ports *ret);
