"""Real servers, agents and frameworks under faults, and every task accounted for.

    chaos_tasks.py --seconds 90 [--seed N] [--faults KIND,…]
    chaos_tasks.py --check FILE [--plant NAME|all]

Ends with status 1, the seed and the history's path where a promise is broken. Recipes:
docs/testing.md.
"""

import tool
from nemesis import SCHEDULER_FAULTS, WEIGHTS
from task_judge import Judge
from task_plants import PLANTS
from task_run import TaskRun

tool.main(
    "chaos-tasks", __doc__, list(WEIGHTS | SCHEDULER_FAULTS), TaskRun, Judge, PLANTS,
    "every task is accounted for")
