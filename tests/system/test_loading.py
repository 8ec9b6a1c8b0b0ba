# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The plugin in Dovecot's processes: what it loads, where it does no harm,
and what a wrong configuration gives."""

import contextlib
import glob
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from dovecot import wait_until
from host import message
from maildrop import Maildrop, listing, pop3_pid

PLUGIN = "lib20_pop3_policy_plugin.so"
# what belongs to the service alone
FOREIGN = re.compile(r"lib(pq|crypto|ssl|gssapi|ldap|krb5)\b")


def needed(path):
    """The names of all libraries that a file loads."""
    text = subprocess.run(["ldd", path], capture_output=True, text=True,
                          check=True).stdout
    names = [line.split()[0] for line in text.splitlines()]
    assert any(name.startswith("libc.") for name in names)
    return names


def test_libraries(host):
    plugin = host.path("modules", PLUGIN)
    assert [name for name in needed(plugin) if FOREIGN.match(name)] == []
    service = needed(host.path("libexec", "pop3-policy"))
    assert any(name.startswith("libpq.") for name in service)


def test_libraries_of_a_running_process(host, user):
    """Compared with what is mapped without the plugin by its name alone."""
    with host.pop3(user):
        with open("/proc/%d/maps" % pop3_pid(host)) as file:
            mapped = {os.path.basename(line.split()[5]) for line in file
                      if len(line.split()) > 5}
    assert PLUGIN in mapped
    assert not any(name.startswith("libpq") for name in mapped)


def test_everywhere(make_host, user):
    """Loaded for all protocols, and doveadm: deliveries, IMAP and doveadm
    work as they do without it."""
    host = make_host(mail_plugins="pop3_policy")
    drop = Maildrop(host, user)
    offset = host.log_position()
    drop.deliver(3)
    with host.imap(user) as imap:
        assert imap.append("INBOX", None, None,
                           message("By IMAP").as_bytes())[0] == "OK"
        assert imap.copy("1", "Trash")[0] == "OK"
        imap.store("2", "+FLAGS", r"\Deleted")
        assert imap.expunge()[0] == "OK"
        assert imap.search(None, "ALL")[1] == [b"1 2 3"]
    assert drop.uids() == [1, 3, 4]
    drop.expunge(3)
    assert drop.view() == [1, 4]
    drop.session(dele=[1])
    assert drop.uids() == [4]
    assert drop.events("intent", "gone") == [("intent", 1, "dele")]
    host.doveadm("index", "-u", user, "INBOX")
    host.doveadm("purge", "-u", user)
    host.doveadm("force-resync", "-u", user, "INBOX")
    assert drop.uids() == [4]
    assert host.errors(offset) == []


def test_imap_without_the_service(make_host, user):
    """IMAP and deliveries do not depend on it."""
    host = make_host(mail_plugins="pop3_policy", plugin_settings={
        "pop3_policy_socket": "/nonexistent/socket"})
    drop = Maildrop(host, user)
    drop.deliver(1)
    assert host.imap_uids(user) == [1]
    assert drop.uids() == [1]


def test_imap_does_not_wait(make_host, user):
    host = make_host(plugin_settings={"pop3_policy_timeout": "20s"})
    drop = Maildrop(host, user)
    drop.deliver(1)
    host.pause_service()
    try:
        assert host.imap_uids(user) == [1]
    finally:
        host.resume_service()


# --- the socket ---

def test_no_socket(make_host, user):
    host = make_host(plugin_settings={"pop3_policy_socket": "no-such-socket"})
    host.check_refused(user, r"Login refused, .*connect\(%s\) failed: "
                       r"No such file" % host.path("run", "no-such-socket"))


def test_no_permission(make_host, user):
    host = make_host()
    path = host.path("run", "pop3-policy")
    mode = os.stat(path).st_mode & 0o7777
    os.chmod(path, 0o600)
    try:
        host.check_refused(user, r"connect\(%s\) failed: Permission denied" %
                           path)
    finally:
        os.chmod(path, mode)
    host.pop3(user).quit()


class FakeService:
    """Listens in the place of the service, says something to each client,
    and closes the connection or keeps it."""

    def __init__(self, path, says, keeps=False):
        self.path, self.says, self.keeps = path, says, keeps
        self.connections = 0
        self._open = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.listen(10)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                self.connections += 1
                client.recv(65536)
                client.sendall(self.says)
                if self.keeps:
                    self._open.append(client)
                else:
                    client.close()

    def close(self):
        self.socket.close()
        for client in self._open:
            client.close()


HANDSHAKE = b"VERSION\tpop3-policy\t1\t0\n"


@pytest.mark.parametrize("says, keeps, pattern", [
    (b"", True, r"did not answer within 500 ms"),
    (b"", False, r"closed the connection|Broken pipe|reset by peer"),
    (b"HTTP/1.0 400 Bad Request\n", True, r"bad data"),
    (b"VERSION\tpop3-policy\t2\t0\n", True, r"bad data.*version"),
    (b"VERSION\tdict\t1\t0\n", True, r"bad data"),
    (HANDSHAKE + b"OK\n", True, r"bad data"),
    (HANDSHAKE + b"OK\t1\n", True, r"bad answer|is missing"),
    (HANDSHAKE + b"OK\t1\tnow=1\tversion=1\tp.enforcement=maybe\n", True,
     r"bad answer.*enforcement"),
    (HANDSHAKE + b"FAIL\t1\tcode=temp\ttext=closed today\n", True,
     r"closed today"),
    (HANDSHAKE + b"FAIL\t1\n", True, r"without a reason"),
    (HANDSHAKE + b"MAYBE\t1\n", True, r"unknown word"),
    (HANDSHAKE + b"x" * (2 << 20), True, r"too long line"),
    (HANDSHAKE + b"OK\t99\n", True, r"did not answer within 500 ms"),
], ids=["silence", "closes", "http", "major", "name", "no-id", "no-fields",
        "bad-policy", "fail", "fail-bare", "word", "endless", "other-id"])
def test_something_else_listens(fake_host, user, says, keeps, pattern):
    fake = FakeService(fake_host.path("run", "fake"), says, keeps)
    try:
        fake_host.check_refused(user, pattern)
        assert fake.connections >= 1
    finally:
        fake.close()
        os.unlink(fake.path)


@pytest.fixture(scope="module")
def fake_host(make_module_host):
    return make_module_host(plugin_settings={"pop3_policy_socket": "fake",
                                             "pop3_policy_timeout": "500ms"})


# --- rawlog ---

@pytest.fixture
def rawlog():
    directory = tempfile.mkdtemp(prefix="pop3-rawlog-")
    os.chmod(directory, 0o777)
    yield directory
    shutil.rmtree(directory)


def test_rawlog(make_host, user, rawlog):
    """Dovecot's log of the dialogue lies between the plugin and the
    client."""
    host = make_host(settings={"rawlog_dir": rawlog})
    drop = Maildrop(host, user)
    host.set_policies(user, on_dele="hide", on_retrieve="hide")
    drop.deliver(5)
    pop = host.pop3(user)
    pop.retr(1)
    pop.rset()
    pop.retr(2)
    pop.dele(3)
    pop.quit()
    host.wait_sessions(user, 1)
    assert drop.hidden() == [2, 3]
    assert drop.retrieved() == [2]
    assert drop.view() == [1, 4, 5]
    logs = glob.glob(os.path.join(rawlog, "*.in"))
    assert logs
    text = "".join(open(path, errors="replace").read() for path in logs)
    assert "RETR 2" in text and "DELE 3" in text
    # pipelined behind the message
    from raw import RawPop3
    with RawPop3(host, user) as raw:
        raw.send("RETR 1", "QUIT")
        assert raw.line().startswith("+OK")
        raw.lines()
        assert raw.line().startswith("+OK")
    drop.settle()
    assert drop.retrieved() == [2]
    assert drop.events("unconfirmed") == [("unconfirmed", 1, None)]


def test_rawlog_of_a_refusal(make_host, user, rawlog):
    host = make_host(settings={"rawlog_dir": rawlog})
    host.set_policy(user, "pop3_access", "off")
    Maildrop(host, user).deliver(1)
    for _ in range(3):
        assert host.login_refusal(user).startswith("-ERR [AUTH] Access by")
    wait_until(lambda: not host.pids("pop3"))


def test_lock_session(make_host, user):
    """pop3_lock_session opens the mailbox before the +OK."""
    host = make_host(settings={"pop3_lock_session": "yes"})
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(3)
    drop.session(dele=[2])
    assert drop.view() == [1, 3]
    host.set_policy(user, "pop3_access", "off")
    assert host.login_refusal(user).startswith("-ERR [AUTH] Access by")
    host.set_policy(user, "pop3_access", "on")
    assert drop.view() == [1, 3]


# --- several sessions in one process ---

# a session that comes while another one ends waits for the process
ONE_PROCESS = "service pop3 {\n  process_limit = 1\n}\n"


def sockets(pid):
    """Inodes of a process's sockets."""
    found = set()
    for path in glob.glob("/proc/%d/fd/*" % pid):
        with contextlib.suppress(OSError):
            target = os.readlink(path)
            if target.startswith("socket:"):
                found.add(target)
    return found


@pytest.mark.parametrize("count", [0, 100])
def test_process_is_reused(make_host, user, count):
    """The connection to the service is kept; nothing of a user reaches the
    next one."""
    host = make_host(pop3_service_count=count, extra=ONE_PROCESS)
    one, two = Maildrop(host, "one_" + user), Maildrop(host, "two_" + user)
    host.set_policies(one.user, on_dele="hide", on_retrieve="hide")
    host.set_policies(two.user, on_retrieve="delete")
    for drop in (one, two):
        # processes stay: nobody waits for their end
        drop.wait_idle = lambda: None
        drop.deliver(5)
    kept = pid = None
    for number in range(1, 5):
        for drop in (one, two):
            before = len(host.sessions(drop.user))
            with host.pop3(drop.user) as pop:
                numbers = drop.numbers(pop)
                assert list(numbers) == list(range(number, 6))
                if pid is None:
                    pid = pop3_pid(host)
                assert list(host.pids("pop3")) == [pid]
                pop.retr(numbers[number])
                if number == 4:
                    pop.dele(numbers[5])
            host.wait_sessions(drop.user, before + 1)
            now = wait_until(lambda: free_sockets(pid, kept),
                             what="the process to let the client go")
            kept = kept or now
    assert one.uids() == [1, 2, 3, 4, 5]
    assert one.hidden() == [1, 2, 3, 4, 5]
    assert two.uids() == []
    assert two.state() == {}
    assert one.events("intent") == [
        ("intent", uid, "retrieved") for uid in (1, 2, 3, 4)] + [
        ("intent", 5, "dele")]
    assert {row["username"] for row in host.rows(
        "SELECT DISTINCT username FROM pop3.audit")} == {one.user, two.user}


def free_sockets(pid, expected):
    now = sockets(pid)
    return now if expected in (None, now) else None


def test_reused_process_and_a_new_service(make_host, user):
    """The kept connection is found dead at the next login, or in the middle
    of a session."""
    host = make_host(pop3_service_count=0, extra=ONE_PROCESS)
    drop = Maildrop(host, user)
    drop.wait_idle = lambda: None
    drop.deliver(4)
    drop.session(retr=[1])
    pid = pop3_pid(host)
    host.kill_service()
    drop.session(retr=[2], dele=[2])
    assert list(host.pids("pop3")) == [pid]
    pop = host.pop3(user)
    numbers = drop.numbers(pop)
    assert list(numbers) == [1, 3, 4]
    host.kill_service()
    pop.dele(numbers[3])
    pop.quit()
    assert drop.view() == [1, 4]
    assert list(host.pids("pop3")) == [pid]
    assert drop.retrieved() == [1]


def test_reused_process_after_a_refusal(make_host, user):
    host = make_host(pop3_service_count=0, extra=ONE_PROCESS)
    drop = Maildrop(host, user)
    drop.wait_idle = lambda: None
    drop.deliver(2)
    other = "other_" + user
    host.set_policy(other, "pop3_access", "off")
    assert drop.view() == [1, 2]
    pid = pop3_pid(host)
    for _ in range(3):
        assert host.login_refusal(other).startswith("-ERR [AUTH]")
        assert drop.view() == [1, 2]
    assert list(host.pids("pop3")) == [pid]


def test_reused_process_after_a_drop(make_host, user):
    """What a dropped session fetched is not the next one's."""
    host = make_host(pop3_service_count=0, extra=ONE_PROCESS)
    drop = Maildrop(host, user)
    drop.wait_idle = lambda: None
    host.set_policy(user, "on_retrieve", "delete")
    drop.deliver(3)
    drop.session(retr=[1, 2], end="drop")
    drop.session(retr=[3])
    assert drop.uids() == [1, 2]
    with host.pop3(user) as pop:
        assert len(listing(pop)) == 2
