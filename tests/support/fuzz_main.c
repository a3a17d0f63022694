/* SPDX-License-Identifier: Apache-2.0 */
/* Runs each file of a corpus directory through a fuzz target, as a plain test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1 << 20)

static int run_file(const char *path)
{
	static uint8_t data[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t n;
	uint8_t *exact;

	if (!f)
		return -1;
	n = fread(data, 1, sizeof(data), f);
	(void)fclose(f);
	exact = malloc(n ? n : 1); /* so that the sanitizer sees a read past the end */
	if (!exact)
		return -1;
	memcpy(exact, data, n);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned n = 0;
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;

	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	if (!dir) {
		(void)fprintf(stderr, "no corpus directory %s\n", argc == 2 ? argv[1] : "given");
		return 1;
	}
	while ((entry = readdir(dir))) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		if (run_file(path) < 0) {
			(void)fprintf(stderr, "cannot read %s\n", path);
			return 1;
		}
		n++;
	}
	(void)closedir(dir);
	(void)printf("%u inputs\n", n);
	return n > 0 ? 0 : 1;
}
