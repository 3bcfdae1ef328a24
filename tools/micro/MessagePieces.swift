internal import Primitives
internal import StateMachine

/// etcd's messages, read and written by hand as the services do it.
enum MessagePieces {
    /// Different messages of one kind, so that none is ready in a register.
    private static let count = 1000
    private static let operationsMax = 128

    static var all: [Piece] {
        [
            Piece("message-put", "a PutRequest of 256 B read and checked, in place") { _ in
                reading(Samples.put) { bytes in
                    let view = try PutView.decode(bytes)
                    try view.check()
                    return view.value.count
                }
            },
            Piece("message-command", "an entry's payload made of a PutRequest of 256 B") { _ in
                commands()
            },
            Piece("message-put-answer", "a PutResponse written") { _ in
                writing { Response.put(header(at: $0), previous: nil) }
            },
            Piece("message-range", "a RangeRequest of one key read and checked") { _ in
                reading({ key, _ in Samples.range(key) }) { bytes in
                    let request = try RangeRequest.decode(bytes)
                    try request.check()
                    return request.key.count
                }
            },
            Piece("message-range-answer", "a RangeResponse of one key of 256 B written") { _ in
                try rangeAnswers(keys: 1)
            },
            Piece("message-range-answer-1000", "a RangeResponse of 1,000 keys written") { _ in
                try rangeAnswers(keys: StorePieces.rangeKeys)
            },
            Piece("message-txn", "a TxnRequest of compare, put and range read and checked") { _ in
                reading(Samples.txn) { bytes in
                    let request = try TxnRequest.decode(bytes)
                    try request.check(operationsMax: operationsMax)
                    return request.success.count
                }
            },
        ]
    }

    private static func reading(
        _ encode: ([UInt8], [UInt8]) -> [UInt8],
        _ decode: @escaping (UnsafeRawBufferPointer) throws -> Int
    ) -> Work {
        var samples = Samples()
        let messages = (0..<count).map { encode(Samples.key($0), samples.value()) }
        return Work(run: { operations in
            var sum = 0
            var next = 0
            for _ in 0..<operations {
                sum &+= try messages[next].withUnsafeBytes { try decode($0) }
                next = next + 1 == count ? 0 : next + 1
            }
            keep(sum)
        })
    }

    private static func header(at number: Int) -> ResponseHeader {
        ResponseHeader(
            clusterID: 0xCDF8_1818_E3A0_C21D, memberID: 0x8E9E_05C5_2164_694D,
            revision: 1_000_000 + Int64(number), raftTerm: 2)
    }

    private static func writing(_ encode: @escaping (Int) -> [UInt8]) -> Work {
        var bytes = 0
        return Work(
            run: { operations in
                for number in 0..<operations {
                    let message = encode(number)
                    bytes = message.count
                    keep(message)
                }
            }, volume: { Volume(items: 1, noun: "messages", bytes: Double(bytes)) })
    }

    private static func commands() -> Work {
        var samples = Samples()
        let bodies = (0..<count).map { Samples.put(Samples.key($0), samples.value()) }
        return writing { Samples.command(.put, bodies[$0 % count]) }
    }

    private static func rangeAnswers(keys: Int) throws -> Work {
        let (fixture, _) = try StoreFixture.filled()
        let request = RangeRequest(key: Samples.key(0), rangeEnd: Samples.key(keys))
        let found = try fixture.store.range(request)
        return writing { Response.range(header(at: $0), found) }
    }
}
