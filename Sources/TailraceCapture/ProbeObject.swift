// SPDX-License-Identifier: MIT
import CLibbpf
import CProbes
import Glibc

/// A loaded object of kernel programs beside the main one, and what of it is attached. It is taken out of the kernel with the
/// last reference to it.
final class ProbeObject {
    private let object: OpaquePointer
    private var links: [OpaquePointer] = []

    /// Loads. `name`: the kernel's; `words`: what it is, for people.
    ///
    /// - Throws: `CaptureError`, one sentence.
    init(_ bytes: probe_object, _ name: String, words: String) throws(CaptureError) {
        clibbpf_quiet()
        guard let object = clibbpf_open(bytes.bytes, bytes.size, name) else {
            throw CaptureError.step("read \(words)", errno: errno, detail: String(cString: clibbpf_warning()))
        }
        self.object = object
        let result = bpf_object__load(object)
        guard result == 0 else {
            throw CaptureError.step("load \(words)", errno: -result, detail: String(cString: clibbpf_warning()))
        }
    }

    deinit {
        for link in links { bpf_link__destroy(link) }
        bpf_object__close(object)
    }

    /// The descriptor of a map.
    func map(_ name: String) -> Int32 { bpf_object__find_map_fd_by_name(object, name) }

    /// Attaches each program at the place that it names; one that cannot be is left out. Once: afterwards it does nothing.
    func attachAll() {
        guard links.isEmpty else { return }
        var program = bpf_object__next_program(object, nil)
        while let next = program {
            if let link = bpf_program__attach(next) { links.append(link) }
            program = bpf_object__next_program(object, next)
        }
    }

    /// Attaches the program of that name where one process executes the code at `site`; false: `errno` says why not.
    func attach(_ name: String, to site: CallSite, of pid: Int32) -> Bool {
        guard let program = bpf_object__find_program_by_name(object, name),
            let link = bpf_program__attach_uprobe(program, false, pid, site.path, Int(clamping: site.offset))
        else { return false }
        links.append(link)
        return true
    }
}
