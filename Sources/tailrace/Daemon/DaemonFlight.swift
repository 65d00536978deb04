// SPDX-License-Identifier: MIT
import TailraceAnalysis
import TailraceCapture
import TailraceModel

/// The daemon's recording of the last minutes: as long as it has the detail for it, and with what findings keep.
final class DaemonFlight {
    private let settings: DaemonConfiguration
    private let hub: LateRecording
    private var recorder: FlightRecorder<HeadRedactor>?
    /// Of those that ended.
    private var ended = FlightAccount()

    /// nil: the settings want none, or it cannot be, which is said: what is traced is told all the same.
    init?(
        _ settings: DaemonConfiguration, _ description: RecordingDescription, _ hub: LateRecording,
        _ anchor: ClockAnchor
    ) {
        guard !settings.flightDirectory.isEmpty else { return nil }
        self.settings = settings
        self.hub = hub
        guard begin(description, anchor) else { return nil }
    }

    private func begin(_ description: RecordingDescription, _ anchor: ClockAnchor) -> Bool {
        var limits = FlightLimits()
        limits.bytes = UInt64(settings.flightSize)
        limits.pinnedBytes = UInt64(settings.flightPinnedSize)
        limits.segment = settings.flightSegment
        do throws(CaptureError) {
            recorder = try FlightRecorder(
                path: settings.flightDirectory, limits: limits, description: description, late: hub,
                redactor: HeadRedactor(), anchor: anchor, say: complain)
        } catch {
            complain(error.description)
            return false
        }
        return true
    }

    /// What is told of a finding.
    func take(_ finding: Finding) { recorder?.take(finding) }

    /// Once a second: where there is no detail for it, it ends, and later it begins again.
    func tick(isWanted: Bool, _ description: RecordingDescription, at now: Nanoseconds, anchor: ClockAnchor, loss: Loss)
    {
        if !isWanted {
            end(at: now, anchor: anchor, loss: loss)
        } else if recorder == nil {
            _ = begin(description, ClockAnchor(monotonic: now, wall: anchor.wall(at: now)))
        }
        recorder?.description = description
    }

    /// Ends it in order.
    func end(at now: Nanoseconds, anchor: ClockAnchor, loss: Loss) {
        guard let recorder else { return }
        recorder.finish(at: now, anchor: anchor, loss: loss)
        let account = recorder.account
        ended.written += account.written
        ended.dropped += account.dropped
        ended.removed += account.removed
        ended.pins += account.pins
        self.recorder = nil
    }

    /// What is on the disk, and what is not, since the daemon began.
    var account: FlightAccount {
        var account = recorder?.account ?? FlightAccount()
        account.written += ended.written
        account.dropped += ended.dropped
        account.removed += ended.removed
        account.pins += ended.pins
        return account
    }
}

extension DaemonAccount.FlightCounts {
    init(_ account: FlightAccount) {
        self.init()
        segments = Int64(account.segments)
        bytes = Int64(clamping: account.bytes)
        pinnedBytes = Int64(clamping: account.pinnedBytes)
        writtenBytes = account.written
        droppedRecords = account.dropped
        removedSegments = account.removed
        pins = account.pins
    }
}
