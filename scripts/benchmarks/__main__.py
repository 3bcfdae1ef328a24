"""`python -m benchmarks table|growth …`, with scripts/ in PYTHONPATH; `make bench` calls it."""

import resource
import sys

from . import growth, table

JOBS = {"table": table.main, "growth": growth.main}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in JOBS:
        sys.exit(f"usage: python -m benchmarks {'|'.join(JOBS)} [ARGUMENT...]; each knows --help")
    # Ten thousand connections are as many descriptors, here and in the servers that inherit this.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return JOBS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
