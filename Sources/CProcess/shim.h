/* SPDX-License-Identifier: MIT */
/* What the importer cannot see of looking into another process. */
#ifndef TAILRACE_CPROCESS_SHIM_H
#define TAILRACE_CPROCESS_SHIM_H

#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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

/* As pread() of the process's memory. */
static inline ssize_t cprocess_read(int pid, unsigned long long address, void *bytes, size_t count)
{
	struct iovec here = { .iov_base = bytes, .iov_len = count };
	struct iovec there = { .iov_base = (void *)(uintptr_t)address, .iov_len = count };

	return (ssize_t)syscall(__NR_process_vm_readv, pid, &here, 1UL, &there, 1UL, 0UL);
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
 * This thread keeps of its capabilities those in `kept`, one bit each; it can never get another one back, nor can what it
 * executes. 0, or -errno.
 */
static inline int cprocess_keep_capabilities(unsigned long long kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	for (int capability = 0; capability < 64; capability++) {
		if (kept >> capability & 1)
			continue;
		/* Both are refused where there is no such capability, or no right to, and then nothing depends on them. */
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, capability, 0, 0);
	}
	if (syscall(__NR_capget, &header, sets))
		return -errno;
	for (int half = 0; half < 2; half++) {
		sets[half].permitted &= (unsigned int)(kept >> 32 * half);
		sets[half].inheritable &= sets[half].permitted;
		sets[half].effective = sets[half].permitted;
	}
	return syscall(__NR_capset, &header, sets) ? -errno : 0;
}

/* Capabilities that count for this thread now, one bit each. */
static inline unsigned long long cprocess_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2];

	if (syscall(__NR_capget, &header, sets))
		return 0;
	return (unsigned long long)sets[1].effective << 32 | sets[0].effective;
}

/* Two ends of a connection that no program inherits, and that nobody waits at. 0, or -1. */
static inline int cprocess_connection(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

/* As send(); `descriptor`, where it is not negative, goes with the first byte. */
static inline ssize_t cprocess_send(int connection, const void *bytes, size_t count, int descriptor)
{
	struct iovec part = { .iov_base = (void *)bytes, .iov_len = count };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (descriptor >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
	}
	return sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* As recv(); a descriptor that comes along is left in `descriptor`. */
static inline ssize_t cprocess_receive(int connection, void *bytes, size_t count, int *descriptor)
{
	struct iovec part = { .iov_base = bytes, .iov_len = count };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t received = recvmsg(connection, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = received > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(descriptor, CMSG_DATA(header), sizeof(int));
	return received;
}

#endif
