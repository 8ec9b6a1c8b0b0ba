# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""With TLS a login process stands between client and session. What counts as
retrieved is the same."""

import ssl
import subprocess

import pytest

from dovecot import wait_until
from owner import COMMITTED, Owner, event, intent
from raw import RawPop3

BIG = b"Subject: Message 1\r\n\r\n" + (b"x" * 998 + b"\r\n") * 8000


@pytest.fixture
def owner(make_host, user, tmp_path):
    """An owner on a host with a certificate."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-keyout", tmp_path / "key.pem",
         "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    host = make_host(settings={"ssl": "yes",
                               "ssl_cert": "<%s" % (tmp_path / "cert.pem"),
                               "ssl_key": "<%s" % (tmp_path / "key.pem")})
    owner = Owner(host, user)
    owner.set(on_retrieve="delete")
    return owner


def tls_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def raw_tls(owner, **options):
    raw = RawPop3(owner.host, **options)
    assert raw.command("STLS").startswith("+OK")
    raw.file.close()
    raw.sock = tls_context().wrap_socket(raw.sock)
    raw.file = raw.sock.makefile("rb")
    raw.command("USER " + owner.name)
    assert raw.command("PASS test").startswith("+OK")
    return raw


def until_stuck(host):
    """The message fills everything on the way to a client that does not
    read."""
    (pid,) = host.pids("pop3")
    before = [None]

    def stuck():
        with open("/proc/%d/io" % pid) as file:
            now = file.read()
        same = now == before[0]
        before[0] = now
        return same
    wait_until(stuck, interval=0.2)


def until_taken(raw, host):
    """The login process has read what the client sent."""
    ends = ["0100007F:%04X" % port for port in (host.pop3_port,
                                                raw.sock.getsockname()[1])]

    def taken():
        with open("/proc/net/tcp") as file:
            for fields in map(str.split, file):
                if fields[1:3] == ends:
                    return fields[4].endswith(":00000000")
    wait_until(taken)


def test_quit_after_the_message(owner):
    owner.deliver(BIG)
    with raw_tls(owner) as raw:
        assert raw.command("RETR 1").startswith("+OK")
        assert len(raw.lines()) > 8000
        assert raw.command("QUIT").startswith("+OK")
    session = owner.ended(ended_by="quit", tls=True)
    assert session["retrieved"] == {1}
    assert owner.uids() == []
    owner.told(intent("expunge", "retrieved", 1) + COMMITTED)


def test_quit_in_the_same_record(owner):
    owner.deliver(1)
    with raw_tls(owner) as raw:
        raw.send("RETR 1", "QUIT")
        raw.line()
        raw.lines()
        assert raw.line().startswith("+OK")
    assert owner.ended(ended_by="quit", tls=True)["retrieved"] == set()
    assert owner.uids() == [1]
    owner.told(event("unconfirmed", 1))


def test_quit_sent_while_the_message_is_sent(owner):
    owner.deliver(BIG)
    with raw_tls(owner, rcvbuf=64 * 1024) as raw:
        assert raw.command("RETR 1").startswith("+OK")
        until_stuck(owner.host)
        raw.send("QUIT")
        until_taken(raw, owner.host)
        assert len(raw.lines()) > 8000
        assert raw.line().startswith("+OK")
    assert owner.ended(ended_by="quit", tls=True)["retrieved"] == set()
    assert owner.uids() == [1]
    owner.told(event("unconfirmed", 1))


def test_drop_in_the_middle_of_a_message(owner):
    owner.deliver(BIG)
    raw = raw_tls(owner, rcvbuf=64 * 1024)
    assert raw.command("RETR 1").startswith("+OK")
    # Dovecot does not notice the end for minutes if it comes while it writes
    until_stuck(owner.host)
    raw.drop()
    session = owner.ended(ended_by="drop", tls=True)
    assert session["fetched"] == set()
    assert owner.uids() == [1]
