/* SPDX-License-Identifier: MIT */
/* Gives up every right of a process that is about to read what it does not trust: macros and variadics as functions. */
#ifndef TAILRACE_CCONFINEMENT_SHIM_H
#define TAILRACE_CCONFINEMENT_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc declares it with _GNU_SOURCE only. */
extern int setresuid(uid_t, uid_t, uid_t);
extern int setresgid(gid_t, gid_t, gid_t);
extern int setgroups(size_t, const gid_t *);
extern int pipe2(int[2], int);
extern long syscall(long, ...);

/* Of the Swift runtime that this program runs on: the readable form of a name, to be freed; NULL: it is none of Swift's. */
extern char *swift_demangle(const char *name, size_t length, char *buffer, size_t *size, unsigned int flags);

#define CCONFINEMENT_NOBODY 65534

/* A pipe that no other program inherits. */
static inline int cconfinement_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC);
}

/* Closes everything but the standard descriptors. */
static inline void cconfinement_close_others(void)
{
	syscall(__NR_close_range, 3U, ~0U, 0U);
}

/* What the Swift runtime and the C library need to read from open descriptors, compute and write; all else is refused. */
static inline int cconfinement_filter_calls(void)
{
#define CALL(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
#ifdef __x86_64__
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
#else
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_AARCH64, 1, 0),
#endif
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		CALL(read), CALL(pread64), CALL(write), CALL(mmap), CALL(munmap), CALL(mremap), CALL(mprotect), CALL(madvise),
		CALL(brk), CALL(futex), CALL(exit), CALL(exit_group), CALL(clock_gettime), CALL(getrandom), CALL(rt_sigreturn),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
#undef CALL
	struct sock_fprog filter = { .len = sizeof(program) / sizeof(program[0]), .filter = program };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

static inline int cconfinement_limit(int what, unsigned long long value)
{
	struct rlimit limit = { .rlim_cur = value, .rlim_max = value };

	return setrlimit(what, &limit);
}

/* A change of the user takes them from root; another user may have been given some. */
static inline int cconfinement_drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) || syscall(__NR_capset, &header, none) ? -1 : 0;
}

/* Whether this process may become another user. Root of a container often may not. */
static inline int cconfinement_may_change_user(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct has[2] = { { 0 } };
	unsigned int needed = 1U << CAP_SETUID | 1U << CAP_SETGID;

	return syscall(__NR_capget, &header, has) == 0 && (has[0].effective & needed) == needed;
}

/*
 * From its return on: nobody, or root by name only where the user may not be changed (which opens no file: no call does); without capabilities, files, processes or network, and with limits of memory and processor
 * time. 0, or the step that failed.
 */
static inline int cconfinement_enter(unsigned long long memory_bytes, unsigned long long processor_seconds)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return 1;
	if (cconfinement_limit(RLIMIT_AS, memory_bytes) != 0 || cconfinement_limit(RLIMIT_CPU, processor_seconds) != 0 ||
	    cconfinement_limit(RLIMIT_CORE, 0) != 0 || cconfinement_limit(RLIMIT_FSIZE, 0) != 0)
		return 2;
	if (geteuid() == 0 && cconfinement_may_change_user()) {
		if (setgroups(0, NULL) != 0 ||
		    setresgid(CCONFINEMENT_NOBODY, CCONFINEMENT_NOBODY, CCONFINEMENT_NOBODY) != 0 ||
		    setresuid(CCONFINEMENT_NOBODY, CCONFINEMENT_NOBODY, CCONFINEMENT_NOBODY) != 0)
			return 3;
		if (setuid(0) == 0)
			return 4;
	}
	if (cconfinement_drop_capabilities() != 0)
		return 4;
	/* A change of the user forgets the parent's death signal. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return 5;
	return cconfinement_filter_calls() == 0 ? 0 : 6;
}

#endif
