/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 tls`: one connection, to see what is negotiated and who is there. */
#include "cli/tls.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/text.h"
#include "shell/loop/loop.h"

#define FAREWELL_MS 2000 /* for the server's last word */
#define HOST_SIZE 256

DEFINE_FREEP(struct tls_connection, tls_connection_free)

/* What became of a connection after its handshake. In TLS 1.3 a server judges our certificate when
 * our handshake is done already, so only what it says afterwards tells. */
enum farewell {
	FAREWELL_CLOSED,  /* as it should be: we were accepted */
	FAREWELL_SILENT,  /* nothing within FAREWELL_MS */
	FAREWELL_REFUSED, /* an alert, or closed abruptly */
};

static enum farewell say_farewell(struct tls_connection *t)
{
	uint64_t deadline_us = loop_now_us() + MS(FAREWELL_MS);
	char discarded[4096];
	int r = tls_connection_close(t, deadline_us);

	/* by the clock too: one that never stops sending never keeps a read waiting */
	while (r >= 0 && loop_now_us() < deadline_us) {
		r = tls_connection_read(t, discarded, sizeof(discarded), deadline_us);
		if (r == 0)
			return FAREWELL_CLOSED;
	}
	return r >= 0 || r == -ETIMEDOUT ? FAREWELL_SILENT : FAREWELL_REFUSED;
}

static int say_failure(struct tls_side *s, const struct tls_connection *t, const char *where, int r)
{
	struct tls_error e;

	if (r == -ETIMEDOUT)
		return cli_fail(s->c, CLI_FAILED, "timeout",
				"%s did not complete the handshake in time; does it speak TLS?",
				where);
	tls_explain(tls_connection_ssl(t), &e);
	return cli_fail(s->c, CLI_FAILED, "tls",
			"no connection with %s: %s; groups and certificates: x0 help tls", where,
			e.text);
}

static int show(struct tls_side *s, const struct tls_connection *t, const char *where,
		uint64_t took_us, bool is_confirmed)
{
	struct tls_summary summary;
	char took[TEXT_SIZE];
	json_t *j;

	tls_summarize(tls_connection_ssl(t), &summary);
	text_rtt(took_us, took);
	cli_say(s->c, "connected to %s, handshake in %s", where, took);
	tls_summary_tell(s->c, &summary);
	if (!is_confirmed && s->shows_certificate)
		cli_say(s->c, "  note     it has not said whether it accepts our certificate");
	j = tls_summary_json(&summary);
	(void)json_object_set_new(j, "address", json_string(where));
	(void)json_object_set_new(j, "handshake_us", json_integer((json_int_t)took_us));
	(void)json_object_set_new(j, "is_confirmed", json_boolean(is_confirmed));
	cli_json(s->c, j);
	return CLI_DONE;
}

static int talk(struct tls_side *s, struct tls_connection *t, const char *where)
{
	uint64_t start_us = loop_now_us();
	enum farewell end;
	uint64_t took_us;
	int r = tls_connection_handshake(t, start_us + MS(s->timeout_ms));

	took_us = loop_now_us() - start_us;
	if (r < 0)
		return say_failure(s, t, where, r);
	end = say_farewell(t);
	if (end == FAREWELL_REFUSED && s->shows_certificate)
		return say_failure(s, t, where, -EPROTO);
	return show(s, t, where, took_us, end == FAREWELL_CLOSED);
}

static int run_connect(struct tls_side *s, const char *where)
{
	CLEANUP(tls_connection_freep) struct tls_connection *t = NULL;
	char host[HOST_SIZE];
	char port[6];
	char why[CLI_TEXT_SIZE];
	int fd;
	int r;

	if (tls_split_address(where, host, sizeof(host), port) < 0)
		return cli_usage(s->c,
				 "\"%s\" is no HOST:PORT, such as roof.example:443 or "
				 "[2001:db8::1]:443",
				 where);
	fd = tls_dial(host, port, loop_now_us() + MS(s->timeout_ms), why);
	if (fd < 0)
		return cli_fail(s->c, CLI_FAILED, "unreachable",
				"%s cannot be reached: %s; to have something that listens: x0 tls "
				"serve",
				where, why);
	r = tls_connection_new(s->ctx, fd, host, &t) < 0
		    ? cli_fail(s->c, CLI_FAILED, "failed", "out of memory")
		    : talk(s, t, where);
	(void)close(fd);
	return r;
}

static int tls_connect(struct cli *c)
{
	struct tls_side s;
	int r;

	if (c->n_args != 2)
		return cli_usage(c, "where to? x0 tls connect HOST:PORT");
	if (cli_given(c, "listen") || cli_given(c, "once"))
		return cli_usage(c, "--listen and --once are for serve");
	r = tls_side_open(c, false, &s);
	if (r == 0 && !s.judges_peer)
		cli_note(c,
			 "%sINSECURE: the peer is not verified; whoever answers is shown, and "
			 "anyone between may be who answers.%s",
			 cli_colour(c, CLI_RED), cli_colour(c, CLI_PLAIN));
	if (r == 0)
		r = run_connect(&s, c->args[1]);
	tls_side_done(&s);
	return r;
}

int verb_tls(struct cli *c)
{
	(void)signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error, not our end */
	if (strcmp(c->args[0], "connect") == 0)
		return tls_connect(c);
	if (strcmp(c->args[0], "serve") == 0)
		return tls_serve(c);
	return cli_usage(c, "serve or connect, not \"%s\"", c->args[0]);
}
