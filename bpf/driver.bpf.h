/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * When the driver returned from a packet. By then the packet and its socket may be gone, so the time goes to a place that
 * belongs to neither, and the socket collects it at its next packet, or when the flush's record is made.
 */
#ifndef TAILRACE_DRIVER_BPF_H
#define TAILRACE_DRIVER_BPF_H

#include "state.bpf.h"

#define DRIVER_RETURNS 4096	/* a power of two */

/* The packet that the driver of this CPU has: devices transmit with softirqs off, one packet at a time. */
struct driver_packet {
	__u64 skb;		/* only ever compared */
	__u64 cookie;
	__u64 xmit_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct driver_packet);
} driver_packets SEC(".maps");

/* The newest return of each socket. Two sockets may share a place: then the older one's is not known. */
struct driver_exit {
	__u64 cookie;
	__u64 xmit_ns;		/* names the packet: when the driver was entered with it */
	__u64 exit_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DRIVER_RETURNS);
	__type(key, __u32);
	__type(value, struct driver_exit);
} driver_exits SEC(".maps");

static __always_inline struct driver_exit *driver_exit_of(__u64 cookie)
{
	__u32 place = cookie & (DRIVER_RETURNS - 1);

	return bpf_map_lookup_elem(&driver_exits, &place);
}

/* When the driver returned from the packet that it was given at `xmit_ns`; 0: not known. */
static __always_inline __u64 driver_return(struct socket_state *state, __u64 xmit_ns)
{
	struct driver_exit *exit;

	if (!(settings.hooks & EV_HOOK_DRIVER))
		return 0;
	exit = driver_exit_of(state->cookie);
	return exit && exit->cookie == state->cookie && exit->xmit_ns == xmit_ns ? READ_ONCE(exit->exit_ns) : 0;
}

/* Before the next packet takes its place: whose last byte went with the previous one? */
static __always_inline void collect_driver_return(struct socket_state *state)
{
	__u64 xmit_ns = state->xmit_ns, exit_ns;

	if (!xmit_ns || READ_ONCE(state->first) == READ_ONCE(state->next))
		return;
	exit_ns = driver_return(state, xmit_ns);
	if (!exit_ns)
		return;
	for (__u32 i = 0; i < EV_FLUSH_SLOTS; i++)
		if (state->slots[i].xmit_ns == xmit_ns)
			state->slots[i].driver_ns = exit_ns;
}

static __always_inline void enter_driver(struct socket_state *state, const struct sk_buff *skb, __u64 now)
{
	__u32 key = 0;
	struct driver_packet *packet = bpf_map_lookup_elem(&driver_packets, &key);

	if (!packet)
		return;
	packet->skb = (__u64)skb;
	packet->cookie = state->cookie;
	packet->xmit_ns = now;
}

/* `skb` may be freed: it is not looked into. Where the device refused it, it comes again, and its return is not known. */
static __always_inline void leave_driver(const struct sk_buff *skb, bool is_taken)
{
	__u32 key = 0;
	struct driver_packet *packet = bpf_map_lookup_elem(&driver_packets, &key);
	struct driver_exit *exit;

	if (!packet || !packet->skb || packet->skb != (__u64)skb)
		return;
	packet->skb = 0;
	exit = is_taken ? driver_exit_of(packet->cookie) : NULL;
	if (!exit)
		return;
	exit->cookie = packet->cookie;
	exit->xmit_ns = packet->xmit_ns;
	WRITE_ONCE(exit->exit_ns, bpf_ktime_get_ns());
}

#endif
