"""Where things are, and what this tool uses of scripts/."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "scripts"))

from clusters import die_with_parent, free_ports, keelson_binary  # noqa: E402

__all__ = ["ROOT", "die_with_parent", "free_ports", "keelson_binary"]
