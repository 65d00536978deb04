/* SPDX-License-Identifier: MIT */
/*
 * A server for more connections than threads carry, which keeps a ledger: one thread, epoll, HTTP/1.1 keep-alive.
 *
 *     ledger_server LEDGER [HOST BACKLOG IDLE_MS PATIENCE_MS]
 *
 *     /s/STATUS/SIZE          a body of that many bytes with a Content-Length, head and body in one send call
 *     /e/COUNT/INTERVAL_MS    that many server-sent events, chunked, one an interval; COUNT 0: for ever; INTERVAL_MS 0: at once
 *
 * IDLE_MS: it closes a connection that says nothing for that long; PATIENCE_MS: the kernel one that takes nothing. SIGUSR1
 * stops accepting, or begins again; SIGUSR2 stops all events. At SIGTERM it closes its listener and writes the ledger: a JSON
 * line a response, with what was really sent, in the order of the requests.
 */
#include "ledger_response.h"

/* What was read so far: the head of a request, then its body, of which only the length counts. */
static void take_request(int fd)
{
	struct connection *c = &connections[fd];
	char *end_of_head, *length;
	struct entry *e;
	size_t head;

	if (c->entry >= 0)
		return;
	c->request[c->have] = 0;
	end_of_head = strstr(c->request, "\r\n\r\n");
	if (!end_of_head)
		return;
	head = end_of_head + 4 - c->request;
	c->entry = begin_entry(c);
	e = &ledger[c->entry];
	sscanf(c->request, "%15s %63s", e->method, e->target);
	length = strcasestr(c->request, "content-length:");
	c->body_left = length && length < end_of_head ? strtoul(length + 15, NULL, 10) : 0;
	e->request_bytes = head + c->body_left;
	c->have -= head;
	memmove(c->request, c->request + head, c->have);
	if (c->body_left >= c->have) {
		c->body_left -= c->have;
		c->have = 0;
	} else {
		c->have -= c->body_left;
		memmove(c->request, c->request + c->body_left, c->have);
		c->body_left = 0;
	}
	if (!c->body_left)
		begin_response(fd);
}

static void receive(int fd)
{
	struct connection *c = &connections[fd];
	size_t space = sizeof(c->request) - 1 - c->have;
	ssize_t count = recv(fd, c->request + c->have, c->body_left && c->body_left < space ? c->body_left : space, 0);

	if (count < 0 && errno == EAGAIN)
		return;
	if (count <= 0)
		return end(fd);
	c->active_ns = clock_ns(CLOCK_MONOTONIC);
	if (c->entry >= 0 && c->body_left) {
		c->body_left -= count;
		if (!c->body_left)
			begin_response(fd);
		return;
	}
	c->have += count;
	take_request(fd);
}

static void accept_all(void)
{
	struct sockaddr_in remote;
	socklen_t length = sizeof(remote);
	int fd;

	while (accepts && (fd = accept4(listener, (struct sockaddr *)&remote, &length, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *c = &connections[fd];

		if (fd >= DESCRIPTORS) {
			close(fd);
			continue;
		}
		set_options(fd, patience_ms);
		memset(c, 0, sizeof(*c));
		c->is_open = 1;
		c->remote = remote;
		c->entry = -1;
		c->active_ns = clock_ns(CLOCK_MONOTONIC);
		highest = fd > highest ? fd : highest;
		watch(fd, EPOLL_CTL_ADD, EPOLLIN);
	}
}

/* Events that are due, connections that are idle. */
static void tick(void)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	for (int fd = 0; fd <= highest; fd++) {
		struct connection *c = &connections[fd];

		if (!c->is_open)
			continue;
		if (c->entry >= 0 && c->due_ns && c->due_ns <= now && !c->waits && !is_silent)
			respond(fd, now);
		else if (idle_ns && c->entry < 0 && now - c->active_ns > idle_ns)
			end(fd);
	}
}

static void toggle_accepting(void)
{
	accepts = !accepts;
	watch(listener, EPOLL_CTL_MOD, accepts ? EPOLLIN : 0);
}

static void take_signal(int signals, const char *path)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			toggle_accepting();
			continue;
		} else if (info.ssi_signo == SIGUSR2) {
			is_silent = 1;
			continue;
		}
		close(listener);
		write_ledger(path, ledger, entries);
		exit(0);
	}
}

static void serve(int timer, int signals, const char *path)
{
	struct epoll_event ready[256];

	for (;;) {
		int count = epoll_wait(epoll, ready, 256, -1);

		for (int i = 0; i < count; i++) {
			int fd = ready[i].data.fd;
			uint64_t ticks;

			if (fd == listener)
				accept_all();
			else if (fd == timer)
				read(timer, &ticks, sizeof(ticks)) > 0 ? tick() : (void)0;
			else if (fd == signals)
				take_signal(signals, path);
			else if ((ready[i].events & EPOLLOUT) && connections[fd].entry >= 0)
				respond(fd, clock_ns(CLOCK_MONOTONIC));
			else
				receive(fd);
		}
	}
}

int main(int count, char **argument)
{
	int timer, signals;

	if (count < 2)
		return fprintf(stderr, "usage: ledger_server LEDGER [HOST BACKLOG IDLE_MS PATIENCE_MS]\n"), 2;
	memset(page, 'p', sizeof(page));
	idle_ns = count > 4 ? strtoull(argument[4], NULL, 10) * 1000000 : 0;
	patience_ms = count > 5 ? atoi(argument[5]) : 0;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	signals = catch_signals();
	listener = listen_on(count > 2 ? argument[2] : "127.0.0.1", count > 3 ? atoi(argument[3]) : 4096);
	timer = start_timer(10);
	watch(listener, EPOLL_CTL_ADD, EPOLLIN);
	watch(timer, EPOLL_CTL_ADD, EPOLLIN);
	watch(signals, EPOLL_CTL_ADD, EPOLLIN);
	serve(timer, signals, argument[1]);
}
