/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h - who may do what: one question, asked wherever something is about to be allowed.
 *
 * Inside are ordered rules from the configuration. A matching "forbid" wins over every
 * "allow"; what no rule allows is denied. Immutable after construction; decisions allocate
 * nothing and take no lock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_RULES_MAX 1024
#define POLICY_PATTERN_SIZE 256

enum policy_action {
	POLICY_SESSION, /* a session is accepted from the principal */
	POLICY_PREFIX,	/* a prefix announced by it is accepted; resource is the prefix */
	POLICY_CONNECT, /* an inbound flow; resource is "proto:port", such as "tcp:443" */
	POLICY_PING,	/* an inbound echo request */
	POLICY_API,	/* an API or command action; resource is its name */
	POLICY_INVITE,	/* an invitation is made */
	POLICY_ISSUE,	/* an identity is issued; resource is its SPIFFE ID */
	POLICY_HEAL,	/* a healing action; resource is its name */
	POLICY_RELAY,	/* a packet is relayed for the principal */
	POLICY_ROUTE,	/* a flow to a network behind this node; resource is the prefix offered */
	POLICY_SURVEY,	/* this node tells the principal its links */
	POLICY_N_ACTIONS,
};

enum policy_effect {
	POLICY_DENY = 0,
	POLICY_ALLOW = 1,
};

/* One rule. Patterns: "*" matches any run of characters, everything else itself. Under "prefix"
 * and "route" the resource is a network instead (policy_names_network()): an allow matches what
 * lies inside it, a forbid all that has an address in common with it. */
struct policy_rule {
	enum policy_effect effect; /* POLICY_DENY is "forbid" */
	bool any_action;
	enum policy_action action;
	char from[POLICY_PATTERN_SIZE];	    /* SPIFFE ID, or "uid:0" on the local socket */
	char resource[POLICY_PATTERN_SIZE]; /* "*" for all */
	unsigned line;			    /* in the configuration, for the reason */
};

struct policy;

/* Copies the rules. -ENOBUFS beyond POLICY_RULES_MAX, -ENOMEM, -EINVAL for a rule with an
 * effect or action that does not exist, a pattern that does not end, or a resource that names no
 * network under an action that is about networks. */
int policy_new(const struct policy_rule *rules, size_t n, struct policy **ret);
void policy_free(struct policy *p);

#define POLICY_REASON_SIZE 160

struct policy_reason {
	unsigned rule; /* 1 for the first; 0 where none matched */
	unsigned line;
	char text[POLICY_REASON_SIZE]; /* "allowed by rule 2 (line 14)" */
};

/* principal: a SPIFFE ID or "uid:N"; resource: "" where there is none. ret_reason may be NULL. */
enum policy_effect policy_decide(const struct policy *p, const char *principal,
				 enum policy_action action, const char *resource,
				 struct policy_reason *ret_reason);

/* How long decisions took. All zeros is none yet. */
#define POLICY_N_BOUNDS 8
extern const uint64_t policy_bounds_ns[POLICY_N_BOUNDS];

struct policy_times {
	uint64_t n[POLICY_N_BOUNDS + 1]; /* at most so long; the last: beyond all bounds */
	uint64_t sum_ns;
};

/* A clock for measuring alone: nothing is decided by it. */
typedef uint64_t policy_stopwatch(void); /* ns */

/* The same decision, with its time added to times; without a stopwatch (NULL, as where time is
 * virtual) nothing is. */
enum policy_effect policy_decide_timed(const struct policy *p, const char *principal,
				       enum policy_action action, const char *resource,
				       struct policy_reason *ret_reason, policy_stopwatch *now_ns,
				       struct policy_times *times);
void policy_times_add(struct policy_times *to, const struct policy_times *more);

/* Whether the whole text matches. Linear in the two lengths, whatever they hold; for patterns
 * shorter than POLICY_PATTERN_SIZE, false for others. */
bool policy_pattern_matches(const char *pattern, const char *text);

/* Whether the resource of a question under this action is a prefix. */
bool policy_is_about_networks(enum policy_action action);

/* What a rule about networks may name: "192.168.0.0/16", "fd12::/48"; whole parts, "192.168.*" for
 * 192.168.0.0/16 and "2001:db8:*" for 2001:db8::/32; "0.0.0.0/0", "::/0" or both as "*" "/0" for
 * exits, not for what is inside; "*" for all. Anything else is no network: as a pattern of
 * characters it would match shorter prefixes than it seems to. */
#define POLICY_NETWORK_TEXT                                                                      \
	"a network with its length (192.168.0.0/16, fd12::/48), whole parts of one (192.168.*, " \
	"2001:db8:*), */0 for exits or * for all"
bool policy_names_network(const char *resource);

/* Whether the rule is about this, whoever asks. */
bool policy_rule_concerns(const struct policy_rule *rule, enum policy_action action,
			  const char *resource);

/* "session", "connect", ...; NULL beyond. The reverse returns -EINVAL for no action. */
const char *policy_action_name(enum policy_action action);
int policy_action_parse(const char *name, enum policy_action *ret);

/* Whether such a resource is ever asked about under this action: a question about another ("22"
 * for "tcp:22") has an answer, and a misleading one. What is allowed, for people. */
bool policy_resource_is_asked(enum policy_action action, const char *resource);
const char *policy_resource_text(enum policy_action action);
