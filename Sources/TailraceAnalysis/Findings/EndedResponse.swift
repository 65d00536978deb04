// SPDX-License-Identifier: MIT
import TailraceModel

/// What findings ask of a response that ended. A few words of it: where a watch is changed meanwhile, the whole response would be
/// copied, with each of its distributions.
struct EndedResponse {
    let number: Int
    let begin: Nanoseconds
    let end: Nanoseconds
    let connection: Connection
    let timeline: StageTimes
    let inFlight: Int
    let tasks: TaskRange?
    let isStreaming: Bool
    /// Its begin was not seen, or events of it are missing.
    let isPartial: Bool
    /// It says how long it took: its end is its own, and all its events are known. Streams last as long as they have something
    /// to say.
    let tellsLatency: Bool
    /// Time and number of its flushes with the device layer.
    let qdisc: (sum: Int64, count: Int64)
    /// Between the starts of adjacent flushes.
    let gaps: (sum: Int64, count: Int64)

    /// By its address: field by field, and not as a whole.
    init(_ response: UnsafePointer<Response>) {
        number = response.pointee.number
        (begin, end) = (response.pointee.begin, response.pointee.end)
        connection = response.pointee.connection
        timeline = response.pointee.timeline
        inFlight = response.pointee.inFlight.begin
        tasks = response.pointee.tasks
        isStreaming = response.pointee.isStreaming
        isPartial = response.pointee.isAdopted || response.pointee.missesEvents
        tellsLatency = !isStreaming && !isPartial && response.pointee.endedBy == .complete
        qdisc = (response.pointee.delivery.qdisc.sum, response.pointee.delivery.qdisc.count)
        gaps = (response.pointee.gapSent.sum, response.pointee.gapSent.count)
    }
}
