/* SPDX-License-Identifier: Apache-2.0 */
/* The child gives everything up: user, capabilities, new privileges; filter.c then the calls. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shell/keeper/filter.h"

const char *keeper_protection_name(enum keeper_protection p)
{
	static const char *const names[KEEPER_N_PROTECTIONS] = {
		[KEEPER_USER] = "user",
		[KEEPER_CAPABILITIES] = "capabilities",
		[KEEPER_NO_NEW_PRIVS] = "no_new_privs",
		[KEEPER_SECCOMP] = "seccomp",
	};

	return p < KEEPER_N_PROTECTIONS ? names[p] : NULL;
}

#define SAY(ret, which, ...) \
	(void)snprintf((ret)->of[which].text, sizeof((ret)->of[which].text), __VA_ARGS__)

/* Takes effect for what is executed from here on, and for nobody else. Needs CAP_SETPCAP. */
static bool empty_bounding_set(void)
{
	bool is_empty = true;

	for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++) {
		if (cap_get_bound(c) > 0 && cap_drop_bound(c) < 0)
			is_empty = false;
	}
	return is_empty;
}

/* -EPERM where root could be had back, which must not be. */
static int become(const struct keeper_user *user, struct keeper_protections *ret)
{
	const char *groups = "";

	if (!user->is_other) {
		ret->of[KEEPER_USER].is_on = user->uid != 0;
		SAY(ret, KEEPER_USER, "runs as %.32s (uid %u)%s%.100s", user->name,
		    (unsigned)user->uid, user->why[0] ? ": " : "", user->why);
		return 0;
	}
	if (setgroups(0, NULL) < 0)
		groups = ", keeps root's groups (setgroups is refused)";
	if (setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0) {
		SAY(ret, KEEPER_USER, "runs as root: becoming %.60s is refused: %s", user->name,
		    strerror(errno));
		return 0;
	}
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || getuid() != user->uid ||
	    geteuid() != user->uid) {
		SAY(ret, KEEPER_USER, "root can be had back");
		return -EPERM;
	}
	ret->of[KEEPER_USER].is_on = true;
	SAY(ret, KEEPER_USER, "runs as %.32s (uid %u)%s%s%.80s", user->name, (unsigned)user->uid,
	    groups, user->why[0] ? ", because " : "", user->why);
	return 0;
}

static void clear_capabilities(bool is_bounded, struct keeper_protections *ret)
{
	cap_t none = cap_init();
	cap_t now;
	int compare = -1;

	(void)cap_reset_ambient(); /* fails where the kernel has none */
	if (none && cap_set_proc(none) == 0) {
		now = cap_get_proc();
		compare = now ? cap_compare(now, none) : -1;
		(void)cap_free(now);
	}
	(void)cap_free(none);
	ret->of[KEEPER_CAPABILITIES].is_on = compare == 0;
	if (compare != 0)
		SAY(ret, KEEPER_CAPABILITIES, "cannot be cleared: %s", strerror(errno));
	else
		SAY(ret, KEEPER_CAPABILITIES, "none%s",
		    is_bounded ? ", bounding set empty"
			       : "; the bounding set could not be emptied (no CAP_SETPCAP)");
}

int keeper_confine(const struct keeper_user *user, struct keeper_protections *ret)
{
	bool is_bounded = empty_bounding_set();
	int r;

	memset(ret, 0, sizeof(*ret));
	r = become(user, ret);
	if (r < 0)
		return r;
	clear_capabilities(is_bounded, ret);
	/* Changing the user cleared it (prctl(2)). */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* No core file with keys in it, and no other program of this user looks inside. Changing
	 * the user sets what fs.suid_dumpable says, which may be 2, and else nothing. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);

	ret->of[KEEPER_NO_NEW_PRIVS].is_on = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	SAY(ret, KEEPER_NO_NEW_PRIVS, "%s",
	    ret->of[KEEPER_NO_NEW_PRIVS].is_on ? "set" : strerror(errno));
	ret->of[KEEPER_SECCOMP].is_on = filter_install(ret->of[KEEPER_SECCOMP].text) == 0;
	return 0;
}
