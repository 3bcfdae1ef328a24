/// Stops the process when a fact that the program relies on is false.
///
/// Unlike `assert` and `precondition` it stays on in release builds and keeps its message. It is
/// for what only a bug can bring about; what the world can bring about is a thrown error.
@inlinable
package func invariant(
    _ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String,
    file: StaticString = #fileID, line: UInt = #line
) {
    if !condition() { fatalError("invariant violated: \(message())", file: file, line: line) }
}

/// Stops the process in a place that only a bug can reach, with what it saw.
package func impossible(
    _ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) -> Never {
    fatalError("invariant violated: \(message())", file: file, line: line)
}
