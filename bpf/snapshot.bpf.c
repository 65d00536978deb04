/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The flushes that are still on their way, told without waiting for them: read by the daemon, in its own context. */
#include "flush.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
};

#pragma clang attribute pop

struct snapshot_context {
	struct sock *sk;
	struct tcp_sock *tp;
	struct socket_state *state;
	__u64 now;
	__u32 first;
	__u32 next;
};

static long tell_outstanding(__u32 turn, struct snapshot_context *context)
{
	struct socket_state *state = context->state;
	__u32 number = context->first + turn;
	struct flush_slot slot;

	if ((__s32)(context->next - number) <= 0)
		return 1;
	slot = state->slots[number % EV_FLUSH_SLOTS];	/* a copy: the socket goes on meanwhile */
	if (!(slot.flags & SLOT_DONE)) {
		slot.exit_ns = context->now;
		slot.seq_end = context->tp->write_seq;
		slot.blocked_ns += state->call_blocked_ns + (state->waiting_ns ? context->now - state->waiting_ns : 0);
		if (!state->waiting_ns)
			slot.send_ns += context->now - state->call_ns;
		slot.writes += !state->call_told;
	} else if (number + 1 == context->next && state->refused_ns) {
		/* Since it was refused, a non-blocking writer waits outside any call. */
		slot.blocked_ns += context->now - state->refused_ns;
		slot.exit_ns = context->now;
	}
	slot.queued_bytes = context->sk->sk_wmem_queued;
	slot.unsent_bytes = context->tp->write_seq - context->tp->snd_nxt;
	slot.unacked_bytes = context->tp->snd_nxt - context->tp->snd_una;
	emit_flush(context->sk, context->tp, state, &slot, context->now, EV_F_OUTSTANDING);
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int on_snapshot(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	PROBE_BODY({
		struct snapshot_context context = {};
		struct sock *sk = ctx->sk;
		struct socket_state *state;

		if (!sk)
			return 0;
		state = bpf_sk_storage_get(&sockets, sk, 0, 0);	/* ctx->value is a buffer without a known layout */
		if (!state || !state->owner_pid || state->ignored)
			return 0;
		context.tp = bpf_skc_to_tcp_sock(sk);
		if (!context.tp)
			return 0;
		context.sk = sk;
		context.state = state;
		context.now = bpf_ktime_get_ns();
		context.first = READ_ONCE(state->first);
		context.next = READ_ONCE(state->next);
		bpf_loop(EV_FLUSH_SLOTS, tell_outstanding, &context, 0);
	});
}
