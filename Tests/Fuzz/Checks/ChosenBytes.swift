// SPDX-License-Identifier: MIT
import SeededRandom

/// Makes choices as bytes say, one byte each, so that who changes a byte changes a choice. When they are used up, chance goes on.
struct ChosenBytes: RandomNumberGenerator {
    private var rest: ArraySlice<UInt8>
    private var chance: SeededGenerator

    init(_ bytes: some Sequence<UInt8>) {
        rest = Array(bytes)[...]
        chance = SeededGenerator(state: UInt64(rest.count))
    }

    /// The byte in every place: both what looks at the highest bits and what looks at the lowest sees it.
    mutating func next() -> UInt64 {
        rest.popFirst().map { UInt64($0) &* 0x0101_0101_0101_0101 } ?? chance.next()
    }
}
