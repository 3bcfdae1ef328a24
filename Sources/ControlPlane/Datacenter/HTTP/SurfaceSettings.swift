internal import API
package import RPC

/// How the datacenter's HTTP port is served.
package struct SurfaceSettings: Sendable {
    /// Where to listen; port 0: any that is free.
    package var host: String
    package var port: Int
    /// What others are told: in `MasterInfo`, and where a follower sends clients of the leader.
    /// Nil: ``host`` and the port that it came to be.
    package var advertised: (host: String, port: Int)?
    /// Names this node's master: the member's id, as text.
    package var memberName: String
    package var clusterName: String?
    /// As text, for clients that tell clusters apart by it.
    package var clusterID = ""
    /// The node's flags, as GET_FLAGS tells them.
    package var flags: [(name: String, value: String)] = []
    package var threadCount = 2
    /// TLS; nil: plaintext.
    package var security: RPCSecurity?
    /// How agents are asked that speak TLS; nil: they are not.
    package var agents: AgentTrust?
    /// Whether clients' keys are shown to whoever reaches this port: not where the client port lets
    /// in only those who have a certificate.
    package var showsKeys = true

    package var connectionsMax = 10_000
    package var bodyBytesMax = MesosLimits.standard.bodyBytesMax
    /// Of all requests that are being read.
    package var bodiesBytesMax = 256 << 20
    package var headerBytesMax = 64 << 10
    package var headerFieldsMax = 200
    /// A connection without a request, or in the middle of one, in seconds.
    package var idleSeconds: Int64 = 60
    /// For the whole of an answer that is not a stream, in seconds.
    package var answerSeconds: Int64 = 60
    /// How long a call waits for a leader, in seconds.
    package var parkSeconds: Int64 = 30
    /// Calls that wait for a leader.
    package var parkedMax = 2_000
    /// Streams of events, schedulers' and operators' each.
    package var streamsMax = 5_000
    /// What may wait for one stream's reader. A framework that asks after each of 200,000 tasks at
    /// once is told of all of them.
    package var streamBytesMax = 128 << 20
    /// A reader that takes nothing for so long, in seconds, while something waits, is cut off.
    package var stallSeconds: Int64 = 30
    /// Marathon's events that are kept for clients that come back, and what they may take.
    package var eventsMax = 20_000
    package var eventsBytesMax = 16 << 20
    /// What may wait for the reader of one stream of them: all that is kept, and more that comes.
    package var eventStreamBytesMax = 32 << 20
    /// How long a call waits for what the log makes of it, in seconds.
    package var decisionSeconds: Int64 = 30
    package var heartbeatSeconds: Int64 = 15
    /// For what is in progress when the node stops, in seconds.
    package var stopSeconds: Int64 = 3

    package init(host: String, port: Int, memberName: String) {
        self.host = host
        self.port = port
        self.memberName = memberName
    }
}
