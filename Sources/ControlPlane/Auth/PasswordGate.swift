internal import Crypto
package import NIOCore
internal import Primitives
package import StateMachine

/// Judges names and passwords that come with each request. One takes a tenth of a second, on a
/// thread of its own; one that was right is remembered for a while, for as long as its user has the
/// same identity.
///
/// Confined to the event loop, hence `@unchecked Sendable`.
package final class PasswordGate: @unchecked Sendable {
    package enum Verdict: Equatable, Sendable {
        /// As of that revision of the table of users.
        case right(authRevision: UInt64)
        case wrong
        /// Too many wait to be judged.
        case busy
    }

    private struct Known {
        var identityRevision: UInt64
        var until: NIODeadline
    }

    private typealias Waiter = (Bool) -> Void

    /// What is remembered, and for how long. The password itself is not.
    private static let knownMax = 10_000
    package static let knownFor: TimeAmount = .seconds(60)
    private static let passwordBytesMax = 4096
    private static let outstandingMax = 64
    private static let outstandingFromOnePlaceMax = 16
    /// Requests that wait for one and the same password to be judged.
    private static let waitersMax = 1_000

    private let eventLoop: any EventLoop
    private let worker: CallWorker
    /// So that what is remembered says nothing to who reads this process's memory later.
    private let secret = SymmetricKey(size: .bits256)
    private var known = RecentlyUsed<Bytes, Known>(countMax: knownMax)
    private var waiting: [Bytes: [Waiter]] = [:]
    /// How often a password was hashed.
    package private(set) var hashCount = 0

    package init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        worker = CallWorker(
            eventLoop: eventLoop, outstandingMax: Self.outstandingMax,
            outstandingFromOnePlaceMax: Self.outstandingFromOnePlaceMax)
    }

    /// May call back at once. A user that does not exist, or that has no password, takes as long as
    /// a wrong password.
    /// - Parameters:
    ///   - users: the table as it is when it is asked for: now, and when the password was hashed.
    ///   - place: from where it is asked, such as the client's address.
    package func judge(
        _ name: [UInt8], _ password: [UInt8], from place: String,
        in users: @escaping () -> AuthTable, _ done: @escaping (Verdict) -> Void
    ) {
        guard password.count <= Self.passwordBytesMax, name.count <= AuthTable.nameBytesMax else {
            return done(.wrong)
        }
        let table = users()
        let user = table.user(name)
        let identity = user?.identityRevision ?? 0
        let key = digest(name, password, identity)
        if let user, user.hasPassword, let found = known.use(key),
            found.identityRevision == user.identityRevision, found.until > .now()
        {
            return done(.right(authRevision: table.revision))
        }
        let finish: Waiter = { isRight in
            // The password may have been changed meanwhile: what was proved is old then.
            let table = users()
            let current = table.user(name)
            guard isRight, let current, current.hasPassword,
                current.identityRevision == identity
            else { return done(.wrong) }
            done(.right(authRevision: table.revision))
        }
        if let others = waiting[key] {
            guard others.count < Self.waitersMax else { return done(.busy) }
            waiting[key]?.append(finish)
            return
        }
        let hash = user.flatMap { PasswordHash($0.passwordHash) } ?? PasswordHash.ofNobody
        let isTaken = worker.run(from: place) {
            hash?.matches(password) ?? false
        } _: { [self] isRight in
            hashCount += 1
            if isRight {
                let until = NIODeadline.now() + Self.knownFor
                known.add(Known(identityRevision: identity, until: until), key)
            }
            for waiter in waiting.removeValue(forKey: key) ?? [] { waiter(isRight) }
        }
        guard isTaken else { return done(.busy) }
        waiting[key] = [finish]
    }

    private func digest(_ name: [UInt8], _ password: [UInt8], _ identity: UInt64) -> Bytes {
        var code = HMAC<SHA256>(key: secret)
        var writer = ByteWriter(capacity: name.count + 16)
        writer.writeLengthPrefixed(name)
        writer.write(identity)
        code.update(data: writer.bytes)
        code.update(data: password)
        return Bytes(Array(code.finalize()))
    }
}
