/* SPDX-License-Identifier: Apache-2.0 */
/* head.h - where the head of a request ends and what is in it (RFC 9112), strictly: whatever
 * another reader of the same bytes could take for something else is refused. Pure. Inside the room
 * only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "shell/http/http.h"

#define HEAD_FIELDS_MAX 64 /* header lines; a browser sends about 20 */

/* How far the search for the end of a head has come. All zeros where none has begun. */
struct head_scan {
	size_t at;    /* what has been looked at */
	size_t begin; /* of the request line: an empty line before it is read over (2.2) */
	size_t line;  /* begin of the line in hand */
};

/* in begins where it did in the calls before, and has grown. 0: the head is in[s->begin] to
 * in[*ret_len - 1]. -EAGAIN: it goes on. -EPROTO and the refusal: it never will be one, by a NUL or
 * another control character, CR or LF alone (2.2), or HTTP_HEADERS_MAX. */
int head_scan(struct head_scan *s, struct span in, size_t *ret_len, struct http_refusal *ret_why);

/* A head taken apart. Borrows the bytes it was made of. */
struct head {
	struct span method, target;
	bool is_old; /* HTTP/1.0: the connection ends after it */
	size_t n;
	struct {
		struct span name, value; /* the value without spaces around it */
	} fields[HEAD_FIELDS_MAX];
};

/* What head_scan() found, whole. -EPROTO and the refusal. */
int head_parse(struct span in, struct head *ret, struct http_refusal *ret_why);

/* How many fields have this name (in any case); the value of the first in ret, which may be NULL.
 */
unsigned head_find(const struct head *h, const char *name, struct span *ret);
/* A field as text; where there are several, all of them joined by commas (RFC 9110 5.3), which for
 * what must come once is no valid value any more. "" for none. -EMSGSIZE, -EBADMSG: no plain text.
 */
int head_copy(const struct head *h, const char *name, char *ret, size_t size);
/* Whether a list ("a, B") has this member, in any case. */
bool head_has_member(const struct head *h, const char *name, const char *member);

/* Length of the body (6.3). -EPROTO and the refusal: Transfer-Encoding, anything but one
 * Content-Length of digits, none where takes_body, or one where not. */
int head_body_len(const struct head *h, bool takes_body, size_t *ret, struct http_refusal *ret_why);

/* What a target is made of (3.2): its path, the query behind the '?', and the authority of a whole
 * URL, which goes before Host (3.2.2); empty for none. A URL of another scheme than this one
 * ("http", "https"), or without an authority, is left whole as the path, which it is not. */
struct head_target {
	struct span authority, path, query;
};

void head_target(const struct head *h, const char *scheme, struct head_target *ret);

/* Percent-decodes a path or, with '+' for a space, an argument of a query. -EMSGSIZE; -EBADMSG for
 * a '%' without two digits, for what is no plain text then, for an encoded '=' in a name, and for
 * an encoded '/' in a path: that is no separator (RFC 3986 2.2), and would be one to who routes. */
int head_decode(struct span text, bool is_argument, char *ret, size_t size);
/* Whether a decoded path has "." or ".." between its slashes. */
bool head_path_climbs(const char *path);
