# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A private host that stays up: run_host.py start DIR, run_host.py stop DIR.

`start' leaves a process behind that holds the host, since PostgreSQL and
Dovecot end with who started them, and returns when DIR/env is there.

Either of them may be killed and started again by hand, to see what happens:
the host stays, and `stop' ends what runs then."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time

from dovecot import Failure, dovecot_version, wait_until, work_directory
from host import PrivateHost

START_TIMEOUT = 120
# Dovecot lets sessions go on for 30 seconds
STOP_TIMEOUT = 60
# so that doveadm quota has something to tell
QUOTA = {"quota": "count:User quota", "quota_vsizes": "yes"}


def environment(host):
    return {
        "POP3_HOST": "127.0.0.1",
        "POP3_PORT": host.pop3_port,
        "LMTP_PORT": host.lmtp_port,
        "IMAP_PORT": host.imap_port,
        "PGURI": host.pguri(),
        # Dovecot's commands, for this host
        "DOVEADM": host.path("bin", "doveadm"),
        "DOVECONF": host.path("bin", "doveconf"),
        "DOVECOT": host.path("bin", "dovecot"),
        "DOVECOT_CONF": host.config,
        "DOVECOT_VERSION": dovecot_version(),
        "LOG_FILE": host.logfile,
    }


def write_file(path, text):
    """Appears whole or not at all."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def running(directory):
    """The id of the process that holds a host, or None."""
    try:
        with open(os.path.join(directory, "pid")) as file:
            pid = int(file.read())
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            if b"run_host.py" in file.read():
                return pid
    except (OSError, ValueError):
        pass
    return None


def end_by_pid_file(path, program, sig):
    """End a process that somebody started in place of ours."""
    def alive():
        try:
            with open(path) as file:
                pid = int(file.readline())
            exe = os.path.basename(os.readlink("/proc/%d/exe" % pid))
        except (OSError, ValueError):
            return None
        return pid if exe == program else None
    pid = alive()
    if pid is not None:
        os.kill(pid, sig)
        wait_until(lambda: alive() is None, STOP_TIMEOUT,
                   program + " to end")


def serve(directory):
    """Hold the host until SIGTERM."""
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    host = PrivateHost(directory, mail_plugins="quota",
                       plugin_settings=QUOTA)
    write_file(host.path("pid"), "%d\n" % os.getpid())
    try:
        host.start()
        write_file(host.path("env"), "".join(
            "%s=%s\n" % (key, shlex.quote(str(value)))
            for key, value in environment(host).items()))
        told = set()
        while not ended:
            for name, process in (("Dovecot", host.process),
                                  ("PostgreSQL", host.pg.process)):
                if name not in told and process.poll() is not None:
                    told.add(name)
                    print("%s ended before the host was stopped (%d)." % (
                        name, process.returncode), flush=True)
            time.sleep(0.2)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(host.path("env"))
        try:
            host.stop()
            end_by_pid_file(host.path("run", "master.pid"), "dovecot",
                            signal.SIGTERM)
        finally:
            if host.pg is not None:
                host.pg.stop()
                end_by_pid_file(os.path.join(host.pg.datadir,
                                             "postmaster.pid"),
                                "postgres", signal.SIGINT)
            os.unlink(host.path("pid"))


def start(directory):
    directory = work_directory(directory)
    if running(directory) is not None:
        raise Failure("a private host is running in %s already" % directory)
    with contextlib.suppress(FileNotFoundError):
        # left by one that was killed
        os.unlink(os.path.join(directory, "env"))
    logname = os.path.join(directory, "run_host.log")
    with open(logname, "wb") as log:
        child = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "serve", directory],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            start_new_session=True)
    wait_until(lambda: child.poll() is not None or
               os.path.exists(os.path.join(directory, "env")),
               START_TIMEOUT, "the private host to start")
    if child.poll() is not None:
        with open(logname, errors="replace") as file:
            raise Failure("the private host did not start:\n" + file.read())


def stop(directory):
    pid = running(directory)
    if pid is None:
        raise Failure("no private host is running in %s" % directory)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: running(directory) is None, STOP_TIMEOUT,
               "the private host to end")
    with open(os.path.join(directory, "run_host.log"),
              errors="replace") as file:
        said = file.read()
    if "Traceback" in said:
        raise Failure("the private host ended with:\n" + said)
    print(said, end="")


def main(command, directory):
    try:
        {"start": start, "stop": stop, "serve": serve}[command](directory)
    except Failure as failure:
        sys.exit("%s" % failure)


if __name__ == "__main__":
    main(*sys.argv[1:])
