package import API

/// What agents, and those who look at what agents serve, ask of the cluster.
extension Cluster {
    /// Whether somebody may see a page of the agent that asks. Where the server does not know this
    /// call, everybody may whom it does not ask either.
    package func judge(
        _ question: AgentPageQuestion, timeout: Duration? = nil
    ) async throws(ClusterError) -> AgentPageVerdict {
        let answer: [UInt8]
        do {
            answer = try await call(
                AgentPort.judgePath, question.encoded, isRead: true, timeout: timeout)
        } catch {
            guard error.code == .unimplemented, try await !authState(timeout: timeout).isEnabled
            else { throw error }
            return AgentPageVerdict(status: 200)
        }
        guard let verdict = AgentPageVerdict(answer) else {
            throw ClusterError(
                .malformedAnswer, "the answer to \(AgentPort.judgePath) cannot be decoded")
        }
        return verdict
    }

    /// What to send to an agent as `Authorization`, so that it shows its pages to this client's
    /// user, for a minute or two; nil where nobody is asked. It is of no use anywhere else.
    package func authorization(
        forAgent agent: String, timeout: Duration? = nil
    ) async throws(ClusterError) -> String? {
        let answer: [UInt8]
        do {
            answer = try await call(
                AgentPort.ticketPath, AgentPort.ticketRequest(agent: agent), isRead: true,
                timeout: timeout)
        } catch {
            // An older server: its agents ask nobody.
            if error.code == .unimplemented { return nil }
            throw error
        }
        guard let ticket = AgentPort.ticketText(answer), !ticket.isEmpty else { return nil }
        return AgentPort.scheme + ticket
    }
}
