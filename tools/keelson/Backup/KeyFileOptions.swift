internal import ArgumentParser
internal import Backup
internal import Storage

/// The key of backups that are encrypted.
struct KeyFileOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Backups are encrypted with the key in this file: 32 bytes, or 64 hexadecimal digits"
                + " (openssl rand -hex 32).", valueName: "file"))
    var keyFile: String?

    /// No key has more, whatever stands around it.
    private static let fileBytesMax = 4096

    func seal() throws -> BackupSeal? {
        guard let keyFile else { return nil }
        let bytes: [UInt8]
        do throws(StorageError) {
            bytes = try PosixFileSystem().open(keyFile, .read).read(Self.fileBytesMax, at: 0)
        } catch {
            throw Failure(Failure.Status(rawValue: error.exitStatus) ?? .inputOutput, "\(error)")
        }
        guard let seal = BackupSeal(keyFile: bytes) else {
            throw Failure(
                .usage, "\(keyFile) holds no key of 32 bytes or 64 hexadecimal digits",
                advice: "make one with: openssl rand -hex 32")
        }
        return seal
    }
}
