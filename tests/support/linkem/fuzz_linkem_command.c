/* SPDX-License-Identifier: Apache-2.0 */
/* Any line: refused with a sentence, or a command whose outcome the model takes or refuses. */
#include <assert.h>
#include <string.h>

#include "linkem/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[COMMAND_WHY_SIZE] = "";
	struct impair_config config = { 0 };
	struct impair *m;
	struct command c;

	if (command_parse((const char *)data, size, &c, why) < 0) {
		assert(why[0] && strlen(why) < sizeof(why) && !strpbrk(why, "\"\\\n"));
		return 0;
	}
	command_apply(&c, &config);
	if (impair_new(1, 0, &m) < 0)
		return 0;
	if (impair_configure(m, &config) == 0)
		impair_push(m, data, size, 1);
	impair_free(m);
	return 0;
}
