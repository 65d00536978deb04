// SPDX-License-Identifier: MIT
/*
 * A server with jobs, a thread for each connection: GET /job opens one, streams until its client goes, and closes it;
 * GET /left opens one that stays; GET /churn?N opens and closes N. A byte on its standard input makes it say how many are open,
 * and how many were opened. `job_open` and `job_close` are what a task probe names.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
	long number;
	char room[256];
};

static atomic_long open_jobs, opened_jobs;

/* Begins with a push, as what keeps a frame pointer does. */
__attribute__((noinline, optimize("no-omit-frame-pointer"))) struct job *job_open(void)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		abort();
	job->number = atomic_fetch_add(&opened_jobs, 1);
	atomic_fetch_add(&open_jobs, 1);
	return job;
}

__attribute__((noinline, optimize("no-omit-frame-pointer"))) void job_close(struct job *job)
{
	atomic_fetch_sub(&open_jobs, 1);
	free(job);
}

/* Hand-written, so that its instructions are known: sub (4 bytes), mov (3), push (1), pop, add, ret. */
__attribute__((naked)) void job_stepped(void)
{
	__asm__("sub $8, %rsp\n\tmov %rsp, %rdi\n\tpush %rbp\n\tpop %rbp\n\tadd $8, %rsp\n\tret");
}

static void answer(int connection, const char *target)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
	struct job *job;

	if (write(connection, head, sizeof(head) - 1) < 0)
		return;
	if (strncmp(target, "/left", 5) == 0) {
		job_open();
	} else if (strncmp(target, "/churn?", 7) == 0) {
		for (long rest = atol(target + 7); rest > 0; rest--)
			job_close(job_open());
	} else {
		job = job_open();
		while (write(connection, "data: x\n\n", 9) == 9)
			usleep(20000);
		job_close(job);
	}
}

static void *serve(void *argument)
{
	int connection = (int)(long)argument;
	char request[4096], target[256] = "";
	ssize_t count = read(connection, request, sizeof(request) - 1);

	if (count > 0) {
		request[count] = 0;
		if (sscanf(request, "GET %255s", target) == 1)
			answer(connection, target);
	}
	shutdown(connection, SHUT_WR);
	close(connection);
	return NULL;
}

static void *tell(void *argument)
{
	char byte;

	(void)argument;
	while (read(STDIN_FILENO, &byte, 1) == 1) {
		/* Another program, in the same process. */
		if (byte == 'e')
			execlp("sleep", "sleep", "60", NULL);
		printf("%ld %ld\n", atomic_load(&open_jobs), atomic_load(&opened_jobs));
		fflush(stdout);
	}
	exit(0);
}

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 256) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		return 1;
	printf("{\"port\": %d}\n", ntohs(address.sin_port));
	fflush(stdout);
	pthread_create(&thread, NULL, tell, NULL);
	for (;;) {
		long connection = accept(listener, NULL, NULL);

		if (connection < 0)
			return 1;
		if (pthread_create(&thread, NULL, serve, (void *)connection) == 0)
			pthread_detach(thread);
		else
			close((int)connection);
	}
}
