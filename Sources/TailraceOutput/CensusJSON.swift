// SPDX-License-Identifier: MIT
import TailraceModel

extension TaskCensus {
    /// `census`: one object, as one line.
    public func json() -> [UInt8] {
        var line = JSONLine(type: "census")
        line.field("pid", Int(pid))
        line.field("comm", string: comm)
        line.field("at", wall: wall)
        line.array("counts", counts) { line, count in
            line.field("provider", string: count.provider)
            line.field("open", count.open)
            line.field("remark", string: count.remark)
        }
        if let connections {
            line.object("connections") {
                $0.field("established", connections.established)
                $0.field("close_wait", connections.clientGone)
                $0.field("closed_held", connections.closedHeld)
                $0.field("ending", connections.ending)
            }
        } else {
            line.null("connections")
        }
        line.array("groups", groups) { line, group in
            line.field("provider", string: group.provider)
            line.field("count", group.count)
            line.place("created_by", group.createdBy)
            line.place("runs", group.runs)
            line.field("state", string: group.state)
            line.field("waits_for", string: group.waitsFor)
            line.place("waits_at", group.waitsAt)
            line.field("oldest_ns", group.oldest)
            line.field("system", group.isSystem)
            guard let left = group.leftBehindBy else { return line.null("left_behind_by") }
            line.array("left_behind_by", Array(left.prefix(TaskGroup.mostLeftBehind))) { line, tasks in
                line.field("response", string: tasks.response)
                line.field("count", tasks.count)
            }
        }
        return line.closed()
    }
}

extension JSONLine {
    /// The preferred provider's counts; responses in flight are exact, others were read from time to time.
    mutating func tasks(of response: borrowing Response) {
        let (read, inFlight) = (response.tasks, response.inFlight)
        let counts: [(StaticString, Int?)] = [
            ("begin", read == nil ? inFlight.begin : read?.begin), ("end", read == nil ? inFlight.end : read?.end),
            ("max", read == nil ? inFlight.max : read?.max),
        ]
        object("tasks") { line in
            for (name, count) in counts {
                line.object(name) {
                    $0.field("provider", string: read?.provider ?? "responses")
                    $0.field("open", count)
                    $0.field("basis", string: read == nil ? "exact" : "sampled")
                }
            }
        }
    }

    /// The task that serves it; null: not known.
    mutating func serving(_ response: borrowing Response) {
        guard let task = response.serving, let provider = response.tasks?.provider else { return null("serving") }
        object("serving") {
            $0.field("provider", string: provider)
            $0.field("task", string: String(task))
        }
    }

    /// Of all providers.
    mutating func tasks(of sample: ServerSample) {
        object("tasks") { line in
            for tasks in sample.tasks { line.field(named: tasks.provider, tasks.open) }
            line.field("responses", sample.inFlight)
        }
    }

    /// A place in a program; null: not known.
    mutating func place(_ name: StaticString, _ place: CodePlace?) {
        guard let place else { return null(name) }
        object(name) {
            $0.field("function", string: place.function)
            $0.field("file", string: place.file)
            $0.field("line", place.line)
        }
    }
}
