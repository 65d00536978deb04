// SPDX-License-Identifier: MIT

/// A sequence that began with ESC [, and the key that it is.
struct ControlSequence {
    private let parameters: [UInt8]
    private let end: UInt8

    init(_ parameters: [UInt8], _ end: UInt8) {
        self.parameters = parameters
        self.end = end
    }

    /// nil: it is none.
    var key: Key? {
        if parameters.first == 0x3c { return mouse }  // <
        guard parameters.allSatisfy({ (0x30...0x3b).contains($0) }) else { return nil }
        // With modifiers a number comes first; the key is the same.
        switch end {
        case 0x41: return .up
        case 0x42: return .down
        case 0x43: return .right
        case 0x44: return .left
        case 0x48: return .home
        case 0x46: return .end
        case 0x5a: return .backTab
        case 0x50...0x53: return .function(Int(end) - 0x4f)
        case 0x7e: return numbers.first.flatMap { Self.byNumber[$0] }
        default: return nil
        }
    }

    /// At most nine digits each.
    private var numbers: [Int] {
        parameters.split(separator: 0x3b, omittingEmptySubsequences: false).map { digits in
            digits.prefix(9).reduce(0) { $0 * 10 + Int($1 & 0x0f) }
        }
    }

    /// Button, column and row; of a press only.
    private var mouse: Key? {
        let parts = ControlSequence(Array(parameters.dropFirst()), end).numbers
        guard end == 0x4d, parts.count == 3, parts[1] >= 1, parts[2] >= 1, parts[0] & 0x20 == 0 else { return nil }
        let button: Key.MouseButton
        // Without the bits of Shift, Alt and Ctrl.
        switch parts[0] & ~0x1c {
        case 0: button = .left
        case 1: button = .middle
        case 2: button = .right
        case 64: button = .wheelUp
        case 65: button = .wheelDown
        default: return nil
        }
        return .mouse(row: parts[2] - 1, column: parts[1] - 1, button: button)
    }

    private static let byNumber: [Int: Key] = [
        1: .home, 7: .home, 4: .end, 8: .end, 3: .delete, 5: .pageUp, 6: .pageDown, 11: .function(1), 12: .function(2),
        13: .function(3), 14: .function(4), 15: .function(5), 17: .function(6), 18: .function(7), 19: .function(8),
        20: .function(9), 21: .function(10), 23: .function(11), 24: .function(12),
    ]
}
