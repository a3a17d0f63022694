/* SPDX-License-Identifier: Apache-2.0 */
/* rules.h - the two kinds of list whose entries are sections: peers and policy rules. Inside
 * the room only. */
#pragma once

#include "shell/config/tree.h"

/* t is a list of at most as many entries as the table allows. -EINVAL: reported; -ENOMEM. */
int peers_set(struct config *c, const struct tree *t, struct config_report *report);
int rules_set(struct config *c, const struct tree *t, struct config_report *report);

void peer_print(const struct config_peer *p, FILE *to);
void rule_print(const struct policy_rule *r, FILE *to);

/* A DNS name or address, with or without a port; an IPv6 address in brackets. */
bool hostport_is_valid(const char *text);
void print_quoted(const char *s, FILE *to); /* a string in JSON, and so in YAML */
