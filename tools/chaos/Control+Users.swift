internal import API
internal import Foundation
internal import LocalCluster
internal import Simulation
internal import SwiftProtobuf

/// Users, as their administrator makes and changes them.
extension Control {
    static let administrator = "root"
    static let client = "client"
    private static let service = "/etcdserverpb.Auth/"

    /// The clients may do everything, the bystander read some keys. From then on it counts.
    func enableUsers() throws {
        for user in [Self.administrator, Self.client, Bystander.name] {
            try change(
                "UserAdd",
                EtcdAuthUserAddRequest.with {
                    $0.name = user
                    $0.password = Session.password(of: user)
                })
        }
        for (role, key, end) in [(Self.client, "\0", "\0"), (Bystander.name, "even/", "even0")] {
            try change("RoleAdd", EtcdAuthRoleAddRequest.with { $0.name = role })
            try change(
                "RoleGrantPermission",
                EtcdAuthRoleGrantPermissionRequest.with {
                    $0.name = role
                    $0.perm.permType = role == Self.client ? .readwrite : .read
                    $0.perm.key = Data(key.utf8)
                    $0.perm.rangeEnd = Data(end.utf8)
                })
        }
        for user in [Self.administrator, Self.client, Bystander.name] {
            try change("UserGrantRole", grant(user, to: user))
        }
        try change("AuthEnable", EtcdAuthEnableRequest())
        admin.isNeeded = true
    }

    private func grant(_ role: String, to user: String) -> EtcdAuthUserGrantRoleRequest {
        EtcdAuthUserGrantRoleRequest.with {
            $0.user = user
            $0.role = role
        }
    }

    private func change(
        _ name: String, _ request: some SwiftProtobuf.Message, through node: Int = 0,
        milliseconds: Int64 = 5000
    ) throws {
        _ = try call(
            node, Self.service + name, request.serializedBytes(), milliseconds: milliseconds)
    }

    /// Faults are taken back by the thread that waits for these.
    private static let shortMilliseconds: Int64 = 700

    /// Whether it is certainly set.
    func setPassword(through node: Int) -> Bool {
        let request = EtcdAuthUserChangePasswordRequest.with {
            $0.name = Self.client
            $0.password = Session.password(of: Self.client)
        }
        return
            (try? change(
                "UserChangePassword", request, through: node,
                milliseconds: Self.shortMilliseconds)) != nil
    }

    /// Whether the clients certainly have their role, or have it no more.
    func setRole(isGranted: Bool, through node: Int) -> Bool {
        if isGranted {
            let request = grant(Self.client, to: Self.client)
            return
                (try? change(
                    "UserGrantRole", request, through: node,
                    milliseconds: Self.shortMilliseconds)) != nil
        }
        let request = EtcdAuthUserRevokeRoleRequest.with {
            $0.name = Self.client
            $0.role = Self.client
        }
        return
            (try? change(
                "UserRevokeRole", request, through: node,
                milliseconds: Self.shortMilliseconds)) != nil
    }
}
