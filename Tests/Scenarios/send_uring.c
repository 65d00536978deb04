/* SPDX-License-Identifier: MIT */
/* io_uring by its system calls: one entry is submitted and waited for at a time. */
#define _GNU_SOURCE
#include "send_calls.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ENTRIES 8

struct uring {
	int fd;
	struct io_uring_params params;
	char *submissions;	/* the ring of indices; its entries are `entries` */
	char *completions;
	struct io_uring_sqe *entries;
	bool is_polled;		/* a kernel thread takes what is submitted */
};

static unsigned int *word(char *ring, unsigned int offset)
{
	return (unsigned int *)(ring + offset);
}

static struct uring *open_uring(bool is_polled)
{
	struct uring *ring = calloc(1, sizeof(*ring));
	struct iovec all = { .iov_base = payload, .iov_len = PAYLOAD_BYTES };
	struct io_uring_params *params = &ring->params;

	if (is_polled) {
		params->flags = IORING_SETUP_SQPOLL;
		params->sq_thread_idle = 50;
	}
	ring->is_polled = is_polled;
	ring->fd = syscall(SYS_io_uring_setup, ENTRIES, params);
	if (ring->fd < 0)
		fail("io_uring_setup");
	ring->submissions = mmap(NULL, params->sq_off.array + params->sq_entries * 4, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
	ring->completions = mmap(NULL, params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe),
				 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_CQ_RING);
	ring->entries = mmap(NULL, params->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	if (ring->submissions == MAP_FAILED || ring->completions == MAP_FAILED || ring->entries == MAP_FAILED)
		fail("map the io_uring");
	if (!strcmp(current_way()->name, "uring-fixed") &&
	    syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, &all, 1))
		fail("register the buffer");
	return ring;
}

static void submit(struct uring *ring, const struct io_uring_sqe *entry)
{
	unsigned int *tail = word(ring->submissions, ring->params.sq_off.tail);
	unsigned int mask = *word(ring->submissions, ring->params.sq_off.ring_mask), index = *tail & mask;

	ring->entries[index] = *entry;
	word(ring->submissions, ring->params.sq_off.array)[index] = index;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_SEQ_CST);
}

static void enter(struct uring *ring, unsigned int submitted)
{
	unsigned int flags = IORING_ENTER_GETEVENTS;

	if (ring->is_polled) {
		submitted = 0;
		if (__atomic_load_n(word(ring->submissions, ring->params.sq_off.flags), __ATOMIC_SEQ_CST) &
		    IORING_SQ_NEED_WAKEUP)
			flags |= IORING_ENTER_SQ_WAKEUP;
	}
	if (syscall(SYS_io_uring_enter, ring->fd, submitted, 1, flags, NULL, 0) < 0 && errno != EINTR)
		fail("io_uring_enter");
}

/* The result of the entry; notifications that a zero-copy buffer is free again are passed over. */
static int completion(struct uring *ring)
{
	unsigned int *head = word(ring->completions, ring->params.cq_off.head);
	unsigned int *tail = word(ring->completions, ring->params.cq_off.tail);
	unsigned int mask = *word(ring->completions, ring->params.cq_off.ring_mask), submitted = 1;

	for (;;) {
		while (*head == __atomic_load_n(tail, __ATOMIC_ACQUIRE)) {
			enter(ring, submitted);
			submitted = 0;
		}
		struct io_uring_cqe entry =
			((struct io_uring_cqe *)(ring->completions + ring->params.cq_off.cqes))[*head & mask];

		__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
		if (!(entry.flags & IORING_CQE_F_NOTIF))
			return entry.res;
	}
}

long uring_attempt(struct writer *writer, uint64_t offset, size_t bytes, bool is_last)
{
	const char *name = current_way()->name + strlen("uring-");
	char *from = payload + offset % (PAYLOAD_BYTES - bytes + 1);
	struct iovec vector[2] = { { .iov_base = from, .iov_len = bytes / 2 },
				   { .iov_base = from + bytes / 2, .iov_len = bytes - bytes / 2 } };
	struct msghdr header = { .msg_iov = vector, .msg_iovlen = 2 };
	struct io_uring_sqe entry = { .opcode = IORING_OP_SEND, .fd = writer->socket, .addr = (uintptr_t)from,
				      .len = bytes, .msg_flags = MSG_NOSIGNAL };

	if (!writer->uring)
		writer->uring = open_uring(!strcmp(name, "sqpoll"));
	if (!strcmp(name, "sendmsg")) {
		entry.opcode = IORING_OP_SENDMSG;
		entry.addr = (uintptr_t)&header;
		entry.len = 1;
	} else if (!strcmp(name, "write")) {
		entry.opcode = IORING_OP_WRITE;
		entry.msg_flags = 0;
	} else if (!strcmp(name, "fixed")) {
		entry.opcode = IORING_OP_WRITE_FIXED;
		entry.msg_flags = 0;
	} else if (!strcmp(name, "zc")) {
		entry.opcode = IORING_OP_SEND_ZC;
	} else if (!strcmp(name, "async")) {
		entry.flags = IOSQE_ASYNC;
	}
	submit(writer->uring, &entry);
	return completion(writer->uring);
}

void close_uring(struct writer *writer)
{
	struct uring *ring = writer->uring;

	if (!ring)
		return;
	munmap(ring->entries, ring->params.sq_entries * sizeof(struct io_uring_sqe));
	munmap(ring->completions, ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe));
	munmap(ring->submissions, ring->params.sq_off.array + ring->params.sq_entries * 4);
	close(ring->fd);
	free(ring);
	writer->uring = NULL;
}
