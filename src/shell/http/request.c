/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer: the head is judged, the body collected, the answer written as the
 * client takes it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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
	char content_length[24];
	char args[HTTP_ARGS_MAX][HTTP_PATH_MAX + 1];
	const char *arg_list[HTTP_ARGS_MAX];
};

void request_forget(struct connection *c)
{
	heap_free_wiped(c->texts);
	heap_free_wiped(c->body);
	heap_free_wiped(c->answer);
	free(c->path);
	c->texts = NULL;
	c->body = c->answer = NULL;
	c->path = NULL;
	c->body_len = c->body_size = c->answer_len = c->answer_sent = 0;
	c->closes = c->is_head = false;
	c->request = (struct http_request){ 0 };
}

static int refuse(struct http_refusal *ret, unsigned status, const char *field, const char *detail)
{
	*ret = (struct http_refusal){ status, field, detail };
	return -EPROTO;
}

/* ---- the head ---- */

/* One header into a text. Where it came twice the library joins them: what must come once is then
 * no valid value any more. -EMSGSIZE. */
static int copy_header(struct connection *c, enum lws_token_indexes h, char *ret, size_t size)
{
	const struct library *lws = c->server->lws;
	int len = lws->lws_hdr_total_length(c->wsi, h);

	ret[0] = '\0';
	if (len <= 0)
		return 0;
	if ((size_t)len >= size || lws->lws_hdr_copy(c->wsi, ret, (int)size, h) < 0)
		return -EMSGSIZE;
	return guard_text_is_plain(SPAN(ret, strlen(ret))) && strlen(ret) == (size_t)len ? 0
											 : -EBADMSG;
}

static bool has_header(struct connection *c, enum lws_token_indexes h)
{
	return c->server->lws->lws_hdr_fragment_length(c->wsi, h, 0) > 0 ||
	       c->server->lws->lws_hdr_total_length(c->wsi, h) > 0;
}

static int read_method(struct connection *c, struct texts *t, struct http_refusal *ret)
{
	char *uri = NULL;
	int len = 0;

	switch (c->server->lws->lws_http_get_uri_and_method(c->wsi, &uri, &len)) {
	case LWSHUMETH_HEAD:
		c->is_head = true;
		c->method = HTTP_GET;
		break;
	case LWSHUMETH_GET:
		c->method = HTTP_GET;
		break;
	case LWSHUMETH_POST:
		c->method = HTTP_POST;
		break;
	case LWSHUMETH_PUT:
		c->method = HTTP_PUT;
		break;
	case LWSHUMETH_DELETE:
		c->method = HTTP_DELETE;
		break;
	default:
		return refuse(ret, 501, "", "this method is not known here");
	}
	if (len < 0 || (size_t)len > HTTP_PATH_MAX)
		return refuse(ret, 414, "", "the path is too long: at most 512 bytes");
	memcpy(t->path, uri, (size_t)len);
	t->path[len] = '\0';
	if (t->path[0] != '/' || strlen(t->path) != (size_t)len ||
	    !guard_text_is_plain(SPAN(t->path, (size_t)len)))
		return refuse(ret, 400, "", "the path has to begin with / and be plain text");
	return 0;
}

static int read_args(struct connection *c, struct texts *t, struct http_refusal *ret)
{
	const struct library *lws = c->server->lws;
	size_t n = 0;
	int len;

	while ((len = lws->lws_hdr_fragment_length(c->wsi, WSI_TOKEN_HTTP_URI_ARGS, (int)n)) > 0) {
		if (n == HTTP_ARGS_MAX)
			return refuse(ret, 400, "query", "too many arguments: at most 16");
		if (len > HTTP_PATH_MAX ||
		    lws->lws_hdr_copy_fragment(c->wsi, t->args[n], sizeof(t->args[n]),
					       WSI_TOKEN_HTTP_URI_ARGS, (int)n) < 0)
			return refuse(ret, 414, "query", "an argument is too long");
		if (strlen(t->args[n]) != (size_t)len ||
		    !guard_text_is_plain(SPAN(t->args[n], (size_t)len)))
			return refuse(ret, 400, "query", "an argument is no plain text");
		t->arg_list[n] = t->args[n];
		n++;
	}
	c->request.args = t->arg_list;
	c->request.n_args = n;
	return 0;
}

static int check_sender(struct connection *c, struct texts *t, struct http_refusal *ret)
{
	struct http_server *s = c->server;
	int r = copy_header(c, WSI_TOKEN_HOST, t->host, sizeof(t->host));

	if (r < 0 || t->host[0] == '\0')
		return refuse(ret, 400, "Host", "there has to be one Host header");
	if (!guard_host_is_ours(t->host, &s->hosts))
		return refuse(ret, 421, "Host",
			      "this name is not this machine's: use 127.0.0.1, localhost, or the "
			      "node's own");
	if (copy_header(c, WSI_TOKEN_ORIGIN, t->origin, sizeof(t->origin)) < 0 ||
	    !guard_origin_is_ours(t->origin, t->host))
		return refuse(ret, 403, "Origin", "pages from elsewhere may not ask");
	return 0;
}

static int check_framing(struct connection *c, struct texts *t, struct http_refusal *ret)
{
	bool takes_body = c->method == HTTP_POST || c->method == HTTP_PUT;
	bool has_length = has_header(c, WSI_TOKEN_HTTP_CONTENT_LENGTH);
	size_t length = 0;
	int r;

	if (has_header(c, WSI_TOKEN_HTTP_TRANSFER_ENCODING))
		return refuse(ret, 501, "Transfer-Encoding",
			      "bodies are taken with Content-Length alone");
	if (has_header(c, WSI_TOKEN_HTTP_EXPECT))
		return refuse(ret, 417, "Expect", "nothing can be expected before the body");
	if (!has_length)
		return takes_body ? refuse(ret, 411, "Content-Length",
					   "a body's length has to be told, be it 0")
				  : 0;
	r = copy_header(c, WSI_TOKEN_HTTP_CONTENT_LENGTH, t->content_length,
			sizeof(t->content_length));
	if (r == 0)
		r = guard_content_length(t->content_length, HTTP_BODY_MAX, &length);
	if (r == -EMSGSIZE)
		return refuse(ret, 413, "Content-Length", "a body has at most 64 KiB");
	if (r < 0)
		return refuse(ret, 400, "Content-Length", "this is no single number");
	if (!takes_body && length > 0)
		return refuse(ret, 400, "Content-Length", "this method takes no body");
	c->body_size = length;
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

int request_read_head(struct connection *c, struct http_refusal *ret)
{
	struct texts *t = calloc(1, sizeof(*t));
	int r;

	request_forget(c);
	connection_renumber(c);
	c->began_us = loop_now_us();
	if (!t)
		return refuse(ret, 503, "", "out of memory");
	c->texts = (char *)t;
	r = read_method(c, t, ret);
	if (r < 0)
		return r;
	c->path = strdup(t->path);
	if (!c->path)
		return refuse(ret, 503, "", "out of memory");
	r = check_framing(c, t, ret);
	if (r == 0)
		r = check_sender(c, t, ret);
	if (r == 0)
		r = check_rate(c, ret);
	if (r == 0)
		r = read_args(c, t, ret);
	if (r == 0 && (copy_header(c, WSI_TOKEN_HTTP_AUTHORIZATION, t->authorization,
				   sizeof(t->authorization)) < 0))
		r = refuse(ret, 400, "Authorization", "this header is too long or no plain text");
	if (r == 0 && copy_header(c, WSI_TOKEN_HTTP_CONTENT_TYPE, t->content_type,
				  sizeof(t->content_type)) < 0)
		r = refuse(ret, 400, "Content-Type", "this header is too long or no plain text");
	c->request.method = c->method;
	c->request.is_head = c->is_head;
	c->request.is_loopback = c->is_loopback;
	c->request.listener = c->listener;
	c->request.path = t->path;
	c->request.authorization = t->authorization;
	c->request.content_type = t->content_type;
	c->request.identity = c->identity;
	c->request.from = c->from;
	return r;
}

/* ---- the body ---- */

static int hand_on(struct connection *c)
{
	struct http_server *s = c->server;

	c->state = CONNECTION_WAITING;
	server_look_later(s);
	c->request.body = SPAN(c->body, c->body_len);
	s->lws->lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_ANSWER_S);
	s->handlers.on_request(s->handlers.arg, c->number, &c->request);
	return 0;
}

int request_begin(struct connection *c)
{
	struct http_refusal refusal;

	if (request_read_head(c, &refusal) < 0)
		return request_refuse(c, &refusal);
	if (c->body_size == 0)
		return hand_on(c);
	c->body = malloc(c->body_size);
	if (!c->body)
		return request_refuse(c, &(struct http_refusal){ 503, "", "out of memory" });
	c->state = CONNECTION_BODY;
	c->server->lws->lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_BODY_S);
	return 0;
}

int request_body(struct connection *c, struct span bytes)
{
	if (c->state != CONNECTION_BODY)
		return 0; /* refused already: it goes nowhere */
	if (bytes.len > c->body_size - c->body_len)
		return -1;
	memcpy(c->body + c->body_len, bytes.at, bytes.len);
	c->body_len += bytes.len;
	return 0;
}

int request_complete(struct connection *c)
{
	return c->state == CONNECTION_BODY ? hand_on(c) : 0;
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
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < N_ELEMENTS(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Error";
}

/* Nothing of us belongs into a frame, a cache or another site's page. */
#define HEADERS_FOR_BROWSERS                                                      \
	"Cache-Control: no-store\r\n"                                             \
	"Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n" \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                           \
	"Referrer-Policy: no-referrer\r\n"                                        \
	"X-Content-Type-Options: nosniff\r\n"

static int write_head(struct connection *c, const struct http_response *r, char *ret, size_t size)
{
	char extra[256] = "";
	size_t n = 0;
	int len;

	if (r->allow)
		n += (size_t)snprintf(extra + n, sizeof(extra) - n, "Allow: %.60s\r\n", r->allow);
	if (r->retry_after_s)
		n += (size_t)snprintf(extra + n, sizeof(extra) - n, "Retry-After: %u\r\n",
				      r->retry_after_s);
	if (r->asks_for_token)
		(void)snprintf(extra + n, sizeof(extra) - n,
			       "WWW-Authenticate: Bearer realm=\"x0\"\r\n");
	len = snprintf(ret, size,
		       "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
		       "%s" HEADERS_FOR_BROWSERS "\r\n",
		       r->status, reason_of(r->status), r->content_type, r->body.len, extra,
		       c->closes ? "Connection: close\r\n" : "");
	return len < 0 || (size_t)len >= size ? -EMSGSIZE : len;
}

int request_answer(struct connection *c, const struct http_response *r)
{
	struct http_server *s = c->server;
	uint8_t *answer = malloc(LWS_PRE + ANSWER_HEAD_MAX + r->body.len);
	int head;

	if (!answer)
		return -ENOMEM;
	head = write_head(c, r, (char *)answer + LWS_PRE, ANSWER_HEAD_MAX);
	if (head < 0) {
		free(answer);
		return head;
	}
	c->answer = answer;
	c->answer_len = (size_t)head;
	if (!c->is_head && r->body.len > 0) {
		memcpy(answer + LWS_PRE + head, r->body.at, r->body.len);
		c->answer_len += r->body.len;
	}
	c->answer_sent = 0;
	c->status = r->status;
	c->state = CONNECTION_ANSWERING;
	if (r->status >= 400 && r->status < 600)
		s->counters.refused[r->status / 100]++;
	s->lws->lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, HTTP_ANSWER_S);
	(void)s->lws->lws_callback_on_writable(c->wsi);
	return 0;
}

/* Where the head is at fault nothing behind it can be trusted to be the next request. */
int request_refuse(struct connection *c, const struct http_refusal *r)
{
	struct http_server *s = c->server;
	char body[REFUSAL_MAX];
	struct http_response response = {
		.status = r->status,
		.content_type = "application/problem+json",
		.retry_after_s = r->status == 429 || r->status == 503,
	};

	response.body = SPAN(body, s->handlers.on_refused(s->handlers.arg, r, body, sizeof(body)));
	c->closes = r->status != 429;
	return request_answer(c, &response) < 0 ? -1 : 0;
}

int http_respond(struct http_server *s, uint64_t request, const struct http_response *r)
{
	struct connection *c = connection_of(s, request);

	if (!c || c->state != CONNECTION_WAITING)
		return -ENOENT;
	return request_answer(c, r);
}

/* What the client has sent beyond what was read: closing with that unread would reset the
 * connection, and the answer might be lost with it. No more than a body and a head could have been.
 */
static void read_over(struct connection *c)
{
	int fd = c->server->lws->lws_get_socket_fd(c->wsi);
	uint8_t bytes[4096];

	for (size_t n = 0; n < 2 * (size_t)HTTP_BODY_MAX; n += sizeof(bytes))
		if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			return;
}

int request_writable(struct connection *c)
{
	struct http_server *s = c->server;
	size_t left = c->answer_len - c->answer_sent;
	size_t n = left < ANSWER_CHUNK ? left : ANSWER_CHUNK;
	bool is_last = n == left;
	bool closes = c->closes;

	if (c->state != CONNECTION_ANSWERING)
		return 0;
	if (s->lws->lws_write(c->wsi, c->answer + LWS_PRE + c->answer_sent, n,
			      is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
		return -1;
	c->answer_sent += n;
	if (!is_last) {
		(void)s->lws->lws_callback_on_writable(c->wsi);
		return 0;
	}
	s->handlers.on_answered(s->handlers.arg, c->method, c->path ? c->path : "", c->status,
				loop_now_us() - c->began_us);
	request_forget(c);
	c->state = CONNECTION_IDLE;
	if (closes) {
		read_over(c);
		return -1;
	}
	return s->lws->lws_http_transaction_completed(c->wsi) ? -1 : 0;
}
