/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The device layer starts with a packet. `current` is whoever was interrupted: only the socket tells whose it is. */
#include "flush.bpf.h"

#define IFF_LOOPBACK 8
#define SK_PACING_FQ 2

/* Sequence number behind the packet's last payload byte, 0 and false where it carries none. */
static __always_inline bool payload_end(const struct sk_buff *skb, __u32 *end)
{
	unsigned char header[16];
	unsigned char *tcp = skb->head + skb->transport_header;
	long before_tcp = tcp - skb->data, payload;

	asm volatile("" : "+r"(before_tcp));	/* 64 bits wide: the verifier refuses 32-bit arithmetic on pointers */
	if (bpf_probe_read_kernel(header, sizeof(header), tcp))
		return false;
	payload = (long)skb->len - before_tcp - (header[12] >> 4) * 4;
	if (payload <= 0)
		return false;
	*end = bpf_ntohl(*(__be32 *)(header + 4)) + (__u32)payload;
	return true;
}

static __always_inline void transmitted(struct sock *sk, struct socket_state *state, const struct sk_buff *skb,
					const struct net_device *device, __u32 end)
{
	__u64 now = bpf_ktime_get_ns(), handed_over = skb->tstamp;

	/* TCP stamps each packet that it hands to IP: skb_set_delivery_time() in __tcp_transmit_skb(). */
	if (!handed_over || handed_over > now)
		handed_over = now;
	if (settings.hooks & EV_HOOK_DRIVER) {
		collect_driver_return(state);
		enter_driver(state, skb, now);
	}
	state->xmit_queue_ns = handed_over;
	state->xmit_ns = now;
	state->loopback = !!(device->flags & IFF_LOOPBACK);
	state->paced = sk->sk_pacing_status == SK_PACING_FQ;
	WRITE_ONCE(state->xmit_seq, end);
	for (__u32 i = 0; i < EV_FLUSH_SLOTS; i++) {
		__u32 number = state->unstamped;
		struct flush_slot *slot = &state->slots[number % EV_FLUSH_SLOTS];

		if (number == READ_ONCE(state->next))
			break;
		if ((__s32)(number - READ_ONCE(state->first)) >= 0) {
			if (!(READ_ONCE(slot->flags) & SLOT_DONE) || !seq_reached(end, slot->seq_end))
				break;
			if (!slot->xmit_ns) {
				if (!slot->queue_ns)	/* a function hook may have seen it leave TCP */
					slot->queue_ns = handed_over;
				slot->xmit_ns = now;
			}
		}
		state->unstamped = number + 1;
	}
}

/*
 * After a FIN of either side no tracepoint sees an ACK (the function hook on tcp_ack() does). It is the ACKs that let packets out, so the next packet tells, a
 * little late, what was acknowledged. The records are made by whoever comes next with the socket lock.
 */
static __always_inline void acknowledged_unseen(struct sock *sk, struct socket_state *state)
{
	__u32 snd_una = BPF_CORE_READ((struct tcp_sock *)sk, snd_una);
	__u64 now = bpf_ktime_get_ns();

	for (__u32 i = 0; i < EV_FLUSH_SLOTS; i++) {
		__u32 number = READ_ONCE(state->first) + i;
		struct flush_slot *slot = &state->slots[number % EV_FLUSH_SLOTS];

		if (number == READ_ONCE(state->next) || !(READ_ONCE(slot->flags) & SLOT_DONE) ||
		    !seq_reached(snd_una, slot->seq_end))
			break;
		if (!slot->late_ack_ns)
			slot->late_ack_ns = now;
	}
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(on_xmit, struct sk_buff *skb, struct net_device *device)
{
	PROBE_BODY({
		struct sock *sk = skb->sk;
		struct socket_state *state;
		__u32 end;

		/* A request or timewait socket is shorter than its type says. */
		if (!sk || sk->__sk_common.skc_state == TCP_NEW_SYN_RECV ||
		    sk->__sk_common.skc_state == TCP_TIME_WAIT)
			return 0;
		state = traced(sk);
		if (!state)
			return 0;
		if (!(settings.hooks & EV_HOOK_ACK) && sk->__sk_common.skc_state != TCP_ESTABLISHED)
			acknowledged_unseen(sk, state);
		if (payload_end(skb, &end) && !seq_reached(state->xmit_seq, end))
			transmitted(sk, state, skb, device, end);
	});
}
