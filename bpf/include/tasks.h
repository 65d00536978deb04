/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The wire between user space and the programs that look at the task behind a call: tasks.bpf.c. C11, fixed width. */
#ifndef TAILRACE_TASKS_H
#define TAILRACE_TASKS_H

#ifdef __bpf__
#include <linux/types.h>
#define TASKS_U32 __u32
#define TASKS_U64 __u64
#else
#include <stdint.h>
#define TASKS_U32 uint32_t
#define TASKS_U64 uint64_t
#endif

/* Processes whose tasks are looked at, and connections that are remembered: the least used goes first. */
#define EV_TASK_PROCESSES 256
#define EV_TASK_CONNECTIONS 65536

/* By process id: where the runtime of that process keeps what is read of it. */
struct ev_task_layout {
	TASKS_U32 id_offset;	/* bytes, in runtime.g: its goid */
	TASKS_U32 slot_offset;	/* bytes below the thread's pointer: where the running goroutine is kept */
};

/* By cookie of the connection: who read of it or wrote to it first. */
struct ev_serving_task {
	TASKS_U64 id;		/* goid, from 1 */
	TASKS_U32 pid;
	TASKS_U32 reserved;
};

#endif
