import Primitives
import RaftCore

/// Consensus's settings, from the flags.
enum RaftSettingsMaker {
    static func make(
        id: NodeID, boot: BootNumber, configuration: ServerConfiguration
    ) -> RaftSettings {
        let tick = ServerConfiguration.tickMilliseconds
        // Each start draws other election times: two members that tied once do not tie for ever.
        var seed = SplitMix64(seed: id.rawValue ^ (boot.rawValue << 32))
        var settings = RaftSettings(
            id: id, seed: seed.next(),
            electionTicks: max(5, configuration.electionMilliseconds / tick),
            heartbeatTicks: max(1, configuration.heartbeatMilliseconds / tick))
        settings.firstElectionTicks = max(5, settings.electionTicks / 5)
        return settings
    }
}
