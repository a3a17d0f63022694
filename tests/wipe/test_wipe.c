/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are looked for in all memory of a child process that works with them: while it holds
 * them they may lie only where no core file and no swap has them, and afterwards nowhere. That the
 * search finds what is there is shown by a child that leaves one behind. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "daemon/authority.h"
#include "shell/openssl/library.h"

#define NOW_S INT64_C(1795300000)
#define DOMAIN "wipe.mesh"
#define NEEDLES_MAX 96
#define NEEDLE_MAX 32
#define CHUNK (1U << 20)

/* Bytes to look for, and what they are. */
struct needle {
	char what[64];
	uint8_t at[NEEDLE_MAX];
	size_t len;
	bool is_held; /* while the child works: it must be there, in protected memory */
	unsigned n_plain, n_protected; /* found in the last search; and where: */
	unsigned long plain_at;
};

struct world {
	char dir[64];
	const struct crypto_ops *ops;
	size_t n;
	struct needle needles[NEEDLES_MAX];
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

/* ---- what is looked for ---- */

static void add(struct world *w, const char *what, const uint8_t *at, size_t len, bool is_held)
{
	struct needle *n = &w->needles[w->n++];

	assert_true(w->n <= NEEDLES_MAX && len <= NEEDLE_MAX && len >= 8);
	*n = (struct needle){ .len = len, .is_held = is_held };
	(void)snprintf(n->what, sizeof(n->what), "%s", what);
	memcpy(n->at, at, len);
}

/* As a PEM file would have it, whichever of the three places in a group it begins at. */
static void add_base64(struct world *w, const char *what, const uint8_t *at)
{
	for (unsigned skip = 0; skip < 3; skip++) {
		uint8_t text[64];
		char name[64];

		assert_int_equal(EVP_EncodeBlock(text, at + skip, 24), 32);
		(void)snprintf(name, sizeof(name), "%s as base64, %u", what, skip);
		add(w, name, text, 24, false); /* lines break it: a shorter piece */
		add(w, name, text + 8, 24, false);
	}
}

static void add_mldsa(struct world *w, const char *holder, const struct signing_key *key)
{
	static uint8_t priv[4032];
	uint8_t seed[32];
	size_t len = 0;
	char name[64];
	const struct {
		const char *what;
		size_t at;
	} parts[] = { { "K", 32 },
		      { "s1", 128 + 100 },
		      { "s2", 128 + 640 + 200 },
		      { "the end of s2", 128 + 640 + 768 - 32 },
		      { "t0", 128 + 640 + 768 + 500 } };

	assert_int_equal(EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_ML_DSA_SEED,
							 seed, sizeof(seed), &len),
			 1);
	(void)snprintf(name, sizeof(name), "%s's ML-DSA seed", holder);
	add(w, name, seed, sizeof(seed), true);
	add_base64(w, name, seed);
	assert_int_equal(
		EVP_PKEY_get_octet_string_param(key->pkey, "priv", priv, sizeof(priv), &len), 1);
	for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
		(void)snprintf(name, sizeof(name), "%s's ML-DSA key, %s", holder, parts[i].what);
		add(w, name, priv + parts[i].at, NEEDLE_MAX, true);
	}
}

static void add_p256(struct world *w, const char *holder, const struct signing_key *key)
{
	BIGNUM *scalar = NULL;
	uint8_t bytes[32];
	char name[64];

	assert_int_equal(EVP_PKEY_get_bn_param(key->pkey, "priv", &scalar), 1);
	assert_int_equal(BN_bn2lebinpad(scalar, bytes, sizeof(bytes)), 32);
	(void)snprintf(name, sizeof(name), "%s's P-256 scalar", holder);
	add(w, name, bytes, sizeof(bytes), true); /* as OpenSSL's numbers lie in memory */
	assert_int_equal(BN_bn2binpad(scalar, bytes, sizeof(bytes)), 32);
	(void)snprintf(name, sizeof(name), "%s's P-256 scalar, as in a file", holder);
	add(w, name, bytes, sizeof(bytes), false);
	add_base64(w, name, bytes);
	BN_clear_free(scalar);
}

static void write_bytes_to(const struct world *w, const char *name, const void *at, size_t len)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, at, len), (ssize_t)len);
	(void)close(fd);
}

static void add_kem(struct world *w)
{
	uint8_t seeds[96];
	uint8_t ek[MLKEM768_EK_LEN], dk[MLKEM768_DK_LEN], ct[MLKEM768_CT_LEN], ss[32];
	uint8_t secret[X25519_LEN];

	entropy_fill(&kernel_entropy, seeds, sizeof(seeds));
	write_bytes_to(w, "kem-seeds", seeds, sizeof(seeds));
	assert_int_equal(w->ops->mlkem768_keygen(seeds, seeds + 32, ek, dk), 0);
	assert_int_equal(w->ops->mlkem768_encaps(ek, seeds + 64, ct, ss), 0);
	add(w, "ML-KEM d", seeds, 32, false);
	add(w, "ML-KEM z", seeds + 32, 32, false);
	add(w, "ML-KEM m", seeds + 64, 32, false);
	add(w, "the decapsulation key's s", dk + 500, 32, false);
	add(w, "the ML-KEM shared secret", ss, 32, false);
	entropy_fill(&kernel_entropy, secret, sizeof(secret));
	write_bytes_to(w, "x25519-secret", secret, sizeof(secret));
	add(w, "the X25519 secret", secret, sizeof(secret), false);
}

static void add_passphrase(struct world *w, char ret[25])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	uint8_t random[24];

	entropy_fill(&kernel_entropy, random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		ret[i] = letters[random[i] % 26];
	ret[24] = '\0';
	write_bytes_to(w, "passphrase", ret, 24);
	add(w, "the passphrase", (const uint8_t *)ret, 24, true);
}

/* ---- a domain for the child ---- */

static void encrypt(const struct world *w, struct store *s, enum store_file file,
		    enum key_kind kind, struct span passphrase)
{
	struct signing_key *key = NULL;
	struct store_error e;

	(void)w;
	assert_int_equal(member_load_key(s, file, kind, &key, &e), 0);
	assert_int_equal(member_save_key(s, file, key, passphrase, &e), 0);
	signing_key_free(key);
}

static void found(struct world *w, bool is_encrypted)
{
	struct signing_key *key = NULL;
	struct member *member = NULL;
	struct store *s = NULL;
	struct store_error e;
	char passphrase[25];
	struct span p;

	assert_int_equal(store_open(w->dir, STORE_OWN, &s, &e), 0);
	add_passphrase(w, passphrase);
	p = SPAN(passphrase, is_encrypted ? 24 : 0);
	assert_int_equal(authority_found_locked(s, w->ops, DOMAIN, "first", p, NOW_S, &e), 0);
	assert_int_equal(member_load(s, w->ops, &member, &e), 0);
	add_mldsa(w, "the node", member->key);
	add_p256(w, "the node", member->key_p256);
	add(w, "the network key", member->is.keys[0].key, NETWORK_KEY_LEN, true);
	member_free(member);
	assert_int_equal(member_open_key(s, STORE_AUTHORITY_MLDSA_KEY, KEY_MLDSA65, p, &key, &e),
			 0);
	add_mldsa(w, "the authority", key);
	signing_key_free(key);
	assert_int_equal(member_open_key(s, STORE_AUTHORITY_P256_KEY, KEY_P256, p, &key, &e), 0);
	add_p256(w, "the authority", key);
	signing_key_free(key);
	if (is_encrypted) {
		encrypt(w, s, STORE_NODE_MLDSA_KEY, KEY_MLDSA65, p);
		encrypt(w, s, STORE_NODE_P256_KEY, KEY_P256, p);
	}
	store_close(s);
}

static struct world *world_new(bool is_encrypted)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *error = "";

	assert_non_null(w);
	w->ops = openssl_crypto_ops(&error);
	assert_non_null(w->ops);
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/x0-test-wipe-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	found(w, is_encrypted);
	add_kem(w);
	return w;
}

static void world_free(struct world *w)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", w->dir);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this test made */
	assert_int_equal(system(command), 0);
	free(w);
}

/* ---- searching ---- */

static void search(struct world *w, const uint8_t *chunk, size_t len, unsigned long from,
		   bool is_protected)
{
	for (size_t i = 0; i < w->n; i++) {
		struct needle *n = &w->needles[i];
		const uint8_t *at = memmem(chunk, len, n->at, n->len);

		if (!at)
			continue;
		*(is_protected ? &n->n_protected : &n->n_plain) += 1;
		if (!is_protected)
			n->plain_at = from + (unsigned long)(at - chunk);
	}
}

static void search_range(struct world *w, int mem, unsigned long from, unsigned long to,
			 bool is_protected)
{
	static uint8_t chunk[CHUNK + NEEDLE_MAX];

	for (unsigned long at = from; at < to; at += CHUNK) {
		size_t wanted = to - at < sizeof(chunk) ? to - at : sizeof(chunk); /* overlapping */
		ssize_t n = pread(mem, chunk, wanted, (off_t)at);

		if (n > 0) /* what the kernel lets nobody read is none of ours */
			search(w, chunk, (size_t)n, at, is_protected);
	}
}

static int open_of(pid_t pid, const char *what, int flags)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	fd = open(path, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Every readable mapping. Protected is one that no core file would have (" dd"). */
static void search_process(struct world *w, pid_t pid)
{
	int mem = open_of(pid, "mem", O_RDONLY);
	FILE *maps = fdopen(open_of(pid, "smaps", O_RDONLY), "r");
	unsigned long from = 0, to = 0;
	bool is_readable = false;
	char line[512];

	assert_non_null(maps);
	for (size_t i = 0; i < w->n; i++)
		w->needles[i].n_plain = w->needles[i].n_protected = 0;
	while (fgets(line, sizeof(line), maps)) {
		unsigned long begin, end;
		char mode[5];

		/* "Anonymous:" begins with a hexadecimal digit too */
		/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote the numbers */
		if (sscanf(line, "%lx-%lx %4s", &begin, &end, mode) == 3) {
			from = begin;
			to = end;
			is_readable = mode[0] == 'r';
		}
		if (strncmp(line, "VmFlags:", 8) == 0 && is_readable)
			search_range(w, mem, from, to, strstr(line, " dd") != NULL);
	}
	(void)fclose(maps);
	(void)close(mem);
}

static unsigned report_plain(const struct world *w, const char *when)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->needles[i].n_plain == 0)
			continue;
		n++;
		(void)fprintf(stderr, "%s: %s lies in ordinary memory, at %#lx\n", when,
			      w->needles[i].what, w->needles[i].plain_at);
	}
	return n;
}

/* ---- the child ---- */

static pid_t start(const struct world *w, const char *how, bool has_core)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const rlim_t bytes = has_core ? RLIM_INFINITY : 0;

		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ bytes, RLIM_INFINITY });
		if (chdir(w->dir) == 0)
			(void)execl(X0_WIPE_CHILD, X0_WIPE_CHILD, w->dir, how, NULL);
		_exit(127);
	}
	return pid;
}

static void wait_until_stopped(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (!WIFSTOPPED(status))
		fail_msg("the child ended: status %#x", (unsigned)status);
}

static void end(pid_t pid)
{
	int status = 0;

	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool can_search(void)
{
#ifdef HAS_SANITIZER
	(void)fprintf(stderr,
		      "SKIPPED: wiping was NOT checked: a sanitizer keeps copies of its own\n");
	return false;
#else
	return true;
#endif
}

static void check_held_and_given_back(bool is_encrypted)
{
	struct world *w = world_new(is_encrypted);
	pid_t pid = start(w, "clean", false);
	unsigned n_bad;

	wait_until_stopped(pid);
	search_process(w, pid);
	n_bad = report_plain(w, "held");
	for (size_t i = 0; i < w->n; i++) {
		const struct needle *n = &w->needles[i];

		if (n->is_held && n->n_protected == 0) {
			(void)fprintf(stderr, "held: %s was not found at all\n",
				      w->needles[i].what);
			n_bad++;
		}
	}
	assert_int_equal(kill(pid, SIGCONT), 0);
	wait_until_stopped(pid);
	search_process(w, pid);
	n_bad += report_plain(w, "given back");
	for (size_t i = 0; i < w->n; i++) {
		if (w->needles[i].n_protected > 0) {
			(void)fprintf(stderr, "given back: %s is still there\n",
				      w->needles[i].what);
			n_bad++;
		}
	}
	end(pid);
	world_free(w);
	assert_int_equal(n_bad, 0);
}

static void secrets_lie_in_protected_memory_and_then_nowhere(void **state)
{
	(void)state;
	if (!can_search())
		skip();
	check_held_and_given_back(false);
}

static void keys_with_a_passphrase_too(void **state)
{
	(void)state;
	if (!can_search())
		skip();
	check_held_and_given_back(true);
}

static struct needle *find(struct world *w, const char *what)
{
	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->needles[i].what, what) == 0)
			return &w->needles[i];
	return NULL;
}

static void a_secret_left_behind_is_found(void **state)
{
	struct world *w;
	pid_t pid;

	(void)state;
	if (!can_search())
		skip();
	w = world_new(false);
	pid = start(w, "leak", false);
	wait_until_stopped(pid);
	search_process(w, pid);
	assert_true(find(w, "the network key")->n_plain > 0);
	assert_int_equal(kill(pid, SIGCONT), 0);
	wait_until_stopped(pid);
	search_process(w, pid);
	assert_true(find(w, "the network key")->n_plain > 0);
	end(pid);
	world_free(w);
}

/* ---- a real core file ---- */

/* Where the kernel writes them as files into the working directory. */
static bool has_core_files(void)
{
	char pattern[128] = "";
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");

	if (f && fgets(pattern, sizeof(pattern), f))
		pattern[strcspn(pattern, "\n")] = '\0';
	if (f)
		(void)fclose(f);
	return pattern[0] != '\0' && pattern[0] != '|' && !strchr(pattern, '/');
}

/* The file's name may have the process's number in it. */
static int open_core(const struct world *w)
{
	char command[160];
	char path[160] = "";
	FILE *p;

	(void)snprintf(command, sizeof(command), "ls %s/core* 2>/dev/null", w->dir);
	/* NOLINTNEXTLINE(cert-env33-c): a directory that this test made */
	p = popen(command, "r");
	assert_non_null(p);
	if (fgets(path, sizeof(path), p))
		path[strcspn(path, "\n")] = '\0';
	(void)pclose(p);
	return path[0] ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

static void search_core(struct world *w, const char *how)
{
	pid_t pid = start(w, how, true);
	struct stat st;
	int status = 0;
	int fd;

	wait_until_stopped(pid);
	assert_int_equal(kill(pid, SIGABRT), 0);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (size_t i = 0; i < w->n; i++)
		w->needles[i].n_plain = w->needles[i].n_protected = 0;
	fd = open_core(w);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size > 100000);
	search_range(w, fd, 0, (unsigned long)st.st_size, false);
	(void)close(fd);
}

static void a_core_file_of_a_process_at_work_has_no_secret(void **state)
{
	struct world *w;

	(void)state;
	if (!can_search())
		skip();
	if (!has_core_files()) {
		(void)fprintf(stderr,
			      "SKIPPED: no real core file was searched: core_pattern names a "
			      "program or another directory\n");
		skip();
	}
	w = world_new(true);
	search_core(w, "clean");
	assert_int_equal(report_plain(w, "core file"), 0);
	world_free(w);
	w = world_new(true);
	search_core(w, "leak");
	assert_true(find(w, "the network key")->n_plain > 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_left_behind_is_found),
		cmocka_unit_test(secrets_lie_in_protected_memory_and_then_nowhere),
		cmocka_unit_test(keys_with_a_passphrase_too),
		cmocka_unit_test(a_core_file_of_a_process_at_work_has_no_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
