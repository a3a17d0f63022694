/* SPDX-License-Identifier: Apache-2.0 */
/* The system call filter (seccomp(2)), from a table, through libseccomp.
 *
 * What is on the list is allowed, some of it only with certain arguments. What a mesh daemon
 * never has a reason for ends the process at once: it is the mark of code that is not ours. The
 * rest fails with EPERM, so that a library that tries something new falls back and lives. */
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>

#include "base/cleanup.h"
#include "shell/keeper/filter.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

/* One name a line would be 200 lines. */
/* clang-format off */
/* By name: each architecture has its own numbers, and lacks some of the calls. */
static const char *const allowed[] = {
	/* descriptors */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev",
	"preadv2", "pwritev2", "lseek", "_llseek", "close", "close_range", "dup", "dup2", "dup3",
	"fcntl", "fcntl64", "pipe", "pipe2", "poll", "ppoll", "select", "_newselect", "pselect6",
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "eventfd", "eventfd2", "timerfd_create", "timerfd_settime",
	"timerfd_gettime", "signalfd", "signalfd4", "inotify_init1", "inotify_add_watch",
	"inotify_rm_watch",
	/* files of its own user */
	"open", "openat", "creat", "stat", "stat64", "fstat", "fstat64", "lstat", "lstat64",
	"newfstatat", "fstatat64", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64",
	"access", "faccessat", "faccessat2", "readlink", "readlinkat", "rename", "renameat",
	"renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "link", "linkat",
	"truncate", "truncate64", "ftruncate", "ftruncate64", "fallocate", "fsync", "fdatasync",
	"sync_file_range", "syncfs", "flock", "getdents", "getdents64", "chmod", "fchmod", "fchmodat",
	"umask", "getcwd", "chdir", "utimensat", "fadvise64", "copy_file_range", "sendfile",
	/* sockets, but for socket() and setsockopt() */
	"socketpair", "bind", "connect", "listen", "accept", "accept4", "getsockname",
	"getpeername", "getsockopt", "sendto", "recvfrom", "sendmsg", "recvmsg",
	"sendmmsg", "recvmmsg", "shutdown",
	/* memory, but for mmap() and mprotect() */
	"munmap", "mremap", "madvise", "brk", "mlock", "mlock2", "munlock", "mincore",
	"membarrier", "msync",
	/* threads and itself, but for clone() and prctl() */
	"futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address",
	"gettid", "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups",
	"getresuid", "getresgid", "getuid32", "geteuid32", "getgid32", "getegid32", "capget",
	"sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam",
	"sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getpriority",
	"arch_prctl", "exit", "exit_group", "tgkill", "restart_syscall",
	/* signals and time */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigsuspend",
	"rt_sigtimedwait", "sigaltstack", "sigreturn", "pause", "clock_gettime",
	"clock_gettime64", "clock_getres", "clock_nanosleep", "clock_nanosleep_time64",
	"nanosleep", "gettimeofday", "time", "times", "alarm", "setitimer", "getitimer",
	/* reading the state of the clock: to set it takes CAP_SYS_TIME, which is gone */
	"adjtimex", "clock_adjtime", "clock_adjtime64",
	/* what it may know */
	"uname", "sysinfo", "getrusage", "getrandom", "getcpu", "getrlimit", "ugetrlimit",
	"prlimit64",
};

static const char *const deadly[] = {
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "mount",
	"umount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
	"mount_setattr", "pivot_root", "chroot", "unshare", "setns", "bpf", "perf_event_open",
	"userfaultfd", "init_module", "finit_module", "delete_module", "kexec_load",
	"kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl", "iopl", "ioperm",
	"add_key", "request_key", "keyctl", "clock_settime", "settimeofday", "sethostname",
	"setdomainname",
};

/* clang-format on */

/* Allowed when an argument is one of these values. */
static const struct {
	const char *name;
	unsigned argument;
	uint64_t value;
} by_value[] = {
	{ "socket", 0, AF_UNIX },
	{ "socket", 0, AF_INET },
	{ "socket", 0, AF_INET6 },
	{ "socket", 0, AF_NETLINK }, /* getifaddrs(), getaddrinfo() */
	/* not SOL_PACKET: what packet sockets can beside being read and written is large */
	{ "setsockopt", 1, SOL_SOCKET },
	{ "setsockopt", 1, IPPROTO_IP },
	{ "setsockopt", 1, IPPROTO_IPV6 },
	{ "setsockopt", 1, IPPROTO_TCP },
	{ "setsockopt", 1, IPPROTO_UDP },
	{ "setsockopt", 1, SOL_NETLINK },
	{ "ioctl", 1, FIONBIO },
	{ "ioctl", 1, FIONREAD },
	{ "ioctl", 1, FIOCLEX },
	{ "ioctl", 1, FIONCLEX },
	{ "ioctl", 1, TCGETS },
	{ "ioctl", 1, TIOCGWINSZ },
	{ "ioctl", 1, SIOCGIFNAME },
	{ "ioctl", 1, SIOCGIFINDEX },
	{ "prctl", 0, PR_SET_NAME },
	{ "prctl", 0, PR_GET_NAME },
	{ "prctl", 0, PR_SET_PDEATHSIG },
	{ "prctl", 0, PR_SET_TIMERSLACK },
	{ "prctl", 0, PR_CAPBSET_READ },
	{ "prctl", 0, PR_GET_DUMPABLE },
	{ "prctl", 0, PR_GET_NO_NEW_PRIVS },
	{ "prctl", 0, PR_GET_SECCOMP },
	{ "prctl", 0, 0x53564d41 /* PR_SET_VMA: the C library names its memory */ },
};

/* Allowed when these bits of an argument are as given. */
static const struct {
	const char *name;
	unsigned argument;
	uint64_t mask, value;
} by_mask[] = {
	{ "clone", 0, CLONE_THREAD, CLONE_THREAD }, /* threads, no processes */
	{ "mmap", 2, PROT_WRITE, 0 },		    /* never writable and executable at once */
	{ "mmap", 2, PROT_EXEC, 0 },
	{ "mmap2", 2, PROT_WRITE, 0 },
	{ "mmap2", 2, PROT_EXEC, 0 },
	{ "mprotect", 2, PROT_EXEC, 0 }, /* nor later */
};

/* What this architecture does not have is left out: it fails with EPERM anyway. */
static int add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned n_args,
	       struct scmp_arg_cmp arg)
{
	int number = seccomp_syscall_resolve_name(name);
	int r;

	if (number == __NR_SCMP_ERROR)
		return 0;
	r = seccomp_rule_add_array(filter, action, number, n_args, &arg);
	return r == -EDOM || r == -EOPNOTSUPP ? 0 : r;
}

static int fill(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp none = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < N_ELEMENTS(allowed); i++)
		r = add(filter, SCMP_ACT_ALLOW, allowed[i], 0, none);
	for (size_t i = 0; r == 0 && i < N_ELEMENTS(deadly); i++)
		r = add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0, none);
	for (size_t i = 0; r == 0 && i < N_ELEMENTS(by_value); i++)
		r = add(filter, SCMP_ACT_ALLOW, by_value[i].name, 1,
			(struct scmp_arg_cmp){ .arg = by_value[i].argument,
					       .op = SCMP_CMP_EQ,
					       .datum_a = by_value[i].value });
	for (size_t i = 0; r == 0 && i < N_ELEMENTS(by_mask); i++)
		r = add(filter, SCMP_ACT_ALLOW, by_mask[i].name, 1,
			(struct scmp_arg_cmp){ .arg = by_mask[i].argument,
					       .op = SCMP_CMP_MASKED_EQ,
					       .datum_a = by_mask[i].mask,
					       .datum_b = by_mask[i].value });
	/* Its flags lie in memory, where no filter can see them; told that it does not exist, the
	 * C library uses clone(). */
	return r < 0 ? r : add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, none);
}

int filter_install(char ret_text[KEEPER_WHY_SIZE])
{
	scmp_filter_ctx filter;
	int r;

	if (HAS_SANITIZER) {
		(void)snprintf(ret_text, KEEPER_WHY_SIZE,
			       "off: this build has a sanitizer, which needs other system calls");
		return -ENOSYS;
	}
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	r = filter ? fill(filter) : -ENOMEM;
	/* keeper_confine() set it; a failure there is told there */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	/* a binary tree instead of a list; older versions of the library have only the list */
	if (r == 0)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		(void)snprintf(ret_text, KEEPER_WHY_SIZE, "off: the kernel refuses: %s",
			       strerror(-r));
	else
		(void)snprintf(ret_text, KEEPER_WHY_SIZE,
			       "%zu system calls allowed, %zu end the process", N_ELEMENTS(allowed),
			       N_ELEMENTS(deadly));
	return r;
}
