/* SPDX-License-Identifier: Apache-2.0 */
/* A ledger that is appended to, read, proved, filled, and changed by others. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "shell/ledger/test_support.h"

static void what_was_committed_is_there_again(void **state)
{
	const char *directory = *state;
	struct ledger_status status;
	struct ledger *l = open_ledger(directory);

	append(l, 0, 3);
	assert_int_equal(ledger_commit(l), 0);
	append(l, 3, 5); /* and these are in the checkpoint that closing makes */
	ledger_close(l);
	assert_int_equal(check_entries(directory, 5), 5);
	l = open_ledger(directory);
	append(l, 5, 700);
	assert_int_equal(ledger_checkpoint(l), 0);
	ledger_status(l, &status);
	assert_int_equal(status.size, 700);
	assert_int_equal(status.signed_size, 700);
	assert_int_equal(status.reserve_used_bytes, 0);
	append(l, 700, 710);
	assert_int_equal(ledger_commit(l), 0);
	assert_int_equal(check_entries(directory, 710), 710); /* read beside the writer */
	assert_int_equal(verify_directory(directory, true), 0);
	ledger_close(l);
	assert_int_equal(verify_directory(directory, true), 0);
}

static void only_one_process_appends(void **state)
{
	struct ledger_config config = test_config();
	struct ledger_error error;
	struct ledger *l = open_ledger(*state), *second = NULL;

	assert_int_equal(ledger_open(*state, &config, &second, &error), -EBUSY);
	assert_null(second);
	assert_int_equal(verify_directory(*state, true), 0); /* asks for the lock, and leaves it */
	assert_int_equal(ledger_open(*state, &config, &second, &error), -EBUSY);
	ledger_close(l);
	l = open_ledger(*state);
	ledger_close(l);
}

static void each_entry_is_proved_from_its_file(void **state)
{
	static uint8_t file[LEDGER_PROOF_MAX], room[LEDGER_ENTRY_MAX];
	struct ledger_config c = test_config();
	struct ledger *l = open_ledger(*state);
	struct ledger_error error;
	struct ledger_view *v;
	struct ledger_proof p;
	struct checkpoint checkpoint;

	append(l, 0, 600);
	ledger_close(l);
	assert_int_equal(ledger_view_open(*state, c.ops, c.crypto, &v, &error), 0);
	for (uint64_t i = 0; i < 600; i += 37) {
		struct writer w = writer_of(file, sizeof(file));

		assert_int_equal(ledger_view_prove(v, i, &p), 0);
		ledger_proof_write(&w, &p);
		assert_false(w.overrun);
		assert_int_equal(ledger_proof_decode(SPAN(file, w.len), room, &p), 0);
		assert_int_equal(ledger_proof_verify(c.ops, c.crypto, &p,
						     ledger_view_facts(v)->keys, 2, &checkpoint),
				 0);
		assert_int_equal(checkpoint.size, 600);
	}
	assert_int_equal(ledger_view_prove(v, 600, &p), -ERANGE);
	ledger_view_close(v);
}

static void append_of(struct ledger *l, uint64_t incident, uint64_t at)
{
	struct ledger_entry e = {
		.kind = LEDGER_INTENT,
		.unix_ms = 1763766000000 + at,
		.incident = incident,
		.action = 1,
		.who = "alice",
		.what = "avoid",
	};
	uint64_t index;

	assert_int_equal(ledger_append(l, &e, &index), 0);
	assert_int_equal(index, at);
}

static void the_entries_of_an_incident_are_found_in_tiles_and_journal(void **state)
{
	struct ledger_config c = test_config();
	struct ledger *l = open_ledger(*state);
	struct ledger_error error;
	struct ledger_view *v;
	uint64_t at[4];
	bool is_all;
	size_t n;

	append(l, 0, 300);
	append_of(l, 7, 300);
	append(l, 301, 305);
	append_of(l, 8, 305);
	append_of(l, 7, 306);
	assert_int_equal(ledger_checkpoint(l), 0);
	append_of(l, 7, 307);
	assert_int_equal(ledger_commit(l), 0); /* this one is in the journal alone */
	assert_int_equal(ledger_view_open(*state, c.ops, c.crypto, &v, &error), 0);
	assert_int_equal(ledger_view_find(v, 7, at, 4, &n, &is_all), 0);
	assert_int_equal(n, 3);
	assert_true(is_all);
	assert_int_equal(at[0], 300);
	assert_int_equal(at[1], 306);
	assert_int_equal(at[2], 307);
	assert_int_equal(ledger_view_find(v, 7, at, 2, &n, &is_all), 0);
	assert_int_equal(n, 2);
	assert_false(is_all); /* the room was full */
	assert_int_equal(at[0], 306);
	assert_int_equal(ledger_view_find(v, 9, at, 4, &n, &is_all), 0);
	assert_int_equal(n, 0);
	assert_true(is_all);
	ledger_view_close(v);
	ledger_close(l);
}

static void an_entry_is_looked_for_among_so_many_of_the_last_alone(void **state)
{
	struct ledger_config c = test_config();
	struct ledger *l = open_ledger_of(*state, LEDGER_RESERVE_BYTES);
	struct ledger_error error;
	struct ledger_view *v;
	uint64_t at[4];
	bool is_all;
	size_t n;

	append_of(l, 7, 0);
	append(l, 1, LEDGER_LOOK_BACK);
	append_of(l, 7, LEDGER_LOOK_BACK);
	assert_int_equal(ledger_checkpoint(l), 0);
	assert_int_equal(ledger_view_open(*state, c.ops, c.crypto, &v, &error), 0);
	assert_int_equal(ledger_view_find(v, 7, at, 4, &n, &is_all), 0);
	assert_int_equal(n, 1);
	assert_int_equal(at[0], LEDGER_LOOK_BACK);
	assert_false(is_all);
	ledger_view_close(v);
	ledger_close(l);
}

static void keys_that_others_may_read_are_refused(void **state)
{
	struct ledger_config config = test_config();
	struct ledger_error error;
	struct ledger *l = open_ledger(*state);
	char path[128];

	ledger_close(l);
	(void)snprintf(path, sizeof(path), "%s/key", (const char *)*state);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(ledger_open(*state, &config, &l, &error), -EPERM);
	assert_non_null(strstr(error.text, "chmod"));
}

static void keys_that_are_missing_are_not_replaced(void **state)
{
	struct ledger_config config = test_config();
	struct ledger_error error;
	struct ledger *l = open_ledger(*state);

	append(l, 0, 3);
	ledger_close(l);
	run_command("rm %s/%s", *state, "key");
	assert_int_equal(ledger_open(*state, &config, &l, &error), -EUCLEAN);
	assert_non_null(strstr(error.text, "key"));
	assert_int_equal(check_entries(*state, 3), 3); /* the verifiers' keys are the old ones */
	assert_int_equal(verify_directory(*state, true), 0);
}

static void an_entry_that_is_none_is_refused(void **state)
{
	struct ledger_entry e = { .kind = LEDGER_NOTICE, .who = "a", .what = "" };
	struct ledger *l = open_ledger(*state);

	assert_int_equal(ledger_append(l, &e, NULL), -EINVAL);
	ledger_close(l);
}

static void too_much_for_one_commit_is_refused(void **state)
{
	struct ledger *l = open_ledger(*state);
	char room[32];
	uint64_t n = 0;
	int r;

	for (;;) {
		struct ledger_entry e = nth(n, room);

		r = ledger_append(l, &e, NULL);
		if (r < 0)
			break;
		n++;
	}
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(ledger_commit(l), 0);
	append(l, n, n + 1);
	ledger_close(l);
	assert_int_equal(check_entries(*state, n + 1), n + 1);
}

/* ---- a disk that fails ---- */

struct faults {
	unsigned n_writes, n_syncs; /* that still succeed */
};

static int faulty_write(void *user, int fd, const void *from, size_t len, uint64_t at)
{
	struct faults *f = user;

	if (f->n_writes == 0)
		return -EIO;
	f->n_writes--;
	return ledger_system_files.write(NULL, fd, from, len, at);
}

static int faulty_sync(void *user, int fd)
{
	struct faults *f = user;

	if (f->n_syncs == 0)
		return -EIO;
	f->n_syncs--;
	return ledger_system_files.sync(NULL, fd);
}

static struct ledger *open_faulty(const char *directory, struct ledger_files *files,
				  struct faults *f)
{
	struct ledger_config config = test_config();
	struct ledger_error error;
	struct ledger *l = NULL;

	*f = (struct faults){ .n_writes = 1000, .n_syncs = 1000 };
	*files = ledger_system_files;
	files->write = faulty_write;
	files->sync = faulty_sync;
	files->user = f;
	config.files = files;
	assert_int_equal(ledger_open(directory, &config, &l, &error), 0);
	return l;
}

static void what_was_dropped_never_becomes_durable(void **state)
{
	struct ledger_files files;
	struct faults f;
	struct ledger *l = open_faulty(*state, &files, &f);
	struct ledger_status status;

	append(l, 0, 2);
	assert_int_equal(ledger_commit(l), 0);
	append(l, 2, 9); /* a longer record than the next one */
	f.n_syncs = 0;	 /* its bytes are written */
	assert_int_equal(ledger_commit(l), -EIO);
	f.n_syncs = 1000;
	assert_int_equal(ledger_drop(l), 0);
	assert_int_equal(check_entries(*state, 2), 2); /* as after a crash */
	append(l, 2, 3);
	assert_int_equal(ledger_drop(l), 0); /* no commit came between */
	append(l, 2, 4);
	assert_int_equal(ledger_commit(l), 0);
	ledger_status(l, &status);
	assert_int_equal(status.n_pending, 0);
	assert_false(status.is_broken);
	ledger_close(l);
	assert_int_equal(check_entries(*state, 4), 4);
	assert_int_equal(verify_directory(*state, true), 0);
}

static void where_dropping_fails_nothing_more_is_taken(void **state)
{
	struct ledger_files files;
	struct faults f;
	struct ledger *l = open_faulty(*state, &files, &f);
	struct ledger_status status;

	append(l, 0, 2);
	f.n_writes = 1;
	f.n_syncs = 0;
	assert_int_equal(ledger_commit(l), -EIO);
	assert_int_equal(ledger_drop(l), -EIO);
	f = (struct faults){ .n_writes = 1000, .n_syncs = 1000 };
	append(l, 0, 1);
	assert_int_equal(ledger_commit(l), -EIO);
	ledger_status(l, &status);
	assert_true(status.is_broken);
	ledger_close(l);
	l = open_ledger(*state);
	ledger_close(l);
	assert_int_equal(verify_directory(*state, true), 0);
}

static void a_removed_ledger_is_gone_and_what_links_lead_to_is_not(void **state)
{
	struct ledger *l = open_ledger(*state);
	char outside[160], kept[170];

	append(l, 0, 300);
	ledger_close(l);
	(void)snprintf(outside, sizeof(outside), "%s-outside", (const char *)*state);
	run_command("mkdir %s && touch %s/kept", outside, outside);
	run_command("ln -s %s %s/tile/link", outside, *state);
	assert_int_equal(ledger_remove(*state), 0);
	assert_int_not_equal(access(*state, F_OK), 0);
	assert_int_equal(ledger_remove(*state), 0); /* there is none */
	(void)snprintf(kept, sizeof(kept), "%s/kept", outside);
	assert_int_equal(access(kept, F_OK), 0);
	run_command("rm -r %s-outside%s", *state, "");
}

/* ---- changes ---- */

static void flip(int fd, off_t at, unsigned bit)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= (uint8_t)(1U << bit);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void catch_text(void *user, const char *text)
{
	char *room = user;

	if (room[0] == '\0')
		(void)snprintf(room, 256, "%s", text);
}

static void the_position_of_a_change_is_named(void **state)
{
	static const struct {
		const char *file;
		off_t at;
		const char *text;
	} cases[] = {
		{ "tile/0/000.p/3", 40, "tile/0/000.p/3: byte 40" },
		{ "tile/entries/000.p/3", 30, "entry 0, at bytes 0 to" },
		{ "tile/entries/000.p/3", 100, "entry 1, at bytes " },
		{ "journal", 5, "head at byte 0" },
		{ "checkpoint", 20, "checkpoint: " },
	};
	struct ledger_config c = test_config();
	struct ledger_error error;
	struct ledger *l = open_ledger(*state);

	append(l, 0, 3);
	ledger_close(l);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		char path[128], text[256] = "";
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%s", (const char *)*state, cases[i].file);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		flip(fd, cases[i].at, 3);
		assert_true(ledger_verify(*state, c.ops, c.crypto, catch_text, text, &error) > 0);
		flip(fd, cases[i].at, 3);
		(void)close(fd);
		if (cases[i].at == 40) /* the leaf's own hash differs too, and is named first */
			assert_non_null(strstr(text, "entry 1"));
		else if (!strstr(text, cases[i].text))
			fail_msg("\"%s\" instead of \"%s\"", text, cases[i].text);
	}
}

static void a_ledger_that_lost_what_was_signed_is_refused(void **state)
{
	struct ledger_config config = test_config();
	struct ledger_error error;
	struct ledger *l = open_ledger(*state);

	append(l, 0, 3);
	assert_int_equal(ledger_commit(l), 0);
	run_command("cp %s/journal %s/journal.old", *state, *state);
	ledger_close(l);
	run_command("mv %s/journal.old %s/journal", *state, *state);
	assert_int_equal(ledger_open(*state, &config, &l, &error), -EUCLEAN);
	assert_non_null(strstr(error.text, "entries from 0 on are missing"));
	run_command("rm %s/journal%s", *state, "");
	assert_int_equal(ledger_open(*state, &config, &l, &error), -EUCLEAN);
	assert_non_null(strstr(error.text, "journal is missing"));
}

static void a_changed_record_with_a_whole_one_behind_it_is_no_crash(void **state)
{
	struct ledger_config config = test_config();
	struct ledger_error error;
	struct ledger *l = open_ledger(*state);
	char path[128];
	int fd;

	append(l, 0, 3);
	assert_int_equal(ledger_commit(l), 0);
	append(l, 3, 6);
	assert_int_equal(ledger_commit(l), 0);
	run_command("cp %s/journal %s/journal.old", *state, *state);
	ledger_close(l);
	run_command("cd %s && mv journal.old journal && rm -r checkpoint tile%s", *state, "");
	(void)snprintf(path, sizeof(path), "%s/journal", (const char *)*state);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	flip(fd, JOURNAL_START + 100, 0);
	assert_int_equal(ledger_open(*state, &config, &l, &error), -EUCLEAN);
	assert_non_null(strstr(error.text, "entry 0 at byte 8192 was changed"));
	flip(fd, JOURNAL_START + 100, 0);
	(void)close(fd);
	l = open_ledger(*state);
	ledger_close(l);
	assert_int_equal(check_entries(*state, 6), 6);
}

/* ---- a full disk ---- */

static int append_kind(struct ledger *l, enum ledger_kind kind, bool is_disk, uint64_t n)
{
	char room[32];
	struct ledger_entry e = nth(n, room);
	int r;

	e.kind = kind;
	e.is_disk = is_disk;
	r = ledger_append(l, &e, NULL);
	if (r == -EAGAIN)
		r = ledger_commit(l) < 0 ? -EIO : ledger_append(l, &e, NULL);
	return r;
}

/* In the child, whose disk is full. */
static int fill(struct ledger *l)
{
	struct ledger_status status;
	uint64_t n = 0, n_other, n_disk;

	while (append_kind(l, LEDGER_INTENT, false, n) == 0)
		n++;
	n_other = n;
	ledger_status(l, &status);
	if (ledger_commit(l) < 0 || status.tile_error != -ENOSPC || n_other < 100)
		return 1;
	if (append_kind(l, LEDGER_RESULT, false, n) != -ENOSPC)
		return 2;
	while (append_kind(l, n % 2 ? LEDGER_INTENT : LEDGER_RESULT, true, n) == 0)
		n++;
	n_disk = n - n_other;
	if (n_disk < 100 || append_kind(l, LEDGER_NOTICE, false, n) != -ENOSPC)
		return 3;
	if (ledger_commit(l) < 0)
		return 4;
	ledger_status(l, &status);
	return status.size == n && status.n_in_tiles == 0 ? 0 : 5;
}

static void write_until_full(const char *path)
{
	uint8_t block[4096] = { 1 };
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	for (size_t len = sizeof(block); fd >= 0 && len > 0; len /= 2)
		while (write(fd, block, len) > 0)
			;
	(void)close(fd);
}

static int run_on_full_disk(const char *directory)
{
	struct ledger_config config = test_config();
	struct ledger_error error = { "" };
	struct ledger *l;
	char path[128], inside[128];
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("x0-test", directory, "tmpfs", 0, "size=1m,mode=0700") < 0)
		return 77;
	(void)snprintf(path, sizeof(path), "%s/fill", directory);
	(void)snprintf(inside, sizeof(inside), "%s/ledger", directory);
	config.reserve_bytes = 2U << 20; /* more than there is */
	if (ledger_open(inside, &config, &l, &error) != -ENOSPC)
		return 9;
	config.reserve_bytes = SMALL_RESERVE;
	if (ledger_open(inside, &config, &l, &error) < 0)
		return 10;
	write_until_full(path);
	r = fill(l);
	if (r != 0)
		return r;
	(void)unlink(path); /* what the disk action does */
	if (ledger_checkpoint(l) < 0)
		return 11;
	ledger_close(l);
	check_entries(inside, 200);
	return verify_directory(inside, true) == 0 ? 0 : 12;
}

static void on_a_full_disk_what_heals_it_is_recorded_and_nothing_else(void **state)
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(run_on_full_disk(*state));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: may not mount a small tmpfs\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_directory, tear_down_directory)
	const struct CMUnitTest tests[] = {
		TEST(what_was_committed_is_there_again),
		TEST(only_one_process_appends),
		TEST(each_entry_is_proved_from_its_file),
		TEST(the_entries_of_an_incident_are_found_in_tiles_and_journal),
		TEST(an_entry_is_looked_for_among_so_many_of_the_last_alone),
		TEST(keys_that_others_may_read_are_refused),
		TEST(keys_that_are_missing_are_not_replaced),
		TEST(an_entry_that_is_none_is_refused),
		TEST(too_much_for_one_commit_is_refused),
		TEST(what_was_dropped_never_becomes_durable),
		TEST(where_dropping_fails_nothing_more_is_taken),
		TEST(a_removed_ledger_is_gone_and_what_links_lead_to_is_not),
		TEST(the_position_of_a_change_is_named),
		TEST(a_ledger_that_lost_what_was_signed_is_refused),
		TEST(a_changed_record_with_a_whole_one_behind_it_is_no_crash),
		TEST(on_a_full_disk_what_heals_it_is_recorded_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
