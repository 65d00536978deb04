// SPDX-License-Identifier: MIT
import Glibc
import Testing

@testable import TailraceService

@Suite("Sockets to listen on")
struct ListenerTests {
    private func path(_ name: String) -> String { "/tmp/tailrace-listener-\(getpid())-\(name)" }

    private func status(of path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    @Test("are for their owner alone, or for the group too")
    func mode() throws {
        let path = path("mode")
        let own = try LocalListener(path: path, group: nil)
        #expect(status(of: path)?.st_mode == S_IFSOCK | 0o600)
        own.remove()
        close(own.socket)
        #expect(status(of: path) == nil)
        let group = geteuid() == 0 ? 12345 : getegid()
        let shared = try LocalListener(path: path, group: group)
        #expect(status(of: path)?.st_mode == S_IFSOCK | 0o660 && status(of: path)?.st_gid == group)
        shared.remove()
        close(shared.socket)
    }

    @Test("are replaced when nobody answers there, and not when somebody does")
    func stale() throws {
        let path = path("stale")
        let left = try LocalListener(path: path, group: nil)
        let error = #expect(throws: ServiceError.self) { try LocalListener(path: path, group: nil) }
        #expect(error?.description.contains("another service answers there") == true)
        // As after a kill: the file stays. Kernels stamp files by ticks.
        usleep(20_000)
        close(left.socket)
        let new = try LocalListener(path: path, group: nil)
        left.remove()
        #expect(status(of: path) != nil, "another's file is left alone")
        new.remove()
        close(new.socket)
    }

    @Test("are never put in place of anything else", arguments: ["file", "directory", "link", "dangling", "pipe"])
    func refused(kind: String) throws {
        let (path, target) = (path(kind), path(kind + "-target"))
        defer {
            unlink(path)
            rmdir(path)
            unlink(target)
        }
        switch kind {
        case "file": close(open(path, O_CREAT | O_WRONLY, 0o600))
        case "directory": mkdir(path, 0o700)
        case "link":
            let socket = try LocalListener(path: target, group: nil)
            close(socket.socket)
            symlink(target, path)
        case "dangling": symlink(target, path)
        default: mkfifo(path, 0o600)
        }
        let before = status(of: path)
        let error = #expect(throws: ServiceError.self) { try LocalListener(path: path, group: nil) }
        #expect(error?.description.contains("what is there is no socket") == true, "\(String(describing: error))")
        #expect(status(of: path)?.st_ino == before?.st_ino, "it is still there")
    }

    @Test(
        "say why they cannot be", arguments: ["", "@abstract", String(repeating: "a", count: 108), "/nowhere/x.sock"])
    func impossible(path: String) {
        #expect(throws: ServiceError.self) { try LocalListener(path: path, group: nil) }
    }

    @Test("over TCP have an address in numbers, and a port that is free")
    func remote() throws {
        let service = Service(inbox: Inbox())
        let port = try service.listen(address: "127.0.0.1", port: 0)
        #expect(port > 0)
        let another = Service(inbox: Inbox())
        for (address, port) in [
            ("localhost", 0), ("127.0.0.1", 65536), ("127.0.0.1", -1), ("127.0.0.1", port), ("192.0.2.1", 0),
        ] {
            #expect(throws: ServiceError.self, "\(address):\(port)") {
                try another.listen(address: address, port: port)
            }
        }
        #expect(try another.listen(address: "::1", port: 0) > 0)
    }

    @Test("take their file away in the end")
    func stops() throws {
        let path = path("stops")
        let service = Service(inbox: Inbox())
        try service.listen(socket: path, group: nil)
        service.stop()
        #expect(status(of: path) == nil)
        try service.listen(socket: path, group: nil)
        try service.serve()
        let client = Client(path: path)
        service.stop()
        #expect(status(of: path) == nil && client.isEnded(within: 5))
        #expect(service.account.open == 0)
    }
}

@Suite("Who may ask")
struct PeerTests {
    @Test("is root, the owner, or of the group")
    func rule() {
        func may(_ uid: UInt32, _ gid: UInt32, _ groups: [UInt32], group: UInt32?) -> Bool {
            LocalPeer(uid: uid, gid: gid, groups: groups).isAllowed(owner: 500, group: group)
        }
        #expect(may(0, 0, [], group: nil) && may(500, 1, [], group: nil))
        #expect(!may(501, 0, [0], group: nil), "root's group is not root")
        #expect(may(501, 77, [], group: 77) && may(501, 1, [5, 77], group: 77))
        #expect(!may(501, 1, [5, 78], group: 77) && !may(501, 500, [500], group: 77))
    }

    @Test("is what the kernel says")
    func kernel() throws {
        var ends: [CInt] = [0, 0]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        let peer = try #require(LocalPeer(of: ends[0]))
        var groups = [gid_t](repeating: 0, count: 1 << 16)
        let count = getgroups(CInt(groups.count), &groups)
        #expect(peer.uid == geteuid() && peer.gid == getegid() && peer.pid == getpid())
        #expect(Set(peer.groups) == Set(groups.prefix(Int(count))))
        #expect(LocalPeer(of: -1) == nil)
    }

    @Test("of which group, is in a file")
    func groups() {
        let text = "root:x:0:\n# tailrace:x:1:\ntailrace:x:998:alice,bob\nbad\ntailrace2:x:no:\nempty:::\n"
        #expect(GroupFile.number(of: "tailrace", text: text) == 998)
        for name in ["tail", "tailrace2", "bad", "empty", "alice", ""] {
            #expect(GroupFile.number(of: name, text: text) == nil)
        }
        #expect(GroupFile.number(of: "root") == 0)
        #expect(GroupFile.number(of: "root", in: "/nowhere") == nil)
    }
}
