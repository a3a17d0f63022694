/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request (RFC 9112, sections 2 to 6). */
#include "shell/http/head.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "shell/http/guard.h"

static int refuse(struct http_refusal *ret, unsigned status, const char *field, const char *detail)
{
	*ret = (struct http_refusal){ status, field, detail, "" };
	return -EPROTO;
}

/* ---- where it ends ---- */

static bool is_control(uint8_t c)
{
	return (c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f;
}

static int too_long(const struct head_scan *s, struct http_refusal *ret)
{
	if (s->line == s->begin)
		return refuse(ret, 414, "", "the path is too long: at most 512 bytes");
	return refuse(ret, 431, "", "the headers are too long: at most 8 KiB");
}

int head_scan(struct head_scan *s, struct span in, size_t *ret_len, struct http_refusal *ret_why)
{
	for (; s->at < in.len; s->at++) {
		uint8_t c = in.at[s->at];
		bool is_after_cr = s->at > s->line && in.at[s->at - 1] == '\r';
		bool is_empty = s->at == s->line + 1; /* should this end the line */

		if (s->at - s->begin >= HTTP_HEADERS_MAX)
			return too_long(s, ret_why);
		if (is_after_cr != (c == '\n') || is_control(c))
			return refuse(ret_why, 400, "",
				      "this is no HTTP: lines end in CR LF, and there are no "
				      "control characters in them");
		if (c != '\n')
			continue;
		if (is_empty && s->line > s->begin) {
			*ret_len = ++s->at;
			return 0;
		}
		if (is_empty && s->begin > 0)
			return refuse(ret_why, 400, "", "there is no request line");
		s->line = s->at + 1;
		if (is_empty)
			s->begin = s->line;
	}
	return -EAGAIN;
}

/* ---- what is in it ---- */

/* token (RFC 9110 5.6.2) */
static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum(s.at[i]) && (s.at[i] == 0 || !strchr("!#$%&'*+-.^_`|~", s.at[i])))
			return false;
	return s.len > 0;
}

/* What is before the next separator, which is skipped. False: there is none. */
static bool cut(struct span *rest, uint8_t separator, struct span *ret)
{
	const uint8_t *end = rest->len ? memchr(rest->at, separator, rest->len) : NULL;

	if (!end)
		return false;
	*ret = SPAN(rest->at, (size_t)(end - rest->at));
	*rest = SPAN(end + 1, rest->len - ret->len - 1);
	return true;
}

static bool next_line(struct span *rest, struct span *ret)
{
	if (!cut(rest, '\n', ret) || ret->len == 0 || ret->at[ret->len - 1] != '\r')
		return false;
	ret->len--;
	return true;
}

static bool is_target(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] <= 0x20 || s.at[i] >= 0x7f || s.at[i] == '#')
			return false;
	return s.len > 0;
}

/* method SP target SP HTTP/1.x (3) */
static int parse_request_line(struct span line, struct head *ret, struct http_refusal *why)
{
	static const char name[] = "HTTP/";
	const size_t n = sizeof(name) - 1;

	if (!cut(&line, ' ', &ret->method) || !cut(&line, ' ', &ret->target) ||
	    !is_token(ret->method) || !is_target(ret->target) || line.len != n + 3 ||
	    memcmp(line.at, name, n) != 0 || !isdigit(line.at[n]) || line.at[n + 1] != '.' ||
	    !isdigit(line.at[n + 2]))
		return refuse(why, 400, "", "the first line is no request of HTTP/1.1");
	if (line.at[n] != '1')
		return refuse(why, 505, "", "this is HTTP/1.1");
	ret->is_old = line.at[n + 2] == '0';
	return 0;
}

static struct span trim(struct span s)
{
	while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
		s = SPAN(s.at + 1, s.len - 1);
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Nothing between name and colon, and no line that goes on in the next (5.1, 5.2): what begins with
 * a space has no name that is a token. */
static int parse_field(struct span line, struct head *ret, struct http_refusal *why)
{
	struct span name;

	if (ret->n == HEAD_FIELDS_MAX)
		return refuse(why, 431, "", "too many headers: at most 64");
	if (!cut(&line, ':', &name) || !is_token(name))
		return refuse(why, 400, "", "a header is no name, colon and value in one line");
	ret->fields[ret->n].name = name;
	ret->fields[ret->n++].value = trim(line);
	return 0;
}

int head_parse(struct span in, struct head *ret, struct http_refusal *ret_why)
{
	struct span line;
	int r;

	ret->n = 0;
	if (!next_line(&in, &line))
		return refuse(ret_why, 400, "", "there is no request line");
	r = parse_request_line(line, ret, ret_why);
	while (r == 0 && next_line(&in, &line) && line.len > 0)
		r = parse_field(line, ret, ret_why);
	return r;
}

static bool is_named(struct span s, const char *name)
{
	return s.len == strlen(name) && strncasecmp((const char *)s.at, name, s.len) == 0;
}

unsigned head_find(const struct head *h, const char *name, struct span *ret)
{
	unsigned n = 0;

	for (size_t i = 0; i < h->n; i++) {
		if (!is_named(h->fields[i].name, name))
			continue;
		if (n++ == 0 && ret)
			*ret = h->fields[i].value;
	}
	return n;
}

int head_copy(const struct head *h, const char *name, char *ret, size_t size)
{
	const char *joint = "";
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < h->n; i++) {
		struct span value = h->fields[i].value;

		if (!is_named(h->fields[i].name, name))
			continue;
		if (strlen(joint) + value.len >= size - len)
			return -EMSGSIZE;
		memcpy(ret + len, joint, strlen(joint));
		len += strlen(joint);
		memcpy(ret + len, value.at, value.len);
		len += value.len;
		joint = ", ";
	}
	ret[len] = '\0';
	return guard_text_is_plain(SPAN(ret, len)) ? 0 : -EBADMSG;
}

bool head_has_member(const struct head *h, const char *name, const char *member)
{
	for (size_t i = 0; i < h->n; i++) {
		struct span rest = h->fields[i].value;
		struct span one;

		if (!is_named(h->fields[i].name, name))
			continue;
		while (cut(&rest, ',', &one))
			if (is_named(trim(one), member))
				return true;
		if (is_named(trim(rest), member))
			return true;
	}
	return false;
}

int head_body_len(const struct head *h, bool takes_body, size_t *ret, struct http_refusal *ret_why)
{
	unsigned n = head_find(h, "content-length", NULL);
	char text[24];
	size_t len = 0;
	int r;

	*ret = 0;
	if (head_find(h, "transfer-encoding", NULL) > 0)
		return refuse(ret_why, 501, "Transfer-Encoding",
			      "bodies are taken with Content-Length alone");
	if (head_find(h, "expect", NULL) > 0)
		return refuse(ret_why, 417, "Expect", "nothing can be expected before the body");
	if (n == 0)
		return takes_body ? refuse(ret_why, 411, "Content-Length",
					   "a body's length has to be told, be it 0")
				  : 0;
	r = n > 1 ? -EBADMSG : head_copy(h, "content-length", text, sizeof(text));
	if (r == 0)
		r = guard_content_length(text, HTTP_BODY_MAX, &len);
	if (r == -EMSGSIZE)
		return refuse(ret_why, 413, "Content-Length", "a body has at most 64 KiB");
	if (r < 0)
		return refuse(ret_why, 400, "Content-Length", "this is no single number");
	if (!takes_body && len > 0)
		return refuse(ret_why, 400, "Content-Length", "this method takes no body");
	*ret = len;
	return 0;
}

/* ---- the target ---- */

/* What is behind "scheme://", which is the same in any case (RFC 3986 3.1). */
static bool skip_scheme(struct span *s, const char *scheme)
{
	const size_t n = strlen(scheme);

	if (s->len < n + 3 || strncasecmp((const char *)s->at, scheme, n) != 0 ||
	    memcmp(s->at + n, "://", 3) != 0)
		return false;
	*s = SPAN(s->at + n + 3, s->len - n - 3);
	return true;
}

/* A target has no NUL in it. */
static size_t length_until(struct span s, const char *ends)
{
	size_t n = 0;

	while (n < s.len && !strchr(ends, s.at[n]))
		n++;
	return n;
}

void head_target(const struct head *h, const char *scheme, struct head_target *ret)
{
	struct span rest = h->target;
	size_t n = skip_scheme(&rest, scheme) ? length_until(rest, "/?") : 0;

	*ret = (struct head_target){ .authority = SPAN(rest.at, n), .path = SPAN_STR("/") };
	rest = n > 0 ? SPAN(rest.at + n, rest.len - n) : h->target;
	n = length_until(rest, "?");
	if (n > 0 || ret->authority.len == 0)
		ret->path = SPAN(rest.at, n);
	if (n < rest.len)
		ret->query = SPAN(rest.at + n + 1, rest.len - n - 1);
}

static int digit(uint8_t c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

int head_decode(struct span text, bool is_argument, char *ret, size_t size)
{
	bool is_name = is_argument;
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];

		if (len + 1 >= size)
			return -EMSGSIZE;
		if (c == '%') {
			int high = text.len - i > 2 ? digit(text.at[i + 1]) : -1;
			int low = text.len - i > 2 ? digit(text.at[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EBADMSG;
			c = (uint8_t)(high << 4 | low);
			if (is_argument ? c == '=' && is_name : c == '/')
				return -EBADMSG;
			i += 2;
		} else if (c == '=') {
			is_name = false;
		} else if (c == '+' && is_argument) {
			c = ' ';
		}
		ret[len++] = (char)c;
	}
	ret[len] = '\0';
	return guard_text_is_plain(SPAN(ret, len)) ? 0 : -EBADMSG;
}

bool head_path_climbs(const char *path)
{
	while (*path == '/') {
		size_t n = strcspn(++path, "/");

		if ((n == 1 || n == 2) && strspn(path, ".") >= n)
			return true;
		path += n;
	}
	return false;
}
