/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A packet from the peer enters an established connection: what it acknowledges, and request bytes that it brings. */
#include "flush.bpf.h"

/* What a packet acknowledges, if that is news and was sent at all. `now`: 0 where no clock was read yet. */
static __always_inline void take_ack(struct sock *sk, struct socket_state *state, struct tcp_sock *tp, __u32 ack_seq,
				     __u64 now)
{
	if (ack_seq != state->acked_seq && seq_reached(ack_seq, state->acked_seq) && seq_reached(tp->snd_nxt, ack_seq))
		acknowledged(sk, state, ack_seq, now ? now : bpf_ktime_get_ns(), 0);
}

static __always_inline void received(struct sock *sk, const struct sk_buff *skb)
{
	struct socket_state *state = traced(sk);
	struct tcp_sock *tp = state ? bpf_skc_to_tcp_sock(sk) : NULL;
	const char *control = skb->cb;	/* struct tcp_skb_cb, filled by tcp_v4_fill_cb() before this */
	__u32 seq, end_seq, ack_seq;
	__u64 now = 0;

	if (!tp)
		return;
	seq = *(__u32 *)(control + bpf_core_field_offset(struct tcp_skb_cb, seq));
	end_seq = *(__u32 *)(control + bpf_core_field_offset(struct tcp_skb_cb, end_seq));
	ack_seq = *(__u32 *)(control + bpf_core_field_offset(struct tcp_skb_cb, ack_seq));
	/* In order and with payload (a bare FIN or ACK has end_seq - seq <= 1 and no bytes): readable from now on. */
	if (end_seq != seq && !state->readable_ns && seq_reached(tp->rcv_nxt, seq) &&
	    !seq_reached(tp->rcv_nxt, end_seq)) {
		now = bpf_ktime_get_ns();
		state->unaccepted = !sk->sk_socket;
		state->readable_ns = now;
	}
	take_ack(sk, state, tp, ack_seq, now);
}

SEC("tp_btf/tcp_probe")
int BPF_PROG(on_packet, struct sock *sk, struct sk_buff *skb)
{
	PROBE_BODY({ received(sk, skb); });
}
