// SPDX-License-Identifier: MIT
import CConfinement
import Glibc
import TailraceModel

/// Asks a process without rights about an executable. Whatever the file does to that process, here it costs a sentence.
final class ImageReader {
    /// What kind of program it is.
    struct Greeting {
        /// nil: it is not written in Go.
        let goVersion: GoVersion?
        /// Where the address is kept that Go's code begins at, as the file counts.
        let codeStartAt: UInt64
        let isRelocatable: Bool
        /// Of the file's first byte.
        let firstPage: UInt64
    }
    struct Function {
        /// From the begin of the code.
        let entry: UInt32
        let place: CodePlace
    }
    struct Symbol {
        let fileOffset: UInt64
        let address: UInt64
        /// The first bytes of its code.
        let code: [UInt8]
    }

    /// A question that would not fit into a pipe could block both sides.
    private static let longestQuestion = 32768
    private static let longestAnswer = 1 << 20
    /// Of all that is asked, ns: a large program on a busy machine takes a second.
    private static let patience: Int64 = 30_000_000_000

    /// A millisecond each.
    private static let looksForEnd = 200

    private let subject: String
    private var process: pid_t = 0
    private var input: Int32 = -1
    private var output: Int32 = -1
    private var pending: [UInt8] = []
    /// A question was not answered: what comes yet would be taken for the answer of another.
    private var isBroken = false
    private(set) var greeting = Greeting(goVersion: nil, codeStartAt: 0, isRelocatable: false, firstPage: 0)

    /// `path`: the executable, also `/proc/PID/exe`; `subject`: what it is called in sentences.
    init(path: String, subject: String) throws(TaskError) {
        self.subject = subject
        try start(path)
        let words = try line(by: now() + Self.patience)
        let numbers = words.suffix(words.first == "go" ? 2 : 1).map { UInt64($0, radix: 16) }
        switch words.first {
        case "go" where words.count == 5:
            greeting = Greeting(
                goVersion: GoVersion("go" + words[1]), codeStartAt: (numbers.last ?? nil) ?? 0,
                isRelocatable: words[2] == "relocatable", firstPage: (numbers.first ?? nil) ?? 0)
        case "other" where words.count == 3:
            greeting = Greeting(
                goVersion: nil, codeStartAt: 0, isRelocatable: words[1] == "relocatable",
                firstPage: (numbers.first ?? nil) ?? 0)
        default: throw unreadable("its reader gave an answer that makes no sense")
        }
    }

    deinit {
        if input >= 0 { close(input) }
        if output >= 0 { close(output) }
        if process > 0 {
            kill(process, SIGKILL)
            // One that reads what is never delivered cannot end.
            for _ in 0..<Self.looksForEnd where waitpid(process, nil, WNOHANG) == 0 { usleep(1000) }
        }
    }

    private func unreadable(_ why: String) -> TaskError { TaskError(.failed, "cannot read \(subject): \(why)") }

    private func broken(_ why: String) -> TaskError {
        isBroken = true
        return unreadable(why)
    }

    /// The program itself, again, with nothing of it but the three standard descriptors.
    private func start(_ path: String) throws(TaskError) {
        var questions: [Int32] = [-1, -1]
        var answers: [Int32] = [-1, -1]
        guard cconfinement_pipe(&questions) == 0 else { throw .step("start a reader of \(subject)", errno: errno) }
        input = questions[1]
        defer { close(questions[0]) }
        guard cconfinement_pipe(&answers) == 0 else { throw .step("start a reader of \(subject)", errno: errno) }
        output = answers[0]
        defer { close(answers[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, questions[0], 0)
        posix_spawn_file_actions_adddup2(&actions, answers[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let arguments: [String] = ["tailrace", "read-image", path]
        let words: [UnsafeMutablePointer<CChar>?] = arguments.map { word in strdup(word) } + [nil]
        defer { for word in words { free(word) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        let result = posix_spawn(&process, "/proc/self/exe", &actions, nil, words, &environment)
        guard result == 0 else {
            process = 0
            throw .step("start a reader of \(subject)", errno: result)
        }
    }

    /// `count` lines of answer, in words.
    private func ask(_ question: String, lines count: Int) throws(TaskError) -> [[String]] {
        guard !isBroken else { throw unreadable("its reader did not answer before") }
        var rest = Array((question + "\n").utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
            guard written > 0 else { throw unreadable("its reader ended; the file may be damaged, or made to do harm") }
            rest = rest.dropFirst(written)
        }
        let deadline = now() + Self.patience
        var answers: [[String]] = []
        while answers.count < count { answers.append(try line(by: deadline)) }
        return answers
    }

    private func line(by deadline: Int64) throws(TaskError) -> [String] {
        while true {
            if let end = pending.firstIndex(of: 0x0a) {
                let text = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeSubrange(...end)
                let words = text.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
                guard words.first != "error" else { throw unreadable(words.dropFirst().joined(separator: " ")) }
                return words
            }
            guard pending.count < Self.longestAnswer else { throw broken("its reader does not stop answering") }
            var event = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            // Who was stopped meanwhile finds the answer, however late it is.
            let left = max(0, deadline - now())
            let isReady = poll(&event, 1, left > 0 ? Int32(left / 1_000_000) + 1 : 0)
            if isReady < 0, errno == EINTR { continue }
            guard isReady > 0 else { throw broken("its reader took longer than 30 s") }
            var buffer = [UInt8](repeating: 0, count: 65536)
            let count = read(output, &buffer, buffer.count)
            guard count > 0 else { throw unreadable("its reader ended; the file may be damaged, or made to do harm") }
            pending.append(contentsOf: buffer[..<count])
        }
    }

    private func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Where Go's runtime keeps its variables; `codeStart` as the file counts.
    func addresses(codeStart: UInt64) throws(TaskError) -> GoImage.Addresses {
        let words = try ask("addresses\t" + String(codeStart, radix: 16), lines: 1)[0]
        let numbers = words.dropFirst().prefix(18).compactMap { UInt64($0, radix: 16) }
        guard words[0] == "addresses", numbers.count >= 3 else { throw unreadable("its reader makes no sense") }
        return GoImage.Addresses(goroutines: numbers[0], scheduler: numbers[1], processors: Array(numbers[2...]))
    }

    /// The functions that have these bytes, nil for those that none has. Offsets count from the begin of the code.
    func functions(at offsets: [UInt32]) throws(TaskError) -> [Function?] {
        var found: [Function?] = []
        let most = Self.longestQuestion / 9 - 2
        for start in stride(from: 0, to: offsets.count, by: most) {
            let part = offsets[start..<min(start + most, offsets.count)]
            let question = (["functions"] + part.map { String($0, radix: 16) }).joined(separator: "\t")
            for words in try ask(question, lines: part.count) {
                guard words.count == 5, words[0] == "function", let entry = UInt32(words[1], radix: 16) else {
                    found.append(nil)
                    continue
                }
                let line = Int(words[4], radix: 16) ?? 0
                found.append(
                    Function(
                        entry: entry,
                        place: CodePlace(
                            function: words[2], file: words[3] == "-" ? nil : words[3], line: line > 0 ? line : nil)))
            }
        }
        return found
    }

    /// What the functions are called that have these bytes, as the file counts; nil for those that none has.
    func names(at addresses: [UInt64]) throws(TaskError) -> [String?] {
        var found: [String?] = []
        let most = Self.longestQuestion / 17 - 2
        for start in stride(from: 0, to: addresses.count, by: most) {
            let part = addresses[start..<min(start + most, addresses.count)]
            let question = (["names"] + part.map { String($0, radix: 16) }).joined(separator: "\t")
            for words in try ask(question, lines: part.count) {
                found.append(words.count == 2 && words[0] == "name" ? words[1] : nil)
            }
        }
        return found
    }

    /// The symbols of these names, nil for those that it does not define.
    func symbols(named names: [String]) throws(TaskError) -> [Symbol?] {
        try ask((["symbols"] + names).joined(separator: "\t"), lines: names.count).map { words in
            guard words.count == 5, words[0] == "symbol", let address = UInt64(words[1], radix: 16),
                let offset = UInt64(words[2], radix: 16), offset > 0
            else { return nil }
            let digits = Array(words[3].utf8)
            let code = stride(from: 0, to: digits.count - digits.count % 2, by: 2).compactMap { place in
                UInt8(String(decoding: digits[place..<place + 2], as: UTF8.self), radix: 16)
            }
            return Symbol(fileOffset: offset, address: address, code: code)
        }
    }

    /// What is known of a function that is to be hooked.
    enum SiteAnswer {
        case site(CodeSite)
        /// Several have that name.
        case functions(Int)
        /// None has it; how many functions are named at all, and some that are named alike.
        case absent(functions: Int, alike: [String])
    }

    /// The instruction `plus` bytes behind the begin of a function, which is named, or given as `@` and an offset in the
    /// file, hexadecimal.
    func site(of function: String, plus: UInt64) throws(TaskError) -> SiteAnswer {
        let words = try ask("site\t\(function)\t" + String(plus, radix: 16), lines: 1)[0]
        let number = words.dropFirst().first.flatMap { UInt64($0, radix: 16) }
        switch (words[0], number) {
        case ("site", let fileOffset?) where words.count == 5:
            guard let offset = UInt64(words[2], radix: 16), let verdict = CodeSite.Verdict(rawValue: words[3]) else {
                break
            }
            return .site(
                CodeSite(
                    fileOffset: fileOffset, offset: offset, verdict: verdict, better: UInt64(words[4], radix: 16)))
        case ("functions", let count?): return .functions(Int(clamping: count))
        case ("absent", let count?):
            return .absent(functions: Int(clamping: count), alike: Array(words.dropFirst(2).prefix(3)))
        default: break
        }
        throw unreadable("its reader gave an answer that makes no sense")
    }
}
