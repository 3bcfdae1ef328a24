package import AgentLogic

/// Brings one file into a sandbox.
package protocol URIFetching: Sendable {
    /// - Parameter owner: whose the file is to be; nil: the agent's.
    /// - Throws: ``AgentError``; a fetch that failed may leave a part of the file.
    func fetch(
        _ uri: TaskURI, into sandbox: String, owner: (user: UInt32, group: UInt32)?
    ) async throws(AgentError)
}
