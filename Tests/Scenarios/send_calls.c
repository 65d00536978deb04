/* SPDX-License-Identifier: MIT */
/*
 * A TCP server that answers each connection with a known number of bytes, by the way that the request's path names:
 *
 *     GET /WAY/block|poll|epoll/TOTAL/CALL/SNDBUF HTTP/1.1
 *
 * WAY: one of send_ways.c, or of send_writers.c: `threads` (four at once on the socket), `processes` (fork after accept, both
 * write), `passed` (the descriptor goes to another process, which writes), `http` (a head by send(), the body by sendfile()),
 * `http-begun` (the same with the first bytes of the body behind the head). Else the bytes begin with no HTTP head, so the
 * response ends with its connection. Prints {"port": N}; appends to the file given as first argument one JSON line a connection:
 * what it handed over, as the program, perf and TCP_INFO count it. Second argument `mptcp`: listens for MPTCP.
 */
#define _GNU_SOURCE
#include "send_calls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

char payload[PAYLOAD_BYTES];
int payload_file;
static int log_file;

uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

/* Time that this thread was ready to run and another one ran. */
uint64_t without_cpu_ns(void)
{
	unsigned long ran, delayed = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "r");

	if (file && fscanf(file, "%lu %lu", &ran, &delayed) != 2)
		delayed = 0;
	if (file)
		fclose(file);
	return delayed;
}

void fail(const char *what)
{
	fprintf(stderr, "send_calls: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static bool read_request(int socket, struct job *job)
{
	char request[1024], mode[8];
	size_t used = 0;
	ssize_t taken;

	do {
		taken = read(socket, request + used, sizeof(request) - 1 - used);
		if (taken <= 0)
			return false;
		used += taken;
		request[used] = 0;
	} while (!strstr(request, "\r\n\r\n"));
	*job = (struct job){};
	if (sscanf(request, "GET /%23[^/]/%7[^/]/%lu/%lu/%d ", job->way, mode, &job->total, &job->call, &job->sndbuf) != 5)
		return false;
	job->mode = !strcmp(mode, "poll") ? POLL : !strcmp(mode, "epoll") ? EPOLL : BLOCK;
	return true;
}

static int print_info(char *line, size_t room, const char *name, int socket)
{
	struct tcp_info info = {};
	socklen_t length = sizeof(info);

	if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length))
		return snprintf(line, room, ", \"%s\": null", name);
	return snprintf(line, room,
			", \"%s\": {\"bytes_sent\": %llu, \"bytes_retrans\": %llu, \"notsent_bytes\": %u, \"bytes_acked\": %llu, "
			"\"total_retrans\": %u}", name, (unsigned long long)info.tcpi_bytes_sent,
			(unsigned long long)info.tcpi_bytes_retrans, info.tcpi_notsent_bytes,
			(unsigned long long)info.tcpi_bytes_acked, info.tcpi_total_retrans);
}

static void serve(int socket, const struct job *job, const char *peer)
{
	int counter = open_count(), used;
	struct outcome outcome = answer(socket, job);
	int64_t kernel_calls = strcmp(job->way, "passed") ? read_count(counter) : outcome.kernel_calls;
	char line[1024], rest[256];

	used = snprintf(line, sizeof(line), "{\"remote\": [%s], \"way\": \"%s\", \"bytes\": %lu, \"calls\": %lu, \"refused\": %lu, "
			"\"waited_ns\": %lu, \"delayed_ns\": %lu, \"kernel_calls\": %ld", peer, job->way, outcome.bytes, outcome.calls,
			outcome.refused, outcome.waited_ns, outcome.delayed_ns, kernel_calls);
	used += print_info(line + used, sizeof(line) - used, "sent", socket);
	/* The client leaves when it has all: then all was acknowledged, and no FIN of this side confuses the counts. */
	fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK);
	while (read(socket, rest, sizeof(rest)) > 0)
		;
	used += print_info(line + used, sizeof(line) - used, "acknowledged", socket);
	used += snprintf(line + used, sizeof(line) - used, "}\n");
	if (counter >= 0)
		close(counter);
	if (write(log_file, line, used) != used)
		fail("write the log");
}

static void *connected(void *argument)
{
	int socket = (int)(intptr_t)argument;
	struct sockaddr_in6 peer = {};	/* an IPv4 address has its port at the same place */
	socklen_t length = sizeof(peer);
	char address[INET6_ADDRSTRLEN], text[80];
	struct job job;

	getpeername(socket, (struct sockaddr *)&peer, &length);
	if (peer.sin6_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&peer)->sin_addr, address, sizeof(address));
	else
		inet_ntop(AF_INET6, &peer.sin6_addr, address, sizeof(address));
	snprintf(text, sizeof(text), "\"%s\", %u", address, ntohs(peer.sin6_port));
	if (read_request(socket, &job)) {
		if (job.sndbuf && setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &job.sndbuf, sizeof(job.sndbuf)))
			fail("SO_SNDBUF");
		if (job.mode != BLOCK)
			fcntl(socket, F_SETFL, O_NONBLOCK);
		serve(socket, &job, text);
	}
	close(socket);
	return NULL;
}

static void *accept_all(void *argument)
{
	int listener = (int)(intptr_t)argument;
	pthread_t thread;

	for (;;) {
		int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (socket < 0 || pthread_create(&thread, NULL, connected, (void *)(intptr_t)socket))
			fail("accept");
		pthread_detach(thread);
	}
}

static int listen_on(int family, unsigned short *port, int protocol)
{
	struct sockaddr_in6 address = { .sin6_family = family, .sin6_port = htons(*port) };
	socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(address);
	int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, protocol), on = 1;

	if (family == AF_INET6)
		setsockopt(listener, IPPROTO_IPV6, 26 /* IPV6_V6ONLY */, &on, sizeof(on));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1024) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		fail("listen");
	*port = ntohs(address.sin6_port);
	return listener;
}

int main(int argc, char **argv)
{
	int protocol = argc > 2 && !strcmp(argv[2], "mptcp") ? 262 /* IPPROTO_MPTCP */ : 0;
	unsigned short port = 0;
	pthread_t thread;
	int listeners[2];

	signal(SIGPIPE, SIG_IGN);
	log_file = open(argc > 1 ? argv[1] : "/dev/stderr", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_file < 0)
		fail("open the log");
	memset(payload, 'x', sizeof(payload));
	payload_file = memfd_create("payload", MFD_CLOEXEC);
	if (write(payload_file, payload, sizeof(payload)) != sizeof(payload))
		fail("write the file");
	start_helper();
	listeners[0] = listen_on(AF_INET, &port, protocol);
	listeners[1] = listen_on(AF_INET6, &port, protocol);
	printf("{\"port\": %u}\n", port);
	fflush(stdout);
	pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)listeners[0]);
	accept_all((void *)(intptr_t)listeners[1]);
}
