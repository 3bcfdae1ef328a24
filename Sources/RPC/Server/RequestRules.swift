/// What HTTP asks of a request's header block (RFC 9113 §8.2, §8.3), judged field by field.
///
/// nghttp2 has the same rules, and one more: that `:authority` is RFC 3986's. etcdctl 3.4 sends a
/// whole URL there when it dials an address with a scheme, and etcd takes it.
struct RequestRules {
    private var seen: UInt8 = 0
    private var isPastPseudoFields = false
    private(set) var isBroken = false

    private enum Pseudo: UInt8 {
        case method = 1
        case scheme = 2
        case path = 4
        case authority = 8
    }
    private static let required = Pseudo.method.rawValue | Pseudo.scheme.rawValue | 4 | 8

    /// Nothing was against the rules, and nothing is missing.
    var isMet: Bool { !isBroken && seen & Self.required == Self.required }

    mutating func check(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        if isBroken { return }
        isBroken = !isAllowed(name, value)
    }

    private mutating func isAllowed(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> Bool {
        guard let first = name.first, Self.isText(value) else { return false }
        if first == UInt8(ascii: ":") { return isPseudoAllowed(name, value) }
        isPastPseudoFields = true
        guard name.allSatisfy(Self.isNameByte) else { return false }
        switch name.count {
        case 2 where name.equals("te"): return value.equals("trailers")
        case 4 where name.equals("host"): seen |= Pseudo.authority.rawValue
        case 7 where name.equals("upgrade"): return false
        case 10 where name.equals("connection") || name.equals("keep-alive"): return false
        case 16 where name.equals("proxy-connection"): return false
        case 17 where name.equals("transfer-encoding"): return false
        default: break
        }
        return true
    }

    private mutating func isPseudoAllowed(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) -> Bool {
        let field: Pseudo
        switch name.count {
        case 5 where name.equals(":path"):
            guard value.first == UInt8(ascii: "/") else { return false }
            field = .path
        case 7 where name.equals(":method"): field = .method
        case 7 where name.equals(":scheme"): field = .scheme
        case 10 where name.equals(":authority"): field = .authority
        default: return false
        }
        guard !isPastPseudoFields, seen & field.rawValue == 0, value.allSatisfy({ $0 > 0x20 }),
            !value.isEmpty || field == .authority
        else { return false }
        seen |= field.rawValue
        return true
    }

    /// Neither a control character other than the tab, nor DEL.
    private static func isText(_ value: UnsafeRawBufferPointer) -> Bool {
        value.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }

    /// RFC 9110's token without capital letters.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "!"), UInt8(ascii: "#")...UInt8(ascii: "'"), UInt8(ascii: "*"),
            UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^")...UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
