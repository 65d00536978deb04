// SPDX-License-Identifier: MIT
import CLibbpf
import CProbes
import TailraceModel

/// A function of the kernel whose time can be measured, from the outermost to the innermost.
struct TimedFunction {
    let name: String
    /// Its key in the map `function_times`.
    let key: ev_function

    static let all: [TimedFunction] = [
        TimedFunction(name: "tcp_sendmsg", key: EV_TCP_SENDMSG),
        TimedFunction(name: "sk_stream_wait_memory", key: EV_SK_STREAM_WAIT_MEMORY),
        TimedFunction(name: "tcp_write_xmit", key: EV_TCP_WRITE_XMIT),
        TimedFunction(name: "__tcp_transmit_skb", key: EV_TCP_TRANSMIT_SKB),
        TimedFunction(name: "__ip_queue_xmit", key: EV_IP_QUEUE_XMIT),
        TimedFunction(name: "inet6_csk_xmit", key: EV_INET6_CSK_XMIT),
        TimedFunction(name: "dev_hard_start_xmit", key: EV_DEV_HARD_START_XMIT),
        TimedFunction(name: "tcp_ack", key: EV_TCP_ACK),
    ]
    /// Maps that exist for their sake only.
    static let maps = ["function_times", "socket_entries", "task_entries", "device_entries"]

    /// At entry and return: bpf/function_times.bpf.c.
    var programs: [String] { ["enter_\(name)", "leave_\(name)"] }
}

extension KernelSource {
    /// Time inside the kernel's functions since the run began, those that were called; empty where it was not asked for.
    public func functionTimes() -> [FunctionTime] {
        guard timesFunctions else { return [] }
        return TimedFunction.all.compactMap { function in
            let times = distribution(of: function)
            return times.count > 0 ? FunctionTime(name: function.name, times: times) : nil
        }
    }

    /// Over all processors.
    private func distribution(of function: TimedFunction) -> Distribution {
        let size = MemoryLayout<ev_function_times>.stride
        let values = UnsafeMutableRawBufferPointer.allocate(
            byteCount: size * Int(max(1, libbpf_num_possible_cpus())), alignment: 8)
        defer { values.deallocate() }
        var key = function.key.rawValue
        var sum = Distribution()
        guard
            bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, "function_times"), &key, values.baseAddress)
                == 0
        else { return sum }
        for start in stride(from: 0, to: values.count, by: size) {
            let numbers = UnsafeRawBufferPointer(rebasing: values[start..<start + size]).bindMemory(to: UInt64.self)
            sum.merge(
                Distribution(
                    count: Int64(clamping: numbers[0]), sum: Int64(clamping: numbers[1]),
                    max: Int64(clamping: numbers[2]), buckets: numbers[3...]))
        }
        return sum
    }
}
