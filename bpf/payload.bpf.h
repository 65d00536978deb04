/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What a send call hands over, looked at in the caller's memory: the response's head, and the last bytes, which tell the last
 * chunk. A short call is looked at whole; nothing but the head and the last bytes goes further.
 */
#ifndef TAILRACE_PAYLOAD_BPF_H
#define TAILRACE_PAYLOAD_BPF_H

#include "state.bpf.h"

/* The first and the last piece of what the caller hands over; both NULL where it is not readable here (sendfile, io_uring). */
struct call_data {
	void *first;
	unsigned long first_bytes;
	void *last;
	unsigned long last_bytes;
	unsigned long bytes;		/* in all pieces together */
	const struct iovec *vector;	/* of all pieces; NULL where there is one */
	unsigned long pieces;
};

#define EMPTY_PIECES 4	/* at the end of a writev(), that are passed over */

/* With the layout before Linux 6.4 the verifier knows where these two pointers lead, and refuses to add to them. */
static __always_inline void *caller_memory(const struct iov_iter *iter)
{
	void *memory = NULL;

	if (bpf_core_field_exists(iter->__iov))
		return iter->ubuf;
	BPF_CORE_READ_INTO(&memory, iter, ubuf);
	return memory;
}

static __always_inline const struct iovec *caller_vector(const struct iov_iter *iter)
{
	const struct iovec *vector = NULL;

	if (bpf_core_field_exists(iter->__iov))
		return iter->__iov;
	BPF_CORE_READ_INTO(&vector, (const struct iov_iter___old *)iter, iov);
	return vector;
}

static __always_inline void find_pieces(const struct iov_iter *iter, struct call_data *data)
{
	const struct iovec *vector = caller_vector(iter);
	unsigned long pieces = iter->nr_segs;
	struct iovec begin[2] = {}, last;

	/* The first, and with it the second, which mostly is the last. */
	if (bpf_probe_read_kernel(begin, pieces > 1 ? sizeof(begin) : sizeof(begin[0]), vector))
		return;
	data->first = data->last = begin[0].iov_base + iter->iov_offset;
	data->first_bytes = data->last_bytes = begin[0].iov_len - iter->iov_offset;
	/* Pieces may be empty, as the last one of Node's are. */
	for (__u32 i = 0; i < EMPTY_PIECES && pieces > 1; i++) {
		last = begin[1];
		if (pieces > 1024 ||
		    (pieces > 2 && bpf_probe_read_kernel(&last, sizeof(last), vector + pieces - 1))) {
			data->last = NULL;
			break;
		}
		if (last.iov_len) {
			data->last = last.iov_base;
			data->last_bytes = last.iov_len;
			break;
		}
		pieces--;
	}
	if (pieces > 1) {
		data->vector = vector;
		data->pieces = pieces;
	}
}

static __always_inline void find_data(const struct iov_iter *iter, struct call_data *data)
{
	data->bytes = iter->count;
	if (iter->iter_type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		data->first = data->last = caller_memory(iter) + iter->iov_offset;
		data->first_bytes = data->last_bytes = iter->count;
	} else if (iter->iter_type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		find_pieces(iter, data);
	}
}

extern void bpf_preempt_disable(void) __weak __ksym;	/* Linux 6.10 */
extern void bpf_preempt_enable(void) __weak __ksym;

#define LOOK_BYTES 512u

/* Room to look at a short send as a whole: reading a caller's memory costs ten times what it costs to look at it. */
struct look {
	__u8 before[EV_TAIL_BYTES];	/* 0: what lies before a send of fewer bytes than the tail */
	__u8 bytes[2 * LOOK_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct look);
} looks SEC(".maps");

/* The call's last bytes, right-aligned: they tell the last chunk. */
struct call_end {
	__u64 tail;
	bool is_known;
	bool begins_lines;	/* it is short, and begins like a head: the head's other lines may come one by one */
};

static const char head_magic[8] = "HTTP/1.";

/* A call shorter than this with the beginning of a head is a line of it rather than the whole; so many more may follow. */
#define HEAD_LINE_BYTES 64
#define HEAD_LINES 16

/* Whether `count` bytes, 8 of which can be read, are as a head begins. */
static __always_inline bool begins_head_line(const __u8 *bytes, __u64 count)
{
	__u64 mask = count >= 7 ? 0x00ffffffffffffff : (1ULL << (8 * count)) - 1;

	return !((*(const __u64 *)bytes ^ *(const __u64 *)head_magic) & mask);
}

/*
 * Reads the call's end. True: it begins like a response's head, without a read before it, as the next of several pipelined
 * responses does, or what follows an interim one.
 */
static __always_inline bool look_undisturbed(const struct call_data *data, struct call_end *end, bool wants_begin)
{
	__u64 take = BOUNDED(data->last_bytes, LOOK_BYTES), magic = 0;
	const void *from = data->last + data->last_bytes - take;
	__u32 key = 0;
	struct look *look = bpf_map_lookup_elem(&looks, &key);

	if (data->last_bytes > LOOK_BYTES)
		take = EV_TAIL_BYTES, from = data->last + data->last_bytes - EV_TAIL_BYTES;
	if (!look || !data->last || !take || bpf_probe_read_user(look->bytes, take, from)) {
		return false;
	}
	end->is_known = true;
	end->tail = *(__u64 *)(look->bytes + take - EV_TAIL_BYTES);
	if (take < EV_TAIL_BYTES)
		end->tail = end->tail >> (8 * (EV_TAIL_BYTES - take)) << (8 * (EV_TAIL_BYTES - take));
	if (!wants_begin)	/* EV_HEAD has it */
		return false;
	if (data->first == data->last && data->last_bytes <= LOOK_BYTES)
		magic = *(__u64 *)look->bytes;
	else if (data->first && data->first_bytes >= EV_TAIL_BYTES)
		bpf_probe_read_user(&magic, sizeof(magic), data->first);
	return (magic & 0x00ffffffffffffff) == *(const __u64 *)head_magic;
}

/* Another task of this CPU must not look meanwhile: the room is one. */
VERIFIED_ALONE int look_at(const struct call_data *data, struct call_end *end, bool wants_begin)
{
	bool begins_head;

	if (!data || !end)
		return false;
	if (settings.hooks & EV_HOOK_HOLD)
		bpf_preempt_disable();
	begins_head = look_undisturbed(data, end, wants_begin);
	if (settings.hooks & EV_HOOK_HOLD)
		bpf_preempt_enable();
	return begins_head;
}

#define HEAD_PIECES 8	/* of a writev() that are looked at for the rest of a head */
#define BODY_PIECES 3	/* at most, of a writev() that hands over a single response in chunks or with a length */

static __always_inline bool ends_head(const __u8 *bytes, __u64 end, const __u32 room)
{
	__u64 position = BOUNDED(end, room);

	return position >= 4 && *(__u32 *)(bytes + position - 4) == 0x0a0d0a0d;
}

/*
 * A head may come in several pieces of one call: adds them until the empty line. Returns the bytes that are there then. A
 * piece of at most `longest` is added where as much is free: the verifier sees that this fits, and nothing finer.
 */
static __always_inline __u64 gather_head(__u8 *bytes, __u64 taken, const struct call_data *data, const __u32 room,
					 const __u32 longest)
{
	for (__u32 i = 1; i < HEAD_PIECES; i++) {
		__u64 end = BOUNDED(taken, room), take;
		struct iovec next;

		/* Behind a head alone comes its body; of many pieces, some may be the next response. */
		if (!data->vector || i >= data->pieces || end > room - longest ||
		    (data->pieces <= BODY_PIECES && ends_head(bytes, end, room)) ||
		    bpf_probe_read_kernel(&next, sizeof(next), data->vector + i))
			break;
		take = BOUNDED(next.iov_len, longest);
		if (!take || bpf_probe_read_user(bytes + end, take, next.iov_base))
			break;
		taken = end + take;
		if (take < next.iov_len)
			break;
	}
	return taken;
}

/*
 * Tells the beginning of the call's data in a record that has `room` bytes for it: the response's head is in it, if there is
 * one. Where that is the whole call, its end is known too.
 */
static __always_inline void tell_head(struct socket_state *state, const struct call_data *data, struct call_end *end,
				      const __u32 room, const __u32 longest)
{
	struct ev_head *record = reserve(state, EV_HEAD, sizeof(*record) + room);
	__u32 flags = 0;
	__u8 *bytes;
	__u64 take;

	if (!record)
		return;
	take = BOUNDED(data->first_bytes, room);
	bytes = (__u8 *)(record + 1);
	if (!data->first || !take || bpf_probe_read_user(bytes, take, data->first)) {
		struct ev_counters *counter = count();

		take = 0;
		flags = EV_F_HEAD_UNREAD;
		if (counter)
			add_one(&counter->heads_unread);
	}
	if (take && take == data->first_bytes)
		take = gather_head(bytes, take, data, room, longest);
	if (take == data->bytes && take >= EV_TAIL_BYTES) {
		end->is_known = true;
		end->tail = *(__u64 *)(bytes + BOUNDED(take - EV_TAIL_BYTES, room - EV_TAIL_BYTES));
	}
	end->begins_lines = take && data->bytes < HEAD_LINE_BYTES && begins_head_line(bytes, take);
	fill_header(&record->header, state, EV_HEAD, sizeof(*record) + room, flags, state->call_ns);
	record->seq = state->call_seq;
	record->head_bytes = take;
	record->call_bytes = data->bytes;
	submit(record);
}

#define LONG_HEAD_PIECES (EV_LONGEST_HEAD_BYTES / EV_RESPONSE_HEAD_BYTES)

/*
 * One piece of a head that is longer than a record: told as if it were a call of its own. True: the head goes on behind it.
 * `window`: the last four bytes before the piece, and then of it.
 */
VERIFIED_ALONE int tell_piece(struct socket_state *state, const struct call_data *data, __u32 offset, __u32 *window)
{
	struct ev_head *record;
	__u32 flags = 0, last;
	const __u8 *bytes;
	bool goes_on;
	__u64 take;

	if (!state || !data || !window)
		return false;
	record = reserve(state, EV_HEAD, sizeof(*record) + EV_RESPONSE_HEAD_BYTES);
	if (!record)
		return false;
	last = *window;
	take = BOUNDED(data->first_bytes - offset, EV_RESPONSE_HEAD_BYTES);
	goes_on = offset + take < data->first_bytes && offset < EV_LONGEST_HEAD_BYTES - EV_RESPONSE_HEAD_BYTES;
	bytes = (__u8 *)(record + 1);
	if (bpf_probe_read_user(record + 1, take, data->first + offset)) {
		struct ev_counters *counter = count();

		take = 0;
		goes_on = false;
		flags = EV_F_HEAD_UNREAD;
		if (counter)
			add_one(&counter->heads_unread);
	}
	/* What does not begin like a head is its rest at most, and mostly a body. */
	if (!offset && !begins_head_line(bytes, take))
		goes_on = false;
	for (__u32 i = 0; goes_on && i < EV_RESPONSE_HEAD_BYTES; i++) {
		last = last << 8 | bytes[i];
		if (last == 0x0d0a0d0a || (last & 0xffff) == 0x0a0a)
			goes_on = false;
	}
	*window = last;
	fill_header(&record->header, state, EV_HEAD, sizeof(*record) + EV_RESPONSE_HEAD_BYTES, flags, state->call_ns);
	record->seq = state->call_seq + offset;
	record->head_bytes = take;
	record->call_bytes = goes_on ? take : data->bytes - offset;
	submit(record);
	return goes_on;
}

/* The beginning of a call whose first piece is longer than a record: as many records as its head needs, within bounds. */
VERIFIED_ALONE int read_long_head(struct socket_state *state, const struct call_data *data)
{
	__u32 window = 0;

	if (!state || !data)
		return 0;
	for (__u32 i = 0; i < LONG_HEAD_PIECES; i++)
		if (!tell_piece(state, data, i * EV_RESPONSE_HEAD_BYTES, &window))
			break;
	return 0;
}

/* Three sizes, because the verifier wants a constant; a head is rarely long, and mostly a piece of its own. */
VERIFIED_ALONE int read_head(struct socket_state *state, const struct call_data *data, struct call_end *end)
{
	bool is_whole;
	__u64 likely;

	if (!state || !data || !end)
		return 0;
	if (data->first && data->first_bytes > EV_RESPONSE_HEAD_BYTES)
		return read_long_head(state, data);
	is_whole = !data->vector || data->first_bytes >= 100;
	likely = data->vector ? data->first_bytes + 64 : data->bytes;
	if (data->pieces > BODY_PIECES)
		is_whole = false;
	if (is_whole && likely <= 192)
		tell_head(state, data, end, 192, 64);
	else if (is_whole && likely <= 384)
		tell_head(state, data, end, 384, 64);
	else
		tell_head(state, data, end, EV_RESPONSE_HEAD_BYTES, EV_RESPONSE_HEAD_BYTES / 2);
	return 0;
}

/*
 * A call that ends in an empty line may be the last of a body in chunks; so ends `0 CRLF CRLF`, and so end trailers. An
 * event whose own lines end in CRLF has one empty line more. `0 CRLF CRLF` alone is told by the tail of its flush.
 */
static __always_inline bool may_end_chunks(const struct call_data *data, const struct call_end *end)
{
	return (end->tail >> 32) == 0x0a0d0a0d && ((end->tail >> 24) & 0xff) != '\n' && data->bytes > 5;
}

static __always_inline void tell_ending(struct socket_state *state, const struct call_data *data, const __u32 room)
{
	__u64 take = BOUNDED(data->last_bytes, room);
	struct ev_head *record;

	if (!take)
		return;
	record = reserve(state, EV_HEAD, sizeof(*record) + room);
	if (!record)
		return;
	if (bpf_probe_read_user(record + 1, take, data->last + data->last_bytes - take))
		take = 0;
	fill_header(&record->header, state, EV_HEAD, sizeof(*record) + room, EV_F_ENDING, state->call_ns);
	record->seq = state->call_seq;
	record->head_bytes = take;
	record->call_bytes = data->bytes;
	submit(record);
}

VERIFIED_ALONE int read_ending(struct socket_state *state, const struct call_data *data)
{
	if (!state || !data)
		return 0;
	if (data->last_bytes <= EV_ENDING_BYTES)
		tell_ending(state, data, EV_ENDING_BYTES);
	else
		tell_ending(state, data, EV_RESPONSE_HEAD_BYTES);
	return 0;
}

#endif
