/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 demo`: founds a mesh of real nodes in network namespaces, uses it, breaks it, measures. */
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/demo.h"
#include "cli/demo_internal.h"
#include "shell/http/http.h"

#define LINKS_MS 15000
#define PAIRS_MS 20000

/* ---- faults ---- */

struct cut {
	struct demo *d;
	struct demo_link *link;
};

static bool strike_cut(void *arg)
{
	const struct cut *c = arg;

	return lab_cut(c->d, c->link, true);
}

struct killing {
	struct demo *d;
	struct demo_node *hop;
};

/* The relay is chosen when it is killed: until then the way may have changed. Runs in a process
 * of its own, beside the prober. */
static bool strike_kill(void *arg)
{
	struct killing *k = arg;
	struct demo_node *hop = nodes_next_hop(k->d, nodes_far(k->d));

	if (!hop || hop == &k->d->nodes[k->d->n_nodes - 1])
		return false;
	k->hop = hop;
	nodes_kill(hop);
	return true;
}

static int add_outage(struct demo *d, const char *fault, double ms)
{
	struct demo_outage *o = &d->outages[d->n_outages++];

	(void)snprintf(o->fault, sizeof(o->fault), "%s", fault);
	o->ms = ms;
	o->is_ok = ms <= DEMO_OUTAGE_MAX_MS;
	report_say(d, "%s: %.0f ms without an answer", fault, ms);
	if (o->is_ok)
		return 0;
	return demo_failed(d, &d->nodes[0], fault, "an outage of at most 1000 ms", "%.0f ms", ms);
}

static struct demo_node *hop_in_use(struct demo *d)
{
	if (nodes_wait_path(d, nodes_far(d), NULL, LINKS_MS) < 0)
		return NULL;
	return nodes_next_hop(d, nodes_far(d));
}

static int cut_link(struct demo *d)
{
	struct demo_node *hop = hop_in_use(d);
	struct cut cut = { .d = d };
	char fault[DEMO_FAULT_SIZE];
	double ms;

	if (!hop)
		return -1;
	cut.link = lab_link(d, 0, (unsigned)(hop - d->nodes));
	if (!cut.link)
		return demo_failed(d, &d->nodes[0], "choosing the link to cut",
				   "a neighbour as next hop", "%s is none", hop->name);
	(void)snprintf(fault, sizeof(fault), "link %.15s-%.15s cut silently", d->nodes[0].name,
		       hop->name);
	report_say(d, "cutting the link %s-%s, in use from %s to %s, without a word to anyone",
		   d->nodes[0].name, hop->name, d->nodes[0].name, d->nodes[d->n_nodes - 1].name);
	cut.link->is_cut = true;
	int r = traffic_outage(d, strike_cut, &cut, &ms);

	if (r == 0)
		r = nodes_wait_path(d, nodes_far(d), hop, LINKS_MS); /* so it was the path indeed */
	(void)nodes_look(d);
	if (r == 0)
		report_picture(d);
	if (r == 0)
		r = add_outage(d, fault, ms);
	if (!lab_cut(d, cut.link, false) && r == 0)
		r = demo_failed(d, NULL, "restoring the link", "ip neigh replace", "it failed");
	cut.link->is_cut = false;
	report_say(d, "link restored");
	return r < 0 ? r : nodes_wait_links(d, LINKS_MS);
}

static int kill_relay(struct demo *d)
{
	struct killing *k =
		mmap(NULL, sizeof(*k), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct demo_node *hop = hop_in_use(d);
	char fault[DEMO_FAULT_SIZE];
	double ms;
	int r;

	if (!hop || k == MAP_FAILED)
		return -1;
	k->d = d;
	report_say(d, "killing the relay in use from %s to %s (SIGKILL for keeper and daemon)",
		   d->nodes[0].name, d->nodes[d->n_nodes - 1].name);
	r = traffic_outage(d, strike_kill, k, &ms);
	hop = k->hop;
	(void)munmap(k, sizeof(*k));
	if (!hop)
		return r < 0 ? r
			     : demo_failed(d, &d->nodes[0], "choosing the relay to kill",
					   "a relay on the way", "the far corner is the next hop");
	(void)snprintf(fault, sizeof(fault), "relay %.15s killed", hop->name);
	hop->group = 0;
	if (r == 0)
		r = nodes_wait_path(d, nodes_far(d), hop, LINKS_MS);
	(void)nodes_look(d);
	if (r == 0)
		report_picture(d);
	if (r == 0)
		r = add_outage(d, fault, ms);
	if (r == 0)
		r = nodes_up(d, hop);
	if (r < 0)
		return r;
	report_say(d, "%s started again", hop->name);
	return nodes_wait_links(d, LINKS_MS);
}

/* ---- the story ---- */

static int raise_mesh(struct demo *d)
{
	report_say(d, "making %u network namespaces, cabled as two rows", d->n_nodes);
	if (lab_make(d) < 0 || nodes_configure(d) < 0)
		return -1;
	report_say(d, "%u links by veth pairs; for joining only, each node has a cable to %s too",
		   d->n_links, d->nodes[0].name);
	if (nodes_found(d) < 0)
		return -1;
	if (d->api_fd >= 0)
		report_say(d, "%s serves its API to this machine: http://127.0.0.1:%u/",
			   d->nodes[0].name, d->api_port);
	report_say(d, "the cables for joining are gone; starting the daemons");
	for (unsigned i = 1; i < d->n_nodes; i++)
		if (nodes_up(d, &d->nodes[i]) < 0)
			return -1;
	report_say(d, "%u daemons up", d->n_nodes);
	return nodes_wait_links(d, LINKS_MS);
}

static int tell_story(struct demo *d)
{
	if (raise_mesh(d) < 0)
		return -1;
	report_picture(d);
	if (nodes_ping_all(d, PAIRS_MS) < 0 || nodes_sessions(d) < 0)
		return -1;
	if ((d->options.scenario & DEMO_TRANSFER) && traffic_transfer(d) < 0)
		return -1;
	if ((d->options.scenario & DEMO_CUT) && cut_link(d) < 0)
		return -1;
	if ((d->options.scenario & DEMO_KILL) && kill_relay(d) < 0)
		return -1;
	if ((d->options.scenario & DEMO_DROPPER) && dropper_run(d) < 0)
		return -1;
	return 0;
}

static int work(struct demo *d)
{
	bool is_ok = tell_story(d) == 0;

	if (demo_is_stopped()) {
		report_say(d, "told to end: taking everything down");
		return 130; /* as a shell says for Ctrl-C */
	}
	report_summary(d, is_ok);
	if (d->options.is_json)
		report_json(d, is_ok);
	if (is_ok && !d->options.is_once)
		demo_stay(d);
	for (unsigned i = 0; i < d->n_nodes; i++)
		nodes_kill(&d->nodes[i]);
	if (d->options.is_kept)
		(void)fprintf(d->out, "configuration, state and logs are kept in %s\n", d->dir);
	return is_ok ? 0 : 1;
}

/* ---- the command line ---- */

static void print_help(FILE *to)
{
	(void)fputs(
		"usage: x0 demo [--nodes N] [--once] [--json] [--keep] [--scenario NAME] "
		"[--file FILE]\n\n"
		"Runs a mesh of real nodes on this machine, each in a network namespace of its "
		"own, and\nshows it at work: identities, links, all pairs reachable, a file "
		"fetched from the far\ncorner, a link cut silently, a relay killed, a relay that "
		"drops packets\nfound out. Nothing outside is touched, all of it is taken away at "
		"the end. Root is not\nneeded where user namespaces are allowed.\n\n"
		"Without --once it then serves a dashboard until Ctrl-C; Enter cuts a link.\n\n"
		"  --nodes N        an even number from 4 to 16, in two rows; default 6\n"
		"  --once           ends by itself; exit status 0 only if all of it worked\n"
		"  --json           one JSON object on stdout at the end, progress on stderr\n"
		"  --keep           keeps configuration, state (keys!) and logs\n"
		"  --scenario NAME  all (default), transfer, cut, kill or dropper\n"
		"  --file FILE      fetch this file; default: 64 MiB of random bytes\n\n"
		"examples:\n"
		"  x0 demo\n"
		"  x0 demo --once --json\n"
		"  x0 demo --once --scenario cut --nodes 8\n",
		to);
}

static int parse_scenario(struct cli *c, const char *name, unsigned *ret)
{
	static const struct {
		const char *name;
		unsigned scenario;
	} names[] = { { "all", DEMO_ALL },
		      { "transfer", DEMO_TRANSFER },
		      { "cut", DEMO_CUT },
		      { "kill", DEMO_KILL },
		      { "dropper", DEMO_DROPPER } };

	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		if (strcmp(names[i].name, name) == 0) {
			*ret = names[i].scenario;
			return 0;
		}
	}
	return cli_usage(c, "no scenario \"%s\"; there are all, transfer, cut, kill, dropper",
			 name);
}

static int parse_nodes(struct cli *c, const char *text, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n < 4 || n > DEMO_NODES_MAX || n % 2 != 0)
		return cli_usage(c, "--nodes %s: an even number from 4 to 16 is wanted", text);
	*ret = (unsigned)n;
	return 0;
}

/* Found out now, not when the mesh stands. */
static int parse_file(struct cli *c, const char *path, char ret[DEMO_PATH_SIZE])
{
	char whole[PATH_MAX];
	struct stat st;

	if (!realpath(path, whole) || access(whole, R_OK) < 0 || stat(whole, &st) < 0)
		return cli_fail(c, CLI_FAILED, "file", "--file %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > DEMO_FILE_MAX)
		return cli_fail(c, CLI_FAILED, "file",
				"--file %s: a regular file of 1 byte to 1 GiB is wanted", path);
	if (strlen(whole) >= DEMO_PATH_SIZE)
		return cli_fail(c, CLI_FAILED, "file", "--file %s: its path is too long", path);
	(void)snprintf(ret, DEMO_PATH_SIZE, "%s", whole);
	return 0;
}

static int take_option(struct cli *c, int option, struct demo_options *ret)
{
	switch (option) {
	case 'n':
		return parse_nodes(c, optarg, &ret->n_nodes);
	case 's':
		return parse_scenario(c, optarg, &ret->scenario);
	case 'f':
		return parse_file(c, optarg, ret->file);
	case 'o':
		ret->is_once = true;
		return 0;
	case 'j':
		ret->is_json = true;
		return 0;
	case 'k':
		ret->is_kept = true;
		return 0;
	case ':':
		return cli_usage(c, "%s needs a value", c->args[optind - 1]);
	default:
		return cli_usage(c, "there is no option %s", c->args[optind - 1]);
	}
}

/* 0, or the exit status to end with; -1 for go on. */
static int parse(struct cli *c, int argc, char **argv, struct demo_options *ret)
{
	static const struct option options[] = {
		{ "nodes", required_argument, NULL, 'n' },
		{ "once", no_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "keep", no_argument, NULL, 'k' },
		{ "scenario", required_argument, NULL, 's' },
		{ "file", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;
	int r = 0;

	optind = 0; /* the caller's own options may have been read with it */
	opterr = 0;
	c->args = argv;
	*ret = (struct demo_options){ .n_nodes = 6, .scenario = DEMO_ALL };
	while (r == 0 && (option = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (option == 'h') {
			print_help(c->out);
			return 0;
		}
		r = take_option(c, option, ret);
	}
	if (r == 0 && optind < argc)
		r = cli_usage(c, "it takes no argument: %s", argv[optind]);
	if (r == 0 && ret->file[0] && !(ret->scenario & DEMO_TRANSFER))
		r = cli_usage(c, "--file: this scenario transfers nothing");
	return r == 0 ? -1 : r;
}

/* Looks for a program in PATH, and in the directories of the administrator. */
static bool have_program(const char *name)
{
	const char *path = getenv("PATH");
	char all[4096];
	char *save = NULL;

	(void)snprintf(all, sizeof(all), "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
	(void)setenv("PATH", all, 1);
	for (char *dir = strtok_r(all, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		char file[4200];

		(void)snprintf(file, sizeof(file), "%s/%s", dir, name);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static int have_programs(struct cli *c, const struct demo_options *o)
{
	if (!have_program("ip"))
		return cli_fail(c, CLI_FAILED, "program",
				"the program ip is missing: sudo apt-get install iproute2");
	if ((o->scenario & DEMO_TRANSFER) && !have_program("curl"))
		return cli_fail(c, CLI_FAILED, "program",
				"the program curl is missing: sudo apt-get install curl");
	return 0;
}

/* For the API of the first node, in the network that this command was started in. */
static void open_listener(struct demo *d)
{
	char why[HTTP_WHY_SIZE];

	d->api_fd = -1;
	for (unsigned i = 0; i < DEMO_API_PORTS && d->api_fd < 0; i++) {
		struct endpoint at = { .ip = { [10] = 0xff, 0xff, 127, 0, 0, 1 },
				       .port = (uint16_t)(DEMO_API_PORT + i) };

		if (http_bind(&at, false, &d->api_fd, why) == 0)
			d->api_port = at.port;
		else
			d->api_fd = -1;
	}
}

int demo_main(int argc, char **argv, FILE *out, FILE *err)
{
	static struct demo d;
	struct cli c;
	ssize_t n;
	int r;

	cli_init(&c, out, err);
	c.verb = cli_verb_find("demo");
	c.is_json = cli_asks_for_json(argc, argv);
	r = parse(&c, argc, argv, &d.options);
	if (r >= 0)
		return r;
	r = have_programs(&c, &d.options);
	if (r != 0)
		return r;
	n = readlink("/proc/self/exe", d.exe, sizeof(d.exe) - 1);
	if (n <= 0 || (size_t)n == sizeof(d.exe) - 1)
		return cli_fail(&c, CLI_FAILED, "program",
				"cannot tell where this program lies: %s",
				n < 0 ? strerror(errno) : "its path is too long");
	d.out = d.options.is_json ? stderr : stdout;
	d.is_coloured = isatty(fileno(d.out)) && !getenv("NO_COLOR");
	d.is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	d.start_us = report_now_us();
	d.n_nodes = d.options.n_nodes;
	for (unsigned i = 0; i < d.n_nodes; i++)
		(void)snprintf(d.nodes[i].name, sizeof(d.nodes[i].name), "n%u", i + 1);
	open_listener(&d);
	return demo_contain(&d, work);
}
