// SPDX-License-Identifier: MIT
import TailraceModel

/// Builds one JSON object as one line. Unknown values are `null`, never 0.
struct JSONLine {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// `{"v":1,"type":"..."`
    init(type: StaticString) {
        bytes.reserveCapacity(2048)
        bytes.append(0x7b)
        field("v", Int64(1))
        field("type", string: type.description)
    }

    /// `{`: an object of another format.
    init() { bytes.append(0x7b) }

    /// ns as microseconds, with all their digits.
    mutating func field(_ name: StaticString, microseconds nanoseconds: Int64) {
        self.name(name)
        let value = max(0, nanoseconds)
        let rest = String(1000 + value % 1000).dropFirst()
        bytes.append(contentsOf: "\(value / 1000).\(rest)".utf8)
    }

    /// As it is so far: more is to come.
    consuming func opened() -> [UInt8] { bytes }

    private mutating func name(_ name: StaticString) {
        if needsComma { bytes.append(0x2c) }
        needsComma = true
        bytes.append(0x22)
        bytes.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        bytes.append(contentsOf: [0x22, 0x3a])
    }

    mutating func field(_ name: StaticString, _ value: Int64?) {
        self.name(name)
        number(value)
    }

    mutating func field(_ name: StaticString, _ value: Int?) { field(name, value.map(Int64.init)) }

    mutating func field(_ name: StaticString, _ value: UInt64) {
        self.name(name)
        bytes.append(contentsOf: String(value).utf8)
    }

    mutating func field(_ name: StaticString, _ value: Bool?) {
        self.name(name)
        bytes.append(contentsOf: (value.map { $0 ? "true" : "false" } ?? "null").utf8)
    }

    /// Text from outside is safe here: this is where it is escaped and cut.
    mutating func field(_ name: StaticString, string value: String?) {
        self.name(name)
        self.string(value)
    }

    /// Sentences of our own: escaped like everything, and never cut.
    mutating func field(_ name: StaticString, sentences value: String) {
        self.name(name)
        string(value, longest: .max)
    }

    private mutating func string(_ value: String?, longest: Int = Sanitizer.longest) {
        guard let value else { return bytes.append(contentsOf: "null".utf8) }
        bytes.append(0x22)
        Sanitizer.escape(value, into: &bytes, longest: longest)
        bytes.append(0x22)
    }

    mutating func field(_ name: StaticString, wall: Int64?) {
        self.field(name, string: wall.map(Timestamp.rfc3339))
    }

    mutating func object(_ name: StaticString, _ fields: (inout JSONLine) -> Void) {
        self.name(name)
        bytes.append(0x7b)
        needsComma = false
        fields(&self)
        bytes.append(0x7d)
        needsComma = true
    }

    /// An object whose name is not known at compile time.
    mutating func object(named name: String, _ fields: (inout JSONLine) -> Void) {
        if needsComma { bytes.append(0x2c) }
        string(name)
        bytes.append(contentsOf: [0x3a, 0x7b])
        needsComma = false
        fields(&self)
        bytes.append(0x7d)
        needsComma = true
    }

    /// A number whose name is not known at compile time.
    mutating func field(named name: String, _ value: Int?) { field(named: name, value.map(Int64.init)) }

    mutating func field(named name: String, _ value: Int64?) {
        self.name(text: name)
        number(value)
    }

    mutating func field(named name: String, string value: String?) {
        self.name(text: name)
        string(value)
    }

    mutating func field(named name: String, share value: Double?) {
        self.name(text: name)
        share(value)
    }

    mutating func field(named name: String, number value: Double?) {
        self.name(text: name)
        number(value)
    }

    private mutating func name(text name: String) {
        if needsComma { bytes.append(0x2c) }
        needsComma = true
        string(name)
        bytes.append(0x3a)
    }

    mutating func null(_ name: StaticString) {
        self.name(name)
        bytes.append(contentsOf: "null".utf8)
    }

    mutating func array(_ name: StaticString, strings: [String]) {
        self.name(name)
        bytes.append(0x5b)
        for (index, value) in strings.enumerated() {
            if index > 0 { bytes.append(0x2c) }
            string(value)
        }
        bytes.append(0x5d)
    }

    mutating func array(_ name: StaticString, numbers: [Int64]) {
        self.name(name)
        bytes.append(0x5b)
        for (index, value) in numbers.enumerated() {
            if index > 0 { bytes.append(0x2c) }
            number(value)
        }
        bytes.append(0x5d)
    }

    /// Numbers that are written as JSON has them already.
    mutating func array(_ name: StaticString, decimals: [String]) {
        self.name(name)
        bytes.append(0x5b)
        bytes.append(contentsOf: decimals.joined(separator: ",").utf8)
        bytes.append(0x5d)
    }

    /// A value that is JSON already.
    mutating func field(_ name: StaticString, json value: some Sequence<UInt8>) {
        self.name(name)
        bytes.append(contentsOf: value)
    }

    /// Elements that are JSON already.
    mutating func array(_ name: StaticString, json elements: [some Collection<UInt8>]) {
        self.name(name)
        bytes.append(0x5b)
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(0x2c) }
            bytes.append(contentsOf: element)
        }
        bytes.append(0x5d)
    }

    mutating func array<Items: Sequence>(
        _ name: StaticString, _ items: Items, _ fields: (inout JSONLine, Items.Element) -> Void
    ) {
        self.name(name)
        bytes.append(0x5b)
        var isFirst = true
        for item in items {
            if !isFirst { bytes.append(0x2c) }
            isFirst = false
            bytes.append(0x7b)
            needsComma = false
            fields(&self, item)
            bytes.append(0x7d)
        }
        bytes.append(0x5d)
        needsComma = true
    }

    /// A share, 0...1, with four decimals.
    mutating func field(_ name: StaticString, share value: Double?) {
        self.name(name)
        share(value)
    }

    private mutating func share(_ value: Double?) {
        guard let value, !value.isNaN else { return bytes.append(contentsOf: "null".utf8) }
        let scaled = String(10_000 + Int((max(0, min(value, 1)) * 10_000).rounded()))
        let whole = scaled.dropLast(4)
        bytes.append(contentsOf: "\((Int(whole) ?? 1) - 1).".utf8)
        bytes.append(contentsOf: scaled.suffix(4).utf8)
    }

    /// Any number, with up to 17 significant digits.
    mutating func field(_ name: StaticString, number value: Double?) {
        self.name(name)
        number(value)
    }

    private mutating func number(_ value: Double?) {
        guard let value, value.isFinite else { return bytes.append(contentsOf: "null".utf8) }
        bytes.append(contentsOf: String(value).utf8)
    }

    private mutating func number(_ value: Int64?) {
        guard let value else { return bytes.append(contentsOf: "null".utf8) }
        guard value < 0 || value > 9 else { return bytes.append(0x30 + UInt8(value)) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var rest = value.magnitude
            var first = 20
            repeat {
                first -= 1
                digits[first] = 0x30 + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            if value < 0 { bytes.append(0x2d) }
            bytes.append(contentsOf: digits[first...])
        }
    }

    /// The object closed, with its line break.
    consuming func closed() -> [UInt8] {
        bytes.append(contentsOf: [0x7d, 0x0a])
        return bytes
    }
}
