# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""doveadm pop3-policy verify and rotate-key, on what sessions left."""

import json
import os
import subprocess

import pytest

from host import message
from maildrop import wait_until

USER = "jane@example.org"


@pytest.fixture
def host(make_host):
    host = make_host()
    host.set_policies("*", on_retrieve="delete")
    return host


def retrieve(host, count=1):
    for n in range(count):
        host.deliver(USER, message("Message %d" % n))
        with host.pop3(USER) as pop:
            pop.retr(1)
    wait_until(lambda: host.sql(
        "SELECT last_seq FROM pop3.chain")[0][0] > 0)


def doveadm(host, *args):
    """(exit code, lines, what it complained of)"""
    done = host.run("doveadm", "pop3-policy", *args)
    return done.returncode, done.stdout.splitlines(), done.stderr


def all_sealed(host):
    return host.sql(
        "SELECT count(*) FROM pop3.audit WHERE chain_id IS NULL") == [(0,)]


def test_verify_and_rotate(host):
    retrieve(host, 2)
    code, lines, error = doveadm(host, "verify")
    assert (code, error) == (0, "")
    assert "rows verified" in lines[0] and lines[0].endswith(" 0 found")

    code, lines, error = doveadm(host, "rotate-key")
    assert (code, error) == (0, "")
    key = lines[0].split(" key ")[1].split()[0]

    def sealed_with_it():
        retrieve(host)
        return (key,) in host.sql("SELECT DISTINCT key_id FROM pop3.seal")
    wait_until(sealed_with_it)
    assert len(host.sql("SELECT DISTINCT key_id FROM pop3.seal")) == 2
    code, lines, error = doveadm(host, "verify")
    assert (code, error) == (0, "")

    # rows of plain SQL: the service makes them part of its chain
    assert doveadm(host, "pause", "a while")[0] == 0
    assert doveadm(host, "resume")[0] == 0
    wait_until(lambda: all_sealed(host))
    code, lines, error = doveadm(host, "verify", "--since", "1 hour")
    assert (code, error) == (0, "")
    assert not [line for line in lines if "in no chain" in line]

    # of a tampered one
    (chain, seq), = host.sql(
        "SELECT chain_id::text, seq FROM pop3.audit WHERE event = 'paused'")
    host.sql("SET session_replication_role = replica; UPDATE pop3.audit "
             "SET detail = 'nothing' WHERE event = 'paused'; "
             "RESET session_replication_role")
    code, lines, error = doveadm(host, "verify")
    assert (code, error) == (1, "")
    assert lines[0].startswith("chain %s seq %d (" % (chain, seq))
    assert lines[0].endswith("paused): altered: personal columns, or their "
                             "salt")
    code, lines, error = doveadm(host, "verify", "--until", "2020-01-01")
    assert (code, error) == (0, "")


def test_rows(host):
    retrieve(host)
    (chain,), = host.sql("SELECT chain_id::text FROM pop3.chain")
    names = ["chain", "first", "last", "time", "event", "result", "text"]
    done = host.run("doveadm", "-f", "tab", "pop3-policy", "verify")
    header, line = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert header.split("\t") == names
    assert line.split("\t")[:-1] == [chain, "", "", "", "", "verified"]
    assert line.endswith(" 0 found")

    host.sql("INSERT INTO pop3.audit (chain_id, seq, event) "
             "SELECT chain_id, last_seq + 7, E'a\\tb\\\\c' FROM pop3.chain")
    host.sql("SET session_replication_role = replica; "
             "DELETE FROM pop3.audit WHERE event IN ('intent', 'committed')")
    done = host.run("doveadm", "-f", "json", "pop3-policy", "verify")
    assert (done.returncode, done.stderr) == (1, "")
    rows = json.loads(done.stdout)
    assert all(list(row) == names for row in rows)
    found = [row for row in rows if row["result"] == "found"]
    assert [(row["first"], row["last"], row["text"]) for row in found
            if row["text"] == "removed"] == [("1", "2", "removed")]
    assert [row["event"] for row in found if row["text"] != "removed"][0] == \
        "a\tb\\c"
    assert {row["chain"] for row in rows} == {chain}
    assert rows[-1]["result"] == "verified"
    assert rows[-1]["text"].endswith(" %d found" % len(found))
    # the same in words
    code, lines, _ = doveadm(host, "verify")
    assert code == 1 and len(lines) == len(rows)
    assert lines[0].startswith("chain %s seq 1 to 2 (about %s): removed" % (
        chain, found[0]["time"]))

    done = host.run("doveadm", "-f", "json", "pop3-policy", "verify", "-i",
                    "x")
    assert done.returncode == 64 and "x is no chain" in done.stderr
    assert "chain" not in done.stdout


def test_usage(host):
    code, _, error = doveadm(host, "verify", "--chain", "x")
    assert code == 64 and "x is no chain" in error
    code, _, error = doveadm(host, "verify", "--config", "/nonexistent")
    assert code == 64 and "/nonexistent" in error
    other = host.path("other.key")
    with open(other, "w") as file:
        file.write("x\n")
    code, _, error = doveadm(host, "verify", "--key-file", other)
    assert code == 64 and other in error


def test_keys_stay_the_services_own(host):
    retrieve(host)
    found = subprocess.run(["find", host.path("."), "-name", "audit.key"],
                           stdout=subprocess.PIPE, text=True, check=True)
    path = found.stdout.strip()
    before = os.stat(path)
    with open(path) as file:
        keys = file.read()
    assert doveadm(host, "rotate-key")[0] == 0
    after = os.stat(path)
    assert (after.st_uid, after.st_gid, after.st_mode) == (
        before.st_uid, before.st_gid, before.st_mode)
    with open(path) as file:
        text = file.read()
    assert text.startswith(keys) and len(text.splitlines()) == 2
    assert not [n for n in os.listdir(os.path.dirname(path))
                if n.startswith("audit.key.")]
    # not one that others can read
    os.chmod(path, 0o644)
    code, _, error = doveadm(host, "rotate-key")
    assert code == 75 and "can be read" in error
    os.chmod(path, 0o600)
