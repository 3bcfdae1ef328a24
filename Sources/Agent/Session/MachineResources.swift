internal import Glibc

/// What this machine has, for an agent that is not told what to offer.
package enum MachineResources {
    /// In Mesos' text form. As there, a part of the machine is left to the rest of it: 1 GiB of
    /// memory and 5 GiB of disk, or half where there is less than twice that.
    /// - Parameter path: on the disk that is measured.
    package static func measure(path: String) -> String {
        let cpus = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let pages = UInt64(max(0, sysconf(Int32(_SC_PHYS_PAGES))))
        let pageBytes = UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
        let memory = leave(1 << 10, of: megabytes(pages, pageBytes))
        var disk: UInt64 = 0
        var status = statvfs()
        if statvfs(path, &status) == 0 {
            disk = leave(5 << 10, of: megabytes(UInt64(status.f_bavail), UInt64(status.f_frsize)))
        }
        return "cpus:\(cpus);mem:\(memory);disk:\(disk);ports:[31000-32000]"
    }

    private static func megabytes(_ count: UInt64, _ unit: UInt64) -> UInt64 {
        let (bytes, isOver) = count.multipliedReportingOverflow(by: unit)
        return (isOver ? UInt64.max : bytes) >> 20
    }

    private static func leave(_ rest: UInt64, of whole: UInt64) -> UInt64 {
        whole > 2 * rest ? whole - rest : whole / 2
    }
}
