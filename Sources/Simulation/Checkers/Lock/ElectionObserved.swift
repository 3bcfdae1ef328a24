internal import Primitives

/// Q6: a stream tells of leaders and of what they proclaim, as it was, each once and in order; and
/// who leads for a while is told of, while nothing goes wrong. (What was over when a server caught
/// up with a snapshot is not told of: so a gap alone breaks nothing.)
package enum ElectionObserved {
    package static func check(
        _ truth: QueueTruth, _ options: LockOptions
    ) -> [CheckViolation] {
        truth.observations.flatMap { observation in
            (order(observation, truth) + completeness(observation, truth, options)).map {
                CheckViolation("Q6", "observation \(observation.id) of \(observation.name)", $0)
            }
        }
    }

    private static func order(
        _ observation: RecordedObservation, _ truth: QueueTruth
    ) -> [String] {
        let reigns = truth.reigns[observation.name] ?? []
        var last = -1
        for telling in observation.tellings {
            guard let place = reigns.lastIndex(where: { $0.leader == telling.leader }) else {
                return ["\(telling.leader) is told of at \(telling.revision), and never led"]
            }
            if place <= last { return ["\(telling.leader) is told of once more, or too late"] }
            if telling.revision < reigns[place].from {
                return [
                    "\(telling.leader) is told of at \(telling.revision), and leads from"
                        + " \(reigns[place].from)"
                ]
            }
            last = place
        }
        return []
    }

    private static func completeness(
        _ observation: RecordedObservation, _ truth: QueueTruth, _ options: LockOptions
    ) -> [String] {
        guard let healthyFrom = options.healthyFrom else { return [] }
        let reigns = truth.reigns[observation.name] ?? []
        return reigns.indices.compactMap { place in
            guard let leader = reigns[place].leader else { return nil }
            let begin = max(observation.start, truth.latest(reigns[place].from), healthyFrom)
            guard begin < .max - options.tellingLateness else { return nil }
            let due = begin + options.tellingLateness
            let over =
                place + 1 < reigns.count ? truth.earliest(reigns[place + 1].from) : Int64.max
            guard due <= min(over, observation.end ?? .max) else { return nil }
            let isTold = observation.tellings.contains { $0.leader == leader && $0.time <= due }
            return isTold ? nil : "\(leader) led until \(due) ns at least, and is not told of"
        }
    }
}
