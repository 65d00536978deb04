// SPDX-License-Identifier: MIT
import TailraceModel

/// From a terminal's bytes to keys. Takes anything in bounded memory: what is no key (replies, pastes, broken sequences) is
/// passed over up to its end.
public struct KeyParser: Sendable {
    /// A lone ESC is the key Escape after so long without a byte: 50 ms.
    public static let escapeDelay: Nanoseconds = 50_000_000
    /// A paste or a reply without an end is given up after so long: 1 s.
    public static let stringDelay: Nanoseconds = 1_000_000_000
    /// Longest sequence that can be a key, bytes.
    private static let longest = 32

    private enum State {
        case ground, escape, control, single
        /// The three bytes of an old mouse report.
        case oldMouse(Int)
        /// OSC, DCS and their like, up to BEL or ST; whether ESC was the last byte.
        case string(isEscaped: Bool)
        case paste
    }

    private var state = State.ground
    /// Parameters of a control sequence; the last bytes of a paste.
    private var held: [UInt8] = []
    /// Of a character that is not whole.
    private var character: [UInt8] = []

    /// Nothing was typed.
    public init() {}

    /// After so long without a byte `giveUp` is due; nil: nothing is waited for.
    public var patience: Nanoseconds? {
        switch state {
        case .ground: nil
        case .escape, .control, .single, .oldMouse: Self.escapeDelay
        case .string: held.isEmpty ? Self.stringDelay : Self.escapeDelay
        case .paste: Self.stringDelay
        }
    }

    /// Takes bytes, whole or torn anywhere.
    public mutating func take(_ bytes: some Sequence<UInt8>) -> [Key] {
        var keys: [Key] = []
        for byte in bytes { take(byte, &keys) }
        return keys
    }

    /// Nothing came for `patience`.
    public mutating func giveUp() -> [Key] {
        defer { reset() }
        switch state {
        case .escape: return [.escape]
        // Nothing followed it: it was Escape, and then this key.
        case .string where held.count == 1: return [.escape] + (Self.key(ascii: held[0]).map { [$0] } ?? [])
        default: return []
        }
    }

    private var isPasting: Bool { if case .paste = state { true } else { false } }

    private mutating func reset() {
        state = .ground
        held.removeAll(keepingCapacity: true)
        character.removeAll(keepingCapacity: true)
    }

    private mutating func take(_ byte: UInt8, _ keys: inout [Key]) {
        // Whatever is waited for: Ctrl-C ends it, unless it was pasted.
        if byte == 0x03, !isPasting { return interrupt(&keys) }
        switch state {
        case .ground: takeGround(byte, &keys)
        case .escape: takeEscaped(byte, &keys)
        case .control: takeControl(byte, &keys)
        case .single:
            reset()
            if let key = Self.single[byte] { keys.append(key) } else if byte < 0x20 { take(byte, &keys) }
        case .oldMouse(let rest): if rest > 1 { state = .oldMouse(rest - 1) } else { reset() }
        case .string(let isEscaped):
            if isUnlikely(byte) {
                // No terminal sends that: it was Escape, and then these two keys.
                let first = held
                reset()
                keys.append(.escape)
                for byte in first + [byte] { take(byte, &keys) }
                return
            }
            held.removeAll(keepingCapacity: true)
            // ESC before anything but \ begins something new.
            if isEscaped, byte != 0x5c {
                reset()
                state = .escape
                take(byte, &keys)
            } else if isEscaped || byte == 0x07 || byte == 0x18 {
                reset()
            } else {
                state = .string(isEscaped: byte == 0x1b)
            }
        case .paste:
            held.append(byte)
            if held.count > Self.pasteEnd.count { held.removeFirst() }
            if held == Self.pasteEnd { reset() }
        }
    }

    private mutating func interrupt(_ keys: inout [Key]) {
        // An introducer that nothing followed was two keys.
        if case .string = state, held.count == 1 { keys += giveUp() }
        reset()
        keys.append(.interrupt)
    }

    /// The first byte of a string that no terminal's reply begins with: replies to OSC begin with a digit, to DCS with one of
    /// `0-9 > ! |`.
    private func isUnlikely(_ byte: UInt8) -> Bool {
        guard held.count == 1, byte != 0x1b, byte != 0x07 else { return false }
        let isDigit = (0x30..<0x3a).contains(byte)
        switch held[0] {
        case 0x5d: return !isDigit
        case 0x50: return !isDigit && ![0x3e, 0x21, 0x7c].contains(byte)
        default: return false
        }
    }

    private mutating func takeGround(_ byte: UInt8, _ keys: inout [Key]) {
        if byte >= 0x80 { return takeCharacter(byte, &keys) }
        character.removeAll(keepingCapacity: true)
        if byte == 0x1b { return state = .escape }
        if let key = Self.key(ascii: byte) { keys.append(key) }
    }

    private mutating func takeEscaped(_ byte: UInt8, _ keys: inout [Key]) {
        switch byte {
        case 0x5b: state = .control  // [
        case 0x4f: state = .single  // O
        case 0x5d, 0x50, 0x58, 0x5e, 0x5f:  // ] P X ^ _
            state = .string(isEscaped: false)
            held = [byte]
        case 0x1b: keys.append(.escape)
        default:
            // Escape, and a key soon after.
            reset()
            keys.append(.escape)
            takeGround(byte, &keys)
        }
    }

    private mutating func takeControl(_ byte: UInt8, _ keys: inout [Key]) {
        switch byte {
        case 0x20..<0x40:
            // Too long for a key: passed over up to its end.
            if held.count < Self.longest { held.append(byte) }
        case 0x40..<0x7f:
            let parameters = held
            reset()
            if parameters == [0x32, 0x30, 0x30], byte == 0x7e { return state = .paste }
            if parameters.isEmpty, byte == 0x4d { return state = .oldMouse(3) }
            guard parameters.count < Self.longest, let key = ControlSequence(parameters, byte).key else { return }
            keys.append(key)
        case 0x1b:
            reset()
            state = .escape
        default:
            reset()
            takeGround(byte, &keys)
        }
    }

    private mutating func takeCharacter(_ byte: UInt8, _ keys: inout [Key]) {
        if byte >= 0xc0 { character.removeAll(keepingCapacity: true) } else if character.isEmpty { return }
        character.append(byte)
        let lead = character[0]
        guard character.count >= (lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2) else { return }
        defer { character.removeAll(keepingCapacity: true) }
        guard let text = String(validating: character, as: UTF8.self), let scalar = text.unicodeScalars.first,
            Sanitizer.isSafe(scalar)
        else { return }
        keys.append(.character(Character(scalar)))
    }

    private static let pasteEnd = Array("\u{1b}[201~".utf8)

    /// After ESC O.
    private static let single: [UInt8: Key] = [
        0x41: .up, 0x42: .down, 0x43: .right, 0x44: .left, 0x48: .home, 0x46: .end, 0x4d: .enter,
        0x50: .function(1), 0x51: .function(2), 0x52: .function(3), 0x53: .function(4),
    ]

    private static func key(ascii byte: UInt8) -> Key? {
        switch byte {
        case 0x03: .interrupt
        case 0x08, 0x7f: .backspace
        case 0x09: .tab
        case 0x0a, 0x0d: .enter
        case 0x0c: .redraw
        case 0x1a: .suspend
        case 0x01...0x1a: .control(Character(Unicode.Scalar(byte + 0x60)))
        case 0x20..<0x7f: .character(Character(Unicode.Scalar(byte)))
        default: nil
        }
    }
}
