internal import Logging
internal import NIOCore
internal import StateMachine

/// Finds out who calls and judges what he may do, now and for as long as a stream of his lasts.
///
/// Confined to the node's event loop.
final class CallerDesk {
    /// A stream that somebody may have only for as long as he has leave.
    private struct Watched {
        var caller: Caller
        var needs: [AccessNeed]
        var end: (String) -> Void
    }

    /// Somebody who waits until this node knows its users.
    private struct Waiting {
        var until: NIODeadline
        var done: (Bool) -> Void
    }

    private let facade: any DatacenterFacade
    private let settings: SurfaceSettings
    private let logger: Logger
    private let passwords: PasswordGate
    private var watched: [UInt64: Watched] = [:]
    private var lastID: UInt64 = 0
    private var waiting: [Waiting] = []
    private var isAsking = false
    private var isStopped = false
    /// Since it started; it does not forget them.
    private var knowsUsers = false
    /// What all that is watched was judged by.
    private var judgedAt: (isOn: Bool, revision: UInt64)?

    /// How often it is asked whether this node knows its users, while somebody waits.
    private static let pause = TimeAmount.milliseconds(50)

    init(_ facade: any DatacenterFacade, _ settings: SurfaceSettings, _ logger: Logger) {
        self.facade = facade
        self.settings = settings
        self.logger = logger
        passwords = PasswordGate(eventLoop: facade.eventLoop)
    }

    // MARK: - Who calls

    /// Who calls, if he may do all of `needs`.
    /// - Parameters:
    ///   - commonName: of a certificate that was verified, and counts as a login.
    ///   - place: the client's address.
    func admit(
        _ given: GivenCredentials, commonName: String?, from place: String,
        _ needs: [AccessNeed]
    ) -> EventLoopFuture<Result<Caller, AccessRefusal>> {
        let promise = facade.eventLoop.makePromise(of: Result<Caller, AccessRefusal>.self)
        learn { [weak self] knows in
            guard let self, knows else { return promise.succeed(.failure(.notNow)) }
            guard facade.asksWhoCalls else { return promise.succeed(.success(.anybody)) }
            judge(given, commonName, from: place) { [weak self] found in
                guard let self, case .success(let caller) = found,
                    let refusal = refusal(of: caller, needs)
                else { return promise.succeed(found) }
                promise.succeed(.failure(refusal))
            }
        }
        return promise.futureResult
    }

    /// A node that has just started waits for a leader to ask: whoever is sent away comes back at
    /// once (``LeadershipDesk``).
    private func learn(_ done: @escaping (Bool) -> Void) {
        if knowsUsers { return done(true) }
        guard !isStopped, waiting.count < settings.parkedMax else { return done(false) }
        waiting.append(Waiting(until: .now() + .seconds(settings.parkSeconds), done: done))
        ask()
    }

    /// Once for all who wait, again and again.
    private func ask() {
        guard !isAsking, !waiting.isEmpty else { return }
        isAsking = true
        facade.learnUsers { [weak self] knows in
            guard let self else { return }
            knowsUsers = knows
            let now = NIODeadline.now()
            let isOver = isStopped
            let answered = waiting.filter { knows || isOver || $0.until <= now }
            waiting.removeAll { knows || isOver || $0.until <= now }
            facade.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) { [weak self] in
                guard let self else { return }
                isAsking = false
                ask()
            }
            for one in answered { one.done(knows) }
        }
    }

    func stop() {
        isStopped = true
        let left = waiting
        waiting = []
        for one in left { one.done(false) }
    }

    private func judge(
        _ given: GivenCredentials, _ commonName: String?, from place: String,
        _ done: @escaping (Result<Caller, AccessRefusal>) -> Void
    ) {
        switch given {
        case .unreadable: done(.failure(.unreadable))
        case .none:
            guard let commonName else { return done(.failure(.nobody)) }
            let revision = facade.store.auth.revision
            done(.success(.user(Array(commonName.utf8), revision)))
        case .token(let token):
            facade.identify(token: token, from: place) { owner in
                switch owner {
                case .user(let name, let revision): done(.success(.user(name, revision)))
                case .nobody: done(.failure(.wrong))
                case .busy: done(.failure(.busy))
                case .unavailable: done(.failure(.notNow))
                }
            }
        case .password(let name, let password):
            judge(name, password, from: place, isLast: false, done)
        }
    }

    private func judge(
        _ name: [UInt8], _ password: [UInt8], from place: String, isLast: Bool,
        _ done: @escaping (Result<Caller, AccessRefusal>) -> Void
    ) {
        let before = facade.store.auth.user(name)?.identityRevision
        passwords.judge(
            name, password, from: place, in: { [facade] in facade.store.auth }
        ) { [weak self] verdict in
            guard let self else { return done(.failure(.notNow)) }
            switch verdict {
            case .right(let revision): done(.success(.user(name, revision)))
            case .busy: done(.failure(.busy))
            case .wrong where isLast: done(.failure(.wrong))
            case .wrong:
                // A password that was acknowledged somewhere else may not have come here yet.
                facade.catchUp { [weak self] _ in
                    guard let self else { return done(.failure(.notNow)) }
                    guard facade.store.auth.user(name)?.identityRevision != before else {
                        return done(.failure(.wrong))
                    }
                    judge(name, password, from: place, isLast: true, done)
                }
            }
        }
    }

    // MARK: - What he may do

    /// Nil where the caller may do all of it now.
    func refusal(of caller: Caller, _ needs: [AccessNeed]) -> AccessRefusal? {
        let grants: Grants
        do throws(StoreError) {
            grants = try facade.store.grants(of: caller.principal)
        } catch {
            return error == .userNameEmpty ? .nobody : .wrong
        }
        for need in needs {
            do throws(StoreError) {
                switch need.verb {
                case .read: try grants.checkRead(need.range)
                case .write: try grants.checkWrite(need.range)
                }
            } catch {
                return .denied(caller, need)
            }
        }
        return nil
    }

    /// Whether the caller may speak for a framework: it is his, or he may do everything. One from
    /// before authentication was on belongs to nobody.
    func mayBe(_ framework: FrameworkRecord?, _ caller: Caller) -> Bool {
        guard facade.asksWhoCalls, let framework, !framework.principal.isEmpty else { return true }
        if framework.principal == caller.user { return true }
        return (try? facade.store.grants(of: caller.principal))?.isUnlimited ?? false
    }

    /// For whom a caller subscribes a framework; empty: for nobody.
    func principal(of caller: Caller, subscribing id: FrameworkID) -> [UInt8] {
        guard let known = facade.table.frameworks[id]?.record else { return caller.user ?? [] }
        return mayBe(known, caller) ? known.principal : caller.user ?? []
    }

    // MARK: - Streams

    /// Calls `end` once, with why, when the caller has no leave any more.
    func watch(
        _ caller: Caller, _ needs: [AccessNeed], _ end: @escaping (String) -> Void
    ) -> UInt64 {
        lastID += 1
        if let refusal = refusal(of: caller, needs) {
            end(refusal.message)
        } else {
            watched[lastID] = Watched(caller: caller, needs: needs, end: end)
        }
        return lastID
    }

    func unwatch(_ id: UInt64) { watched[id] = nil }

    /// All are judged again where anything about users has changed.
    func tick(_ now: NIODeadline) {
        let auth = facade.store.auth
        let current = (isOn: auth.isEnabled, revision: auth.revision)
        if let judgedAt, judgedAt == current { return }
        judgedAt = current
        for id in Array(watched.keys) {
            guard let stream = watched[id],
                let refusal = refusal(of: stream.caller, stream.needs)
            else { continue }
            watched[id] = nil
            logger.notice(
                "a stream ends: its user may not have it any more",
                metadata: ["user": "\(stream.caller.userName ?? "nobody")"])
            stream.end(refusal.message)
        }
    }
}

extension Caller {
    fileprivate static func user(_ name: [UInt8], _ revision: UInt64) -> Caller {
        Caller(principal: .user(name, authRevision: revision))
    }
}

/// The leave under which one stream is told things.
struct StreamPass: Sendable {
    let access: DeskAccess
    let caller: Caller
    let needs: [AccessNeed]

    /// From here on the outbox ends when the caller has no leave any more.
    /// - Returns: what ``end(_:)`` is given.
    func hold<Element>(_ outbox: EventOutbox<Element>) async throws -> UInt64 {
        let (caller, needs) = (caller, needs)
        return try await access.run { desk in
            desk.callers.watch(caller, needs) { outbox.fail($0) }
        }
    }

    func end(_ held: UInt64) { access.post { $0.callers.unwatch(held) } }
}

extension DeskAccess {
    /// - Throws: ``AccessRefusal`` where the caller may not do all of it.
    func require(_ caller: Caller, _ needs: [AccessNeed]) async throws {
        if let refusal = try await run({ $0.callers.refusal(of: caller, needs) }) { throw refusal }
    }
}
