internal import API
internal import Scheduling
internal import StateMachine

extension StateView {
    private struct Usage {
        var frameworks: [FrameworkID] = []
        var allocated: [MesosResource] = []
        var offered: [MesosResource] = []
        var reserved: [MesosResource] = []
        var record: RoleRecord?
    }

    /// Those that somebody has said something of, is subscribed to, or uses.
    private func usage() -> [ByteText: Usage] {
        var usage: [ByteText: Usage] = [:]
        for name in table.roleNames { usage[name, default: .init()].record = table.roles[name] }
        for id in table.frameworkIDs {
            guard let record = table.frameworks[id]?.record, record.phase != .ended else {
                continue
            }
            for role in record.roles { usage[role, default: .init()].frameworks.append(id) }
        }
        for task in table.tasks.values where task.holdsResources {
            usage[task.role, default: .init()].allocated += MesosConversion.messages(
                task.resources, .both)
        }
        for executor in table.executors.values {
            usage[executor.role, default: .init()].allocated += MesosConversion.messages(
                executor.resources, .both)
        }
        for offer in snapshot.offers {
            usage[offer.role, default: .init()].offered += MesosConversion.messages(
                offer.resources, .both)
        }
        for agent in table.agents.values where agent.record.phase != .gone {
            for resource in MesosConversion.messages(agent.record.total.reserved, .both) {
                guard let role = resource.reservationRole else { continue }
                usage[ByteText(role), default: .init()].reserved.append(resource)
            }
        }
        return usage
    }

    func roles() -> MesosMasterResponse.GetRoles {
        var result = MesosMasterResponse.GetRoles()
        let usage = usage()
        for name in usage.keys.sorted() {
            guard let role = usage[name] else { continue }
            var message = MesosRole()
            message.name = name.text
            message.weight = Double(role.record?.weight ?? 1_000) / 1_000
            message.frameworks = role.frameworks.map { id in
                var message = MesosFrameworkID()
                message.value = id.description
                return message
            }
            message.resources = role.allocated + role.offered
            result.roles.append(message)
        }
        return result
    }

    func roleViews() -> [LegacyState.RoleView] {
        let usage = usage()
        return usage.keys.sorted().compactMap { name in
            guard let role = usage[name] else { return nil }
            var view = LegacyState.RoleView(name: name.text)
            view.weight = Double(role.record?.weight ?? 1_000) / 1_000
            view.guarantees = MesosConversion.quantities(role.record?.guarantee)
                .mapValues(\.value)
            view.limits = MesosConversion.quantities(role.record?.limit).mapValues(\.value)
            view.allocated = role.allocated
            view.offered = role.offered
            view.reserved = role.reserved
            view.consumed = role.allocated + role.offered
            view.frameworkIDs = role.frameworks.map(\.description)
            return view
        }
    }

    /// Those that differ from 1.
    func weights() -> [MesosWeightInfo] {
        table.roleNames.compactMap { name in
            guard let record = table.roles[name], record.weight != 1_000 else { return nil }
            var info = MesosWeightInfo()
            info.role = name.text
            info.weight = Double(record.weight) / 1_000
            return info
        }
    }

    func quota() -> MesosQuotaStatus {
        var status = MesosQuotaStatus()
        for name in table.roleNames {
            guard let record = table.roles[name], record.guarantee != nil || record.limit != nil
            else { continue }
            var config = MesosQuotaConfig()
            config.role = name.text
            config.guarantees = MesosConversion.quantities(record.guarantee)
            config.limits = MesosConversion.quantities(record.limit)
            status.configs.append(config)
            var info = MesosQuotaInfo()
            info.role = name.text
            if let guarantee = record.guarantee {
                info.guarantee = MesosConversion.messages(guarantee, .roles)
            }
            status.infos.append(info)
        }
        return status
    }
}
