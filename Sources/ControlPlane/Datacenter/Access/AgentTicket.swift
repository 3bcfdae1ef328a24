internal import Crypto
internal import Primitives
internal import RPC
package import StateMachine

/// What somebody shows to an agent in place of his password or token: it says who he is, to that
/// agent's pages alone, for two minutes, so that an agent that is not to be trusted gets nothing
/// that it could use.
///
/// A ticket is the user's name, the second since 1970 at which it is over, and HMAC-SHA256 of both
/// with the agent's id, in base64 with full stops between. The key is what the servers, and nobody
/// else, have in common: the hash of the user's password, with its salt, or, for one who has none,
/// that of the first user with the role `root` who has one. So any server judges what another one
/// has issued, nothing is kept, and a new password ends it.
package enum AgentTicket {
    package static let seconds: UInt64 = 120

    /// Nil where there is nobody with a password.
    package static func issue(
        for user: [UInt8], agent: String, in users: AuthTable, now: UInt64
    ) -> String? {
        let end = now + seconds
        guard let (key, message) = keyAndMessage(user, agent, in: users, end) else { return nil }
        let code = HMAC<SHA256>.authenticationCode(for: message, using: key)
        let parts = [Base64.encode(user), Array("\(end)".utf8), Base64.encode(Array(code))]
        return parts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".")
    }

    /// Whose a ticket is; nil for one that counts for nothing.
    package static func user(
        of ticket: Substring, agent: String, in users: AuthTable, now: UInt64
    ) -> [UInt8]? {
        let parts = ticket.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, ticket.utf8.count <= 4096,
            let user = Base64.decode(Array(parts[0].utf8)), let end = UInt64(parts[1]), now < end,
            let code = Base64.decode(Array(parts[2].utf8)),
            let (key, message) = keyAndMessage(user, agent, in: users, end),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: message, using: key)
        else { return nil }
        return user
    }

    /// Whether it is one at all that is not over yet: only then another server may know it.
    package static func mayCount(_ ticket: Substring, now: UInt64) -> Bool {
        let parts = ticket.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, ticket.utf8.count <= 4096, let end = UInt64(parts[1]) else {
            return false
        }
        // Clocks differ.
        return now < end && end <= now + 2 * seconds
    }

    private static func keyAndMessage(
        _ name: [UInt8], _ agent: String, in users: AuthTable, _ end: UInt64
    ) -> (SymmetricKey, [UInt8])? {
        guard let user = users.user(name),
            let keeper = user.hasPassword
                ? user : users.users.first(where: { $0.isRoot && $0.hasPassword })
        else { return nil }
        var writer = ByteWriter(capacity: 128)
        writer.writeLengthPrefixed("keelson agent ticket")
        writer.writeLengthPrefixed(name)
        writer.writeLengthPrefixed(agent)
        writer.write(end)
        writer.write(user.identityRevision)
        return (SymmetricKey(data: keeper.passwordHash), writer.bytes)
    }
}

extension DatacenterFacade {
    /// What a user of this port shows to an agent; nil where nobody is asked.
    /// - Throws: ``AccessRefusal`` where there is no ticket for him.
    func ticket(of caller: Caller, forAgent agent: String) throws(AccessRefusal) -> String? {
        guard asksWhoCalls else { return nil }
        guard let user = caller.user else { throw .nobody }
        let now = WallClock.milliseconds() / 1000
        guard let ticket = AgentTicket.issue(for: user, agent: agent, in: store.auth, now: now)
        else { throw .noTicket }
        return ticket
    }
}
