/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer: the head is judged, the request handed on, the answer made. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/units.h"
#include "shell/http/internal.h"

/* What a request borrows, in one piece of memory. */
struct texts {
	char path[HTTP_PATH_MAX + 1];
	char host[HTTP_HOST_MAX];
	char origin[HTTP_HOST_MAX];
	char authorization[HTTP_TOKEN_MAX];
	char content_type[128];
	char accept[HTTP_ACCEPT_MAX];
	char traceparent[128];
	char if_none_match[HTTP_CACHE_MAX];
	char accept_encoding[HTTP_CACHE_MAX];
	char args[HTTP_ARGS_MAX][HTTP_PATH_MAX + 1];
	const char *arg_list[HTTP_ARGS_MAX];
};

void request_forget(struct connection *c)
{
	heap_free_wiped(c->texts);
	heap_free_wiped(c->body);
	heap_free_wiped(c->answer);
	c->server->counters.answer_bytes -= c->answer_size;
	free(c->path);
	c->texts = NULL;
	c->body = c->answer = NULL;
	c->path = NULL;
	c->body_len = c->body_size = c->answer_size = c->answer_len = c->answer_sent = 0;
	c->closes = c->is_head = false;
	c->request = (struct http_request){ 0 };
}

static int refuse(struct http_refusal *ret, unsigned status, const char *field, const char *detail)
{
	*ret = (struct http_refusal){ status, field, detail, "" };
	return -EPROTO;
}

/* ---- the head ---- */

static int read_method(struct connection *c, const struct head *h, struct http_refusal *ret)
{
	static const struct {
		const char *name;
		enum http_method method;
		bool is_head;
	} known[] = {
		{ "GET", HTTP_GET, false },	  { "HEAD", HTTP_GET, true },
		{ "POST", HTTP_POST, false },	  { "PUT", HTTP_PUT, false },
		{ "DELETE", HTTP_DELETE, false },
	};

	for (size_t i = 0; i < N_ELEMENTS(known); i++) {
		if (h->method.len != strlen(known[i].name) ||
		    memcmp(h->method.at, known[i].name, h->method.len) != 0)
			continue;
		c->method = known[i].method;
		c->is_head = known[i].is_head;
		return 0;
	}
	return refuse(ret, 501, "", "this method is not known here");
}

static int read_path(struct texts *t, struct span path, struct http_refusal *ret)
{
	int r = head_decode(path, false, t->path, sizeof(t->path));

	if (r == -EMSGSIZE)
		return refuse(ret, 414, "", "the path is too long: at most 512 bytes");
	if (r < 0 || t->path[0] != '/' || head_path_climbs(t->path))
		return refuse(ret, 400, "",
			      "the path has to begin with /, be plain text, encode no / and go up "
			      "nowhere");
	return 0;
}

static int read_args(struct connection *c, struct texts *t, struct span query,
		     struct http_refusal *ret)
{
	size_t n = 0;

	while (query.len > 0) {
		const uint8_t *end = memchr(query.at, '&', query.len);
		struct span one = SPAN(query.at, end ? (size_t)(end - query.at) : query.len);
		int r;

		query = end ? SPAN(end + 1, query.len - one.len - 1) : SPAN(NULL, 0);
		if (one.len == 0)
			continue;
		if (n == HTTP_ARGS_MAX)
			return refuse(ret, 400, "query", "too many arguments: at most 16");
		r = head_decode(one, true, t->args[n], sizeof(t->args[n]));
		if (r == -EMSGSIZE)
			return refuse(ret, 414, "query", "an argument is too long");
		if (r < 0)
			return refuse(ret, 400, "query", "an argument is no plain text");
		t->arg_list[n] = t->args[n];
		n++;
	}
	c->request.args = t->arg_list;
	c->request.n_args = n;
	return 0;
}

/* What a browser says of the page that asks (Fetch Metadata Request Headers, 2.4): an image or a
 * form of a foreign page has no Origin. Programs send none; one that cannot be read is foreign. */
static bool is_foreign_page(const struct head *h)
{
	char site[24];

	if (head_find(h, "sec-fetch-site", NULL) == 0)
		return false;
	return head_copy(h, "sec-fetch-site", site, sizeof(site)) < 0 ||
	       (strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0);
}

/* Of a whole URL its authority goes before Host, which has to be there all the same (RFC 9112
 * 3.2.2). */
static int read_host(struct texts *t, const struct head *h, struct span authority,
		     struct http_refusal *ret)
{
	if (head_find(h, "host", NULL) != 1 || head_copy(h, "host", t->host, sizeof(t->host)) < 0 ||
	    t->host[0] == '\0')
		return refuse(ret, 400, "Host", "there has to be one Host header");
	if (authority.len == 0)
		return 0;
	if (authority.len >= sizeof(t->host))
		return refuse(ret, 421, "", "the URL names another machine");
	memcpy(t->host, authority.at, authority.len);
	t->host[authority.len] = '\0';
	return 0;
}

static int check_sender(struct connection *c, struct texts *t, const struct head *h,
			struct span authority, struct http_refusal *ret)
{
	struct http_server *s = c->server;
	int r = read_host(t, h, authority, ret);

	if (r < 0)
		return r;
	if (!guard_host_is_ours(t->host, &s->hosts))
		return refuse(ret, 421, "Host",
			      "this name is not this machine's: use 127.0.0.1, localhost, or the "
			      "node's own");
	if (head_copy(h, "origin", t->origin, sizeof(t->origin)) < 0 ||
	    !guard_origin_is_ours(t->origin, t->host))
		return refuse(ret, 403, "Origin", "pages from elsewhere may not ask");
	if (is_foreign_page(h))
		return refuse(ret, 403, "Sec-Fetch-Site", "pages from elsewhere may not ask");
	return 0;
}

static int check_rate(struct connection *c, struct http_refusal *ret)
{
	struct http_server *s = c->server;
	uint64_t now_us = loop_now_us();
	uint64_t wait_us = 0;
	bool may = true;

	if (!c->is_loopback)
		may = rate_take(s->by_address, SPAN(c->from.ip, 16), now_us, &wait_us);
	if (may && c->identity[0])
		may = rate_take(s->by_identity, SPAN(c->identity, strlen(c->identity)), now_us,
				&wait_us);
	if (may)
		return 0;
	s->counters.limited++;
	return refuse(ret, 429, "", "too many requests; wait a moment");
}

/* What cannot be read of these is no fault: then there is no wish, and no trace to be part of
 * (Trace Context, 4.3). */
static void read_wishes(struct connection *c, struct texts *t, const struct head *h)
{
	if (head_copy(h, "accept", t->accept, sizeof(t->accept)) < 0)
		t->accept[0] = '\0';
	if (head_copy(h, "if-none-match", t->if_none_match, sizeof(t->if_none_match)) < 0)
		t->if_none_match[0] = '\0';
	if (head_copy(h, "accept-encoding", t->accept_encoding, sizeof(t->accept_encoding)) < 0)
		t->accept_encoding[0] = '\0';
	if (head_copy(h, "traceparent", t->traceparent, sizeof(t->traceparent)) < 0)
		t->traceparent[0] = '\0';
	c->request.accept = t->accept;
	c->request.if_none_match = t->if_none_match;
	c->request.traceparent = t->traceparent;
	c->request.accepts_gzip = guard_accepts_gzip(t->accept_encoding);
}

static int read_texts(struct connection *c, struct texts *t, const struct head *h,
		      struct http_refusal *ret)
{
	if (head_copy(h, "authorization", t->authorization, sizeof(t->authorization)) < 0)
		return refuse(ret, 400, "Authorization",
			      "this header is too long or no plain text");
	if (head_copy(h, "content-type", t->content_type, sizeof(t->content_type)) < 0)
		return refuse(ret, 400, "Content-Type", "this header is too long or no plain text");
	c->request.authorization = t->authorization;
	c->request.content_type = t->content_type;
	return 0;
}

static int judge(struct connection *c, struct texts *t, const struct head *h,
		 struct http_refusal *ret)
{
	struct head_target target;
	int r = read_method(c, h, ret);

	head_target(h, c->tls ? "https" : "http", &target);
	if (r == 0)
		r = read_path(t, target.path, ret);
	if (r < 0)
		return r;
	c->path = strdup(t->path);
	if (!c->path)
		return refuse(ret, 503, "", "out of memory");
	r = head_body_len(h, c->method == HTTP_POST || c->method == HTTP_PUT, &c->body_size, ret);
	if (r == 0)
		r = check_sender(c, t, h, target.authority, ret);
	if (r == 0)
		r = check_rate(c, ret);
	if (r == 0)
		r = read_args(c, t, target.query, ret);
	if (r == 0)
		r = read_texts(c, t, h, ret);
	return r;
}

int request_begin(struct connection *c, const struct head *h, struct http_refusal *ret)
{
	struct texts *t = calloc(1, sizeof(*t));
	int r;

	c->closes = h->is_old || head_has_member(h, "connection", "close");
	if (!t)
		return refuse(ret, 503, "", "out of memory");
	c->texts = (char *)t;
	r = judge(c, t, h, ret);
	if (r < 0)
		return r;
	read_wishes(c, t, h);
	c->request.method = c->method;
	c->request.is_head = c->is_head;
	c->request.is_loopback = c->is_loopback;
	c->request.listener = c->listener;
	c->request.path = t->path;
	c->request.identity = c->identity;
	c->request.peer = c->peer;
	c->request.from = c->from;
	return 0;
}

int request_hand_on(struct connection *c)
{
	struct http_server *s = c->server;

	c->state = CONNECTION_WAITING;
	connection_deadline(c, HTTP_ANSWER_S);
	c->is_handed_on = true;
	c->request.body = SPAN(c->body, c->body_len);
	s->handlers.on_request(s->handlers.arg, c->number, &c->request);
	c->is_handed_on = false;
	return 0;
}

/* ---- the answer ---- */

static const char *reason_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} reasons[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" },
		{ 423, "Locked" },
		{ 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < N_ELEMENTS(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}

/* Nothing of us belongs into a frame or another site's page, nor into a cache that does not ask. */
#define HEADERS_FOR_BROWSERS                            \
	"Cross-Origin-Resource-Policy: same-origin\r\n" \
	"Referrer-Policy: no-referrer\r\n"              \
	"X-Content-Type-Options: nosniff\r\n"
#define POLICY_OF_DATA "default-src 'none'; frame-ancestors 'none'"

/* What a browser may keep, it may use once we have said that it is still so. */
static size_t write_caching(const struct http_response *r, char *ret, size_t size)
{
	int n;

	if (!r->etag)
		n = snprintf(ret, size, "Cache-Control: no-store\r\n");
	else
		n = snprintf(ret, size,
			     "Cache-Control: no-cache\r\nETag: %.80s\r\nVary: Accept-Encoding\r\n",
			     r->etag);
	return n > 0 ? (size_t)n : 0;
}

/* RFC 9110 15.4.5: 304 describes no body of its own. */
static size_t write_content(const struct http_response *r, char *ret, size_t size)
{
	int n;

	if (r->status == 304)
		return 0;
	n = snprintf(ret, size, "Content-Type: %.80s\r\nContent-Length: %zu\r\n%s%.20s%s",
		     r->content_type, r->body.len, r->content_encoding ? "Content-Encoding: " : "",
		     r->content_encoding ? r->content_encoding : "",
		     r->content_encoding ? "\r\n" : "");
	return n > 0 ? (size_t)n : 0;
}

static int write_head(struct connection *c, const struct http_response *r, char *ret, size_t size)
{
	char extra[640] = "";
	size_t n = write_content(r, extra, sizeof(extra));
	int len;

	n += write_caching(r, extra + n, sizeof(extra) - n);

	if (r->allow)
		n += (size_t)snprintf(extra + n, sizeof(extra) - n, "Allow: %.60s\r\n", r->allow);
	if (r->retry_after_s)
		n += (size_t)snprintf(extra + n, sizeof(extra) - n, "Retry-After: %u\r\n",
				      r->retry_after_s);
	if (r->traceresponse)
		n += (size_t)snprintf(extra + n, sizeof(extra) - n, "traceresponse: %.60s\r\n",
				      r->traceresponse);
	if (r->status == 426) /* RFC 9110 15.5.22, RFC 6455 4.4 */
		n += (size_t)snprintf(extra + n, sizeof(extra) - n,
				      "Connection: Upgrade\r\nUpgrade: websocket\r\n"
				      "Sec-WebSocket-Version: 13\r\n");
	if (r->asks_for_token)
		(void)snprintf(extra + n, sizeof(extra) - n,
			       "WWW-Authenticate: Bearer realm=\"x0\"\r\n");
	len = snprintf(ret, size,
		       "HTTP/1.1 %u %s\r\n%sContent-Security-Policy: %.400s\r\n"
		       "%s" HEADERS_FOR_BROWSERS "\r\n",
		       r->status, reason_of(r->status), extra,
		       r->security_policy ? r->security_policy : POLICY_OF_DATA,
		       c->closes ? "Connection: close\r\n" : "");
	return len < 0 || (size_t)len >= size ? -EMSGSIZE : len;
}

static void count_refused(struct http_server *s, unsigned status)
{
	if (status >= 400 && status < 600)
		s->counters.refused[status / 100]++;
}

static int queue_answer(struct connection *c, const struct http_response *r)
{
	size_t body_len = c->is_head ? 0 : r->body.len;
	size_t size = ANSWER_HEAD_MAX + body_len;
	uint8_t *answer = malloc(size);
	int head;

	if (!answer)
		return -ENOMEM;
	head = write_head(c, r, (char *)answer, ANSWER_HEAD_MAX);
	if (head < 0) {
		free(answer);
		return head;
	}
	if (body_len > 0)
		memcpy(answer + head, r->body.at, body_len);
	c->answer = answer;
	c->answer_size = size;
	c->server->counters.answer_bytes += size;
	c->answer_len = (size_t)head + body_len;
	c->answer_sent = 0;
	c->status = r->status;
	c->state = CONNECTION_ANSWERING;
	count_refused(c->server, r->status);
	connection_deadline(c, HTTP_ANSWER_S);
	if (c->is_handed_on)
		return 0; /* who hands it on writes it */
	return loop_fd_set_events(c->watch, LOOP_WRITABLE);
}

/* A change may have been made by then: who asked for it is told so. */
static int refuse_full(struct connection *c, const struct http_response *r)
{
	struct http_server *s = c->server;
	const struct http_refusal full = {
		.status = 503,
		.field = "",
		.detail = c->method == HTTP_GET
				  ? "too many answers wait to be read; again in a second"
				  : "too many answers wait to be read, so this one is left out; "
				    "what was asked for may have been done",
		.code = "busy",
	};
	char body[REFUSAL_MAX];
	const struct http_response response = {
		.status = full.status,
		.content_type = "application/problem+json",
		.body = SPAN(body,
			     s->handlers.on_refused(s->handlers.arg, &full, body, sizeof(body))),
		.retry_after_s = 1,
		.traceresponse = r->traceresponse,
	};

	s->counters.answers_refused++;
	return queue_answer(c, &response);
}

/* Who does not read cannot make us keep more than this of all, and a small answer each. */
int request_answer(struct connection *c, const struct http_response *r)
{
	struct http_server *s = c->server;
	size_t body_len = c->is_head ? 0 : r->body.len;

	if (body_len > HTTP_SMALL_ANSWER &&
	    s->counters.answer_bytes + ANSWER_HEAD_MAX + body_len > s->limits.answer_bytes)
		return refuse_full(c, r);
	return queue_answer(c, r);
}

void request_answered(struct connection *c, unsigned status)
{
	struct http_server *s = c->server;

	s->handlers.on_answered(s->handlers.arg, c->number, c->method, c->path ? c->path : "",
				status, loop_now_us() - c->began_us);
	request_forget(c);
}

/* Where the head is at fault nothing behind it can be trusted to be the next request; and what was
 * refused before its body was read ends with it. */
int request_refuse(struct connection *c, const struct http_refusal *r)
{
	struct http_server *s = c->server;
	char body[REFUSAL_MAX];
	struct http_response response = {
		.status = r->status,
		.content_type = "application/problem+json",
		.retry_after_s = r->status == 429 || r->status == 503,
		.asks_for_token = r->status == 401, /* RFC 9110 15.5.2: it has to say of what */
	};

	response.body = SPAN(body, s->handlers.on_refused(s->handlers.arg, r, body, sizeof(body)));
	c->closes = c->closes || r->status != 429 || c->body_size > 0;
	return request_answer(c, &response);
}

int http_respond(struct http_server *s, uint64_t request, const struct http_response *r)
{
	struct connection *c = connection_of(s, request);

	if (!c || c->state != CONNECTION_WAITING)
		return -ENOENT;
	return request_answer(c, r);
}
