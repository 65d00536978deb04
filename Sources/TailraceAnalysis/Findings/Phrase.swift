// SPDX-License-Identifier: MIT
import TailraceModel

/// Numbers within sentences. Text from outside never gets into one but through `Finding`'s outputs, which escape it.
enum Phrase {
    /// `850 us`, `1.2 s`.
    static func duration(_ nanoseconds: Int64) -> String {
        let value = Double(nanoseconds)
        if value < 1e3 { return "\(nanoseconds) ns" }
        if value < 1e6 { return "\(digits(value / 1e3)) us" }
        return value < 1e9 ? "\(digits(value / 1e6)) ms" : "\(digits(value / 1e9)) s"
    }

    /// `512 B`, `11.2 MB`, decimal as rates are.
    static func bytes(_ bytes: Int64) -> String {
        let value = Double(bytes)
        if value < 1e3 { return "\(bytes) B" }
        if value < 1e6 { return "\(digits(value / 1e3)) KB" }
        return value < 1e9 ? "\(digits(value / 1e6)) MB" : "\(digits(value / 1e9)) GB"
    }

    /// `12 KB/s`.
    static func rate(_ bytesPerSecond: Double) -> String { "\(bytes(Int64(nearest: bytesPerSecond)))/s" }

    /// `92 %`.
    static func percent(_ share: Double) -> String { "\(Int64(nearest: max(0, min(share, 1)) * 100)) %" }

    /// Of whoever counts them.
    static func tasks(_ provider: String) -> String {
        provider == StageCorrelation.responses ? "responses in flight" : "open tasks (\(provider))"
    }

    /// `1 client`, `3 clients`.
    static func count(_ count: Int, _ one: String, _ many: String) -> String { "\(count) \(count == 1 ? one : many)" }

    /// Three significant digits: `0.85`, `1.2`, `34`, `128`.
    static func digits(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        let size = abs(value)
        if size >= 99.5 { return "\(Int64(nearest: value))" }
        let scale: Double = size >= 9.95 ? 10 : 100
        let scaled = Int64(nearest: size * scale)
        var text = "\(scaled / Int64(scale))"
        var rest = scaled % Int64(scale)
        if rest > 0 {
            var width = scale == 10 ? 1 : 2
            while rest % 10 == 0 { (rest, width) = (rest / 10, width - 1) }
            let decimals = "\(rest)"
            text += "." + String(repeating: "0", count: width - decimals.count) + decimals
        }
        return value < 0 && scaled > 0 ? "-" + text : text
    }

    /// A path without query, so short that a sentence stays one.
    static func target(_ response: LookedResponse?) -> String {
        guard let target = response?.target else { return "" }
        return " (\(response?.method ?? "") \(target.prefix(48)))"
    }

    /// What holds bytes, as a reason.
    static func reason(_ cause: WaitCause) -> String {
        switch cause {
        case .peerWindow: "the peer's window is full"
        case .congestionWindow: "the congestion window is full"
        case .qdisc: "the device's queue is full"
        case .other: "no window is full: a small send buffer, or memory"
        }
    }
}
