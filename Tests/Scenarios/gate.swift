// SPDX-License-Identifier: MIT

/// Holds tasks until it opens.
actor Gate {
    private var waiters: [CheckedContinuation<Void, Never>] = []

    func wait() async { await withCheckedContinuation { waiters.append($0) } }

    /// Once all of them wait.
    func settle(_ count: Int) async { while waiters.count < count { await Task.yield() } }

    func open() {
        for waiter in waiters { waiter.resume() }
        waiters = []
    }
}
