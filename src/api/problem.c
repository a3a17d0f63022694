/* SPDX-License-Identifier: Apache-2.0 */
/* Problem details (RFC 9457). */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/cleanup.h"

static const struct {
	const char *code;
	unsigned status;
} codes[] = {
	{ "denied", 403 },	  { "usage", 422 },	    { "not_found", 404 },
	{ "not_authority", 409 }, { "locked", 423 },	    { "no_endpoint", 409 },
	{ "invalid", 422 },	  { "busy", 503 },	    { "no_answer", 504 },
	{ "too_long", 500 },	  { "bad_request", 400 },   { "failed", 500 },
	{ "passphrase", 403 },	  { "not_accepted", 409 },  { "not_permitted", 409 },
	{ "not_kept", 500 },	  { "no_passphrase", 409 }, { "unknown_verb", 404 },
};

unsigned api_status_of(const char *code)
{
	for (size_t i = 0; i < N_ELEMENTS(codes); i++)
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].status;
	return 500;
}

/* What stands in a text may be from outside and no UTF-8: then it is left out. */
static json_t *text(const char *t)
{
	json_t *j = json_string(t);

	return j ? j : json_string("(not UTF-8)");
}

size_t api_problem_json(const struct api_problem *p, char *ret, size_t size)
{
	/* "about:blank" says that the status is all of its type; code is ours, for programs. */
	json_t *j =
		json_pack("{s:s, s:i, s:s, s:o}", "type", "about:blank", "status", (int)p->status,
			  "code", p->code ? p->code : "failed", "detail", text(p->detail));
	size_t len;

	if (j && p->field[0])
		(void)json_object_set_new(j, "errors",
					  json_pack("[{s:o, s:o}]", "field", text(p->field),
						    "detail", text(p->detail)));
	len = j ? json_dumpb(j, ret, size, JSON_COMPACT) : 0;
	json_decref(j);
	if (len > 0 && len <= size)
		return len;
	len = (size_t)snprintf(ret, size, "{\"type\":\"about:blank\",\"status\":%u}", p->status);
	return len < size ? len : size - 1;
}
