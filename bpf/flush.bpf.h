/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Outstanding flushes of a socket: from the slot to the record. */
#ifndef TAILRACE_FLUSH_BPF_H
#define TAILRACE_FLUSH_BPF_H

#include "state.bpf.h"
#include "driver.bpf.h"

#define CHRONO_RWND_LIMITED 2	/* enum tcp_chrono */
#define CHRONO_SNDBUF_LIMITED 3

/* tcp_sock.chrono_stat of one kind, the running part included: tcp_get_info_chrono_stats(), net/ipv4/tcp.c. */
static __always_inline __u32 limited_jiffies(struct tcp_sock *tp, __u8 kind)
{
	__u32 sum = kind == CHRONO_RWND_LIMITED ? tp->chrono_stat[1] : tp->chrono_stat[2];

	if (BPF_CORE_READ_BITFIELD(tp, chrono_type) == kind)
		sum += (__u32)bpf_jiffies64() - tp->chrono_start;
	return sum;
}

static __always_inline void fill_flush(struct ev_flush *record, struct sock *sk, struct tcp_sock *tp,
				       struct socket_state *state, struct flush_slot *slot)
{
	__u64 queue_ns = slot->queue_ns, xmit_ns = slot->xmit_ns, driver_ns = slot->driver_ns;

	if (!xmit_ns && seq_reached(state->xmit_seq, slot->seq_end)) {
		queue_ns = queue_ns ? queue_ns : state->xmit_queue_ns;
		xmit_ns = state->xmit_ns;
	}
	if (!driver_ns && xmit_ns)
		driver_ns = driver_return(state, xmit_ns);
	record->first_enter_ns = slot->first_enter_ns;
	record->enter_ns = slot->enter_ns;
	record->exit_ns = slot->exit_ns;
	record->queue_ns = queue_ns;
	record->xmit_ns = xmit_ns;
	record->send_ns = slot->send_ns;
	record->blocked_ns = slot->blocked_ns;
	record->driver_ns = driver_ns;
	record->seq_start = slot->seq_start;
	record->seq_end = slot->seq_end;
	record->writes = slot->writes;
	record->queued_bytes = slot->queued_bytes;
	record->unsent_bytes = slot->unsent_bytes;
	record->unacked_bytes = slot->unacked_bytes;
	record->sndbuf_bytes = sk->sk_sndbuf;
	record->srtt_us = tp->srtt_us >> 3;
	record->retransmits = tp->total_retrans;
	record->rwnd_limited_jiffies = limited_jiffies(tp, CHRONO_RWND_LIMITED);
	record->sndbuf_limited_jiffies = limited_jiffies(tp, CHRONO_SNDBUF_LIMITED);
	record->rwnd_before_jiffies = slot->rwnd_before_jiffies;
	record->cwnd = tp->snd_cwnd;
	record->snd_wnd = tp->snd_wnd;
	record->pid = slot->pid;
	record->untold_bytes = slot->untold_bytes;
	*(__u64 *)record->tail = slot->tail;
}

static __always_inline void make_flush(struct ev_flush *record, struct sock *sk, struct tcp_sock *tp,
				       struct socket_state *state, struct flush_slot *slot, __u64 ack_ns, __u32 flags)
{
	flags |= slot->flags & ~SLOT_DONE;
	if (state->loopback)
		flags |= EV_F_LOOPBACK;
	if (state->paced && !(settings.hooks & EV_HOOK_HAND_OVER))
		flags |= EV_F_PACED;
	fill_header(&record->header, state, EV_FLUSH, sizeof(*record), flags, ack_ns);
	fill_flush(record, sk, tp, state, slot);
	record->ack_ns = flags & EV_F_ACKED ? ack_ns : 0;
}

static __always_inline void emit_flush(struct sock *sk, struct tcp_sock *tp, struct socket_state *state,
				       struct flush_slot *slot, __u64 ack_ns, __u32 flags)
{
	struct ev_flush *record = reserve(state, EV_FLUSH, sizeof(*record));

	if (!record)
		return;
	make_flush(record, sk, tp, state, slot, ack_ns, flags);
	submit(record);
}

/* A call that has not returned yet, as far as it has come: the connection ended with its caller inside, or it is looked at. */
static __always_inline void close_call(struct socket_state *state, struct tcp_sock *tp, struct flush_slot *slot, __u64 now)
{
	slot->exit_ns = now;
	slot->seq_end = tp->write_seq;
	slot->blocked_ns += state->call_blocked_ns + (state->waiting_ns ? now - state->waiting_ns : 0);
	slot->writes += slot->seq_end != state->call_seq && !state->call_told;
}

struct drain_context {
	struct sock *sk;
	struct tcp_sock *tp;
	struct socket_state *state;
	__u64 now;	/* for flushes that are given up; 0: only acknowledged ones go */
	__u32 flags;
	__u32 asked;
};

/* Makes the record of the oldest flush, if it is due. False: none is. */
static __always_inline bool drain_oldest(struct drain_context *context)
{
	struct socket_state *state = context->state;
	__u32 number = state->first;
	struct flush_slot *slot = &state->slots[number % EV_FLUSH_SLOTS];
	bool is_returned = READ_ONCE(slot->flags) & SLOT_DONE, is_acknowledged;
	__u64 ack_ns = slot->late_ack_ns;

	if (number == READ_ONCE(state->next))
		return false;
	is_acknowledged = is_returned && seq_reached(READ_ONCE(state->acked_seq), slot->seq_end);
	if (!is_acknowledged && !context->now)
		return false;
	if (!is_returned) {	/* the connection ended with its caller still inside */
		close_call(state, context->tp, slot, context->now);
		WRITE_ONCE(state->call_thread, 0);
	}
	if (!is_acknowledged)
		emit_flush(context->sk, context->tp, state, slot, context->now, 0);
	else if (ack_ns)
		emit_flush(context->sk, context->tp, state, slot, ack_ns, EV_F_ACK_LATE | EV_F_ACKED);
	else
		emit_flush(context->sk, context->tp, state, slot, state->acked_ns, context->flags | EV_F_ACKED);
	WRITE_ONCE(state->first, number + 1);
	return true;
}

/* One turn of the drain; 1 ends it. The loop is bpf_loop()'s, so that the verifier walks through it once. */
static long drain_turn(__u32 turn, struct drain_context *context)
{
	struct socket_state *state = context->state;

	if (drain_oldest(context))
		return 0;
	if (__sync_val_compare_and_swap(&state->draining, context->asked, 0) == context->asked)
		return 1;
	context->asked = READ_ONCE(state->draining);
	return 0;
}

/*
 * Turns flushes that are returned and acknowledged into records, oldest first; with `now`, at the connection's end, the
 * others too. It is asked for by the ACK (softirq) and by the return of a send call whose bytes were acknowledged meanwhile;
 * both may come at once on two CPUs. The first runs it; the other only adds to `draining`, and the first looks again: order
 * holds and nothing is made twice.
 */
static __always_inline void drain(struct sock *sk, struct socket_state *state, __u32 flags, __u64 now)
{
	struct drain_context context = { .sk = sk, .state = state, .now = now, .flags = flags };

	context.tp = bpf_skc_to_tcp_sock(sk);
	if (!context.tp || __sync_fetch_and_add(&state->draining, 1))
		return;
	context.asked = 1;
	if (bpf_loop(2 * EV_FLUSH_SLOTS, drain_turn, &context, 0) == 2 * EV_FLUSH_SLOTS)
		WRITE_ONCE(state->draining, 0);
}

/* The peer has everything up to `ack_seq`, as of `now`. Under the socket lock, or (late) wherever snd_una is read. */
static __always_inline void acknowledged(struct sock *sk, struct socket_state *state, __u32 ack_seq, __u64 now,
					 __u32 flags)
{
	state->acked_ns = now;
	WRITE_ONCE(state->acked_seq, ack_seq);
	if (state->first != READ_ONCE(state->next))
		drain(sk, state, flags, 0);
}

#endif
