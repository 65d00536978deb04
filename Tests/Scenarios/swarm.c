/* SPDX-License-Identifier: MIT */
/*
 * Many clients in one process: one thread, epoll. Prints a JSON object when it is done: what each kind of client came to.
 *
 *     swarm load HOST PORT SECONDS CLIENTS INTERVAL_MS    each asks once an interval, and comes anew after 40 requests
 *     swarm hold HOST PORT SECONDS CLIENTS INTERVAL_MS    each reads a stream without an end, an event an interval
 *     swarm churn HOST PORT SECONDS RATE                  so many new clients a second, of all the other kinds below
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 16384
#define REQUESTS 40
#define LINGER_NS 200000000ull	/* how long a silent client is there before it vanishes */

enum kind { LOAD, HOLD, CLEAN, KEEP_ALIVE, RESET_IN_RESPONSE, RESET_AT_ONCE, SILENT_VANISHES, IDLE, STREAM_VANISHES, KINDS };

static const char *names[KINDS] = { "load", "hold", "clean", "keep_alive", "reset_in_response", "reset_at_once",
				    "silent_vanishes", "idle", "stream_vanishes" };

struct client {
	int fd;			/* -1: none */
	enum kind kind;
	int number;		/* of the request in hand, or to come */
	int is_asked;
	uint64_t due_ns;	/* the next thing that it does by itself; 0: nothing */
	char head[1024];
	size_t have;		/* bytes of the response */
	size_t whole;		/* that it will have; 0: not known yet */
	char last[5];
};

static struct client clients[CLIENTS];
static long begun[KINDS], complete[KINDS], failed;
static struct sockaddr_in server;
static int epoll, highest;
static uint64_t interval_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void leave(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

static void reset(struct client *c)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	leave(c);
}

/* Not a packet tells the server: in repair mode close() is silent. */
static void vanish(struct client *c)
{
	int yes = 1;

	if (setsockopt(c->fd, IPPROTO_TCP, TCP_REPAIR, &yes, sizeof(yes)))
		failed++;
	leave(c);
}

static void come(struct client *c, enum kind kind, uint64_t due_ns)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int yes = 1;

	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->due_ns = due_ns;
	/* To loopback the handshake is over when this returns. */
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&server, sizeof(server))) {
		failed++;
		if (c->fd >= 0)
			leave(c);
		return;
	}
	begun[kind]++;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
	highest = c - clients > highest ? c - clients : highest;
}

/* What the client asks for: the same on every run. Sizes differ, so that no response passes for another. */
static int write_request(struct client *c, char *text)
{
	int place = c - clients, size = (place * 37 + c->number * 11) % 1400 + 1;

	switch (c->kind) {
	case RESET_IN_RESPONSE:
		return sprintf(text, "GET /s/200/900000 HTTP/1.1\r\nHost: s\r\n\r\n");
	case HOLD:
		return sprintf(text, "GET /e/0/%d HTTP/1.1\r\nHost: s\r\n\r\n", (int)(interval_ns / 1000000));
	case STREAM_VANISHES:
		return sprintf(text, "GET /e/0/40 HTTP/1.1\r\nHost: s\r\n\r\n");
	default:
		break;
	}
	switch ((place + c->number) % 8) {
	case 3:
		return sprintf(text, "GET /s/404/%d HTTP/1.1\r\nHost: s\r\nX-Padding: %0*d\r\n\r\n", size, size % 90 + 1, 0);
	case 5:
		return sprintf(text, "GET /e/%d/0 HTTP/1.1\r\nHost: s\r\n\r\n", size % 2 + 1);
	case 7:
		return sprintf(text, "POST /s/201/%d HTTP/1.1\r\nHost: s\r\nContent-Length: %d\r\n\r\n%0*d", size, size, size, 0);
	default:
		return sprintf(text, "GET /s/200/%d?query=1 HTTP/1.1\r\nHost: s\r\n\r\n", size);
	}
}

static void ask(struct client *c)
{
	char text[4096];
	int length = write_request(c, text);

	c->have = 0;
	c->whole = 0;
	c->is_asked = 1;
	if (send(c->fd, text, length, MSG_NOSIGNAL) != length) {
		failed++;
		leave(c);
	}
}

/* What the client does by itself when it is due. */
static void act(struct client *c, uint64_t now)
{
	c->due_ns = 0;
	switch (c->kind) {
	case RESET_AT_ONCE:
		return reset(c);
	case SILENT_VANISHES:
		return vanish(c);
	case STREAM_VANISHES:
		if (c->is_asked)
			return vanish(c);
		c->due_ns = now + LINGER_NS;
		break;
	default:
		if (c->is_asked)	/* the answer takes longer than the interval */
			return;
	}
	ask(c);
}

/* The response is there as a whole. */
static void answered(struct client *c)
{
	complete[c->kind]++;
	c->is_asked = 0;
	c->number++;
	if (c->kind == LOAD && c->number < REQUESTS)
		c->due_ns = now_ns() + interval_ns;
	else if (c->kind == LOAD || c->kind == CLEAN || (c->kind == KEEP_ALIVE && c->number == 3))
		leave(c);
	else if (c->kind == KEEP_ALIVE)
		ask(c);
	if (c->kind == LOAD && c->fd < 0)
		come(c, LOAD, now_ns() + interval_ns);
}

/* How long the response is: its head and its Content-Length; 0 for one in chunks. */
static size_t whole_length(struct client *c, int *is_chunked)
{
	char *end, *length;

	c->head[c->have < sizeof(c->head) - 1 ? c->have : sizeof(c->head) - 1] = 0;
	end = strstr(c->head, "\r\n\r\n");
	length = strcasestr(c->head, "content-length:");
	*is_chunked = end && !length;
	return end && length ? end + 4 - c->head + strtoul(length + 15, NULL, 10) : 0;
}

static void receive(struct client *c)
{
	static char data[65536];
	ssize_t count = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);
	int is_chunked = 0;

	if (count < 0 && errno == EAGAIN)
		return;
	if (count <= 0)
		return leave(c);
	if (c->have < sizeof(c->head) - 1)
		memcpy(c->head + c->have, data, (size_t)count < sizeof(c->head) - 1 - c->have ? (size_t)count :
		       sizeof(c->head) - 1 - c->have);
	c->have += count;
	for (ssize_t i = count < 5 ? 0 : count - 5; i < count; i++) {
		memmove(c->last, c->last + 1, 4);
		c->last[4] = data[i];
	}
	if (c->kind == RESET_IN_RESPONSE)
		return reset(c);
	if (!c->whole)
		c->whole = whole_length(c, &is_chunked);
	if ((c->whole && c->have >= c->whole) || (is_chunked && !memcmp(c->last, "0\r\n\r\n", 5)))
		answered(c);
}

static void take_turns(uint64_t end, uint64_t new_every_ns)
{
	struct epoll_event ready[256];
	uint64_t next = now_ns(), now;
	long turn = 0;

	while ((now = now_ns()) < end) {
		int count = epoll_wait(epoll, ready, 256, 1);

		for (int i = 0; i < count; i++)
			receive(ready[i].data.ptr);
		for (int i = 0; i <= highest; i++)
			if (clients[i].fd >= 0 && clients[i].due_ns && clients[i].due_ns <= now)
				act(&clients[i], now);
		for (; new_every_ns && next <= now; next += new_every_ns, turn++) {
			struct client *c = clients;
			enum kind kind = CLEAN + turn % (KINDS - CLEAN);

			while (c->fd >= 0)
				c++;
			come(c, kind, kind == SILENT_VANISHES ? now + LINGER_NS : kind == IDLE && turn % 2 ? 0 : now);
		}
	}
}

int main(int count, char **argument)
{
	uint64_t seconds, now = now_ns();
	int is_churn;

	if (count < 6)
		return fprintf(stderr, "usage: swarm load|hold|churn HOST PORT SECONDS CLIENTS|RATE [INTERVAL_MS]\n"), 2;
	is_churn = !strcmp(argument[1], "churn");
	server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(argument[3])),
				       .sin_addr.s_addr = inet_addr(argument[2]) };
	seconds = strtoull(argument[4], NULL, 10);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	if (!is_churn) {
		enum kind kind = strcmp(argument[1], "hold") ? LOAD : HOLD;

		interval_ns = count > 6 ? strtoull(argument[6], NULL, 10) * 1000000 : 0;
		for (int i = 0; i < atoi(argument[5]) && i < CLIENTS; i++)
			come(&clients[i], kind, now + rand() % (interval_ns + 1));
	}
	take_turns(now + seconds * 1000000000, is_churn ? 1000000000 / atoi(argument[5]) : 0);
	printf("{\"failed\": %ld", failed);
	for (int i = 0; i < KINDS; i++)
		printf(", \"%s\": {\"begun\": %ld, \"complete\": %ld}", names[i], begun[i], complete[i]);
	printf("}\n");
	return 0;
}
