/* SPDX-License-Identifier: Apache-2.0 */
/* api.h - one description of everything the daemon can be asked: by HTTP and on the control socket.
 *
 * A row says method, path, arguments and who may. From it come the routing of requests, the check
 * of their arguments, the OpenAPI document, and the verbs of the control socket; handlers are found
 * by the verb. Nothing in this room opens, waits or knows the time. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define API_VERSION "1.0.0"
#define API_PATH_MAX 96
#define API_BODY_DEPTH_MAX 8
#define API_FIELD_MAX 64

enum api_kind {
	API_TEXT,  /* of printable ASCII, so that its bytes are its characters */
	API_WORDS, /* of any characters: each may be four bytes */
	API_INTEGER,
	API_BOOLEAN,
	API_TEXTS, /* a list of texts */
};

enum api_place {
	API_IN_PATH,
	API_IN_QUERY,
	API_IN_BODY,
	API_IN_CONTROL, /* of the control socket alone */
};

struct api_field {
	const char *name;
	enum api_kind kind;
	enum api_place place;
	bool is_required;
	int64_t min, max; /* of an integer; of the characters of a text; of the number of texts */
	const char *help;
};

enum api_flag {
	API_CHANGES = 1, /* something: a token or an identity that the policy allows */
	API_OWN = 2,	 /* the API answers it itself, without asking the node */
	API_OPEN = 4,	 /* whoever can connect may know it: whether we live */
	API_VIEW = 8,	 /* the same for all who ask at one time: may be kept for a moment */
	API_PAGE = 16,	 /* a file of the dashboard: for browsers, and in no document */
};

struct api_operation {
	const char *verb;   /* on the control socket, and as resource of the policy's action api */
	const char *method; /* NULL: on the control socket alone */
	const char *path;   /* "/api/v1/nodes/{name}" */
	const char *tag;
	const char *summary; /* one line; ends without a full stop */
	const char *result;  /* what the answer is: "object", "array", "text" */
	unsigned flags;
	const struct api_field *fields;
	size_t n_fields;
};

/* NULL behind the last. */
const struct api_operation *api_operation_at(size_t i);
size_t api_n_operations(void);
/* By what it is called on the control socket; NULL. */
const struct api_operation *api_find_verb(const char *verb);

/* What is wrong with a request (RFC 9457), or how it failed. */
struct api_problem {
	unsigned status;
	const char *code;	   /* for programs: "unknown_field" */
	char field[API_FIELD_MAX]; /* which one is at fault; "" for none */
	char detail[320];
};

/* The row for a request. NULL: 404, or 405 and in ret_allow which methods there are. */
const struct api_operation *api_match(const char *method, const char *path, char ret_allow[64],
				      struct api_problem *ret_problem);

/* The arguments of a request that api_match() found the row of, checked: an object, the caller's to
 * free. content_type is looked at where there is a body. NULL and the problem. */
json_t *api_arguments(const struct api_operation *o, const char *path, const char *const *query,
		      size_t n_query, const char *content_type, struct span body,
		      struct api_problem *ret_problem);

/* The types of what came on the control socket; the handlers check the rest themselves, since they
 * know which command to name. */
bool api_check_control(const struct api_operation *o, const json_t *args,
		       struct api_problem *ret_problem);

/* application/problem+json. Returns the length; cut sensibly where size is short, at least 256. */
size_t api_problem_json(const struct api_problem *p, char *ret, size_t size);
/* The status for an error code of the handlers ("denied", "usage", ...). */
unsigned api_status_of(const char *code);

/* The OpenAPI 3.1 document of all rows with a path. */
json_t *api_openapi(const char *version);
