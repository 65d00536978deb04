// SPDX-License-Identifier: MIT

/// From a socket's cookie to the place where its connection is followed: open addressing, one step for most questions.
struct SocketTable {
    /// 0 is no cookie: the kernel counts from 1.
    private var cookies: ContiguousArray<UInt64>
    private var places: ContiguousArray<Int32>
    private var mask: Int
    private(set) var count = 0

    init() {
        cookies = ContiguousArray(repeating: 0, count: 64)
        places = ContiguousArray(repeating: 0, count: 64)
        mask = 63
    }

    /// Cookies are counted up, per CPU in batches: a product spreads them.
    @inline(__always)
    private func home(of cookie: UInt64) -> Int {
        Int(truncatingIfNeeded: (cookie &* 0x9e37_79b9_7f4a_7c15) >> 32) & mask
    }

    /// nil: the cookie is not known.
    @inline(__always)
    subscript(cookie: UInt64) -> Int? {
        var index = home(of: cookie)
        while cookies[index] != 0 {
            if cookies[index] == cookie { return Int(places[index]) }
            index = (index + 1) & mask
        }
        return nil
    }

    /// Adds a cookie that is not there.
    mutating func insert(_ cookie: UInt64, place: Int) {
        guard cookie != 0 else { return }
        if 2 * (count + 1) > cookies.count { grow() }
        var index = home(of: cookie)
        while cookies[index] != 0 { index = (index + 1) & mask }
        cookies[index] = cookie
        places[index] = Int32(truncatingIfNeeded: place)
        count += 1
    }

    /// Removes a cookie and tells its place; what stood behind it moves up, so that no question meets a gap.
    mutating func remove(_ cookie: UInt64) -> Int? {
        var gap = home(of: cookie)
        while cookies[gap] != cookie {
            guard cookies[gap] != 0 else { return nil }
            gap = (gap + 1) & mask
        }
        let place = Int(places[gap])
        var index = (gap + 1) & mask
        while cookies[index] != 0 {
            // An entry may move to the gap if its home does not lie between the two.
            if (index - home(of: cookies[index])) & mask >= (index - gap) & mask {
                cookies[gap] = cookies[index]
                places[gap] = places[index]
                gap = index
            }
            index = (index + 1) & mask
        }
        cookies[gap] = 0
        count -= 1
        return place
    }

    /// Every cookie with its place, in no order that means anything.
    func forEach(_ body: (UInt64, Int) -> Void) {
        for (index, cookie) in cookies.enumerated() where cookie != 0 { body(cookie, Int(places[index])) }
    }

    private mutating func grow() {
        let (oldCookies, oldPlaces) = (cookies, places)
        cookies = ContiguousArray(repeating: 0, count: 2 * oldCookies.count)
        places = ContiguousArray(repeating: 0, count: 2 * oldCookies.count)
        mask = cookies.count - 1
        count = 0
        for (cookie, place) in zip(oldCookies, oldPlaces) where cookie != 0 { insert(cookie, place: Int(place)) }
    }
}
