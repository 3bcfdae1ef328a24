internal import API

/// Where the JSON gateway has which method: etcd's paths, without `/v3/`. RangeStream has none.
package enum GatewayMethods {
    package static let all: [String: GatewayMethod] = {
        var table: [String: GatewayMethod] = [:]
        for part in [store, leases, cluster, maintenance, users, roles, locks] {
            table.merge(part) { first, _ in first }
        }
        return table
    }()

    private static let auth = "/etcdserverpb.Auth/"

    private static let store: [String: GatewayMethod] = [
        "kv/range": .unary(
            "/etcdserverpb.KV/Range", EtcdRangeRequest.self, EtcdRangeResponse.self),
        "kv/put": .unary(
            "/etcdserverpb.KV/Put", EtcdPutRequest.self, EtcdPutResponse.self),
        "kv/deleterange": .unary(
            "/etcdserverpb.KV/DeleteRange", EtcdDeleteRangeRequest.self,
            EtcdDeleteRangeResponse.self),
        "kv/txn": .unary(
            "/etcdserverpb.KV/Txn", EtcdTxnRequest.self, EtcdTxnResponse.self),
        "kv/compaction": .unary(
            "/etcdserverpb.KV/Compact", EtcdCompactionRequest.self, EtcdCompactionResponse.self),
        "watch": .bothStreams(
            "/etcdserverpb.Watch/Watch", EtcdWatchRequest.self, EtcdWatchResponse.self),
    ]

    private static let leases: [String: GatewayMethod] = [
        "lease/grant": .unary(
            "/etcdserverpb.Lease/LeaseGrant", EtcdLeaseGrantRequest.self,
            EtcdLeaseGrantResponse.self),
        "lease/revoke": .unary(
            "/etcdserverpb.Lease/LeaseRevoke", EtcdLeaseRevokeRequest.self,
            EtcdLeaseRevokeResponse.self),
        "kv/lease/revoke": .unary(
            "/etcdserverpb.Lease/LeaseRevoke", EtcdLeaseRevokeRequest.self,
            EtcdLeaseRevokeResponse.self),
        "lease/keepalive": .bothStreams(
            "/etcdserverpb.Lease/LeaseKeepAlive", EtcdLeaseKeepAliveRequest.self,
            EtcdLeaseKeepAliveResponse.self),
        "lease/timetolive": .unary(
            "/etcdserverpb.Lease/LeaseTimeToLive", EtcdLeaseTimeToLiveRequest.self,
            EtcdLeaseTimeToLiveResponse.self),
        "kv/lease/timetolive": .unary(
            "/etcdserverpb.Lease/LeaseTimeToLive", EtcdLeaseTimeToLiveRequest.self,
            EtcdLeaseTimeToLiveResponse.self),
        "lease/leases": .unary(
            "/etcdserverpb.Lease/LeaseLeases", EtcdLeaseLeasesRequest.self,
            EtcdLeaseLeasesResponse.self),
        "kv/lease/leases": .unary(
            "/etcdserverpb.Lease/LeaseLeases", EtcdLeaseLeasesRequest.self,
            EtcdLeaseLeasesResponse.self),
    ]

    private static let cluster: [String: GatewayMethod] = [
        "cluster/member/add": .unary(
            "/etcdserverpb.Cluster/MemberAdd", EtcdMemberAddRequest.self, EtcdMemberAddResponse.self
        ),
        "cluster/member/remove": .unary(
            "/etcdserverpb.Cluster/MemberRemove", EtcdMemberRemoveRequest.self,
            EtcdMemberRemoveResponse.self),
        "cluster/member/update": .unary(
            "/etcdserverpb.Cluster/MemberUpdate", EtcdMemberUpdateRequest.self,
            EtcdMemberUpdateResponse.self),
        "cluster/member/list": .unary(
            "/etcdserverpb.Cluster/MemberList", EtcdMemberListRequest.self,
            EtcdMemberListResponse.self),
        "cluster/member/promote": .unary(
            "/etcdserverpb.Cluster/MemberPromote", EtcdMemberPromoteRequest.self,
            EtcdMemberPromoteResponse.self),
    ]

    private static let maintenance: [String: GatewayMethod] = [
        "maintenance/alarm": .unary(
            "/etcdserverpb.Maintenance/Alarm", EtcdAlarmRequest.self, EtcdAlarmResponse.self),
        "maintenance/status": .unary(
            "/etcdserverpb.Maintenance/Status", EtcdStatusRequest.self, EtcdStatusResponse.self),
        "maintenance/defragment": .unary(
            "/etcdserverpb.Maintenance/Defragment", EtcdDefragmentRequest.self,
            EtcdDefragmentResponse.self),
        "maintenance/hash": .unary(
            "/etcdserverpb.Maintenance/Hash", EtcdHashRequest.self, EtcdHashResponse.self),
        "maintenance/hashkv": .unary(
            "/etcdserverpb.Maintenance/HashKV", EtcdHashKVRequest.self, EtcdHashKVResponse.self),
        "maintenance/snapshot": .serverStream(
            "/etcdserverpb.Maintenance/Snapshot", EtcdSnapshotRequest.self,
            EtcdSnapshotResponse.self),
        "maintenance/transfer-leadership": .unary(
            "/etcdserverpb.Maintenance/MoveLeader", EtcdMoveLeaderRequest.self,
            EtcdMoveLeaderResponse.self),
        "maintenance/downgrade": .unary(
            "/etcdserverpb.Maintenance/Downgrade", EtcdDowngradeRequest.self,
            EtcdDowngradeResponse.self),
    ]

    private static let users: [String: GatewayMethod] = [
        "auth/enable": .unary(
            auth + "AuthEnable", EtcdAuthEnableRequest.self, EtcdAuthEnableResponse.self
        ),
        "auth/disable": .unary(
            auth + "AuthDisable", EtcdAuthDisableRequest.self,
            EtcdAuthDisableResponse.self),
        "auth/status": .unary(
            auth + "AuthStatus", EtcdAuthStatusRequest.self, EtcdAuthStatusResponse.self
        ),
        "auth/authenticate": .unary(
            auth + "Authenticate", EtcdAuthenticateRequest.self,
            EtcdAuthenticateResponse.self),
        "auth/user/add": .unary(
            auth + "UserAdd", EtcdAuthUserAddRequest.self, EtcdAuthUserAddResponse.self),
        "auth/user/get": .unary(
            auth + "UserGet", EtcdAuthUserGetRequest.self, EtcdAuthUserGetResponse.self),
        "auth/user/list": .unary(
            auth + "UserList", EtcdAuthUserListRequest.self,
            EtcdAuthUserListResponse.self),
        "auth/user/delete": .unary(
            auth + "UserDelete", EtcdAuthUserDeleteRequest.self,
            EtcdAuthUserDeleteResponse.self),
        "auth/user/changepw": .unary(
            auth + "UserChangePassword", EtcdAuthUserChangePasswordRequest.self,
            EtcdAuthUserChangePasswordResponse.self),
        "auth/user/grant": .unary(
            auth + "UserGrantRole", EtcdAuthUserGrantRoleRequest.self,
            EtcdAuthUserGrantRoleResponse.self),
        "auth/user/revoke": .unary(
            auth + "UserRevokeRole", EtcdAuthUserRevokeRoleRequest.self,
            EtcdAuthUserRevokeRoleResponse.self),
    ]

    private static let roles: [String: GatewayMethod] = [
        "auth/role/add": .unary(
            auth + "RoleAdd", EtcdAuthRoleAddRequest.self, EtcdAuthRoleAddResponse.self),
        "auth/role/get": .unary(
            auth + "RoleGet", EtcdAuthRoleGetRequest.self, EtcdAuthRoleGetResponse.self),
        "auth/role/list": .unary(
            auth + "RoleList", EtcdAuthRoleListRequest.self,
            EtcdAuthRoleListResponse.self),
        "auth/role/delete": .unary(
            auth + "RoleDelete", EtcdAuthRoleDeleteRequest.self,
            EtcdAuthRoleDeleteResponse.self),
        "auth/role/grant": .unary(
            auth + "RoleGrantPermission", EtcdAuthRoleGrantPermissionRequest.self,
            EtcdAuthRoleGrantPermissionResponse.self),
        "auth/role/revoke": .unary(
            auth + "RoleRevokePermission", EtcdAuthRoleRevokePermissionRequest.self,
            EtcdAuthRoleRevokePermissionResponse.self),
    ]

    private static let locks: [String: GatewayMethod] = [
        "lock/lock": .unary(
            "/v3lockpb.Lock/Lock", EtcdLockLockRequest.self, EtcdLockLockResponse.self),
        "lock/unlock": .unary(
            "/v3lockpb.Lock/Unlock", EtcdLockUnlockRequest.self, EtcdLockUnlockResponse.self),
        "election/campaign": .unary(
            "/v3electionpb.Election/Campaign", EtcdElectionCampaignRequest.self,
            EtcdElectionCampaignResponse.self),
        "election/proclaim": .unary(
            "/v3electionpb.Election/Proclaim", EtcdElectionProclaimRequest.self,
            EtcdElectionProclaimResponse.self),
        "election/leader": .unary(
            "/v3electionpb.Election/Leader", EtcdElectionLeaderRequest.self,
            EtcdElectionLeaderResponse.self),
        "election/resign": .unary(
            "/v3electionpb.Election/Resign", EtcdElectionResignRequest.self,
            EtcdElectionResignResponse.self),
        "election/observe": .serverStream(
            "/v3electionpb.Election/Observe", EtcdElectionLeaderRequest.self,
            EtcdElectionLeaderResponse.self),
    ]
}
