// SPDX-License-Identifier: MIT
import TailraceModel

/// What the connections of one correlator have in common.
struct CommonState {
    /// Each flush is told by itself too.
    let tellsFlushes: Bool
    /// Responses in flight, by the place of their server.
    var inFlight: ContiguousArray<InFlight> = []
    var texts = TextCache()
    var holds = Holds()

    init(tellsFlushes: Bool) { self.tellsFlushes = tellsFlushes }
}
