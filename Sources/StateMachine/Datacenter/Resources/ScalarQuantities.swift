internal import Primitives

/// Amounts by name, in thousandths: what fairness, quota and headroom count. Sorted by name, none
/// is zero. Adding is exact: whoever adds bounds how many values there are
/// (``ResourceLimits/amountMax``), so that no sum leaves 64 bits.
package struct ScalarQuantities: Hashable, Sendable {
    package struct Element: Hashable, Sendable {
        package var name: ByteText
        package var amount: Int64
    }

    package private(set) var elements: [Element]

    package static let none = ScalarQuantities()

    package init() { elements = [] }

    /// In any order; amounts of one name are added up.
    package init(_ pairs: [(ByteText, Int64)]) {
        elements = []
        for (name, amount) in pairs { add(amount, to: name) }
    }

    package var isEmpty: Bool { elements.isEmpty }

    package subscript(name: ByteText) -> Int64 {
        let place = place(of: name)
        return place.isThere ? elements[place.index].amount : 0
    }

    package func contains(_ name: ByteText) -> Bool { place(of: name).isThere }

    package mutating func add(_ amount: Int64, to name: ByteText) {
        guard amount != 0 else { return }
        let place = place(of: name)
        if !place.isThere {
            elements.insert(Element(name: name, amount: amount), at: place.index)
            return
        }
        elements[place.index].amount += amount
        if elements[place.index].amount == 0 { elements.remove(at: place.index) }
    }

    package mutating func add(_ other: ScalarQuantities) {
        for element in other.elements { add(element.amount, to: element.name) }
    }

    package mutating func subtract(_ other: ScalarQuantities) {
        for element in other.elements { add(-element.amount, to: element.name) }
    }

    /// Few names: a walk is quicker than a search.
    private func place(of name: ByteText) -> (index: Int, isThere: Bool) {
        var index = 0
        while index < elements.count {
            let order = ByteText.compare(elements[index].name, name)
            if order >= 0 { return (index, order == 0) }
            index += 1
        }
        return (index, false)
    }

    package func checkInvariants() {
        for (index, element) in elements.enumerated() {
            invariant(element.amount != 0, "\(element.name) is zero and kept")
            let isInOrder = index == 0 || elements[index - 1].name < element.name
            invariant(isInOrder, "\(element.name) is out of order")
        }
    }
}

extension Resources {
    /// All scalars, whatever they are reserved for; each copy counts.
    package var scalarQuantities: ScalarQuantities { scalarQuantities { _ in true } }

    package var unreservedScalarQuantities: ScalarQuantities {
        scalarQuantities { !$0.isReserved }
    }

    package func scalarQuantities(where isWanted: (ResourceEntry) -> Bool) -> ScalarQuantities {
        var sum = ScalarQuantities()
        for entry in entries where isWanted(entry) { sum.add(entry.amount, to: entry.name) }
        return sum
    }
}
