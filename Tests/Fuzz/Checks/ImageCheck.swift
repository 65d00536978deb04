// SPDX-License-Identifier: MIT
import Glibc

@testable import TailraceTasks

/// An executable, as the process without rights reads it: whatever it is asked, it gives a line for each part of the question,
/// and nothing in it ends the line or does more than text does.
enum ImageCheck {
    static func wrong(with bytes: UnsafeRawBufferPointer) -> String? {
        let descriptor = file
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count else {
            fatalError("no file for an executable")
        }
        do throws(ImageError) {
            let elf = try ELFFile(UntrustedFile(descriptor: descriptor))
            return wrong(with: try ImageSession(elf), questions(elf))
        } catch {
            return wrong(in: error.description, "an error")
        }
    }

    /// In memory, and without a name.
    private static let file: Int32 = {
        var template = Array("/dev/shm/tailrace-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        unlink(template)
        return descriptor
    }()

    /// Each with the number of its lines.
    private static func questions(_ elf: ELFFile) -> [(question: String, lines: Int)] {
        let numbers: [UInt64] = [0, 0x40, 0x95, 0x1000, 0xffff_ffff, .max]
        let code = elf.segments.filter(\.isExecutable).prefix(4)
        let addresses = numbers + code.flatMap { [$0.address, $0.address &+ 17, $0.address &+ $0.memorySize &- 1] }
        let places = numbers + code.flatMap { [$0.offset, $0.offset &+ 33, $0.offset &+ $0.fileSize &- 1] }
        let names = ["runtime.allgs", "main", "_start", "open", "f"]
        var asked = [("functions", addresses), ("names", addresses)].map { word, numbers in
            (([word] + numbers.map { String($0, radix: 16) }).joined(separator: "\t"), numbers.count)
        }
        asked += addresses.map { ("addresses\t" + String($0, radix: 16), 1) }
        asked.append((("symbols\t" + names.joined(separator: "\t")), names.count))
        for plus in ["0", "4", "ffff", "ffffffffffffffff"] {
            asked += names.map { ("site\t\($0)\t\(plus)", 1) }
            asked += places.map { ("site\t@\(String($0, radix: 16))\t\(plus)", 1) }
        }
        return asked + [("", 1), ("site\t@\t", 1), ("addresses", 1)]
    }

    private static func wrong(with session: ImageSession, _ questions: [(question: String, lines: Int)]) -> String? {
        if let wrong = wrong(in: session.greeting, "the greeting") { return wrong }
        for (question, expected) in questions {
            let answer = session.answer(to: question)
            let lines = answer.split(separator: "\n", omittingEmptySubsequences: false)
            if lines.count != expected, !answer.hasPrefix("error\t") || lines.count != 1 {
                return "\(question.debugDescription): \(lines.count) lines"
            }
            for line in lines {
                if let wrong = wrong(in: String(line), question.debugDescription) { return wrong }
            }
        }
        return nil
    }

    /// Names are shown through the sanitizer; here they may only not break the line, or be without end.
    private static func wrong(in line: String, _ what: String) -> String? {
        if line.utf8.count > 16384 { return "\(what): a line of \(line.utf8.count) bytes" }
        let control = line.utf8.first { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }
        return control.map { "\(what): a control character \($0) in \(line.debugDescription.prefix(200))" }
    }
}
