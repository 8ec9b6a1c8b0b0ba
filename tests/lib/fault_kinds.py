# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What may go wrong: KINDS. Each kind has begin(), called at a random moment of
a run, and end(), called when its sessions are over, or earlier where the fault
passes by itself. Whatever a kind draws by chance it draws when it is made."""

import contextlib
import fcntl
import glob
import os
import signal
import threading
import time

from dovecot import Failure, wait_until
from fault_base import LONG, SHORT, Fault
from fault_crash import HostCrashed, HostCrashedInOutage


def cpu_seconds(pid):
    """Of a process, 0 if it is gone."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Kill(Fault):
    """kill -9 of processes of a name."""

    name = None
    every = False

    def prepare(self):
        self.pick = self.rng.random()

    def begin(self):
        pids = sorted(self.host.pids(self.name))
        if not pids:
            return False
        if not self.every:
            pids = [pids[int(self.pick * len(pids))]]
        for pid in pids:
            self._kill_child(pid, self.name)
        return True


class Pop3Killed(_Kill):
    name = "pop3"


class LmtpKilled(_Kill):
    name = "lmtp"


class ServiceKilled(_Kill):
    name = "pop3-policy"
    every = takes_records = True


class ServiceKilledTwice(ServiceKilled):
    def begin(self):
        first = super().begin()
        time.sleep(0.05)
        return super().begin() or first


class ServiceTerminated(Fault):
    """SIGTERM: it writes what it has, and the master starts another."""

    def begin(self):
        for pid in self.host.service_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return True


class ServiceStopped(Fault):
    """SIGSTOP for a while."""

    def prepare(self):
        self.time = self.rng.choice(SHORT + [LONG])

    def begin(self):
        self.host.pause_service()
        time.sleep(self.time)
        self.host.resume_service()
        return True

    def end(self):
        self.host.resume_service()


class DovecotReloaded(Fault):
    """All sessions end, and a new service begins beside the old one."""

    def begin(self):
        self.host.reload()
        return True

    def end(self):
        wait_until(lambda: len(self.host.service_pids()) == 1, 60,
                   "one service")


class _Database(Fault):
    takes_database = True

    def prepare(self):
        self.time = self.rng.choice(SHORT)

    def end(self):
        if self.host.pg.process is None:
            self.host.pg.start()
        elif self.host.pg.process.poll() is not None:
            self.host.pg.kill()
            self.host.pg.start()
        self.host.pg.resume()


class BackendKilled(_Database):
    """kill -9 of one: PostgreSQL ends all, and recovers."""

    pid = None

    def begin(self):
        pids = self.host.pg.backends()
        if not pids:
            return False
        self.pid = self.rng.choice(pids)
        self._kill_process(self.pid, "postgres")
        return True

    def end(self):
        # when the postmaster has noticed, nobody is let in until it is well
        if self.pid is not None:
            wait_until(lambda: not os.path.exists("/proc/%d" % self.pid),
                       what="PostgreSQL to notice")
        self.host.pg._wait_ready()


class BackendsTerminated(_Database):
    """What pg_terminate_backend() does."""

    def begin(self):
        for pid in self.host.pg.backends():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return True


class PostgresKilled(_Database):
    """kill -9 of the postmaster."""

    def begin(self):
        self.host.pg.kill()
        self.kills["postmaster"] += 1
        time.sleep(self.time)
        self.host.pg.start()
        return True


class PostgresImmediate(_Database):
    """pg_ctl -m immediate."""

    def begin(self):
        self.host.pg.stop("immediate")
        time.sleep(self.time)
        self.host.pg.start()
        return True


class PostgresRestarted(_Database):
    """pg_ctl -m fast."""

    def begin(self):
        self.host.pg.restart("fast")
        return True


class PostgresStopped(_Database):
    """SIGSTOP for a while."""

    def prepare(self):
        self.time = self.rng.choice(SHORT + [LONG])

    def begin(self):
        self.host.pg.pause()
        time.sleep(self.time)
        self.host.pg.resume()
        return True


class _Proxy(Fault):
    takes_database = True

    def end(self):
        self.host.proxy.heal()


class ConnectionsRefused(_Proxy):
    """All connections end, and for a while there are no new ones."""

    def prepare(self):
        self.time = self.rng.choice(SHORT)

    def begin(self):
        self.host.proxy.refuse()
        time.sleep(self.time)
        self.host.proxy.heal()
        return True


class _Cut(_Proxy):
    what = None

    def prepare(self):
        self.number = self.rng.randint(1, 6)
        self.share = self._share()

    def _share(self):
        return self.rng.uniform(0.02, 0.98)

    def begin(self):
        before = self.host.proxy.cuts
        self.host.proxy.cut_at(self.what, self.number, self.share)
        with contextlib.suppress(Exception):
            wait_until(lambda: self.host.proxy.cuts > before, 0.4)
        return self.host.proxy.cuts > before


class CutInReply(_Cut):
    what = "reply"


class CutBeforeReply(_Cut):
    what = "reply"

    def _share(self):
        return 0.0


class CutAfterReply(_Cut):
    what = "reply"

    def _share(self):
        return 1.0


class CutInRequest(_Cut):
    what = "request"


class DatabaseSlow(_Proxy):
    def prepare(self):
        self.time = self.rng.choice([0.02, 0.1, 0.3, 1.2])

    def begin(self):
        self.host.proxy.slow(self.time)
        time.sleep(0.6)
        return True


class RequestsLate(_Proxy):
    """They arrive when the service has given up, and connected anew."""

    kill = False

    def prepare(self):
        self.time = self.rng.choice([0.05, 0.3, 1.2, 1.5])

    def begin(self):
        self.host.proxy.slow_requests(self.time)
        time.sleep(0.1)
        if self.kill:
            self._kill_service()
        time.sleep(self.time)
        return True


class ServiceKilledRequestsLate(RequestsLate):
    """What a dead one wrote arrives when there is another."""

    takes_records = kill = True


class _DiskFull(Fault):
    name = None

    def prepare(self):
        self.time = self.rng.choice(SHORT)

    def begin(self):
        full = self.host.fill(self.name)
        self.act()
        time.sleep(self.time)
        self.host.make_room(self.name)
        return full

    def act(self):
        """What else happens, now that there is no room."""

    def end(self):
        self.host.make_room(self.name)


class StateDiskFull(_DiskFull):
    name = "policy"


class MailDiskFull(_DiskFull):
    """Dovecot's library may find no end then (mail_index_sync_begin(), where an
    index is in memory only and something is expunged). Whoever does is killed, and
    his lock removed: it would take minutes until others lose their patience with
    that. What Dovecot answers to a QUIT is not always what it did."""

    name = "mail"
    # seconds of CPU time, which no session takes
    SPINNING = 3
    _watch = None
    # Dovecot may not be able to write down which UIDs its files have
    loses_uidlist = breaks_updates = True

    def begin(self):
        self._ending = threading.Event()
        self._watch = threading.Thread(target=self._kill_spinning,
                                       daemon=True)
        self._watch.start()
        return super().begin()

    def end(self):
        super().end()
        if self._watch is not None:
            self._ending.set()
            self._watch.join()
            if self.kills:
                self._remove_locks()

    def _kill_spinning(self):
        names = ("pop3", "lmtp", "imap")
        before = {pid: cpu_seconds(pid) for pid in self.host.pids(*names)}
        while not self._ending.wait(0.5):
            for pid, name in self.host.pids(*names).items():
                if cpu_seconds(pid) - before.get(pid, 0) > self.SPINNING:
                    self._kill_child(pid, name)
                    wait_until(lambda pid=pid: cpu_seconds(pid) == 0,
                               what="the end of %s" % name)
                    self._remove_locks()

    def _remove_locks(self):
        """The dotlocks of who is dead, and those that have no owner since there
        was no room to write that."""
        for path in glob.glob(self.host.path(
                "mail", self.users + "*", "**", "dovecot-uidlist.lock"),
                recursive=True):
            with contextlib.suppress(OSError):
                with open(path) as file:
                    owner = file.read().split(":")[0]
                if not owner or not os.path.exists("/proc/" + owner):
                    os.unlink(path)


class ServiceKilledOnFullDisk(StateDiskFull):
    """The next service finds no room."""

    takes_records = True

    def act(self):
        self._kill_service()


class CommitHeld(Fault):
    """A session, or a delivery, has to wait for the mailbox: its intent is
    durable, and its commit is not made. With mdbox it may be made, and what
    follows it not. Others come meanwhile."""

    NAMES = ["dovecot.index.log", "dovecot.index.log",
             "dovecot.map.index.log"]
    TIMES = [0.1, 0.3]

    def prepare(self):
        self.name = self.rng.choice(self.NAMES)
        self.pick = self.rng.random()
        self.time = self.rng.choice(self.TIMES)

    def begin(self):
        with contextlib.ExitStack() as held:
            for path in glob.glob(self.host.path(
                    "mail", self.users + "*", "**", self.name),
                    recursive=True):
                with contextlib.suppress(OSError):
                    file = held.enter_context(open(path, "r+b"))
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                pids = wait_until(self._waiting, 0.5, "a commit")
            except Failure:
                return False
            time.sleep(self.time)
            self.kill(pids[int(self.pick * len(pids))])
        return True

    def _waiting(self):
        with open("/proc/locks") as file:
            waiting = {int(line.split()[5]) for line in file if "->" in line}
        return sorted(waiting & (set(self.host.pids("pop3")) |
                                 set(self.host.pids("lmtp"))))

    def kill(self, pid):
        """Of the process that waits, or whatever is to be killed."""


class _KillInCommit(CommitHeld):
    TIMES = [0, 0.005, 0.02, 0.1]


class KilledInCommit(_KillInCommit):
    def kill(self, pid):
        name = self.host.pids("pop3", "lmtp").get(pid)
        if name is not None:
            self._kill_child(pid, name)


class ServiceKilledInCommit(_KillInCommit):
    takes_records = True

    def kill(self, _pid):
        self._kill_service()


class ConnectionsCutInCommit(_KillInCommit):
    takes_database = True

    def kill(self, _pid):
        self.host.proxy.refuse()

    def end(self):
        self.host.proxy.heal()


class ClockJumped(Fault):
    """The database's clock is off for a while."""

    SECONDS = [-86400 * 2, -3600, -70, -5, 5, 70, 3600, 86400 * 3]

    def prepare(self):
        self.seconds = self.rng.choice(self.SECONDS)
        self.time = self.rng.choice(SHORT)

    def begin(self):
        self.host.pg.set_clock(self.seconds)
        time.sleep(self.time)
        self.host.pg.set_clock(0)
        return True

    def end(self):
        self.host.pg.set_clock(0)


class ServiceAndDatabaseKilled(PostgresKilled):
    """Both at once."""

    takes_records = True

    def begin(self):
        killer = threading.Thread(target=self._kill_service)
        killer.start()
        super().begin()
        killer.join()
        return True


class NoFault(Fault):
    """What the checks say of a run without any."""

    def begin(self):
        return True


# How often each, besides: what takes no second of waiting is had more often.
KINDS = {
    Pop3Killed: 6, LmtpKilled: 2, ServiceKilled: 6, ServiceKilledTwice: 1,
    ServiceTerminated: 2, ServiceStopped: 2, DovecotReloaded: 1,
    BackendKilled: 2, BackendsTerminated: 3, PostgresKilled: 2,
    PostgresImmediate: 2, PostgresRestarted: 1, PostgresStopped: 2,
    ConnectionsRefused: 3, CutInReply: 4, CutBeforeReply: 3, CutAfterReply: 3,
    CutInRequest: 4, DatabaseSlow: 2, RequestsLate: 2,
    ServiceKilledRequestsLate: 2, KilledInCommit: 4,
    ServiceKilledInCommit: 2, ConnectionsCutInCommit: 2, CommitHeld: 2, StateDiskFull: 1,
    MailDiskFull: 2, ServiceKilledOnFullDisk: 1, ClockJumped: 3, ServiceAndDatabaseKilled: 2,
    NoFault: 1, HostCrashed: 2, HostCrashedInOutage: 4,
}
