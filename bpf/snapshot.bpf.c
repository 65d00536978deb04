/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The traced sockets, looked at by the daemon in its own context. What is told goes to whoever reads the iterator, not to the
 * ring: it is as much as there are sockets, and none of it can be lost. An element whose output did not fit is shown again.
 */
#include "flush.bpf.h"

struct snapshot_context {
	struct sock *sk;
	struct tcp_sock *tp;
	struct socket_state *state;
	struct seq_file *seq;
	__u64 now;
	__u32 first;
	__u32 next;
};

/* False: nothing is known of it that the daemon could use. */
static __always_inline bool begin_look(struct bpf_iter__bpf_sk_storage_map *ctx, struct sock *sk,
				       struct snapshot_context *context)
{
	if (!sk)
		return false;
	context->state = bpf_sk_storage_get(&sockets, sk, 0, 0);	/* ctx->value is a buffer without a known layout */
	if (!context->state || !context->state->owner_pid || context->state->ignored)
		return false;
	context->tp = bpf_skc_to_tcp_sock(sk);
	context->sk = sk;
	context->seq = ctx->meta->seq;
	context->now = bpf_ktime_get_ns();
	context->first = READ_ONCE(context->state->first);
	context->next = READ_ONCE(context->state->next);
	return context->tp;
}

static long tell_outstanding(__u32 turn, struct snapshot_context *context)
{
	struct socket_state *state = context->state;
	__u32 number = context->first + turn;
	struct ev_flush record;
	struct flush_slot slot;

	if ((__s32)(context->next - number) <= 0)
		return 1;
	slot = state->slots[number % EV_FLUSH_SLOTS];	/* a copy: the socket goes on meanwhile */
	if (!(slot.flags & SLOT_DONE)) {
		if (!state->waiting_ns)
			slot.send_ns += context->now - state->call_ns;
		close_call(state, context->tp, &slot, context->now);
	} else if (number + 1 == context->next && state->refused_ns) {
		/* Since it was refused, a non-blocking writer waits outside any call. */
		slot.blocked_ns += context->now - state->refused_ns;
		slot.exit_ns = context->now;
	}
	slot.queued_bytes = context->sk->sk_wmem_queued;
	slot.unsent_bytes = context->tp->write_seq - context->tp->snd_nxt;
	slot.unacked_bytes = context->tp->snd_nxt - context->tp->snd_una;
	make_flush(&record, context->sk, context->tp, state, &slot, context->now, EV_F_OUTSTANDING);
	return bpf_seq_write(context->seq, &record, sizeof(record)) ? 1 : 0;
}

/* Every flush that is still on its way, as it stands. */
SEC("iter/bpf_sk_storage_map")
int on_snapshot(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	PROBE_BODY({
		struct snapshot_context context = {};

		if (begin_look(ctx, ctx->sk, &context))
			bpf_loop(EV_FLUSH_SLOTS, tell_outstanding, &context, 0);
	});
}

/* Since when the byte at snd_nxt has waited: within a merged flush as if its calls had come evenly. 0: it is in no slot. */
static long find_oldest(__u32 turn, struct snapshot_context *context)
{
	__u32 number = context->first + turn, unsent = context->tp->snd_nxt, length;
	struct flush_slot *slot = &context->state->slots[number % EV_FLUSH_SLOTS];
	__u64 span;

	if ((__s32)(context->next - number) <= 0)
		return 1;
	if (seq_reached(unsent, slot->seq_end) && (slot->flags & SLOT_DONE))
		return 0;
	length = slot->seq_end - slot->seq_start;
	span = slot->enter_ns - slot->first_enter_ns;
	if (length && seq_reached(unsent, slot->seq_start) && unsent - slot->seq_start < length)
		span = span / length * (unsent - slot->seq_start);
	else
		span = 0;
	context->now = slot->first_enter_ns + span;
	return 1;
}

static __always_inline void fill_sample(struct ev_sample *record, struct snapshot_context *context)
{
	struct socket_state *state = context->state;
	struct tcp_sock *tp = context->tp;
	__u64 now = context->now, waiting = state->waiting_ns ? state->waiting_ns : state->refused_ns;

	fill_header(&record->header, state, EV_SAMPLE, sizeof(*record), 0, now);
	record->blocked_ns = waiting && waiting < now ? now - waiting : 0;
	record->queued_bytes = context->sk->sk_wmem_queued;
	record->unsent_bytes = tp->write_seq - tp->snd_nxt;
	record->unacked_bytes = tp->snd_nxt - tp->snd_una;
	record->sndbuf_bytes = context->sk->sk_sndbuf;
	record->snd_wnd = tp->snd_wnd;
	record->cwnd = tp->snd_cwnd;
	record->srtt_us = tp->srtt_us >> 3;
	record->retransmits = tp->total_retrans;
	record->rwnd_limited_jiffies = limited_jiffies(tp, CHRONO_RWND_LIMITED);
	record->sndbuf_limited_jiffies = limited_jiffies(tp, CHRONO_SNDBUF_LIMITED);
	record->acked_seq = tp->snd_una;
	record->pad = 0;
	record->oldest_unsent_ns = 0;
	if (record->unsent_bytes) {
		bpf_loop(EV_FLUSH_SLOTS, find_oldest, context, 0);
		record->oldest_unsent_ns = context->now < now ? now - context->now : 0;
	}
}

/* True: it is closed and held, and counts no more. */
static __always_inline bool tell_held(struct bpf_iter__bpf_sk_storage_map *ctx, struct sock *sk)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, 0, 0);
	struct ev_sample record = {};

	if (!state || !state->held)
		return false;
	fill_header(&record.header, state, EV_SAMPLE, sizeof(record), EV_F_HELD, bpf_ktime_get_ns());
	if (sk->sk_socket)
		bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return true;
}

/* What waits for less is on its way to be taken. */
#define WAITING_NS 10000000ull

/*
 * Since when nothing of what the client sent was read; 0: nothing is unread. What was there before tracing began, or goes by ways
 * that tell nothing: since a look found it.
 */
static __always_inline __u64 unread_since(struct socket_state *state, struct tcp_sock *tp, __u32 unread, __u64 now)
{
	__u64 readable_ns = READ_ONCE(state->readable_ns), looked_ns = state->looked_ns;
	bool went = looked_ns && state->unread_seq != tp->copied_seq;

	if (went && state->read_ns < looked_ns)
		state->untold_reads = 1;
	if (!unread)
		state->unread_ns = 0;
	else if (!state->unread_ns || went)
		state->unread_ns = now;
	state->unread_seq = tp->copied_seq;
	state->looked_ns = now;
	if (!unread || !readable_ns || state->untold_reads)
		return state->unread_ns;
	return readable_ns > state->read_ns ? readable_ns : state->read_ns;
}

/* Since when it waits to be accepted, or to be read; 0: it does not. */
static __always_inline __u64 waits_since(struct sock *sk, struct socket_state *state, struct tcp_sock *tp, __u32 *unread,
					 bool *is_accepted, __u64 now)
{
	__u32 tcp_state = sk->__sk_common.skc_state;
	__s32 bytes = tp->rcv_nxt - tp->copied_seq;

	if (tcp_state != TCP_ESTABLISHED && tcp_state != TCP_CLOSE_WAIT)
		return 0;
	if (tcp_state == TCP_CLOSE_WAIT)	/* the client's FIN counts one */
		bytes--;
	*unread = bytes > 0 ? bytes : 0;
	*is_accepted = state->owner_pid || sk->sk_socket;
	if (!*is_accepted)
		return state->established_ns;
	return unread_since(state, tp, *unread, now);
}

static __always_inline void fill_listener(struct ev_socket *record, struct sock *sk)
{
	struct listener key = listener_of(sk);
	struct listening *listening = bpf_map_lookup_elem(&listeners, &key);

	record->netns = key.netns;
	if (!listening || listening->judged != READ_ONCE(targets.chosen))
		return;
	record->process_start_ns = listening->start_ns;
	record->cgroup = listening->cgroup;
	record->pid = listening->pid;
	__builtin_memcpy(record->comm, listening->comm, sizeof(record->comm));
}

/* What the server leaves waiting, beside the sample of the same socket. False: there was no room. */
static __always_inline bool tell_waiting(struct seq_file *seq, struct sock *sk, struct socket_state *state, struct tcp_sock *tp)
{
	struct ev_waiting record = {};
	bool is_accepted = false;
	__u64 now = bpf_ktime_get_ns();

	record.since_ns = waits_since(sk, state, tp, &record.unread_bytes, &is_accepted, now);
	if (!record.since_ns || record.since_ns + WAITING_NS > now)
		return true;
	fill_header(&record.socket.header, state, EV_WAITING, sizeof(record), is_accepted ? 0 : EV_F_UNACCEPTED, now);
	record.socket.established_ns = state->established_ns;
	fill_addresses(&record.socket, sk);
	fill_listener(&record.socket, sk);
	return !bpf_seq_write(seq, &record, sizeof(record));
}

/* Of a connection that nobody has used yet nothing else is told. False: there was no room. */
static __always_inline bool tell_unused(struct bpf_iter__bpf_sk_storage_map *ctx, struct sock *sk)
{
	struct socket_state *state = bpf_sk_storage_get(&sockets, sk, 0, 0);
	struct tcp_sock *tp;

	if (!state || state->ignored || state->owner_pid)
		return true;
	tp = bpf_skc_to_tcp_sock(sk);
	return !tp || tell_waiting(ctx->meta->seq, sk, state, tp);
}

/* Sockets walked through so far, and what `followed` was when the walk began. */
__u32 walked, followed_before;

/*
 * A socket can go without a word: its last hook was skipped because the same program was interrupted, or it was adopted while
 * it closed. Its state goes with it; that it was counted is noticed when all are walked through and none came or went.
 */
static __always_inline void end_walk(void)
{
	if (walked != followed_before)
		__sync_val_compare_and_swap(&followed, followed_before, walked);
	walked = 0;
}

/* Once an interval: every traced socket, also those that hold nothing, so that the daemon knows which are gone. */
SEC("iter/bpf_sk_storage_map")
int on_sample(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	PROBE_BODY({
		struct snapshot_context context = {};
		struct sock *sk = ctx->sk;
		struct ev_sample record;

		if (!walked)
			followed_before = READ_ONCE(followed);
		if (!sk) {	/* all were shown */
			end_walk();
			return 0;
		}
		if (tell_held(ctx, sk))
			return 0;
		if (!begin_look(ctx, sk, &context)) {
			if (tell_unused(ctx, sk))	/* else it is shown again */
				walked++;
			return 0;
		}
		fill_sample(&record, &context);
		if (!bpf_seq_write(context.seq, &record, sizeof(record)) &&
		    tell_waiting(context.seq, sk, context.state, context.tp))
			walked++;
	});
}
