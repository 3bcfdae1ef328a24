/// A stream, and the time that passes between its elements.
enum Ticking {
    /// The elements, and nil between them so often.
    static func stream<Element: Sendable>(
        _ elements: AsyncThrowingStream<Element, any Error>, every pause: Duration
    ) -> AsyncThrowingStream<Element?, any Error> {
        let (both, source) = AsyncThrowingStream<Element?, any Error>.makeStream()
        let reading = Task {
            do {
                for try await element in elements { source.yield(element) }
                source.finish()
            } catch {
                source.finish(throwing: error)
            }
        }
        let ticking = Task {
            while (try? await Task.sleep(for: pause)) != nil { source.yield(nil) }
        }
        source.onTermination = { _ in
            reading.cancel()
            ticking.cancel()
        }
        return both
    }
}
