// SPDX-License-Identifier: MIT
/*
 * A program whose memory does not answer: it exports what debuggers look for in Swift programs, in a page that comes from the
 * file that is named, whose file system may never deliver it; without a name, in a page that the program itself promised to
 * fill when somebody reads it (userfaultfd), and does not.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096

/* Initialized, so that they have a place in the file; alone in their page. */
__attribute__((aligned(PAGE))) struct {
	uint64_t kind, size, version;
	char rest[PAGE - 24];
} page = { .kind = 1, .size = 208, .version = 1 };

extern uint64_t kind_symbol __asm__("_swift_concurrency_debug_asyncTaskMetadata");
extern uint64_t size_symbol __asm__("_swift_concurrency_debug_asyncTaskSize");
extern uint64_t version_symbol __asm__("_swift_concurrency_debug_internal_layout_version");
__asm__(".globl _swift_concurrency_debug_asyncTaskMetadata\n.set _swift_concurrency_debug_asyncTaskMetadata, page\n"
	".globl _swift_concurrency_debug_asyncTaskSize\n.set _swift_concurrency_debug_asyncTaskSize, page + 8\n"
	".globl _swift_concurrency_debug_internal_layout_version\n"
	".set _swift_concurrency_debug_internal_layout_version, page + 16\n");

static int promise(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)&page, .len = PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int promises = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (promises < 0 || ioctl(promises, UFFDIO_API, &api))
		return 2;
	if (mmap(&page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return 1;
	return ioctl(promises, UFFDIO_REGISTER, &range) ? 1 : 0;
}

static int map(const char *path)
{
	int file = open(path, O_RDONLY);

	if (file < 0)
		return 1;
	return mmap(&page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED;
}

int main(int count, char **words)
{
	int failed = count > 1 ? map(words[1]) : promise();

	if (failed)
		return failed;
	printf("ready\n");
	fflush(stdout);
	pause();
}
