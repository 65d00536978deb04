// SPDX-License-Identifier: MIT

/// Where x86_64 code refers to data relative to itself: `mov`, `lea` and `cmp` with a 64-bit register. Found by their bytes,
/// so that what lies in another instruction may be taken for one: whoever asks checks what is there.
struct CodeReferences {
    struct Reference: Equatable {
        let isAddressOnly: Bool
        let target: UInt64
    }
    let all: [Reference]

    /// `address`: of the first byte of `code`.
    init(code: UntrustedBytes, at address: UInt64) {
        var found: [Reference] = []
        for place in 0..<max(0, code.count - 6) {
            guard let prefix: UInt8 = code.integer(at: place), prefix == 0x48 || prefix == 0x4c,
                let operation: UInt8 = code.integer(at: place + 1), [0x8b, 0x8d, 0x3b, 0x39, 0x89].contains(operation),
                let operands: UInt8 = code.integer(at: place + 2), operands & 0xc7 == 0x05,
                let distance: Int32 = code.integer(at: place + 3)
            else { continue }
            let target = address &+ UInt64(place + 7) &+ UInt64(bitPattern: Int64(distance))
            found.append(Reference(isAddressOnly: operation == 0x8d, target: target))
        }
        all = found
    }

    /// The first address at which a slice's pointer, length and capacity are all referred to.
    var slice: UInt64? {
        let targets = Set(all.map(\.target))
        return all.first { targets.contains($0.target &+ 8) && targets.contains($0.target &+ 16) }?.target
    }

    /// Addresses at which a slice's pointer and length are referred to.
    var pairs: [UInt64] {
        let targets = Set(all.map(\.target))
        return targets.filter { targets.contains($0 &+ 8) }.sorted()
    }

    /// What the code takes the address of first.
    var firstAddress: UInt64? { all.first(where: \.isAddressOnly)?.target }
}
