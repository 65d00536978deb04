/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Connections that were open before tracing began. The daemon walks all open files twice: first for the listeners, then for
 * the sockets that one of them accepted. It sees every network namespace, and who holds the socket.
 */
#include "flush.bpf.h"

/* Number of the target that was searched for last, counted from 1. */
__u32 searched;

/* Whether it was not counted as untracked before: when this target was searched for first, or the one before it was in force. */
static __always_inline bool is_news(__u32 target, struct sock *sk, struct task_struct *task)
{
	return searched <= target && (!target || !is_target(target - 1, sk, task));
}

/* What is on its way is a flush of which only the end will be seen. */
static __always_inline void adopt_outstanding(struct sock *sk, struct tcp_sock *tp, struct socket_state *state, __u64 now)
{
	struct flush_slot *slot = &state->slots[0];

	state->acked_seq = tp->snd_una;
	state->xmit_seq = tp->snd_nxt;
	if (sk->sk_write_pending)	/* a writer waits inside its call: since when is not known, so from now on */
		state->refused_ns = now;
	if (tp->write_seq == tp->snd_una)
		return;
	slot->seq_start = tp->snd_una;
	slot->seq_end = tp->write_seq;
	slot->first_enter_ns = now;
	slot->enter_ns = now;
	slot->exit_ns = now;
	slot->queued_bytes = sk->sk_wmem_queued;
	slot->unsent_bytes = tp->write_seq - tp->snd_nxt;
	slot->unacked_bytes = tp->snd_nxt - tp->snd_una;
	slot->rwnd_before_jiffies = limited_jiffies(tp, CHRONO_RWND_LIMITED);
	slot->flags = SLOT_DONE | EV_F_ADOPTED | EV_F_TAIL_UNREAD;
	state->next = 1;
}

static __always_inline void adopt(struct sock *sk, struct task_struct *task)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct ev_counters *counter = count();
	__u32 target = READ_ONCE(targets.chosen);
	struct socket_state *state;
	__u64 now;

	if (!tp || bpf_sk_storage_get(&sockets, sk, 0, 0) || !is_target(target, sk, task) || is_subflow(tp))
		return;
	state = follow(sk);
	if (!state) {
		if (is_news(target, sk, task))
			count_untracked();
		return;
	}
	now = bpf_ktime_get_ns();
	state->judged = target;
	state->adopted = 1;
	state->cookie = bpf_get_socket_cookie(sk);
	adopt_outstanding(sk, tp, state, now);
	tell_socket(sk, state, task, task->cgroups->dfl_cgrp->kn->id, EV_F_ADOPTED, now);
	if (counter)
		add_one(&counter->adopted);
	/* From here on the hooks see it. */
	__sync_fetch_and_add(&state->draining, 0);
	state->ignored = 0;
	/* It closed before there was a state to forget. */
	if (READ_ONCE(sk->__sk_common.skc_state) == TCP_CLOSE)
		forget(sk);
}

/* Of the file that the iterator shows; NULL: it is no TCP socket. Other families use the number of TCP for their own. */
static __always_inline struct sock *tcp_socket(struct file *file)
{
	struct socket *socket = file ? bpf_sock_from_file(file) : NULL;
	struct sock *sk = socket ? socket->sk : NULL;

	if (!sk || sk->sk_protocol != IPPROTO_TCP ||
	    (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return NULL;
	return sk;
}

SEC("iter/task_file")
int on_listener(struct bpf_iter__task_file *ctx)
{
	PROBE_BODY({
		struct sock *sk = tcp_socket(ctx->file);
		struct task_struct *task = ctx->task;

		if (sk && task && sk->__sk_common.skc_state == TCP_LISTEN)
			keep_listener(sk, task);
	});
}

SEC("iter/task_file")
int on_adopt(struct bpf_iter__task_file *ctx)
{
	PROBE_BODY({
		struct sock *sk = tcp_socket(ctx->file);
		struct task_struct *task = ctx->task;
		struct listener key;

		if (!task)
			searched = READ_ONCE(targets.chosen) + 1;	/* told of the end */
		if (!sk || !task ||
		    (sk->__sk_common.skc_state != TCP_ESTABLISHED && sk->__sk_common.skc_state != TCP_CLOSE_WAIT))
			return 0;
		key = listener_of(sk);
		if (bpf_map_lookup_elem(&listeners, &key))
			adopt(sk, task);
	});
}
