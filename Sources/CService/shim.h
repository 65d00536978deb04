/* SPDX-License-Identifier: MIT */
/* What the importer cannot see of a service's own rights, and of who is at the other end of a socket. */
#ifndef TAILRACE_CSERVICE_SHIM_H
#define TAILRACE_CSERVICE_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

/* Behind _GNU_SOURCE in glibc. */
#define CSERVICE_O_PATH 010000000
#define CSERVICE_AT_EMPTY_PATH 0x1000

extern long syscall(long, ...);

/* struct ucred, which glibc declares with _GNU_SOURCE only. */
struct cservice_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* Who connected, as it was at its connect(); 0, or -1 with errno. */
static inline int cservice_peer(int socket, struct cservice_peer *peer)
{
	socklen_t length = sizeof(*peer);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, peer, &length);
}

/* Its supplementary groups, as they were at its connect(): how many, or -1 with errno (ERANGE: `most` are too few). */
static inline int cservice_peer_groups(int socket, gid_t *groups, int most)
{
	socklen_t length = (socklen_t)most * sizeof(*groups);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0)
		return -1;
	return (int)(length / sizeof(*groups));
}

/* A unix socket of streams that no other program inherits. */
static inline int cservice_stream(int flags)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
}

/* Binds to (or connects to) a path; 0, or -1 with errno. */
static inline int cservice_local(int socket, const char *path, int is_server)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(name.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(name.sun_path, path);
	return is_server ? bind(socket, (struct sockaddr *)&name, sizeof(name)) :
			   connect(socket, (struct sockaddr *)&name, sizeof(name));
}

/* Holds a file, whatever it is, without opening it; -1 with errno. Links are not followed. */
static inline int cservice_hold(const char *path)
{
	return open(path, CSERVICE_O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Gives a file that is held to a group; 0, or -1 with errno. */
static inline int cservice_give(int file, gid_t group)
{
	return fchownat(file, "", (uid_t)-1, group, CSERVICE_AT_EMPTY_PATH);
}

/*
 * Tells a datagram socket, whose name may begin with @ (abstract: in no file system), how the service is; 0, or -1 with errno.
 * Never waits.
 */
static inline int cservice_tell(const char *name, const void *bytes, size_t count)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t length = strlen(name);
	ssize_t sent;
	int socket_;

	if (length == 0 || length >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, name, length);
	if (name[0] == '@')
		to.sun_path[0] = 0;
	socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (socket_ < 0)
		return -1;
	/* An abstract name is as long as is said here: without a terminator. */
	sent = sendto(socket_, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&to,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '@' ? 0 : 1)));
	close(socket_);
	return sent == (ssize_t)count ? 0 : -1;
}

/* The calling thread's, as bits by number: effective and permitted are `kept`, inheritable is none. 0, or -1 with errno. */
static inline int cservice_keep(unsigned long long kept)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = {
		{ .effective = (__u32)kept, .permitted = (__u32)kept },
		{ .effective = (__u32)(kept >> 32), .permitted = (__u32)(kept >> 32) },
	};

	return (int)syscall(__NR_capset, &head, sets);
}

/* No program that is started from here has it again; 0, or -1 with errno (EPERM: CAP_SETPCAP is missing). */
static inline int cservice_unbind(int capability)
{
	return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static inline int cservice_clear_ambient(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/* Nothing that is started from here gets more rights than this thread has; 0, or -1 with errno. */
static inline int cservice_no_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* This process's memory goes into no core, also of a handler of cores, and only root attaches to it; 0, or -1 with errno. */
static inline int cservice_undumpable(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -1;
}

#endif
