// SPDX-License-Identifier: MIT
import TailraceModel

/// The findings of a run, each as it stood last: a bounded number of them.
public struct FindingList: Sendable {
    private static let most = 1000
    private var places: [String: Int] = [:]
    private var findings: [Finding] = []
    /// Findings beyond those that are kept.
    public private(set) var others = 0

    /// None.
    public init() {}

    /// What a watch told.
    public mutating func add(_ told: [Finding]) {
        for finding in told {
            if let place = places[finding.id] {
                findings[place] = finding
            } else if findings.count < Self.most {
                places[finding.id] = findings.count
                findings.append(finding)
            } else if finding.state == .opened {
                others += 1
            }
        }
    }

    private static func weight(_ finding: Finding) -> Int64 {
        Int64(finding.held).product(with: max(0, (finding.end ?? finding.at) - finding.begin))
    }

    /// The most severe first; among equals by how many they held for how long, then those that began first. `open`: those of a
    /// watch, as they stand at the end.
    public func sorted(open: [Finding]) -> [Finding] {
        var list = self
        list.add(open)
        return list.findings.sorted {
            if $0.severity != $1.severity { return $0.severity > $1.severity }
            let (left, right) = (Self.weight($0), Self.weight($1))
            return left != right ? left > right : ($0.begin, $0.id) < ($1.begin, $1.id)
        }
    }
}
