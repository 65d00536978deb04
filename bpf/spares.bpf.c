/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel skips a program that is already running on the CPU. Where it preempts tasks in the middle of one, all that other
 * tasks do on this CPU meanwhile is skipped, for milliseconds. There each program has a second copy on the same hook, which
 * finds nothing left to do, unless the first was skipped.
 */
#include "flush.bpf.h"

#define PLAIN(...) __VA_ARGS__
#define SPARE(section, name, parameters, arguments)					\
SEC("?" section)									\
int BPF_PROG(name##_spare, PLAIN parameters) { return ____##name(ctx, PLAIN arguments); }

SPARE("tp_btf/inet_sock_set_state", on_state, (struct sock *sk, int old_state, int new_state), (sk, old_state, new_state))
SPARE("tp_btf/sock_recv_length", on_recv, (struct sock *sk, int ret, int flags), (sk, ret, flags))
SPARE("fexit/tcp_recvmsg", on_recvmsg, (struct sock *sk), (sk))
SPARE("tp_btf/tcp_sendmsg_locked", on_send, (struct sock *sk, struct msghdr *msg), (sk, msg))
SPARE("tp_btf/sock_send_length", on_sent, (struct sock *sk, int ret, int flags), (sk, ret, flags))
SPARE("fentry/tcp_sendmsg_locked", on_call, (struct sock *sk, struct msghdr *msg, __u64 size), (sk, msg, size))
SPARE("fexit/tcp_sendmsg_locked", on_called, (struct sock *sk, struct msghdr *msg, __u64 size, int ret), (sk, msg, size, ret))
SPARE("fentry/sk_stream_wait_memory", on_wait, (struct sock *sk), (sk))
SPARE("fexit/sk_stream_wait_memory", on_waited, (struct sock *sk), (sk))
SPARE("tp_btf/net_dev_start_xmit", on_xmit, (struct sk_buff *skb, struct net_device *device), (skb, device))
SPARE("tp_btf/tcp_probe", on_packet, (struct sock *sk, struct sk_buff *skb), (sk, skb))
SPARE("fentry/tcp_ack", on_ack, (struct sock *sk, const struct sk_buff *skb), (sk, skb))
