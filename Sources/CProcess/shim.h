/* SPDX-License-Identifier: MIT */
/* What the importer cannot see of looking into another process. */
#ifndef TAILRACE_CPROCESS_SHIM_H
#define TAILRACE_CPROCESS_SHIM_H

#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

extern long syscall(long, ...);

/* Whoever started this process ends: so does it. */
static inline void cprocess_end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/* A descriptor of the process; -1: this user may not. */
static inline int cprocess_open(int pid)
{
	return (int)syscall(__NR_pidfd_open, pid, 0U);
}

/*
 * TCP's state of a socket that another process holds, by number; -1: it is no TCP socket, or was never connected. To be asked
 * of sockets that no table of the kernel lists: as long as it is looked at, it stays open here too.
 */
static inline int cprocess_tcp_state(int process, int descriptor)
{
	int copy = (int)syscall(__NR_pidfd_getfd, process, descriptor, 0U);
	int protocol = 0, state = -1;
	socklen_t length = sizeof(protocol);
	struct tcp_info info = { 0 };

	if (copy < 0)
		return -1;
	if (getsockopt(copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && protocol == IPPROTO_TCP) {
		length = sizeof(info);
		/* One that was connected has received the peer's acknowledgements, or been told its limits. */
		if (getsockopt(copy, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_last_ack_recv > 0 && info.tcpi_rtt > 0)
			state = info.tcpi_state;
	}
	close(copy);
	return state;
}

/*
 * This thread keeps of its capabilities those in `kept`, one bit each, and can never get another one back, nor can what it
 * executes. 0, or -errno.
 */
static inline int cprocess_keep_capabilities(unsigned long long kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	for (int capability = 0; capability < 64; capability++)
		if (!(kept >> capability & 1))
			prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);	/* refused where there is none, or no right to: then it is not needed */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(__NR_capget, &header, sets))
		return -errno;
	for (int half = 0; half < 2; half++) {
		sets[half].permitted &= (unsigned int)(kept >> 32 * half);
		sets[half].effective = sets[half].permitted;
		sets[half].inheritable = 0;
	}
	return syscall(__NR_capset, &header, sets) ? -errno : 0;
}

#endif
