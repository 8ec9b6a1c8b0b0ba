# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What all faults have (fault_kinds.py)."""

import collections
import contextlib
import os
import signal

# longer than a session waits (fault_host.SESSION_TIMEOUT)
LONG = 1.8
SHORT = [0.005, 0.02, 0.1, 0.4, 0.9]


class Fault:
    """takes_records: what the service has not written yet may be lost.
    takes_database: sessions may be refused for a while."""

    takes_records = takes_database = False
    # when records began to be lost, if that is not when it began
    lost_at = None
    # sessions that log in before it begins have been there before
    users_are_known = False
    # maildirs may forget which UIDs messages have (invariant_uids.py)
    loses_uidlist = False
    # an UPDATE may be carried out that Dovecot says has failed
    breaks_updates = False
    # what happens in the run
    moments = None

    def __init__(self, host, rng, users=""):
        """users: with what the names of the run's users begin."""
        self.host = host
        self.rng = rng
        self.users = users
        # {program: how many of its processes were killed}; a "host" is one
        self.kills = collections.Counter()
        self.prepare()

    def prepare(self):
        pass

    def begin(self):
        raise NotImplementedError

    def end(self):
        pass

    def _kill_child(self, pid, name):
        """kill -9 of a process of Dovecot's."""
        self.host.expect_log(r"service\(%s\): child %d killed with signal 9" %
                             (name, pid))
        self._kill_process(pid, name)

    def _kill_process(self, pid, name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.kills[name] += 1

    def _kill_service(self):
        for pid in self.host.service_pids():
            self._kill_child(pid, "pop3-policy")
