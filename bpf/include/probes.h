/* SPDX-License-Identifier: MIT */
#ifndef TAILRACE_PROBES_H
#define TAILRACE_PROBES_H

#include <stddef.h>

/* An ELF object as libbpf takes it: bpf_object__open_mem(). */
struct probe_object {
	const void *bytes;
	size_t size;
};

extern const struct probe_object tailrace_probe_object;
extern const struct probe_object tailrace_task_object;
extern const struct probe_object tailrace_pair_object;

#endif
