"""Where the two are not to be equal, one by one, with the reason.

CHANGED: etcd 3.5.1, which we compare with, does it in a way that etcd 3.7 does not.
ON_PURPOSE: Keelson does it differently from every etcd.

Left out of the cases: a sort target that nobody knows. It kills etcd 3.5.1; 3.7 and Keelson answer
"invalid sort option".
"""

SORT = "3.7 refuses an order that nobody knows"
BROKEN = "3.7's protobuf library has other words for bytes that are no message"
WATCH_REFUSED = "3.7 answers a watch that is refused with the id -1"

CHANGED: dict = {
    "range: an unknown order": SORT,
    "range: a negative order": SORT,
    "operation: a bad order": SORT,
    "range: broken bytes": BROKEN,
    "put: broken bytes": BROKEN,
    "lease: broken bytes": BROKEN,
    "creating: a negative start": "3.7 refuses a negative start as compacted",
    "progress: progress of a stream without watches": "3.7 marks no progress of no watches",
    "permission: hidden in a nested one": "3.7 judges nested transactions, too",
    "permission: another's keys": "3.7 names a lease's keys to their readers only",
    "ending: watching what she may not": WATCH_REFUSED,
    "ending: watching too much": "3.7 judges all that a watch covers, not only its first key",
}

ON_PURPOSE: dict = {}
