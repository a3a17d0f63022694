/* SPDX-License-Identifier: Apache-2.0 */
/* Power that goes at each write and each fsync: what was promised is there afterwards.
 *
 * A child appends, and dies at the n-th of them. What it wrote and did not sync is left, taken
 * back, or taken back but for half of the last write. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "shell/ledger/test_support.h"
#include "shell/ledger/witness.h"

#define UNDO_MAX 64
#define DIED 42

enum loss {
	LOSE_NOTHING,
	LOSE_UNSYNCED,
	LOSE_HALF,
	N_LOSSES
};

struct undo {
	ino_t inode;
	int fd; /* duplicated; or of the directory */
	uint64_t at;
	uint8_t *before, *after;
	size_t before_len, len; /* of before; of what was written */
	uint64_t file_len;
	char from[64], to[64]; /* of a rename */
	bool had_to;
};

struct faults {
	unsigned n, die_at; /* counted from 1 */
	enum loss loss;
	struct undo undo[UNDO_MAX];
	size_t n_undo;
};

static ino_t inode_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static void undo_write(const struct undo *u)
{
	(void)!pwrite(u->fd, u->before, u->before_len, (off_t)u->at);
	(void)!ftruncate(u->fd, (off_t)u->file_len);
}

static void undo_rename(const struct undo *u)
{
	(void)renameat(u->fd, u->to, u->fd, u->from);
	if (u->had_to)
		(void)renameat(u->fd, "undo", u->fd, u->to);
}

static void die(struct faults *f)
{
	for (size_t i = f->n_undo; i-- > 0 && f->loss != LOSE_NOTHING;) {
		const struct undo *u = &f->undo[i];

		if (u->to[0])
			undo_rename(u);
		else
			undo_write(u);
		if (f->loss == LOSE_HALF && i + 1 == f->n_undo && u->len > 1)
			(void)!pwrite(u->fd, u->after, u->len / 2, (off_t)u->at);
	}
	_exit(DIED);
}

static void count(struct faults *f)
{
	if (++f->n == f->die_at)
		die(f);
}

static struct undo *add_undo(struct faults *f, int fd)
{
	struct undo *u = &f->undo[f->n_undo++];

	if (f->n_undo > UNDO_MAX)
		_exit(__LINE__);
	*u = (struct undo){ .inode = inode_of(fd), .fd = dup(fd) };
	return u;
}

static int faulty_write(void *user, int fd, const void *from, size_t len, uint64_t at)
{
	struct faults *f = user;
	struct undo *u = add_undo(f, fd);
	struct stat status;
	ssize_t n;
	int r;

	u->before = malloc(len);
	u->after = malloc(len);
	if (!u->before || !u->after || fstat(fd, &status) < 0)
		_exit(__LINE__);
	memcpy(u->after, from, len);
	n = pread(fd, u->before, len, (off_t)at); /* 0 or an error for a new file */
	u->before_len = n > 0 ? (size_t)n : 0;
	u->at = at;
	u->len = len;
	u->file_len = (uint64_t)status.st_size;
	r = ledger_system_files.write(NULL, fd, from, len, at);
	count(f);
	return r;
}

static int faulty_sync(void *user, int fd)
{
	struct faults *f = user;
	size_t kept = 0;

	count(f); /* before it did anything */
	for (size_t i = 0; i < f->n_undo; i++)
		if (f->undo[i].inode != inode_of(fd))
			f->undo[kept++] = f->undo[i];
	f->n_undo = kept;
	return 0;
}

static int faulty_sync_all(void *user, int fd)
{
	struct faults *f = user;

	(void)fd;
	count(f);
	f->n_undo = 0;
	return 0;
}

static int faulty_rename(void *user, int directory, const char *from, const char *to)
{
	struct faults *f = user;
	struct undo *u = add_undo(f, directory);
	int r;

	(void)snprintf(u->from, sizeof(u->from), "%s", from);
	(void)snprintf(u->to, sizeof(u->to), "%s", to);
	(void)unlinkat(directory, "undo", 0);
	u->had_to = linkat(directory, to, directory, "undo", 0) == 0;
	r = ledger_system_files.rename(NULL, directory, from, to);
	count(f);
	return r;
}

/* What the child promised so far. */
static uint64_t *promised;

static void commit_up_to(struct ledger *l, uint64_t n, bool is_checkpoint)
{
	struct ledger_status status;

	ledger_status(l, &status);
	append(l, status.size, n);
	if ((is_checkpoint ? ledger_checkpoint(l) : ledger_commit(l)) < 0)
		_exit(__LINE__);
	*promised = n;
}

static int run_child(const char *directory, unsigned die_at, enum loss loss)
{
	static struct faults faults;
	static const struct ledger_files template = { faulty_write, faulty_sync, faulty_sync_all,
						      faulty_rename, &faults };
	struct ledger_config config = test_config();
	struct ledger_error error;
	struct ledger *l;

	faults = (struct faults){ .die_at = die_at, .loss = loss };
	config.files = &template;
	if (ledger_open(directory, &config, &l, &error) < 0)
		return 1;
	commit_up_to(l, 2, false);
	commit_up_to(l, 3, false);
	commit_up_to(l, 5, true);
	commit_up_to(l, 6, false);
	commit_up_to(l, 258, true); /* a tile becomes full, and one of the next level begins */
	commit_up_to(l, 259, false);
	ledger_close(l);
	return 0;
}

/* True once the child came to its end. */
static bool try(const char *directory, unsigned die_at, enum loss loss)
{
	int status = 0;
	pid_t child;
	struct ledger *l;
	struct ledger_status after;

	run_command("rm -rf %s/%s", directory, "ledger");
	*promised = 0;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/ledger", directory);
		_exit(run_child(path, die_at, loss));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);
	{
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/ledger", directory);
		l = open_ledger(path);
		ledger_status(l, &after);
		assert_true(after.size >= *promised);
		append(l, after.size, after.size + 1); /* and it goes on */
		ledger_close(l);
		assert_int_equal(check_entries(path, *promised + 1), after.size + 1);
		assert_int_equal(verify_directory(path, true), 0);
	}
	return WEXITSTATUS(status) == 0;
}

static void whenever_the_power_goes_nothing_promised_is_lost(void **state)
{
	unsigned die_at = 1;

	promised = mmap(NULL, sizeof(*promised), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	assert_true(promised != MAP_FAILED);
	for (int loss = 0; loss < N_LOSSES; loss++)
		for (die_at = 1; !try(*state, die_at, (enum loss)loss); die_at++)
			;
	print_message("%u writes, syncs and renames\n", die_at - 1);
	assert_true(die_at > 60);
	(void)munmap(promised, sizeof(*promised));
}

/* ---- what a witness remembers ---- */

#define N_NOTES 3
#define PROMISED_EVIDENCE N_NOTES
#define LOG_ID 7

static struct witness_evidence notes[N_NOTES]; /* of 1, 2 and 3 entries */
static struct note_key log_keys[2];

static void sign_notes(void)
{
	const struct ledger_config c = test_config();
	struct ledger_keys keys = { .name = "mesh.example/node/bob" };

	assert_int_equal(ledger_keys_public(c.ops, c.crypto, &keys, log_keys), 0);
	for (size_t i = 0; i < N_NOTES; i++) {
		struct checkpoint shown = { .size = i + 1 };
		struct writer w = writer_of(notes[i].bytes, sizeof(notes[i].bytes));

		memcpy(shown.origin, keys.name, sizeof(keys.name));
		assert_int_equal(checkpoint_sign(c.ops, c.crypto, &keys, &shown, 1, c.entropy, &w),
				 0);
		notes[i].len = w.len;
	}
}

static struct witness_files files_of(const char *directory, const struct ledger_files *files)
{
	const struct ledger_config c = test_config();

	return (struct witness_files){ directory, c.ops, c.crypto, files };
}

static void witness_child(const char *directory, unsigned die_at, enum loss loss)
{
	static struct faults faults;
	static const struct ledger_files template = { faulty_write, faulty_sync, faulty_sync_all,
						      faulty_rename, &faults };
	const struct witness_files f = files_of(directory, &template);
	static struct cosign_log l;

	faults = (struct faults){ .die_at = die_at, .loss = loss };
	memcpy(l.of.keys, log_keys, sizeof(log_keys));
	l.of.has_latest = true;
	for (size_t i = 0; i < N_NOTES - 1; i++) {
		l.of.latest_note = notes[i];
		if (witness_log_keep(&f, LOG_ID, &l, COSIGN_KEEP_LATEST) < 0)
			_exit(__LINE__);
		*promised = i + 1; /* is signed now */
	}
	l.of.evidence[0] = notes[0];
	l.of.evidence[1] = notes[2];
	if (witness_log_keep(&f, LOG_ID, &l, COSIGN_KEEP_EVIDENCE) < 0)
		_exit(__LINE__);
	*promised = PROMISED_EVIDENCE;
	_exit(0);
}

/* True once the child came to its end. */
static bool try_witness(const char *directory, unsigned die_at, enum loss loss)
{
	const struct witness_files f = files_of(directory, NULL);
	static struct cosign_log l;
	int status = 0;
	pid_t child;

	run_command("rm -rf %s/%s", directory, "logs");
	*promised = 0;
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		witness_child(directory, die_at, loss);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);
	memset(&l, 0, sizeof(l));
	assert_int_equal(witness_log_load(&f, LOG_ID, &l), 0);
	assert_true(*promised == 0 || l.of.has_latest);
	if (l.of.has_latest)
		assert_true(l.of.latest.size + 1 >= *promised && l.of.latest.size <= N_NOTES - 1);
	if (*promised > 0 && *promised < PROMISED_EVIDENCE)
		assert_true(l.of.latest.size >= *promised);
	if (*promised == PROMISED_EVIDENCE)
		assert_true(l.of.is_suspect && l.of.latest.size == N_NOTES - 1);
	return WEXITSTATUS(status) == 0;
}

static void whenever_the_power_goes_a_witness_forgets_nothing_it_has_signed(void **state)
{
	unsigned die_at = 1;

	promised = mmap(NULL, sizeof(*promised), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	assert_true(promised != MAP_FAILED);
	sign_notes();
	for (int loss = 0; loss < N_LOSSES; loss++)
		for (die_at = 1; !try_witness(*state, die_at, (enum loss)loss); die_at++)
			;
	print_message("%u writes, syncs and renames\n", die_at - 1);
	assert_true(die_at > 16); /* four files: each written, synced, renamed, and the directory */
	(void)munmap(promised, sizeof(*promised));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whenever_the_power_goes_nothing_promised_is_lost,
						set_up_directory, tear_down_directory),
		cmocka_unit_test_setup_teardown(
			whenever_the_power_goes_a_witness_forgets_nothing_it_has_signed,
			set_up_directory, tear_down_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
