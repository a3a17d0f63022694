/* SPDX-License-Identifier: Apache-2.0 */
/* The table, what is refused by it, and what is made from it. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/cleanup.h"

#define JSON "application/json"

static const struct api_operation *row(const char *method, const char *path)
{
	struct api_problem p;
	char allow[64];

	return api_match(method, path, allow, &p);
}

/* The arguments of a request, as compact JSON; or "STATUS CODE FIELD" of the problem. */
static const char *arguments(const char *method, const char *path, const char *query,
			     const char *type, const char *body)
{
	static char ret[512];
	struct api_problem p;
	json_t *args = api_arguments(row(method, path), path, &query, query ? 1 : 0, type,
				     SPAN(body, strlen(body)), &p);

	if (!args) {
		(void)snprintf(ret, sizeof(ret), "%u %s %s", p.status, p.code, p.field);
		return ret;
	}
	ret[json_dumpb(args, ret, sizeof(ret) - 1, JSON_COMPACT | JSON_SORT_KEYS)] = '\0';
	json_decref(args);
	return ret;
}

static void a_request_finds_its_row(void **state)
{
	(void)state;
	assert_string_equal(row("GET", "/api/v1/peers")->verb, "peers");
	assert_string_equal(row("GET", "/api/v1/names")->verb, "names");
	assert_string_equal(row("GET", "/api/v1/names/roof")->verb, "resolve");
	assert_string_equal(row("DELETE", "/api/v1/nodes/roof")->verb, "node.revoke");
	assert_string_equal(row("GET", "/api/health/ready")->verb, "health.ready");
	assert_string_equal(row("GET", "/")->verb, "dashboard");
	assert_string_equal(row("GET", "/dashboard/")->verb, "dashboard");
	assert_string_equal(row("GET", "/dashboard/app.js")->verb, "dashboard.file");
	assert_null(row("GET", "/dashboard/more/app.js"));
	assert_null(row("GET", "/api/v1/names/"));
	assert_null(row("GET", "/api/v1/names/roof/more"));
	assert_null(row("GET", "/api/v1/peers/"));
	assert_null(row("GET", ""));
}

static void another_method_is_told_which_there_are(void **state)
{
	struct api_problem p;
	char allow[64];

	(void)state;
	assert_null(api_match("POST", "/api/v1/exit", allow, &p));
	assert_int_equal(p.status, 405);
	assert_string_equal(allow, "GET, PUT, DELETE");
	assert_null(api_match("GET", "/nowhere", allow, &p));
	assert_int_equal(p.status, 404);
	assert_string_equal(allow, "");
}

/* Each name of a path's form is to be a field in the path: what comes first is the first's. */
static void names_in_paths_are_fields_in_their_order(void **state)
{
	static const char *const nowhere[] = { "/api/v1/plans",	     "/api/v1/plans/",
					       "/api/v1/plans/a",    "/api/v1/plans/a/",
					       "/api/v1/plans//b",   "/api/v1/plans/a/b/",
					       "/api/v1/plans/a/b/c" };
	const struct api_operation *o;
	struct api_problem p;
	char allow[64];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(nowhere); i++) {
		assert_null(api_match("GET", nowhere[i], allow, &p));
		assert_int_equal(p.status, 404);
	}
	for (size_t k = 0; (o = api_operation_at(k)); k++) {
		const char *at = o->path ? o->path : "";

		for (size_t i = 0; i < o->n_fields; i++) {
			size_t len = strlen(o->fields[i].name);

			if (o->fields[i].place != API_IN_PATH)
				continue;
			at = strchr(at, '{');
			assert_non_null(at);
			assert_memory_equal(at + 1, o->fields[i].name, len);
			assert_int_equal(at[1 + len], '}');
			at++;
		}
		assert_null(strchr(at, '{'));
	}
}

static void what_is_for_the_control_socket_alone_has_no_path(void **state)
{
	(void)state;
	assert_non_null(api_find_verb("key.unlock"));
	assert_null(api_find_verb("key.unlock")->method);
	assert_null(api_find_verb("stop")->method);
}

static void arguments_come_from_path_query_and_body(void **state)
{
	(void)state;
	assert_string_equal(arguments("GET", "/api/v1/ping/b", "count=3", "", ""),
			    "{\"count\":3,\"target\":\"b\"}");
	assert_string_equal(arguments("GET", "/api/v1/plans/link_loss/b", NULL, "", ""),
			    "{\"kind\":\"link_loss\",\"subject\":\"b\"}");
	assert_string_equal(arguments("PUT", "/api/v1/exit", NULL, JSON, "{\"name\":\"b\"}"),
			    "{\"name\":\"b\"}");
	assert_string_equal(arguments("POST", "/api/v1/invitations", NULL, JSON "; charset=utf-8",
				      "{\"uses\":2,\"endpoints\":[\"a:1\"]}"),
			    "{\"endpoints\":[\"a:1\"],\"uses\":2}");
	assert_string_equal(arguments("POST", "/api/v1/invitations", NULL, "", ""), "{}");
}

static void errors_name_the_field(void **state)
{
	static const struct {
		const char *body, *error;
	} cases[] = {
		{ "{}", "422 missing_field name" },
		{ "{\"name\":5}", "422 wrong_type name" },
		{ "{\"name\":null}", "422 wrong_type name" },
		{ "{\"name\":\"\u00e4\"}", "422 wrong_type name" },
		{ "{\"name\":\"a\\tb\"}", "422 wrong_type name" },
		{ "{\"name\":\"\"}", "422 out_of_range name" },
		{ "{\"name\":\"b\",\"more\":1}", "422 unknown_field more" },
		{ "{\"name\":\"b\",\"name\":\"c\"}", "400 bad_json " },
		{ "{\"name\":\"b\"} {}", "400 bad_json " },
		{ "{\"name\":\"\xff\"}", "400 bad_json " },
		{ "{\"name\":\"a\\u0000b\"}", "400 bad_json " },
		{ "[]", "422 wrong_type " },
		{ "{\"name\":1e999}", "400 bad_json " },
		{ "{\"name\":99999999999999999999999}", "400 bad_json " },
		{ "{\"name\":[[[[[[[[[[1]]]]]]]]]]}", "400 bad_json " },
		{ "{", "400 bad_json " },
		{ "name=b", "400 bad_json " },
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		assert_string_equal(arguments("PUT", "/api/v1/exit", NULL, JSON, cases[i].body),
				    cases[i].error);
	assert_string_equal(arguments("PUT", "/api/v1/exit", NULL, "text/plain", "{}"),
			    "415 unsupported_media_type Content-Type");
	assert_string_equal(arguments("PUT", "/api/v1/exit", NULL, JSON "x", "{}"),
			    "415 unsupported_media_type Content-Type");
}

static void errors_name_the_argument(void **state)
{
	static const struct {
		const char *query, *error;
	} cases[] = {
		{ "count=0", "422 out_of_range count" },
		{ "count=21", "422 out_of_range count" },
		{ "count=-1", "422 out_of_range count" },
		{ "count=x", "422 wrong_type count" },
		{ "count=", "422 wrong_type count" },
		{ "count", "422 wrong_type count" },
		{ "count=1 ", "422 wrong_type count" },
		{ "count=99999999999999999999", "422 wrong_type count" },
		{ "more=1", "400 unknown_field more" },
		{ "target=c", "400 unknown_field target" },
		{ "=", "400 unknown_field " },
	};
	const char *twice[] = { "count=1", "count=2" };
	struct api_problem p;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		assert_string_equal(arguments("GET", "/api/v1/ping/b", cases[i].query, "", ""),
				    cases[i].error);
	assert_null(api_arguments(row("GET", "/api/v1/ping/b"), "/api/v1/ping/b", twice, 2, "",
				  SPAN("", 0), &p));
	assert_string_equal(p.code, "given_twice");
}

/* The document says maxLength, which counts characters and not bytes (JSON Schema, 6.3.1). */
static void the_length_of_a_text_is_in_characters(void **state)
{
	char query[5 + 4 * 65 + 1] = "text=";
	struct api_problem p;
	const char *list = query;
	const char *path = "/api/v1/incidents";
	json_t *args;

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		memcpy(query + 5 + 4 * i, "\xf0\x9f\x90\x9d", 5);
	args = api_arguments(row("GET", path), path, &list, 1, "", SPAN("", 0), &p);
	assert_int_equal(json_string_length(json_object_get(args, "text")), 256);
	json_decref(args);
	(void)snprintf(query, sizeof(query), "text=%065d", 0);
	assert_null(api_arguments(row("GET", path), path, &list, 1, "", SPAN("", 0), &p));
	assert_string_equal(p.code, "out_of_range");
}

static void a_name_that_is_too_long_is_refused(void **state)
{
	char path[128] = "/api/v1/names/";
	struct api_problem p;

	(void)state;
	memset(path + strlen(path), 'a', 64);
	(void)snprintf(path, sizeof(path), "/api/v1/nodes/%064d", 0);
	assert_null(api_arguments(row("DELETE", path), path, NULL, 0, "", SPAN("", 0), &p));
	assert_string_equal(p.field, "name");
}

static void the_control_socket_is_told_of_wrong_types_alone(void **state)
{
	json_t *args = json_pack("{s:s}", "count", "many");
	json_t *more = json_pack("{s:i, s:i}", "count", 1000, "of_a_later_version", 1);
	struct api_problem p;

	(void)state;
	assert_false(api_check_control(api_find_verb("ping"), args, &p));
	assert_string_equal(p.field, "count");
	assert_true(api_check_control(api_find_verb("ping"), more, &p));
	json_decref(args);
	json_decref(more);
}

static void a_problem_is_json_whatever_is_in_it(void **state)
{
	struct api_problem p = { .status = 400, .code = "x", .field = "\xff", .detail = "\"\xfe" };
	char text[1024];
	json_t *j;
	size_t len;

	(void)state;
	len = api_problem_json(&p, text, sizeof(text));
	j = json_loadb(text, len, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(j, "status")), 400);
	json_decref(j);
	memset(p.detail, 'd', sizeof(p.detail) - 1);
	len = api_problem_json(&p, text, 256); /* too short for all of it */
	j = json_loadb(text, len, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(j, "status")), 400);
	json_decref(j);
}

static void codes_of_handlers_have_a_status(void **state)
{
	(void)state;
	assert_int_equal(api_status_of("denied"), 403);
	assert_int_equal(api_status_of("not_found"), 404);
	assert_int_equal(api_status_of("never heard of"), 500);
}

/* Whether the document has the row, with each field where it belongs. */
static void check_documented(const json_t *document, const struct api_operation *o)
{
	const json_t *path = json_object_get(json_object_get(document, "paths"), o->path);
	char method[8] = "";
	const json_t *operation, *schema;
	size_t n = 0;

	for (size_t i = 0; o->method[i]; i++)
		method[i] = (char)(o->method[i] | 0x20);
	operation = json_object_get(path, method);
	assert_non_null(operation);
	schema = json_object_get(
		json_object_get(
			json_object_get(json_object_get(operation, "requestBody"), "content"),
			JSON),
		"schema");
	for (size_t i = 0; i < o->n_fields; i++) {
		if (o->fields[i].place == API_IN_BODY)
			assert_non_null(json_object_get(json_object_get(schema, "properties"),
							o->fields[i].name));
		else if (o->fields[i].place != API_IN_CONTROL)
			n++;
	}
	assert_int_equal(json_array_size(json_object_get(operation, "parameters")), n);
}

static void the_document_has_every_row(void **state)
{
	json_t *document = api_openapi("1.2.3");
	const struct api_operation *o;

	(void)state;
	assert_non_null(document);
	assert_string_equal(json_string_value(json_object_get(document, "openapi")), "3.1.0");
	for (size_t i = 0; (o = api_operation_at(i)); i++) {
		assert_ptr_equal(api_find_verb(o->verb), o); /* no verb is there twice */
		if (o->method && !(o->flags & API_PAGE))
			check_documented(document, o);
	}
	json_decref(document);
}

static bool is_described(const json_t *document, const char *tag)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(document, "tags"), i, one)
	{
		if (strcmp(json_string_value(json_object_get(one, "name")), tag) == 0)
			return true;
	}
	return false;
}

static void each_tag_of_a_row_is_described(void **state)
{
	json_t *document = api_openapi("1.2.3");
	const struct api_operation *o;

	(void)state;
	for (size_t i = 0; (o = api_operation_at(i)); i++)
		if (o->method && !(o->flags & API_PAGE) && !is_described(document, o->tag))
			fail_msg("the tag %s of %s is not described", o->tag, o->path);
	json_decref(document);
}

/* Its 503 is the answer, and no problem. */
static void that_a_node_is_not_ready_is_in_the_document(void **state)
{
	json_t *document = api_openapi("1.2.3");
	json_t *content = NULL;

	(void)state;
	assert_int_equal(json_unpack(document, "{s:{s:{s:{s:{s:{s:o}}}}}}", "paths",
				     "/health/ready", "get", "responses", "503", "content",
				     &content),
			 0);
	assert_non_null(json_object_get(content, JSON));
	json_decref(document);
}

static void a_row_that_changes_something_is_no_get(void **state)
{
	const struct api_operation *o;

	(void)state;
	for (size_t i = 0; (o = api_operation_at(i)); i++) {
		if (!o->method)
			continue;
		if (o->flags & API_CHANGES)
			assert_string_not_equal(o->method, "GET");
		if (o->flags & API_VIEW) /* the same for all: nothing may be asked in it */
			for (size_t k = 0; k < o->n_fields; k++)
				assert_int_equal(o->fields[k].place, API_IN_CONTROL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_finds_its_row),
		cmocka_unit_test(another_method_is_told_which_there_are),
		cmocka_unit_test(names_in_paths_are_fields_in_their_order),
		cmocka_unit_test(what_is_for_the_control_socket_alone_has_no_path),
		cmocka_unit_test(arguments_come_from_path_query_and_body),
		cmocka_unit_test(errors_name_the_field),
		cmocka_unit_test(errors_name_the_argument),
		cmocka_unit_test(a_name_that_is_too_long_is_refused),
		cmocka_unit_test(the_length_of_a_text_is_in_characters),
		cmocka_unit_test(the_control_socket_is_told_of_wrong_types_alone),
		cmocka_unit_test(a_problem_is_json_whatever_is_in_it),
		cmocka_unit_test(codes_of_handlers_have_a_status),
		cmocka_unit_test(the_document_has_every_row),
		cmocka_unit_test(each_tag_of_a_row_is_described),
		cmocka_unit_test(that_a_node_is_not_ready_is_in_the_document),
		cmocka_unit_test(a_row_that_changes_something_is_no_get),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
