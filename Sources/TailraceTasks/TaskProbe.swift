// SPDX-License-Identifier: MIT
import Glibc
import TailraceModel

/// Two functions of a server, as its user names them: one is called when a task opens, the other when it closes.
public struct TaskProbe: Sendable, Equatable {
    /// As DESIGN names what counts by them.
    public static let name = "uprobe"

    /// `BIN:SYMBOL[+OFF]`.
    public struct Place: Sendable, Equatable, CustomStringConvertible {
        /// A path, `exe`, or a library's name.
        public let image: String
        /// A function's name, or `0x` and an offset in the file.
        public let symbol: String
        /// From its begin, bytes.
        public let offset: UInt64

        /// As it is given.
        public var description: String { named(offset) }

        func named(_ offset: UInt64) -> String { "\(image):\(symbol)" + (offset > 0 ? "+\(offset)" : "") }

        /// Where it is, if given by its place in the file.
        var fileOffset: UInt64? {
            symbol.hasPrefix("0x") ? UInt64(symbol.dropFirst(2), radix: 16) : nil
        }

        /// nil: it has not that form.
        public init?(_ text: Substring) {
            guard let colon = text.lastIndex(of: ":"), colon > text.startIndex else { return nil }
            image = String(text[..<colon])
            var function = text[text.index(after: colon)...]
            var offset: UInt64 = 0
            if let plus = function.lastIndex(of: "+") {
                let digits = function[function.index(after: plus)...]
                let value = digits.hasPrefix("0x") ? UInt64(digits.dropFirst(2), radix: 16) : UInt64(digits)
                guard let value, value < 1 << 20 else { return nil }
                (offset, function) = (value, function[..<plus])
            }
            self.offset = offset
            symbol = String(function)
            // It is asked for in a line, and words in it are divided by tabs.
            guard !symbol.isEmpty, symbol.utf8.count <= 4096, !symbol.utf8.contains(where: { $0 < 0x20 || $0 == 0x40 })
            else { return nil }
            if symbol.hasPrefix("0x"), fileOffset == nil { return nil }
        }
    }
    /// Called when a task opens.
    public let open: Place
    /// Called when one closes.
    public let close: Place

    /// `open=BIN:SYMBOL[+OFF],close=BIN:SYMBOL[+OFF]`, in either order; nil: it has not that form.
    public init?(_ text: String) {
        var places: [Substring: Place] = [:]
        var rest = text[...]
        while !rest.isEmpty {
            // A name may have commas: the next part begins with its word.
            let end = [",open=", ",close="].compactMap { rest.firstRange(of: $0)?.lowerBound }.min() ?? rest.endIndex
            guard let equals = rest[..<end].firstIndex(of: "="),
                let place = Place(rest[rest.index(after: equals)..<end]),
                places.updateValue(place, forKey: rest[..<equals]) == nil
            else { return nil }
            rest = rest[end...].dropFirst()
        }
        guard places.count == 2, let open = places["open"], let close = places["close"] else { return nil }
        (self.open, self.close) = (open, close)
    }
}
