/* SPDX-License-Identifier: Apache-2.0 */
/* From YAML events (libyaml) to a small tree: one document, no anchors, no tags, shallow. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/cleanup.h"
#include "shell/config/tree.h"

DEFINE_FREEP(struct tree, tree_free)

static void add_problem(struct config_report *r, bool is_error, unsigned line, const char *format,
			va_list args)
{
	struct config_problem *p = &r->problems[r->n];

	if (is_error)
		r->n_errors++;
	else
		r->n_warnings++;
	if (r->n == CONFIG_PROBLEMS_MAX)
		return;
	p->is_error = is_error;
	p->line = line;
	(void)vsnprintf(p->text, sizeof(p->text), format, args);
	for (char *c = p->text; *c; c++) {
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
			*c = '?';
	}
	r->n++;
}

int report_error(struct config_report *r, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_problem(r, true, line, format, args);
	va_end(args);
	return -EINVAL;
}

void report_warning(struct config_report *r, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_problem(r, false, line, format, args);
	va_end(args);
}

/* No deeper than CONFIG_DEPTH_MAX, so recursion is fine. */
void tree_free(struct tree *t)
{
	if (!t)
		return;
	while (t->first) {
		struct tree *next = t->first->next;

		tree_free(t->first);
		t->first = next;
	}
	free(t->key);
	free(t->text);
	free(t);
}

struct builder {
	struct tree *root;
	struct tree *at;   /* the open list or map, NULL outside */
	char *pending_key; /* read, its value not yet */
	unsigned pending_line;
	unsigned depth;
	unsigned n_documents;
	struct config_report *report;
};

static struct tree *new_child(struct builder *b, enum tree_kind kind, const yaml_event_t *e)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->kind = kind;
	t->line = (unsigned)e->start_mark.line + 1;
	t->parent = b->at;
	t->key = b->pending_key;
	if (t->key)
		t->line = b->pending_line;
	b->pending_key = NULL;
	if (!b->at) {
		b->root = t;
		return t;
	}
	if (b->at->last)
		b->at->last->next = t;
	else
		b->at->first = t;
	b->at->last = t;
	return t;
}

static bool is_null_text(const char *s)
{
	return *s == '\0' || strcmp(s, "~") == 0 || strcmp(s, "null") == 0;
}

static int on_scalar(struct builder *b, const yaml_event_t *e)
{
	unsigned line = (unsigned)e->start_mark.line + 1;
	const char *value = (const char *)e->data.scalar.value;
	bool is_quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	char *copy;
	struct tree *t;

	if (strlen(value) != e->data.scalar.length)
		return report_error(b->report, line, "a NUL character inside a value");
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	if (b->at && b->at->kind == TREE_MAP && !b->pending_key) {
		b->pending_key = copy;
		b->pending_line = line;
		return 0;
	}
	t = new_child(b, !is_quoted && is_null_text(copy) ? TREE_NULL : TREE_SCALAR, e);
	if (!t) {
		free(copy);
		return -ENOMEM;
	}
	t->text = copy;
	t->is_quoted = is_quoted;
	return 0;
}

static int on_open(struct builder *b, enum tree_kind kind, const yaml_event_t *e)
{
	unsigned line = (unsigned)e->start_mark.line + 1;
	struct tree *t;

	if (++b->depth > CONFIG_DEPTH_MAX)
		return report_error(b->report, line, "nested deeper than %u levels",
				    CONFIG_DEPTH_MAX);
	if (b->at && b->at->kind == TREE_MAP && !b->pending_key)
		return report_error(b->report, line, "a key must be a word");
	t = new_child(b, kind, e);
	if (!t)
		return -ENOMEM;
	b->at = t;
	return 0;
}

static int on_close(struct builder *b)
{
	assert(b->at); /* libyaml closes only what it opened */
	b->at = b->at->parent;
	b->depth--;
	return 0;
}

static bool has_anchor_or_tag(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.anchor || e->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor || e->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor || e->data.mapping_start.tag;
	default:
		return e->type == YAML_ALIAS_EVENT;
	}
}

static int on_event(struct builder *b, const yaml_event_t *e)
{
	unsigned line = (unsigned)e->start_mark.line + 1;

	if (has_anchor_or_tag(e))
		return report_error(b->report, line,
				    "anchors (&), aliases (*) and tags (!) are not used here; a "
				    "value that begins with one of these needs quotes");
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->n_documents++ > 0)
			return report_error(b->report, line, "a second document (---)");
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(b, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(b, TREE_LIST, e);
	case YAML_MAPPING_START_EVENT:
		return on_open(b, TREE_MAP, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(b);
	default:
		return 0;
	}
}

static int report_syntax(const yaml_parser_t *p, struct config_report *report)
{
	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR)
		return report_error(report, 0, "not UTF-8 text: %s at byte %zu", p->problem,
				    p->problem_offset);
	return report_error(report, (unsigned)p->problem_mark.line + 1,
			    "not YAML: %s (text with [ ] { } # or \": \" inside needs quotes)",
			    p->problem);
}

static int run(struct builder *b, yaml_parser_t *p)
{
	bool is_end = false;
	int r = 0;

	while (r == 0 && !is_end) {
		yaml_event_t e;

		if (!yaml_parser_parse(p, &e))
			return report_syntax(p, b->report);
		is_end = e.type == YAML_STREAM_END_EVENT;
		r = on_event(b, &e);
		yaml_event_delete(&e);
	}
	return r;
}

int tree_parse(const char *text, size_t len, struct tree **ret, struct config_report *report)
{
	struct builder b = { .report = report };
	yaml_parser_t parser;
	int r;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	/* Otherwise two bytes at the start could choose UTF-16 for what is to be plain text. */
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	r = run(&b, &parser);
	yaml_parser_delete(&parser);
	free(b.pending_key);

	CLEANUP(tree_freep) struct tree *root = b.root;

	if (r < 0)
		return r;
	if (!root)
		root = calloc(1, sizeof(*root));
	if (!root)
		return -ENOMEM;
	if (root->kind == TREE_NULL)
		root->kind = TREE_MAP;
	*ret = TAKE(root);
	return 0;
}
