/* SPDX-License-Identifier: Apache-2.0 */
/* hint.h - the next command that a message names is one for this node: it has the user's --config.
 */
#pragma once

/* A copy of the text in which each command "x0 VERB" has "--config FILE" behind its verb; not those
 * that are for another machine, nor those of verbs that take none. verb: of the command that says
 * it. NULL without memory; the caller frees it. */
char *hint_with_config(const char *text, const char *verb, const char *config);
