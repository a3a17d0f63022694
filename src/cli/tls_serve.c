/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 tls serve`: one connection after another; an HTTP GET is answered with what was negotiated.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/text.h"
#include "cli/tls.h"
#include "shell/loop/loop.h"

#define LISTEN_DEFAULT "127.0.0.1:4433"
#define PORT_DEFAULT 4433
#define REQUEST_MAX 8192     /* bytes of an HTTP request's head: what browsers send is under 2 kB */
#define REQUEST_WAIT_MS 2000 /* browsers open connections that they may never use */
#define ANSWER_WAIT_MS 2000

DEFINE_FREEP(struct tls_connection, tls_connection_free)

/* ---- HTTP, as little as a browser takes for an answer ---- */

/* Reads up to the empty line. The length of the head; 0 where none came. */
static size_t read_head(struct tls_connection *t, char head[REQUEST_MAX + 1])
{
	uint64_t deadline_us = loop_now_us() + MS(REQUEST_WAIT_MS);
	size_t len = 0;

	while (len < REQUEST_MAX) {
		int r = tls_connection_read(t, head + len, REQUEST_MAX - len, deadline_us);

		if (r <= 0)
			return 0;
		len += (size_t)r;
		head[len] = '\0';
		if (strlen(head) != len)
			return 0; /* a NUL is no part of a request */
		if (strstr(head, "\r\n\r\n") || strstr(head, "\n\n"))
			return len;
	}
	return 0;
}

static void answer(struct tls_connection *t, const char *status, const char *body)
{
	uint64_t deadline_us = loop_now_us() + MS(ANSWER_WAIT_MS);
	char head[256];
	int len = snprintf(head, sizeof(head),
			   "HTTP/1.0 %s\r\nContent-Type: application/json\r\nContent-Length: "
			   "%zu\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
			   status, strlen(body));

	/* Whether it arrived shows in nothing that follows. */
	if (tls_connection_write(t, head, (size_t)len, deadline_us) == 0)
		(void)tls_connection_write(t, body, strlen(body), deadline_us);
}

static void serve_request(struct tls_connection *t, const json_t *summary)
{
	CLEANUP_FREE char *head = malloc(REQUEST_MAX + 1);
	CLEANUP_FREE char *body = json_dumps(summary, JSON_INDENT(2));

	if (!head || !body || read_head(t, head) == 0)
		return;
	if (strncmp(head, "GET ", 4) == 0)
		answer(t, "200 OK", body);
	else
		answer(t, "405 Method Not Allowed", "{\"error\": \"only GET\"}");
}

/* ---- one connection ---- */

static int tell_failure(struct tls_side *s, const struct tls_connection *t, const char *from, int r)
{
	struct tls_error e = { .text = "the handshake was not completed in time" };
	json_t *j;

	if (r != -ETIMEDOUT)
		tls_explain(tls_connection_ssl(t), &e);
	cli_say(s->c, "%s: refused: %s", from, e.text);
	j = json_pack("{s:s, s:s, s:s}", "event", "refused", "from", from, "why", e.text);
	cli_json_line(s->c, j);
	json_decref(j);
	return CLI_FAILED;
}

static void tell_connection(struct tls_side *s, const struct tls_summary *summary, json_t *j,
			    const char *from, uint64_t took_us)
{
	char took[TEXT_SIZE];

	text_rtt(took_us, took);
	cli_say(s->c, "%s: connected, handshake in %s", from, took);
	tls_summary_tell(s->c, summary);
	(void)json_object_set_new(j, "event", json_string("connected"));
	(void)json_object_set_new(j, "from", json_string(from));
	(void)json_object_set_new(j, "handshake_us", json_integer((json_int_t)took_us));
	cli_json_line(s->c, j);
}

static int serve_connection(struct tls_side *s, struct tls_connection *t, const char *from)
{
	uint64_t start_us = loop_now_us();
	struct tls_summary summary;
	json_t *j;
	int r = tls_connection_handshake(t, start_us + MS(s->timeout_ms));

	if (r < 0)
		return tell_failure(s, t, from, r);
	tls_summarize(tls_connection_ssl(t), &summary);
	j = tls_summary_json(&summary);
	tell_connection(s, &summary, j, from, loop_now_us() - start_us);
	(void)fflush(s->c->out);
	serve_request(t, j);
	json_decref(j);
	(void)tls_connection_close(t, loop_now_us() + MS(ANSWER_WAIT_MS));
	return CLI_DONE;
}

static int serve_accepted(struct tls_side *s, int fd, const char *from)
{
	CLEANUP(tls_connection_freep) struct tls_connection *t = NULL;
	int r = tls_connection_new(s->ctx, fd, NULL, &t) < 0
			? cli_fail(s->c, CLI_FAILED, "failed", "out of memory")
			: serve_connection(s, t, from);

	(void)fflush(s->c->out);
	(void)close(fd);
	return r;
}

/* A connection that was given up before it was taken, or a signal, ends nothing; what else goes
 * wrong would go wrong again at once. */
static int serve_all(struct tls_side *s, int listener)
{
	char from[ENDPOINT_TEXT_SIZE];
	int fd;
	int r;

	do {
		do {
			fd = tls_accept(listener, from);
		} while (fd == -EINTR || fd == -ECONNABORTED);
		if (fd < 0)
			return cli_fail(s->c, CLI_FAILED, "failed",
					"no connection can be taken: %s", strerror(-fd));
		r = serve_accepted(s, fd, from);
	} while (!cli_given(s->c, "once"));
	return r;
}

static void tell_listening(struct tls_side *s, const char *address)
{
	json_t *j = json_pack("{s:s, s:s}", "event", "listening", "address", address);

	cli_say(s->c, "listening on %s%s; end: Ctrl-C", address,
		s->judges_peer ? ", for nodes of the mesh" : "");
	if (!s->judges_peer)
		cli_note(s->c, "Anyone may connect: no certificate is asked for.");
	cli_json_line(s->c, j);
	json_decref(j);
	(void)fflush(s->c->out);
}

/* Port 0, which no endpoint has, is for any port that is free. */
static int parse_listen(const char *text, struct endpoint *ret)
{
	size_t len = strlen(text);
	char some[ENDPOINT_TEXT_SIZE];
	int r;

	if (len < 3 || len >= sizeof(some) || strcmp(text + len - 2, ":0") != 0 ||
	    text[len - 3] == ':')
		return endpoint_parse(text, PORT_DEFAULT, ret);
	memcpy(some, text, len + 1);
	some[len - 1] = '1';
	r = endpoint_parse(some, PORT_DEFAULT, ret);
	if (r == 0)
		ret->port = 0;
	return r;
}

static int run(struct tls_side *s)
{
	const char *text = cli_value(s->c, "listen");
	char address[ENDPOINT_TEXT_SIZE];
	struct endpoint at;
	int listener;
	int r;

	if (parse_listen(text ? text : LISTEN_DEFAULT, &at) < 0)
		return cli_usage(s->c, "--listen takes an address and port, such as " LISTEN_DEFAULT
				       " or [::]:4433");
	listener = tls_listen(&at, address);
	if (listener < 0)
		return cli_fail(s->c, listener == -EACCES ? CLI_DENIED : CLI_FAILED, "listen",
				"cannot listen on %s: %s; another: x0 tls serve --listen "
				"ADDRESS:PORT",
				text ? text : LISTEN_DEFAULT, strerror(-listener));
	tell_listening(s, address);
	r = serve_all(s, listener);
	(void)close(listener);
	return r;
}

int tls_serve(struct cli *c)
{
	struct tls_side s;
	int r;

	if (c->n_args != 1)
		return cli_usage(c,
				 "serve takes no argument; where to listen: --listen ADDRESS:PORT");
	r = tls_side_open(c, true, &s);
	if (r == 0)
		r = run(&s);
	tls_side_done(&s);
	return r;
}
