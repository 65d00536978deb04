// swift-tools-version: 6.1
// SPDX-License-Identifier: MIT
import PackageDescription

// Debug builds, and so the tests, check every access to what closures and classes hold; in a release build that would be a
// twentieth of the daemon's time.
let settings: [SwiftSetting] = [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let package = Package(
    name: "tailrace",
    products: [.executable(name: "tailrace", targets: ["tailrace"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // The daemon's sockets: HTTP for its readers, and its own metrics and spans on their way out.
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        // The oracle of our histograms; tests only.
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // The kernel programs' wire (bpf/include) and their precompiled object (bpf/embed.c).
        .target(name: "CProbes", path: "bpf", sources: ["embed.c"], publicHeadersPath: "include"),
        // The description of the daemon's socket.
        .target(name: "CSchema", path: "schema", sources: ["embed.c"], publicHeadersPath: "include"),
        .systemLibrary(
            name: "CLibbpf", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev", "libelf-dev", "zlib1g-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        // Takes the rights of the process that reads other people's executables.
        .systemLibrary(name: "CConfinement"),
        .systemLibrary(name: "CProcess"),
        // What a service asks of the kernel about itself and its clients.
        .target(name: "CService"),

        .target(name: "TailraceModel", swiftSettings: settings),
        .target(name: "TailraceAnalysis", dependencies: ["TailraceModel"], swiftSettings: settings),
        .target(
            name: "TailraceCapture", dependencies: ["TailraceModel", "CProbes", "CLibbpf", "CZlib"],
            swiftSettings: settings),
        .target(
            name: "TailraceTasks", dependencies: ["TailraceModel", "CConfinement", "CProcess"], swiftSettings: settings),
        .target(name: "TailraceOutput", dependencies: ["TailraceModel"]),
        .target(name: "TailraceDashboard", dependencies: ["TailraceModel"], swiftSettings: settings),
        .target(
            name: "TailraceService",
            dependencies: [
                "TailraceModel", "CService",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ]),
        .executableTarget(
            name: "tailrace",
            dependencies: [
                "TailraceModel", "TailraceAnalysis", "TailraceCapture", "TailraceTasks", "TailraceOutput",
                "TailraceDashboard", "TailraceService", "CSchema",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: settings),
        // For `make bench` only.
        .executableTarget(
            name: "tailrace-window",
            dependencies: ["TailraceModel", "TailraceAnalysis", "TailraceCapture"],
            path: "Benchmarks/window", swiftSettings: settings),

        .executableTarget(
            name: "tailrace-day", dependencies: ["TailraceModel", "TailraceAnalysis", "TailraceDashboard"],
            path: "Benchmarks/day", swiftSettings: settings),

        .target(name: "SeededRandom", path: "Tests/SeededRandom"),
        // Connections by chance, as the kernel programs tell them.
        .target(name: "Traffic", dependencies: ["TailraceModel", "SeededRandom"], path: "Tests/Traffic"),
        .testTarget(
            name: "TailraceModelTests",
            dependencies: ["TailraceModel", "SeededRandom", .product(name: "Histogram", package: "hdrhistogram-swift")]),
        .testTarget(
            name: "TailraceAnalysisTests",
            dependencies: ["TailraceModel", "TailraceAnalysis", "SeededRandom", "Traffic"]),
        .testTarget(name: "TailraceOutputTests", dependencies: ["TailraceModel", "TailraceOutput"]),
        .testTarget(
            name: "TailraceDashboardTests", dependencies: ["TailraceModel", "TailraceDashboard", "SeededRandom"]),
        .testTarget(name: "TailraceTasksTests", dependencies: ["TailraceModel", "TailraceTasks", "SeededRandom"]),
        .testTarget(
            name: "TailraceServiceTests",
            dependencies: [
                "TailraceModel", "TailraceService", "CService", "SeededRandom",
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ]),
        .testTarget(
            name: "TailraceCaptureTests",
            dependencies: [
                "TailraceModel", "TailraceCapture", "TailraceAnalysis", "TailraceOutput", "CProbes", "SeededRandom",
                "Traffic",
            ]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu2x
)

let checked: [Target.Dependency] = [
    "TailraceModel", "TailraceAnalysis", "TailraceCapture", "TailraceTasks", "TailraceOutput", "TailraceService",
    "CProbes", "SeededRandom", "Traffic", .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOEmbedded", package: "swift-nio"),
]
// What `make fuzz` looks for is also looked for in its corpus, by `swift test`: the same sources with another entry.
let isFuzzing = Context.environment["TAILRACE_FUZZ"] != nil
package.targets.append(
    isFuzzing
        ? .executableTarget(
            name: "tailrace-fuzz", dependencies: checked, path: "Tests/Fuzz", exclude: ["Corpus", "Replay", "run.sh"],
            sources: ["Checks", "Driver"])
        : .testTarget(
            name: "FuzzTests", dependencies: checked, path: "Tests/Fuzz", exclude: ["Corpus", "Driver", "run.sh"],
            sources: ["Checks", "Replay"])
)
