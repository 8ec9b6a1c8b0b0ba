# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What all faults have (fault_kinds.py)."""

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
    # what happens in the run
    moments = None

    def __init__(self, host, rng, users=""):
        """users: with what the names of the run's users begin."""
        self.host = host
        self.rng = rng
        self.users = users
        self.prepare()

    def prepare(self):
        pass

    def begin(self):
        raise NotImplementedError

    def end(self):
        pass

    def _expect(self, pid, name, sig=9):
        self.host.expect_log(r"service\(%s\): child %d killed with signal "
                             r"%d" % (name, pid, sig))
