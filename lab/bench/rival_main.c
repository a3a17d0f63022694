/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab-rival: times operations of whatever libcrypto it is started with, one round a line.
 *
 * Depends on libc and libcrypto alone, so that it runs in the root directory of another system.
 * Its first line is the library's version. Then for each line "MIN_NS NAME" it answers with the
 * nanoseconds of one operation, "absent" where the library lacks it, or "failed". */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/evp_operations.h"

#define OPERATIONS_MAX 32

/* Kept from one round to the next: a key is made once. */
static struct evp_operation *find(const char *name)
{
	static struct evp_operation *made[OPERATIONS_MAX];

	for (size_t i = 0; i < OPERATIONS_MAX && evp_operation_name(i); i++) {
		if (strcmp(evp_operation_name(i), name) != 0)
			continue;
		if (!made[i])
			made[i] = evp_operation_new(name);
		return made[i];
	}
	return NULL;
}

int main(void)
{
	char line[128];

	(void)printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		char *name;
		int64_t min_ns = strtoll(line, &name, 10);

		name[strcspn(name, "\n")] = '\0';
		struct evp_operation *o = *name == ' ' ? find(name + 1) : NULL;
		double ns = o ? bench_round_ns(evp_operation_run, o, min_ns) : 0;

		if (!o)
			(void)printf("absent\n");
		else if (ns < 0)
			(void)printf("failed\n");
		else
			(void)printf("%.1f\n", ns);
		(void)fflush(stdout);
	}
	return EXIT_SUCCESS;
}
