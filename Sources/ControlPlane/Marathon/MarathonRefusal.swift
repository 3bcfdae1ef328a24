package import Scheduling
package import StateMachine

/// An answer that is no: Marathon's status codes and bodies.
package struct MarathonRefusal: Error, Equatable, Sendable {
    package var status: Int
    package var message: String
    /// Of a body that cannot be, field by field.
    package var details: [ServiceProblem] = []
    /// Those that are in the way.
    package var deployments: [DeploymentID] = []

    package init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }

    package init(problems: [ServiceProblem]) {
        self.init(422, "Object is not valid")
        details = problems
    }

    package init(_ problem: MarathonJSONParser.Problem) {
        self.init(400, "Invalid JSON")
        details = [ServiceProblem("", "\(problem.message) (at byte \(problem.offset))")]
    }

    package init(_ error: ServiceError) {
        switch error {
        case .unknownService, .unknownGroup, .unknownDeployment:
            self.init(404, error.description)
        case .exists: self.init(409, error.description)
        case .locked(_, let deployments):
            self.init(
                409,
                "App is locked by one or more deployments. Override with the option "
                    + "'?force=true'. View details at '/v2/deployments/<DEPLOYMENT_ID>'.")
            self.deployments = deployments
        case .invalid(let id, let problems):
            self.init(problems: problems)
            if problems.isEmpty { message = "\(id) is not valid" }
        case .named(let id): self.init(problems: [ServiceProblem("/id", "\(id) is named twice")])
        case .conflictingPath:
            self.init(problems: [ServiceProblem("/id", error.description)])
        case .cyclicDependencies:
            self.init(problems: [ServiceProblem("/dependencies", error.description)])
        case .tooMany: self.init(problems: [ServiceProblem("/", error.description)])
        case .tooManyDeployments: self.init(403, error.description)
        case .ownFramework: self.init(403, error.description)
        case .moved, .staleStep, .staleAdjustment, .instancesRemain, .notWaiting:
            self.init(409, error.description)
        }
    }

    /// Nil for one that was done.
    package init?(_ outcome: DecisionOutcome) {
        switch outcome {
        case .done: return nil
        case .refused(.service(let error)): self.init(error)
        case .refused(let error?): self.init(409, error.description)
        case .refused(nil): self.init(503, "The leader could not commit it: try again")
        case .unknown: self.init(503, "It may take effect still: look before trying again")
        }
    }

    package var body: MarathonJSON {
        var body = MarathonJSON.object(("message", .text(message)))
        if !details.isEmpty {
            // As Marathon has it: one entry a path, with all that is wrong there.
            var paths: [String] = []
            for detail in details where !paths.contains(detail.path) { paths.append(detail.path) }
            body.append(
                "details",
                .list(
                    paths.map { path in
                        let errors = details.filter { $0.path == path }.map(\.message)
                        return .object(
                            ("path", .text(path)), ("errors", .list(errors.map { .text($0) })))
                    }))
        }
        if !deployments.isEmpty {
            body.append(
                "deployments",
                .list(deployments.map { .object(("id", .text($0.description))) }))
        }
        return body
    }
}
