/* SPDX-License-Identifier: MIT */
/* The ways to send that one writer has, and the loop that hands a number of bytes over by one of them. */
#define _GNU_SOURCE
#include "send_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#define MSG_ZEROCOPY 0x4000000
#endif

static __thread const struct way *current;

const struct way *current_way(void)
{
	return current;
}

static long result(long taken)
{
	return taken < 0 ? -errno : taken;
}

/* `bytes` of the payload in `count` pieces of about the same size. */
static struct msghdr pieces(struct iovec *vector, int count, const char *from, size_t bytes)
{
	for (int i = 0; i < count; i++) {
		size_t take = i + 1 < count ? bytes / count : bytes - (size_t)(count - 1) * (bytes / count);

		vector[i] = (struct iovec){ .iov_base = (char *)from, .iov_len = take };
		from += take;
	}
	return (struct msghdr){ .msg_iov = vector, .msg_iovlen = count };
}

static const char *at(uint64_t offset, size_t bytes)
{
	return payload + offset % (PAYLOAD_BYTES - bytes + 1);
}

static long attempt_write(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	return result(write(writer->socket, at(offset, bytes), bytes));
}

static long attempt_writev(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	struct iovec vector[3];

	pieces(vector, 3, at(offset, bytes), bytes);
	return result(writev(writer->socket, vector, 3));
}

static long attempt_send(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	return result(send(writer->socket, at(offset, bytes), bytes, MSG_NOSIGNAL));
}

static long attempt_sendmsg(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	struct iovec vector[4];
	struct msghdr header = pieces(vector, 4, at(offset, bytes), bytes);

	return result(sendmsg(writer->socket, &header, MSG_NOSIGNAL));
}

/* Four messages in one call; those that took bytes are the kernel's calls. */
static long attempt_sendmmsg(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	struct iovec vector[4];
	struct mmsghdr messages[4] = {};
	long taken = 0, done;

	pieces(vector, 4, at(offset, bytes), bytes);
	for (int i = 0; i < 4; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = vector + i, .msg_iovlen = 1 };
	done = sendmmsg(writer->socket, messages, 4, MSG_NOSIGNAL);
	for (long i = 0; i < done; i++)
		taken += messages[i].msg_len;
	return done < 0 ? -errno : taken;
}

static long attempt_more(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	return result(send(writer->socket, at(offset, bytes), bytes, MSG_NOSIGNAL | (is_last ? 0 : MSG_MORE)));
}

static long attempt_sendfile(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	off_t from = offset % (PAYLOAD_BYTES - bytes + 1);

	return result(sendfile(writer->socket, payload_file, &from, bytes));
}

/* What lies in the pipe after a short call goes first. */
static long attempt_splice(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	struct iovec vector = { .iov_base = (char *)at(offset, bytes), .iov_len = bytes };
	unsigned int flags = (is_last ? 0 : SPLICE_F_MORE) | (writer->job->mode == BLOCK ? 0 : SPLICE_F_NONBLOCK);
	long taken;

	if (!writer->in_pipe) {
		fcntl(writer->pipe[1], F_SETPIPE_SZ, PAYLOAD_BYTES);
		taken = current->argument ? vmsplice(writer->pipe[1], &vector, 1, SPLICE_F_NONBLOCK)
					  : write(writer->pipe[1], vector.iov_base, bytes);
		if (taken <= 0)
			fail("fill the pipe");
		writer->in_pipe = taken;
	}
	taken = splice(writer->pipe[0], NULL, writer->socket, NULL, writer->in_pipe, flags);
	writer->offered = writer->in_pipe;
	if (taken > 0)
		writer->in_pipe -= taken;
	return result(taken);
}

/* The notifications of MSG_ZEROCOPY and SO_TIMESTAMPING wait in the error queue; poll() says POLLERR until they are read. */
static void drain_errors(int socket)
{
	char data[65536], control[512];
	struct iovec vector = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr header;

	do
		header = (struct msghdr){ .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
					  .msg_controllen = sizeof(control) };
	while (recvmsg(socket, &header, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0);
}

static long attempt_zerocopy(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	int on = 1;
	long taken;

	if (!writer->outcome.calls && setsockopt(writer->socket, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		fail("SO_ZEROCOPY");
	taken = result(send(writer->socket, at(offset, bytes), bytes, MSG_NOSIGNAL | MSG_ZEROCOPY));
	drain_errors(writer->socket);
	return taken == -ENOBUFS ? -EAGAIN : taken;
}

/* Transmit time stamps that bring the packet's payload back, through recvmsg(): that is no request. */
static long attempt_timestamps(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	int what = (1 << 1) | (1 << 9) | (1 << 4);	/* TX_SOFTWARE, TX_ACK, SOFTWARE: linux/net_tstamp.h */
	long taken;

	if (!writer->outcome.calls && setsockopt(writer->socket, SOL_SOCKET, SO_TIMESTAMPING, &what, sizeof(what)))
		fail("SO_TIMESTAMPING");
	taken = result(send(writer->socket, at(offset, bytes), bytes, MSG_NOSIGNAL));
	drain_errors(writer->socket);
	return taken;
}

/* A blocking call that gives up after a while: short, or with EAGAIN. */
static long attempt_timeout(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	struct timeval limit = { .tv_usec = 20000 };

	if (!writer->outcome.calls && setsockopt(writer->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		fail("SO_SNDTIMEO");
	return attempt_send(writer, offset, bytes, is_last);
}

static const struct way ways[] = {
	{ "write", attempt_write, 0 },
	{ "writev", attempt_writev, 0 },
	{ "send", attempt_send, 0 },
	{ "sendmsg", attempt_sendmsg, 0 },
	{ "sendmmsg", attempt_sendmmsg, 0 },
	{ "more", attempt_more, 0 },
	{ "sendfile", attempt_sendfile, 0 },
	{ "splice", attempt_splice, 0 },
	{ "vmsplice", attempt_splice, 1 },
	{ "zerocopy", attempt_zerocopy, 0 },
	{ "timestamps", attempt_timestamps, 0 },
	{ "timeout", attempt_timeout, 0 },
	{ "uring-send", uring_attempt, 0 },
	{ "uring-sendmsg", uring_attempt, 0 },
	{ "uring-write", uring_attempt, 0 },
	{ "uring-fixed", uring_attempt, 0 },
	{ "uring-zc", uring_attempt, 0 },
	{ "uring-async", uring_attempt, 0 },
	{ "uring-sqpoll", uring_attempt, 0 },
};

const struct way *find_way(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (!strcmp(ways[i].name, name))
			return ways + i;
	return NULL;
}

static void wait_writable(struct writer *writer)
{
	struct epoll_event event = { .events = EPOLLOUT };
	struct pollfd wanted = { .fd = writer->socket, .events = POLLOUT };

	if (writer->job->mode == EPOLL) {
		if (writer->epoll < 0) {
			writer->epoll = epoll_create1(EPOLL_CLOEXEC);
			if (writer->epoll < 0 || epoll_ctl(writer->epoll, EPOLL_CTL_ADD, writer->socket, &event))
				fail("epoll");
		}
		epoll_wait(writer->epoll, &event, 1, 10000);
		wanted.revents = event.events;
	} else {
		poll(&wanted, 1, 10000);
	}
	if (wanted.revents & POLLERR)
		drain_errors(writer->socket);
}

void hand_over(struct writer *writer, const struct way *way, uint64_t total)
{
	struct outcome *outcome = &writer->outcome;
	uint64_t done = 0, refused_ns = 0, without_cpu = without_cpu_ns();

	current = way;
	while (done < total) {
		size_t wanted = total - done < writer->job->call ? total - done : writer->job->call;
		uint64_t before = now_ns();
		long taken;

		writer->offered = wanted;
		taken = way->attempt(writer, outcome->bytes, wanted, done + wanted == total);
		if (refused_ns)
			outcome->waited_ns += before - refused_ns;
		refused_ns = 0;
		if (writer->job->mode == BLOCK)
			outcome->waited_ns += now_ns() - before;
		if (taken > 0) {
			done += taken;
			outcome->bytes += taken;
			outcome->calls++;
		} else if (taken == -EAGAIN) {
			outcome->refused++;
		} else if (taken == -ECONNRESET || taken == -EPIPE) {
			break;	/* the client left */
		} else {
			errno = -taken;
			fail(way->name);
		}
		if (writer->job->mode != BLOCK && taken < (long)writer->offered && done < total) {
			refused_ns = taken > 0 ? now_ns() : before;
			wait_writable(writer);
		}
	}
	outcome->delayed_ns = without_cpu_ns() - without_cpu;
}

void open_writer(struct writer *writer, int socket, const struct job *job)
{
	*writer = (struct writer){ .socket = socket, .job = job, .epoll = -1 };
	if (pipe2(writer->pipe, O_CLOEXEC))
		fail("pipe");
}

void close_writer(struct writer *writer)
{
	close(writer->pipe[0]);
	close(writer->pipe[1]);
	if (writer->epoll >= 0)
		close(writer->epoll);
	close_uring(writer);
}
