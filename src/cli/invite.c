/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 invite`: an invitation as text and as a QR code. */
#include <errno.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/qr.h"
#include "cli/text.h"
#include "core/identity/identity.h"
#include "shell/loop/loop.h"

static int fill_args(struct cli *c, json_t *args)
{
	const char *expires = cli_value(c, "expires");
	const char *uses = cli_value(c, "uses");
	const char *name = cli_value(c, "name");
	json_t *endpoints = json_array();
	int64_t lifetime_s;
	uint64_t n;

	(void)json_object_set_new(args, "endpoints", endpoints);
	if (uses) {
		if (text_number(uses, 1, TOKEN_USES_MAX, &n) < 0)
			return cli_usage(c, "--uses takes 1 to %d", TOKEN_USES_MAX);
		(void)json_object_set_new(args, "uses", json_integer((json_int_t)n));
	}
	if (expires) {
		if (text_duration(expires, &lifetime_s) < 0)
			return cli_usage(c, "--expires takes a duration, such as 30m, 1h or 7d");
		(void)json_object_set_new(args, "lifetime_s", json_integer(lifetime_s));
	}
	if (name) {
		if (!node_name_is_valid(name))
			return cli_usage(c,
					 "\"%s\" is no name for a node: a-z, 0-9 and - . _ "
					 "inside, at most 63",
					 name);
		(void)json_object_set_new(args, "name", json_string(name));
	}
	for (unsigned i = 0; i < cli_given(c, "endpoint"); i++) {
		const char *endpoint = cli_value_at(c, "endpoint", i);

		if (!invite_endpoint_is_valid(endpoint))
			return cli_usage(c,
					 "--endpoint takes host:port, such as mesh.example:26969 "
					 "or [2001:db8::1]:26969, not \"%s\"",
					 endpoint);
		(void)json_array_append_new(endpoints, json_string(endpoint));
	}
	return 0;
}

static void show_qr(struct cli *c, const char *text)
{
	bool is_asked = cli_given(c, "qr") > 0;
	int width = qr_width(text);
	char *code;

	if (cli_given(c, "no-qr") || (!is_asked && !c->is_tty))
		return;
	if (!is_asked && strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
		cli_note(c, "(no QR code: this terminal's locale is not UTF-8; to have it anyway: "
			    "--qr)");
		return;
	}
	if (width < 0) {
		cli_note(c, "(no QR code: the invitation is too long for one)");
		return;
	}
	if (!is_asked && c->columns > 0 && (unsigned)width > c->columns) {
		cli_note(c, "(no QR code: it needs %d columns; to have it anyway: --qr)", width);
		return;
	}
	if (qr_render(text, c->is_coloured, &code) < 0)
		return;
	(void)fputs(code, c->out);
	bytes_wipe(code, strlen(code));
	free(code);
}

static void show(struct cli *c, const json_t *answer)
{
	const char *text = json_text(answer, "invitation");
	long long uses = json_number(answer, "uses");
	char span[TEXT_SIZE];

	text_span(json_number(answer, "expires_s") - loop_unix_ms() / 1000, span);
	cli_say(c, "%s", text);
	show_qr(c, text);
	cli_note(c, "On the other machine: x0 join, and paste it there.");
	cli_note(c,
		 "It is a secret: whoever has it can join (%lld %s, for %s). Give it over a "
		 "private channel.",
		 uses, uses == 1 ? "use" : "uses", span);
}

int verb_invite(struct cli *c)
{
	json_t *args = json_object();
	json_t *answer = NULL;
	int r;

	if (cli_given(c, "qr") && cli_given(c, "no-qr"))
		r = cli_usage(c, "--qr or --no-qr, not both");
	else
		r = fill_args(c, args);
	if (r != 0) {
		json_decref(args);
		return r;
	}
	r = cli_call(c, "invite", args, &answer);
	if (r != 0)
		return r;
	if (!c->is_json)
		show(c, answer);
	cli_json(c, answer);
	return 0;
}
