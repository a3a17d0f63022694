/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon that was killed together with its keeper left on this host: removed by root, told
 * to others. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "shell/keeper/keeper.h"

DEFINE_FREEP(struct config, config_free)

static const struct {
	enum keeper_left bit;
	const char *code, *text;
} kinds[KEEPER_N_LEFT] = {
	{ KEEPER_LEFT_EXIT_ONLY, "exit_only", "routing rules that let nothing out but by an exit" },
	{ KEEPER_LEFT_RULES, "rules", "routing rules" },
	{ KEEPER_LEFT_NAMES, "resolv_conf", "/etc/resolv.conf" },
	{ KEEPER_LEFT_FORWARDING, "forwarding", "forwarding and NAT" },
	{ KEEPER_LEFT_GUARD, "guard", "the nftables table of the overlay" },
};

static void name_kinds(unsigned left, char text[CLI_TEXT_SIZE], json_t *codes)
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < KEEPER_N_LEFT; i++) {
		if (!(left & (unsigned)kinds[i].bit))
			continue;
		len += (size_t)snprintf(text + len, CLI_TEXT_SIZE - len, "%s%s", len ? ", " : "",
					kinds[i].text);
		(void)json_array_append_new(codes, json_string(kinds[i].code));
	}
}

/* Which tunnel it was. A file with mistakes, or none, was nobody's who ran: the defaults may. */
static int load(struct cli *c, struct config **ret)
{
	struct config_environment env;
	struct config_report report;
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	config_environment_read(&env);
	if (config_load(path, &env, ret, &report) == 0 || config_new(&env, ret) == 0)
		return 0;
	return cli_fail(c, CLI_FAILED, "failed", "out of memory");
}

int cli_left(struct cli *c, bool *ret_has_any, json_t **ret_undone)
{
	CLEANUP(config_freep) struct config *config = NULL;
	bool is_root = geteuid() == 0;
	char why[KEEPER_WHY_SIZE], text[CLI_TEXT_SIZE];
	unsigned left = 0;
	int r = load(c, &config);

	*ret_has_any = false;
	*ret_undone = json_array();
	if (r != 0)
		return r;
	r = keeper_left(config->tun_name, config->run_dir, is_root, &left, why);
	if (r == -EADDRINUSE) {
		cli_note(c, "Nothing was cleaned up: %s", why);
		return 0;
	}
	*ret_has_any = left != 0;
	name_kinds(left, text, *ret_undone);
	if (r < 0)
		return cli_fail(c, r == -EPERM || r == -EACCES ? CLI_DENIED : CLI_FAILED, "left",
				"a daemon that was killed left %s, and not all of it could be "
				"removed: %s",
				left ? text : "something", why);
	if (left && is_root)
		cli_say(c,
			"A daemon that was killed had left this; it is removed, or as it was: %s.",
			text);
	if (why[0])
		cli_note(c, "Note: %s", why);
	if (left && !is_root) {
		(void)json_array_clear(*ret_undone);
		cli_note(c,
			 "A daemon that was killed left: %s. To remove it, as root: sudo x0 down",
			 text);
	}
	return 0;
}
