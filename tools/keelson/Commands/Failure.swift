internal import KeelsonClient

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// How a command ends that could not do its work: what to say, and the process's exit status.
struct Failure: Error {
    /// The exit statuses of every Keelson command.
    enum Status: Int32 {
        case failed = 1
        case usage = 64
        case untrustworthyData = 65
        case unavailable = 69
        case inputOutput = 74
    }

    let status: Status
    let message: String
    /// What the user can do about it.
    let advice: String?

    init(_ status: Status, _ message: String, advice: String? = nil) {
        self.status = status
        self.message = message
        self.advice = advice
    }

    init(_ error: ClusterError) {
        let place = error.endpoint.map { " (answered by \($0))" } ?? ""
        let text = error.message + place
        switch error.code {
        case .unavailable where error.message.contains("TLS failed"):
            self.init(
                .unavailable, "the cluster cannot be reached over TLS: \(text)",
                advice: "--cacert names the CA of the servers; --cert and --key, who calls")
        case .unavailable, .deadlineExceeded, .closed:
            self.init(
                .unavailable, "the cluster is unavailable: \(text)",
                advice: "check that the servers run and that --endpoints names them;"
                    + " --timeout sets how long to try")
        case .outcomeUnknown:
            self.init(
                .unavailable, "the outcome is unknown: \(text)",
                advice: "the request was sent and may have taken effect; read before repeating it")
        case .invalidEndpoint:
            self.init(.usage, text)
        case .invalidTLSSettings:
            self.init(.usage, text, advice: "--cacert, --cert and --key name files in PEM")
        case .permissionDenied, .unauthenticated:
            self.init(
                .failed, text,
                advice: "the user's roles do not allow this: `keelson user get NAME --detail`"
                    + " shows what they do")
        case .invalidArgument where error.message == "etcdserver: user name is empty":
            self.init(
                .failed, "the cluster asks who you are" + place,
                advice: "log in with --user NAME, or KEELSON_USER and KEELSON_PASSWORD")
        case .compacted:
            self.init(
                .failed, text, advice: "ask for a later revision, or leave it out for the newest")
        case .resourceExhausted:
            self.init(
                .failed, text,
                advice: "`keelson alarm list` shows whether the quota is exhausted;"
                    + " delete keys and compact to make room")
        default:
            self.init(.failed, text)
        }
    }

    func exit() -> Never {
        var text = "keelson: \(message)\n"
        if let advice { text += "  \(advice)\n" }
        Output.writeAll(Array(text.utf8), to: STDERR_FILENO)
        #if canImport(Glibc)
            Glibc.exit(status.rawValue)
        #elseif canImport(Musl)
            Musl.exit(status.rawValue)
        #endif
    }
}
