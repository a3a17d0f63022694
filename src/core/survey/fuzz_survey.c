/* SPDX-License-Identifier: Apache-2.0 */
/* Any message of a survey: what decodes encodes to the same bytes, and is taken in. The first byte
 * says whether it is a question. */
#include <stdlib.h>

#include "core/survey/survey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void told(struct survey *s, struct span body)
{
	uint8_t again[SURVEY_MESSAGE_MAX];
	struct survey_part p;
	const uint64_t id = 2;

	if (survey_part_decode(body, &p) < 0)
		return;
	if (survey_part_encode(&p, again) != body.len || memcmp(again, body.at, body.len) != 0)
		abort();
	survey_look(s, 1000);
	survey_set_nodes(s, &id, 1, true, 1000);
	if (survey_told(s, 2, body, 1000) < 0 || survey_told(s, 2, body, 2000) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct survey_message m;
	struct survey_view v;
	struct survey *s;
	size_t cursor = 0;

	if (size == 0 || survey_new(1, 7, "0.1", 0, &s) < 0)
		return 0;
	if (data[0] & 1)
		(void)survey_asked(s, 2, SPAN(data + 1, size - 1), (data[0] & 2) == 0, 1000);
	else
		told(s, SPAN(data + 1, size - 1));
	while (survey_next_message(s, &m, 3000))
		if (m.to != 2)
			abort();
	while (survey_next(s, &cursor, 3000, &v))
		if (v.n_links > v.n_all || (v.n_links > 0 && v.links[v.n_links - 1].id == 0))
			abort();
	survey_free(s);
	return 0;
}
