// SPDX-License-Identifier: MIT
// A day of a busy server in a few minutes: what correlator, watch and report cost a response, and whether their memory grows.
// Time is that of the events, so nothing is waited for.
//
//     tailrace-day RATE SECONDS [STREAMS]
//
// TAILRACE_DAY_WITH_PICTURES=1: what the dashboard shows of it, and what it costs to draw that.
import Glibc

let numbers = CommandLine.arguments.dropFirst().compactMap { Int($0) }
guard numbers.count >= 2, numbers[0] > 0, numbers[1] > 0 else {
    print("usage: tailrace-day RESPONSES-A-SECOND SECONDS [STREAMS]")
    exit(64)
}
let isReport = getenv("TAILRACE_DAY_WITHOUT_WATCH") == nil
let pictures = getenv("TAILRACE_DAY_WITH_PICTURES") == nil ? nil : Pictures(columns: 160, rows: 45)
var day = Day(
    rate: numbers[0], streams: numbers.count > 2 ? numbers[2] : 0, watches: isReport,
    counts: getenv("TAILRACE_DAY_WITH_METRICS") != nil, pictures: pictures)
print("second  responses  ns/response  resident KiB  findings")
let seconds = numbers[1]
var spent: Int64 = 0
for second in 1...seconds {
    let begin = cpuTime()
    day.live(second: second)
    spent += cpuTime() - begin
    day.show(second: second)
    if second % max(1, seconds / 8) == 0 {
        let each = spent / Int64(max(1, day.responses))
        print("\(second)  \(day.responses)  \(each)  \(residentKiB())  \(day.findings)")
    }
}

if let pictures, let slowest = pictures.keyTimes.max(), let largest = pictures.bytes.max() {
    let share = (Double(pictures.spent) / Double(seconds) / 1e6).rounded() / 10
    let mean = pictures.bytes.reduce(0, +) / pictures.bytes.count
    print("drawing: \(share) % of a core at two pictures a second; \(mean) bytes each, at most \(largest)")
    print(
        "from a key to its picture: at most \((Double(slowest) / 1e5).rounded() / 10) ms, of \(pictures.keyTimes.count)"
    )
}

func cpuTime() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

func residentKiB() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
    let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self).split(separator: " ")
    return words.count > 1 ? (Int(words[1]) ?? 0) * 4 : 0
}
