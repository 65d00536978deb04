/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The send call. Two backends share what is here: `tracepoint` enters at the first firing of tcp_sendmsg_locked (it fires
 * once per turn of the copy loop, under the socket lock) and leaves at sock_send_length; `fentry` (functions.bpf.c) enters and
 * leaves with the function tcp_sendmsg_locked() itself.
 */
#include "flush.bpf.h"
#include "payload.bpf.h"

static bool come_between(struct sock *sk, struct socket_state *state, struct tcp_sock *tp, __u32 bytes, __u32 thread);
static void leave_parked(struct sock *sk, struct socket_state *state, int ret, __u32 thread);

/* sk_stream_memory_free() is false: the next new segment makes the caller wait, or fails with EAGAIN. */
static __always_inline bool is_full(struct sock *sk, struct tcp_sock *tp)
{
	__u32 lowat = tp->notsent_lowat;

	return sk->sk_wmem_queued >= sk->sk_sndbuf || (lowat && tp->write_seq - tp->snd_nxt >= lowat);
}

/*
 * Under pressure the newest flush takes the call in, so that about EV_FLUSH_SLOTS even shares cover what is outstanding. The
 * first flush after a read, or with a head, is left apart as long as there is room; then EV_HEAD tells where to divide.
 */
static __always_inline bool must_merge(struct socket_state *state, struct flush_slot *newest, __u32 used, __u32 seq)
{
	__u32 outstanding = seq - READ_ONCE(state->acked_seq);

	if (used >= EV_FLUSH_SLOTS)
		return true;
	return !state->after_read && !state->begins_head && used >= EV_FLUSH_SLOTS / 2 &&
	       newest->seq_end - newest->seq_start < outstanding / (EV_FLUSH_SLOTS / 2);
}

static __always_inline struct flush_slot *open_slot(struct socket_state *state, struct tcp_sock *tp, __u64 now)
{
	__u32 next = state->next, used = next - READ_ONCE(state->first);
	struct flush_slot *newest = &state->slots[(next - 1) % EV_FLUSH_SLOTS];
	struct flush_slot *slot = &state->slots[next % EV_FLUSH_SLOTS];

	if (used && must_merge(state, newest, used, state->call_seq)) {
		newest->flags &= ~SLOT_DONE;
		return newest;
	}
	state->next = next + 1;
	slot->seq_start = state->call_seq;
	slot->first_enter_ns = now;
	slot->flags = 0;
	slot->writes = 0;
	slot->send_ns = 0;
	slot->blocked_ns = 0;
	slot->untold_bytes = 0;
	slot->rwnd_before_jiffies = limited_jiffies(tp, CHRONO_RWND_LIMITED);
	slot->enter_ns = now;
	slot->late_ack_ns = 0;
	slot->queue_ns = 0;
	slot->xmit_ns = 0;
	slot->driver_ns = 0;
	slot->seq_end = state->call_seq + state->call_bytes;
	return slot;
}

/* The marks of a flush are those of its last send call: a merged one begins anew on its way. */
static __always_inline void merge_call(struct socket_state *state, struct flush_slot *slot)
{
	__u32 number = state->next - 1;
	struct ev_counters *counter = count();

	slot->enter_ns = state->call_ns;
	slot->late_ack_ns = 0;
	slot->queue_ns = 0;
	slot->xmit_ns = 0;
	slot->driver_ns = 0;
	if ((__s32)(READ_ONCE(state->unstamped) - number) > 0)
		WRITE_ONCE(state->unstamped, number);
	if ((__s32)(state->unhanded - number) > 0)
		state->unhanded = number;
	if (counter)
		add_one(&counter->merged);
}

/* The call took nothing: a slot of its own is withdrawn, a merged one goes on with what it had. */
static __always_inline void withdraw_call(struct sock *sk, struct socket_state *state, int ret)
{
	struct flush_slot *slot = &state->slots[(state->next - 1) % EV_FLUSH_SLOTS];

	if (ret == -EAGAIN && !state->refused_ns)
		state->refused_ns = state->call_ns;
	/* call_tail is not what lies before the next call any more, but its end, where that tries the same again */
	state->tail_seq = state->call_seq + (state->call_tail_known ? state->call_bytes : -1);
	if (state->begins_head)	/* the next attempt brings the head again */
		state->want_head++;
	if (slot->enter_ns == state->call_ns) {
		state->next--;
		return;
	}
	__sync_fetch_and_or(&slot->flags, SLOT_DONE);
	if (seq_reached(READ_ONCE(state->acked_seq), slot->seq_end))
		drain(sk, state, 0, 0);
}

/* The call in progress took `taken` bytes, the last of them by `now`: they are a flush, or the end of one. */
static __always_inline void close_flush(struct sock *sk, struct socket_state *state, struct tcp_sock *tp, __u32 taken,
					__u64 blocked, __u64 now)
{
	struct flush_slot *slot = &state->slots[(state->next - 1) % EV_FLUSH_SLOTS];
	__u64 took = now - state->call_ns;
	__u32 flags = slot->flags;

	if (state->refused_ns)
		slot->blocked_ns += state->call_ns - state->refused_ns;
	slot->exit_ns = now;
	slot->send_ns += took > blocked ? took - blocked : 0;
	slot->blocked_ns += blocked;
	slot->seq_end = state->call_seq + taken;
	slot->queued_bytes = sk->sk_wmem_queued;
	slot->unsent_bytes = tp->write_seq - tp->snd_nxt;
	slot->unacked_bytes = tp->snd_nxt - tp->snd_una;
	slot->writes += !state->call_told;
	if (state->uncounted) {
		flags |= EV_F_MERGED;
		slot->writes += __sync_lock_test_and_set(&state->uncounted, 0);
	}
	if (slot->enter_ns != state->call_ns) {
		flags |= EV_F_MERGED;
		merge_call(state, slot);
	}
	/* Only now it is sure that these bytes were taken; after a short send the end that was read is not the flush's. */
	slot->tail = state->call_tail;
	flags &= ~EV_F_TAIL_UNREAD;
	if (taken < state->call_bytes || !state->call_tail_known)
		flags |= EV_F_TAIL_UNREAD;
	if (state->call_tail_known)
		state->tail_seq = state->call_seq + state->call_bytes;
	if (tp->packets_out >= tp->snd_cwnd)
		flags |= EV_F_CWND_LIMITED;
	if (sk->sk_tsq_flags & 1)	/* TSQ_THROTTLED, enum tsq_enum */
		flags |= EV_F_DEVICE_LIMITED;
	if (state->after_read) {
		flags |= EV_F_AFTER_READ;
		slot->untold_bytes += state->untold_bytes;
		state->untold_bytes = 0;
		state->after_read = 0;
	}
	if (state->begins_head)
		flags |= EV_F_HEAD_TOLD;
	slot->flags = flags;
	if (seq_reached(READ_ONCE(state->xmit_seq), slot->seq_end)) {
		slot->queue_ns = state->xmit_queue_ns;
		slot->xmit_ns = state->xmit_ns;
	}
	if (state->handed_ns && seq_reached(state->handed_seq, slot->seq_end))
		slot->queue_ns = state->handed_ns;
	__sync_fetch_and_or(&slot->flags, SLOT_DONE);	/* a full barrier: then acked_seq is read */
	if (seq_reached(READ_ONCE(state->acked_seq), slot->seq_end))
		drain(sk, state, 0, 0);
}

static __always_inline void forget_call(struct socket_state *state)
{
	state->call_blocked_ns = 0;
	state->waiting_ns = 0;
	state->call_told = 0;
}

/* Kernel TLS, or another layer between the call and TCP: it returns what the caller gave, and writes its own records. */
static __always_inline bool has_layer(struct sock *sk)
{
	return BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_ulp_ops) != NULL;
}

static __always_inline void end_call(struct sock *sk, struct socket_state *state, int ret, __u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__u32 taken = ret > 0 ? ret - state->call_told : 0;
	__u32 written = tp ? tp->write_seq - state->call_seq : taken;
	__u64 blocked = state->call_blocked_ns;

	if (taken != written) {
		if (has_layer(sk))
			taken = written;
		else if (taken > state->call_bytes)	/* its beginning was not seen */
			taken = state->call_bytes;
	}
	if (state->waiting_ns && task->nvcsw != state->switches)
		blocked += now - state->waiting_ns;
	if (tp && taken) {
		close_flush(sk, state, tp, taken, blocked, now);
		state->refused_ns = taken < state->call_bytes || ret < 0 ? now : 0;
	} else {
		withdraw_call(sk, state, ret > 0 ? -EAGAIN : ret);
	}
	forget_call(state);
	WRITE_ONCE(state->call_thread, 0);
}

/* Each turn of the copy loop after the first: did the caller wait for memory since the last one? */
static __always_inline void next_turn(struct sock *sk, struct socket_state *state, struct tcp_sock *tp)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool full = is_full(sk, tp);
	__u64 now;

	if (!state->waiting_ns && !full)
		return;
	now = bpf_ktime_get_ns();
	if (state->waiting_ns && task->nvcsw != state->switches)
		state->call_blocked_ns += now - state->waiting_ns;
	state->waiting_ns = full ? now : 0;
	state->switches = task->nvcsw;
}

/* Without room the call may wait from now on; a hook on the wait itself says so better. */
static __always_inline void note_room(struct sock *sk, struct socket_state *state, struct tcp_sock *tp, __u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!(settings.hooks & EV_HOOK_WAIT) && is_full(sk, tp)) {
		state->waiting_ns = now;
		state->switches = task->nvcsw;
	}
}

/* `msg`: NULL where the call has pages and no message. `now`: when it was entered. */
static __always_inline void begin_call(struct sock *sk, struct socket_state *state, struct tcp_sock *tp,
				       const struct msghdr *msg, __u32 bytes, __u32 thread, __u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct call_data data = {};
	struct call_end end = {};
	struct flush_slot *slot;

	if (!used_by_current(sk, state, now))
		return;
	state->call_seq = tp->write_seq;
	state->call_bytes = bytes;
	state->call_ns = now;
	WRITE_ONCE(state->call_thread, thread);
	/* Outside ESTABLISHED no tracepoint sees the ACK: it is noticed here. */
	if (sk->__sk_common.skc_state != TCP_ESTABLISHED && tp->snd_una != state->acked_seq)
		acknowledged(sk, state, tp->snd_una, now, EV_F_ACK_LATE);
	if (msg)
		find_data(&msg->msg_iter, &data);
	/* What cannot be read is the head, or its beginning, only in the first call. */
	state->begins_head = state->want_head > !data.first || look_at(&data, &end, true);
	if (state->want_head)
		state->want_head--;
	slot = open_slot(state, tp, now);
	slot->pid = task->tgid;
	if (state->begins_head)
		read_head(state, &data, &end);
	if (!end.is_known)
		look_at(&data, &end, false);
	/* Of a call that is shorter than the tail, the rest of it came before; or the call is the rest of one, with the same end. */
	if (data.bytes < EV_TAIL_BYTES && state->tail_seq == state->call_seq)
		end.tail |= state->call_tail >> (8 * data.bytes);
	else if (data.bytes < EV_TAIL_BYTES && state->tail_seq == state->call_seq + data.bytes)
		end.tail = state->call_tail;
	state->call_tail = end.tail;
	state->call_tail_known = end.is_known;
	if ((!state->begins_head || data.bytes > EV_RESPONSE_HEAD_BYTES) && may_end_chunks(&data, &end))
		read_ending(state, &data);
	if ((end.tail >> 32) == 0x0a0d0a0d)	/* CRLF CRLF: a head that ends with its call */
		state->want_head = 0;
	else if (end.begins_lines)
		state->want_head = HEAD_LINES;
	note_room(sk, state, tp, now);
}

SEC("?tp_btf/tcp_sendmsg_locked")
int BPF_PROG(on_send, struct sock *sk, struct msghdr *msg)
{
	PROBE_BODY({
		struct socket_state *state = traced(sk);
		struct tcp_sock *tp = state ? bpf_skc_to_tcp_sock(sk) : NULL;
		__u32 thread = bpf_get_current_pid_tgid();
		__u32 other;

		if (!tp)
			return 0;
		other = READ_ONCE(state->call_thread);
		if (other == thread)
			next_turn(sk, state, tp);
		else if (!(other | state->parked) || come_between(sk, state, tp, msg->msg_iter.count, thread))
			begin_call(sk, state, tp, msg, msg->msg_iter.count, thread, bpf_ktime_get_ns());
	});
}

/* The thread's call returned: it ends what is in progress, or what others came between. */
static __always_inline void leave_call(struct sock *sk, struct socket_state *state, int ret)
{
	__u32 thread = bpf_get_current_pid_tgid();

	/* The tracepoint's place is behind the socket lock: another writer may take the call over in the same moment. */
	if (state->call_thread == thread &&
	    __sync_val_compare_and_swap(&state->call_thread, thread, CALL_ENDING) == thread)
		end_call(sk, state, ret, bpf_ktime_get_ns());
	else if (READ_ONCE(state->parked))
		leave_parked(sk, state, ret, thread);
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(on_sent, struct sock *sk, int ret, int flags)
{
	PROBE_BODY({
		struct socket_state *state;

		if (sk->sk_protocol != IPPROTO_TCP)
			return 0;
		state = traced(sk);
		if (state)
			leave_call(sk, state, ret);
	});
}
