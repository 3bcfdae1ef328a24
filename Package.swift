// swift-tools-version: 6.1
import PackageDescription

/// Bugs that are planted to see whether the tests find them: `make mutants`, and nowhere else.
let mutants: [SwiftSetting] =
    Context.environment["KEELSON_MUTANTS"] == nil ? [] : [.define("KEELSON_MUTANTS")]

/// `make fuzz`: our rooms count what they run and check memory, and libFuzzer is linked.
let isFuzzing = Context.environment["KEELSON_FUZZ"] != nil
// In one word: of two the last counts.
let sanitizers = ["-sanitize=fuzzer,address"]

let strict: [SwiftSetting] =
    mutants + (isFuzzing ? [.unsafeFlags(sanitizers)] : []) + [
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .unsafeFlags(["-warnings-as-errors"]),
        // Small accessors are inlined across rooms: otherwise each call copies its struct.
        .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
    ]

func nio(_ name: String) -> Target.Dependency { .product(name: name, package: "swift-nio") }
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let ssl: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let arguments: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let package = Package(
    name: "keelson",
    products: [
        .executable(name: "keelson", targets: ["keelson"]),
        .library(name: "KeelsonClient", targets: ["KeelsonClient"]),
        .library(name: "WallClock", type: .dynamic, targets: ["WallClock"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.30.0"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.10.0"),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.3.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", from: "0.2.0"),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.5.0"),
        .package(
            url: "https://github.com/swiftlang/swift-subprocess.git", from: "1.0.2", traits: []),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird.git", exact: "2.28.1",
            traits: []),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.4.0"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.20.0"),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.0.0"),
    ],
    targets: [
        .target(name: "CChecksum"),
        .target(name: "DashboardAssets", exclude: ["pages"]),
        .systemLibrary(name: "CNGHTTP2"),
        .systemLibrary(name: "CSQLite"),
        .systemLibrary(name: "CLZ4"),
        .systemLibrary(name: "CJemalloc"),
        .systemLibrary(name: "CProcess"),
        .systemLibrary(name: "CPerfEvent"),
        room("Primitives", ["CChecksum"]),
        room("Monitoring", []),
        room("RaftCore", ["Primitives", deque]),
        room("Storage", ["Primitives", "CSQLite", "CLZ4"]),
        room("StateMachine", ["Primitives", deque]),
        room("Scheduling", ["StateMachine", "Primitives", heap]),
        room("AgentLogic", ["Primitives"]),
        room("Replication", ["RaftCore", "Storage", "StateMachine", "Primitives", deque, heap]),
        room(
            "RPC",
            [
                "Monitoring", "Primitives", "CNGHTTP2", nio("NIOCore"), nio("NIOPosix"),
                nio("NIOHTTP1"), nio("NIOTLS"), ssl,
            ]),
        room("EtcdSnapshot", ["Primitives", .product(name: "Crypto", package: "swift-crypto")]),
        room("API", ["Primitives", protobuf]),
        room(
            "ControlPlane",
            [
                "Scheduling", "Replication", "RaftCore", "Storage", "StateMachine", "EtcdSnapshot",
                "Primitives", "Monitoring", "RPC", "API", "DashboardAssets", protobuf,
                nio("NIOCore"),
                nio("NIOPosix"), nio("NIOHTTP1"), nio("NIOTLS"), nio("NIOConcurrencyHelpers"), ssl,
                deque, logging,
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ]),
        room(
            "Backup",
            [
                "Replication", "RaftCore", "Storage", "StateMachine", "EtcdSnapshot", "Primitives",
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        room(
            "KeelsonClient",
            ["API", "RPC", "Primitives", protobuf, nio("NIOCore"), nio("NIOPosix"), ssl]),
        room(
            "Agent",
            [
                "AgentLogic", "KeelsonClient", "API", "RPC", "Primitives", "CProcess", protobuf,
                nio("NIOCore"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
            ]),
        // One thread runs a simulated world: what a debug build checks of it need not cost a
        // thirtieth of each campaign.
        .target(
            name: "Simulation",
            dependencies: [
                "AgentLogic", "Scheduling", "Replication", "RaftCore", "Storage", "StateMachine",
                "Primitives", deque, heap,
            ],
            swiftSettings: strict + [
                .unsafeFlags(
                    ["-enforce-exclusivity=unchecked"], .when(configuration: .release))
            ]),
        .target(name: "WallClock", path: "tools/wallclock"),
        .target(name: "LocalCluster", path: "tools/localcluster", swiftSettings: strict),
        .target(
            name: "Measuring", dependencies: ["CJemalloc", "Storage"], path: "tools/measuring",
            swiftSettings: strict),
        .executableTarget(
            name: "keelson",
            dependencies: [
                "ControlPlane", "Agent", "AgentLogic", "Backup", "EtcdSnapshot", "Replication",
                "Scheduling", "StateMachine", "Storage", "Simulation", "KeelsonClient",
                "LocalCluster", "API",
                "RPC", "Monitoring", "Primitives", "Measuring", nio("NIOCore"), nio("NIOPosix"),
                nio("NIOHTTP1"), arguments, logging,
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "Yams", package: "Yams"),
            ],
            path: "tools/keelson", swiftSettings: strict),
        .executableTarget(
            name: "keelson-example", dependencies: ["KeelsonClient"], path: "tools/example",
            swiftSettings: strict),
        .executableTarget(
            name: "keelson-survive",
            dependencies: [
                "LocalCluster", "RPC", "Primitives", nio("NIOCore"), nio("NIOPosix"), arguments,
            ],
            path: "tools/survive", swiftSettings: strict),
        .executableTarget(
            name: "keelson-chaos",
            dependencies: [
                "LocalCluster", "Simulation", "API", "RPC", "Primitives", protobuf, nio("NIOCore"),
                nio("NIOPosix"), arguments,
            ],
            path: "tools/chaos", swiftSettings: strict),
        .executableTarget(
            name: "keelson-floor",
            dependencies: [
                "Measuring", "LocalCluster", "RPC", "Storage", "Primitives", nio("NIOCore"),
                nio("NIOPosix"), nio("NIOConcurrencyHelpers"), deque, arguments,
            ],
            path: "tools/floor", swiftSettings: strict),
        .executableTarget(
            name: "keelson-micro",
            dependencies: [
                "Measuring", "CPerfEvent", "Replication", "RaftCore", "Storage", "StateMachine",
                "RPC", "Primitives", nio("NIOCore"), nio("NIOPosix"), arguments,
            ],
            path: "tools/micro", swiftSettings: strict),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "ControlPlane", "Backup", "KeelsonClient", "EtcdSnapshot", "Replication",
                "RaftCore", "Simulation", "StateMachine", "Storage", "RPC", "Monitoring",
                "Primitives", nio("NIOCore"), nio("NIOEmbedded"),
            ],
            path: "tools/fuzz/targets", swiftSettings: strict),
        tests("FuzzTests", ["FuzzTargets"], exclude: ["Corpus"]),
        tests("PrimitivesTests", ["Primitives"]),
        tests("MonitoringTests", ["Monitoring"]),
        tests("RaftCoreTests", ["RaftCore", "Primitives"], exclude: ["Transcripts"]),
        tests("StorageTests", ["Storage", "Primitives"]),
        tests("StateMachineTests", ["StateMachine", "Primitives"]),
        tests("SchedulingTests", ["Scheduling", "StateMachine", "Primitives"]),
        tests(
            "ReplicationTests",
            ["Replication", "RaftCore", "StateMachine", "Storage", "Primitives"]),
        tests(
            "SimulationTests",
            ["Simulation", "Replication", "RaftCore", "StateMachine", "Storage", "Primitives"]),
        tests(
            "EtcdSnapshotTests",
            ["EtcdSnapshot", "Primitives", .product(name: "Crypto", package: "swift-crypto")]),
        tests(
            "BackupTests",
            [
                "Backup", "Replication", "RaftCore", "StateMachine", "Storage", "EtcdSnapshot",
                "Primitives",
            ]),
        tests("RPCTests", ["RPC", "Monitoring", "Primitives", nio("NIOCore"), nio("NIOPosix")]),
        tests("APITests", ["API", protobuf]),
        tests(
            "AgentTests",
            [
                "Agent", "AgentLogic", "ControlPlane", "Scheduling", "StateMachine",
                "KeelsonClient", "API", "RPC", "Primitives", protobuf, nio("NIOCore"),
                nio("NIOPosix"),
            ]),
        tests(
            "KeelsonClientTests",
            ["KeelsonClient", "API", "RPC", protobuf, nio("NIOCore"), nio("NIOPosix")]),
        tests(
            "ControlPlaneTests",
            [
                "ControlPlane", "Scheduling", "StateMachine", "Storage", "Monitoring", "RPC", "API",
                "Primitives", protobuf, nio("NIOCore"), nio("NIOPosix"), ssl, logging,
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ]),
        tests("CheckerTests", ["Simulation", "Primitives"]),
        tests("TidyTests", []),
        tests("EtcdTests", ["LocalCluster", "EtcdSnapshot", "KeelsonClient", "Monitoring"]),
        tests("TLSTests", ["LocalCluster"]),
        tests("DatacenterTests", ["LocalCluster", "Monitoring"]),
        tests("ChaosTests", ["LocalCluster"]),
    ]
)

// The default linker gives up on what the sanitizers' libraries hold.
if isFuzzing {
    package.targets.append(
        .executableTarget(
            name: "keelson-fuzz", dependencies: ["FuzzTargets"], path: "tools/fuzz/entry",
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(sanitizers + ["-use-ld=lld"])]))
}
