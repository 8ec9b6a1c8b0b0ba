# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A private host to break: a PostgreSQL of its own with a clock that can be
shifted, a proxy in front of that, file systems that can be filled."""

import contextlib
import os
import pwd
import shutil
import signal
import struct
import subprocess

from dovecot import Failure, wait_until
from dovecot_files import TOP, sanitizer_environment
from fault_proxy import FaultProxy
from host import PrivateHost
from lost_writes import LostWrites
from pg import PrivatePostgres

# The service gives up on PostgreSQL before a session gives up on the service.
SESSION_TIMEOUT = 1.5
QUERY_TIMEOUT = 1.0
STATE_SIZE = "16m"
MAIL_SIZE = "48m"
# Each session is a row, so that no login is answered from memory; or both is as
# the service has it without being told.
POLLS_RECORDED = {"record_polls": "yes"}
POLLS_FROM_MEMORY = {"record_polls": "no", "login_cache": "yes"}


def clock_library(directory):
    """shift_clock.c, compiled into a directory."""
    path = os.path.join(directory, "shift_clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", path, os.path.join(
        TOP, "tests", "lib", "shift_clock.c"), "-ldl"], check=True)
    return path


class FaultyPostgres(PrivatePostgres):
    """One that can be killed like a process, and whose clock can jump."""

    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self._clock = os.path.join(directory, "clock")
        self.set_clock(0)
        super().__init__(directory)
        self._environment = {"LD_PRELOAD": clock_library(directory),
                             "SHIFT_CLOCK_FILE": self._clock}

    def _become_server(self):
        super()._become_server()
        os.environ.update(self._environment)

    def set_clock(self, seconds):
        """The clock is ahead by so many seconds from now on."""
        with open(self._clock, "r+b" if os.path.exists(self._clock)
                  else "wb") as file:
            file.write(struct.pack("q", seconds))

    def backends(self, role="pop3_service"):
        """Processes that serve a role."""
        found = []
        for pid in self._pids():
            with contextlib.suppress(OSError):
                with open("/proc/%d/cmdline" % pid, "rb") as file:
                    if b"postgres: %s " % role.encode() in file.read():
                        found.append(pid)
        return found

    def kill(self):
        """kill -9 of the postmaster. The others end when they notice."""
        pids = self._pids()
        self.process.kill()
        self.process.wait()
        self.process = None
        for pid in pids:
            # a stopped process would not notice
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not any(os.path.exists("/proc/%d" % pid)
                                   for pid in pids), what="PostgreSQL to end")


SERVICE = """
service pop3-policy {
  executable = /usr/bin/env %(environment)s %(program)s
}
"""


class FaultHost(PrivateHost):
    """full_disks: have the mail and the service's state on file systems of
    their own. from_memory: logins may be answered from memory, and polls are
    counted; else each session asks, and is a row."""

    def __init__(self, full_disks=True, from_memory=False,
                 service_settings=None, plugin_settings=None, **options):
        super().__init__(
            settings={"login_trusted_networks": "127.0.0.0/8"},
            plugin_settings={
                "pop3_policy_timeout": "%dms" % (SESSION_TIMEOUT * 1000),
                **(plugin_settings or {})},
            service_settings={
                "batch_interval": "20ms", "poll_interval": "1s",
                **(POLLS_FROM_MEMORY if from_memory else POLLS_RECORDED),
                "query_timeout": "%dms" % (QUERY_TIMEOUT * 1000),
                **(service_settings or {})}, **options)
        self.from_memory = from_memory
        self._mounts = [] if not full_disks else [
            (self.path("policy"), STATE_SIZE), (self.path("mail"), MAIL_SIZE)]
        self._mounted = []
        self._writes = None
        self.proxy = None

    def start(self):
        if self.pg is None:
            self.pg = FaultyPostgres(self.path("pg"))
            self.proxy = FaultProxy(self.pg.directory)
            self.service_settings["connect"] = self.proxy.uri(
                self.pg.uri("pop3_service"))
            for path, size in self._mounts:
                os.makedirs(path, exist_ok=True)
                subprocess.run(["mount", "-t", "tmpfs", "-o",
                                "mode=755,size=" + size, "tmpfs", path],
                               check=True)
                self._mounted.append(path)
            if self._mounted:
                self._note_writes()
        return super().start()

    def cleanup(self):
        try:
            if self.pg is not None:
                self.pg.resume()
            super().cleanup()
        finally:
            if self.proxy is not None:
                self.proxy.close()
            while self._mounted:
                subprocess.run(["umount", "-l", self._mounted.pop()],
                               check=False)
            if self._own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    def _note_writes(self):
        """Have the service tell what it brings to the disk."""
        internal = pwd.getpwnam("dovecot")
        self._writes = LostWrites(self.path("policy"), self.path("writes"),
                                  internal.pw_uid, internal.pw_gid)
        environment = self._writes.environment(
            sanitizer_environment().get("LD_PRELOAD"))
        self.extra += SERVICE % {
            "environment": " ".join(
                "%s=%s" % item for item in environment.items()),
            "program": "%s -c %s" % (self.path("libexec", "pop3-policy"),
                                     self.path("pop3-policy.conf.ext"))}

    def crash(self, share=0.0, zeros=False):
        """The host loses its power: all processes end at once, and what the
        service has not brought to the disk is gone, but for what
        LostWrites.crash() leaves. start() it again."""
        if self._writes is None:
            raise Failure("the service has no file system of its own")
        pids = [self.process.pid]
        os.kill(self.process.pid, signal.SIGSTOP)
        pids += [pid for pid in self.pids() if pid not in pids]
        for sig in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sig)
        self.process.wait()
        self.process = None
        wait_until(lambda: not self.pids(), what="all to end")
        self._doveadm.close()
        self._writes.crash(share, zeros)

    def verify(self):
        """Run pop3-policy-verify. Returns what subprocess.run() does."""
        return subprocess.run(
            [self.path("libexec", "pop3-policy-verify"), "-c",
             self.path("pop3-policy.conf.ext")], stdin=subprocess.DEVNULL,
            capture_output=True, errors="replace")

    # --- file systems ---

    def fill(self, name):
        """Leave no room where "policy" or "mail" is. Returns whether there is
        none."""
        path = self.path(name, "filler")
        if self.path(name) not in self._mounted:
            raise Failure("%s has no file system of its own" % name)
        with contextlib.suppress(OSError), open(path, "wb", 0) as file:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        return os.statvfs(self.path(name)).f_bavail == 0

    def make_room(self, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(name, "filler"))

    def uidlist(self, user):
        """{GUID: UID} as a maildir's dovecot-uidlist says, or None without
        one."""
        found = {}
        try:
            with open(self.path("mail", user, "Maildir",
                                "dovecot-uidlist")) as file:
                next(file)
                for line in file:
                    fields, name = line.rstrip("\n").split(" :", 1)
                    uid, *extra = fields.split(" ")
                    guids = [field[1:] for field in extra
                             if field.startswith("G")]
                    found[guids[0] if guids else name.split(":", 1)[0]] = \
                        int(uid)
        except FileNotFoundError:
            return None
        return found
