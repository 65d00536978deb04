/* SPDX-License-Identifier: MIT */
/* The precompiled probe object, inside the executable: what is loaded is what was built, wherever it runs. */
#include "probes.h"

#if !__has_embed("probes.bpf.o")
#error "bpf/probes.bpf.o is missing: run `make bpf`"
#endif

#if !__has_embed("tasks.bpf.o")
#error "bpf/tasks.bpf.o is missing: run `make bpf`"
#endif

#if !__has_embed("pair.bpf.o")
#error "bpf/pair.bpf.o is missing: run `make bpf`"
#endif

_Alignas(8) static const unsigned char object[] = {
#embed "probes.bpf.o"
};

const struct probe_object tailrace_probe_object = { object, sizeof(object) };

_Alignas(8) static const unsigned char tasks[] = {
#embed "tasks.bpf.o"
};

const struct probe_object tailrace_task_object = { tasks, sizeof(tasks) };

_Alignas(8) static const unsigned char pair[] = {
#embed "pair.bpf.o"
};

const struct probe_object tailrace_pair_object = { pair, sizeof(pair) };
