/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "shell/config/config.h"

static const struct config_environment root = { .is_root = true };
static struct config_report report;

static struct config *parse(const char *text)
{
	struct config *c = NULL;
	int r = config_parse(text, strlen(text), "x0.yaml", &root, &c, &report);

	if (r < 0)
		config_report_print(&report, stderr);
	assert_int_equal(r, 0);
	assert_int_equal(report.n_errors, 0);
	return c;
}

static char *printed(void (*print)(const struct config *c, FILE *to), const struct config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(c, f);
	(void)fclose(f);
	return text;
}

/* The file is refused, and one line of the report is just this. */
static void assert_refused(const char *text, const char *expected)
{
	struct config *c = NULL;
	CLEANUP_FREE char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	assert_int_equal(config_parse(text, strlen(text), "x0.yaml", &root, &c, &report), -EINVAL);
	assert_null(c);
	config_report_print(&report, f);
	(void)fclose(f);
	if (!strstr(out, expected))
		print_message("expected: %s\ngot: %s", expected, out);
	assert_non_null(strstr(out, expected));
}

static void networks_are_read_and_those_of_no_use_refused(void **state)
{
	(void)state;
	struct config *c = parse("ipv4: {prefix: 10.86.0.0/16}\n"
				 "routes: {offer: [192.168.7.0/24, \"fd12::/48\"], exit: true}\n");

	assert_int_equal(c->ipv4_prefix.len, PREFIX_IPV4_LEN + 16);
	assert_int_equal(c->n_offers, 2);
	assert_int_equal(c->offers[1].len, 48);
	assert_true(c->is_exit && c->exit_lan && !c->exit_only);
	config_free(c);
	assert_refused("ipv4: {prefix: 10.86.0.1/16}", "has bits behind its length");
	assert_refused("ipv4: {prefix: 10.86.0.0/29}",
		       "out of range; allowed: an IPv4 network of /8");
	assert_refused("ipv4: {prefix: \"fd00::/16\"}", "out of range");
	assert_refused("ipv4: {prefix: 224.0.0.0/8}", "nobody may have");
	assert_refused("routes: {offer: [0.0.0.0/0]}", "is what routes.exit offers");
	assert_refused("routes: {offer: [127.0.0.0/8]}", "has loopback");
	assert_refused("routes: {offer: [192.168.7.1/24]}", "is no network");
	assert_refused("routes: {offer: [host]}", "is no network");
}

static void no_more_networks_than_a_node_may_offer(void **state)
{
	(void)state;
	char text[2000] = "routes: {offer: [";

	for (unsigned i = 0; i <= CONFIG_OFFERS_MAX; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "10.0.%u.0/24, ",
			       i);
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}");
	assert_refused(text, "has too many entries");
}

static void every_default_passes_its_own_checks(void **state)
{
	(void)state;
	struct config *c = NULL;

	assert_int_equal(config_new(&root, &c), 0);
	assert_string_equal(c->domain, "x0tta6bl4.mesh");
	assert_string_equal(c->name, "");
	assert_int_equal(c->n_listen, 1);
	assert_int_equal(c->listen[0].port, 26969);
	assert_string_equal(c->state_dir, "/var/lib/x0");
	assert_string_equal(c->socket, "/run/x0/x0.sock");
	assert_string_equal(c->user, "x0");
	assert_string_equal(c->tun_name, "x0");
	assert_int_equal(c->tun_mtu_bytes, 1344);
	assert_int_equal(c->log_level, 6);
	assert_true(c->offload_tun && c->offload_udp_gso && c->offload_udp_gro && c->offload_batch);
	assert_false(c->require_locked_memory);
	assert_int_equal(c->aead, CONFIG_AEAD_AUTO);
	assert_int_equal(c->n_rules, 9);
	assert_int_equal(c->peers_max, 1000);
	config_free(c);
	config_free(parse(""));
	config_free(parse("---\n# nothing\n"));
	config_free(parse("tun:\nlog:\n"));
}

static void a_switch_is_one_or_zero(void **state)
{
	struct config *c =
		parse("offload: { tun: false }\nkeys: { require_locked_memory: true }\n");

	(void)state;
	assert_int_equal(c->offload_tun, 0);
	assert_int_equal(c->offload_batch, 1);
	assert_int_equal(c->require_locked_memory, 1);
	config_free(c);
}

static void without_root_things_lie_in_the_xdg_directories(void **state)
{
	(void)state;
	struct config_environment env = { .home = "/home/u", .xdg_runtime_dir = "/run/user/7" };
	struct config *c = NULL;
	char path[64];

	assert_int_equal(config_new(&env, &c), 0);
	assert_string_equal(c->state_dir, "/home/u/.local/state/x0");
	assert_string_equal(c->run_dir, "/run/user/7/x0");
	config_free(c);
	env.xdg_runtime_dir = NULL;
	env.xdg_state_home = "/s";
	assert_int_equal(config_new(&env, &c), 0);
	assert_string_equal(c->state_dir, "/s/x0");
	assert_string_equal(c->socket, "/home/u/.local/state/run/x0/x0.sock");
	config_free(c);
	assert_int_equal(config_default_path(&env, path, sizeof(path)), 0);
	assert_string_equal(path, "/home/u/.config/x0/x0.yaml");
	env.xdg_config_home = "relative"; /* to be ignored, says the specification */
	assert_int_equal(config_default_path(&env, path, sizeof(path)), 0);
	assert_string_equal(path, "/home/u/.config/x0/x0.yaml");
	assert_int_equal(config_default_path(&env, path, 10), -ENAMETOOLONG);
	assert_int_equal(config_default_path(&root, path, sizeof(path)), 0);
	assert_string_equal(path, "/etc/x0/x0.yaml");
}

static const char full[] = "domain: example.mesh\n"
			   "name: berlin-1\n"
			   "listen: [\"[::]:7\", 192.0.2.1, \"192.0.2.1:8\"]\n"
			   "endpoints: [mesh.example:26969, \"[2001:db8::1]:5\"]\n"
			   "peers:\n"
			   "  - 192.0.2.7:26969\n"
			   "  - endpoint: other.example\n"
			   "    name: spiffe://example.mesh/node/other\n"
			   "state_dir: /var/lib/x0/\n"
			   "run_dir: /tmp/x\n"
			   "user: nobody\n"
			   "tun:\n"
			   "  name: mesh0\n"
			   "  mtu: 1280\n"
			   "log: { level: debug, format: json }\n"
			   "aead: chacha20-poly1305\n"
			   "limits.peers: 10\n"
			   "policy:\n"
			   "  - allow: [ping, session]\n"
			   "    from: spiffe://example.mesh/node/*\n"
			   "  - forbid: \"*\"\n"
			   "    from: spiffe://example.mesh/node/bad\n"
			   "    to: tcp:22\n";

static void every_key_is_read(void **state)
{
	(void)state;
	struct config *c = parse(full);

	assert_string_equal(c->domain, "example.mesh");
	assert_string_equal(c->name, "berlin-1");
	assert_int_equal(c->n_listen, 3);
	assert_int_equal(c->listen[0].port, 7);
	assert_int_equal(c->listen[1].port, 26969);
	assert_int_equal(c->n_endpoints, 2);
	assert_string_equal(c->endpoints[1], "[2001:db8::1]:5");
	assert_int_equal(c->n_peers, 2);
	assert_string_equal(c->peers[0].endpoint, "192.0.2.7:26969");
	assert_string_equal(c->peers[0].name, "");
	assert_string_equal(c->peers[1].name, "spiffe://example.mesh/node/other");
	assert_int_equal(c->peers[1].line, 7);
	assert_string_equal(c->state_dir, "/var/lib/x0");
	assert_string_equal(c->socket, "/tmp/x/x0.sock");
	assert_string_equal(c->tun_name, "mesh0");
	assert_int_equal(c->tun_mtu_bytes, 1280);
	assert_int_equal(c->log_level, 7);
	assert_int_equal(c->log_format, 2);
	assert_int_equal(c->aead, CONFIG_AEAD_CHACHA);
	assert_int_equal(c->peers_max, 10);
	assert_int_equal(c->n_rules, 3);
	assert_int_equal(c->rules[1].action, POLICY_SESSION);
	assert_int_equal(c->rules[1].effect, POLICY_ALLOW);
	assert_int_equal(c->rules[1].line, 19);
	assert_string_equal(c->rules[1].resource, "*");
	assert_true(c->rules[2].any_action);
	assert_int_equal(c->rules[2].effect, POLICY_DENY);
	assert_int_equal(c->rules[2].line, 21);
	assert_string_equal(c->rules[2].resource, "tcp:22");
	config_free(c);
}

static void what_is_printed_is_read_back_the_same(void **state)
{
	(void)state;
	struct config *c = parse(full);
	CLEANUP_FREE char *text = printed(config_print, c);
	struct config *again = parse(text);
	const struct config_key *differ;
	CLEANUP_FREE char *json_text = printed(config_print_json, c);
	json_t *json = json_loads(json_text, JSON_REJECT_DUPLICATES, NULL);

	assert_int_equal(config_compare(c, again, &differ, 1), 0);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "tun.mtu")), 1280);
	assert_int_equal(json_array_size(json_object_get(json, "policy")), 3);
	json_decref(json);
	config_free(c);
	config_free(again);
}

static void changed_keys_are_told_with_whether_a_reload_applies_them(void **state)
{
	(void)state;
	struct config *a = parse(""), *b = parse("log.level: debug\ntun.mtu: 1300\n");
	const struct config_key *differ[8];

	assert_int_equal(config_compare(a, b, differ, 8), 2);
	assert_string_equal(differ[0]->path, "tun.mtu");
	assert_false(differ[0]->is_reloadable);
	assert_string_equal(differ[1]->path, "log.level");
	assert_true(differ[1]->is_reloadable);
	config_free(a);
	config_free(b);
}

static void mistakes_are_told_with_line_key_and_what_is_allowed(void **state)
{
	(void)state;

	assert_refused("\ntun:\n  mtu: 9001\n", "x0.yaml:3: error: tun.mtu: 9001 is out of range; "
						"allowed: 1280 to 8846 bytes\n");
	assert_refused("tun.mtu: 1279", "out of range");
	assert_refused("tun.mtu: 99999999999999999999999", "out of range");
	assert_refused("tun.mtu: -1", "no whole number");
	assert_refused("tun.mtu: 13x", "no whole number");
	assert_refused("tun.mtu: \"1300\"", "no whole number");
	assert_refused("tun.mtu: [1]", "x0.yaml:1: error: tun.mtu: is a list; allowed: 1280");
	assert_refused("tun.mtu:", "tun.mtu: has no value");
	assert_refused("tun: 5", "tun is a section");
	assert_refused("tun: []", "tun is a section");
	assert_refused("name: {a: b}", "name: is a section");
	assert_refused("name: Big", "a character that is not allowed; allowed: 0 to 63 characters "
				    "of a-z 0-9 . - _");
	assert_refused("domain: \"\"", "wrong length");
	assert_refused("tun.name: a-name-that-is-too-long", "wrong length");
	assert_refused("state_dir: relative", "no absolute path");
	assert_refused("state_dir: \"/a\\nb\"", "control character");
	assert_refused("log: {level: loud}", "log.level: loud is none of the choices; allowed: one "
					     "of emergency|");
	assert_refused("log: {level: \"\"}", "none of the choices");
	assert_refused("listen: []", "too few entries");
	assert_refused("listen: 192.0.2.1", "is a single value");
	assert_refused("listen: [nowhere]", "nowhere is no address");
	assert_refused("listen: [[1]]", "is a list");
	assert_refused("listen: [1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,"
		       "1.2.3.4]",
		       "too many entries");
	assert_refused("endpoints: [\"a:0\"]", "a:0 is no host:port");
	assert_refused("endpoints: [\"2001:db8::1\"]", "no host:port");
	assert_refused("- a\n", "key: value");
	assert_refused("text", "key: value");
}

static void unknown_keys_suggest_the_nearest(void **state)
{
	(void)state;

	assert_refused("tun:\n  mut: 1300\n",
		       "x0.yaml:2: error: unknown key tun.mut; did you mean tun.mtu?");
	assert_refused("mtu: 1300\n", "unknown key mtu; did you mean tun.mtu?");
	assert_refused("listn: 1\n", "did you mean listen?");
	assert_refused("zzzzzzzzzzz: 1\n", "unknown key zzzzzzzzzzz; `x0 config help`");
	assert_refused("\"\\e[31mred\": 1\n", "unknown key ?[31mred");
}

static void keys_given_twice_are_errors(void **state)
{
	(void)state;

	assert_refused("name: a\nname: b\n",
		       "x0.yaml:2: error: name is given twice; first on line 1");
	assert_refused("tun: {mtu: 1300}\ntun.mtu: 1300\n", "tun.mtu is given twice");
	assert_refused("domain: a\ntrust_domain: b\n", "domain is given twice");
	assert_refused("policy: [{allow: ping, from: a, from: b}]", "from is given twice");
	assert_refused("peers: [{endpoint: a, endpoint: b}]", "endpoint is given twice");
}

static void renamed_keys_warn_and_work(void **state)
{
	(void)state;
	struct config *c = parse("trust_domain: example.mesh\ntun:\n  device: t0\n");

	assert_string_equal(c->domain, "example.mesh");
	assert_string_equal(c->tun_name, "t0");
	assert_int_equal(report.n_warnings, 2);
	assert_false(report.problems[0].is_error);
	assert_int_equal(report.problems[1].line, 3);
	assert_string_equal(report.problems[1].text, "tun.device is now called tun.name");
	config_free(c);
}

static void rules_are_checked_word_by_word(void **state)
{
	(void)state;

	assert_refused("policy:\n- allow: fly\n  from: a\n",
		       "x0.yaml:2: error: policy: unknown action fly; allowed: *, session, ");
	assert_refused("policy: [{allow: ping}]", "needs from");
	assert_refused("policy: [{from: a}]", "needs allow or forbid");
	assert_refused("policy: [{allow: ping, from: a, to: b, resource: b}]",
		       "resource is given twice");
	assert_refused("policy: [{allow: ping, from: a, to: \"\"}]", "to is empty");
	assert_refused("policy: [{allow: ping, forbid: ping, from: a}]", "both allow and forbid");
	assert_refused("policy: [{allow: [], from: a}]", "an empty list");
	assert_refused("policy: [{allow: [ping, prefix], from: a, to: \"fd*\"}]",
		       "\"fd*\" names no network for prefix; allowed: a network with its length");
	assert_refused("policy: [{forbid: route, from: a, to: 192.168.7.0}]",
		       "names no network for route");
	assert_refused("policy: [{allow: [[ping]], from: a}]", "must be a word");
	assert_refused("policy: [{allow: ping, from: [a]}]", "from must be a single value");
	assert_refused("policy: [{allow: ping, form: a}]", "unknown key form; allowed: allow");
	assert_refused("policy: [ping]", "this is no rule");
	assert_refused("policy: ping", "is a single value");
	assert_refused("peers: [{name: spiffe://a/node/b}]", "without endpoint");
	assert_refused("peers: [{endpoint: a, name: b}]", "no SPIFFE ID");
	assert_refused("peers: [{endpoint: a, port: 1}]", "unknown key port");
	assert_refused("peers: [\"a b\"]", "a b is no peer");
	assert_refused("peers: [[a]]", "is no peer");
}

static char *repeated(const char *head, const char *item, size_t n)
{
	char *text = malloc(strlen(head) + n * strlen(item) + 1);
	char *at = text;

	assert_non_null(text);
	at = stpcpy(at, head);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, item);
	return text;
}

static void lists_are_bounded(void **state)
{
	(void)state;
	CLEANUP_FREE char *rules =
		repeated("policy:\n", "- {allow: ping, from: a}\n", POLICY_RULES_MAX);
	CLEANUP_FREE char *more =
		repeated("policy:\n", "- {allow: ping, from: a}\n", POLICY_RULES_MAX + 1);
	CLEANUP_FREE char *actions = repeated("policy:\n", "- {allow: [ping, api], from: a}\n",
					      POLICY_RULES_MAX / 2 + 1);
	CLEANUP_FREE char *peers = repeated("peers:\n", "- a:1\n", CONFIG_PEERS_MAX);
	CLEANUP_FREE char *more_peers = repeated("peers:\n", "- a:1\n", CONFIG_PEERS_MAX + 1);
	struct config *c = parse(rules);

	assert_int_equal(c->n_rules, POLICY_RULES_MAX);
	config_free(c);
	assert_refused(more, "too many entries");
	assert_refused(actions, "more than 1024 rules");
	c = parse(peers);
	assert_int_equal(c->n_peers, CONFIG_PEERS_MAX);
	config_free(c);
	assert_refused(more_peers, "too many entries");
}

static void many_mistakes_are_counted_and_the_first_told(void **state)
{
	(void)state;
	CLEANUP_FREE char *text = repeated("", "zzzzzzzzzzz: 1\n", CONFIG_PROBLEMS_MAX + 5);

	assert_refused(text, "x0.yaml: and 5 more\n");
	assert_int_equal(report.n, CONFIG_PROBLEMS_MAX);
	assert_int_equal(report.n_errors, CONFIG_PROBLEMS_MAX + 5);
}

static void what_yaml_can_do_beyond_our_need_is_refused(void **state)
{
	(void)state;
	CLEANUP_FREE char *deep = repeated("name: ", "[", 1000);
	CLEANUP_FREE char *long_text = repeated("# ", "x", CONFIG_FILE_MAX);

	assert_refused("a: &x 1\nb: *x\n", "anchors (&)");
	assert_refused("name: *x\n", "anchors (&)");
	assert_refused("name: !!str x\n", "tags (!)");
	assert_refused("name: a\n---\nname: b\n", "a second document");
	assert_refused(deep, "nested deeper than 8 levels");
	assert_refused(long_text, "longer than 1048576 bytes");
	assert_refused("[a]: b\n", "a key must be a word");
	assert_refused("name: \"a\\0b\"\n", "NUL");
	assert_refused("name: \xff\n", "not UTF-8");
	assert_refused("listen:\n  - [::]:26969\n", "needs quotes");
	assert_refused("name: 'a\n", "x0.yaml:2: error: not YAML");
	assert_refused("\tname: a\n", "not YAML");
}

static void a_missing_file_names_the_next_command(void **state)
{
	(void)state;
	struct config *c = NULL;

	assert_int_equal(config_load("/nonexistent/x0.yaml", &root, &c, &report), -ENOENT);
	assert_non_null(strstr(report.problems[0].text, "x0 init"));
	assert_int_equal(config_load("/", &root, &c, &report), -EISDIR);
	assert_int_equal(config_load("/dev/zero", &root, &c, &report), -EFBIG);
	assert_null(c);
}

static void the_default_file_is_itself_accepted(void **state)
{
	(void)state;
	char path[] = "/tmp/x0-config-XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");
	struct config *c = NULL, *defaults = parse("domain: d.mesh\nname: n1\n");
	const struct config_key *differ;

	assert_non_null(f);
	config_print_default_file("d.mesh", "n1", f);
	(void)fclose(f);
	assert_int_equal(config_load(path, &root, &c, &report), 0);
	(void)unlink(path);
	assert_int_equal(config_compare(c, defaults, &differ, 1), 0);
	config_free(c);
	config_free(defaults);
}

static char *without_comment_marks(char *text)
{
	char *to = text;

	for (char *line = text; *line;) {
		size_t len = strcspn(line, "\n") + 1;

		/* "#key: value" and "#  key: value" are defaults, "# text" is a sentence */
		if (line[0] == '#' && (line[1] != ' ' || (line[2] == ' ' && line[3] != ' '))) {
			line++;
			len--;
		}
		memmove(to, line, len);
		to += len;
		line += len;
	}
	*to = '\0';
	return text;
}

static void its_comments_show_the_real_defaults(void **state)
{
	(void)state;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	const struct config_key *differ;

	config_print_default_file(NULL, NULL, f);
	(void)fclose(f);
	struct config *c = parse(without_comment_marks(text)), *defaults = parse("");

	assert_int_equal(config_compare(c, defaults, &differ, 1), 0);
	config_free(c);
	config_free(defaults);
	free(text);
}

static void help_names_every_key(void **state)
{
	(void)state;
	void (*const print[])(FILE *) = { config_print_help, config_print_markdown };

	for (size_t i = 0; i < N_ELEMENTS(print); i++) {
		CLEANUP_FREE char *text = NULL;
		size_t len, n;
		FILE *f = open_memstream(&text, &len);
		const struct config_key *keys = config_keys(&n);

		print[i](f);
		(void)fclose(f);
		for (size_t k = 0; k < n; k++) {
			assert_non_null(strstr(text, keys[k].path));
			assert_non_null(strstr(text, keys[k].help));
			assert_ptr_equal(config_key_find(keys[k].path), &keys[k]);
		}
	}
}

/* What the daemon's socket is by a file with this text; "" where that is not to be told. */
static const char *socket_by(const char *text)
{
	static char ret[CONFIG_TEXT_SIZE];
	char path[] = "/tmp/x0-test-config-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
	ret[0] = '\0';
	if (config_load_socket(path, &root, ret) < 0)
		assert_string_equal(ret, "");
	(void)unlink(path);
	return ret;
}

static void with_mistakes_elsewhere_the_socket_is_known_all_the_same(void **state)
{
	(void)state;
	assert_string_equal(socket_by("domian: x.mesh\nrun_dir: /run/b\n"), "/run/b/x0.sock");
	assert_string_equal(socket_by("run_dir: \"/run/b\" # here\ntun: {mtu: 9\n"),
			    "/run/b/x0.sock");
	assert_string_equal(socket_by("a: [b\n: :\n"), "/run/x0/x0.sock"); /* it gives none */
	assert_string_equal(socket_by("bogus: 1\n#run_dir: /run/c\n"), "/run/x0/x0.sock");
	assert_string_equal(socket_by("state_dir: /run\n"), "/run/x0/x0.sock");
	/* another node's must not be taken for it */
	assert_string_equal(socket_by("run_dri: /run/b\n"), "");
	assert_string_equal(socket_by("rundir: /run/b\n"), "");
	assert_string_equal(socket_by("run_dir: run/b\n"), "");
	assert_string_equal(socket_by("{bogus: 1, run_dir: /run/b}\n"), "");
	assert_string_equal(socket_by(" run_dir: /run/b\n"), "");
	assert_string_equal(socket_by("run_dir: /run/b\nrun_dir: /run/c\n"), "");
	assert_string_equal(socket_by("run_dir:\n  /run/b\n"), "");
}

static void prefixes_to_block_are_read_and_printed(void **state)
{
	static const uint8_t four[16] = {
		[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100
	};
	struct config *c = parse("ebpf:\n"
				 "  guard: on\n"
				 "  enforce: off\n"
				 "  block: [198.51.100.0/24, \"2001:db8:bad::/48\", \"::/0\"]\n");

	(void)state;
	assert_int_equal(c->ebpf_guard, CONFIG_EBPF_ON);
	assert_int_equal(c->ebpf_meter, CONFIG_EBPF_AUTO);
	assert_int_equal(c->ebpf_enforce, CONFIG_EBPF_OFF);
	assert_int_equal(c->n_ebpf_block, 3);
	assert_int_equal(c->ebpf_block[0].len, 120);
	assert_memory_equal(c->ebpf_block[0].ip, four, 16);
	assert_int_equal(c->ebpf_block[1].len, 48);
	assert_int_equal(c->ebpf_block[2].len, 0);
	CLEANUP_FREE char *text = printed(config_print, c);

	assert_non_null(strstr(text, "\"198.51.100.0/24\", \"2001:db8:bad::/48\", \"::/0\""));
	config_free(c);
	assert_refused("ebpf: {block: [192.0.2.1/24]}", "has bits behind its length");
	assert_refused("ebpf: {block: [example.org]}", "is no network");
}

static void the_gateway_to_batman_is_off_until_interfaces_are_named(void **state)
{
	struct config *c = parse("");

	(void)state;
	assert_int_equal(c->n_batman_interfaces, 0);
	assert_string_equal(c->batman_tap, "x0bat");
	config_free(c);
	c = parse("batman: {interfaces: [eth1, br-lan.7], "
		  "addresses: [\"fd12::1/64\", 192.168.7.1/24]}\n");
	assert_int_equal(c->n_batman_interfaces, 2);
	assert_string_equal(c->batman_interfaces[1], "br-lan.7");
	assert_int_equal(c->n_batman_addresses, 2);
	assert_int_equal(c->batman_addresses[0].len, 64);
	assert_int_equal(c->batman_addresses[0].ip[15], 1);
	assert_int_equal(c->batman_addresses[1].len, 120);
	config_free(c);
	assert_refused("batman: {interfaces: [eth1, eth1]}", "eth1 is there twice");
	assert_refused("batman: {interfaces: [\"../eth1\"]}", "is no name of an interface");
	assert_refused("batman: {interfaces: [a2345678901234567]}", "is no name of an interface");
	assert_refused("batman: {interfaces: [a, b, c, d, e]}", "has too many entries");
	assert_refused("batman: {addresses: [\"fd12::/64\"]}", "none that an interface may have");
	assert_refused("batman: {addresses: [\"::1/64\"]}", "none that an interface may have");
	assert_refused("batman: {addresses: [224.0.0.1/24]}", "none that an interface may have");
	assert_refused("batman: {addresses: [192.168.7.1]}", "no address with a prefix length");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_gateway_to_batman_is_off_until_interfaces_are_named),
		cmocka_unit_test(prefixes_to_block_are_read_and_printed),
		cmocka_unit_test(with_mistakes_elsewhere_the_socket_is_known_all_the_same),
		cmocka_unit_test(every_default_passes_its_own_checks),
		cmocka_unit_test(networks_are_read_and_those_of_no_use_refused),
		cmocka_unit_test(no_more_networks_than_a_node_may_offer),
		cmocka_unit_test(a_switch_is_one_or_zero),
		cmocka_unit_test(without_root_things_lie_in_the_xdg_directories),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(what_is_printed_is_read_back_the_same),
		cmocka_unit_test(changed_keys_are_told_with_whether_a_reload_applies_them),
		cmocka_unit_test(mistakes_are_told_with_line_key_and_what_is_allowed),
		cmocka_unit_test(unknown_keys_suggest_the_nearest),
		cmocka_unit_test(keys_given_twice_are_errors),
		cmocka_unit_test(renamed_keys_warn_and_work),
		cmocka_unit_test(rules_are_checked_word_by_word),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(many_mistakes_are_counted_and_the_first_told),
		cmocka_unit_test(what_yaml_can_do_beyond_our_need_is_refused),
		cmocka_unit_test(a_missing_file_names_the_next_command),
		cmocka_unit_test(the_default_file_is_itself_accepted),
		cmocka_unit_test(its_comments_show_the_real_defaults),
		cmocka_unit_test(help_names_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
