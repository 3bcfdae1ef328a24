internal import ArgumentParser
internal import KeelsonClient

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// How a client command speaks TLS; the names are etcdctl's.
struct TLSClientOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The CA of the servers' and agents' certificates, in PEM; without it, those that the"
                + " system trusts."
                + " KEELSON_CACERT sets it too.", valueName: "file"))
    var cacert: String?

    @Option(
        help: ArgumentHelp(
            "The certificate to show to servers that ask, in PEM. KEELSON_CERT sets it too.",
            valueName: "file"))
    var cert: String?

    @Option(
        help: ArgumentHelp("The key of --cert, in PEM. KEELSON_KEY sets it too.", valueName: "file")
    )
    var key: String?

    @Flag(
        help: """
            Take any server for the right one: for trying things out. \
            KEELSON_INSECURE_SKIP_TLS_VERIFY=true sets it too.
            """)
    var insecureSkipTlsVerify = false

    /// Nil where nothing says that there is TLS.
    var settings: TLSSettings? {
        let made = TLSSettings(
            caFile: cacert ?? Self.variable("KEELSON_CACERT"),
            certificateFile: cert ?? Self.variable("KEELSON_CERT"),
            keyFile: key ?? Self.variable("KEELSON_KEY"),
            skipsVerification: insecureSkipTlsVerify
                || ["1", "true"].contains(Self.variable("KEELSON_INSECURE_SKIP_TLS_VERIFY")))
        return made == TLSSettings() ? nil : made
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
