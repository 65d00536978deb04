/* SPDX-License-Identifier: MIT */
/*
 * A server for more connections than threads carry, which keeps a ledger: one thread, epoll, HTTP/1.1 keep-alive.
 *
 *     ledger_server LEDGER [HOST BACKLOG IDLE_MS]
 *
 *     /s/STATUS/SIZE          a body of that many bytes with a Content-Length, head and body in one send call
 *     /e/COUNT/INTERVAL_MS    that many server-sent events, chunked, one an interval; COUNT 0: for ever; INTERVAL_MS 0: at once
 *
 * IDLE_MS: it closes a connection that says nothing for that long. SIGUSR1 stops accepting, or begins again. At SIGTERM it
 * closes its listener and writes the ledger: a JSON line a response, with what was really sent, in the order of the requests.
 */
#include "ledger_server.h"

static struct connection connections[DESCRIPTORS];
static struct entry *ledger;
static long entries, room;
static int epoll, highest, listener, accepts = 1;
static uint64_t idle_ns;
static char page[1 << 20];

static void watch(int fd, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	epoll_ctl(epoll, operation, fd, &event);
}

static long begin_entry(struct connection *c)
{
	struct entry *e;

	if (entries == room)
		ledger = realloc(ledger, (room = room ? 2 * room : 1024) * sizeof(*ledger));
	e = &ledger[entries];
	memset(e, 0, sizeof(*e));
	e->remote = c->remote;
	e->number = c->number++;
	e->begin_ns = clock_ns(CLOCK_REALTIME);
	return entries++;
}

static void end(int fd)
{
	connections[fd].is_open = 0;
	close(fd);
}

/* The next piece of the response, or 0: that was all. */
static int make_piece(struct connection *c)
{
	static const char words[] = "data: a word or so of what a model says, and some more\n\n";

	c->sent = 0;
	c->body_length = 0;
	if (c->piece == c->pieces)
		return 0;
	if (c->piece == c->pieces - 1)
		c->text_length = sprintf(c->text, "0\r\n\r\n");
	else
		c->text_length = sprintf(c->text, "%zx\r\n%s\r\n", sizeof(words) - 1, words);
	return 1;
}

static void finish(int fd)
{
	struct connection *c = &connections[fd];
	struct entry *e = &ledger[c->entry];

	e->is_complete = 1;
	e->end_ns = clock_ns(CLOCK_REALTIME);
	c->entry = -1;
	c->active_ns = clock_ns(CLOCK_MONOTONIC);
	if (c->have)
		take_request(fd);
}

/* Sends what is due: 1, or 0 where there is no room, or -1 where the peer is gone. */
static int send_piece(int fd)
{
	struct connection *c = &connections[fd];
	struct entry *e = &ledger[c->entry];
	size_t of_text = c->sent < c->text_length ? c->text_length - c->sent : 0;
	size_t of_body = c->text_length + c->body_length - c->sent - of_text;
	struct iovec parts[2] = { { c->text + c->sent, of_text }, { page, of_body } };
	struct msghdr message = { .msg_iov = of_text ? parts : parts + 1, .msg_iovlen = of_text && of_body ? 2 : 1 };
	ssize_t count = sendmsg(fd, &message, MSG_NOSIGNAL);

	if (count < 0 && errno == EAGAIN)
		return 0;
	if (count < 0)
		return -1;
	e->sends++;
	e->response_bytes += count;
	c->sent += count;
	return c->sent == c->text_length + c->body_length;
}

static void wait_for_room(int fd, int waits)
{
	if (connections[fd].waits != waits)
		watch(fd, EPOLL_CTL_MOD, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
	connections[fd].waits = waits;
}

/* Goes on with the response until its next piece is due, or there is no room. */
static void respond(int fd, uint64_t now)
{
	struct connection *c = &connections[fd];

	for (;;) {
		int whole = send_piece(fd);

		if (whole < 0)
			return end(fd);
		if (!whole)
			return wait_for_room(fd, 1);
		c->piece++;
		if (!make_piece(c))
			break;
		if (c->interval_ns && c->piece < c->pieces - 1) {
			c->due_ns = c->due_ns ? c->due_ns + c->interval_ns : now + rand() % c->interval_ns;
			break;
		}
	}
	wait_for_room(fd, 0);
	if (c->piece == c->pieces)
		finish(fd);
}

static void begin_response(int fd)
{
	struct connection *c = &connections[fd];
	struct entry *e = &ledger[c->entry];
	int first = 0, second = 0;
	char kind = 0;

	sscanf(e->target, "/%c/%d/%d", &kind, &first, &second);
	e->status = kind == 's' ? first : 200;
	c->piece = 0;
	c->sent = 0;
	c->due_ns = 0;
	c->interval_ns = kind == 's' ? 0 : second * 1000000ull;
	c->pieces = kind == 's' ? 1 : first ? first + 2 : 1 << 30;
	c->body_length = kind == 's' ? second : 0;
	if (kind == 's')
		c->text_length = sprintf(c->text, "HTTP/1.1 %d Any\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
					 e->status, second);
	else
		c->text_length = sprintf(c->text, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
					 "Transfer-Encoding: chunked\r\n\r\n");
	respond(fd, clock_ns(CLOCK_MONOTONIC));
}

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
		set_options(fd);
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
		if (c->entry >= 0 && c->due_ns && c->due_ns <= now && !c->waits)
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
		return fprintf(stderr, "usage: ledger_server LEDGER [HOST BACKLOG IDLE_MS]\n"), 2;
	memset(page, 'p', sizeof(page));
	idle_ns = count > 4 ? strtoull(argument[4], NULL, 10) * 1000000 : 0;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	signals = catch_signals();
	listener = listen_on(count > 2 ? argument[2] : "127.0.0.1", count > 3 ? atoi(argument[3]) : 4096);
	timer = start_timer(10);
	watch(listener, EPOLL_CTL_ADD, EPOLLIN);
	watch(timer, EPOLL_CTL_ADD, EPOLLIN);
	watch(signals, EPOLL_CTL_ADD, EPOLLIN);
	serve(timer, signals, argument[1]);
}
