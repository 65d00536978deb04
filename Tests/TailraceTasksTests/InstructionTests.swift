// SPDX-License-Identifier: MIT
import SeededRandom
import Testing

@testable import TailraceTasks

@Suite("Instructions of x86_64")
struct InstructionTests {
    /// Of glibc, OpenSSL, Go and Swift's libraries, cut as objdump cuts them.
    private static let samples = """
        9f ec 149c 1cab 265c 26cc 3c25 3ce0 41f5 6456 6495 655c 7184 7354 74d4 7919 7fa2 b37c e174 e345 eb6c ebb0 f057
        f098 f3f8 f3fb f71e 004145 126d25 292c31 361221 364caf 36705d 3e4097 3e761b 411908 417e3f 41f7f9 41f7fd 427261
        447008 4531f6 4589c5 45e742 4874b6 48e25a 48f7f1 49d3ed 4d7c06 4d7ecf 4fb7fd 641918 6645f4 66b05f 66e299
        66e542 66f7d0 6787c6 850c58 ca9dfb f00450 f08c33 f27e07 f3b1ae f3d219 f60708 f7673e 0f1975ad 0f795f6a 0facdb02
        186ccdbb 20442472 29442408 305407ff 336c2408 41c298d2 420b14a0 45845580 468e4547 490f43d4 490fa3c4 4c8d7108
        660dabc1 660f2eed 660f57cd 660f6ccc 660f6e03 660f76d0 66412b08 67f08923 846471c3 f246b0f6 f30f58c8 f76475bb
        05b5eeaf79 25fcff0100 2d0c64b535 2dac57c9ea 43c14ab1d1 6464640019 65c8932885 660fc5f800 66410f2fd1 66410fd607
        66450f6dca 66f7c20703 bd04100000 be05000000 be90010000 c4413ddfc4 c4e269ded1 c5f8ae1c24 f3480f2ac0
        0f844dffffff 2a2d4cfb56f1 2b8dc0feffff 36baa3ae8df9 3a9de4507892 470d5da95603 480540010000 480f467c2408
        48a9e8d6ffff 4d153ce4ac7a 62a165a1dada 62e17d4862d1 64e821dcc478 660f3a0fda0f 660f3a44e500 660f6f442450
        69c40e2eb728 d3824e93c6a0 f32d7f58e430 f7bafd88f6e9 0fb69530feffff 361287cdf153ce 363b8175139b2e
        389c0c8f7af1bf 418ab3bfa80661 4ddbbd7b94219b 89ac24a0000000 8f8473f785a3ac 44018424b8010000 4f208c521b69acee
        f209b4bd66beecc9 a0ddb2954f5f79477c a1a1f859a1a1f80989 f0480fc11505d41300 3ec462fbf6a620000000
        48bacdcccccccccccccc 67f78a7e8333b52eab9f57
        """

    private static func bytes(_ digits: some StringProtocol) -> [UInt8] {
        let digits = Array(digits.utf8)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
    }

    private static func instruction(_ digits: some StringProtocol) -> Instruction? {
        // Something follows in the function, as always.
        Instruction(UntrustedBytes(bytes(digits) + [0xc3, 0xc3]), at: 0)
    }

    @Test("each is as long as a disassembler says, and is not there where its end is missing")
    func lengths() {
        for sample in Self.samples.split(whereSeparator: \.isWhitespace) {
            let bytes = Self.bytes(sample)
            #expect(Self.instruction(sample)?.length == bytes.count, "\(sample)")
            for count in 0..<bytes.count {
                let found = Instruction(UntrustedBytes(Array(bytes[..<count])), at: 0)
                #expect(found.map { $0.length <= count } ?? true, "\(count) bytes of \(sample)")
            }
        }
    }

    @Test(
        "those whose work the kernel does",
        arguments: ["55", "4155", "90", "e800000000", "e900000000", "eb10", "7410", "0f8410000000", "f390"])
    func emulated(digits: String) { #expect(Self.instruction(digits)?.isEmulated == true) }

    @Test(
        "those that it executes in single steps: ret, endbr64, sub, mov, lea, push of a number, 16-bit push and call",
        arguments: [
            "c3", "f30f1efa", "4883ec18", "4889e5", "488d3d00000000", "6a01", "6655", "4855", "66e800000000", "4190",
        ])
    func stepped(digits: String) { #expect(Self.instruction(digits)?.isEmulated == false) }

    @Test("those that it hooks never", arguments: ["f0480fc115785634", "f0ff08", "2e7410", "3eeb10", "2690"])
    func refused(digits: String) {
        // As long as the longest of them, so that all of it is there.
        let found = Self.instruction(digits + "1200000000")
        #expect(found?.isRefused == true && found?.isEmulated == false)
    }

    @Test("any bytes are an instruction that is there, or none")
    func anything() {
        var random = SeededGenerator(state: 11)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...18, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let found = Instruction(UntrustedBytes(bytes), at: 0)
            #expect(found.map { (1...min(15, bytes.count)).contains($0.length) } ?? true, "\(bytes)")
        }
    }
}
