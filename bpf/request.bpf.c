/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The server reads request bytes. */
#include "flush.bpf.h"

/*
 * Reads after this many without a send in between are only counted: a large upload is no flood of records. Short ones may
 * each be a request, of a client that does not wait.
 */
#define READS_TOLD 8
#define SHORT_READS_TOLD 64
#define SHORT_READ_BYTES 512

/*
 * The caller's buffer, from the registers that it entered the kernel with: sock_recv_length has no message. NULL where
 * the call is none of these (io_uring, recvmmsg, a 32-bit program).
 */
static __always_inline void *caller_buffer(void)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	unsigned long number = regs->orig_ax;
	void *argument = (void *)regs->si;
	void *buffer = NULL;

	if (number == NR_READ || number == NR_RECVFROM)
		return argument;
	if (number == NR_RECVMSG) {
		struct user_msghdr header;

		if (bpf_probe_read_user(&header, sizeof(header), argument))
			return NULL;
		argument = header.msg_iov;
	} else if (number != NR_READV) {
		return NULL;
	}
	if (bpf_probe_read_user(&buffer, sizeof(buffer), argument))
		return NULL;
	return buffer;
}

/* Fills a record that has `room` bytes for the head behind it. */
static __always_inline void fill_read(struct ev_read *record, struct tcp_sock *tp, struct socket_state *state, __u32 bytes,
				      const void *buffer, const __u32 room, __u64 now)
{
	__u32 flags = state->after_read ? 0 : EV_F_FIRST_READ;
	__u64 head_bytes = BOUNDED(bytes, room);

	if (!buffer || bpf_probe_read_user(record + 1, head_bytes, buffer)) {
		struct ev_counters *counter = count();

		head_bytes = 0;
		flags |= EV_F_HEAD_UNREAD;
		if (counter)
			add_one(&counter->heads_unread);
	}
	if (state->unaccepted)
		flags |= EV_F_UNACCEPTED;
	fill_header(&record->header, state, EV_READ, sizeof(*record) + room, flags, now);
	record->readable_ns = state->readable_ns;
	record->bytes = bytes;
	record->head_bytes = head_bytes;
	record->outstanding = READ_ONCE(state->next) - READ_ONCE(state->first);
	record->seq_end = tp->copied_seq;
	submit(record);
}

/* A long read is mostly a part of an upload: of that, less is told. */
static __always_inline bool begins_request(const void *buffer)
{
	char first = 0;

	return buffer && !bpf_probe_read_user(&first, 1, buffer) && first >= 'A' && first <= 'Z';
}

#define TELL_READ(room) do {								\
	record = reserve(state, EV_READ, sizeof(*record) + (room));				\
	if (record)									\
		fill_read(record, tp, state, bytes, buffer, room, now);			\
} while (0)

/* Four sizes, because the verifier wants a constant and most requests are short. */
static __always_inline void tell_read(struct tcp_sock *tp, struct socket_state *state, __u32 bytes, __u64 now)
{
	const void *buffer = caller_buffer();
	struct ev_read *record;

	if (bytes <= 80)
		TELL_READ(80);
	else if (bytes <= 208)
		TELL_READ(208);
	else if (bytes <= SHORT_READ_BYTES || !begins_request(buffer))
		TELL_READ(SHORT_READ_BYTES);
	else
		TELL_READ(EV_REQUEST_HEAD_BYTES);
}

static __always_inline void request_read(struct sock *sk, int bytes)
{
	struct socket_state *state = traced(sk);
	struct tcp_sock *tp;
	__u64 now;

	/* TCP Fast Open: the SYN brought the request. */
	if (!state && sk->__sk_common.skc_state == TCP_SYN_RECV && !bpf_sk_storage_get(&sockets, sk, 0, 0)) {
		begin_connection(sk);
		state = traced(sk);
	}
	tp = state ? bpf_skc_to_tcp_sock(sk) : NULL;
	if (!tp)
		return;
	now = bpf_ktime_get_ns();
	if (!used_by_current(sk, state, now))
		return;
	state->read_ns = now;
	state->untold_reads = 0;
	if ((settings.hooks & EV_HOOK_SPARES) && state->told_read == tp->copied_seq)
		return;
	state->told_read = tp->copied_seq;
	if (!state->after_read)
		state->reads = 0;
	if (state->reads < (bytes <= SHORT_READ_BYTES ? SHORT_READS_TOLD : READS_TOLD)) {
		state->reads++;
		tell_read(tp, state, bytes, now);
	} else {
		state->untold_bytes += bytes;
	}
	state->after_read = 1;
	if (state->want_head < 2)	/* more: the lines of a head come one by one */
		state->want_head = 2;
	if (tp->copied_seq == tp->rcv_nxt) {
		state->readable_ns = 0;
		state->unaccepted = 0;
	}
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(on_recv, struct sock *sk, int ret, int flags)
{
	PROBE_BODY({
		/* The error queue gives back what was sent (SO_TIMESTAMPING): that is no request. */
		if (ret > 0 && !(flags & (MSG_PEEK | MSG_ERRQUEUE)) && sk->sk_protocol == IPPROTO_TCP)
			request_read(sk, ret);
	});
}
