/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 init`: founds a trust domain on this machine. */
#include <assert.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/prompt.h"
#include "daemon/authority.h"
#include "shell/loop/loop.h"

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct store, store_close)
DEFINE_FREEP(struct member, member_free)

static int write_new_config(struct cli *c, const char *path, const char *domain, const char *name)
{
	CLEANUP_FREE char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);
	int r;

	if (!memory)
		return cli_fail(c, CLI_FAILED, "failed", "out of memory");
	config_print_default_file(domain, name, memory);
	if (fclose(memory) != 0)
		return cli_fail(c, CLI_FAILED, "failed", "out of memory");
	r = setup_write_file(path, text, len);
	if (r < 0)
		return cli_fail(c, setup_exit_of(r), "config", "cannot write %s: %s%s", path,
				strerror(-r), geteuid() != 0 ? "; as root: sudo x0 init ..." : "");
	return 0;
}

/* A file that is there stays, and has to fit. */
static int make_config(struct cli *c, const char *domain, const char *name, struct config **ret,
		       bool *ret_is_new)
{
	char path[CLI_PATH_SIZE];
	int r = cli_config_path(c, path);

	if (r != 0)
		return r;
	*ret_is_new = access(path, F_OK) != 0;
	if (*ret_is_new) {
		r = write_new_config(c, path, domain, name);
		if (r != 0)
			return r;
	}
	r = cli_config_load(c, ret);
	if (r != 0)
		return r;
	if (strcmp((*ret)->domain, domain) != 0)
		return cli_fail(
			c, CLI_FAILED, "config",
			"%s is there already, for the domain \"%s\" (its key domain, or the "
			"default); give that one (x0 init --domain %s), set its key domain, or "
			"move it away",
			path, (*ret)->domain, (*ret)->domain[0] ? (*ret)->domain : domain);
	return 0;
}

static int found(struct cli *c, const struct config *config, const char *name,
		 const struct passphrase *p, struct member **ret_member)
{
	CLEANUP(store_closep) struct store *store = NULL;
	const char *crypto_error = "";
	const struct crypto_ops *ops = openssl_crypto_ops(&crypto_error);
	struct store_error e;
	int r;

	if (!ops)
		return cli_fail(c, CLI_FAILED, "crypto", "%s; see: x0 doctor", crypto_error);
	r = setup_not_member(c, config);
	if (r == 0)
		r = setup_state(c, config);
	if (r == 0)
		r = setup_store(c, config, &store);
	if (r != 0)
		return r;
	r = authority_found_locked(store, ops, config->domain, name, SPAN(p->at, p->len),
				   loop_unix_ms() / 1000, &e);
	if (r == 0)
		r = member_load(store, ops, ret_member, &e);
	if (r < 0)
		return cli_fail(c, setup_exit_of(r), r == -EEXIST ? "member" : "failed", "%s",
				e.text);
	return 0;
}

static const enum store_file authority_files[] = {
	STORE_AUTHORITY_MLDSA_KEY, STORE_AUTHORITY_P256_KEY, STORE_AUTHORITY_ISSUED,
	STORE_ROOT_MLDSA,	   STORE_ROOT_P256,
};

static void address_text(const struct member *m, char ret[INET6_ADDRSTRLEN])
{
	const char *ignored;
	uint8_t address[OVERLAY_ADDRESS_LEN];

	overlay_address_of(openssl_crypto_ops(&ignored), m->domain, m->node_id, address);
	(void)inet_ntop(AF_INET6, address, ret, INET6_ADDRSTRLEN);
}

static json_t *founded_json(const struct config *config, const char *path, const struct member *m)
{
	char address[INET6_ADDRSTRLEN];
	json_t *files = json_array();

	address_text(m, address);
	for (size_t i = 0; i < N_ELEMENTS(authority_files); i++)
		(void)json_array_append_new(files,
					    json_string(store_file_name(authority_files[i])));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "domain", m->domain, "name",
			 m->name, "spiffe_id", m->is.spiffe_id, "address", address, "config", path,
			 "state_dir", config->state_dir, "authority_files", files);
}

static void tell(struct cli *c, const struct config *config, const char *path, bool is_new,
		 const struct member *m)
{
	char address[INET6_ADDRSTRLEN];

	address_text(m, address);
	cli_say(c, "Founded the trust domain %s%s%s.", cli_colour(c, CLI_BOLD), m->domain,
		cli_colour(c, CLI_PLAIN));
	cli_say(c, "  this node      %s", m->name);
	cli_say(c, "  SPIFFE ID      %s", m->is.spiffe_id);
	cli_say(c, "  address        %s", address);
	cli_say(c, "  configuration  %s (%s)", path, is_new ? "new" : "it was there");
	cli_say(c, "  state, keys    %s", config->state_dir);
	cli_say(c, "%s", "");
	cli_say(c, "This machine holds the domain's authority. Without these files nobody can "
		   "join, and no\ncertificate can be renewed; whoever has them can admit anyone. "
		   "Keep a copy offline:");
	(void)(c->is_json ? 0
			  : fprintf(c->out, "  (umask 077; tar -C %s -cf x0-authority.tar",
				    config->state_dir));
	for (size_t i = 0; !c->is_json && i < N_ELEMENTS(authority_files); i++)
		(void)fprintf(c->out, " %s", store_file_name(authority_files[i]));
	cli_say(c, ")\n");
}

/* We have the passphrase at hand now. */
static void unlock(struct cli *c, const struct passphrase *p)
{
	json_t *answer = NULL;

	if (p->len == 0)
		return;
	if (key_unlock(c, p, &answer) == 0)
		cli_say(c, "The authority is unlocked until the daemon stops; after each start: x0 "
			   "key unlock");
	json_decref(answer);
}

static int start(struct cli *c, const struct config *config, const struct passphrase *p,
		 json_t *object)
{
	struct start_report report;
	int r;

	if (cli_given(c, "no-start")) {
		cli_say(c, "It does not run yet. To start it: x0 up.");
		cli_json(c, object);
		return 0;
	}
	r = start_daemon(c, config, "the domain is founded; mend this, then run x0 up: ", &report);
	if (r != 0) {
		json_decref(object);
		return r;
	}
	start_tell(c, &report);
	unlock(c, p);
	cli_say(c, "To let another machine join: x0 invite");
	start_json(object, &report);
	cli_json(c, object);
	start_report_done(&report);
	return 0;
}

static int check_name(struct cli *c, const char *name)
{
	if (node_name_is_valid(name))
		return 0;
	return cli_usage(c,
			 "\"%s\" is no name for a node: a-z, 0-9 and - . _ inside, at most 63; "
			 "choose one: --name NAME",
			 name);
}

static int ask_passphrase(struct cli *c, struct passphrase *ret)
{
	if (!cli_given(c, "passphrase") && !cli_given(c, "passphrase-file"))
		return 0;
	return prompt_new_passphrase(c, "passphrase-file", ret);
}

int verb_init(struct cli *c)
{
	CLEANUP(config_freep) struct config *config = NULL;
	CLEANUP(member_freep) struct member *member = NULL;
	CLEANUP(passphrase_done) struct passphrase p = { 0 };
	const char *domain = cli_value(c, "domain");
	const char *name = cli_value(c, "name");
	char host[NODE_NAME_MAX + 1];
	char path[CLI_PATH_SIZE];
	bool is_new = false;
	int r;

	if (!domain)
		return cli_usage(c, "name the trust domain: x0 init --domain example.mesh");
	if (!domain_is_valid(domain))
		return cli_usage(c,
				 "\"%s\" is no trust domain: letters a-z, digits, dots, dashes "
				 "and underscores, such as example.mesh",
				 domain);
	setup_host_name(host, sizeof(host));
	r = check_name(c, name ? name : host);
	if (r == 0)
		r = cli_config_path(c, path);
	if (r == 0)
		r = ask_passphrase(c, &p);
	if (r == 0)
		r = make_config(c, domain, name ? name : host, &config, &is_new);
	if (r == 0 && !name)
		name = config->name[0] ? config->name : host; /* of a file that was there */
	if (r == 0)
		r = check_name(c, name);
	if (r == 0)
		r = found(c, config, name, &p, &member);
	if (r != 0 && config && is_new)
		(void)unlink(path); /* as if nothing had been tried */
	if (r == 0)
		r = setup_hand_over(c, config);
	if (r != 0)
		return r;
	assert(member);
	tell(c, config, path, is_new, member);
	return start(c, config, &p, founded_json(config, path, member));
}
