/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to a row of the table and its arguments. Everything here is from outside. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/cleanup.h"

__attribute__((format(printf, 5, 6))) static void say(struct api_problem *p, unsigned status,
						      const char *code, const char *field,
						      const char *format, ...)
{
	va_list list;

	*p = (struct api_problem){ .status = status, .code = code };
	/* A field's name may be from outside: what it may hold is for the encoder. */
	(void)snprintf(p->field, sizeof(p->field), "%s", field);
	va_start(list, format);
	(void)vsnprintf(p->detail, sizeof(p->detail), format, list);
	va_end(list);
}

/* ---- the row ---- */

#define NAMES_MAX 2 /* in the form of a path */

/* Whether a path is of this form; what stands for each {name} goes to ret, in their order. */
static bool path_matches(const char *form, const char *path, struct span ret[NAMES_MAX])
{
	size_t n = 0;

	while (*form) {
		size_t len = strcspn(path, "/");

		if (*form != '{') {
			if (*form++ != *path++)
				return false;
			continue;
		}
		if (len == 0 || n == NAMES_MAX)
			return false;
		ret[n++] = SPAN(path, len);
		path += len;
		form += strcspn(form, "}") + 1;
	}
	return *path == '\0';
}

/* What has more names than one: the health checks are there under /api too, and the dashboard where
 * its files are. */
static const char *usual(const char *path)
{
	if (strcmp(path, "/dashboard") == 0 || strcmp(path, "/dashboard/") == 0)
		return "/";
	return strncmp(path, "/api/health", 11) == 0 ? path + 4 : path;
}

const struct api_operation *api_match(const char *method, const char *path, char ret_allow[64],
				      struct api_problem *ret_problem)
{
	const struct api_operation *o;
	struct span ignored[NAMES_MAX];

	ret_allow[0] = '\0';
	for (size_t i = 0; (o = api_operation_at(i)); i++) {
		if (!o->method || !path_matches(o->path, usual(path), ignored))
			continue;
		if (strcmp(o->method, method) == 0)
			return o;
		if (ret_allow[0])
			(void)strncat(ret_allow, ", ", 63 - strlen(ret_allow));
		(void)strncat(ret_allow, o->method, 63 - strlen(ret_allow));
	}
	if (ret_allow[0])
		say(ret_problem, 405, "method_not_allowed", "", "here %s is answered", ret_allow);
	else
		say(ret_problem, 404, "not_found", "",
		    "there is nothing here; what there is: /api/openapi.json");
	return NULL;
}

/* ---- values ---- */

static const char *const kind_names[] = {
	[API_TEXT] = "a text of printable ASCII", [API_WORDS] = "a text",
	[API_INTEGER] = "a whole number",	  [API_BOOLEAN] = "true or false",
	[API_TEXTS] = "a list of texts",
};

static bool are_texts(const json_t *value)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(value))
		return false;
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return false;
	}
	return true;
}

static bool is_ascii(const json_t *value)
{
	size_t len = json_string_length(value);
	const char *text = json_string_value(value);

	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return json_is_string(value);
}

/* As JSON Schema counts them: code points. The library has checked that it is UTF-8, in which each
 * has one byte that does not go on with another. */
static int64_t n_characters(const json_t *value)
{
	size_t len = json_string_length(value);
	const char *text = json_string_value(value);
	int64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static bool is_of_kind(const json_t *value, enum api_kind kind)
{
	switch (kind) {
	case API_TEXT:
		return is_ascii(value);
	case API_WORDS:
		return json_is_string(value);
	case API_INTEGER:
		return json_is_integer(value);
	case API_BOOLEAN:
		return json_is_boolean(value);
	case API_TEXTS:
		return are_texts(value);
	}
	return false;
}

static bool is_in_range(const struct api_field *f, const json_t *value)
{
	int64_t n = 0;

	switch (f->kind) {
	case API_TEXT:
	case API_WORDS:
		n = n_characters(value);
		if (strlen(json_string_value(value)) != json_string_length(value))
			return false; /* a NUL inside */
		break;
	case API_INTEGER:
		n = json_integer_value(value);
		break;
	case API_BOOLEAN:
		return true;
	case API_TEXTS:
		n = (int64_t)json_array_size(value);
		break;
	}
	return n >= f->min && n <= f->max;
}

static bool check_value(const struct api_field *f, const json_t *value, struct api_problem *p)
{
	static const char *const units[] = {
		[API_TEXT] = " characters", [API_WORDS] = " characters", [API_INTEGER] = "",
		[API_BOOLEAN] = "",	    [API_TEXTS] = " texts",
	};

	if (!is_of_kind(value, f->kind)) {
		say(p, 422, "wrong_type", f->name, "%s has to be %s", f->name, kind_names[f->kind]);
		return false;
	}
	if (!is_in_range(f, value)) {
		say(p, 422, "out_of_range", f->name, "%s: %" PRId64 " to %" PRId64 "%s are allowed",
		    f->name, f->min, f->max, units[f->kind]);
		return false;
	}
	return true;
}

static const struct api_field *find_field(const struct api_operation *o, const char *name,
					  size_t len)
{
	for (size_t i = 0; i < o->n_fields; i++)
		if (strlen(o->fields[i].name) == len && memcmp(o->fields[i].name, name, len) == 0)
			return &o->fields[i];
	return NULL;
}

bool api_check_control(const struct api_operation *o, const json_t *args, struct api_problem *p)
{
	for (size_t i = 0; i < o->n_fields; i++) {
		const struct api_field *f = &o->fields[i];
		const json_t *value = json_object_get(args, f->name);

		if (value && !json_is_null(value) && !is_of_kind(value, f->kind)) {
			say(p, 422, "wrong_type", f->name, "%s has to be %s", f->name,
			    kind_names[f->kind]);
			return false;
		}
	}
	return true;
}

/* ---- path and query ---- */

static json_t *value_of_text(const struct api_field *f, const char *text, size_t len)
{
	char number[24];
	char *end;
	int64_t n;

	if (f->kind == API_TEXT || f->kind == API_WORDS)
		return json_stringn(text, len);
	if (f->kind == API_BOOLEAN && len == 4 && memcmp(text, "true", 4) == 0)
		return json_true();
	if (f->kind == API_BOOLEAN && len == 5 && memcmp(text, "false", 5) == 0)
		return json_false();
	if (f->kind != API_INTEGER || len == 0 || len >= sizeof(number) ||
	    strspn(text, "-0123456789") < len)
		return NULL;
	memcpy(number, text, len);
	number[len] = '\0';
	errno = 0;
	n = strtoll(number, &end, 10);
	return errno == 0 && *end == '\0' ? json_integer(n) : NULL;
}

static bool take_text(const struct api_field *f, const char *text, size_t len, json_t *args,
		      struct api_problem *p)
{
	json_t *value = value_of_text(f, text, len);

	if (!value) {
		say(p, 422, "wrong_type", f->name, "%s has to be %s", f->name, kind_names[f->kind]);
		return false;
	}
	if (!check_value(f, value, p)) {
		json_decref(value);
		return false;
	}
	return json_object_set_new(args, f->name, value) == 0;
}

static bool take_path(const struct api_operation *o, const char *path, json_t *args,
		      struct api_problem *p)
{
	struct span values[NAMES_MAX] = { 0 };
	size_t n = 0;

	if (!path_matches(o->path, usual(path), values))
		return true;
	for (size_t i = 0; i < o->n_fields; i++) {
		const struct api_field *f = &o->fields[i];

		if (f->place != API_IN_PATH)
			continue;
		if (!take_text(f, (const char *)values[n].at, values[n].len, args, p))
			return false;
		n++;
	}
	return true;
}

static bool take_query(const struct api_operation *o, const char *const *query, size_t n,
		       json_t *args, struct api_problem *p)
{
	for (size_t i = 0; i < n; i++) {
		const char *equals = strchr(query[i], '=');
		size_t len = equals ? (size_t)(equals - query[i]) : strlen(query[i]);
		const struct api_field *f = find_field(o, query[i], len);

		if (!f || f->place != API_IN_QUERY) {
			say(p, 400, "unknown_field", query[i], "there is no such argument here");
			p->field[len < sizeof(p->field) ? len : sizeof(p->field) - 1] = '\0';
			return false;
		}
		if (json_object_get(args, f->name)) {
			say(p, 400, "given_twice", f->name, "%s is given twice", f->name);
			return false;
		}
		if (!take_text(f, equals ? equals + 1 : "", equals ? strlen(equals + 1) : 0, args,
			       p))
			return false;
	}
	return true;
}

/* ---- the body ---- */

/* How deep brackets lie in each other, before anything is built of it. */
static bool is_shallow(struct span body)
{
	size_t depth = 0;
	bool in_text = false;

	for (size_t i = 0; i < body.len; i++) {
		uint8_t c = body.at[i];

		if (in_text && c == '\\')
			i++;
		else if (c == '"')
			in_text = !in_text;
		else if (!in_text && (c == '{' || c == '[') && ++depth > API_BODY_DEPTH_MAX)
			return false;
		else if (!in_text && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return true;
}

static bool is_json(const char *content_type)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;

	return strncasecmp(content_type, json, len) == 0 &&
	       (content_type[len] == '\0' || content_type[len] == ';' || content_type[len] == ' ');
}

static json_t *parse_body(const char *content_type, struct span body, struct api_problem *p)
{
	json_error_t error;
	json_t *root;

	if (!is_json(content_type)) {
		say(p, 415, "unsupported_media_type", "Content-Type",
		    "the body has to be application/json");
		return NULL;
	}
	if (!is_shallow(body)) {
		say(p, 400, "bad_json", "", "the body is nested deeper than %d",
		    API_BODY_DEPTH_MAX);
		return NULL;
	}
	root = json_loadb((const char *)body.at, body.len, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		say(p, 400, "bad_json", "", "line %d, column %d: %.150s", error.line, error.column,
		    error.text);
		return NULL;
	}
	if (!json_is_object(root)) {
		json_decref(root);
		say(p, 422, "wrong_type", "", "the body has to be an object");
		return NULL;
	}
	return root;
}

static bool take_body(const struct api_operation *o, const char *content_type, struct span body,
		      json_t *args, struct api_problem *p)
{
	json_t *root, *value;
	const char *name;
	bool is_good = true;

	if (body.len == 0)
		return true;
	root = parse_body(content_type, body, p);
	if (!root)
		return false;
	json_object_foreach(root, name, value)
	{
		const struct api_field *f = find_field(o, name, strlen(name));

		if (!f || f->place != API_IN_BODY) {
			say(p, 422, "unknown_field", name, "there is no such field here");
			is_good = false;
		} else {
			is_good =
				check_value(f, value, p) && json_object_set(args, name, value) == 0;
		}
		if (!is_good)
			break;
	}
	json_decref(root);
	return is_good;
}

static bool has_required(const struct api_operation *o, const json_t *args, struct api_problem *p)
{
	for (size_t i = 0; i < o->n_fields; i++) {
		const struct api_field *f = &o->fields[i];

		if (!f->is_required || f->place == API_IN_CONTROL || json_object_get(args, f->name))
			continue;
		say(p, 422, "missing_field", f->name, "%s is missing: %s", f->name, f->help);
		return false;
	}
	return true;
}

json_t *api_arguments(const struct api_operation *o, const char *path, const char *const *query,
		      size_t n_query, const char *content_type, struct span body,
		      struct api_problem *ret_problem)
{
	json_t *args = json_object();

	if (!args) {
		say(ret_problem, 503, "out_of_memory", "", "out of memory");
		return NULL;
	}
	if (take_path(o, path, args, ret_problem) &&
	    take_query(o, query, n_query, args, ret_problem) &&
	    take_body(o, content_type, body, args, ret_problem) &&
	    has_required(o, args, ret_problem))
		return args;
	json_decref(args);
	return NULL;
}
