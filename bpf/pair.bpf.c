/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Counts the calls of two functions of a server: one that opens a task and one that closes it. An object of its own, so that a
 * kernel which refuses it loses nothing else, and loaded once for each process: who is counted is decided by the hook.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "pair.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ev_pair_count);
} pair_counts SEC(".maps");

static __always_inline struct ev_pair_count *counted(void)
{
	__u32 first = 0;
	struct ev_pair_count *count = bpf_map_lookup_elem(&pair_counts, &first);

	return count && count->is_counted ? count : NULL;
}

SEC("uprobe")
int on_task_open(void *ctx)
{
	struct ev_pair_count *count = counted();

	if (!count)
		return 0;
	__sync_fetch_and_add(&count->open, 1);
	__sync_fetch_and_add(&count->opened, 1);
	return 0;
}

SEC("uprobe")
int on_task_close(void *ctx)
{
	struct ev_pair_count *count = counted();

	if (count)
		__sync_fetch_and_add(&count->open, -1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
