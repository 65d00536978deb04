// SPDX-License-Identifier: MIT
import CZlib

/// Makes batches of records smaller. Its memory is allocated once.
final class Deflater {
    private var stream = z_stream()

    /// Level 1: the fastest. Level 6 takes several times as long for a few percent.
    init?(level: Int32 = 1) {
        guard czlib_deflate_init(&stream, level) == Z_OK else { return nil }
    }

    deinit { deflateEnd(&stream) }

    /// Bytes written to `output`; nil: it has not enough room.
    func deflate(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int? {
        guard deflateReset(&stream) == Z_OK else { return nil }
        stream.point(at: input, output)
        return CZlib.deflate(&stream, Z_FINISH) == Z_STREAM_END ? Int(stream.total_out) : nil
    }
}

/// Undoes it, for input that is not trusted.
final class Inflater {
    private var stream = z_stream()

    init?() {
        guard czlib_inflate_init(&stream) == Z_OK else { return nil }
    }

    deinit { inflateEnd(&stream) }

    /// False: `input` is not exactly what fills `output`. Never writes beyond it, whatever `input` says.
    func inflate(_ input: UnsafeRawBufferPointer, filling output: UnsafeMutableRawBufferPointer) -> Bool {
        guard inflateReset(&stream) == Z_OK else { return false }
        stream.point(at: input, output)
        return CZlib.inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 0
    }
}

extension z_stream {
    /// Both are at most a few hundred KiB: the lengths fit.
    fileprivate mutating func point(at input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) {
        // zlib only reads from next_in.
        next_in = UnsafeMutableRawBufferPointer(mutating: input).bindMemory(to: UInt8.self).baseAddress
        avail_in = UInt32(input.count)
        next_out = output.bindMemory(to: UInt8.self).baseAddress
        avail_out = UInt32(output.count)
    }
}
