# SPDX-License-Identifier: MIT
"""A file system with one file, in user space, that never delivers what is in it."""
import ctypes
import os
import struct
import tempfile
import threading

from tracer import Skip

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT = 1, 2, 3, 14, 15, 17, 18, 25, 26  # linux/fuse.h
ENOSYS = 38
ROOT, FILE, SIZE = 1, 2, 1 << 20
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def attributes(node):
    mode = 0o40755 if node == ROOT else 0o100644
    return struct.pack("6Q10I", node, SIZE, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


class SilentFiles:
    """`with SilentFiles() as files:`; a read of files.path waits until the end."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="tailrace-silent-")
        try:
            self.device = os.open("/dev/fuse", os.O_RDWR)
        except OSError as error:
            os.rmdir(self.directory)
            raise Skip("needs /dev/fuse: %s" % error)
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % self.device
        if _libc.mount(b"silent", self.directory.encode(), b"fuse", 0, options) != 0:
            os.close(self.device)
            os.rmdir(self.directory)
            raise Skip("cannot mount a file system in user space: errno %d" % ctypes.get_errno())
        self.reads = 0
        self.path = os.path.join(self.directory, "file")
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        try:
            while True:
                request = os.read(self.device, 1 << 20)
                _, code, unique, node = struct.unpack_from("IIQQ", request)
                error, body = self.answer(code, node)
                if body is not None:
                    os.write(self.device, struct.pack("IiQ", 16 + len(body), error, unique) + body)
        except OSError:  # it is unmounted
            pass

    def answer(self, code, node):
        """(error, body); no body: no answer."""
        if code == INIT:
            return 0, struct.pack("4I2H2I2H8I", 7, 31, 0, 0, 0, 0, 1 << 16, 1, 0, 0, *[0] * 8)
        if code == LOOKUP:
            return 0, struct.pack("4Q2I", FILE, 0, 60, 60, 0, 0) + attributes(FILE)
        if code == GETATTR:
            return 0, struct.pack("Q2I", 60, 0, 0) + attributes(node)
        if code == OPEN:
            return 0, struct.pack("Q2I", 0, 0, 0)
        if code in (RELEASE, FLUSH):
            return 0, b""
        if code == READ:
            self.reads += 1
        return (0, None) if code in (READ, FORGET) else (-ENOSYS, b"")

    def __exit__(self, *_):
        _libc.umount2(self.directory.encode(), MNT_DETACH)
        os.close(self.device)  # who waits, gets an error now
        os.rmdir(self.directory)
