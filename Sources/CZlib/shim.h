/* SPDX-License-Identifier: MIT */
/* What recordings need of C and the importer cannot see (macros with arguments, calls behind _GNU_SOURCE) as functions. */
#ifndef TAILRACE_CZLIB_SHIM_H
#define TAILRACE_CZLIB_SHIM_H

#include <sys/types.h>
#include <zlib.h>

/* Raw deflate: a recording's blocks have checksums of their own. */
#define CZLIB_RAW (-15)

static inline int czlib_deflate_init(z_stream *stream, int level)
{
	return deflateInit2(stream, level, Z_DEFLATED, CZLIB_RAW, 8, Z_DEFAULT_STRATEGY);
}

static inline int czlib_inflate_init(z_stream *stream)
{
	return inflateInit2(stream, CZLIB_RAW);
}

extern int fallocate(int fd, int mode, off_t offset, off_t length);

/* Keeps room on the disk behind a file's end (FALLOC_FL_KEEP_SIZE): 0, or -1 with errno. */
static inline int czlib_keep_room(int fd, off_t offset, off_t length)
{
	return fallocate(fd, 1, offset, length);
}

#endif
