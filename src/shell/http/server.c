/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and their places; the library on our loop: its context and its callbacks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "shell/http/internal.h"

#define SLOT_BITS 16

_Static_assert(HTTP_CONNECTIONS_MAX < 1 << SLOT_BITS, "a slot fits its bits of a number");

static const char *const methods[HTTP_N_METHODS] = {
	[HTTP_GET] = "GET",
	[HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",
	[HTTP_DELETE] = "DELETE",
};

const char *http_method_name(enum http_method m)
{
	return m < HTTP_N_METHODS ? methods[m] : "";
}

/* ---- connections ---- */

static struct address *address_take(struct http_server *s, const struct endpoint *from)
{
	struct address *a = map_get(s->addresses, from->ip);

	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return NULL;
		memcpy(a->ip, from->ip, sizeof(a->ip));
		if (map_put(s->addresses, a->ip, a) < 0) {
			free(a);
			return NULL;
		}
	}
	a->n++;
	return a;
}

static void address_give_back(struct http_server *s, struct address *a)
{
	if (--a->n > 0)
		return;
	(void)map_remove(s->addresses, a->ip);
	free(a);
}

static bool is_loopback(const struct endpoint *e)
{
	static const uint8_t six[16] = { [15] = 1 };

	return (endpoint_is_ipv4(e) && e->ip[12] == 127) || memcmp(e->ip, six, sizeof(six)) == 0;
}

void connection_renumber(struct connection *c)
{
	c->number = c->server->next_number++ << SLOT_BITS | (c->number & ((1 << SLOT_BITS) - 1));
}

struct connection *connection_of(struct http_server *s, uint64_t number)
{
	size_t slot = number & ((1 << SLOT_BITS) - 1);
	struct connection *c = slot < s->limits.connections ? s->slots[slot] : NULL;

	return c && c->number == number ? c : NULL;
}

/* NULL where the address has too many, or there is no place or memory. */
struct connection *connection_new(struct http_server *s, const struct endpoint *from,
				  unsigned listener)
{
	CLEANUP_FREE struct connection *c = NULL;
	const struct address *known = map_get(s->addresses, from->ip);
	struct connection *ret;

	if (s->n_free == 0 || (!is_loopback(from) && known && known->n >= s->limits.per_address))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct connection){
		.server = s,
		.from = *from,
		.is_loopback = is_loopback(from),
		.listener = listener,
		.fd = -1,
		.number = s->free_slots[s->n_free - 1],
		.address = address_take(s, from),
	};
	if (!c->address)
		return NULL;
	ret = c;
	s->slots[s->free_slots[--s->n_free]] = TAKE(c);
	connection_renumber(ret);
	s->counters.connections++;
	return ret;
}

void server_free_place(struct http_server *s, uint16_t slot, struct address *a)
{
	s->free_slots[s->n_free++] = slot;
	s->counters.connections--;
	address_give_back(s, a);
}

void connection_free(struct connection *c)
{
	struct http_server *s = c->server;
	uint16_t slot = (uint16_t)(c->number & ((1 << SLOT_BITS) - 1));

	if (c->state == CONNECTION_WAITING)
		s->handlers.on_gone(s->handlers.arg, c->number);
	if (c->state == CONNECTION_ANSWERING) /* not all of it was read: it is one all the same */
		request_answered(c, c->status);
	if (c->state == CONNECTION_SOCKET)
		socket_closed(c);
	request_forget(c);
	connection_close(c);
	free(c->peer);
	if (s->adopted == c)
		s->adopted = NULL;
	s->slots[slot] = NULL;
	if (c->gate)
		gate_detach(c->gate, slot, c->address);
	else
		server_free_place(s, slot, c->address);
	free(c);
}

/* It reads the head before it returns, so that its callbacks find the connection here. */
void connection_adopt(struct connection *c, int fd, struct span head)
{
	struct http_server *s = c->server;
	struct lws *wsi;

	s->adopted = c;
	wsi = s->lws->lws_adopt_socket_vhost_readbuf(s->vhost, fd, (const char *)head.at, head.len);
	if (s->adopted == c && !c->wsi) {
		c->wsi = wsi;
		if (wsi)
			s->lws->lws_set_opaque_user_data(wsi, c);
		else
			connection_free(c); /* the library has closed it and told nobody */
	}
	s->adopted = NULL;
}

/* ---- the library's callbacks ---- */

static struct connection *connection_of_library(struct lws *wsi)
{
	const struct library *lws = library_load(NULL, 0); /* it is loaded by now */
	struct connection *c = lws->lws_get_opaque_user_data(wsi);
	struct http_server *s = lws->lws_context_user(lws->lws_get_context(wsi));

	if (c || !s->adopted || s->adopted->wsi)
		return c;
	c = s->adopted;
	c->wsi = wsi;
	lws->lws_set_opaque_user_data(wsi, c);
	return c;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t len)
{
	struct connection *c;

	(void)user;
	switch ((int)reason) {
	case LWS_CALLBACK_HTTP:
		return -1; /* it is given WebSockets alone */
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_WSI_DESTROY:
		break;
	default:
		return 0;
	}
	c = connection_of_library(wsi);
	if (!c)
		return 0;
	switch ((int)reason) {
	case LWS_CALLBACK_ESTABLISHED:
		socket_opened(c);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return socket_writable(c);
	case LWS_CALLBACK_RECEIVE:
		return socket_receive(c, SPAN(in, len));
	default: /* LWS_CALLBACK_WSI_DESTROY */
		c->wsi = NULL;
		connection_free(c);
		return 0;
	}
}

/* ---- descriptors ---- */

static void on_look(void *arg, uint64_t now_us)
{
	struct http_server *s = arg;

	(void)now_us;
	for (unsigned i = 0; i < HTTP_LISTENERS_MAX; i++)
		listen_again(&s->listeners[i]);
}

void server_look_later(struct http_server *s)
{
	loop_timer_arm(s->look, loop_now_us() + MS(HTTP_LOOK_MS));
}

/* ---- the whole ---- */

static const lws_retry_bo_t liveness = {
	.secs_since_valid_ping = HTTP_PING_S,
	.secs_since_valid_hangup = HTTP_PING_S + 10,
};

static int make_context(struct http_server *s, char why[HTTP_WHY_SIZE])
{
	void *loops[] = { loop_libuv(s->loop) };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_VALIDATE_UTF8 |
			   LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN,
		.foreign_loops = loops,
		.timeout_secs = HTTP_HEAD_S,
		.fd_limit_per_thread = s->limits.connections + 16,
		.pcontext = &s->context,
		.user = s,
	};
	struct lws_context_creation_info vhost = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.vhost_name = "x0",
		.protocols = s->protocols,
		.options = info.options,
		.timeout_secs = HTTP_HEAD_S,
		.retry_and_idle_policy = &liveness,
	};

	s->protocols[0] = (struct lws_protocols){
		.name = "x0",
		.callback = on_event,
		.rx_buffer_size = HTTP_MESSAGE_MAX,
		/* else it sends no more at a time than it reads, and keeps the rest */
		.tx_packet_size = HTTP_SEND_MAX,
	};
	s->lws->lws_set_log_level(0, NULL); /* what matters is told by the daemon's log */
	s->context = s->lws->lws_create_context(&info);
	if (!s->context) {
		(void)snprintf(why, HTTP_WHY_SIZE,
			       "libwebsockets cannot use libuv: is its part for it installed? "
			       "(apt-get install libwebsockets-evlib-uv)");
		return -ENOENT;
	}
	s->vhost = s->lws->lws_create_vhost(s->context, &vhost);
	if (!s->vhost) {
		(void)snprintf(why, HTTP_WHY_SIZE, "libwebsockets makes no server");
		return -ENOMEM;
	}
	return 0;
}

static int make_tables(struct http_server *s)
{
	s->slots = calloc(s->limits.connections, sizeof(struct connection *));
	s->free_slots = calloc(s->limits.connections, sizeof(*s->free_slots));
	s->by_address = malloc(sizeof(*s->by_address));
	s->by_identity = malloc(sizeof(*s->by_identity));
	s->handshakes = malloc(sizeof(*s->handshakes));
	s->messages = malloc(sizeof(*s->messages));
	s->message = malloc(sizeof(*s->message));
	s->frame = malloc(LWS_PRE + HTTP_SEND_MAX);
	if (!s->slots || !s->free_slots || !s->by_address || !s->by_identity || !s->handshakes ||
	    !s->messages || !s->message || !s->frame ||
	    map_new(16, s->limits.connections, s->limits.secret, &s->addresses) < 0)
		return -ENOMEM;
	rate_init(s->by_address, s->limits.address, s->limits.secret);
	rate_init(s->by_identity, s->limits.identity, s->limits.secret);
	rate_init(s->handshakes, (struct rate_limit){ HTTP_HANDSHAKES, HTTP_HANDSHAKES_BURST },
		  s->limits.secret);
	rate_init(s->messages, (struct rate_limit){ HTTP_MESSAGES, HTTP_MESSAGES_BURST },
		  s->limits.secret);
	while (s->n_free < s->limits.connections) {
		s->free_slots[s->n_free] = (uint16_t)(s->limits.connections - 1 - s->n_free);
		s->n_free++;
	}
	return 0;
}

DEFINE_FREEP(struct http_server, http_server_free)

int http_server_new(struct loop *loop, const struct http_handlers *handlers,
		    const struct http_limits *limits, struct http_server **ret,
		    char why[HTTP_WHY_SIZE])
{
	CLEANUP(http_server_freep) struct http_server *s = calloc(1, sizeof(*s));
	int r;

	(void)snprintf(why, HTTP_WHY_SIZE, "out of memory");
	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->handlers = *handlers;
	s->limits = *limits;
	s->next_number = 1;
	for (unsigned i = 0; i < HTTP_LISTENERS_MAX; i++)
		s->listeners[i] = (struct listener){ .server = s, .number = i, .fd = -1 };
	if (limits->connections == 0 || limits->connections > HTTP_CONNECTIONS_MAX)
		return -EINVAL;
	if (make_tables(s) < 0)
		return -ENOMEM;
	s->lws = library_load(why, HTTP_WHY_SIZE);
	if (!s->lws)
		return -ENOENT;
	r = make_context(s, why);
	if (r == 0)
		r = loop_timer_new(loop, on_look, s, &s->look);
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

/* Those that are no WebSockets are ours alone. */
static void free_ours(struct http_server *s)
{
	for (unsigned i = 0; s->slots && i < s->limits.connections; i++)
		if (s->slots[i] && !s->slots[i]->wsi)
			connection_free(s->slots[i]);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	if (s->look)
		loop_timer_free(s->look);
	for (unsigned i = 0; i < HTTP_LISTENERS_MAX; i++)
		listen_close(&s->listeners[i]);
	free_ours(s);
	while (s->gates)
		gate_free(s->gates);
	/* On a loop that is not its own the library ends in steps: what it closes, the loop has to
	 * hear of before the rest can be freed. */
	if (s->context)
		s->lws->lws_context_destroy(s->context);
	for (unsigned i = 0; s->context && i < 1000; i++)
		loop_run_once(s->loop);
	if (s->context)
		s->lws->lws_context_destroy(s->context);
	map_free(s->addresses);
	free(s->slots);
	free(s->free_slots);
	free(s->by_address);
	free(s->by_identity);
	free(s->handshakes);
	free(s->messages);
	free(s->message);
	free(s->frame);
	free(s);
}

int http_allow_host(struct http_server *s, const char *host)
{
	if (s->hosts.n == HTTP_HOSTS_MAX)
		return -ENOBUFS;
	if (guard_host_name(host, s->hosts.names[s->hosts.n]) < 0)
		return -EINVAL;
	s->hosts.n++;
	return 0;
}

void http_clear_hosts(struct http_server *s)
{
	s->hosts.n = 0;
}

unsigned http_place_of(uint64_t request)
{
	return request & ((1 << SLOT_BITS) - 1);
}

void http_wake_sockets(struct http_server *s)
{
	if (s->counters.sockets == 0)
		return;
	for (unsigned i = 0; i < s->limits.connections; i++)
		if (s->slots[i] && s->slots[i]->wsi)
			(void)s->lws->lws_callback_on_writable(s->slots[i]->wsi);
}

void http_counters(const struct http_server *s, struct http_counters *ret)
{
	*ret = s->counters;
}
