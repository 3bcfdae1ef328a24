internal import Dispatch
internal import Foundation
internal import Glibc

/// Why there is no folder for a run's files.
package struct ScratchFolderError: Error, CustomStringConvertible {
    package let description: String
}

/// A folder for a run's files, with a name of its own inside of one that the caller chose; it goes
/// with all that is in it when the run is over.
///
/// `@unchecked Sendable`: nothing changes after it was set up.
package final class ScratchFolder: @unchecked Sendable {
    package let path: String
    private let parent: String
    private let isParentOurs: Bool
    private var interrupts: [any DispatchSourceSignal] = []

    package init(in parent: String, for program: String) throws(ScratchFolderError) {
        self.parent = parent
        isParentOurs = !FileManager.default.fileExists(atPath: parent)
        do {
            try FileManager.default.createDirectory(
                atPath: parent, withIntermediateDirectories: true)
        } catch {
            throw ScratchFolderError(
                description: "--data-dir \(parent) cannot be made: \(error.localizedDescription)")
        }
        var template = Array("\(parent)/\(program)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            let reason = String(cString: strerror(errno))
            throw ScratchFolderError(
                description: "no folder can be made in --data-dir \(parent): \(reason)")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    package func remove() {
        try? FileManager.default.removeItem(atPath: path)
        // Refused where others put something there meanwhile.
        if isParentOurs { rmdir(parent) }
    }

    /// An interrupt, or a request to end, ends the process once the folder is gone.
    package func removeWhenInterrupted() {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                self.remove()
                exit(128 + number)
            }
            source.resume()
            interrupts.append(source)
        }
    }
}
