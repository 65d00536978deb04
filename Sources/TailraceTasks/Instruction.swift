// SPDX-License-Identifier: MIT

/// How long one instruction of x86_64 is, and whether the kernel can do its work where a probe takes its place. One that it
/// cannot is executed in single steps, which takes ten times as long.
struct Instruction: Equatable {
    /// Bytes.
    let length: Int
    let isEmulated: Bool
    /// The kernel puts no probe in its place: it has a prefix that the kernel does not step (is_prefix_bad()).
    let isRefused: Bool
    /// It may go on elsewhere.
    let isBranch: Bool
    let isPush: Bool
    private static let longest = 15

    /// The one that begins at `offset`; nil: none that is known, or not all of it is there.
    init?(_ code: UntrustedBytes, at offset: Int) {
        var reader = Reader(code: code, place: offset)
        guard let opcode = reader.opcode(), let operands = opcode.operands, reader.skip(operands),
            reader.place - offset <= Self.longest
        else { return nil }
        length = reader.place - offset
        let byte = opcode.byte
        let isOneByte = opcode.map == .one
        let isCondition =
            isOneByte ? byte & 0xf0 == 0x70 : opcode.map == .two && !opcode.isVector && byte & 0xf0 == 0x80
        let isJump = isOneByte && [0xe8, 0xe9, 0xeb].contains(byte)
        isPush =
            isOneByte && byte & 0xf8 == 0x50 && opcode.legacyPrefixes == 0
            && (opcode.rex == 0 ? length == 1 : opcode.rex == 0x41)
        isRefused = opcode.isUnstepped
        isEmulated =
            !isRefused
            && (isPush || (isJump || isCondition) && !opcode.hasShortOperands
                || isOneByte && byte == 0x90 && opcode.rex & 1 == 0)
        let leaves = isOneByte && (byte & 0xf6 == 0xc2 || [0xcf, 0xcc, 0xff].contains(byte) || byte & 0xfc == 0xe0)
        isBranch = isCondition || isJump || leaves
    }
}

extension Instruction {
    /// What follows an opcode.
    struct Operands {
        var hasModRM = false
        var immediateBytes = 0
    }
    enum Map: UInt8 {
        case one, two, three38, three3a
    }
    struct Opcode {
        var map = Map.one
        var byte: UInt8 = 0
        var rex: UInt8 = 0
        var legacyPrefixes = 0
        /// LOCK, or a segment other than those of threads.
        var isUnstepped = false
        var hasShortOperands = false
        var hasShortAddresses = false
        var isVector = false
        /// Behind the opcode: 0 where no ModRM follows.
        var next: UInt8 = 0

        /// nil: there is no such instruction.
        var operands: Operands? {
            switch map {
            case .one: one
            case .two: two
            case .three38: Operands(hasModRM: true)
            case .three3a: Operands(hasModRM: true, immediateBytes: 1)
            }
        }

        private var word: Int { hasShortOperands && rex & 8 == 0 ? 2 : 4 }

        private var one: Operands? {
            switch byte {
            case 0x00...0x3f:
                switch byte & 7 {
                case 0...3: Operands(hasModRM: true)
                case 4: Operands(immediateBytes: 1)
                case 5: Operands(immediateBytes: word)
                default: nil
                }
            case 0x63, 0x84...0x8f, 0xd0...0xd3, 0xd8...0xdf, 0xfe, 0xff: Operands(hasModRM: true)
            case 0x69, 0x81, 0xc7: Operands(hasModRM: true, immediateBytes: word)
            case 0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6: Operands(hasModRM: true, immediateBytes: 1)
            case 0xf6: Operands(hasModRM: true, immediateBytes: next & 0x30 == 0 ? 1 : 0)
            case 0xf7: Operands(hasModRM: true, immediateBytes: next & 0x30 == 0 ? word : 0)
            case 0x68, 0xa9: Operands(immediateBytes: word)
            case 0x6a, 0x70...0x7f, 0xa8, 0xb0...0xb7, 0xcd, 0xe0...0xe7, 0xeb: Operands(immediateBytes: 1)
            case 0xe8, 0xe9: Operands(immediateBytes: 4)
            case 0xa0...0xa3: Operands(immediateBytes: hasShortAddresses ? 4 : 8)
            case 0xb8...0xbf: Operands(immediateBytes: rex & 8 != 0 ? 8 : word)
            case 0xc2, 0xca: Operands(immediateBytes: 2)
            case 0xc8: Operands(immediateBytes: 3)
            case 0x60...0x62, 0x82, 0x9a, 0xc4, 0xc5, 0xce, 0xd4...0xd6, 0xea: nil
            default: Operands()
            }
        }

        private var two: Operands? {
            switch byte {
            case 0x77, 0x05...0x09, 0x0b, 0x0e, 0x30...0x37, 0xa0...0xa2, 0xa8...0xaa, 0xc8...0xcf:
                isVector && byte != 0x77 ? Operands(hasModRM: true) : Operands()
            case 0x80...0x8f: isVector ? Operands(hasModRM: true) : Operands(immediateBytes: 4)
            case 0x70...0x73, 0xa4, 0xac, 0xba, 0xc2, 0xc4...0xc6: Operands(hasModRM: true, immediateBytes: 1)
            case 0x04, 0x0a, 0x0c, 0x0f, 0x24...0x27, 0x38...0x3f, 0xa6, 0xa7: nil
            default: Operands(hasModRM: true)
            }
        }
    }

    /// Goes through an instruction's parts.
    private struct Reader {
        let code: UntrustedBytes
        var place: Int

        private mutating func byte() -> UInt8? {
            guard let byte: UInt8 = code.integer(at: place) else { return nil }
            place += 1
            return byte
        }

        /// Prefixes and opcode.
        mutating func opcode() -> Opcode? {
            var opcode = Opcode()
            while let next = byte() {
                switch next {
                case 0x26, 0x2e, 0x36, 0x3e, 0xf0: opcode.isUnstepped = true
                case 0x64, 0x65, 0xf2, 0xf3: break
                case 0x66: opcode.hasShortOperands = true
                case 0x67: opcode.hasShortAddresses = true
                case 0x40...0x4f:
                    opcode.rex = next
                    guard let last = byte() else { return nil }
                    return finish(opcode, last)
                default: return finish(opcode, next)
                }
                opcode.legacyPrefixes += 1
                guard opcode.legacyPrefixes < Instruction.longest else { return nil }
            }
            return nil
        }

        private mutating func finish(_ start: Opcode, _ first: UInt8) -> Opcode? {
            var opcode = start
            var last: UInt8? = first
            switch first {
            case 0x0f:
                (opcode.map, last) = (.two, byte())
                if last == 0x38 { (opcode.map, last) = (.three38, byte()) }
                if last == 0x3a, opcode.map == .two { (opcode.map, last) = (.three3a, byte()) }
            case 0xc5:
                guard byte() != nil else { return nil }
                (opcode.map, opcode.isVector, last) = (.two, true, byte())
            case 0xc4, 0x62:
                // The lowest bits of the first byte name the map; of what follows only the opcode matters.
                guard let bits = byte(), let map = Map(rawValue: bits & (first == 0xc4 ? 0x1f : 7)), map != .one,
                    byte() != nil, first == 0xc4 || byte() != nil
                else { return nil }
                (opcode.map, opcode.isVector, last) = (map, true, byte())
            default: break
            }
            guard let last else { return nil }
            opcode.byte = last
            opcode.next = code.integer(at: place) ?? 0
            return opcode
        }

        /// Past what follows the opcode; false: not all of it is there.
        mutating func skip(_ operands: Operands) -> Bool {
            if operands.hasModRM {
                guard let form = byte() else { return false }
                let (mode, register) = (form >> 6, form & 7)
                var displacement = mode == 1 ? 1 : mode == 2 || mode == 0 && register == 5 ? 4 : 0
                if mode != 3, register == 4 {
                    guard let scaled = byte() else { return false }
                    if mode == 0, scaled & 7 == 5 { displacement = 4 }
                }
                place += displacement
            }
            place += operands.immediateBytes
            return code.contains(place, length: 0)
        }
    }
}
