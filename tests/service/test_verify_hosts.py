# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What verify says of services: of two hosts, with several keys, of an older
version, while they write; and of what retention dropped."""

import os
import re
import uuid

import pytest

from servicehost import wait_until
from tamper import Copy

USER = "jane@example.org"


@pytest.fixture
def verified():
    """verified(service): a Copy that is the service's own database."""
    copies = []

    def make(service):
        copy = Copy(service.pg, service.dbname,
                    files=service.path("state", "pop3-policy"))
        copies.append(copy)
        return copy
    yield make
    for copy in copies:
        copy.remove_files()


def write(service, count, user=USER):
    client = service.client()
    before = service.value("SELECT count(*) FROM pop3.session")
    for _ in range(count):
        session = os.urandom(16).hex()
        login = client.login(user, session)
        client.intent(user, session, login["version"], [1, 2])
        client.session(user, session, login["now"], fetched="1", retr=1)
    wait_until(lambda: service.value("SELECT count(*) FROM pop3.session") ==
               before + count, "sessions")
    client.close()


def restart(service):
    """It is waited for by what it logs."""
    service.stop()
    os.unlink(service.path("dovecot.log"))
    return service.start()


def test_two_hosts(make_service, verified):
    """Each has a key of its own; to verify all takes both."""
    first = make_service()
    second = make_service(pg=first.pg, dbname=first.dbname)
    write(first, 3)
    write(second, 4)
    first.stop()
    second.stop()
    copy, other = verified(first), verified(second)
    code, findings, _ = copy.verify()
    assert code == 1
    assert {re.match("cannot be verified: key [0-9a-f]{16} is not known", f[3])
            is not None for f in findings} == {True}
    chains = {f[0] for f in findings}
    assert len(chains) == 1
    code, findings, summaries = copy.verify("--key-file", other.key_file)
    assert (code, findings) == (0, [])
    assert len(summaries) == 2
    # each for itself
    own = (set(summaries) - chains).pop()
    assert copy.verify("--chain", own)[:2] == (0, [])
    assert other.verify("--chain", chains.pop())[:2] == (0, [])
    # a host that has no key of its own
    os.unlink(copy.key_file)
    own_keys = verified(first).key_file
    assert copy.verify("--key-file", own_keys,
                       "--key-file", other.key_file)[:2] == (0, [])


def test_keys_are_rotated(make_service, verified):
    service = make_service()
    for _ in range(3):
        write(service, 2)
        service.stop()
        copy = verified(service)
        # of the service's own file
        copy.configure(state_dir=service.path("state", "pop3-policy"))
        done = copy.call("--rotate-key")
        assert (done.returncode, done.stderr) == (0, "")
        assert " is used from now on" in done.stdout
        restart(service)
    write(service, 2)
    service.stop()
    copy = verified(service)
    assert copy.value("SELECT count(DISTINCT key_id) FROM pop3.seal") == 4
    code, findings, summaries = copy.verify()
    assert (code, findings) == (0, [])
    # without the first of them
    with open(copy.key_file) as file:
        keys = file.read().splitlines(True)
    with open(copy.key_file, "w") as file:
        file.writelines(keys[1:])
    code, findings, _ = copy.verify()
    assert code == 1
    assert {f[3] for f in findings} == {
        "cannot be verified: key %s is not known" % keys[0].split()[0]}


def test_an_older_service_did_not_seal(make_service, verified):
    """Its chain goes on with seals."""
    service = make_service()
    service.stop()
    chain = str(uuid.uuid4())
    service.sql("INSERT INTO pop3.chain (chain_id, service_schema, last_batch, "
                "last_seq) VALUES (%s, 2, 3, 3); "
                "INSERT INTO pop3.audit (chain_id, seq, event) "
                "SELECT %s, n, 'gone' FROM generate_series(1, 3) n",
                (chain, chain))
    with open(service.path("state", "pop3-policy", "chain"), "w") as file:
        file.write(chain + "\n")
    restart(service)
    write(service, 2)
    service.stop()
    copy = verified(service)
    code, findings, summaries = copy.verify()
    assert (code, findings) == (0, [])
    assert ", 3 not sealed (seq 1 to 3)" in summaries[chain]
    # one of them is missing
    copy.run("DELETE FROM pop3.audit WHERE seq = 2")
    assert copy.verify()[1] == [(chain, 2, 2,
                                 "removed, of rows that are not sealed")]
    service.sql("INSERT INTO pop3.audit (chain_id, seq, event) "
                "VALUES (%s, 2, 'gone')", (chain,))
    # and seals of sealed ones are not taken for that
    copy.run("DELETE FROM pop3.seal WHERE first_seq = (SELECT min(first_seq) "
             "FROM pop3.seal)")
    text = [f[3] for f in copy.verify()[1]]
    assert len(text) == 1 and text[0].startswith("removed: their seal (")
    # the checks at the end of the test would say the same
    service.sql("SET session_replication_role = replica; "
                "DELETE FROM pop3.audit; DELETE FROM pop3.session; "
                "DELETE FROM pop3.seal; DELETE FROM pop3.chain; "
                "RESET session_replication_role")


def test_while_it_writes(make_service, verified):
    service = make_service()
    write(service, 2)
    client = service.client()
    copy = verified(service)
    copy.configure(state_dir=service.path("state", "pop3-policy"))
    for n in range(300):
        session = os.urandom(16).hex()
        login = client.login(USER, session)
        client.intent(USER, session, login["version"], [n + 1])
        if n % 50 == 0:
            assert copy.verify()[:2] == (0, [])
    client.login(USER, os.urandom(16).hex())


def drop_before(copy, at):
    """As pop3.drop_days() does with whole days."""
    for table, column, seq in (("audit", "at", "seq"),
                               ("session", "started_at", "seq"),
                               ("seal", "at", "last_seq")):
        detail = copy.value(
            "SELECT '%s_20260101: ' || coalesce(sum(n), 0) || ' rows, ' || "
            "string_agg('chain ' || chain_id || ' up to seq ' || top, '; ') "
            "FROM (SELECT chain_id, count(*) AS n, max(%s) AS top "
            "FROM pop3.%s WHERE %s < '%s' GROUP BY 1) x" % (
                table, seq, table, column, at))
        copy.run("DELETE FROM pop3.%s WHERE %s < '%s'" % (table, column, at))
        copy.rows("INSERT INTO pop3.audit (event, detail) "
                  "VALUES ('retention', %s)", (detail,))


def test_retention(make_service, verified):
    service = make_service()
    write(service, 5)
    service.stop()
    # sessions are dated by the service, which may be late by a little
    at = service.value("SELECT (max(at) + interval '1 ms')::text "
                       "FROM pop3.seal")
    restart(service)
    write(service, 5)
    service.stop()
    copy = verified(service)
    chain, = copy.rows("SELECT chain_id::text FROM pop3.chain")[0]
    last = copy.value("SELECT max(last_seq) FROM pop3.seal WHERE at < %s",
                      (at,))
    drop_before(copy, at)
    code, findings, summaries = copy.verify()
    assert (code, findings) == (0, [])
    assert ", %d dropped by retention" % last in summaries[chain]
    # one more than was dropped
    copy.run("DELETE FROM pop3.audit WHERE seq = (SELECT min(seq) FROM "
             "pop3.audit)")
    (_, first, _, text), = copy.verify()[1]
    assert first > last and text == "removed"
    # without the rows that say so it would be tampering
    copy.run("DELETE FROM pop3.audit WHERE event = 'retention'")
    assert any(f[3].startswith("removed, with their seals: the beginning")
               for f in copy.verify()[1])
    # not checked at the end
    copy.run("DELETE FROM pop3.audit", "DELETE FROM pop3.session",
             "DELETE FROM pop3.seal", "DELETE FROM pop3.chain")


def test_all_days_dropped(make_service, verified):
    """By pop3.drop_days() itself: today, too."""
    service = make_service()
    write(service, 3)
    service.stop()
    copy = verified(service)
    last = copy.value("SELECT last_seq FROM pop3.chain")
    copy.run("ALTER TABLE pop3.control DROP CONSTRAINT retention_days_allowed",
             "UPDATE pop3.control SET retention_days = -1",
             "INSERT INTO pop3.rolled_up (day) SELECT current_date - 1 + n "
             "FROM generate_series(0, 3) n ON CONFLICT DO NOTHING")
    assert copy.value("SELECT pop3.drop_days()") >= 3
    assert copy.value("SELECT count(*) FROM pop3.seal") == 0
    code, findings, (summary, *_) = *copy.verify()[:2], list(
        copy.verify()[2].values())
    assert (code, findings) == (0, [])
    assert "%d dropped by retention" % last in summary
    copy.run("DELETE FROM pop3.chain")
