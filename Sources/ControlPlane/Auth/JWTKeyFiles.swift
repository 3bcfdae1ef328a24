package import Logging
internal import NIOCore
internal import RPC
internal import Synchronization

/// The keys for signed tokens, and the files that they come from. Files that change are read again;
/// while they cannot be used, what was read before stays in force.
package final class JWTKeyFiles: Sendable {
    private struct State {
        var keys: JWTKeys
        var version = 0
        var marks: [FileMark]
        var checkedAt: NIODeadline
    }

    package let options: JWTOptions
    private let logger: Logger
    private let state: Mutex<State>

    /// Files are looked at so often at most, and only when somebody calls.
    static let checkInterval: TimeAmount = .seconds(1)

    /// - Throws: ``ConfigurationError``, which names the file that cannot be used.
    package init(_ options: JWTOptions, logger: Logger) throws(ConfigurationError) {
        self.options = options
        self.logger = logger
        let marks = options.paths.map(FileMark.init)
        let keys: JWTKeys
        do throws(JWTKeys.Unusable) { keys = try JWTKeys(options) } catch {
            throw ConfigurationError(
                flag: AuthTokenOptions.flag, value: error.path, reason: error.reason,
                hint: "Check the file and the other options: \(JWTOptions.example)")
        }
        state = Mutex(State(keys: keys, marks: marks, checkedAt: .now()))
        if !options.unknownNames.isEmpty {
            logger.warning(
                "options of --auth-token that mean nothing",
                metadata: ["names": "\(options.unknownNames.joined(separator: ", "))"])
        }
        if keys.isForVerifying {
            logger.notice(
                "no key to sign tokens with: this member verifies them, and logs nobody in")
        }
    }

    /// What holds now. The version is another one with other keys.
    package func current() -> (keys: JWTKeys, version: Int) {
        state.withLock { state in
            let now = NIODeadline.now()
            if state.checkedAt + Self.checkInterval <= now {
                state.checkedAt = now
                look(&state)
            }
            return (state.keys, state.version)
        }
    }

    private func look(_ state: inout State) {
        let marks = options.paths.map(FileMark.init)
        guard marks != state.marks else { return }
        state.marks = marks
        do throws(JWTKeys.Unusable) {
            state.keys = try JWTKeys(options)
            state.version += 1
            logger.notice(
                "keys for tokens have changed: those that others have signed count no more",
                metadata: ["algorithm": "\(options.algorithm.rawValue)"])
        } catch {
            logger.error(
                "keys for tokens have changed and cannot be used: what was read before holds",
                metadata: ["file": "\(error.path)", "reason": "\(error.reason)"])
        }
    }
}
