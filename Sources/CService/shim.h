/* SPDX-License-Identifier: MIT */
/* What the importer cannot see of a service's own rights, and of who is at the other end of a socket. */
#ifndef TAILRACE_CSERVICE_SHIM_H
#define TAILRACE_CSERVICE_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

/* Behind _GNU_SOURCE in glibc. */
#define CSERVICE_O_PATH 010000000
#define CSERVICE_AT_EMPTY_PATH 0x1000

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

#endif
