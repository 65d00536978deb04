// SPDX-License-Identifier: MIT
import TailraceModel

/// What the daemon tells of itself; what is not known has no series.
extension FamilyBook {
    mutating func add(_ account: DaemonAccount, _ facts: RunFacts) {
        add(
            .build,
            [
                MetricLabel(.version, account.version ?? ""), MetricLabel(.kernel, account.kernel ?? facts.kernel),
                MetricLabel(.backend, account.backend ?? facts.backend),
            ], .info)
        if let time = account.processorTime { add(.processorTime, time: time) }
        if let bytes = account.residentBytes ?? facts.ownBytes { add(.residentBytes, count: bytes) }
        if let started = account.started { add(.started, time: started) }
        if let descriptors = account.openDescriptors { add(.openDescriptors, count: descriptors) }
        if let breaker = account.breaker {
            add(.breakerLevel, count: Int64(breaker.level))
            add(.breaker, [MetricLabel(.level, breaker.name)], .info)
            add(.breakerChanges, count: Int64(clamping: breaker.changes))
        }
        if let events = account.unattributed { add(.eventsUnattributed, count: Int64(clamping: events)) }
        if let connections = account.connections { add(.followed, count: connections) }
        for probe in account.probes {
            add(.probeUp, [MetricLabel(.probe, probe.name)], count: probe.isAttached ? 1 : 0)
        }
        if let reader = account.taskReader {
            add(.taskReaderUp, count: reader.isReading ? 1 : 0)
            add(.taskReaderEnded, count: Int64(clamping: reader.ended))
        }
        add(account.loss ?? facts.loss)
        if let service = account.service { add(service) }
        if let flight = account.flight { add(flight) }
        if let otlp = account.otlp { add(otlp) }
    }

    private mutating func add(_ loss: Loss) {
        add(.eventsMade, count: Int64(clamping: loss.made))
        add(.eventsDelivered, count: Int64(clamping: loss.delivered))
        for (kind, count) in loss.lost.sorted(by: { $0.key < $1.key }) {
            add(.eventsLost, [MetricLabel(.kind, kind)], count: Int64(clamping: count))
        }
        add(.eventsMissed, count: Int64(clamping: loss.missed))
        add(.eventsUndecodable, count: Int64(clamping: loss.undecodable))
        add(.eventsMerged, count: Int64(clamping: loss.merged))
        add(.headsUnread, count: Int64(clamping: loss.headsUnread))
        add(.untracked, [MetricLabel(.reason, "limit")], count: Int64(clamping: loss.untracked))
        add(.untracked, [MetricLabel(.reason, "mptcp")], count: Int64(clamping: loss.untrackedMPTCP))
        add(.adopted, count: Int64(clamping: loss.adopted))
    }

    private mutating func add(_ service: DaemonAccount.ServiceCounts) {
        let reason = { [MetricLabel(.reason, $0)] }
        add(.clients, count: service.open)
        add(.clientsAccepted, count: Int64(clamping: service.accepted))
        add(.clientsRefused, reason("user"), count: Int64(clamping: service.refusedUsers))
        add(.clientsRefused, reason("room"), count: Int64(clamping: service.refusedForRoom))
        add(.clientsDropped, reason("slow"), count: Int64(clamping: service.droppedSlow))
        add(.clientsDropped, reason("timeout"), count: Int64(clamping: service.timedOut))
        add(.clientsDropped, reason("malformed"), count: Int64(clamping: service.malformed))
    }

    private mutating func add(_ flight: FlightAccount) {
        add(.flightRecording, count: flight.isRecording ? 1 : 0)
        add(.flightGaps, count: Int64(clamping: flight.gaps))
        add(.flightSegments, count: Int64(flight.segments))
        add(.flightBytes, [MetricLabel(.state, "in_turn")], count: Int64(clamping: flight.bytes))
        add(.flightBytes, [MetricLabel(.state, "pinned")], count: Int64(clamping: flight.pinnedBytes))
        add(.flightRecords, count: Int64(clamping: flight.records))
        add(.flightDropped, count: Int64(clamping: flight.dropped))
        add(.flightRemoved, count: Int64(clamping: flight.removed))
        add(.flightPins, count: Int64(clamping: flight.pins))
    }

    private mutating func add(_ otlp: DaemonAccount.OTLPCounts) {
        add(.otlpUp, count: otlp.failure == nil ? 1 : 0)
        add(.otlpSent, count: Int64(clamping: otlp.sent))
        add(.otlpRetried, count: Int64(clamping: otlp.retried))
        add(.otlpDropped, count: Int64(clamping: otlp.dropped))
        add(.otlpUnsentSpans, count: Int64(clamping: otlp.unsentSpans))
        add(.otlpSentBytes, count: Int64(clamping: otlp.sentBytes))
        add(.otlpQueued, count: otlp.queuedBytes)
    }
}
