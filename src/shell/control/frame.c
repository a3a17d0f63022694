/* SPDX-License-Identifier: Apache-2.0 */
/* Frames and what is in them, for both sides. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "shell/control/frame.h"

int control_frame_split(const uint8_t *bytes, size_t len, const char **ret_text,
			size_t *ret_text_len, size_t *ret_used)
{
	uint32_t n;

	if (len < FRAME_HEAD)
		return 0;
	n = load_u32(bytes);
	if (n == 0)
		return -EBADMSG;
	if (n > CONTROL_FRAME_MAX)
		return -EMSGSIZE;
	if (len - FRAME_HEAD < n)
		return 0;
	*ret_text = (const char *)bytes + FRAME_HEAD;
	*ret_text_len = n;
	*ret_used = FRAME_HEAD + (size_t)n;
	return 1;
}

int frame_make(const json_t *object, uint8_t **ret, size_t *ret_len)
{
	size_t n = json_dumpb(object, NULL, 0, JSON_COMPACT);
	uint8_t *frame;

	if (n == 0)
		return -ENOMEM;
	if (n > CONTROL_FRAME_MAX)
		return -EMSGSIZE;
	frame = malloc(FRAME_HEAD + n);
	if (!frame)
		return -ENOMEM;
	store_u32(frame, (uint32_t)n);
	(void)json_dumpb(object, (char *)frame + FRAME_HEAD, n, JSON_COMPACT);
	*ret = frame;
	*ret_len = FRAME_HEAD + n;
	return 0;
}

static json_t *parse_object(const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

/* Of printable characters only: verbs and codes are compared and shown. */
static bool is_word(const char *s, size_t len)
{
	if (len == 0 || len >= CONTROL_VERB_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] <= ' ' || s[i] >= 0x7f)
			return false;
	}
	return true;
}

int control_request_parse(const char *text, size_t len, json_t **ret_root, const char **ret_verb,
			  const json_t **ret_args)
{
	json_t *root = parse_object(text, len);
	json_t *verb = json_object_get(root, "verb");
	json_t *args = json_object_get(root, "args");

	if (!root)
		return -EBADMSG;
	if (!args) {
		args = json_object();
		if (json_object_set_new(root, "args", args) < 0)
			args = NULL;
	}
	if (!json_is_string(verb) || !is_word(json_string_value(verb), json_string_length(verb)) ||
	    !json_is_object(args)) {
		json_decref(root);
		return -EPROTO;
	}
	*ret_root = root;
	*ret_verb = json_string_value(verb);
	*ret_args = args;
	return 0;
}

static int parse_error(const json_t *error, struct control_response *ret)
{
	const json_t *code = json_object_get(error, "code");
	const char *message = json_string_value(json_object_get(error, "message"));

	if (!message || !is_word(json_string_value(code), json_string_length(code)))
		return -EPROTO;
	*ret = (struct control_response){ .kind = CONTROL_ERROR };
	(void)snprintf(ret->code, sizeof(ret->code), "%s", json_string_value(code));
	(void)snprintf(ret->message, sizeof(ret->message), "%s", message);
	return 0;
}

int control_response_parse(const char *text, size_t len, struct control_response *ret)
{
	json_t *root = parse_object(text, len);
	json_t *event = json_object_get(root, "event");
	json_t *result = json_object_get(root, "result");
	const json_t *error = json_object_get(root, "error");
	int r = 0;

	if (!root)
		return -EBADMSG;
	if (json_object_size(root) != 1)
		r = -EPROTO;
	else if (event)
		*ret = (struct control_response){ CONTROL_EVENT, .value = json_incref(event) };
	else if (result)
		*ret = (struct control_response){ CONTROL_RESULT, .value = json_incref(result) };
	else
		r = error ? parse_error(error, ret) : -EPROTO;
	json_decref(root);
	return r;
}

void control_response_done(struct control_response *r)
{
	json_decref(r->value);
	r->value = NULL;
}
