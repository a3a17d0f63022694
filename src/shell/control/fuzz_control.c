/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a frame, a request and a response. */
#include <assert.h>

#include "shell/control/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_both(const char *text, size_t len)
{
	struct control_response response;
	json_t *root;
	const char *verb;
	const json_t *args;

	if (control_request_parse(text, len, &root, &verb, &args) == 0) {
		assert(*verb && json_is_object(args));
		json_decref(root);
	}
	if (control_response_parse(text, len, &response) == 0) {
		assert(response.kind == CONTROL_ERROR ? *response.code : response.value != NULL);
		control_response_done(&response);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text;
	size_t len, used;

	if (control_frame_split(data, size, &text, &len, &used) == 1) {
		assert(used <= size && used == len + 4);
		parse_both(text, len);
	}
	parse_both((const char *)data, size);
	return 0;
}
