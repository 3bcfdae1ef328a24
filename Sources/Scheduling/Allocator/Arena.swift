internal import Primitives

/// What stands in a place that is not used: it holds on to nothing.
protocol ArenaElement: Sendable {
    static var vacant: Self { get }
}

/// Elements at places that stay the same while they live, and are used again afterwards.
///
/// Places hold no optionals: to look at one field of an element would copy all of it.
struct Arena<Element: ArenaElement>: Sendable {
    private var elements: [Element] = []
    private var areUsed: [Bool] = []
    private var unused: [Int] = []

    var count: Int { elements.count - unused.count }

    /// All places, used or not, in order.
    var indices: Range<Int> { 0..<elements.count }

    mutating func insert(_ element: Element) -> Int {
        guard let place = unused.popLast() else {
            elements.append(element)
            areUsed.append(true)
            return elements.count - 1
        }
        elements[place] = element
        areUsed[place] = true
        return place
    }

    mutating func remove(_ place: Int) {
        invariant(areUsed[place], "place \(place) is not used")
        elements[place] = .vacant
        areUsed[place] = false
        unused.append(place)
    }

    func isUsed(_ place: Int) -> Bool { areUsed[place] }

    @inline(__always)
    subscript(place: Int) -> Element {
        _read { yield elements[place] }
        _modify { yield &elements[place] }
    }
}
