// SPDX-License-Identifier: MIT
import CService
import Glibc

/// A unix socket in the file system, and how it is bound: never in place of what is no socket of the service's, and never open to more
/// than it is meant for, not even for a moment.
struct LocalListener {
    static let backlog: CInt = 128
    static let longestPath = 107

    let path: String
    let socket: CInt
    private let file: File

    /// Which file it is. Numbers are given again at once, so the time when it was made tells too.
    private struct File: Equatable {
        let device: UInt
        let inode: UInt
        let made: [Int]

        init(_ status: stat) {
            (device, inode) = (UInt(status.st_dev), UInt(status.st_ino))
            made = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
        }
    }

    /// `group`: whose members may connect (mode 0660); nil: the owner alone (0600).
    init(path: String, group: UInt32?) throws(ServiceError) {
        guard path.utf8.count <= Self.longestPath, !path.utf8.contains(0), !path.isEmpty,
            path.utf8.first != 0x40
        else {
            throw ServiceError(
                "cannot listen on \(path): the path of a socket has 1 to \(Self.longestPath) bytes, and no @ in front; choose another one"
            )
        }
        try Self.clear(path)
        let socket = cservice_stream(AF_UNIX, 1)
        guard socket >= 0 else {
            throw .call("cannot make a socket for \(path)", advice: "raise the limit of open files")
        }
        do throws(ServiceError) {
            // The file is made with this mode.
            fchmod(socket, 0o600)
            guard cservice_bind(socket, path) == 0 else {
                throw .call("cannot bind \(path)", advice: "its directory must exist, and be writable for this user")
            }
            file = try Self.open(path, to: group)
            guard Glibc.listen(socket, Self.backlog) == 0 else {
                throw .call("cannot listen on \(path)", advice: "choose another path")
            }
        } catch {
            close(socket)
            throw error
        }
        (self.path, self.socket) = (path, socket)
    }

    /// Takes the file away, if it is still this one.
    func remove() {
        var status = stat()
        if lstat(path, &status) == 0, File(status) == file { unlink(path) }
    }

    /// Makes room: a socket that nobody answers on was left by a service that was killed.
    private static func clear(_ path: String) throws(ServiceError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw ServiceError(
                "cannot listen on \(path): what is there is no socket; remove it, or choose another path")
        }
        let probe = cservice_stream(AF_UNIX, 0)
        defer { close(probe) }
        guard probe >= 0, cservice_connect(probe, path) != 0, errno == ECONNREFUSED else {
            throw ServiceError(
                "cannot listen on \(path): another service answers there; stop it, or choose another path")
        }
        guard unlink(path) == 0 else {
            throw .call("cannot remove the old socket \(path)", advice: "remove it, or choose another path")
        }
    }

    /// Gives the file to the group; it is held meanwhile, so that nothing else can be in its place.
    private static func open(_ path: String, to group: UInt32?) throws(ServiceError) -> File {
        let file = cservice_hold(path)
        defer { close(file) }
        var status = stat()
        guard file >= 0, fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
            throw ServiceError(
                "cannot listen on \(path): it was replaced while it was made; see who writes to its directory")
        }
        if let group {
            guard cservice_give(file, group) == 0 else {
                throw .call(
                    "cannot give \(path) to the group \(group)", advice: "run as root, or as a member of that group")
            }
            guard chmod("/proc/self/fd/\(file)", 0o660) == 0 else {
                throw .call("cannot open \(path) to the group \(group)", advice: "is /proc mounted?")
            }
        }
        guard fstat(file, &status) == 0 else { throw .call("cannot look at \(path)", advice: "report it") }
        return File(status)
    }
}
