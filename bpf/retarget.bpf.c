/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The target has changed: connections that match it no longer are let go. Whose process matches is found by a walk over all
 * processes, because from a socket no way leads to the process that uses it.
 */
#include "flush.bpf.h"
#include "target.bpf.h"

/* Processes that match, with the number of the target by which that was found. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u32);
} wanted_processes SEC(".maps");

/* Number of the newest target that more processes match than there is room for, counted from 1: none of theirs is let go. */
__u32 overfull;

SEC("iter/task")
int on_process(struct bpf_iter__task *ctx)
{
	PROBE_BODY({
		struct task_struct *task = ctx->task;
		__u32 target = READ_ONCE(targets.chosen);
		__u32 pid;

		if (!task || task->pid != task->tgid || !is_target_process(target, task))
			return 0;
		pid = task->tgid;
		if (bpf_map_update_elem(&wanted_processes, &pid, &target, 0))
			overfull = target + 1;
	});
}

static __always_inline bool has_wanted_owner(__u32 target, struct socket_state *state)
{
	const struct ev_target *wanted = numbered(target);
	__u32 pid = state->owner_pid, *found;

	/* Who uses it first is asked then. */
	if (!pid || !(wanted->pid_count | wanted->comm_count | wanted->cgroup_count))
		return true;
	found = bpf_map_lookup_elem(&wanted_processes, &pid);
	return (found && *found == target) || overfull == target + 1;
}

/* Says so to the daemon, where that knows it; false: there was no room, and it is shown again. */
static __always_inline bool tell_let_go(struct seq_file *seq, struct sock *sk, struct socket_state *state)
{
	struct ev_state record = {};

	if (!state->owner_pid)
		return true;
	fill_header(&record.header, state, EV_STATE, sizeof(record), EV_F_LET_GO, bpf_ktime_get_ns());
	record.old_state = sk->__sk_common.skc_state;
	record.new_state = TCP_CLOSE;
	return !bpf_seq_write(seq, &record, sizeof(record));
}

SEC("iter/bpf_sk_storage_map")
int on_retarget(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	PROBE_BODY({
		struct sock *sk = ctx->sk;
		struct socket_state *state = sk ? bpf_sk_storage_get(&sockets, sk, 0, 0) : NULL;
		__u32 target = READ_ONCE(targets.chosen);

		if (!state || state->judged == target)
			return 0;
		if (is_port(target, state->port) && has_wanted_owner(target, state)) {
			state->judged = target;
			return 0;
		}
		if (!tell_let_go(ctx->meta->seq, sk, state))
			return 0;
		state->ignored = 1;
		bpf_sk_storage_delete(&parked_calls, sk);
		if (state->held)	/* it is not counted any more */
			bpf_sk_storage_delete(&sockets, sk);
		else
			forget(sk);
	});
}
