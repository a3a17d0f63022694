/* SPDX-License-Identifier: Apache-2.0 */
/* From the file to the checked values: which key, whether known, given once, and where the
 * defaults lie. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "shell/config/table.h"
#include "shell/config/value.h"

#define KEYS_MAX 96 /* of the table: asserted */

DEFINE_FREEP(struct config, config_free)
DEFINE_FREEP(struct tree, tree_free)

void config_environment_read(struct config_environment *ret)
{
	*ret = (struct config_environment){
		.is_root = geteuid() == 0,
		.home = getenv("HOME"),
		.xdg_config_home = getenv("XDG_CONFIG_HOME"),
		.xdg_state_home = getenv("XDG_STATE_HOME"),
		.xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
	};
}

/* Relative paths in these variables are to be ignored (XDG Base Directory Specification). */
static bool is_set(const char *path)
{
	return path && path[0] == '/';
}

/* "$XDG_STATE_HOME/x0" with the variable, or what stands for it where it is not set. */
static int expand(const struct config_environment *env, const char *text, char *ret, size_t size)
{
	const char *home = is_set(env->home) ? env->home : "/nonexistent";
	const struct {
		const char *name, *value, *instead;
	} variables[] = {
		{ "$XDG_CONFIG_HOME", env->xdg_config_home, "/.config" },
		{ "$XDG_STATE_HOME", env->xdg_state_home, "/.local/state" },
		{ "$XDG_RUNTIME_DIR", env->xdg_runtime_dir, "/.local/state/run" },
	};
	int n = -1;

	for (size_t i = 0; i < N_ELEMENTS(variables); i++) {
		size_t len = strlen(variables[i].name);

		if (strncmp(text, variables[i].name, len) != 0)
			continue;
		if (is_set(variables[i].value))
			n = snprintf(ret, size, "%s%s", variables[i].value, text + len);
		else
			n = snprintf(ret, size, "%s%s%s", home, variables[i].instead, text + len);
	}
	if (n < 0)
		n = snprintf(ret, size, "%s", text);
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int config_default_path(const struct config_environment *env, char *ret, size_t size)
{
	return expand(env, env->is_root ? "/etc/x0/x0.yaml" : "$XDG_CONFIG_HOME/x0/x0.yaml", ret,
		      size);
}

static int derive(struct config *c)
{
	int n = snprintf(c->socket, sizeof(c->socket), "%s/x0.sock", c->run_dir);

	return (size_t)n < sizeof(c->socket) ? 0 : -ENAMETOOLONG;
}

static int set_default(struct config *c, const struct config_key *key,
		       const struct config_environment *env, struct config_report *report)
{
	const char *text = key->default_text;
	char path[2 * CONFIG_TEXT_SIZE];
	CLEANUP(tree_freep) struct tree *t = NULL;
	int r;

	if (key->default_user && !env->is_root) {
		struct tree scalar = { .kind = TREE_SCALAR, .text = path };

		r = expand(env, key->default_user, path, sizeof(path));
		return r < 0 ? r : value_set(c, key, &scalar, report);
	}
	r = tree_parse(text, strlen(text), &t, report);
	if (r == 0)
		r = value_set(c, key, t, report);
	if (r == 0 && key->type == CONFIG_RULES)
		for (size_t i = 0; i < c->n_rules; i++)
			c->rules[i].line = 0; /* they stand in no file */
	return r;
}

/* Defaults for the keys that have no line yet in seen (NULL: all). */
static int set_defaults(struct config *c, const struct config_environment *env,
			const unsigned *seen, struct config_report *report)
{
	size_t n;
	const struct config_key *keys = config_keys(&n);

	for (size_t i = 0; i < n; i++) {
		int r = seen && seen[i] ? 0 : set_default(c, &keys[i], env, report);

		if (r < 0)
			return r;
	}
	return 0;
}

int config_new(const struct config_environment *env, struct config **ret)
{
	CLEANUP(config_freep) struct config *c = calloc(1, sizeof(*c));
	struct config_report report = { 0 };
	int r;

	if (!c)
		return -ENOMEM;
	r = set_defaults(c, env, NULL, &report);
	if (r == 0)
		r = derive(c);
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	free(c->peers);
	free(c->rules);
	free(c);
}

/* ---- a file ---- */

struct reading {
	struct config *config;
	struct config_report *report;
	unsigned seen[KEYS_MAX]; /* the line of each key of the table, 0 where not given */
};

static int report_unknown(struct reading *r, const char *path, unsigned line)
{
	const char *nearest = table_nearest(path);

	if (nearest)
		return report_error(r->report, line, "unknown key %.60s; did you mean %s?", path,
				    nearest);
	return report_error(r->report, line,
			    "unknown key %.60s; `x0 config help` lists the known ones", path);
}

static int apply_value(struct reading *r, const char *path, const struct tree *t)
{
	const char *now = table_renamed(path);
	const struct config_key *key = config_key_find(now ? now : path);
	size_t n;
	unsigned *seen;

	if (!key)
		return report_unknown(r, path, t->line);
	if (now)
		report_warning(r->report, t->line, "%s is now called %s", path, now);
	seen = &r->seen[key - config_keys(&n)];
	if (*seen > 0)
		return report_error(r->report, t->line, "%s is given twice; first on line %u",
				    key->path, *seen);
	*seen = t->line;
	return value_set(r->config, key, t, r->report);
}

/* Goes on after a mistake, so that all are told at once. */
static int apply_section(struct reading *r, const char *prefix, const struct tree *section)
{
	int failed = 0;

	for (const struct tree *t = section->first; t; t = t->next) {
		char path[128];
		int n = snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", t->key);
		int result;

		if ((size_t)n >= sizeof(path))
			result = report_error(r->report, t->line, "unknown key %.60s...", path);
		else if (!table_is_section(path))
			result = apply_value(r, path, t);
		else if (t->kind == TREE_MAP)
			result = apply_section(r, path, t);
		else
			result = t->kind == TREE_NULL ? 0
						      : report_error(r->report, t->line,
								     "%s is a section", path);
		if (result == -ENOMEM)
			return result;
		failed = result < 0 ? result : failed;
	}
	return failed;
}

static int parse(const char *text, size_t len, const struct config_environment *env,
		 struct config **ret, struct config_report *report)
{
	CLEANUP(config_freep) struct config *c = calloc(1, sizeof(*c));
	CLEANUP(tree_freep) struct tree *root = NULL;
	struct reading reading = { .config = c, .report = report };
	size_t n;
	int r;

	(void)config_keys(&n);
	assert(n <= KEYS_MAX);
	if (!c)
		return -ENOMEM;
	r = tree_parse(text, len, &root, report);
	if (r < 0)
		return r;
	if (root->kind != TREE_MAP)
		return report_error(report, root->line, "the file must be \"key: value\" lines");
	r = apply_section(&reading, "", root);
	if (r < 0)
		return r;
	r = set_defaults(c, env, reading.seen, report);
	if (r == 0)
		r = derive(c);
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}

int config_parse(const char *text, size_t len, const char *file,
		 const struct config_environment *env, struct config **ret,
		 struct config_report *ret_report)
{
	memset(ret_report, 0, sizeof(*ret_report));
	(void)snprintf(ret_report->file, sizeof(ret_report->file), "%s", file);
	if (len > CONFIG_FILE_MAX)
		return report_error(ret_report, 0, "longer than %d bytes", CONFIG_FILE_MAX);
	return parse(text, len, env, ret, ret_report);
}

/* -EFBIG where the file is longer than what is read. */
static int read_file(const char *path, char **ret, size_t *ret_len)
{
	CLEANUP_FREE char *text = malloc(CONFIG_FILE_MAX + 2); /* and a NUL */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (text && len <= CONFIG_FILE_MAX) {
		n = read(fd, text + len, CONFIG_FILE_MAX + 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	int error = errno;

	(void)close(fd);
	if (!text)
		return -ENOMEM;
	if (n < 0)
		return -error;
	if (len > CONFIG_FILE_MAX)
		return -EFBIG;
	*ret = TAKE(text);
	*ret_len = len;
	return 0;
}

int config_load(const char *path, const struct config_environment *env, struct config **ret,
		struct config_report *ret_report)
{
	CLEANUP_FREE char *text = NULL;
	size_t len = 0;
	int r = read_file(path, &text, &len);

	if (r == 0)
		return config_parse(text, len, path, env, ret, ret_report);
	memset(ret_report, 0, sizeof(*ret_report));
	(void)snprintf(ret_report->file, sizeof(ret_report->file), "%s", path);
	if (r == -ENOENT)
		(void)report_error(ret_report, 0,
				   "there is no such file; `x0 init` or `x0 join` makes it");
	else if (r == -EFBIG)
		(void)report_error(ret_report, 0, "longer than %d bytes", CONFIG_FILE_MAX);
	else
		(void)report_error(ret_report, 0, "cannot be read: %s", strerror(-r));
	return r;
}

/* ---- a file with mistakes ---- */

/* The one line that gives run_dir, NULL for none. False where it stands in another way than at the
 * beginning of one line, or where a key could be a misspelling of it. */
static bool find_run_dir(const char *text, const char **ret, size_t *ret_len)
{
	*ret = NULL;
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		size_t key_len = strcspn(line, ": \t\n#{}[]\"'");
		const char *mentioned = memmem(line, len, "run_dir", strlen("run_dir"));
		char key[32] = "";
		const char *nearest;

		if (key_len < sizeof(key))
			memcpy(key, line, key_len);
		nearest = key[0] ? table_nearest(key) : NULL;
		if (strcmp(key, "run_dir") == 0 && !*ret) {
			*ret = line;
			*ret_len = len;
		} else if (*line != '#' &&
			   (mentioned || (nearest && strcmp(nearest, "run_dir") == 0 &&
					  !config_key_find(key) && !table_renamed(key)))) {
			return false;
		}
		line += len + (line[len] == '\n');
	}
	return true;
}

int config_load_socket(const char *path, const struct config_environment *env,
		       char ret[CONFIG_TEXT_SIZE])
{
	CLEANUP(config_freep) struct config *c = NULL;
	struct config_report report;
	CLEANUP_FREE char *text = NULL;
	const char *line = NULL;
	size_t len = 0, line_len = 0;
	int r = read_file(path, &text, &len);

	if (r < 0)
		return r;
	if (!text || len > CONFIG_FILE_MAX || memchr(text, '\0', len))
		return -EINVAL;
	text[len] = '\0'; /* there is room for one more than is read */
	if (!find_run_dir(text, &line, &line_len))
		return -EINVAL;
	r = config_parse(line ? line : "", line_len, path, env, &c, &report);
	if (c)
		memcpy(ret, c->socket, CONFIG_TEXT_SIZE);
	return r;
}

void config_report_print(const struct config_report *r, FILE *to)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct config_problem *p = &r->problems[i];

		(void)fprintf(to, "%s:", r->file);
		if (p->line > 0)
			(void)fprintf(to, "%u:", p->line);
		(void)fprintf(to, " %s: %s\n", p->is_error ? "error" : "warning", p->text);
	}
	if (r->n_errors + r->n_warnings > r->n)
		(void)fprintf(to, "%s: and %zu more\n", r->file,
			      r->n_errors + r->n_warnings - r->n);
}

static char *value_text(const struct config *c, const struct config_key *key)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	value_print(c, key, f);
	(void)fclose(f);
	return text;
}

size_t config_compare(const struct config *before, const struct config *after,
		      const struct config_key **ret, size_t max)
{
	size_t n_keys, n = 0;
	const struct config_key *keys = config_keys(&n_keys);

	for (size_t i = 0; i < n_keys && n < max; i++) {
		CLEANUP_FREE char *a = value_text(before, &keys[i]);
		CLEANUP_FREE char *b = value_text(after, &keys[i]);

		if (!a || !b || strcmp(a, b) != 0)
			ret[n++] = &keys[i];
	}
	return n;
}
