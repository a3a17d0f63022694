/* SPDX-License-Identifier: Apache-2.0 */
/* `x0 ebpf explain`: what the kernel really runs, and what that can and cannot do. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/ebpf.h"
#include "cli/text.h"

#define HELPERS_MAX 64
#define NAME_SIZE 64

DEFINE_FREEP(struct ebpf_image, ebpf_image_free)

struct helpers {
	char names[HELPERS_MAX][NAME_SIZE];
	unsigned n;
};

static void helpers_of(const struct ebpf_image *i, struct helpers *ret)
{
	ret->n = 0;
	for (size_t at = 0; at < i->n_insns; at++) {
		char room[NAME_SIZE];
		const char *name = ebpf_image_helper(i, at, room);
		unsigned k = 0;

		while (name && k < ret->n && strcmp(ret->names[k], name) != 0)
			k++;
		if (name && k == ret->n && ret->n < HELPERS_MAX)
			(void)snprintf(ret->names[ret->n++], NAME_SIZE, "%s", name);
		at += ebpf_insn_is_wide(&i->insns[at]);
	}
}

/* ---- text ---- */

/* A paragraph in lines of 78 characters. */
static void say_wrapped(struct cli *c, const char *text)
{
	while (*text) {
		size_t n = strlen(text);

		if (n > 78) {
			n = 78;
			while (n > 0 && text[n] != ' ')
				n--;
		}
		cli_say(c, "  %.*s", (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
}

static void say_instructions(struct cli *c, const struct ebpf_image *i)
{
	CLEANUP_FREE size_t *blocks = calloc(i->n_insns + 1, sizeof(*blocks));
	size_t n_blocks = blocks ? ebpf_image_blocks(i, blocks) : 0;
	size_t block = 0;

	for (size_t at = 0; at < i->n_insns; at++) {
		char text[EBPF_INSN_TEXT];

		if (block < n_blocks && blocks[block] == at) {
			cli_say(c, "%sblock %zu%s", cli_colour(c, CLI_DIM), at,
				cli_colour(c, CLI_PLAIN));
			block++;
		}
		if (i->source[at] && i->source[at][0])
			cli_say(c, "%s; %s%s", cli_colour(c, CLI_GREEN), i->source[at],
				cli_colour(c, CLI_PLAIN));
		ebpf_image_text(i, at, text);
		cli_say(c, "%4zu: %s", at, text);
		at += ebpf_insn_is_wide(&i->insns[at]);
	}
}

static void say_image(struct cli *c, enum ebpf_program p, const struct ebpf_image *i)
{
	CLEANUP_FREE size_t *blocks = calloc(i->n_insns + 1, sizeof(*blocks));
	struct helpers helpers;
	char bytes[TEXT_SIZE];

	helpers_of(i, &helpers);
	cli_say(c, "%s%s%s, id %u, %s, tag %s", cli_colour(c, CLI_BOLD), i->name,
		cli_colour(c, CLI_PLAIN), i->id, i->type, i->tag);
	say_wrapped(c, ebpf_program_summary(p));
	cli_say(c, "%zu instructions in %zu blocks; %u bytes of machine code", i->n_insns,
		blocks ? ebpf_image_blocks(i, blocks) : 0, i->jited_bytes);
	for (size_t k = 0; k < i->n_maps; k++) {
		text_bytes(i->maps[k].memory_bytes, bytes);
		cli_say(c, "map %-14s %-14s %u entries, %s", i->maps[k].name, i->maps[k].type,
			i->maps[k].max_entries, bytes);
	}
	for (unsigned k = 0; k < helpers.n; k++)
		cli_say(c, "calls %s", helpers.names[k]);
	say_instructions(c, i);
}

/* ---- JSON ---- */

static json_t *instructions_json(const struct ebpf_image *i)
{
	json_t *list = json_array();

	for (size_t at = 0; at < i->n_insns; at++) {
		char text[EBPF_INSN_TEXT];
		json_t *one;

		ebpf_image_text(i, at, text);
		one = json_pack("{s:I, s:s}", "at", (json_int_t)at, "text", text);
		if (i->source[at])
			(void)json_object_set_new(one, "source", json_string(i->source[at]));
		(void)json_array_append_new(list, one);
		at += ebpf_insn_is_wide(&i->insns[at]);
	}
	return list;
}

static json_t *image_json(enum ebpf_program p, const struct ebpf_image *i)
{
	CLEANUP_FREE size_t *blocks = calloc(i->n_insns + 1, sizeof(*blocks));
	size_t n = blocks ? ebpf_image_blocks(i, blocks) : 0;
	json_t *j = ebpf_image_json(i);
	json_t *list = json_array();
	json_t *calls = json_array();
	struct helpers helpers;

	helpers_of(i, &helpers);
	for (size_t k = 0; k < n; k++)
		(void)json_array_append_new(list, json_integer((json_int_t)blocks[k]));
	for (unsigned k = 0; k < helpers.n; k++)
		(void)json_array_append_new(calls, json_string(helpers.names[k]));
	(void)json_object_set_new(j, "program", json_string(ebpf_program_name(p)));
	(void)json_object_set_new(j, "summary", json_string(ebpf_program_summary(p)));
	(void)json_object_set_new(j, "helpers", calls);
	(void)json_object_set_new(j, "blocks", list);
	(void)json_object_set_new(j, "instructions", instructions_json(i));
	return j;
}

/* ---- the graph ---- */

/* Through the program dot of Graphviz, which writes to our standard output. */
static int draw(struct cli *c, const struct ebpf_image *i)
{
	int fds[2], status;
	FILE *to;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cli_fail(c, CLI_FAILED, "failed", "%s", strerror(errno));
	(void)fflush(c->out);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[0], STDIN_FILENO);
		(void)dup2(fileno(c->out), STDOUT_FILENO);
		(void)execlp("dot", "dot", "-Tsvg", (char *)NULL);
		_exit(127);
	}
	(void)close(fds[0]);
	to = fdopen(fds[1], "w");
	if (to) {
		ebpf_image_dot(i, to);
		(void)fclose(to);
	} else {
		(void)close(fds[1]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		return cli_fail(c, CLI_FAILED, "no_graphviz",
				"the program dot is missing (apt-get install graphviz), or failed; "
				"--dot prints the graph for it");
	return 0;
}

static int explain_one(struct cli *c, enum ebpf_program p, uint32_t id, json_t *all)
{
	CLEANUP(ebpf_image_freep) struct ebpf_image *i = NULL;
	char why[EBPF_WHY_SIZE];
	int r = ebpf_image_new(id, &i, why);

	if (r < 0)
		return cli_fail(c, r == -EPERM ? CLI_DENIED : CLI_FAILED,
				r == -EPERM ? "denied" : "failed", "%s", why);
	if (cli_given(c, "dot")) {
		ebpf_image_dot(i, c->out);
		return 0;
	}
	if (cli_given(c, "svg"))
		return draw(c, i);
	(void)json_array_append_new(all, image_json(p, i));
	if (!c->is_json)
		say_image(c, p, i);
	return 0;
}

int ebpf_explain(struct cli *c, enum ebpf_program program, const uint32_t *ids, unsigned n)
{
	bool is_graph = cli_given(c, "dot") || cli_given(c, "svg");
	json_t *all = json_array();
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++) {
		if (i > 0 && cli_given(c, "svg"))
			break; /* a file is one picture: name a function for another */
		r = explain_one(c, program, ids[i], all);
	}
	if (r == 0 && !is_graph)
		cli_json(c, all);
	else
		json_decref(all);
	return r;
}
