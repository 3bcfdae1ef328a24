internal import Foundation

/// A CA that nobody uses, and a list of what it revoked.
enum FuzzCertificates {
    /// In PEM.
    static let authority = Array(
        """
        -----BEGIN CERTIFICATE-----
        MIIBdDCCARugAwIBAgIURME04RAZxYfuxMHV1v7tSxEAELQwCgYIKoZIzj0EAwIw
        DzENMAsGA1UEAwwEZnV6ejAgFw0yNjExMjkxNzMwMjlaGA8yMTI2MTEwNTE3MzAy
        OVowDzENMAsGA1UEAwwEZnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDA2
        vg3CJlXd8yCLKlVQ7lsHplE4cmY9LBbftNQOqG1vo+21UZ/0rXu0jiDAERMKGrbC
        97Z1m9pwusrlzOvI+fejUzBRMB0GA1UdDgQWBBSVut8lpltvW0ou/bn3m/w+OCkK
        jDAfBgNVHSMEGDAWgBSVut8lpltvW0ou/bn3m/w+OCkKjDAPBgNVHRMBAf8EBTAD
        AQH/MAoGCCqGSM49BAMCA0cAMEQCIGyhGBzjwdQlpVIY+whMv0sT0blulrgfts1D
        zVo8AuPVAiARVMjPcgb//tuV1000aBaFdTha1k7mYzypdvVWp0tcLA==
        -----END CERTIFICATE-----
        """.utf8)

    /// In DER; signed by ``authority``, with one certificate revoked.
    static let revocations = [UInt8](
        Data(
            base64Encoded: """
                MIG/MGcCAQEwCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEZnV6ehcNMjYxMTI5MTczMDI5WhgP\
                MjEyNjExMDUxNzMwMjlaMBUwEwICEjQXDTI1MDEwMTAwMDAwMFqgDjAMMAoGA1UdFAQDAgEB\
                MAoGCCqGSM49BAMCA0gAMEUCIQCAQTj3P3w/1m5JiaIF3pX+D+VyY4SQ60Vz7paIfDP8IQIg\
                LQhnVYzcYxtnD50h4wpf3yC3GmcnYx/EsPwBlIDb9tc=
                """) ?? Data())
}
