/* SPDX-License-Identifier: MIT */
/* What is around the server: its ledger, its listener, its clock. */
#ifndef LEDGER_SERVER_H
#define LEDGER_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS 20000

/* A response, as the server made it. */
struct entry {
	struct sockaddr_in remote;
	int number;		/* on its connection, from 0 */
	char method[16];
	char target[64];
	int status;
	int sends;
	int is_complete;
	uint64_t request_bytes;
	uint64_t response_bytes;
	uint64_t begin_ns;	/* CLOCK_REALTIME: its request was read */
	uint64_t end_ns;	/* its last send call returned */
};

struct connection {
	int is_open;
	struct sockaddr_in remote;
	int number;		/* of the request in hand, or to come */
	uint64_t active_ns;
	char request[4096];
	size_t have;
	size_t body_left;	/* of the request */
	long entry;		/* in the ledger; -1: no response is in the making */
	int piece, pieces;	/* send calls; the first carries the head */
	uint64_t interval_ns, due_ns;
	char text[512];		/* head or event */
	size_t text_length, body_length, sent;	/* of the piece in hand */
	int waits;		/* for room: EPOLLOUT is asked for */
};

static void take_request(int fd);

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline void write_ledger(const char *path, const struct entry *ledger, long entries)
{
	FILE *file = fopen(path, "w");

	for (long i = 0; i < entries; i++) {
		const struct entry *e = &ledger[i];

		fprintf(file, "{\"remote\": [\"%s\", %d], \"number\": %d, \"method\": \"%s\", \"target\": \"%s\", \"status\": %d, "
			"\"request_bytes\": %lu, \"response_bytes\": %lu, \"sends\": %d, \"complete\": %s, \"begin_ns\": %lu, "
			"\"end_ns\": %lu}\n", inet_ntoa(e->remote.sin_addr), ntohs(e->remote.sin_port), e->number, e->method,
			e->target, e->status, e->request_bytes, e->response_bytes, e->sends, e->is_complete ? "true" : "false",
			e->begin_ns, e->end_ns);
	}
	fclose(file);
}

/* A port that is free; tells it on stdout. */
static inline int listen_on(const char *host, int backlog)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(host) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(address);

	if (bind(fd, (struct sockaddr *)&address, length) || listen(fd, backlog)) {
		perror("ledger_server: listen");
		exit(1);
	}
	getsockname(fd, (struct sockaddr *)&address, &length);
	printf("{\"port\": %d}\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static inline void set_options(int fd, int patience_ms)
{
	int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	/* So that a peer that vanished is not given up only after many minutes; 0: the system's patience. */
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof(patience_ms));
}

static inline int start_timer(int milliseconds)
{
	struct itimerspec every = { .it_interval.tv_nsec = milliseconds * 1000000, .it_value.tv_nsec = milliseconds * 1000000 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

static inline int catch_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

#endif
