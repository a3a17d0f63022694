/* SPDX-License-Identifier: Apache-2.0 */
/* The rival's process, and the lines spoken with it. */
#include "bench/rival.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

struct rival {
	pid_t pid;
	FILE *to, *from;
	char version[RIVAL_VERSION_SIZE];
};

/* For Node.js, the same lines as rival_main.c. An operation is run in batches, because asking
 * for the time costs as much as some of them. */
static const char node_script[] =
	"const c = require('crypto'), m = Buffer.alloc(64, 7);\n"
	"const pair = (t, o) => c.generateKeyPairSync(t, o);\n"
	"const kem = pair('ml-kem-768'), dsa = pair('ml-dsa-65');\n"
	"const x = pair('x25519'), e = pair('ec', { namedCurve: 'P-256' }), d = pair('ed25519');\n"
	"const ct = c.encapsulate(kem.publicKey).ciphertext;\n"
	"const derive = (k) => c.diffieHellman(k);\n"
	"const signer = (h, k) => () => c.sign(h, m, k.privateKey);\n"
	"const verifier = (h, k) => { const s = c.sign(h, m, k.privateKey);\n"
	"  return () => c.verify(h, m, k.publicKey, s); };\n"
	"const run = {\n"
	"  'ML-KEM-768 keygen': () => pair('ml-kem-768'),\n"
	"  'ML-KEM-768 encaps': () => c.encapsulate(kem.publicKey),\n"
	"  'ML-KEM-768 decaps': () => c.decapsulate(kem.privateKey, ct),\n"
	"  'ML-DSA-65 keygen': () => pair('ml-dsa-65'),\n"
	"  'ML-DSA-65 sign': signer(null, dsa), 'ML-DSA-65 verify': verifier(null, dsa),\n"
	"  'X25519 keygen': () => pair('x25519'), 'X25519 derive': () => derive(x),\n"
	"  'P-256 keygen': () => pair('ec', { namedCurve: 'P-256' }), 'P-256 derive': () => "
	"derive(e),\n"
	"  'P-256 sign': signer('sha256', e), 'P-256 verify': verifier('sha256', e),\n"
	"  'Ed25519 sign': signer(null, d), 'Ed25519 verify': verifier(null, d),\n"
	"};\n"
	"console.log(`Node.js ${process.version}, OpenSSL ${process.versions.openssl}`);\n"
	"require('readline').createInterface({ input: process.stdin }).on('line', (line) => {\n"
	"  const at = line.indexOf(' '), f = run[line.slice(at + 1)];\n"
	"  if (!f) return console.log('absent');\n"
	"  let n = 0, spent = 0; const began = process.cpuUsage();\n"
	"  while (spent < Number(line.slice(0, at))) {\n"
	"    for (let i = 0; i < 16; i++) f();\n"
	"    n += 16; const s = process.cpuUsage(began); spent = (s.user + s.system) * 1000;\n"
	"  }\n"
	"  console.log((spent / n).toFixed(1));\n"
	"});\n";

/* x0-lab-rival lies beside this program. */
static int open_program(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return -1;
	path[n] = '\0';
	slash = strrchr(path, '/');
	(void)snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "x0-lab-rival");
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void run_in_child(enum rival_kind kind, const char *path)
{
	char *const environment[] = { (char[]){ "LC_ALL=C" }, NULL };

	if (kind == RIVAL_NODE) {
		(void)execl(path, path, "-e", node_script, (char *)NULL);
		(void)fprintf(stderr, "x0-lab bench: %s: %s\n", path, strerror(errno));
	} else {
		char *const argv[] = { (char[]){ "x0-lab-rival" }, NULL };
		int program = open_program();

		if (program < 0 || chroot(path) < 0 || chdir("/") < 0)
			(void)fprintf(stderr, "x0-lab bench: cannot enter %s: %s\n", path,
				      strerror(errno));
		else if (fexecve(program, argv, environment) < 0)
			(void)fprintf(stderr, "x0-lab bench: nothing runs in %s: %s\n", path,
				      strerror(errno));
	}
	_exit(EXIT_FAILURE);
}

static bool read_line(struct rival *r, char *ret, size_t size)
{
	if (!fgets(ret, (int)size, r->from))
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

struct rival *rival_start(enum rival_kind kind, const char *path)
{
	struct rival *r = calloc(1, sizeof(*r));
	int to[2], from[2];

	if (!r || pipe2(to, O_CLOEXEC) < 0)
		goto failed;
	if (pipe2(from, O_CLOEXEC) < 0) {
		(void)close(to[0]);
		(void)close(to[1]);
		goto failed;
	}
	r->pid = fork();
	if (r->pid == 0) {
		(void)dup2(to[0], STDIN_FILENO);
		(void)dup2(from[1], STDOUT_FILENO);
		run_in_child(kind, path);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	r->to = fdopen(to[1], "w");
	r->from = fdopen(from[0], "r");
	if (r->pid > 0 && r->to && r->from && read_line(r, r->version, sizeof(r->version)))
		return r;
	rival_end(r);
	return NULL;
failed:
	(void)fprintf(stderr, "x0-lab bench: %s\n", strerror(errno));
	free(r);
	return NULL;
}

const char *rival_version(const struct rival *r)
{
	return r->version;
}

double rival_round_ns(struct rival *r, const char *operation, int64_t min_ns)
{
	char line[64];
	char *end;
	double ns;

	if (fprintf(r->to, "%lld %s\n", (long long)min_ns, operation) < 0 || fflush(r->to) != 0 ||
	    !read_line(r, line, sizeof(line)))
		return -EIO;
	if (strcmp(line, "absent") == 0)
		return -ENOENT;
	ns = strtod(line, &end);
	return end != line && *end == '\0' && ns > 0 ? ns : -EIO;
}

void rival_end(struct rival *r)
{
	if (!r)
		return;
	if (r->to)
		(void)fclose(r->to); /* which ends it */
	if (r->from)
		(void)fclose(r->from);
	if (r->pid > 0)
		(void)waitpid(r->pid, NULL, 0);
	free(r);
}
