// SPDX-License-Identifier: MIT

/// Sums over many responses. A forged recording can hold times that would overflow them: they stop at 2^60 ns (36 years) instead.
extension StageTimes {
    /// Adds every stage of `other`; what is unknown there adds nothing.
    public mutating func merge(_ other: StageTimes) {
        for stage in Stage.allCases {
            if let time = other[stage] { self[stage] = (self[stage] ?? 0).sum(with: time) }
        }
    }
}

extension CauseTimes {
    /// Adds every cause of `other`.
    public mutating func merge(_ other: CauseTimes) {
        for cause in WaitCause.allCases { self[cause] = self[cause].sum(with: other[cause]) }
    }
}

extension Int64 {
    /// Of two amounts, 2^60 at most, so that a few such sums can be added.
    public func sum(with other: Int64) -> Int64 {
        let (sum, isTooMuch) = addingReportingOverflow(other)
        return isTooMuch ? 1 << 60 : Swift.min(sum, 1 << 60)
    }

    /// Of two amounts, 2^60 at most.
    public func product(with other: Int64) -> Int64 {
        let (product, isTooMuch) = multipliedReportingOverflow(by: other)
        return isTooMuch ? 1 << 60 : Swift.min(product, 1 << 60)
    }

    /// The nearest whole number; what no Int64 can hold is cut.
    public init(nearest value: Double) {
        self = value.isNaN ? 0 : Int64(Swift.max(-9e18, Swift.min(9e18, value)).rounded())
    }
}
