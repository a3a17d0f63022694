/* SPDX-License-Identifier: Apache-2.0 */
/* x0-lab kat: runs published test vectors through the program's cryptography. */
#include "kat.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "lab.h"
#include "pqc/cpu.h"

#define DEPTH_MAX 16 /* directories below one another; symbolic links may form a loop */

struct run {
	struct kat_counts total;
	unsigned n_files;
	json_t *files; /* with --json, one object a file; otherwise NULL */
};

void kat_fail(struct kat *k, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	k->file.failed++;
	if (json_array_size(k->failures) < KAT_FAILURES_SHOWN)
		(void)json_array_append_new(k->failures, json_string(text));
}

void kat_check(struct kat *k, const struct kat_case *c, bool ok, const char *what)
{
	if (ok && !k->malformed)
		k->file.passed++;
	else
		kat_fail(k, "tcId %lld (%s): %s",
			 (long long)json_integer_value(json_object_get(c->test, "tcId")),
			 kat_text(c->test, "comment"),
			 k->malformed ? "a field is not hexadecimal" : what);
}

void kat_skip(struct kat *k, unsigned n, const char *format, ...)
{
	char text[256];
	va_list args;
	unsigned i = 0;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	k->file.skipped += n;
	while (i < k->n_reasons && strcmp(k->reasons[i].text, text) != 0)
		i++;
	if (i >= KAT_REASONS_MAX - 1) { /* the last row is for all that are not kept apart */
		i = KAT_REASONS_MAX - 1;
		(void)snprintf(text, sizeof(text), "other reasons");
	}
	if (i == k->n_reasons) {
		k->reasons[i] = (struct kat_reason){ .text = strdup(text) };
		if (!k->reasons[i].text)
			return;
		k->n_reasons++;
	}
	k->reasons[i].n += n;
}

const char *kat_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

uint8_t *kat_room(struct kat *k, size_t n)
{
	uint8_t *room;

	if (k->n_fields == KAT_FIELDS_MAX)
		return NULL;
	room = malloc(n > 0 ? n : 1);
	if (room)
		k->fields[k->n_fields++] = room;
	return room;
}

struct span kat_hex(struct kat *k, const json_t *object, const char *name)
{
	const char *hex = json_string_value(json_object_get(object, name));
	size_t len = hex ? strlen(hex) / 2 : 0;
	uint8_t *room = hex ? kat_room(k, len) : NULL;

	if (!room)
		return (struct span){ 0 };
	if (bytes_from_hex(hex, room, len) < 0) {
		k->malformed = true;
		return (struct span){ 0 };
	}
	return SPAN(room, len);
}

bool kat_equal(struct span a, struct span b)
{
	return a.at && b.at && a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

void kat_case_done(struct kat *k)
{
	while (k->n_fields > 0)
		free(k->fields[--k->n_fields]);
	k->malformed = false;
}

/* ACVP's servers wrap a vector set in an array, after an object with the version. */
static const json_t *unwrap(const json_t *root)
{
	size_t n = json_array_size(root);

	return n > 0 ? json_array_get(root, n - 1) : root;
}

static void read_by_header(struct kat *k, const json_t *wrapped)
{
	const json_t *root = unwrap(wrapped);
	bool has_groups = json_is_array(json_object_get(root, "testGroups"));

	if (has_groups && json_object_get(root, "vsId"))
		kat_acvp(k, root);
	else if (has_groups && json_object_get(root, "algorithm"))
		kat_wycheproof(k, root);
	else if (json_is_array(json_object_get(root, "vectors")))
		kat_noise(k, root);
	else if (json_is_boolean(json_object_get(root, "wantErr")))
		kat_merkle(k, root);
	else
		kat_skip(k, 1, "JSON, but neither ACVP, Wycheproof, Noise nor Merkle");
}

static void print_file(const struct kat *k)
{
	size_t i;
	json_t *failure;

	(void)printf("%s: %u passed, %u failed, %u skipped\n", k->path, k->file.passed,
		     k->file.failed, k->file.skipped);
	json_array_foreach(k->failures, i, failure)(void)
		printf("  FAILED %s\n", json_string_value(failure));
	for (unsigned n = 0; n < k->n_reasons; n++)
		(void)printf("  skipped %u: %s\n", k->reasons[n].n, k->reasons[n].text);
}

static json_t *file_to_json(const struct kat *k)
{
	json_t *skips = json_object();

	for (unsigned i = 0; i < k->n_reasons; i++)
		(void)json_object_set_new(skips, k->reasons[i].text, json_integer(k->reasons[i].n));
	return json_pack("{s:s, s:i, s:i, s:i, s:O, s:o}", "path", k->path, "passed",
			 (int)k->file.passed, "failed", (int)k->file.failed, "skipped",
			 (int)k->file.skipped, "failures", k->failures, "skips", skips);
}

static void finish_file(struct run *run, struct kat *k)
{
	run->n_files++;
	run->total.passed += k->file.passed;
	run->total.failed += k->file.failed;
	run->total.skipped += k->file.skipped;
	if (run->files)
		(void)json_array_append_new(run->files, file_to_json(k));
	else
		print_file(k);
	for (unsigned i = 0; i < k->n_reasons; i++)
		free(k->reasons[i].text);
}

static bool is_json_name(const char *path)
{
	size_t len = strlen(path);

	return len > 5 && strcmp(path + len - 5, ".json") == 0;
}

static void run_file(struct run *run, const char *path)
{
	CLEANUP(json_decrefp) json_t *failures = json_array();
	struct kat k = { .path = path, .failures = failures };
	CLEANUP(json_decrefp) json_t *root = NULL;
	json_error_t error;

	if (!is_json_name(path)) {
		kat_skip(&k, 1, "not named .json");
	} else {
		root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
		if (!root) /* a number of more than 63 bits, perhaps */
			root = json_load_file(
				path, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
		if (root)
			read_by_header(&k, root);
		else
			kat_fail(&k, "%s:%d:%d: %s", path, error.line, error.column, error.text);
	}
	finish_file(run, &k);
}

static void fail_path(struct run *run, const char *path, int error)
{
	CLEANUP(json_decrefp) json_t *failures = json_array();
	struct kat k = { .path = path, .failures = failures };

	kat_fail(&k, "%s: %s", path, strerror(error));
	finish_file(run, &k);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In the order of names, so that two runs print the same. */
static void run_path(struct run *run, const char *path, unsigned depth)
{
	struct stat st;
	struct dirent **entries;
	int n;

	if (stat(path, &st) < 0) {
		fail_path(run, path, errno);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		run_file(run, path);
		return;
	}
	n = depth < DEPTH_MAX ? scandir(path, &entries, is_visible, alphasort) : -1;
	if (n < 0) {
		fail_path(run, path, depth < DEPTH_MAX ? errno : ELOOP);
		return;
	}
	for (int i = 0; i < n; i++) {
		char below[4096];

		if (snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name) <
		    (int)sizeof(below))
			run_path(run, below, depth + 1);
		else
			fail_path(run, path, ENAMETOOLONG);
		free(entries[i]);
	}
	free(entries);
}

static void print_total(const struct run *run)
{
	if (!run->files) {
		(void)printf("total: %u passed, %u failed, %u skipped in %u files\n",
			     run->total.passed, run->total.failed, run->total.skipped,
			     run->n_files);
		return;
	}
	CLEANUP(json_decrefp)
	json_t *all = json_pack("{s:O, s:i, s:i, s:i}", "files", run->files, "passed",
				(int)run->total.passed, "failed", (int)run->total.failed, "skipped",
				(int)run->total.skipped);

	(void)json_dumpf(all, stdout, JSON_INDENT(2));
	(void)putchar('\n');
}

int lab_kat(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	CLEANUP(json_decrefp) json_t *files = NULL;
	enum pqc_level level = pqc_level();
	struct run run = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'j' && !files)
			files = json_array();
		else if (option == 'c' && pqc_level_by_name(optarg, &level) < 0)
			return lab_usage(false, LAB_KAT_USAGE);
		else if (option != 'j' && option != 'c')
			return lab_usage(option == 'h', LAB_KAT_USAGE);
	}
	if (optind == argc)
		return lab_usage(false, LAB_KAT_USAGE);
	if (pqc_set_level(level) < 0) {
		(void)fprintf(stderr, "x0-lab kat: this processor has no %s\n",
			      pqc_level_name(level));
		return LAB_EXIT_SKIPPED;
	}
	run.files = files;
	for (int i = optind; i < argc; i++)
		run_path(&run, argv[i], 0);
	print_total(&run);
	return run.total.failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
