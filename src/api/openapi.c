/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI 3.1 document, made from the table that routes and checks: so it cannot say anything
 * else than what is done. */
#include <string.h>

#include "api/api.h"

static const struct {
	const char *name, *help;
} tags[] = {
	{ "node", "This node." },
	{ "mesh", "Its neighbours, sessions and ways." },
	{ "networks", "Networks behind nodes, and exits." },
	{ "policy", "Who may do what." },
	{ "kernel", "What runs in the kernel for it." },
	{ "membership", "Who belongs to the domain." },
	{ "healing", "What was found wrong, why, and what was or would be done." },
	{ "events", "What happens." },
	{ "api", "The API itself." },
	{ "health", "For what watches over the daemon." },
};

static json_t *schema_of(const struct api_field *f)
{
	switch (f->kind) {
	case API_TEXT:
		return json_pack("{s:s, s:I, s:I, s:s}", "type", "string", "minLength",
				 (json_int_t)f->min, "maxLength", (json_int_t)f->max, "pattern",
				 "^[ -~]*$");
	case API_WORDS:
		return json_pack("{s:s, s:I, s:I}", "type", "string", "minLength",
				 (json_int_t)f->min, "maxLength", (json_int_t)f->max);
	case API_INTEGER:
		return json_pack("{s:s, s:s, s:I, s:I}", "type", "integer", "format", "int64",
				 "minimum", (json_int_t)f->min, "maximum", (json_int_t)f->max);
	case API_BOOLEAN:
		return json_pack("{s:s}", "type", "boolean");
	case API_TEXTS:
		return json_pack("{s:s, s:{s:s}, s:I, s:I}", "type", "array", "items", "type",
				 "string", "minItems", (json_int_t)f->min, "maxItems",
				 (json_int_t)f->max);
	}
	return json_null();
}

static json_t *parameters(const struct api_operation *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->n_fields; i++) {
		const struct api_field *f = &o->fields[i];

		if (f->place != API_IN_PATH && f->place != API_IN_QUERY)
			continue;
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", f->name, "in",
					f->place == API_IN_PATH ? "path" : "query", "required",
					(int)f->is_required, "description", f->help, "schema",
					schema_of(f)));
	}
	return list;
}

/* NULL where there is none. */
static json_t *request_body(const struct api_operation *o)
{
	json_t *properties = json_object();
	json_t *required = json_array();
	json_t *schema;

	for (size_t i = 0; i < o->n_fields; i++) {
		const struct api_field *f = &o->fields[i];
		json_t *property;

		if (f->place != API_IN_BODY)
			continue;
		property = schema_of(f);
		(void)json_object_set_new(property, "description", json_string(f->help));
		(void)json_object_set_new(properties, f->name, property);
		if (f->is_required)
			(void)json_array_append_new(required, json_string(f->name));
	}
	if (json_object_size(properties) == 0) {
		json_decref(properties);
		json_decref(required);
		return NULL;
	}
	schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0,
			   "properties", properties);
	bool is_required = json_array_size(required) > 0;

	if (is_required)
		(void)json_object_set_new(schema, "required", required);
	else
		json_decref(required);
	return json_pack("{s:b, s:{s:{s:o}}}", "required", (int)is_required, "content",
			 "application/json", "schema", schema);
}

static json_t *result_of(const struct api_operation *o)
{
	if (strcmp(o->verb, "socket") == 0)
		return json_pack("{s:s}", "description",
				 "The connection is a WebSocket from here on (RFC 6455)");
	if (strcmp(o->result, "text") == 0)
		return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", o->summary, "content",
				 "text/plain", "schema", "type", "string");
	if (strcmp(o->result, "array") == 0)
		return json_pack("{s:s, s:{s:{s:{s:s, s:{s:s}}}}}", "description", o->summary,
				 "content", "application/json", "schema", "type", "array", "items",
				 "type", "object");
	return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", o->summary, "content",
			 "application/json", "schema", "type", "object");
}

static json_t *responses(const struct api_operation *o)
{
	json_t *j = json_object();

	(void)json_object_set_new(j, strcmp(o->verb, "socket") == 0 ? "101" : "200", result_of(o));
	if (strcmp(o->verb, "health.ready") == 0) /* that it is not ready is no failure to answer */
		(void)json_object_set_new(j, "503", result_of(o));
	(void)json_object_set_new(j, "4XX",
				  json_pack("{s:s}", "$ref", "#/components/responses/Problem"));
	(void)json_object_set_new(j, "5XX",
				  json_pack("{s:s}", "$ref", "#/components/responses/Problem"));
	return j;
}

/* "exit.use" is exitUse: what a generator makes function names of. */
static json_t *operation_id(const char *verb)
{
	char id[64];
	size_t n = 0;

	for (const char *at = verb; *at && n + 1 < sizeof(id); at++) {
		if (*at == '.' && at[1] >= 'a' && at[1] <= 'z')
			id[n++] = (char)(*++at - 'a' + 'A');
		else
			id[n++] = *at;
	}
	id[n] = '\0';
	return json_string(id);
}

static json_t *operation(const struct api_operation *o)
{
	json_t *j = json_pack("{s:o, s:s, s:[s], s:o, s:o}", "operationId", operation_id(o->verb),
			      "summary", o->summary, "tags", o->tag, "parameters", parameters(o),
			      "responses", responses(o));
	json_t *body = request_body(o);

	if (body)
		(void)json_object_set_new(j, "requestBody", body);
	if (o->flags & API_OPEN)
		(void)json_object_set_new(j, "security", json_array());
	else if (!(o->flags & API_CHANGES)) /* from the loopback it can be read without */
		(void)json_object_set_new(
			j, "security", json_pack("[{}, {s:[]}, {s:[]}]", "token", "certificate"));
	return j;
}

static json_t *paths(void)
{
	json_t *j = json_object();
	const struct api_operation *o;

	for (size_t i = 0; (o = api_operation_at(i)); i++) {
		char method[16] = "";
		json_t *path;

		if (!o->method || o->flags & API_PAGE)
			continue;
		for (size_t k = 0; o->method[k] && k + 1 < sizeof(method); k++)
			method[k] = (char)(o->method[k] - 'A' + 'a');
		path = json_object_get(j, o->path);
		if (!path) {
			path = json_object();
			(void)json_object_set_new(j, o->path, path);
		}
		(void)json_object_set_new(path, method, operation(o));
	}
	return j;
}

static json_t *problem_schema(void)
{
	return json_pack("{s:s, s:[s,s], s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, "
			 "s:{s:s, s:{s:s, s:{s:{s:s}, s:{s:s}}}}}}",
			 "type", "object", "required", "type", "status", "properties", "type",
			 "type", "string", "status", "type", "integer", "code", "type", "string",
			 "detail", "type", "string", "errors", "type", "array", "items", "type",
			 "object", "properties", "field", "type", "string", "detail", "type",
			 "string");
}

static json_t *components(void)
{
	json_t *problem = json_pack(
		"{s:s, s:{s:{s:{s:s}}}}", "description", "What is wrong (RFC 9457)", "content",
		"application/problem+json", "schema", "$ref", "#/components/schemas/Problem");
	json_t *schemes = json_pack(
		"{s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "token", "type", "http", "scheme", "bearer",
		"description", "The content of api.token in the run directory", "certificate",
		"type", "mutualTLS", "description",
		"A member's SVID, on the overlay address; the policy decides (action api)");

	return json_pack("{s:{s:o}, s:{s:o}, s:o}", "schemas", "Problem", problem_schema(),
			 "responses", "Problem", problem, "securitySchemes", schemes);
}

json_t *api_openapi(const char *version)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		(void)json_array_append_new(list, json_pack("{s:s, s:s}", "name", tags[i].name,
							    "description", tags[i].help));
	return json_pack(
		"{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s, s:s}], s:o, s:[{s:[]}, "
		"{s:[]}], s:o, s:o}",
		"openapi", "3.1.0", "info", "title", "x0tta6bl4", "version", version, "description",
		"One node of the mesh: to look at it, and to change it. Answers of GET may be "
		"100 ms old.",
		"license", "name", "Apache-2.0", "identifier", "Apache-2.0", "servers", "url",
		"http://127.0.0.1:26970", "description", "this machine", "tags", list, "security",
		"token", "certificate", "paths", paths(), "components", components());
}
