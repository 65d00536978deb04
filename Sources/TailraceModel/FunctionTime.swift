// SPDX-License-Identifier: MIT

/// How long the calls of one of the kernel's functions ran for traced sockets: between entry and return, what they call and
/// what interrupted them included. The functions lie within each other, so their times do not add up.
public struct FunctionTime: Sendable {
    /// The kernel's name of it.
    public let name: String
    /// Of its calls, ns.
    public let times: Distribution

    /// Both.
    public init(name: String, times: Distribution) {
        self.name = name
        self.times = times
    }
}
