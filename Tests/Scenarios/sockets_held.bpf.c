/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A line for each socket that a socket storage map holds, read from outside: `bpftool iter pin OBJECT PATH map id ID`. */
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define PRESERVED __attribute__((preserve_access_index))

struct seq_file;
struct bpf_map;

struct bpf_iter_meta {
	struct seq_file *seq;
} PRESERVED;

struct sock_common {
	unsigned char skc_state;
	unsigned short skc_num;
	unsigned short skc_dport;
} PRESERVED;

struct sock {
	struct sock_common __sk_common;
} PRESERVED;

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
} PRESERVED;

SEC("iter/bpf_sk_storage_map")
int sockets_held(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	static const char format[] = "%u %u %u\n";
	struct sock *sk = ctx->sk;
	__u64 fields[3];

	if (!sk)
		return 0;
	fields[0] = sk->__sk_common.skc_state;
	fields[1] = sk->__sk_common.skc_num;
	fields[2] = __builtin_bswap16(sk->__sk_common.skc_dport);
	bpf_seq_printf(ctx->meta->seq, format, sizeof(format), fields, sizeof(fields));
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
