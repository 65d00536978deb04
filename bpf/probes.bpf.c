/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* One object: the places on a response's way, in their order. */
#include "kernel.h"
#include <bpf/bpf_endian.h>
#include "socket.bpf.c"
#include "request.bpf.c"
#include "send.bpf.c"
#include "writers.bpf.c"
#include "transmit.bpf.c"
#include "acknowledge.bpf.c"
#include "snapshot.bpf.c"
#include "adopt.bpf.c"
#include "retarget.bpf.c"
#include "functions.bpf.c"
#include "spares.bpf.c"
#include "function_times.bpf.c"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
