/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The backend `fentry`: the same marks from TCP's own functions. All but on_enter, on_driver and on_recvmsg run under the
 * socket lock, so that sequence numbers are exact; the lock is given up only while a writer waits for memory.
 */
#include "flush.bpf.h"

#define NET_XMIT_MASK 0x0f	/* dev_xmit_complete(): beyond it the packet comes again */

struct page;

/* Before the socket lock: to wait for it is part of the send call. */
SEC("?fentry/tcp_sendmsg")
int BPF_PROG(on_enter, struct sock *sk)
{
	PROBE_BODY({
		struct socket_state *state = traced(sk);

		if (!state)
			return 0;
		state->entered_ns = bpf_ktime_get_ns();
		state->entered_by = bpf_get_current_pid_tgid();
	});
}

static __always_inline void enter_call(struct sock *sk, const struct msghdr *msg, __u64 bytes)
{
	struct socket_state *state = traced(sk);
	struct tcp_sock *tp = state ? bpf_skc_to_tcp_sock(sk) : NULL;
	__u32 thread = bpf_get_current_pid_tgid(), other;
	__u64 now = 0;

	if (!tp)
		return;
	if (state->entered_by == thread) {
		now = state->entered_ns;
		state->entered_by = 0;
	}
	other = state->call_thread;
	if ((settings.hooks & EV_HOOK_SPARES) && other == thread && state->call_seq == tp->write_seq)
		return;
	if ((other | state->parked) && !come_between(sk, state, tp, bytes, thread))
		return;
	/* It may have waited for the lock while the call before it went on, or was refused. */
	if (!now || other || now < state->refused_ns)
		now = bpf_ktime_get_ns();
	begin_call(sk, state, tp, msg, bytes, thread, now);
}

static __always_inline void exit_call(struct sock *sk, long ret)
{
	struct socket_state *state = traced(sk);

	if (state)
		leave_call(sk, state, ret);
}

SEC("?fentry/tcp_sendmsg_locked")
int BPF_PROG(on_call, struct sock *sk, struct msghdr *msg, __u64 size)
{
	PROBE_BODY({ enter_call(sk, msg, size); });
}

SEC("?fexit/tcp_sendmsg_locked")
int BPF_PROG(on_called, struct sock *sk, struct msghdr *msg, __u64 size, int ret)
{
	PROBE_BODY({ exit_call(sk, ret); });
}

/* sendfile() before Linux 6.5. */
SEC("?fentry/do_tcp_sendpages")
int BPF_PROG(on_pages, struct sock *sk, struct page *page, int offset, __u64 size)
{
	PROBE_BODY({ enter_call(sk, NULL, size); });
}

SEC("?fexit/do_tcp_sendpages")
int BPF_PROG(on_paged, struct sock *sk, struct page *page, int offset, __u64 size, int flags, long ret)
{
	PROBE_BODY({ exit_call(sk, ret); });
}

/* Outside of a call it is kernel TLS that waits, before the call that comes next. */
static __always_inline void begin_wait(struct sock *sk)
{
	struct socket_state *state = traced(sk);
	__u64 now;

	if (!state)
		return;
	now = bpf_ktime_get_ns();
	if (state->call_thread == (__u32)bpf_get_current_pid_tgid())
		state->waiting_ns = now;
	else if (!(state->call_thread | state->parked) && !state->refused_ns && state->owner_pid)
		state->refused_ns = now;
}

static __always_inline void end_wait(struct sock *sk)
{
	struct socket_state *state = traced(sk);
	__u32 thread = bpf_get_current_pid_tgid();
	struct tcp_sock *tp;

	if (!state)
		return;
	if (state->call_thread == thread) {
		if (state->waiting_ns)
			state->call_blocked_ns += bpf_ktime_get_ns() - state->waiting_ns;
		state->waiting_ns = 0;
	} else if (state->parked) {
		tp = bpf_skc_to_tcp_sock(sk);
		if (tp)
			go_on(sk, state, tp, thread);
	}
}

SEC("?fentry/sk_stream_wait_memory")
int BPF_PROG(on_wait, struct sock *sk)
{
	PROBE_BODY({ begin_wait(sk); });
}

SEC("?fexit/sk_stream_wait_memory")
int BPF_PROG(on_waited, struct sock *sk)
{
	PROBE_BODY({ end_wait(sk); });
}

/* TCP hands a packet that ends at `end` over to IP: the time of each flush that is whole by then. */
static __always_inline void handed_over(struct socket_state *state, __u32 end)
{
	__u64 now = bpf_ktime_get_ns();

	state->handed_ns = now;
	state->handed_seq = end;
	for (__u32 i = 0; i < EV_FLUSH_SLOTS; i++) {
		__u32 number = state->unhanded, first = READ_ONCE(state->first);
		struct flush_slot *slot;

		if ((__s32)(number - first) < 0)
			number = first;
		slot = &state->slots[number % EV_FLUSH_SLOTS];
		if (number == READ_ONCE(state->next) || !(READ_ONCE(slot->flags) & SLOT_DONE) ||
		    !seq_reached(end, slot->seq_end)) {
			state->unhanded = number;
			break;
		}
		if (!slot->queue_ns)
			slot->queue_ns = now;
		state->unhanded = number + 1;
	}
}

SEC("?fentry/__tcp_transmit_skb")
int BPF_PROG(on_hand_over, struct sock *sk, struct sk_buff *skb)
{
	PROBE_BODY({
		struct socket_state *state = traced(sk);
		const char *control = skb->cb;	/* struct tcp_skb_cb, until IP takes it over */
		__u32 end = *(__u32 *)(control + bpf_core_field_offset(struct tcp_skb_cb, end_seq));

		if (!state || *(__u32 *)(control + bpf_core_field_offset(struct tcp_skb_cb, seq)) == end)
			return 0;	/* a bare ACK */
		if (!state->handed_ns || !seq_reached(state->handed_seq, end))
			handed_over(state, end);
	});
}

/* Also the ACKs that tcp_probe does not see: it fires for established connections only. */
SEC("?fentry/tcp_ack")
int BPF_PROG(on_ack, struct sock *sk, const struct sk_buff *skb)
{
	PROBE_BODY({
		struct socket_state *state = traced(sk);
		struct tcp_sock *tp = state ? bpf_skc_to_tcp_sock(sk) : NULL;
		const char *control = skb->cb;

		if (tp)
			take_ack(sk, state, tp,
				 *(__u32 *)(control + bpf_core_field_offset(struct tcp_skb_cb, ack_seq)), 0);
	});
}

SEC("?tp_btf/net_dev_xmit")
int BPF_PROG(on_driver, struct sk_buff *skb, int rc)
{
	PROBE_BODY({ leave_driver(skb, rc < NET_XMIT_MASK); });
}

/* Where sock_recv_length is missing (before Linux 6.3). The arguments after `flags` differ from kernel to kernel. */
SEC("?fexit/tcp_recvmsg")
int BPF_PROG(on_recvmsg, struct sock *sk)
{
	PROBE_BODY({
		__u64 flags;
		__u64 ret;

		if (bpf_get_func_arg(ctx, 3, &flags) || bpf_get_func_ret(ctx, &ret))
			return 0;
		if ((int)ret > 0 && !(flags & (MSG_PEEK | MSG_ERRQUEUE)))
			request_read(sk, ret);
	});
}
