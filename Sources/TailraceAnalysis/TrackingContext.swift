// SPDX-License-Identifier: MIT
import TailraceModel

/// What the connections of one correlator share.
struct TrackingContext {
    /// Each flush is told by itself too.
    let tellsFlushes: Bool
    /// Responses in flight, by the place of their server.
    var inFlight: ContiguousArray<InFlight> = []
    var texts = TextCache()
    var holds = Holds()

    init(tellsFlushes: Bool) { self.tellsFlushes = tellsFlushes }
}
