// SPDX-License-Identifier: MIT
import CService
import Glibc

/// Who asks.
public enum Peer: Sendable, Equatable {
    /// Over the unix socket, as it was when it connected.
    case local(uid: UInt32, gid: UInt32, pid: Int32)
    /// Over TCP: its address and port, as text.
    case remote(address: String)
}

/// Whom the kernel says a local client is: its own at connect(), so that no process can take its number meanwhile.
struct LocalPeer: Equatable {
    var uid: UInt32
    var gid: UInt32
    var pid: Int32
    /// Its supplementary groups.
    var groups: [UInt32] = []

    /// nil: the kernel does not say.
    init?(of socket: CInt) {
        var peer = cservice_peer(pid: 0, uid: 0, gid: 0)
        guard cservice_peer(socket, &peer) == 0 else { return nil }
        (uid, gid, pid) = (peer.uid, peer.gid, peer.pid)
        // The second holds as many as the kernel allows.
        for most in [64, 1 << 16] {
            var list = [UInt32](repeating: 0, count: most)
            let count = cservice_peer_groups(socket, &list, CInt(most))
            if count >= 0 {
                groups = Array(list.prefix(Int(count)))
                return
            }
        }
    }

    init(uid: UInt32, gid: UInt32, groups: [UInt32]) {
        (self.uid, self.gid, self.groups, pid) = (uid, gid, groups, 0)
    }

    /// Root, the service's own user, and the members of its group are served.
    func isAllowed(owner: UInt32, group: UInt32?) -> Bool {
        if uid == 0 || uid == owner { return true }
        guard let group else { return false }
        return gid == group || groups.contains(group)
    }
}
