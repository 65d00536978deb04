/* SPDX-License-Identifier: MIT */
/*
 * The server's state, and how a response is made and sent, piece by piece. A piece is a send call, or several where there was
 * no room for it at once.
 */
#ifndef LEDGER_RESPONSE_H
#define LEDGER_RESPONSE_H

#include "ledger_server.h"

static struct connection connections[DESCRIPTORS];
static struct entry *ledger;
static long entries, room;
static int epoll, highest, listener, accepts = 1, is_silent, patience_ms;
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

#endif
