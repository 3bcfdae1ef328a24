internal import API
internal import HTTPTypes
internal import StateMachine

/// Who has sent a request.
struct Caller: Equatable, Sendable {
    var principal: Principal

    /// Where nobody asks.
    static let anybody = Caller(principal: .anonymous)

    /// The user's name; nil where nobody asks.
    var user: [UInt8]? {
        if case .user(let name, _) = principal { name } else { nil }
    }

    var userName: String? { user.map { String(decoding: $0, as: UTF8.self) } }
}

/// Why somebody is not served.
struct AccessRefusal: Error, Equatable {
    /// 401: it is not known who calls; 403: he may not; 429, 503: later.
    var status: Int
    var message: String

    static let wrong = AccessRefusal(
        status: 401, message: "The user or the password is wrong, or the token counts no more")
    static let unreadable = AccessRefusal(
        status: 401, message: "The Authorization header is neither Basic nor a token")
    static let nobody = AccessRefusal(
        status: 401,
        message: "Authentication is on: say who calls, with a user's name and password or a token")
    static let busy = AccessRefusal(
        status: 429, message: "Too many passwords and tokens wait to be judged")
    static let notNow = AccessRefusal(
        status: 503, message: "This node cannot tell yet who may do what: nobody is known to lead")

    static let noTicket = AccessRefusal(
        status: 503,
        message: "There is no ticket for agents' pages: no user with the role 'root' has a password"
    )

    static func denied(_ caller: Caller, _ need: AccessNeed) -> AccessRefusal {
        let key = String(decoding: need.key.prefix(200), as: UTF8.self)
        let flag = need.isPrefix ? " --prefix" : ""
        return AccessRefusal(
            status: 403,
            message: "User '\(caller.userName ?? "")' may not \(need.text). Whoever has the role "
                + "'root' can change that: keelson role grant-permission ROLE "
                + "\(need.verb.rawValue) \(key)\(flag)")
    }

    /// Marathon's clients read refusals as JSON. What the dashboard's page asks by itself, it is
    /// refused without a question: the page says where one logs in, and the browser must not ask
    /// for a password in the middle of something else, again and again.
    func answer(to route: SurfaceRoute) -> SurfaceAnswer {
        var answer = SurfaceAnswer.text(status, message)
        var asksForPassword = true
        switch route {
        case .marathon: answer = SurfaceAnswer(MarathonAnswer(MarathonRefusal(status, message)))
        case .dashboard(let page): asksForPassword = page == .login
        case .scheduler, .operators, .legacy, .own, .admin, .prometheus: break
        }
        switch status {
        case 401:
            let realm = #"realm="keelson""#
            answer.headers.append(HTTPField(name: .wwwAuthenticate, value: "Bearer \(realm)"))
            guard asksForPassword else { break }
            let basic = #"Basic \#(realm), charset="UTF-8""#
            answer.headers.append(HTTPField(name: .wwwAuthenticate, value: basic))
        case 429, 503: answer.headers[.retryAfter] = "1"
        default: break
        }
        return answer
    }
}
