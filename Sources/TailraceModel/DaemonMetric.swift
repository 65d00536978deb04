// SPDX-License-Identifier: MIT

/// What the daemon tells of itself.
extension Metric {
    package static let build = Metric("tailrace.build", .info, .count, "Which program, kernel and hooks")
    package static let processorTime = Metric(
        "process.cpu", .counter, .seconds, "The daemon's own processor time, user and system, all threads")
    package static let residentBytes = Metric(
        "process.resident_memory", .gauge, .bytes, "The daemon's own resident memory")
    package static let started = Metric(
        "process.start_time", .gauge, .seconds, "When the daemon began, since 1970")
    package static let openDescriptors = Metric(
        "process.open_fds", .gauge, .count, "The daemon's own open descriptors")
    package static let breakerLevel = Metric(
        "tailrace.breaker.level", .gauge, .count,
        "How much work the daemon leaves undone to stay within its limits: 0 none")
    package static let breaker = Metric("tailrace.breaker.state", .info, .count, "The name of that level")
    package static let breakerChanges = Metric(
        "tailrace.breaker.changes", .counter, .count, "How often that level changed")
    package static let namedServers = Metric(
        "tailrace.named_servers", .gauge, .count, "Servers that have series of their own")
    package static let evictedServers = Metric(
        "tailrace.evicted_servers", .counter, .count, "Servers that were gone, and whose series were taken away")
    package static let evictedResponses = Metric(
        "tailrace.evicted_responses", .counter, .count, "Responses that series counted which were taken away")
    package static let unnamedResponses = Metric(
        "tailrace.unnamed_responses", .counter, .count,
        "Responses told under other, because as many servers as may have names had one")
    static let own = [
        build, processorTime, residentBytes, started, openDescriptors, breakerLevel, breaker, breakerChanges,
        namedServers, evictedServers, evictedResponses, unnamedResponses,
    ]

    package static let eventsMade = Metric("tailrace.events.made", .counter, .count, "Records that were due")
    package static let eventsDelivered = Metric(
        "tailrace.events.delivered", .counter, .count, "Records that reached the daemon")
    package static let eventsLost = Metric(
        "tailrace.events.lost", .counter, .count,
        "Records that did not arrive, by kind: the ring had no room for them")
    package static let eventsMissed = Metric(
        "tailrace.events.missed", .counter, .count,
        "Firings that the kernel skipped because the same program ran on that processor already")
    package static let eventsUndecodable = Metric(
        "tailrace.events.undecodable", .counter, .count, "Records that could not be decoded")
    package static let eventsUnattributed = Metric(
        "tailrace.events.unattributed", .counter, .count, "Events of connections that were never announced")
    package static let eventsMerged = Metric(
        "tailrace.merged_send_calls", .counter, .count, "Send calls that share a record with another one")
    package static let headsUnread = Metric(
        "tailrace.unread_heads", .counter, .count,
        "Heads that could not be read: their responses have no method, status or framing")
    package static let untracked = Metric(
        "tailrace.untracked_connections", .counter, .count,
        "Connections that are not followed: too many (limit), or of a protocol that is not seen (mptcp)")
    package static let adopted = Metric(
        "tailrace.adopted_connections", .counter, .count, "Connections that were open when tracing began")
    package static let followed = Metric(
        "tailrace.followed_connections", .gauge, .count, "Connections that are followed, of all servers")
    package static let probeUp = Metric(
        "tailrace.probe.up", .gauge, .count, "1: the kernel program is attached; 0: it is missing")
    package static let taskReaderUp = Metric(
        "tailrace.task_reader.up", .gauge, .count, "1: the process apart that counts tasks does; 0: it has ended")
    package static let taskReaderEnded = Metric(
        "tailrace.task_reader.ended", .counter, .count, "How often that process ended by itself")
    static let ownEvents = [
        eventsMade, eventsDelivered, eventsLost, eventsMissed, eventsUndecodable, eventsUnattributed, eventsMerged,
        headsUnread, untracked, adopted, followed, probeUp, taskReaderUp, taskReaderEnded,
    ]

    package static let clients = Metric("tailrace.clients", .gauge, .count, "Clients of the daemon, now")
    package static let clientsAccepted = Metric(
        "tailrace.accepted_clients", .counter, .count, "Clients of the daemon that were let in")
    package static let clientsRefused = Metric(
        "tailrace.refused_clients", .counter, .count,
        "Clients that were not: their user may not (user), or there were too many (room)")
    package static let clientsDropped = Metric(
        "tailrace.dropped_clients", .counter, .count,
        "Clients that were dropped: too slow (slow), silent (timeout), or not understood (malformed)")
    static let ownService = [clients, clientsAccepted, clientsRefused, clientsDropped]

    package static let flightSegments = Metric(
        "tailrace.flight.segments", .gauge, .count, "Segments of the flight recorder that are kept")
    package static let flightBytes = Metric(
        "tailrace.flight.held", .gauge, .bytes, "Bytes of the flight recorder's segments, kept in turn or pinned")
    package static let flightRecords = Metric(
        "tailrace.flight.records", .counter, .count, "Records that the flight recorder wrote")
    package static let flightDropped = Metric(
        "tailrace.flight.dropped_records", .counter, .count, "Records that the flight recorder could not write")
    package static let flightRemoved = Metric(
        "tailrace.flight.removed_segments", .counter, .count, "Segments that were removed to make room")
    package static let flightPins = Metric(
        "tailrace.flight.pins", .counter, .count, "Findings for which segments were pinned")
    package static let flightRecording = Metric(
        "tailrace.flight.recording", .gauge, .count, "1: the flight recorder writes; 0: it cannot")
    package static let flightGaps = Metric(
        "tailrace.flight.gaps", .counter, .count, "Stretches of time that the flight recorder could not record")
    static let ownFlight = [
        flightRecording, flightSegments, flightBytes, flightRecords, flightDropped, flightGaps, flightRemoved,
        flightPins,
    ]

    package static let otlpSent = Metric("tailrace.otlp.requests", .counter, .count, "OTLP requests that were taken")
    package static let otlpRetried = Metric("tailrace.otlp.retried", .counter, .count, "OTLP requests sent once more")
    package static let otlpDropped = Metric(
        "tailrace.otlp.dropped", .counter, .count, "OTLP requests given up, or without room")
    package static let otlpUnsentSpans = Metric(
        "tailrace.otlp.unsent_spans", .counter, .count, "Spans that there was no room for in a request")
    package static let otlpSentBytes = Metric("tailrace.otlp.sent", .counter, .bytes, "Bytes of OTLP requests taken")
    package static let otlpQueued = Metric("tailrace.otlp.queued", .gauge, .bytes, "Bytes of OTLP requests that wait")
    package static let otlpUp = Metric(
        "tailrace.otlp.up", .gauge, .count, "1: the last attempt to send was taken, or there was none; 0: it failed")
    static let ownExport = [otlpUp, otlpSent, otlpRetried, otlpDropped, otlpUnsentSpans, otlpSentBytes, otlpQueued]
}
