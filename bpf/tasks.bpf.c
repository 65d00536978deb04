/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Which task of a server serves a connection: read in the server's own context, when it reads the first request or sends.
 * An object of its own, so that a kernel which refuses it loses nothing else. One look for each connection: what comes later
 * only finds it there.
 */
#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "tasks.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct thread_struct {
	unsigned long fsbase;
};
struct task_struct {
	struct thread_struct thread;
};
struct sock;
#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EV_TASK_PROCESSES);
	__type(key, __u32);
	__type(value, struct ev_task_layout);
} task_layouts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EV_TASK_CONNECTIONS);
	__type(key, __u64);
	__type(value, struct ev_serving_task);
} serving_tasks SEC(".maps");

static __always_inline int look(struct sock *sk)
{
	struct ev_serving_task serving = { .pid = bpf_get_current_pid_tgid() >> 32 };
	struct ev_task_layout *layout = bpf_map_lookup_elem(&task_layouts, &serving.pid);
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	unsigned long slot, running = 0;
	__u64 cookie;

	if (!layout)
		return 0;
	cookie = bpf_get_socket_cookie(sk);
	if (!cookie || bpf_map_lookup_elem(&serving_tasks, &cookie))
		return 0;
	slot = BPF_CORE_READ(task, thread.fsbase) - layout->slot_offset;
	if (bpf_probe_read_user(&running, sizeof(running), (void *)slot) ||
	    bpf_probe_read_user(&serving.id, sizeof(serving.id), (void *)(running + layout->id_offset)) || !serving.id)
		return 0;
	bpf_map_update_elem(&serving_tasks, &cookie, &serving, BPF_NOEXIST);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(on_task_read, struct sock *sk, int ret, int flags)
{
	return ret > 0 ? look(sk) : 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(on_task_sent, struct sock *sk, int ret, int flags)
{
	return ret > 0 ? look(sk) : 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
