/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Whether a connection is a target: asked when it is established, when a process first uses it, and when it is searched for.
 * The target may change at any moment: whoever asks says by which one, so that none is judged by the half of two.
 */
#ifndef TAILRACE_TARGET_BPF_H
#define TAILRACE_TARGET_BPF_H

#include "state.bpf.h"

static __always_inline const struct ev_target *numbered(__u32 target)
{
	return &targets.copies[target % EV_TARGETS];
}

static __always_inline bool is_port(__u32 target, __u16 port)
{
	const struct ev_target *wanted = numbered(target);
	__u32 n = wanted->port_count;

	for (__u32 i = 0; i < EV_FILTERS && i < n; i++)
		if (wanted->ports[i] == port)
			return true;
	return !n;
}

/* As bpf_get_current_ancestor_cgroup_id() does, for any task. */
static __always_inline __u64 ancestor_cgroup(struct task_struct *task, __u32 level)
{
	struct cgroup *cgroup = task->cgroups->dfl_cgrp;

	if ((__u32)cgroup->level < level)
		return 0;
	if (bpf_core_field_exists(cgroup->ancestors))
		cgroup = BPF_CORE_READ(cgroup, ancestors[level & 31]);
	else
		return 0;	/* before Linux 6.1 */
	return BPF_CORE_READ(cgroup, kn, id);
}

/* A name up to its end: what the kernel leaves behind that may be anything. */
static __always_inline void copy_comm(__u8 *comm, const struct task_struct *leader)
{
	__u8 kept = 0xff;

	bpf_probe_read_kernel(comm, 16, &leader->comm);
	for (int i = 0; i < 16; i++) {
		kept = comm[i] ? kept : 0;
		comm[i] &= kept;
	}
}

struct process_question {
	const struct ev_target *wanted;
	struct task_struct *task;
	__u64 comm[2];
	__u32 pid;
	__u32 is_wanted;
};

/* One place of every list. The loop is bpf_loop()'s, so that the verifier walks through it once. */
static long ask_filter(__u32 turn, struct process_question *question)
{
	const struct ev_target *wanted = question->wanted;
	__u64 place = BOUNDED(turn, EV_FILTERS - 1);
	const __u64 *comm = (const __u64 *)wanted->comms[place];

	if (place < wanted->pid_count && wanted->pids[place] == question->pid)
		question->is_wanted = 1;
	if (place < wanted->comm_count && comm[0] == question->comm[0] && comm[1] == question->comm[1])
		question->is_wanted = 1;
	if (place < wanted->cgroup_count &&
	    ancestor_cgroup(question->task, wanted->cgroup_levels[place]) == wanted->cgroups[place])
		question->is_wanted = 1;
	return question->is_wanted ? 1 : 0;
}

static __always_inline bool is_target_process(__u32 target, struct task_struct *task)
{
	struct process_question question = { .wanted = numbered(target), .task = task, .pid = task->tgid };

	if (!(question.wanted->pid_count | question.wanted->comm_count | question.wanted->cgroup_count))
		return true;
	copy_comm((__u8 *)question.comm, task->group_leader);
	bpf_loop(EV_FILTERS, ask_filter, &question, 0);
	return question.is_wanted;
}

static __always_inline bool is_target(__u32 target, struct sock *sk, struct task_struct *task)
{
	return is_port(target, sk->__sk_common.skc_num) && is_target_process(target, task);
}

#endif
