/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file; what is accepted is printed and read back the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "shell/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_environment env = { .is_root = true };
	struct config_report report;
	struct config *c = NULL, *again = NULL;
	const struct config_key *differ;
	char *text = NULL;
	size_t len;
	FILE *f;

	if (config_parse((const char *)data, size, "fuzz", &env, &c, &report) < 0) {
		assert(report.n_errors > 0);
		return 0;
	}
	f = open_memstream(&text, &len);
	assert(f);
	config_print(c, f);
	(void)fclose(f);
	assert(config_parse(text, len, "again", &env, &again, &report) == 0);
	assert(config_compare(c, again, &differ, 1) == 0);
	config_free(c);
	config_free(again);
	free(text);
	return 0;
}
