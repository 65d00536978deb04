// SPDX-License-Identifier: MIT
import TailraceModel
import Testing

@testable import TailraceService

@Suite("What is asked for")
struct RequestTests {
    @Test(
        "is decoded",
        arguments: [
            ("/", "/", [:]), ("/v1/health", "/v1/health", [:]), ("/v1/health/", "/v1/health", [:]), ("/a?", "/a", [:]),
            ("/%61%2D/b%20c", "/a-/b c", [:]), ("/a%3Fb?c=d", "/a?b", ["c": "d"]), ("/...", "/...", [:]),
            ("/a?x=1&y=&z", "/a", ["x": "1", "y": "", "z": ""]), ("/a?at=a%2Bb+c", "/a", ["at": "a+b c"]),
            ("/a+b?x=a=b", "/a+b", ["x": "a=b"]), ("/%C3%BC?%C3%BC=%E2%82%AC", "/ü", ["ü": "€"]),
        ])
    func decoded(text: String, path: String, query: [String: String]) {
        let target = RequestTarget(text)
        #expect(target?.path == path && target?.query == query, "\(String(describing: target))")
    }

    @Test(
        "is refused where two could read it differently",
        arguments: [
            "", "a", "*", "http://a/", "//", "//a", "/a//b", "/a//", "/.", "/a/..", "/a/../b", "/%2e", "/a%2Fb", "/%2f",
            "/%", "/%1", "/%zz", "/%+1", "/a b", "/a#b", "/a%00", "/a%0d%0aX:%20y", "/%1b%5b", "/\u{fc}", "/%ff",
            "/%C3",
            "/%E2%80%AE", "/%C2%9B", "/a?x=1&x=2", "/a?x&x", "/a?=1", "/a?&", "/a?x=1&", "/a?x=%0a", "/a?%78=1&x=2",
            "/" + String(repeating: "a", count: 1024), "/?" + (0..<33).map { "a\($0)=1" }.joined(separator: "&"),
        ])
    func refused(text: String) { #expect(RequestTarget(text) == nil) }

    @Test("as often as is allowed, whatever the clock does")
    func budget() {
        var budget = RequestBudget(perSecond: 10, at: 0)
        func taken(of count: Int, at now: Nanoseconds) -> Int { (0..<count).count { _ in budget.take(at: now) } }
        var now: Nanoseconds = 0
        #expect(taken(of: 20, at: now) == 10, "so many at once")
        now += 99_999_999
        #expect(taken(of: 1, at: now) == 0, "not before its time")
        now += 1
        #expect(taken(of: 2, at: now) == 1)
        #expect(taken(of: 1, at: 0) == 0, "a clock that goes back gives nothing")
        now += 3_600_000_000_000
        #expect(taken(of: 20, at: now) == 10, "a long silence is worth no more")
        var sum = 0
        for _ in 0..<10_000 {
            now += 1_000_000
            sum += taken(of: 1, at: now)
        }
        #expect(sum == 100)
    }

    @Test("and for how long a client may be waited for")
    func watch() {
        var limits = ServiceLimits()
        (limits.idle, limits.stalled) = (10, 30)
        var watch = ClientWatch(limits: limits)
        #expect(watch.verdict(at: 5) == .fine(until: nil))
        watch.listen(at: 5)
        #expect(watch.verdict(at: 14) == .fine(until: 15) && watch.verdict(at: 15) == .silent)
        watch.heard()
        #expect(watch.verdict(at: 1000) == .fine(until: nil), "a request may wait for its answer")
        watch.wrote(at: 1000)
        watch.wrote(at: 1020)
        #expect(watch.verdict(at: 1029) == .fine(until: 1030) && watch.verdict(at: 1030) == .stalled)
        watch.wasTaken(at: 1029)
        #expect(watch.verdict(at: 1058) == .fine(until: 1059), "it took some")
        watch.wasTaken(at: 1058)
        #expect(watch.verdict(at: 9000) == .fine(until: nil), "nothing waits for it")
    }
}
