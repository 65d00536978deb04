// SPDX-License-Identifier: MIT
import Glibc
import Testing

@Suite("What fuzzing found, and began with")
struct CorpusTests {
    private static let directory: String = {
        let here = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return here.dropLast(2).joined(separator: "/") + "/Corpus"
    }()

    private static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func content(of path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Int(lseek(descriptor, 0, SEEK_END)))
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        return count == bytes.count ? bytes : nil
    }

    @Test("nothing of it is wrong any more", arguments: FuzzTarget.allCases)
    func corpus(target: FuzzTarget) throws {
        let directory = Self.directory + "/" + target.rawValue
        let names = Self.names(in: directory)
        #expect(!names.isEmpty, "there is a corpus")
        for name in names {
            let bytes = try #require(Self.content(of: directory + "/" + name))
            let wrong = bytes.withUnsafeBytes { target.wrong(with: $0) }
            #expect(wrong == nil, "\(target.rawValue)/\(name)")
            // Cut anywhere, it is hostile too.
            for length in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 16)) {
                let wrong = bytes[..<length].withUnsafeBytes { target.wrong(with: $0) }
                #expect(wrong == nil, "\(target.rawValue)/\(name), \(length) bytes of it")
            }
        }
    }
}
