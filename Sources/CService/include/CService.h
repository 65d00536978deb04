/* SPDX-License-Identifier: MIT */
/*
 * What the importer cannot see of a service's own rights, and of who is at the other end of a socket. Without headers of the system's:
 * what they declare would be this module's too, for whoever imports both.
 */
#ifndef TAILRACE_CSERVICE_H
#define TAILRACE_CSERVICE_H

#include <stddef.h>
#include <stdint.h>

/* Of all functions here: 0 or more, or -1 with errno. */

struct cservice_peer {
	int32_t pid;
	uint32_t uid;
	uint32_t gid;
};

/* Who connected, as it was at its connect(). */
int cservice_peer(int socket, struct cservice_peer *peer);

/* Its supplementary groups, as they were at its connect(): how many (ERANGE: `most` are too few). */
int cservice_peer_groups(int socket, uint32_t *groups, int most);

/* A socket of streams that no other program inherits. */
int cservice_stream(int family, int waits);

/* Binds a unix socket to a path, or connects it. */
int cservice_bind(int socket, const char *path);
int cservice_connect(int socket, const char *path);

/* Holds a file, whatever it is, without opening it. Links are not followed. */
int cservice_hold(const char *path);

/* Gives a file that is held to a group. */
int cservice_give(int file, uint32_t group);

/* Tells a datagram socket, whose name may begin with @ (abstract: in no file system), how the service is. Never waits. */
int cservice_tell(const char *name, const void *bytes, size_t count);

/* The calling thread's capabilities, as bits by number: effective and permitted are `kept`, inheritable is none. */
int cservice_keep(uint64_t kept);

/* No program that is started from here has the capability again (EPERM: CAP_SETPCAP is missing). */
int cservice_unbind(int capability);

int cservice_clear_ambient(void);

/* Nothing that is started from here gets more rights than this thread has. */
int cservice_no_new_privileges(void);

/* This process's memory goes into no core, also of a handler of cores, and only root attaches to it; 0, or -1 with errno. */
int cservice_undumpable(void);

#endif
