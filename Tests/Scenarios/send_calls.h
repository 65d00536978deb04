/* SPDX-License-Identifier: MIT */
/* What the files of the send_calls server share: one connection's job, and what one writer of it did. */
#ifndef SEND_CALLS_H
#define SEND_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_BYTES (1 << 20)	/* the largest single call */

enum mode { BLOCK, POLL, EPOLL };	/* how a writer waits for room */

struct job {
	char way[24];
	enum mode mode;
	uint64_t total;		/* bytes of the response */
	uint64_t call;		/* bytes that the program offers with each of its calls */
	int sndbuf;		/* SO_SNDBUF, 0: the system's */
};

/* What a writer handed over, counted by itself. */
struct outcome {
	uint64_t bytes;
	uint64_t calls;		/* of the program, that took bytes */
	uint64_t refused;	/* calls that took nothing: EAGAIN */
	uint64_t waited_ns;	/* inside blocking calls; else from the refused or short call to the next attempt */
	uint64_t delayed_ns;	/* that the writer was ready to run and had no CPU: part of waited_ns, and no wait for room */
	int64_t kernel_calls;	/* sock_send_length of this connection's writers with ret > 0, as perf counts; -1: not known */
};

struct writer {
	int socket;
	const struct job *job;
	struct outcome outcome;
	int pipe[2];
	size_t in_pipe;
	int epoll;
	struct uring *uring;
	size_t offered;		/* with the last attempt: a pipe may hold less than was wanted */
};

/* One way to send. `attempt` offers `bytes` at `offset` of the payload once: bytes that were taken, or -errno. */
struct way {
	const char *name;
	long (*attempt)(struct writer *writer, uint64_t offset, size_t bytes, bool is_last);
	int argument;
};

extern char payload[PAYLOAD_BYTES];
extern int payload_file;

const struct way *find_way(const char *name);
const struct way *current_way(void);
/* Hands `total` bytes over, waiting in the job's mode; ends the process on an error that no way may have. */
void hand_over(struct writer *writer, const struct way *way, uint64_t total);
void open_writer(struct writer *writer, int socket, const struct job *job);
void close_writer(struct writer *writer);

long uring_attempt(struct writer *writer, uint64_t offset, size_t bytes, bool is_last);
void close_uring(struct writer *writer);

/* Before the server has threads. */
void start_helper(void);
struct outcome answer(int socket, const struct job *job);
/* The kernel's count of this thread's send calls that took bytes; -1: not known. */
int open_count(void);
int64_t read_count(int count);

uint64_t now_ns(void);
uint64_t without_cpu_ns(void);
void fail(const char *what) __attribute__((noreturn));

#endif
