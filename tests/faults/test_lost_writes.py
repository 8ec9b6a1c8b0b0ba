# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A crash of the host, as the tests have it, loses what was not brought to the
disk, and nothing else; and the service gets over it."""

import os
import subprocess
import sys
import tempfile
import time

import pytest

from dovecot import wait_until
from fault_host import FaultHost
from host import simple_message
from lost_writes import LostWrites

USER = "jane@example.org"


class Files:
    """A directory that a process writes to."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "files")
        os.makedirs(os.path.join(self.path, "old"))
        with open(os.path.join(self.path, "old", "file"), "w") as file:
            file.write("before\n")
        self.writes = LostWrites(self.path, os.path.join(directory, "kept"),
                                 os.geteuid(), os.getegid())

    def run(self, script):
        """Lines of Python, in the directory."""
        subprocess.run([sys.executable, "-c", "import os\n" + script],
                       cwd=self.path, check=True,
                       env={**os.environ, **self.writes.environment()})

    def found(self):
        """{name: content} of all files."""
        found = {}
        for path, _, names in os.walk(self.path):
            for name in names:
                full = os.path.join(path, name)
                with open(full, "rb") as file:
                    found[os.path.relpath(full, self.path)] = file.read()
        return found


@pytest.fixture
def files():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Files(directory)


SYNC = "fd = os.open(%r, os.O_RDONLY); os.fsync(fd)\n"
APPEND = "file = open(%r, 'ab'); file.write(%r); file.flush()\n"


def test_what_is_synced_stays(files):
    files.run(APPEND % ("old/file", b"more\n") + "os.fsync(file.fileno())\n" +
              APPEND % ("old/file", b"lost\n"))
    files.writes.crash()
    assert files.found() == {"old/file": b"before\nmore\n"}
    # what was there when it started again is on the disk
    files.run(APPEND % ("old/file", b"again\n") +
              "os.fdatasync(file.fileno())\n")
    files.writes.crash()
    assert files.found() == {"old/file": b"before\nmore\nagain\n"}


def test_names_need_their_directory(files):
    write = APPEND % ("new", b"content") + "os.fsync(file.fileno())\n"
    files.run(write)
    files.writes.crash()
    assert files.found() == {"old/file": b"before\n"}
    files.run(write + SYNC % ".")
    files.writes.crash()
    assert files.found() == {"old/file": b"before\n", "new": b"content"}
    files.run("os.unlink('new'); os.rename('old/file', 'old/other')\n")
    files.writes.crash()
    assert files.found() == {"old/file": b"before\n", "new": b"content"}
    files.run("os.unlink('new'); os.rename('old/file', 'old/other')\n" +
              SYNC % "." + SYNC % "old")
    files.writes.crash()
    assert files.found() == {"old/other": b"before\n"}


def test_content_needs_its_file(files):
    files.run("os.mkdir('sub')\n" + APPEND % ("sub/new", b"content") +
              SYNC % "." + SYNC % "sub")
    files.writes.crash()
    assert files.found() == {"old/file": b"before\n", "sub/new": b""}


def test_a_part_of_the_rest(files):
    files.run(APPEND % ("old/file", b"12345678") + APPEND % ("new", b"abcd"))
    files.writes.crash(0.5)
    assert files.found() == {"old/file": b"before\n1234", "new": b"ab"}
    files.run(APPEND % ("old/file", b"12345678"))
    files.writes.crash(0.25, zeros=True)
    assert files.found() == {
        "old/file": b"before\n123412" + bytes(6), "new": b"ab"}


@pytest.fixture(scope="module")
def host():
    host = FaultHost()
    try:
        yield host.start()
    finally:
        host.cleanup()


def chains(host):
    return host.sql("SELECT chain_id, last_batch FROM pop3.chain")


@pytest.mark.parametrize("share", [0, 0.5])
@pytest.mark.parametrize("again", [False, True])
def test_service_goes_on_with_its_chain(host, share, again):
    """Whatever the log still knows: the database has more."""
    host.set_policy(USER, "on_retrieve", "hide")
    for _ in range(2 if again else 1):
        host.deliver(USER, simple_message())
        before = len(host.sessions(USER))
        with host.pop3(USER) as pop:
            assert len(pop.uids()) == 1
            pop.retr(1)
        host.wait_sessions(USER, before + 1)
        host.crash(share)
        host.start()
        (chain, batch), = chains(host)
        with host.pop3(USER) as pop:
            assert pop.uids() == {}
        assert wait_until(lambda: chains(host) > [(chain, batch)])
    assert chains(host)[0][0] == chain
    done = host.verify()
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_not_answered_is_brought_to_the_disk(host):
    """The connection hangs, and is lost; nothing else is recorded meanwhile."""
    user = "hangs@example.org"
    host.deliver(user, simple_message())
    with host.pop3(user) as pop:
        pop.retr(1)
        host.proxy.slow_requests(60)
    time.sleep(0.3)
    assert not host.sessions(user)
    # what was on its way does not arrive any more
    host.proxy.refuse()
    time.sleep(1.5)
    host.crash()
    host.proxy.heal()
    host.start()
    (session,) = host.wait_sessions(user)
    assert session["ended_by"] == "quit"
    assert session["retrieved"] is not None
