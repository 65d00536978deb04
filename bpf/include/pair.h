/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The wire between user space and the programs that count calls of two functions: pair.bpf.c. C11, fixed width. */
#ifndef TAILRACE_PAIR_H
#define TAILRACE_PAIR_H

#ifdef __bpf__
#include <linux/types.h>
#define PAIR_S64 __s64
#define PAIR_U64 __u64
#else
#include <stdint.h>
#define PAIR_S64 int64_t
#define PAIR_U64 uint64_t
#endif

/* The calls that one process made of its two functions. */
struct ev_pair_count {
	PAIR_S64 open;		/* calls of the one that opens less those of the one that closes */
	PAIR_U64 opened;	/* calls of the one that opens */
	PAIR_U64 is_counted;	/* 1 once both are hooked: what was called before is not counted */
};

#endif
