/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "CService.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

int cservice_peer(int socket, struct cservice_peer *peer)
{
	struct ucred found = { 0 };
	socklen_t length = sizeof(found);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &found, &length) != 0)
		return -1;
	*peer = (struct cservice_peer){ .pid = found.pid, .uid = found.uid, .gid = found.gid };
	return 0;
}

int cservice_peer_groups(int socket, uint32_t *groups, int most)
{
	socklen_t length = (socklen_t)most * sizeof(*groups);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0)
		return -1;
	return (int)(length / sizeof(*groups));
}

int cservice_stream(int family, int waits)
{
	return socket(family, SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);
}

/*
 * The length of a unix socket's name: 0, where it is too long. An abstract name (@) is as long as it is said to be: without a
 * terminator.
 */
static socklen_t name_of(const char *text, struct sockaddr_un *name)
{
	size_t length = strlen(text);
	int is_abstract = text[0] == '@';

	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	if (length == 0 || length >= sizeof(name->sun_path)) {
		errno = ENAMETOOLONG;
		return 0;
	}
	memcpy(name->sun_path, text, length);
	if (is_abstract)
		name->sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (is_abstract ? 0 : 1));
}

int cservice_bind(int socket, const char *path)
{
	struct sockaddr_un name;
	socklen_t length = name_of(path, &name);

	return length ? bind(socket, (struct sockaddr *)&name, length) : -1;
}

int cservice_connect(int socket, const char *path)
{
	struct sockaddr_un name;
	socklen_t length = name_of(path, &name);

	return length ? connect(socket, (struct sockaddr *)&name, length) : -1;
}

int cservice_hold(const char *path)
{
	return open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

int cservice_give(int file, uint32_t group)
{
	return fchownat(file, "", (uid_t)-1, group, AT_EMPTY_PATH);
}

int cservice_tell(const char *name, const void *bytes, size_t count)
{
	struct sockaddr_un to;
	socklen_t length = name_of(name, &to);
	int from = length ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
	ssize_t sent;

	if (from < 0)
		return -1;
	sent = sendto(from, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&to, length);
	close(from);
	return sent == (ssize_t)count ? 0 : -1;
}

int cservice_keep(uint64_t kept)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = {
		{ .effective = (__u32)kept, .permitted = (__u32)kept },
		{ .effective = (__u32)(kept >> 32), .permitted = (__u32)(kept >> 32) },
	};

	return (int)syscall(__NR_capset, &head, sets);
}

int cservice_unbind(int capability)
{
	return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

int cservice_clear_ambient(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int cservice_no_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int cservice_undumpable(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -1;
}
