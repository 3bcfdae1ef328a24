"""Real servers, agents and services under faults, and every service what it is to be.

    chaos_services.py --seconds 90 [--seed N] [--faults KIND,…]
    chaos_services.py --check FILE [--plant NAME|all]

Ends with status 1, the seed and the history's path where a promise is broken. Recipes:
docs/testing.md.
"""

import tool
from nemesis import WEIGHTS
from service_judge import Judge
from service_plants import PLANTS
from service_run import ServiceRun

tool.main(
    "chaos-services", __doc__, list(WEIGHTS), ServiceRun, Judge, PLANTS,
    "every service became what it was to be")
