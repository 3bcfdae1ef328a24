"""Single calls of the etcd API, to one node, for what `keelson bench` does not ask."""

import grpc
from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc

import clusters


def range_of(node: clusters.Node, timeout: float = 60, **fields) -> rpc_pb2.RangeResponse:
    """A range over all keys."""
    with grpc.insecure_channel(node.endpoint) as channel:
        request = rpc_pb2.RangeRequest(key=b"\0", range_end=b"\0", **fields)
        return rpc_pb2_grpc.KVStub(channel).Range(request, timeout)


def local_revision(node: clusters.Node) -> int:
    """The revision that a node has applied; zero while it does not answer."""
    try:
        return range_of(node, timeout=5, limit=1, serializable=True).header.revision
    except grpc.RpcError:
        return 0


def hash_kv(node: clusters.Node, revision: int) -> int:
    with grpc.insecure_channel(node.endpoint) as channel:
        call = channel.unary_unary(
            "/etcdserverpb.Maintenance/HashKV",
            request_serializer=lambda value: value,
            response_deserializer=rpc_pb2.HashResponse.FromString)
        return call(varint_field(1, revision), timeout=120).hash


def varint_field(number: int, value: int) -> bytes:
    """One protobuf field; the library's own messages of HashKV are older than it."""
    encoded = bytearray([number << 3])
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
