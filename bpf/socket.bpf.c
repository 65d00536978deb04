/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A connection's life: when it is accepted by a listener, who uses it, how it ends. */
#include "flush.bpf.h"
#include "target.bpf.h"

static __always_inline void forget(struct sock *sk);

struct listener {
	__u32 netns;
	__u32 port;
};

/* Who listens: a connection that nobody has accepted has no other process. */
struct listening {
	__u64 start_ns;
	__u64 cgroup;
	__u32 pid;	/* 0: it is not a target */
	__u32 judged;	/* number of the target by which it is one */
	__u8 comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct listener);
	__type(value, struct listening);
} listeners SEC(".maps");

static __always_inline struct listener listener_of(struct sock *sk)
{
	struct listener key = {
		.netns = sk->__sk_common.skc_net.net->ns.inum,
		.port = sk->__sk_common.skc_num,
	};

	return key;
}

static __always_inline void keep_listener(struct sock *sk, struct task_struct *task)
{
	struct listener key = listener_of(sk);
	struct listening listening = {};
	__u32 target = READ_ONCE(targets.chosen);

	listening.judged = target;
	if (is_target_process(target, task)) {
		listening.start_ns = task->group_leader->start_boottime;
		listening.cgroup = task->cgroups->dfl_cgrp->kn->id;
		listening.pid = task->tgid;
		bpf_probe_read_kernel(listening.comm, sizeof(listening.comm), &task->group_leader->comm);
	}
	bpf_map_update_elem(&listeners, &key, &listening, 0);
}

static __always_inline void fill_addresses(struct ev_socket *record, struct sock *sk)
{
	record->family = sk->__sk_common.skc_family;
	record->local_port = sk->__sk_common.skc_num;
	record->remote_port = bpf_ntohs(sk->__sk_common.skc_dport);
	record->state = sk->__sk_common.skc_state;
	if (record->family == AF_INET6) {
		bpf_probe_read_kernel(record->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(record->remote, 16, &sk->__sk_common.skc_v6_daddr);
	} else {
		__builtin_memset(record->local, 0, 16);
		__builtin_memset(record->remote, 0, 16);
		*(__u32 *)record->local = sk->__sk_common.skc_rcv_saddr;
		*(__u32 *)record->remote = sk->__sk_common.skc_daddr;
	}
}

/* Tells who uses the socket; false: there was no room to tell it. */
static __always_inline bool tell_socket(struct sock *sk, struct socket_state *state, struct task_struct *task, __u64 cgroup,
					__u32 flags, __u64 now)
{
	struct ev_socket *record = reserve(state, EV_SOCKET, sizeof(*record));

	if (!record)
		return false;
	fill_header(&record->header, state, EV_SOCKET, sizeof(*record), flags, now);
	record->established_ns = state->established_ns;
	record->process_start_ns = task->group_leader->start_boottime;
	record->cgroup = cgroup;
	record->pid = task->tgid;
	record->netns = sk->__sk_common.skc_net.net->ns.inum;
	fill_addresses(record, sk);
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), &task->group_leader->comm);
	submit(record);
	state->owner_pid = task->tgid;
	return true;
}

/*
 * In the context of a process that reads from or sends to the socket: is it a target, and does the daemon know it?
 * False: nothing more is to be done for this call.
 */
static __always_inline bool used_by_current(struct sock *sk, struct socket_state *state, __u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 target;

	if (state->owner_pid == (__u32)task->tgid)
		return true;
	if (state->owner_pid && task->flags & PF_KTHREAD)	/* kernel TLS pushes what a process gave it */
		return true;
	target = READ_ONCE(targets.chosen);
	if (!is_target(target, sk, task)) {
		struct ev_counters *counter = count();

		if (state->owner_pid)	/* a target's connection: what another process sends on it counts too */
			return true;
		state->ignored = 1;
		if (counter)
			add_one(&counter->ignored);
		forget(sk);
		return false;
	}
	state->judged = target;
	/* Where there is no room, it is asked again at the next call. */
	tell_socket(sk, state, task, bpf_get_current_cgroup_id(), state->adopted && !state->owner_pid ? EV_F_ADOPTED : 0, now);
	return true;
}

/* The storage of a socket that is to be followed; NULL: the limit is reached, or there is no memory. */
static __always_inline struct socket_state *follow(struct sock *sk)
{
	struct socket_state *state = NULL;

	if (READ_ONCE(followed) < settings.socket_limit)
		state = bpf_sk_storage_get(&sockets, sk, &unready, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state)
		return NULL;
	__sync_fetch_and_add(&followed, 1);
	state->port = sk->__sk_common.skc_num;
	return state;
}

static __always_inline void count_untracked(void)
{
	struct ev_counters *counter = count();

	if (counter)
		add_one(&counter->untracked);
}

/* A subflow of MPTCP is written and read through another socket. A client that does not speak it gets plain TCP. */
static __always_inline bool is_subflow(struct tcp_sock *tp)
{
	struct ev_counters *counter;

	if (!bpf_core_field_exists(tp->is_mptcp) || !tp->is_mptcp)
		return false;
	counter = count();
	if (counter)
		add_one(&counter->untracked_mptcp);
	return true;
}

static __always_inline void begin_connection(struct sock *sk)
{
	__u32 target = READ_ONCE(targets.chosen);
	struct socket_state *state;
	struct tcp_sock *tp;

	if (!is_port(target, sk->__sk_common.skc_num))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || is_subflow(tp))
		return;
	state = follow(sk);
	if (!state)
		return count_untracked();
	state->judged = target;
	state->established_ns = bpf_ktime_get_ns();
	state->looked_ns = state->established_ns;
	state->unread_seq = tp->copied_seq;
	state->acked_seq = tp->write_seq;
	state->xmit_seq = tp->write_seq;
	state->cookie = bpf_get_socket_cookie(sk);
	state->ignored = 0;
}

/* With TCP Fast Open the server may have read and answered before this: request_read() has begun it then. */
static __always_inline void established(struct sock *sk)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, 0, 0);
	struct tcp_sock *tp = state ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (tp)
		acknowledged(sk, state, tp->snd_una, bpf_ktime_get_ns(), 0);
	else
		begin_connection(sk);
}

/*
 * Closed by the peer's RST, or by giving up: its process may hold the descriptor for as long as it likes, and no table of the
 * kernel lists it any more. Without an error it is the process that closes (the descriptor is there until that is done).
 */
static __always_inline bool is_held(struct sock *sk)
{
	return sk->sk_err && sk->sk_socket;
}

static __always_inline void change_state(struct sock *sk, int old_state, int new_state)
{
	/* Not by traced(): a closed socket has given its port back before this fires (tcp_set_state(), inet_put_port()). */
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, 0, 0);
	struct tcp_sock *tp;
	struct ev_state *record;
	__u64 now;

	if (!state || state->ignored || !state->owner_pid)
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || ((settings.hooks & EV_HOOK_SPARES) && state->told_state == (__u32)new_state))
		return;
	state->told_state = new_state;
	now = bpf_ktime_get_ns();
	/* FIN_WAIT2 and the end of LAST_ACK are reached by an ACK of everything: tcp_rcv_state_process(). */
	if (new_state == TCP_FIN_WAIT2 || (new_state == TCP_CLOSE && !sk->sk_err && tp->snd_una == tp->write_seq))
		acknowledged(sk, state, tp->write_seq, now, 0);
	if (new_state == TCP_CLOSE)
		drain(sk, state, 0, now);
	record = reserve(state, EV_STATE, sizeof(*record));
	if (!record)
		return;
	fill_header(&record->header, state, EV_STATE, sizeof(*record), new_state == TCP_CLOSE && is_held(sk) ? EV_F_HELD : 0, now);
	record->old_state = old_state;
	record->new_state = new_state;
	record->error = sk->sk_err;
	record->unacked_bytes = tp->write_seq - tp->snd_una;
	submit(record);
}

static __always_inline void unfollow(void)
{
	if (READ_ONCE(followed))
		__sync_fetch_and_sub(&followed, 1);
}

/* Nothing comes after it. */
static __always_inline void forget(struct sock *sk)
{
	if (!bpf_sk_storage_delete(&sockets, sk))
		unfollow();
}

/* Of a held socket the samples tell, and nothing else; it goes with its descriptor, so it is not counted any more. */
static __always_inline void leave(struct sock *sk)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, 0, 0);

	if (!state || state->held)
		return;
	if (state->ignored || !state->owner_pid || !is_held(sk))
		return forget(sk);
	state->held = 1;
	state->ignored = 1;
	unfollow();
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int old_state, int new_state)
{
	PROBE_BODY({
		if (sk->sk_protocol != IPPROTO_TCP)
			return 0;
		if (new_state == TCP_LISTEN) {
			keep_listener(sk, bpf_get_current_task_btf());
		} else if (new_state == TCP_ESTABLISHED) {
			if (old_state == TCP_SYN_RECV)
				established(sk);
		} else if (new_state == TCP_CLOSE_WAIT || new_state == TCP_FIN_WAIT1 || new_state == TCP_FIN_WAIT2 ||
			   new_state == TCP_CLOSE) {
			change_state(sk, old_state, new_state);
			if (new_state == TCP_CLOSE)
				leave(sk);
		}
	});
}
