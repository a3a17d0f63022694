/* SPDX-License-Identifier: Apache-2.0 */
/* dashboard.h - the files of the dashboard, as they were built into the program.
 *
 * What they are made of is the folder dashboard/ of the source tree; dashboard_files.c is made by
 * dashboard/bundle.py when the program is built. */
#pragma once

#include "base/bytes.h"

#define DASHBOARD_PAGE "index.html"
/* What its page may do: load its own files and ask this daemon, nothing else. */
#define DASHBOARD_POLICY                                                                \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
	"img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"

struct dashboard_file {
	const char *name; /* "app.js" */
	const char *content_type;
	const char *etag; /* weak: W/"..." (RFC 9110 8.8.3) */
	struct span plain;
	struct span gzip; /* the same (RFC 1952); empty where it would not be shorter */
};

/* NULL: there is none of this name. */
const struct dashboard_file *dashboard_find(const char *name);
/* A sentence where this program was built without the dashboard; else NULL. */
const char *dashboard_why_off(void);

/* Made when the program is built. */
extern const struct dashboard_file dashboard_files[];
extern const size_t dashboard_n_files;
extern const char *const dashboard_why;
