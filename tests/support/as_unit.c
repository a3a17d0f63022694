/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a command with what a unit of systemd leaves it: as_unit UNIT COMMAND...
 *
 * Of the unit are taken CapabilityBoundingSet=, SystemCallFilter= and NoNewPrivileges=, so that a
 * daemon that does its work under this program does it as a service too. Nothing else of systemd's
 * confinement is done here. */
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"

#define WORDS_MAX 64
#define LINE_SIZE 1024

/* What systemd 252 knows and @system-service does not hold (systemd-analyze syscall-filter), but
 * ptrace, which a build that looks for leaks takes at its end. */
static const char *const outside[] = {
	"_sysctl",
	"acct",
	"adjtimex",
	"bpf",
	"chroot",
	"clock_adjtime",
	"clock_settime",
	"delete_module",
	"fanotify_init",
	"fanotify_mark",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"init_module",
	"ioperm",
	"iopl",
	"kexec_file_load",
	"kexec_load",
	"landlock_add_rule",
	"landlock_create_ruleset",
	"landlock_restrict_self",
	"lookup_dcookie",
	"memfd_secret",
	"mincore",
	"modify_ldt",
	"mount",
	"mount_setattr",
	"move_mount",
	"open_by_handle_at",
	"open_tree",
	"perf_event_open",
	"pidfd_getfd",
	"pivot_root",
	"pkey_alloc",
	"pkey_free",
	"pkey_mprotect",
	"process_mrelease",
	"quotactl",
	"quotactl_fd",
	"reboot",
	"seccomp",
	"setdomainname",
	"sethostname",
	"settimeofday",
	"swapoff",
	"swapon",
	"sysfs",
	"syslog",
	"umount2",
	"ustat",
	"vhangup",
};

struct words {
	char line[LINE_SIZE];
	char *words[WORDS_MAX];
	unsigned n;
};

static __attribute__((noreturn)) void die(const char *what)
{
	(void)fprintf(stderr, "as_unit: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* The words behind KEY= in the unit, where it stands once. */
static void setting(const char *path, const char *key, struct words *ret)
{
	FILE *f = fopen(path, "re");
	char line[LINE_SIZE];
	size_t len = strlen(key);
	char *rest = NULL;

	if (!f)
		die(path);
	ret->n = 0;
	ret->line[0] = '\0';
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, key, len) == 0 && line[len] == '=')
			(void)snprintf(ret->line, sizeof(ret->line), "%s", line + len + 1);
	(void)fclose(f);
	for (char *w = strtok_r(ret->line, " \n", &rest); w && ret->n < WORDS_MAX;
	     w = strtok_r(NULL, " \n", &rest))
		ret->words[ret->n++] = w;
	if (ret->n == 0) {
		errno = ENOENT;
		die(key);
	}
}

static bool has(const struct words *w, const char *word)
{
	for (unsigned i = 0; i < w->n; i++)
		if (strcmp(w->words[i], word) == 0)
			return true;
	return false;
}

static void filter_system_calls(const char *unit)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct words allowed;

	setting(unit, "SystemCallFilter", &allowed);
	if (!filter || !has(&allowed, "@system-service"))
		die("SystemCallFilter");
	for (size_t i = 0; i < N_ELEMENTS(outside); i++) {
		int number = seccomp_syscall_resolve_name(outside[i]);

		if (number >= 0 && !has(&allowed, outside[i]) &&
		    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0) < 0)
			die(outside[i]);
	}
	if (seccomp_load(filter) < 0) /* sets no_new_privs, as the unit does */
		die("seccomp");
	seccomp_release(filter);
}

static void bound_capabilities(const char *unit)
{
	struct words kept;
	bool is_kept[CAP_LAST_CAP + 1] = { false };

	setting(unit, "CapabilityBoundingSet", &kept);
	for (unsigned i = 0; i < kept.n; i++) {
		cap_value_t value;

		if (cap_from_name(kept.words[i], &value) < 0 || value > CAP_LAST_CAP)
			die(kept.words[i]);
		is_kept[value] = true;
	}
	for (int c = 0; c <= CAP_LAST_CAP; c++)
		if (!is_kept[c] && prctl(PR_CAPBSET_READ, c, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			die("the bounding set");
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		(void)fprintf(stderr, "as_unit UNIT COMMAND...\n");
		return 2;
	}
	filter_system_calls(argv[1]);
	bound_capabilities(argv[1]);
	(void)execvp(argv[2], argv + 2);
	die(argv[2]);
}
