/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets (RFC 6455): text both ways, a message at a time, pulled as the reader takes them. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "shell/http/internal.h"

/* Sixteen bytes in base64 (RFC 6455 4.1). */
static bool is_key(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return strspn(text, digits) == 22 && strcmp(text + 22, "==") == 0;
}

int socket_confirm(struct connection *c, const struct head *h, struct http_refusal *ret)
{
	struct http_server *s = c->server;
	char version[4];

	*ret = (struct http_refusal){ 426, "Upgrade", "this may be upgraded to websocket alone",
				      "" };
	if (!head_has_member(h, "upgrade", "websocket") || c->method != HTTP_GET || c->is_head ||
	    h->is_old)
		return -EPROTO;
	*ret = (struct http_refusal){ 426, "Sec-WebSocket-Version", "this is version 13", "" };
	if (head_copy(h, "sec-websocket-version", version, sizeof(version)) < 0 ||
	    strcmp(version, "13") != 0)
		return -EPROTO;
	*ret = (struct http_refusal){ 400, "Sec-WebSocket-Key", "this is no key of a WebSocket",
				      "" };
	if (head_copy(h, "sec-websocket-key", c->key, sizeof(c->key)) < 0 || !is_key(c->key))
		return -EPROTO;
	if (!s->handlers.on_open(s->handlers.arg, c->number, &c->request, ret))
		return -EPROTO;
	c->state = CONNECTION_UPGRADING;
	s->counters.sockets++;
	return 0;
}

/* The library sees a head of our own making, with nothing in it of the client but the key. */
void socket_hand_over(struct connection *c)
{
	char head[256];
	int len = snprintf(head, sizeof(head),
			   "GET / HTTP/1.1\r\nHost: x0\r\nUpgrade: websocket\r\n"
			   "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			   "Sec-WebSocket-Key: %s\r\n\r\n",
			   c->key);
	int fd = c->fd;

	c->state = CONNECTION_SOCKET;
	connection_unwatch(c);
	if (c->tls && gate_new(c, &fd) < 0) {
		connection_free(c);
		return;
	}
	c->fd = -1;
	connection_adopt(c, fd, SPAN(head, (size_t)len));
}

void socket_opened(struct connection *c)
{
	struct http_server *s = c->server;

	request_answered(c, 101);
	(void)s->lws->lws_callback_on_writable(c->wsi);
}

/* The library writes its own with this kind, which its public header only speaks of. */
#define WRITE_CLOSE ((enum lws_write_protocol)4)
#define CLOSE_REASON_MAX 123 /* a control frame has 125 bytes, two of them the code */

/* Where something was received. */
static int close_with(struct connection *c, unsigned code, const char *reason)
{
	unsigned char text[CLOSE_REASON_MAX + 1] = "";
	size_t len = strnlen(reason, CLOSE_REASON_MAX);

	memcpy(text, reason, len);
	c->server->counters.sockets_dropped++;
	c->server->lws->lws_close_reason(c->wsi, (enum lws_close_status)code, text, len);
	return -1;
}

/* Where it is asked what to write, the library closes and leaves out the reason it was told: so
 * the frame is written here (RFC 6455 5.5.1). */
static int write_close(struct connection *c, unsigned code, const char *reason)
{
	struct http_server *s = c->server;
	uint8_t *at = s->frame + LWS_PRE;
	size_t len = strnlen(reason, CLOSE_REASON_MAX);

	at[0] = (uint8_t)(code >> 8);
	at[1] = (uint8_t)code;
	memcpy(at + 2, reason, len);
	s->counters.sockets_dropped++;
	(void)s->lws->lws_write(c->wsi, at, 2 + len, WRITE_CLOSE);
	return -1;
}

int socket_writable(struct connection *c)
{
	struct http_server *s = c->server;
	struct http_message *m = s->message;

	m->len = 0;
	m->close = 0;
	s->handlers.on_ready(s->handlers.arg, c->number, m);
	if (m->close) {
		m->text[m->len < sizeof(m->text) ? m->len : sizeof(m->text) - 1] = '\0';
		return write_close(c, m->close, m->text);
	}
	if (m->len == 0)
		return 0;
	memcpy(s->frame + LWS_PRE, m->text, m->len);
	if (s->lws->lws_write(c->wsi, s->frame + LWS_PRE, m->len, LWS_WRITE_TEXT) < 0)
		return -1;
	(void)s->lws->lws_callback_on_writable(c->wsi);
	return 0;
}

/* A member's WebSockets and those of one address share a bucket. This machine's have one each, so
 * that none of its users closes another's by sending much. */
static bool may_send(const struct connection *c)
{
	struct span key = SPAN(&c->number, sizeof(c->number));
	uint64_t wait_us;

	if (c->identity[0])
		key = SPAN(c->identity, strlen(c->identity));
	else if (!c->is_loopback)
		key = SPAN(c->from.ip, sizeof(c->from.ip));
	return rate_take(c->server->messages, key, loop_now_us(), &wait_us);
}

int socket_receive(struct connection *c, struct span bytes)
{
	struct http_server *s = c->server;
	const char *reason = "this message is not allowed";
	char text[64];

	if (!may_send(c)) {
		(void)snprintf(text, sizeof(text), "too many messages: at most %d a second",
			       HTTP_MESSAGES);
		return close_with(c, LWS_CLOSE_STATUS_POLICY_VIOLATION, text);
	}
	if (s->lws->lws_frame_is_binary(c->wsi))
		return close_with(c, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "text only");
	if (!s->lws->lws_is_first_fragment(c->wsi) || !s->lws->lws_is_final_fragment(c->wsi))
		return close_with(c, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
				  "a message is one frame of at most 4096 bytes");
	if (s->handlers.on_message(s->handlers.arg, c->number, bytes, &reason))
		return 0;
	return close_with(c, LWS_CLOSE_STATUS_POLICY_VIOLATION, reason);
}

void socket_closed(struct connection *c)
{
	c->server->counters.sockets--;
	c->server->handlers.on_closed(c->server->handlers.arg, c->number);
}
