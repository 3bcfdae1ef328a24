"""Asks a server what it serves with PyPI's grpcio-reflection, and calls it with what it learnt.

usage: reflection.py HOST:PORT

Prints one line a check and ends with status 1 when any failed.
"""

import sys
import traceback

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import MessageFactory
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

SECONDS_MAX = 20
SERVICES = [
    "etcdserverpb.Auth", "etcdserverpb.Cluster", "etcdserverpb.KV", "etcdserverpb.Lease",
    "etcdserverpb.Maintenance", "etcdserverpb.Watch", "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
    "keelson.AgentPort", "keelson.Backup", "keelson.agent.v1.Agents", "v3electionpb.Election",
    "v3lockpb.Lock",
]


class Server:
    def __init__(self, endpoint: str):
        self.channel = grpc.insecure_channel(endpoint)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.database)

    def call(self, service: str, method: str, **fields):
        """Calls a method of which only the names are known."""
        described = self.pool.FindServiceByName(service).FindMethodByName(method)
        factory = MessageFactory(self.pool)
        request = factory.GetPrototype(described.input_type)(**fields)
        response = factory.GetPrototype(described.output_type)
        return self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )(request, timeout=SECONDS_MAX)

    def ask(self, version: str, *requests):
        """The answers to several questions on one stream."""
        stream = self.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        return list(stream(iter(requests), timeout=SECONDS_MAX))


def services(server: Server):
    assert sorted(server.database.get_services()) == SERVICES, server.database.get_services()


def every_service(server: Server):
    for name in SERVICES:
        for method in server.pool.FindServiceByName(name).methods:
            assert method.input_type.file.package, method.full_name


def calls(server: Server):
    server.call("etcdserverpb.KV", "Put", key=b"reflected", value=b"yes")
    found = server.call("etcdserverpb.KV", "Range", key=b"reflected")
    assert found.kvs[0].value == b"yes", found


def unknown(server: Server):
    for ask in (server.pool.FindServiceByName, server.pool.FindMessageTypeByName):
        try:
            ask("no.Such")
        except KeyError:
            continue
        raise AssertionError("no.Such was found")
    assert list(server.database.FindAllExtensionNumbers("etcdserverpb.PutRequest")) == []


def both_versions(server: Server):
    request = reflection_pb2.ServerReflectionRequest
    asked = [
        request(list_services="*"),
        request(file_containing_symbol="etcdserverpb.KV.Range"),
        request(file_by_filename="no.proto"),
    ]
    old, new = server.ask("v1alpha", *asked), server.ask("v1", *asked)
    assert old == new and len(new) == 3, (len(old), len(new))
    assert [service.name for service in new[0].list_services_response.service] == SERVICES
    assert len(new[1].file_descriptor_response.file_descriptor_proto) > 1
    assert new[2].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def main() -> int:
    failed = 0
    for check in (services, every_service, calls, unknown, both_versions):
        try:
            check(Server(sys.argv[1]))
            print(f"ok {check.__name__}")
        except Exception:
            failed += 1
            print(f"FAILED {check.__name__}")
            traceback.print_exc(file=sys.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
