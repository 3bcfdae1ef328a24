"""Leases that expire together, measured on Keelson and on etcd: what writes notice of it.

usage: expiry.py [--leases N] [--only keelson|etcd]

For each of the two, three nodes get N leases with a key each that all end at one moment. Puts run
at 1,000 a second before that moment, and across it. Printed are the p99 of both, their ratio, and
how long after that moment the last lease was gone. Keys that are left in the end, or one too few,
end the script with status 1.
"""

import argparse
import concurrent.futures
import sys
import time

import grpc
from etcd3.etcdrpc import rpc_pb2, rpc_pb2_grpc

import clusters
import loads

THREADS = 8
KEYS_PER_TXN = 100
PREFIX = b"/expiry/"
DRAIN_SECONDS_MAX = 300
# They show how fast granting goes, and live on.
PACE_LEASES = 500


class Trial:
    def __init__(self, cluster: clusters.Cluster, leases: int):
        self.cluster, self.leases = cluster, leases

    def grant_all(self) -> float:
        """Grants leases that end together; that moment."""
        rate = self.grant(range(1, PACE_LEASES + 1), 3600) / PACE_LEASES
        seconds = max(20, int(self.leases * rate * 1.5) + 25)
        end = time.monotonic() + seconds
        parts = [range(1000 + part, 1000 + self.leases, THREADS) for part in range(THREADS)]
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda ids: self.grant(ids, end=end), parts))
        return end

    def grant(self, ids, seconds: int = 0, end: float = 0) -> float:
        """Seconds that it took."""
        begin = time.monotonic()
        node = self.cluster.nodes[ids[0] % len(self.cluster.nodes)]
        with grpc.insecure_channel(node.endpoint) as channel:
            lease = rpc_pb2_grpc.LeaseStub(channel)
            kv = rpc_pb2_grpc.KVStub(channel)
            waiting: list = []
            for number in ids:
                left = seconds or max(2, round(end - time.monotonic()))
                lease.LeaseGrant(rpc_pb2.LeaseGrantRequest(ID=number, TTL=left), 30)
                waiting.append(number)
                if len(waiting) == KEYS_PER_TXN or number == ids[-1]:
                    kv.Txn(rpc_pb2.TxnRequest(success=[self.put(one) for one in waiting]), 30)
                    waiting = []
        return time.monotonic() - begin

    @staticmethod
    def put(number: int):
        request = rpc_pb2.PutRequest(key=PREFIX + b"%d" % number, value=b"x", lease=number)
        return rpc_pb2.RequestOp(request_put=request)

    def bench(self, seconds: int) -> dict:
        return loads.run(
            self.cluster.endpoints, "--target", "put", "--connections", "10", "--streams", "2",
            "--rate", "1000", "--key-count", "1000", "--duration", f"{seconds}s", seconds_max=120)

    def left(self) -> int:
        """Keys of leases."""
        with grpc.insecure_channel(self.cluster.nodes[0].endpoint) as channel:
            return rpc_pb2_grpc.KVStub(channel).Range(
                rpc_pb2.RangeRequest(key=PREFIX, range_end=b"/expiry0", count_only=True), 60
            ).count

    def run(self) -> dict:
        end = self.grant_all()
        late = time.monotonic() - end
        if late > -22:
            sys.exit(f"granting took {late + 22:.0f} s too long")
        while time.monotonic() < end - 20:
            time.sleep(0.1)
        before = self.bench(8)
        while time.monotonic() < end - 2:
            time.sleep(0.05)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.drained, end)
            during = self.bench(12)
            drained = waiting.result()
        return {
            "before": before, "during": during, "drained": drained, "keys": self.left()}

    def drained(self, end: float) -> float | None:
        """Seconds after the moment until the last key was gone."""
        while time.monotonic() < end + DRAIN_SECONDS_MAX:
            if self.left() <= PACE_LEASES:
                return time.monotonic() - end
            time.sleep(0.25)
        return None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--leases", type=int, default=100_000)
    parser.add_argument("--only", choices=["keelson", "etcd"])
    arguments = parser.parse_args()
    failed = False
    for kind, binary in (
        (clusters.keelson_kind(), clusters.keelson_binary()), ("etcd", clusters.etcd_binary())
    ):
        if arguments.only not in (None, kind):
            continue
        with clusters.Cluster(f"expiry-{kind}", kind, binary) as cluster:
            result = Trial(cluster, arguments.leases).run()
        before, during = result["before"]["latency_us"], result["during"]["latency_us"]
        drained = "never" if result["drained"] is None else f"{result['drained']:.1f} s"
        print(f"{kind}: {arguments.leases} leases, gone {drained} after their moment; puts' p99 "
              f"{before['p99'] / 1000:.2f} ms before, {during['p99'] / 1000:.2f} ms then "
              f"({during['p99'] / before['p99']:.2f}x), at most {during['max'] / 1000:.1f} ms",
              flush=True)
        failed |= result["keys"] != PACE_LEASES
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
