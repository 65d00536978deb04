/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The kernel fields that the programs read, and no others. Field offsets are relocated at load (CO-RE), so the order
 * here means nothing; a field that a kernel lacks is refused at load unless it is asked for first.
 */
#ifndef TAILRACE_KERNEL_H
#define TAILRACE_KERNEL_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define MSG_PEEK 2
#define MSG_ERRQUEUE 0x2000
#define EAGAIN 11
#define PF_KTHREAD 0x00200000

enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LISTEN = 10,
	TCP_NEW_SYN_RECV = 12,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct socket;

struct bpf_local_storage;

struct sock {
	struct sock_common __sk_common;
	int sk_wmem_queued;
	int sk_write_pending;
	int sk_sndbuf;
	int sk_err;
	__u16 sk_protocol;
	__u32 sk_pacing_status;
	unsigned long sk_tsq_flags;
	struct socket *sk_socket;
	struct bpf_local_storage *sk_bpf_storage;	/* of every program that keeps something with the socket */
};

struct tcp_sock {
	__u32 write_seq;
	__u32 snd_nxt;
	__u32 snd_una;
	__u32 snd_wnd;
	__u32 snd_cwnd;
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 srtt_us;
	__u32 packets_out;
	__u32 total_retrans;
	__u32 notsent_lowat;
	__u32 chrono_start;
	__u32 chrono_stat[3];
	bool is_mptcp;
	__u8 chrono_type : 2;
};

/* chrono_type was a bit field of two until Linux 6.13 or so, and is a byte since: the relocation reads either. */

struct tcp_ulp_ops;

struct inet_connection_sock {
	const struct tcp_ulp_ops *icsk_ulp_ops;
};

struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
	__u32 ack_seq;
};

struct net_device {
	unsigned int flags;
};

struct sk_buff {
	struct sock *sk;
	__u64 tstamp;
	char cb[48];
	unsigned int len;
	__u16 transport_header;
	unsigned char *head;
	unsigned char *data;
};

struct iovec {
	void *iov_base;
	unsigned long iov_len;
};

struct iov_iter {
	__u8 iter_type;
	unsigned long iov_offset;
	unsigned long count;
	const struct iovec *__iov;
	void *ubuf;
	unsigned long nr_segs;
};

/* Before Linux 6.4. */
struct iov_iter___old {
	const struct iovec *iov;
};

struct msghdr {
	struct iov_iter msg_iter;
};

enum iter_type {
	ITER_UBUF = 0,
	ITER_IOVEC = 1,
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[];
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct file;

struct socket {
	struct sock *sk;
};

struct task_struct {
	struct css_set *cgroups;
	int pid;
	int tgid;
	unsigned int flags;
	__u64 start_boottime;
	char comm[16];
	unsigned long nvcsw;
	struct task_struct *group_leader;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct pt_regs {
	unsigned long si;
	unsigned long orig_ax;
};

#pragma clang attribute pop

/* What a read call passes on x86-64: the number in orig_ax, the buffer or header as second argument. */
#define NR_READ 0
#define NR_READV 19
#define NR_RECVFROM 45
#define NR_RECVMSG 47

/* The user's msghdr, uapi layout. */
struct user_msghdr {
	void *msg_name;
	int msg_namelen;
	struct iovec *msg_iov;
	unsigned long msg_iovlen;
};

#endif
