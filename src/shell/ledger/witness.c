/* SPDX-License-Identifier: Apache-2.0 */
/* The files of witnesses. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/units.h"
#include "shell/ledger/internal.h"
#include "shell/ledger/witness.h"

#define LOGS "logs"
#define WITNESSES "witnesses"
#define ID_LEN 16

static const char *const record_names[COSIGN_N_RECORDS] = {
	[COSIGN_LATEST] = "latest",
	[COSIGN_RUMOUR] = "rumour",
	[COSIGN_EVIDENCE_1] = "evidence-1",
	[COSIGN_EVIDENCE_2] = "evidence-2",
};

static int open_directory(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* Made where it is missing, and then the name is durable too. */
static int make_directory(const struct ledger_files *files, int at, const char *name)
{
	int fd = open_directory(at, name);
	int r;

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = files->sync(files->user, at);
	return r < 0 ? r : open_directory(at, name);
}

static const struct ledger_files *files_of(const struct witness_files *f)
{
	return f->files ? f->files : &ledger_system_files;
}

static void id_text(uint64_t id, char ret[ID_LEN + 1])
{
	(void)snprintf(ret, ID_LEN + 1, "%016llx", (unsigned long long)id);
}

static bool read_id(const char *name, uint64_t *ret)
{
	char *end;

	if (strlen(name) != ID_LEN || strspn(name, "0123456789abcdef") != ID_LEN)
		return false; /* also what a crash has left of a file that was being written */
	*ret = strtoull(name, &end, 16);
	return true;
}

/* The ids that a directory has; as many as there are, of which n_max are told. */
static int list_ids(int at, const char *name, uint64_t *ret, size_t n_max)
{
	int fd = open_directory(at, name);
	const struct dirent *e;
	size_t n = 0;
	uint64_t id;
	DIR *d;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	d = fdopendir(fd);
	if (!d) {
		close_fdp(&fd);
		return -ENOMEM;
	}
	while ((e = readdir(d))) {
		if (!read_id(e->d_name, &id))
			continue;
		if (n < n_max)
			ret[n] = id;
		n++;
	}
	(void)closedir(d);
	return (int)n;
}

int witness_logs(const struct witness_files *f, uint64_t *ret, size_t n_max)
{
	CLEANUP_FD int root = open_directory(AT_FDCWD, f->directory);

	return root < 0 ? root : list_ids(root, LOGS, ret, n_max);
}

/* ---- other nodes' logs ---- */

static int read_records(const struct witness_files *f, int log, struct cosign_log *ret)
{
	struct bytes b[COSIGN_N_RECORDS] = { 0 };
	struct span records[COSIGN_N_RECORDS];
	int r = 0;

	for (size_t i = 0; r == 0 && i < COSIGN_N_RECORDS; i++) {
		r = file_read(log, record_names[i], COSIGN_RECORD_MAX, &b[i]);
		r = r == -ENOENT ? 0 : r;
	}
	for (size_t i = 0; i < COSIGN_N_RECORDS; i++)
		records[i] = SPAN(b[i].at, b[i].len);
	if (r == 0)
		r = cosign_log_decode(f->ops, f->crypto, records, ret);
	for (size_t i = 0; i < COSIGN_N_RECORDS; i++)
		bytes_done(&b[i]);
	return r == -EFBIG ? -EUCLEAN : r;
}

int witness_log_load(const struct witness_files *f, uint64_t id, struct cosign_log *ret)
{
	CLEANUP_FD int root = open_directory(AT_FDCWD, f->directory);
	CLEANUP_FD int logs = root < 0 ? root : open_directory(root, LOGS);
	CLEANUP_FD int log = -1;
	char name[ID_LEN + 1];
	int n;

	if (root < 0)
		return root;
	if (logs == -ENOENT)
		return 0;
	if (logs < 0)
		return logs;
	id_text(id, name);
	log = open_directory(logs, name);
	if (log >= 0)
		return read_records(f, log, ret);
	if (log != -ENOENT)
		return log;
	n = list_ids(root, LOGS, NULL, 0);
	return n >= COSIGN_LOGS_MAX ? -ENOBUFS : n < 0 ? n : 0;
}

static int keep_record(const struct ledger_files *files, int log, const struct cosign_log *l,
		       enum cosign_record which)
{
	uint8_t room[COSIGN_RECORD_MAX];
	struct writer w = writer_of(room, sizeof(room));

	cosign_log_encode(l, which, &w);
	if (w.overrun)
		return -ENOBUFS;
	if (w.len > 0)
		return file_replace(files, log, record_names[which], 0644, SPAN(room, w.len));
	if (unlinkat(log, record_names[which], 0) < 0 && errno != ENOENT)
		return -errno;
	return 0; /* one that is back after a crash is settled once more */
}

int witness_log_keep(const struct witness_files *f, uint64_t id, const struct cosign_log *l,
		     unsigned parts)
{
	static const struct {
		unsigned part;
		enum cosign_record which;
	} order[] = {
		{ COSIGN_KEEP_EVIDENCE, COSIGN_EVIDENCE_1 },
		{ COSIGN_KEEP_EVIDENCE, COSIGN_EVIDENCE_2 },
		{ COSIGN_KEEP_LATEST, COSIGN_LATEST },
		{ COSIGN_KEEP_RUMOUR, COSIGN_RUMOUR },
	};
	const struct ledger_files *files = files_of(f);
	CLEANUP_FD int root = open_directory(AT_FDCWD, f->directory);
	CLEANUP_FD int logs = root < 0 ? root : make_directory(files, root, LOGS);
	CLEANUP_FD int log = -1;
	char name[ID_LEN + 1];
	int r = 0;

	if (logs < 0)
		return logs;
	id_text(id, name);
	log = make_directory(files, logs, name);
	if (log < 0)
		return log;
	for (size_t i = 0; r == 0 && i < N_ELEMENTS(order); i++)
		if (parts & order[i].part)
			r = keep_record(files, log, l, order[i].which);
	return r;
}

/* ---- the own one ---- */

int witness_put(const struct witness_files *f, uint64_t id, struct span record)
{
	const struct ledger_files *files = files_of(f);
	CLEANUP_FD int root = open_directory(AT_FDCWD, f->directory);
	CLEANUP_FD int at = root < 0 ? root : make_directory(files, root, WITNESSES);
	char name[ID_LEN + 1];

	if (at < 0)
		return at;
	id_text(id, name);
	return file_replace(files, at, name, 0644, record);
}

static void read_fact(const struct witness_files *f, const struct note_key keys[2], int at,
		      struct witness_fact *ret)
{
	CLEANUP(bytes_done) struct bytes b = { 0 };
	char name[ID_LEN + 1];

	id_text(ret->id, name);
	ret->error = file_read(at, name, COSIGN_RECORD_MAX, &b);
	if (ret->error == 0)
		ret->error = cosign_record_verify(f->ops, f->crypto, keys, SPAN(b.at, b.len),
						  &ret->of, ret->name, &ret->unix_s);
}

int witness_list(const struct witness_files *f, const struct note_key keys[2],
		 struct witness_fact *ret, size_t n_max)
{
	CLEANUP_FD int root = open_directory(AT_FDCWD, f->directory);
	CLEANUP_FD int at = root < 0 ? root : open_directory(root, WITNESSES);
	uint64_t ids[COSIGN_PEERS_MAX];
	int n;

	if (at < 0)
		return at == -ENOENT ? 0 : at;
	n = list_ids(root, WITNESSES, ids, N_ELEMENTS(ids));
	for (int i = 0; i < n && (size_t)i < n_max && (size_t)i < N_ELEMENTS(ids); i++) {
		ret[i] = (struct witness_fact){ .id = ids[i] };
		read_fact(f, keys, at, &ret[i]);
	}
	return n < 0 ? n : (int)(min_u64((uint64_t)n, min_u64(n_max, N_ELEMENTS(ids))));
}

int witness_keys(const struct witness_files *f, struct ledger_keys *ret)
{
	CLEANUP_FD int root = open_directory(AT_FDCWD, f->directory);

	return root < 0 ? root : keys_read(f->ops, f->crypto, root, ret);
}
