/* SPDX-License-Identifier: MIT */
/* Who sends: one writer, several threads or processes at once, another process; and the kernel's own count of what they did. */
#define _GNU_SOURCE
#include "send_calls.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACEPOINT "/sys/kernel/tracing/events/sock/sock_send_length/id"
#define THREADS 4

static int to_helper;
static long tracepoint = -1;

/* tracefs tells the tracepoint's number; where nobody mounted it, it is mounted for this process alone. */
static long find_tracepoint(void)
{
	FILE *file = fopen(TRACEPOINT, "r");
	long number = -1;

	if (!file && !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	    !mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL))
		file = fopen(TRACEPOINT, "r");
	if (file && fscanf(file, "%ld", &number) != 1)
		number = -1;
	if (file)
		fclose(file);
	return number;
}

/* The kernel's own count of send calls on TCP sockets that took bytes, of this thread and those that it begins. */
int open_count(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .config = tracepoint, .inherit = 1 };
	int count = tracepoint < 0 ? -1 : (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (count >= 0 && ioctl(count, PERF_EVENT_IOC_SET_FILTER, "protocol == 6 && ret > 0"))
		fail("filter the count");
	return count;
}

int64_t read_count(int count)
{
	int64_t value = -1;

	if (count >= 0 && read(count, &value, sizeof(value)) != sizeof(value))
		fail("read the count");
	return value;
}

static struct outcome write_alone(int socket, const struct job *job, const struct way *way, uint64_t total)
{
	struct writer writer;

	open_writer(&writer, socket, job);
	hand_over(&writer, way, total);
	close_writer(&writer);
	return writer.outcome;
}

static void add(struct outcome *sum, const struct outcome *part)
{
	sum->bytes += part->bytes;
	sum->calls += part->calls;
	sum->refused += part->refused;
	if (part->waited_ns > sum->waited_ns)	/* writers wait at the same time */
		sum->waited_ns = part->waited_ns;
}

struct share {
	int socket;
	const struct job *job;
	struct outcome outcome;
};

static void *write_share(void *argument)
{
	struct share *share = argument;

	share->outcome = write_alone(share->socket, share->job, find_way("send"), share->job->total / THREADS);
	return NULL;
}

static struct outcome write_by_threads(int socket, const struct job *job)
{
	struct share shares[THREADS];
	pthread_t threads[THREADS];
	struct outcome sum = {};

	for (int i = 0; i < THREADS; i++) {
		shares[i] = (struct share){ .socket = socket, .job = job };
		if (pthread_create(threads + i, NULL, write_share, shares + i))
			fail("thread");
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		add(&sum, &shares[i].outcome);
	}
	return sum;
}

static struct outcome write_by_processes(int socket, const struct job *job)
{
	struct outcome sum, child;
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		fail("pipe");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		child = write_alone(socket, job, find_way("write"), job->total / 2);
		_exit(write(ends[1], &child, sizeof(child)) != sizeof(child));
	}
	sum = write_alone(socket, job, find_way("write"), job->total / 2);
	if (read(ends[0], &child, sizeof(child)) != sizeof(child))
		fail("the child's outcome");
	waitpid(pid, &status, 0);
	close(ends[0]);
	close(ends[1]);
	add(&sum, &child);
	return sum;
}

/* Sends a job and two descriptors: the connection, and where the outcome is to be written. */
static struct outcome write_by_another_process(int socket, const struct job *job)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec vector = { .iov_base = (void *)job, .iov_len = sizeof(*job) };
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	struct outcome outcome;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		fail("pipe");
	memcpy(CMSG_DATA(&control.header), (int[]){ socket, ends[1] }, 2 * sizeof(int));
	if (sendmsg(to_helper, &header, 0) != sizeof(*job))
		fail("pass the connection");
	close(ends[1]);
	if (read(ends[0], &outcome, sizeof(outcome)) != sizeof(outcome))
		fail("the other process's outcome");
	close(ends[0]);
	return outcome;
}

/* The process to which connections are passed: a child for each. */
static void help(int from)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		char control[CMSG_SPACE(2 * sizeof(int))];
		struct job job;
		struct iovec vector = { .iov_base = &job, .iov_len = sizeof(job) };
		struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
					 .msg_controllen = sizeof(control) };
		int passed[2];

		if (recvmsg(from, &header, 0) != sizeof(job))
			_exit(0);
		memcpy(passed, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(passed));
		if (!fork()) {
			int count = open_count();
			struct outcome outcome = write_alone(passed[0], &job, find_way("write"), job.total);

			outcome.kernel_calls = read_count(count);
			_exit(write(passed[1], &outcome, sizeof(outcome)) != sizeof(outcome));
		}
		close(passed[0]);
		close(passed[1]);
	}
}

/* The head by send(), with the first `begun` bytes of the body, the rest by sendfile(); job->total is that rest. */
static struct outcome answer_http(int socket, const struct job *job, int begun)
{
	struct outcome outcome;
	char head[256];
	int bytes = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\n\r\n%.*s",
			     (unsigned long long)job->total + begun, begun, payload);

	if (send(socket, head, bytes, MSG_NOSIGNAL | MSG_MORE) != bytes)
		fail("send the head");
	outcome = write_alone(socket, job, find_way("sendfile"), job->total);
	outcome.bytes += bytes;
	outcome.calls++;
	return outcome;
}

struct outcome answer(int socket, const struct job *job)
{
	if (!strcmp(job->way, "threads"))
		return write_by_threads(socket, job);
	if (!strcmp(job->way, "processes"))
		return write_by_processes(socket, job);
	if (!strcmp(job->way, "passed"))
		return write_by_another_process(socket, job);
	if (!strcmp(job->way, "http"))
		return answer_http(socket, job, 0);
	if (!strcmp(job->way, "http-begun"))
		return answer_http(socket, job, 100);
	if (!find_way(job->way))
		fail(job->way);
	return write_alone(socket, job, find_way(job->way), job->total);
}

/* Before the server has threads: the process to which connections are passed. */
void start_helper(void)
{
	int ends[2];

	tracepoint = find_tracepoint();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		fail("socketpair");
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		help(ends[1]);
	}
	close(ends[1]);
	to_helper = ends[0];
}
