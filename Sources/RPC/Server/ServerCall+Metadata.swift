extension ServerCall {
    /// The first value of a request field with that name (lower case). Nil: there is none, or it is
    /// not UTF-8. Cost: linear in the request's fields.
    package func metadata(_ name: String) -> String? {
        head.metadata(name).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The bytes of a field; those of a `-bin` field are decoded, nil when they are not base64.
    package func metadataBytes(_ name: String) -> [UInt8]? {
        guard let raw = head.metadata(name) else { return nil }
        return name.hasSuffix("-bin") ? Base64.decode(raw) : raw
    }
}
