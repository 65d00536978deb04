// SPDX-License-Identifier: MIT
import TailraceModel
import TailraceService
import TailraceTasks

/// What those who will use a setting say against it, before anything is begun.
struct SettingsCheck {
    private var headers: [(name: String, value: String)] = []

    /// A sentence; nil: nothing.
    mutating func refusal(_ key: String, _ value: String) -> String? {
        guard !value.isEmpty else { return nil }
        switch key {
        case "metrics-listen":
            guard let (address, _) = ConfigurationKey.address(value), !Service.isNumeric(address) else { return nil }
            return "\(address) is no address in numbers; write one like 127.0.0.1 or [::1]"
        case "otlp-endpoint": return refused { () throws(ServiceError) in _ = try OTLPEndpoint(value) }
        case "otlp-header":
            headers.append(Self.header(value))
            let headers = headers
            return refused { () throws(ServiceError) in
                _ = try OTLPSender(endpoint: try OTLPEndpoint("http://127.0.0.1"), headers: headers)
            }
        case "task-probe":
            return TaskProbe(value) == nil ? "\(value.debugDescription) is none; BIN is a path, exe or a library" : nil
        default: return nil
        }
    }

    private func refused(_ use: () throws(ServiceError) -> Void) -> String? {
        do throws(ServiceError) { try use() } catch { return error.description }
        return nil
    }

    /// `NAME=VALUE`.
    static func header(_ text: String) -> (name: String, value: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return (parts[0], parts.count > 1 ? parts[1] : "")
    }
}
