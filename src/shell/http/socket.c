/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets (RFC 6455): text both ways, a message at a time, pulled as the reader takes them. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "shell/http/internal.h"

/* The library asks before it answers 101. More than 0: refused, by an answer of ours. */
int socket_confirm(struct connection *c, const char *to)
{
	struct http_server *s = c->server;
	struct http_refusal refusal = { 426, "Upgrade", "this may be upgraded to websocket alone" };
	const char *detail = "";

	if (request_read_head(c, &refusal) == 0) {
		refusal = (struct http_refusal){ 426, "Upgrade",
						 "this may be upgraded to websocket alone" };
		if (to && strcmp(to, "websocket") == 0 && c->method == HTTP_GET && !c->is_head) {
			unsigned status = s->handlers.on_open(s->handlers.arg, c->number,
							      &c->request, &detail);

			if (status == 0) {
				c->state = CONNECTION_SOCKET;
				s->counters.sockets++;
				return 0;
			}
			refusal = (struct http_refusal){ status, "", detail };
		}
	}
	/* It wants to be answered before we return. */
	if (request_refuse(c, &refusal) < 0)
		return -1;
	(void)s->lws->lws_write(c->wsi, c->answer + LWS_PRE, c->answer_len, LWS_WRITE_HTTP_FINAL);
	s->handlers.on_answered(s->handlers.arg, c->method, c->path ? c->path : "", c->status,
				loop_now_us() - c->began_us);
	request_forget(c);
	c->state = CONNECTION_IDLE;
	return -1;
}

void socket_opened(struct connection *c)
{
	struct http_server *s = c->server;

	s->handlers.on_answered(s->handlers.arg, HTTP_GET, c->path ? c->path : "", 101,
				loop_now_us() - c->began_us);
	request_forget(c);
	(void)s->lws->lws_callback_on_writable(c->wsi);
}

static int close_with(struct connection *c, unsigned code, const char *reason)
{
	unsigned char text[124] = "";
	size_t len = strnlen(reason, sizeof(text) - 1);

	memcpy(text, reason, len);
	c->server->counters.sockets_dropped++;
	c->server->lws->lws_close_reason(c->wsi, (enum lws_close_status)code, text, len);
	return -1;
}

int socket_writable(struct connection *c)
{
	struct http_server *s = c->server;
	struct http_message *m = s->message;

	m->len = 0;
	m->close = 0;
	if (c->dropped)
		return close_with(c, c->close_code, c->dropped);
	s->handlers.on_ready(s->handlers.arg, c->number, m);
	if (m->close) {
		m->text[m->len < sizeof(m->text) ? m->len : sizeof(m->text) - 1] = '\0';
		return close_with(c, m->close, m->text);
	}
	if (m->len == 0)
		return 0;
	memcpy(s->frame + LWS_PRE, m->text, m->len);
	if (s->lws->lws_write(c->wsi, s->frame + LWS_PRE, m->len, LWS_WRITE_TEXT) < 0)
		return -1;
	(void)s->lws->lws_callback_on_writable(c->wsi);
	return 0;
}

int socket_receive(struct connection *c, struct span bytes)
{
	struct http_server *s = c->server;
	const char *reason = "this message is not allowed";

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
