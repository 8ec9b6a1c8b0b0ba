# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""CPU time of a private host, by part: user and system time of all its
processes, those that ended and were reaped included."""

import os

TICKS = os.sysconf("SC_CLK_TCK")
PARTS = ("dovecot", "service", "postgres")


def _processes():
    """{pid: (parent, session, ticks of it and of its reaped children, name)}"""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry) as file:
                head, _, tail = file.read().rpartition(")")
        except OSError:
            continue
        fields = tail.split()
        found[int(entry)] = (int(fields[1]), int(fields[3]),
                             sum(map(int, fields[11:15])),
                             head.partition("(")[2])
    return found


def cpu_seconds(host):
    """{part: CPU seconds since the host's start}. What Dovecot's master has
    reaped counts as Dovecot's. No session may be under way: a process that
    ends between two looks would be seen twice, or not at all."""
    processes = _processes()
    ticks = dict.fromkeys(PARTS, 0)
    postmaster = host.pg.process.pid if host.policy else None
    for pid, (parent, session, used, name) in processes.items():
        if postmaster is not None and postmaster in (pid, parent):
            ticks["postgres"] += used
        elif session == host.process.pid:
            # the kernel keeps 15 bytes of a name
            part = "service" if name == "pop3-policy" else "dovecot"
            ticks[part] += used
    return {part: value / TICKS for part, value in ticks.items()}


def resident_bytes(pid):
    """Resident memory of a process, shared pages included."""
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
