/// Which room may import what: the table of the design document's section 3, module by module.
///
/// `Package.swift` alone does not hold it: an import of a dependency's dependency that no manifest
/// names builds without a word.
enum ImportTable {
    static let collections: Set<String> = [
        "BitCollections", "Collections", "DequeModule", "HashTreeCollections", "HeapModule",
        "OrderedCollections", "BasicContainers",
    ]
    static let nio: Set<String> = [
        "NIO", "NIOConcurrencyHelpers", "NIOCore", "NIOEmbedded", "NIOExtras",
        "NIOFoundationCompat",
        "NIOHTTP1", "NIOPosix", "NIOTLS",
    ]
    /// What the system offers to rooms that touch it. Pure rooms get none of it.
    static let system: Set<String> = ["Dispatch", "Glibc", "Musl", "Synchronization"]
    static let server: Set<String> = [
        "Configuration", "Crypto", "HTTPTypes", "NIOHTTPTypes", "Hummingbird", "HummingbirdCore",
        "Instrumentation", "JWTKit", "Logging", "Metrics", "ServiceLifecycle", "SwiftASN1",
        "Tracing", "X509",
        "CryptoExtras",
    ]
    static let tool: Set<String> = [
        "ArgumentParser", "CJemalloc", "CPerfEvent", "Histogram", "UnixSignals",
    ]

    /// The rooms in the order of their floors: a room may never import one that stands later here.
    static let allowed: [String: Set<String>] = {
        var table: [String: Set<String>] = [
            "CChecksum": [], "CSQLite": [], "CLZ4": [], "CNGHTTP2": [], "CZlib": [],
            "CJemalloc": [], "CProcess": [], "CPerfEvent": [], "DashboardAssets": [],
            "Primitives": ["CChecksum", "Glibc", "Musl"],
            "Monitoring": [],
            "API": ["Primitives", "SwiftProtobuf", "Foundation", "FoundationEssentials"],
            "RaftCore": ["Primitives"],
            "Storage": ["CSQLite", "CLZ4", "Primitives"],
            "StateMachine": ["API", "Primitives"],
            "RPC": ["CNGHTTP2", "CZlib", "Monitoring", "Primitives", "NIOSSL"],
            "EtcdSnapshot": ["Storage", "API", "Primitives", "Crypto"],
            "Replication": ["RaftCore", "Storage", "StateMachine", "Primitives"],
            "Backup": [
                "Replication", "RaftCore", "Storage", "StateMachine", "EtcdSnapshot", "Primitives",
                "Crypto", "FoundationEssentials",
            ],
            "Scheduling": ["StateMachine", "API", "Primitives"],
            "AgentLogic": ["Primitives"],
            "Simulation": [
                "AgentLogic", "Scheduling", "Replication", "RaftCore", "Storage", "StateMachine",
                "Primitives", "API",
            ],
            "KeelsonClient": ["API", "RPC", "Primitives", "NIOSSL", "SwiftProtobuf"],
            "Agent": [
                "AgentLogic", "KeelsonClient", "API", "RPC", "Primitives", "Hummingbird",
                "HummingbirdCore", "Subprocess", "SystemPackage", "CProcess", "Logging",
                "SwiftProtobuf", "Foundation",
            ],
            "ControlPlane": [
                "Scheduling", "Replication", "EtcdSnapshot", "KeelsonClient", "RPC", "RaftCore",
                "Storage", "StateMachine", "API", "Primitives", "Monitoring", "NIOSSL",
                "SwiftProtobuf", "Foundation", "DashboardAssets",
            ],
        ]
        for room in ["RaftCore", "StateMachine", "Replication", "Scheduling", "Simulation"] {
            table[room]?.formUnion(collections)
        }
        for room in ["RPC", "KeelsonClient", "Agent", "ControlPlane"] {
            table[room]?.formUnion(nio)
            table[room]?.formUnion(system)
            table[room]?.formUnion(collections)
        }
        for room in ["Storage", "EtcdSnapshot", "Simulation"] { table[room]?.formUnion(system) }
        table["ControlPlane"]?.formUnion(server)
        return table
    }()

    private static let forTools: Set<String> = {
        var all = nio.union(system).union(server).union(tool).union(collections)
        all.formUnion([
            "NIOSSL", "SwiftProtobuf", "Subprocess", "Foundation", "Yams", "LocalCluster",
            "FuzzTargets", "Measuring",
        ])
        for room in allowed.keys where !room.hasPrefix("C") || room == "ControlPlane" {
            all.insert(room)
        }
        return all
    }()

    /// What tests may import beyond their own room and what that room may import.
    private static let forTests: Set<String> = system.union([
        "Testing", "Foundation", "FoundationEssentials", "FoundationNetworking",
    ])

    /// The modules that files in `room` may import, or nil when nobody has decided about that room.
    static func modules(allowedIn room: String) -> Set<String>? {
        if room == "tools" { return forTools }
        if let own = allowed[room] { return own }
        switch room {
        case "TidyTests": return forTests
        case "EtcdTests":
            return forTests.union(["LocalCluster", "EtcdSnapshot", "KeelsonClient", "Monitoring"])
        case "FuzzTests": return forTests.union(["FuzzTargets"])
        case "TLSTests": return forTests.union(["LocalCluster"])
        case "DatacenterTests": return forTests.union(["LocalCluster", "Monitoring"])
        case "CheckerTests": return forTests.union(["Simulation", "Primitives"])
        // Sessions are tried against the service that they are held with.
        case "AgentTests":
            return forTests.union(allowed["ControlPlane"] ?? []).union(["ControlPlane"])
                .union(allowed["Agent"] ?? []).union(["Agent"])
        case "ChaosTests":
            return forTests.union(allowed["Simulation"] ?? []).union(["Simulation", "LocalCluster"])
        default: break
        }
        guard room.hasSuffix("Tests") else { return nil }
        let tested = String(room.dropLast("Tests".count))
        guard let below = allowed[tested] else { return nil }
        return forTests.union(below).union([tested])
    }

    /// Modules of C code, and the one room that speaks to each.
    static let ownerOfCModule = [
        "CSQLite": "Storage", "CLZ4": "Storage", "CNGHTTP2": "RPC", "CChecksum": "Primitives",
        "CZlib": "RPC", "CJemalloc": "keelson", "CProcess": "Agent",
        "CPerfEvent": "keelson-micro", "DashboardAssets": "ControlPlane",
    ]

    /// The modules that a file imports, with their lines.
    static func imports(of file: RepositoryFile) -> [(line: Int, module: String)] {
        var found: [(Int, String)] = []
        let kinds: Set<Substring> = [
            "struct", "class", "enum", "protocol", "func", "var", "typealias",
        ]
        for (index, line) in file.codeLines.enumerated() {
            let words = line.split { $0 == " " || $0 == ";" || $0 == "\t" }
            guard let keyword = words.firstIndex(of: "import"), keyword <= 2,
                words[..<keyword].allSatisfy(isImportModifier)
            else { continue }
            var rest = words[(keyword + 1)...]
            if let kind = rest.first, kinds.contains(kind) { rest = rest.dropFirst() }
            guard let path = rest.first, let module = path.split(separator: ".").first else {
                continue
            }
            found.append((index + 1, String(module)))
        }
        return found
    }

    private static func isImportModifier(_ word: Substring) -> Bool {
        ["package", "public", "internal", "private", "fileprivate"].contains(word)
            || word.hasPrefix("@")
    }

    static func check(_ file: RepositoryFile) -> [Violation] {
        guard file.isSwift, let room = file.room else { return [] }
        guard let allowed = modules(allowedIn: room) else {
            return [
                Violation(
                    path: file.path, line: 1,
                    what: "the room \(room) is not in the import table: decide what it may import")
            ]
        }
        return imports(of: file).filter { !allowed.contains($0.module) }.map {
            Violation(
                path: file.path, line: $0.line,
                what: "\(room) may not import \($0.module) (docs/architecture.md, the rooms)")
        }
    }

    /// Each C module is imported by one Swift file, or by the files of one folder of that name's
    /// wrapper: the rest of the room speaks Swift.
    static func checkCModules(_ files: [RepositoryFile]) -> [Violation] {
        var violations: [Violation] = []
        for module in ownerOfCModule.keys.sorted() {
            let importers = files.filter { file in
                file.parts.first == "Sources"
                    && imports(of: file).contains { $0.module == module }
            }
            guard importers.count > 1 else { continue }
            let folders = Set(importers.map { $0.parts.dropLast().joined(separator: "/") })
            let room = "Sources/\(ownerOfCModule[module] ?? "")"
            if folders.count == 1, folders.first != room { continue }
            let first = importers[0].path
            violations += importers.dropFirst().map {
                Violation(
                    path: $0.path, line: 1,
                    what: "\(module) is already imported by \(first): one Swift file (or one folder"
                        + " of its own) speaks to a C module")
            }
        }
        return violations
    }
}
