/* SPDX-License-Identifier: MIT */
/* libbpf for Swift: what the importer cannot see (macros, variadics, inline option structs) as functions. */
#ifndef TAILRACE_CLIBBPF_SHIM_H
#define TAILRACE_CLIBBPF_SHIM_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

/* The first warning that libbpf printed since clibbpf_quiet(); libbpf is only called from one thread at a time. */
static inline char *clibbpf_warning(void)
{
	static char warning[4096];

	return warning;
}

static inline int clibbpf_keep_warning(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char line[4096];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, arguments);
	/* The first says what failed; those after it are consequences. */
	if (clibbpf_warning()[0] == 0)
		memcpy(clibbpf_warning(), line, sizeof(line));
	return 0;
}

/* The ring's positions and record headers are shared with the kernel: smp_load_acquire(), smp_store_release() there. */
static inline unsigned long long clibbpf_load_acquire(const void *from)
{
	return __atomic_load_n((const unsigned long long *)from, __ATOMIC_ACQUIRE);
}

static inline unsigned int clibbpf_load_acquire_32(const void *from)
{
	return __atomic_load_n((const unsigned int *)from, __ATOMIC_ACQUIRE);
}

static inline void clibbpf_store_release(void *to, unsigned long long value)
{
	__atomic_store_n((unsigned long long *)to, value, __ATOMIC_RELEASE);
}

/* For programs of the kernel that read it: from its return on, none runs that has read what was there before. */
static inline void clibbpf_publish(unsigned int *place, unsigned int value)
{
	__atomic_store_n(place, value, __ATOMIC_RELEASE);
	/* It waits until every CPU has left what ran: programs run in such sections. Where it is refused, time has to do. */
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(50000);
}

/* From now on libbpf prints nothing; its next warning is kept. */
static inline void clibbpf_quiet(void)
{
	clibbpf_warning()[0] = 0;
	libbpf_set_print(clibbpf_keep_warning);
}

static inline struct bpf_object *clibbpf_open(const void *bytes, size_t size, const char *name)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name);

	return bpf_object__open_mem(bytes, size, &options);
}

static inline int clibbpf_program_info(int fd, struct bpf_prog_info *info)
{
	__u32 size = sizeof(*info);

	memset(info, 0, size);
	return bpf_obj_get_info_by_fd(fd, info, &size);
}

/* Does a text file, compressed or not, have this line? */
static inline bool clibbpf_has_line(const char *path, const char *wanted)
{
	gzFile file = gzopen(path, "r");
	bool is_there = false;
	char line[512];

	while (file && !is_there && gzgets(file, line, sizeof(line))) {
		line[strcspn(line, "\n")] = 0;
		is_there = strcmp(line, wanted) == 0;
	}
	if (file)
		gzclose(file);
	return is_there;
}

/* Is this the name of a function's parameter, counted from 0? */
static inline bool clibbpf_parameter_is(const struct btf *types, const char *function, int place, const char *name)
{
	const struct btf_type *type = btf__type_by_id(types, btf__find_by_name_kind(types, function, BTF_KIND_FUNC));

	type = type ? btf__type_by_id(types, type->type) : NULL;
	return type && btf_is_func_proto(type) && place < btf_vlen(type) &&
	       strcmp(btf__name_by_offset(types, btf_params(type)[place].name_off), name) == 0;
}

/* Hooks a program that does nothing to the entry of a kernel function, and takes it away again; 0, or -errno. */
static inline int clibbpf_try_function_hook(const struct btf *types, const char *function)
{
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FENTRY);
	int program, link, result;

	result = btf__find_by_name_kind(types, function, BTF_KIND_FUNC);
	if (result < 0)
		return result;
	options.attach_btf_id = (__u32)result;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "nothing", "Dual MIT/GPL", nothing, 2, &options);
	if (program < 0)
		return -errno;
	link = bpf_raw_tracepoint_open(NULL, program);
	result = link < 0 ? -errno : 0;
	if (link >= 0)
		close(link);
	close(program);
	return result;
}

/*
 * May this user hook functions of programs? Asked with a file that cannot be: the kernel looks at the rights first. 0, or errno. CAP_PERFMON
 * was enough until Linux 6.17 (ba677dbe77af), since then it takes CAP_SYS_ADMIN.
 */
static inline int clibbpf_try_program_hook(void)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	struct perf_event_attr attributes = { .size = sizeof(attributes), .config1 = (__u64)(unsigned long)"/dev/null/nothing" };
	bool is_there = file && fscanf(file, "%u", &attributes.type) == 1;
	int event;

	if (file)
		fclose(file);
	if (!is_there)
		return EOPNOTSUPP;
	event = (int)syscall(__NR_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (event >= 0)
		close(event);
	return event >= 0 || errno == ENOTDIR || errno == ENOENT ? 0 : errno;
}

/* May a program read the kernel's memory? It is not run. 0, or -errno: -EPERM where this user may not load one. */
static inline int clibbpf_try_reading(void)
{
	const struct bpf_insn reads[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "reads", "Dual MIT/GPL", reads, 7, NULL);

	if (program < 0)
		return -errno;
	close(program);
	return 0;
}

/*
 * Runs an iterator program once: over every element of a map, or over everything of its kind where `map_fd` is negative. What
 * it writes is handed to `take`, a piece at a time; a record never lies in two pieces, because the kernel writes whole ones
 * and the buffer holds what it writes at once. 0, or -errno.
 */
static inline int clibbpf_iterate(const struct bpf_program *program, int map_fd, void *buffer, size_t size,
				  void (*take)(void *context, const void *bytes, size_t count), void *context)
{
	union bpf_iter_link_info info = { .map = { .map_fd = (__u32)map_fd } };
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(program, map_fd < 0 ? NULL : &options);
	int iterator;
	ssize_t count;

	if (!link)
		return -errno;
	iterator = bpf_iter_create(bpf_link__fd(link));
	if (iterator < 0) {
		bpf_link__destroy(link);
		return iterator;
	}
	while ((count = read(iterator, buffer, size)) > 0 || (count < 0 && errno == EAGAIN))
		if (count > 0)
			take(context, buffer, (size_t)count);
	count = count < 0 ? -errno : 0;
	close(iterator);
	bpf_link__destroy(link);
	return (int)count;
}

#endif
