# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A private Dovecot in a directory of its own: its processes and its log.
dovecot_files.py makes the directory, host.py adds PostgreSQL and what tests
do with both.
"""

import contextlib
import ctypes
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
import weakref

from doveadm import DoveadmError, DoveadmServer
from dovecot_files import (
    ASAN, BUILD, MAIL_GROUP, MAIL_USER, PASSWORD, TOP, DovecotFiles, Failure,
    dovecot_version, shipped_config, work_directory)

PR_SET_PDEATHSIG = 1

# What the log must never show, whatever a test does.
CRASH = re.compile(
    r"Panic:|Fatal:|Raw backtrace|core dumped|killed with signal|"
    r"AddressSanitizer|LeakSanitizer|runtime error:")


def wait_until(condition, timeout=30, what=None, interval=0.01):
    """Call condition() until it returns something true, and return that."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure("waited %d s for %s" % (
                timeout, what or condition.__doc__ or condition.__name__))
        time.sleep(interval)


def free_ports(count):
    """Ports of 127.0.0.1 that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


class PrivateDovecot(DovecotFiles):
    """The options of DovecotFiles. Without a directory, cleanup() removes the
    one it has."""

    def __init__(self, directory=None, mail_format="sdbox", **options):
        if os.geteuid() != 0:
            raise Failure("a private host has to be started by root")
        super().__init__(directory, mail_format, **options)
        self._own_directory = directory is None
        self.process = None
        self._session = None
        self._clients = weakref.WeakSet()
        self._doveadm = DoveadmServer(self.path("run", "doveadm-server"))
        self._doveadm_lock = threading.Lock()
        self._expected = []
        self._checked = 0

    # --- life ---

    @staticmethod
    def _in_child():
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def start(self):
        """Start Dovecot and wait until it answers."""
        self._prepare_files()
        for attempt in range(5):
            if self.pop3_port is None or attempt > 0:
                self.pop3_port, self.imap_port, self.lmtp_port = free_ports(3)
            self.write_config()
            if self._try_start():
                return self
        raise Failure("Dovecot found no free ports:\n" + self.log())

    def _try_start(self):
        offset = self._log_size()
        with open(self.path("stdout.log"), "wb") as out:
            self.process = subprocess.Popen(
                [self.path("bin", "dovecot"), "-F"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                cwd="/", preexec_fn=self._in_child, start_new_session=True)
        # Its processes stay in its session, whatever becomes of the master.
        self._session = self.process.pid
        wait_until(lambda: self.process.poll() is not None or
                   self.log_contains(r"starting up for", offset),
                   what="Dovecot to start")
        if self.process.poll() is None:
            wait_until(self._answers, what="Dovecot to answer")
            return True
        self.process = None
        with open(self.path("stdout.log"), errors="replace") as file:
            text = file.read() + self.log()
        if "Address already in use" not in text:
            raise Failure("Dovecot did not start:\n" + text)
        self._checked = self._log_size()
        return False

    def _answers(self):
        """Do all three protocols greet?"""
        for port in (self.pop3_port, self.imap_port, self.lmtp_port):
            try:
                with socket.create_connection(("127.0.0.1", port), 30) as sock:
                    if not sock.recv(4096):
                        return False
            except OSError:
                return False
        return True

    def stop(self):
        """End Dovecot. Failure if a process outlives it."""
        if self.process is None:
            return
        # Dovecot lets a session go on for 30 seconds after its end.
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.close()
        self._doveadm.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        try:
            wait_until(lambda: not self.pids(), 40, "Dovecot's processes")
        except Failure:
            left = self.pids()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise Failure("left running after Dovecot's end: %s\n%s" % (
                ", ".join("%d (%s)" % item for item in left.items()),
                self.log())) from None

    def restart(self):
        """The same configuration and ports again."""
        self.stop()
        return self.start()

    def reload(self):
        """Write the configuration again and have Dovecot read it."""
        offset = self._log_size()
        self.write_config()
        self._doveadm.close()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log_contains("SIGHUP received", offset),
                   what="Dovecot to reload")

    # --- mailboxes ---

    def fetch(self, user, fields, mailbox="INBOX", *query):
        """What doveadm fetch tells of a mailbox's messages: a list of values
        for each."""
        query = ("mailbox", mailbox, *query)
        count = len(fields.split())
        with self._doveadm_lock:
            try:
                values = self._doveadm.run(user, "fetch", fields, *query)
                return [values[i:i + count]
                        for i in range(0, len(values), count)]
            except DoveadmError:
                # Dovecot does not run, or the mailbox is not there
                text = self.doveadm("-f", "tab", "fetch", "-u", user, fields,
                                    *query)
        return [line.split("\t") for line in text.splitlines()[1:]]

    def cleanup(self):
        """stop(), and remove the directory if we made it."""
        try:
            self.stop()
        finally:
            if self._own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    # --- processes ---

    def pids(self, *names):
        """{pid: name} of this Dovecot's processes, of those with these names
        if given."""
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                # this costs far less than to read a file of every process
                if os.getsid(int(entry)) == self._session:
                    # a zombie has none
                    found[int(entry)] = os.path.basename(
                        os.readlink("/proc/%s/exe" % entry))
            except OSError:
                continue
        return {pid: program for pid, program in found.items()
                if not names or program in names}

    def service_pids(self):
        return sorted(self.pids("pop3-policy"))

    def kill_service(self, sig=signal.SIGKILL):
        """Kill the policy service and wait for its end. The master starts
        another. Returns the dead process's id."""
        pid = wait_until(self.service_pids, what="the service to run")[-1]
        self.expect_log(r"service\(pop3-policy\): child %d killed with "
                        r"signal %d" % (pid, sig))
        os.kill(pid, sig)
        wait_until(lambda: pid not in self.service_pids(),
                   what="the service to end")
        return pid

    def pause_service(self):
        """The service stops answering, without closing anything."""
        for pid in self.service_pids():
            os.kill(pid, signal.SIGSTOP)

    def resume_service(self):
        for pid in self.service_pids():
            os.kill(pid, signal.SIGCONT)

    def add_client(self, client):
        """A connection that stop() is to close(), if it is still open."""
        self._clients.add(client)

    # --- log ---

    def _log_size(self):
        with contextlib.suppress(FileNotFoundError):
            return os.path.getsize(self.logfile)
        return 0

    def log_position(self):
        """Where the log ends now, for log_contains()."""
        return self._log_size()

    def _log_bytes(self, offset):
        if not os.path.exists(self.logfile):
            return b""
        with open(self.logfile, "rb") as file:
            file.seek(offset)
            return file.read()

    def log_text(self, offset=0):
        return self._log_bytes(offset).decode(errors="replace")

    def log(self, lines=60):
        """The end of the log."""
        return "".join(self.log_text().splitlines(True)[-lines:])

    def log_contains(self, regex, offset=0):
        """The first match in the log from `offset' on, or None."""
        return re.search(regex, self.log_text(offset), re.M)

    def errors(self, offset=0):
        """Lines of errors and warnings in the log from `offset' on."""
        return [line for line in self.log_text(offset).splitlines()
                if re.search(r"(Error|Warning|Fatal|Panic): ", line)]

    def expect_log(self, regex):
        """A line like this is no crash: the test asked for it."""
        self._expected.append(re.compile(regex))

    def crashes(self):
        """Lines since the last call that tell of a crash."""
        data = self._log_bytes(self._checked)
        self._checked += len(data)
        return [line for line in data.decode(errors="replace").splitlines()
                if CRASH.search(line) and
                not any(regex.search(line) for regex in self._expected)]
