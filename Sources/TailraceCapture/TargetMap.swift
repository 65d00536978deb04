// SPDX-License-Identifier: MIT
import CLibbpf
import CProbes
import Glibc

/// The target as the programs read it, mapped into this process: it can be changed when no capability is left.
final class TargetMap {
    private static let name = ".data.targets"
    private var targets: UnsafeMutablePointer<ev_targets>?

    /// What is in force as soon as `object` is loaded.
    init(_ target: Target, in object: OpaquePointer) {
        var initial = ev_targets()
        initial.copies.0 = target.filters
        bpf_map__set_initial_value(
            bpf_object__find_map_by_name(object, Self.name), &initial, MemoryLayout<ev_targets>.size)
    }

    /// After `object` was loaded.
    func map(of object: OpaquePointer) throws(CaptureError) {
        let descriptor = bpf_object__find_map_fd_by_name(object, Self.name)
        let place = mmap(nil, MemoryLayout<ev_targets>.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let place, place != MAP_FAILED else {
            throw CaptureError.step("map the target", errno: errno, detail: "")
        }
        targets = place.bindMemory(to: ev_targets.self, capacity: 1)
    }

    deinit { if let targets { munmap(targets, MemoryLayout<ev_targets>.size) } }

    /// From its return on, `target` decides, whole: the copy that no program reads is written, and then chosen.
    func choose(_ target: Target) {
        guard let targets else { return }
        let next = targets.pointee.chosen &+ 1
        if next % EV_TARGETS == 0 {
            targets.pointee.copies.0 = target.filters
        } else {
            targets.pointee.copies.1 = target.filters
        }
        let chosen = MemoryLayout<ev_targets>.offset(of: \.chosen) ?? 0
        clibbpf_publish((UnsafeMutableRawPointer(targets) + chosen).assumingMemoryBound(to: UInt32.self), next)
    }
}
