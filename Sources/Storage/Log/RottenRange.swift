package import Primitives

/// Entries that were durable and are damaged, as recovery found them.
package struct RottenRange: Equatable, Sendable, CustomStringConvertible {
    package var path: String
    /// Where in the file the damage begins, in bytes.
    package var offset: Int
    package var first: LogIndex
    /// Nil when nothing behind the damage tells how far it goes.
    package var last: LogIndex?

    /// Whether all of it is known to lie at or before `index`.
    package func isKnown(through index: LogIndex) -> Bool {
        last.map { $0 <= index } ?? false
    }

    /// Whether the entry at `index` may be among it.
    package func mayHold(_ index: LogIndex) -> Bool {
        first <= index && (last.map { $0 >= index } ?? true)
    }

    package var description: String {
        let range = last.map { "\(first) to \($0)" } ?? "from \(first) on"
        return "entries \(range), \(path) at offset \(offset)"
    }
}
