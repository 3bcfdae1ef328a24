"""How much each row measures: everything, a few minutes of it, or next to nothing.

FULL takes about 50 minutes on two cores: 11 rows of 5 rounds of 8 s for each of the two systems,
with 2 s around each (21 minutes); four points more of a curve (3); the store of a million keys,
about 7 for each system, of which 3 are the puts and up to 3 the wait for the compaction (14); the
leader killed 20 times (3); catching up (2); bytes written, idling and the floor (5). `expected` of
each experiment has the sums, which the progress goes by.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sizes:
    # Of the rows with rounds.
    rounds: int = 5
    seconds: float = 8
    # Rows that only add a point to a curve.
    curve_rounds: int = 2
    curve_seconds: float = 5
    leases: int = 100_000
    range_keys: int = 10_000
    watch_connections: int = 100
    watch_streams: int = 100
    mixed_connections: int = 1_000
    # The store of many keys.
    keys: int = 1_000_000
    revisions_kept: int = 1_000_000
    restarts: int = 2
    endurance_seconds: int = 180
    # Both compact five minutes after their start: the puts begin so long before it. Without it
    # they do not wait.
    seconds_before_compaction: int | None = 60
    missed_puts: int = 100_000
    catch_ups: int = 3
    # Before it counts, so that files that are made once are there.
    disk_puts_before: int = 100_000
    disk_puts: int = 500_000
    kills: int = 20
    idle_seconds: int = 30
    floor_seconds: int = 5


FULL = Sizes()
QUICK = Sizes(rounds=2, seconds=3, kills=3)
TINY = Sizes(
    rounds=1, seconds=0.5, curve_rounds=1, curve_seconds=0.5, leases=1_000, range_keys=500,
    watch_connections=10, watch_streams=20, mixed_connections=100, keys=20_000,
    revisions_kept=10_000, restarts=1, endurance_seconds=4, seconds_before_compaction=None,
    missed_puts=2_000, catch_ups=1, disk_puts_before=2_000, disk_puts=5_000, kills=1,
    idle_seconds=2, floor_seconds=1)

# What `make bench-quick` measures.
QUICK_ROWS = ["put-1", "put-100", "put-1000", "get-100", "mixed", "failover"]
