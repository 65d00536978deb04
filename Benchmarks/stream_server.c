/* SPDX-License-Identifier: MIT */
/*
 * A streaming server for measurements: every request is answered with CHUNKS server-sent events, each a send call of its
 * own. INTERVAL_US 0: as fast as the socket takes them; else one event per interval on every connection.
 * One thread, epoll; what it sent is counted in the file COUNTERS, so that counting costs no request.
 *
 *     stream_server PORT COUNTERS CHUNKS INTERVAL_US
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 4096

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char event[] = "2e\r\ndata: {\"token\":\"a word or so\",\"index\":12345}\n\n\r\n";
static const char last_event[] = "2e\r\ndata: {\"token\":\"a word or so\",\"index\":12345}\n\n\r\n0\r\n\r\n";

struct counters {
	volatile uint64_t responses;
	volatile uint64_t chunks;
};

struct stream {
	int left;	/* events still to be sent; 0: waiting for a request */
	uint64_t due_ns;
};

static struct stream streams[CONNECTIONS];
static struct counters *counters;
static int chunks, epoll, highest;
static uint64_t interval_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void watch(int fd, int operation, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	epoll_ctl(epoll, operation, fd, &e);
}

static void end(int fd)
{
	streams[fd].left = 0;
	close(fd);
}

/* Sends one event; 0: no room. A piece of an event would need a buffer of its own: such a peer is let go. */
static int send_event(int fd)
{
	int is_last = streams[fd].left == 1;
	ssize_t length = is_last ? sizeof(last_event) - 1 : sizeof(event) - 1;
	ssize_t sent = send(fd, is_last ? last_event : event, length, MSG_NOSIGNAL);

	if (sent < 0 && errno == EAGAIN)
		return 0;
	if (sent != length) {
		end(fd);
		return 0;
	}
	counters->chunks++;
	if (--streams[fd].left == 0)
		counters->responses++;
	return 1;
}

static void send_all(int fd)
{
	while (streams[fd].left)
		if (!send_event(fd))
			break;
	watch(fd, EPOLL_CTL_MOD, streams[fd].left ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void send_due(void)
{
	uint64_t now = now_ns();

	for (int fd = 0; fd <= highest; fd++) {
		if (!streams[fd].left || streams[fd].due_ns > now)
			continue;
		streams[fd].due_ns += interval_ns;
		send_event(fd);
	}
}

static void answer(int fd)
{
	char request[2048];
	ssize_t length = recv(fd, request, sizeof(request), 0);

	if (length <= 0) {
		if (length == 0 || errno != EAGAIN)
			end(fd);
		return;
	}
	if (streams[fd].left || send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL | MSG_MORE) < 0)
		return;
	streams[fd].left = chunks;
	if (interval_ns)	/* spread, or all connections would be due at once */
		streams[fd].due_ns = now_ns() + rand() % interval_ns;
	else
		send_all(fd);
}

static void accept_all(int listener)
{
	int fd, yes = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (fd >= CONNECTIONS) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		highest = fd > highest ? fd : highest;
		watch(fd, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static int listen_on(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1024)) {
		perror("stream_server: listen");
		exit(1);
	}
	return fd;
}

static int start_timer(void)
{
	struct itimerspec every_ms = { .it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	timerfd_settime(fd, 0, &every_ms, NULL);
	return fd;
}

static void serve(int listener, int timer)
{
	struct epoll_event ready[256];

	for (;;) {
		int count = epoll_wait(epoll, ready, 256, -1);

		for (int i = 0; i < count; i++) {
			int fd = ready[i].data.fd;
			uint64_t ticks;

			if (fd == listener)
				accept_all(listener);
			else if (fd == timer)
				read(timer, &ticks, sizeof(ticks)) > 0 ? send_due() : (void)0;
			else if (ready[i].events & EPOLLOUT)
				send_all(fd);
			else
				answer(fd);
		}
	}
}

int main(int count, char **argument)
{
	int file, listener, timer;

	if (count != 5) {
		fprintf(stderr, "usage: stream_server PORT COUNTERS CHUNKS INTERVAL_US\n");
		return 2;
	}
	file = open(argument[2], O_RDWR | O_CLOEXEC);
	counters = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (file < 0 || counters == MAP_FAILED) {
		perror("stream_server: counters");
		return 1;
	}
	chunks = atoi(argument[3]);
	interval_ns = strtoull(argument[4], NULL, 10) * 1000;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_on(atoi(argument[1]));
	timer = interval_ns ? start_timer() : -1;
	watch(listener, EPOLL_CTL_ADD, EPOLLIN);
	if (timer >= 0)
		watch(timer, EPOLL_CTL_ADD, EPOLLIN);
	serve(listener, timer);
}
