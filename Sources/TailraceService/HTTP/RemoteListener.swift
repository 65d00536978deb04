// SPDX-License-Identifier: MIT
import CService
import Glibc

/// A TCP socket that waits for clients.
struct RemoteListener {
    let socket: CInt
    /// The one that it got, where any was asked for.
    let port: Int

    /// `address`: in numbers; `port`: 0...65535, 0: any.
    init(address: String, port: Int) throws(ServiceError) {
        guard let wanted = UInt16(exactly: port) else {
            throw ServiceError("cannot listen on port \(port): ports are 0 to 65535; choose one of them")
        }
        let advice = "choose an address of this machine and a free port"
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, address, &v4) == 1 {
            var name = sockaddr_in()
            (name.sin_family, name.sin_port, name.sin_addr) = (sa_family_t(AF_INET), wanted.bigEndian, v4)
            socket = try Self.listener(AF_INET, name, "\(address):\(port)", advice)
        } else if inet_pton(AF_INET6, address, &v6) == 1 {
            var name = sockaddr_in6()
            (name.sin6_family, name.sin6_port, name.sin6_addr) = (sa_family_t(AF_INET6), wanted.bigEndian, v6)
            socket = try Self.listener(AF_INET6, name, "[\(address)]:\(port)", advice)
        } else {
            throw ServiceError(
                "cannot listen on \(address): it is no address in numbers; write one like 127.0.0.1 or ::1")
        }
        self.port = Self.port(of: socket)
    }

    /// Whether it is one in numbers, of IPv4 or IPv6.
    static func isNumeric(_ address: String) -> Bool {
        var v4 = in_addr()
        var v6 = in6_addr()
        return inet_pton(AF_INET, address, &v4) == 1 || inet_pton(AF_INET6, address, &v6) == 1
    }

    private static func listener<Name>(
        _ family: CInt, _ name: Name, _ what: String, _ advice: String
    ) throws(ServiceError) -> CInt {
        let socket = cservice_stream(family, 1)
        guard socket >= 0 else { throw .call("cannot make a socket for \(what)", advice: advice) }
        var on: CInt = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        let isBound = withUnsafePointer(to: name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<Name>.size))
            } == 0
        }
        guard isBound, listen(socket, LocalListener.backlog) == 0 else {
            let error = ServiceError.call("cannot listen on \(what)", advice: advice)
            close(socket)
            throw error
        }
        return socket
    }

    private static func port(of socket: CInt) -> Int {
        var name = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        // At the same place for both families.
        return result == 0 ? Int(UInt16(bigEndian: name.sin6_port)) : 0
    }
}
