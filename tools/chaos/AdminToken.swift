internal import Synchronization

/// The administrator's token, once there are users.
final class AdminToken: Sendable {
    private let state = Mutex((isNeeded: false, token: String?.none))

    var isNeeded: Bool {
        get { state.withLock { $0.isNeeded } }
        set { state.withLock { $0.isNeeded = newValue } }
    }

    var token: String? {
        get { state.withLock { $0.token } }
        set { state.withLock { $0.token = newValue } }
    }
}
