/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab chaos: episodes of the fault bench in virtual time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "chaos/chaos.h"
#include "lab.h"
#include "shell/openssl/crypto_openssl.h"
#include "sim/sim.h"

#define PATH_SIZE 4096

static int complain(const char *path, const char *why)
{
	(void)fprintf(stderr, "x0-lab chaos: %s: %s\n", path, why);
	return EXIT_FAILURE;
}

/* In one step, so that what is there is whole. */
static int save(const json_t *j, const char *path)
{
	char part[PATH_SIZE];

	if ((size_t)snprintf(part, sizeof(part), "%s.part", path) >= sizeof(part))
		return complain(path, "too long");
	if (json_dump_file(j, part, JSON_COMPACT | JSON_REAL_PRECISION(15)) < 0 ||
	    rename(part, path) < 0) {
		int error = errno;

		(void)unlink(part);
		return complain(path, strerror(error));
	}
	return EXIT_SUCCESS;
}

static int run(const struct chaos_spec *spec, const char *in, const char *out)
{
	char why[CHAOS_WHY_SIZE];
	const char *error = "";
	const struct crypto_ops *ops = openssl_crypto_ops(&error);
	struct sim_pki *pki;
	json_t *file = NULL;
	int r;

	if (!ops || sim_pki_new(ops, spec->n_nodes, &pki) < 0)
		return complain("no certificates", error);
	r = chaos_run(pki, spec, &file, why);
	sim_pki_free(pki);
	if (r < 0)
		(void)complain(in, why[0] ? why : strerror(-r));
	if (r == -ENOENT)
		return LAB_EXIT_SKIPPED;
	r = r < 0 ? EXIT_FAILURE : save(file, out);
	json_decref(file);
	return r;
}

int lab_chaos(int argc, char **argv)
{
	char why[CHAOS_WHY_SIZE];
	struct chaos_spec spec;
	json_error_t error;
	json_t *json;
	int r;

	if (argc != 3 || argv[1][0] == '-')
		return lab_usage(argc == 2 && strcmp(argv[1], "--help") == 0, LAB_CHAOS_USAGE);
	json = json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error);
	if (!json)
		return complain(argv[1], error.text);
	if (chaos_spec_parse(json, &spec, why) < 0)
		return complain(argv[1], why);
	r = run(&spec, argv[1], argv[2]);
	chaos_spec_done(&spec);
	return r;
}
