// SPDX-License-Identifier: MIT
import Glibc

/// FUZZ_TARGET: one process looks for one thing, so that what was reached for another does not count.
private let target: FuzzTarget = {
    let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
        fatalError("FUZZ_TARGET is \"\(name)\", and must be one of \(names)")
    }
    return target
}()

/// What libFuzzer calls.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    if let wrong = target.wrong(with: UnsafeRawBufferPointer(start: bytes, count: count)) {
        let line = Array("\(target.rawValue): \(wrong)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        abort()
    }
    return 0
}
