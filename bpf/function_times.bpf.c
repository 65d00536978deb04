/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * How long the kernel's functions run for traced sockets, counted here and read out by the daemon. Not part of any response;
 * loaded only where it is asked for. The entry's time waits for the return where nobody else can come between: with the
 * socket, for functions that run under its lock; with the task, for those that wait for the lock or sleep; with the CPU,
 * for the device, which is fed with softirqs off.
 */
#include "flush.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EV_FUNCTIONS);
	__type(key, __u32);
	__type(value, struct ev_function_times);
} function_times SEC(".maps");

struct function_entries {
	__u64 at_ns[EV_FUNCTIONS];	/* 0: it is not inside */
	__u64 cookie[EV_FUNCTIONS];	/* of tasks only: for which socket */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct function_entries);
} socket_entries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct function_entries);
} task_entries SEC(".maps");

#define DEVICE_DEPTH 4u	/* devices on top of devices: a bond, a bridge, a tunnel */

struct device_entries {
	__u32 depth;
	__u32 pad;
	__u64 skb[DEVICE_DEPTH];	/* only ever compared */
	__u64 at_ns[DEVICE_DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct device_entries);
} device_entries SEC(".maps");

static __always_inline void count_time(__u32 function, __u64 began)
{
	struct ev_function_times *times = bpf_map_lookup_elem(&function_times, &function);
	__u64 took = bpf_ktime_get_ns() - began;
	__u64 bucket = BOUNDED(ev_bucket(took), EV_BUCKETS - 1);

	if (!times)
		return;
	add_one(&times->count);
	__sync_fetch_and_add(&times->total_ns, took);
	add_one(&times->buckets[bucket]);
	if (took > times->max_ns)
		times->max_ns = took;
}

static __always_inline void enter_locked(struct sock *sk, const __u32 function)
{
	struct function_entries *entries;

	if (!traced(sk))
		return;
	entries = bpf_sk_storage_get(&socket_entries, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (entries)
		entries->at_ns[function] = bpf_ktime_get_ns();
}

static __always_inline void leave_locked(struct sock *sk, const __u32 function)
{
	struct function_entries *entries = bpf_sk_storage_get(&socket_entries, sk, 0, 0);

	if (!entries || !entries->at_ns[function])
		return;
	count_time(function, entries->at_ns[function]);
	entries->at_ns[function] = 0;
}

#define LOCKED_FUNCTION(name, function)						\
SEC("?fentry/" #name)								\
int BPF_PROG(enter_##name, struct sock *sk) { PROBE_BODY({ enter_locked(sk, function); }); }	\
SEC("?fexit/" #name)								\
int BPF_PROG(leave_##name, struct sock *sk) { PROBE_BODY({ leave_locked(sk, function); }); }

LOCKED_FUNCTION(tcp_write_xmit, EV_TCP_WRITE_XMIT)
LOCKED_FUNCTION(__tcp_transmit_skb, EV_TCP_TRANSMIT_SKB)
LOCKED_FUNCTION(__ip_queue_xmit, EV_IP_QUEUE_XMIT)
LOCKED_FUNCTION(inet6_csk_xmit, EV_INET6_CSK_XMIT)
LOCKED_FUNCTION(tcp_ack, EV_TCP_ACK)

static __always_inline void enter_task(struct sock *sk, const __u32 function)
{
	struct socket_state *state = traced(sk);
	struct function_entries *entries;

	if (!state)
		return;
	entries = bpf_task_storage_get(&task_entries, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!entries)
		return;
	entries->cookie[function] = state->cookie;
	entries->at_ns[function] = bpf_ktime_get_ns();
}

static __always_inline void leave_task(struct sock *sk, const __u32 function)
{
	struct function_entries *entries = bpf_task_storage_get(&task_entries, bpf_get_current_task_btf(), 0, 0);
	struct socket_state *state;

	if (!entries || !entries->at_ns[function])
		return;
	/* By its storage and not by traced(): it may have been closed inside. */
	state = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (!state || state->cookie == entries->cookie[function])
		count_time(function, entries->at_ns[function]);
	entries->at_ns[function] = 0;
}

#define TASK_FUNCTION(name, function)						\
SEC("?fentry/" #name)								\
int BPF_PROG(enter_##name, struct sock *sk) { PROBE_BODY({ enter_task(sk, function); }); }	\
SEC("?fexit/" #name)								\
int BPF_PROG(leave_##name, struct sock *sk) { PROBE_BODY({ leave_task(sk, function); }); }

TASK_FUNCTION(tcp_sendmsg, EV_TCP_SENDMSG)
TASK_FUNCTION(sk_stream_wait_memory, EV_SK_STREAM_WAIT_MEMORY)

static __always_inline void enter_device(struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	struct device_entries *entries;
	__u32 key = 0, depth;

	if (!sk || sk->__sk_common.skc_state == TCP_NEW_SYN_RECV || sk->__sk_common.skc_state == TCP_TIME_WAIT || !traced(sk))
		return;
	entries = bpf_map_lookup_elem(&device_entries, &key);
	if (!entries)
		return;
	depth = entries->depth < DEVICE_DEPTH ? entries->depth : 0;
	entries->skb[depth & (DEVICE_DEPTH - 1)] = (__u64)skb;
	entries->at_ns[depth & (DEVICE_DEPTH - 1)] = bpf_ktime_get_ns();
	entries->depth = depth + 1;
}

/* `skb` may be freed: it is not looked into. */
static __always_inline void leave_device(struct sk_buff *skb)
{
	__u32 key = 0, top;
	struct device_entries *entries = bpf_map_lookup_elem(&device_entries, &key);

	if (!entries || !entries->depth)
		return;
	top = (entries->depth - 1) & (DEVICE_DEPTH - 1);
	if (entries->skb[top] != (__u64)skb)
		return;
	entries->depth = top;
	count_time(EV_DEV_HARD_START_XMIT, entries->at_ns[top]);
}

SEC("?fentry/dev_hard_start_xmit")
int BPF_PROG(enter_dev_hard_start_xmit, struct sk_buff *first) { PROBE_BODY({ enter_device(first); }); }
SEC("?fexit/dev_hard_start_xmit")
int BPF_PROG(leave_dev_hard_start_xmit, struct sk_buff *first) { PROBE_BODY({ leave_device(first); }); }
