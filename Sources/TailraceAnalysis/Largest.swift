// SPDX-License-Identifier: MIT

/// The largest elements of a stream, `capacity` of them at most: a heap with the smallest on top. What is no larger than
/// that, once the heap is full, costs one comparison.
struct Largest<Element: Comparable> {
    private var heap: [Element] = []
    let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// What an element must exceed; nil while there is room.
    var threshold: Element? { heap.count < capacity ? nil : heap.first }

    mutating func add(_ element: Element) {
        if heap.count < capacity {
            heap.append(element)
            rise(from: heap.count - 1)
        } else if let smallest = heap.first, smallest < element {
            heap[0] = element
            sink(from: 0)
        }
    }

    /// Largest first.
    var sorted: [Element] { heap.sorted(by: >) }

    private mutating func rise(from place: Int) {
        var child = place
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func sink(from place: Int) {
        var parent = place
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child] < heap[smallest] { smallest = child }
            guard smallest != parent else { return }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
    }
}

/// Values by key in bounded memory: when there are twice as many as `capacity`, the lighter half is merged into one, so
/// that what is heavy stays. A key that comes back begins anew.
struct Heaviest<Key: Hashable & Comparable, Value> {
    private var values: [Key: Value] = [:]
    private var rest: Value?
    private let capacity: Int
    private let weight: (Value) -> Int64
    private let merge: (inout Value, Value) -> Void

    init(capacity: Int, weight: @escaping (Value) -> Int64, merge: @escaping (inout Value, Value) -> Void) {
        self.capacity = capacity
        self.weight = weight
        self.merge = merge
    }

    /// Changes the value of `key`, which begins as `initial`.
    mutating func update(_ key: Key, initial: @autoclosure () -> Value, _ change: (inout Value) -> Void) {
        change(&values[key, default: initial()])
        guard values.count >= 2 * capacity else { return }
        let (kept, others) = split(keeping: capacity)
        values = Dictionary(uniqueKeysWithValues: kept)
        rest = others
    }

    /// The heaviest ones, heaviest first, and all others as one; equally heavy ones by key.
    func split(keeping count: Int) -> (kept: [(Key, Value)], others: Value?) {
        let ordered = values.map { (key: $0.key, value: $0.value, weight: weight($0.value)) }
            .sorted { $0.weight != $1.weight ? $0.weight > $1.weight : $0.key < $1.key }
        let light = ordered.dropFirst(count)
        guard var others = rest ?? light.first?.value else { return (ordered.map { ($0.key, $0.value) }, nil) }
        for entry in light.dropFirst(rest == nil ? 1 : 0) { merge(&others, entry.value) }
        return (ordered.prefix(count).map { ($0.key, $0.value) }, others)
    }
}
