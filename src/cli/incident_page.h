/* SPDX-License-Identifier: Apache-2.0 */
/* incident_page.h - an incident as a picture and as a page that needs nothing else: no script, no
 * request to anywhere. What others may have named is escaped, and what would steer a reader's eye
 * (control characters, changes of direction) becomes a question mark. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define INCIDENT_VERTICES_MAX 64 /* of a graph that is drawn; the daemon's have 24 */

/* The graph of causes as SVG 1.1, the symptom at the top. is_inside: of a page, else a file of its
 * own. -EINVAL: it is no graph, or a larger one. */
int incident_svg(FILE *to, const json_t *graph, bool is_inside);
/* The whole page; ledger as incident.ledger answers, NULL where it is not known. */
void incident_html(FILE *to, const json_t *incident, const json_t *ledger);
/* Into text or a quoted attribute of HTML and XML. */
void incident_escape(FILE *to, const char *text);
