/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Several writers of one socket. A call that waits for room gives the socket lock away, and others come between its bytes:
 * the flush of what it handed over so far ends there, and what it hands over later is a flush that counts no further call.
 * And a call that is over may not have come as far as sock_send_length when the next one has the lock.
 */
#include "flush.bpf.h"

/* Calls of one socket that are remembered while they wait; a further one counts anew when it goes on. */
#define PARKED_CALLS 8
/* How often a writer looks whether the call before it is ended: a few microseconds, and the end takes one. */
#define PATIENCE 1000

/* A call that waits, or that was not begun here because the one before it was not ended. */
struct parked_call {
	__u64 since_ns;
	__u64 tail;
	__u32 thread;		/* 0: free */
	__u32 told_bytes;	/* 0: none, it was not begun */
	__u32 left_bytes;
	__u32 tail_known;
};

struct parked_calls {
	struct parked_call calls[PARKED_CALLS];
};

/* Added to under the socket lock, emptied by the thread whose call it is. Apart, because few sockets have several writers. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct parked_calls);
} parked_calls SEC(".maps");

static __always_inline struct parked_call *parked_by(struct parked_calls *parked, __u32 thread)
{
	for (__u32 i = 0; i < PARKED_CALLS; i++)
		if (READ_ONCE(parked->calls[i].thread) == thread)
			return &parked->calls[i];
	return NULL;
}

static __always_inline void release(struct socket_state *state, struct parked_call *call)
{
	WRITE_ONCE(call->thread, 0);
	__sync_fetch_and_sub(&state->parked, 1);
}

static __always_inline struct parked_call *remember_call(struct sock *sk, struct socket_state *state, __u32 thread,
							 __u32 told, __u32 left, __u64 now)
{
	struct parked_calls *parked = bpf_sk_storage_get(&parked_calls, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	struct parked_call *call = parked ? parked_by(parked, 0) : NULL;

	if (!call)
		return NULL;
	call->since_ns = now;
	call->tail = state->call_tail;
	call->tail_known = told && state->call_tail_known;
	call->told_bytes = told;
	call->left_bytes = left;
	WRITE_ONCE(call->thread, thread);
	__sync_fetch_and_add(&state->parked, 1);
	return call;
}

static long is_ended(__u32 turn, struct socket_state **state)
{
	return !READ_ONCE((*state)->call_thread);
}

/* Its own thread is just ending it, on another CPU. False: it does not get done (an interrupt came between). */
static __always_inline bool wait_for_end(struct socket_state *state)
{
	bpf_loop(PATIENCE, is_ended, &state, 0);
	return !READ_ONCE(state->call_thread);
}

/* Takes the call in progress from `thread`, which waits in it or is about to leave it, and closes its flush. */
static __always_inline bool park_call(struct sock *sk, struct socket_state *state, struct tcp_sock *tp, __u32 thread)
{
	__u32 taken = tp->write_seq - state->call_seq;
	bool waits = state->waiting_ns && taken < state->call_bytes;
	__u64 now = bpf_ktime_get_ns(), blocked = state->call_blocked_ns, refused_ns = 0;
	struct parked_call *call = NULL;

	if (thread == CALL_ENDING)
		return wait_for_end(state);
	if (taken && taken < state->call_bytes)
		call = remember_call(sk, state, thread, state->call_told + taken, state->call_bytes - taken, now);
	if (__sync_val_compare_and_swap(&state->call_thread, thread, 0) != thread) {
		if (call)
			release(state, call);
		return wait_for_end(state);
	}
	if (waits) {
		blocked += now - state->waiting_ns;
	} else if (has_layer(sk)) {	/* a kernel thread's, of which no end is told: it pushes a record's rest and does not wait */
		now = state->call_ns;
		refused_ns = state->refused_ns ? now : 0;
	}
	if (taken) {
		close_flush(sk, state, tp, taken, blocked, now);
		state->refused_ns = refused_ns;
	} else {
		if (waits && !state->refused_ns)
			state->refused_ns = state->call_ns;
		withdraw_call(sk, state, 0);
	}
	forget_call(state);
	return true;
}

/* The thread goes on with a call that others came between; `bytes` 0: as many as it had left. False: it begins one. */
static __always_inline bool resume_call(struct sock *sk, struct socket_state *state, struct tcp_sock *tp, __u32 bytes,
					__u32 thread)
{
	struct flush_slot *last = &state->slots[(state->next - 1) % EV_FLUSH_SLOTS];
	struct parked_calls *parked = bpf_sk_storage_get(&parked_calls, sk, 0, 0);
	struct parked_call *call = parked ? parked_by(parked, thread) : NULL;
	__u64 now = bpf_ktime_get_ns();

	if (!call)
		return false;
	state->call_told = call->told_bytes;
	state->call_tail = call->tail;
	state->call_tail_known = call->tail_known;
	/* It has waited since, but for what others handed over: that is told by their flushes. */
	if (!state->refused_ns)
		state->refused_ns = call->since_ns > last->exit_ns ? call->since_ns : last->exit_ns;
	if (!bytes)
		bytes = call->left_bytes;
	release(state, call);
	if (bytes != call->left_bytes) {	/* its end was not seen */
		forget_call(state);
		return false;
	}
	state->call_seq = tp->write_seq;
	state->call_bytes = bytes;
	state->call_ns = now;
	WRITE_ONCE(state->call_thread, thread);
	state->begins_head = 0;
	open_slot(state, tp, now)->pid = bpf_get_current_pid_tgid() >> 32;
	note_room(sk, state, tp, now);
	return true;
}

/* Another thread's call is in progress, or calls are parked. True: `thread` begins a call; else there is nothing to begin. */
static __noinline bool come_between(struct sock *sk, struct socket_state *state, struct tcp_sock *tp, __u32 bytes,
				    __u32 thread)
{
	__u32 other = READ_ONCE(state->call_thread);

	if (other && !park_call(sk, state, tp, other)) {
		remember_call(sk, state, thread, 0, bytes, 0);
		return false;
	}
	return !state->parked || !resume_call(sk, state, tp, bytes, thread);
}

/* The thread waited for memory, and has the lock again: others may have come between. */
static __noinline void go_on(struct sock *sk, struct socket_state *state, struct tcp_sock *tp, __u32 thread)
{
	struct parked_calls *parked = bpf_sk_storage_get(&parked_calls, sk, 0, 0);
	__u32 other = READ_ONCE(state->call_thread);

	if (parked && parked_by(parked, thread) && (!other || park_call(sk, state, tp, other)))
		resume_call(sk, state, tp, 0, thread);
}

/* The thread's call returned after others came between, and without handing over more; or it was not begun. */
static __noinline void leave_parked(struct sock *sk, struct socket_state *state, int ret, __u32 thread)
{
	struct parked_calls *parked = bpf_sk_storage_get(&parked_calls, sk, 0, 0);
	struct parked_call *call = parked ? parked_by(parked, thread) : NULL;

	if (!call)
		return;
	if (ret > 0 && !call->told_bytes)
		__sync_fetch_and_add(&state->uncounted, 1);
	release(state, call);
}
