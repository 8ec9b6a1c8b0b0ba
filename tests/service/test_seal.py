# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Seals: the key, checkpoints, and what may go wrong while a batch is sealed.
Whether rows are sealed is checked after every test, see seals.py."""

import contextlib
import os
import re
import shutil
import stat
import time
import uuid

import pytest

import seals
from servicehost import TOP, wait_until
from test_queue import POISON, POISON_TRIGGER, did_something

USER = "jane@example.org"
AWAY = "The database cannot be used"
NEW_KEY = bytes(range(32))


def state(service, *names):
    return service.path("state", "pop3-policy", *names)


def key_ids(service):
    return [row[0] for row in service.sql(
        "SELECT key_id FROM pop3.seal ORDER BY first_seq")]


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


def key_line(key):
    return "%s %s\n" % (seals.key_id(key), key.hex())


# --- the key ---

def test_a_key_is_made(service, client, new_session):
    path = state(service, "audit.key")
    status = os.stat(path)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == os.stat(state(service)).st_uid
    (key,) = seals.read_keys(path).items()
    assert key[0] == seals.key_id(key[1]) and len(key[1]) == 32
    assert service.log_contains("Made the key %s in %s" % (key[0], path))
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    assert key_ids(service) == [key[0]]
    (digits,) = re.findall(" (.*)", open(path).read())
    assert not service.log_contains(digits)


def test_keys_differ(make_service):
    keys = [seals.read_keys(state(make_service(), "audit.key"))
            for _ in range(2)]
    assert not set(keys[0]) & set(keys[1])


def test_the_key_stays(service, new_session):
    path = state(service, "audit.key")
    before = open(path).read()
    client = service.client()
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    client.close()
    service.stop()
    service.start()
    service.wait_log("The database can be used", 2)
    did_something(service.client(), new_session())
    service.wait_sessions(USER, 2)
    assert open(path).read() == before
    assert len(set(key_ids(service))) == 1


def test_key_file(make_service, new_session):
    """Elsewhere, with an older key, comments and an empty line."""
    old = bytes(reversed(range(32)))
    service = make_service(wait=False, settings={
        "key_file": "/nonexistent/audit.key"})
    service.expect("/nonexistent", "startup failed")
    path = service.path("elsewhere.audit.key")
    with open(path, "w") as file:
        file.write(key_line(old) + "\n# the newer\n" + key_line(NEW_KEY))
    os.chmod(path, 0o600)
    shutil.chown(path, "dovecot", "dovecot")
    service.settings["key_file"] = path
    service.write_settings()
    service.wait_log("The database can be used")
    did_something(service.client(), new_session())
    service.wait_sessions(USER, 1)
    assert key_ids(service) == [seals.key_id(NEW_KEY)]
    assert not os.path.exists(state(service, "audit.key"))
    # the check after the test reads a file of this name
    shutil.move(path, service.path("audit.key"))
    with open(service.path("audit.key"), "w") as file:
        file.write(key_line(NEW_KEY))


GOOD = key_line(NEW_KEY)


@pytest.mark.parametrize("text,mode,why", [
    (GOOD, 0o640, r"can be read or written by others \(mode 0640\)"),
    (GOOD, 0o604, r"can be read or written by others \(mode 0604\)"),
    (GOOD, 0o602, r"can be read or written by others \(mode 0602\)"),
    ("", 0o600, "has no key"),
    ("\n# nothing\n", 0o600, "has no key"),
    (GOOD.rstrip("\n"), 0o600, "has no key"),
    (GOOD + "\n" + GOOD[:-2] + "\n", 0o600,
     "line 3: it is not an id, a blank and 64 hexadecimal digits"),
    (GOOD[:-2] + "x\n", 0o600, "line 1: it is not an id"),
    (GOOD[17:], 0o600, "line 1: it is not an id"),
    (GOOD.replace("00", "01"), 0o600,
     "line 1: id and key do not belong together"),
    ("0" + GOOD, 0o600, "line 1: id and key do not belong together")])
def test_a_key_file_that_is_refused(make_service, text, mode, why):
    service = make_service(wait=False, settings={
        "key_file": "/nonexistent/audit.key"})
    service.expect("/nonexistent", "startup failed", "Fatal")
    path = service.path("a.key")
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    shutil.chown(path, "dovecot", "dovecot")
    service.settings["key_file"] = path
    service.write_settings()
    service.wait_log("Fatal: %s.*%s" % (re.escape(path), why))
    assert not service.log_contains(NEW_KEY.hex()[:40])


def test_a_new_key(service, client, new_session):
    """Once its line is whole."""
    path = state(service, "audit.key")
    (first,) = seals.read_keys(path)
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    line = key_line(NEW_KEY)
    append(path, line[:30])
    number = 1
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        number += 1
        did_something(client, new_session())
        service.wait_sessions(USER, number)
    assert set(key_ids(service)) == {first}
    append(path, line[30:])

    def used():
        did_something(client, new_session())
        return seals.key_id(NEW_KEY) in key_ids(service)

    wait_until(used, "the new key")
    assert service.log_contains("Sealing with the key %s from now on, instead "
                                "of %s" % (seals.key_id(NEW_KEY), first))


def test_a_key_file_that_is_spoiled(service, client, new_session):
    """What it has goes on, and it is said once."""
    service.expect("The keys cannot be read again")
    path = state(service, "audit.key")
    (first,) = seals.read_keys(path)
    good = open(path).read()
    append(path, "nonsense\n")

    def complained(times):
        did_something(client, new_session())
        return len(service.log_lines("The keys cannot be read again, the key "
                                     "%s goes on: .* line 2" % first)) == times

    wait_until(lambda: complained(1), "the complaint")
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert complained(1)
    os.unlink(path)
    wait_until(lambda: service.log_contains("goes on: open.*No such file") or
               complained(2), "the second complaint")
    with open(path, "w") as file:
        file.write(good)
    os.chmod(path, 0o600)
    shutil.chown(path, "dovecot", "dovecot")
    did_something(client, new_session())
    assert service.audit(USER) == []


# --- while a batch is sealed ---

@contextlib.contextmanager
def no_seals(service):
    """Seals have to wait meanwhile."""
    with contextlib.closing(service.pg.connect(
            dbname=service.dbname, autocommit=False)) as lock:
        lock.cursor().execute("LOCK TABLE pop3.seal IN EXCLUSIVE MODE")
        yield
        lock.rollback()


def waiting(service):
    return service.value(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
        "'%chain_seal%' AND wait_event_type = 'Lock' "
        "AND datname = current_database()")


def test_seals_that_cannot_be_written(service, client, new_session):
    """Nothing is committed without; it is tried again until it is."""
    session = new_session()
    login = client.login(USER, session)
    with no_seals(service):
        for _ in range(5):
            did_something(client, new_session())
        wait_until(lambda: waiting(service), "a seal to wait")
        # longer than lock_timeout: another try
        pid = service.value("SELECT pid FROM pg_stat_activity WHERE "
                            "application_name = 'pop3-policy writer' AND "
                            "datname = current_database()")
        time.sleep(1.2)
        wait_until(lambda: waiting(service), "a seal to wait again")
        assert service.value("SELECT count(*) FROM pop3.session") == 0
        number = client.send("INTENT", [("message", {
            "uid": 7, "guid": "0" * 32, "size": 1, "action": "expunge",
            "reason": "dele"})], user=USER, session=session, no=1,
            version=login["version"], guid="1" * 32, uidvalidity=1)
    assert client.receive(number)["lease"] == "60"
    service.wait_sessions(USER, 5)
    # on the same connection, without refusing anything
    assert pid == service.value(
        "SELECT pid FROM pg_stat_activity WHERE application_name = "
        "'pop3-policy writer' AND datname = current_database()")


def test_connection_lost_while_sealing(service, client, new_session):
    service.expect(AWAY)
    with no_seals(service):
        for _ in range(5):
            did_something(client, new_session())
        wait_until(lambda: waiting(service), "a seal to wait")
        service.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'pop3-policy writer' AND "
                    "datname = current_database()")
        service.wait_log(AWAY)
    service.wait_sessions(USER, 5)


def test_killed_while_sealing(service, new_session):
    """The next one goes on from the last MAC that is durable."""
    service.expect("killed with signal 9")
    client = service.client()
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    with no_seals(service):
        did_something(client, new_session())
        wait_until(lambda: waiting(service), "a seal to wait")
        service.kill()
        wait_until(lambda: not waiting(service), "the server to notice")
    client = service.client()
    did_something(client, new_session())
    wait_until(lambda: service.value(
        "SELECT count(*) FROM pop3.seal") >= 2, "a seal")


def test_poison_among_many(service, client, new_session):
    """Batches are halved to find it; the quarantine is sealed, too."""
    service.expect("goes to pop3.quarantine")
    service.sql(POISON_TRIGGER.format(table="pop3.session"))
    for number in range(40):
        did_something(client, new_session(), uid=number + 1)
        if number % 10 == 5:
            did_something(client, new_session(), POISON)
    service.wait_sessions(USER, 40)
    wait_until(lambda: service.value(
        "SELECT count(*) FROM pop3.quarantine") == 4, "the quarantine")


def test_many_rows_in_one_record(service, client, new_session):
    session = new_session()
    login = client.login(USER, session)
    for number, count in ((1, 5000), (2, 1), (3, 4096)):
        client.intent(USER, session, login["version"],
                      range(1, count + 1), no=number)
    assert service.sql(
        "SELECT last_seq - first_seq + 1 FROM pop3.seal ORDER BY first_seq") \
        == [(5000,), (1,), (4096,)]


def test_rows_that_cannot_be_sealed(service, client, new_session):
    """They are written, and it is said."""
    service.expect("cannot be sealed")
    service.altered = True
    service.sql("ALTER FUNCTION pop3.chain_rows(uuid, bigint, bigint, float8, "
                "uuid[], float8[]) RENAME TO rows_of")
    service.sql("CREATE FUNCTION pop3.chain_rows(uuid, bigint, bigint, float8, "
                "uuid[], float8[]) RETURNS TABLE (seq bigint, kind text, "
                "public text[], personal text[]) LANGUAGE sql SECURITY DEFINER "
                "AS $$ SELECT seq, 'X', public, personal "
                "FROM pop3.rows_of($1, $2, $3, $4, $5, $6) $$; "
                "GRANT EXECUTE ON FUNCTION pop3.chain_rows(uuid, bigint, "
                "bigint, float8, uuid[], float8[]) TO pop3_service")
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    service.wait_log("Rows 1 to 1 of chain .* cannot be sealed: a row of an "
                     "unknown kind")
    assert key_ids(service) == []
    service.sql("CREATE OR REPLACE FUNCTION pop3.chain_rows(uuid, bigint, "
                "bigint, float8, uuid[], float8[]) RETURNS TABLE (seq bigint, "
                "kind text, public text[], personal text[]) LANGUAGE sql "
                "SECURITY DEFINER AS $$ SELECT * "
                "FROM pop3.rows_of($1, $2, $3, $4, $5, $6) LIMIT 0 $$")
    did_something(client, new_session())
    service.wait_log("0 rows were found for 1 numbers")
    service.wait_sessions(USER, 2)


# --- checkpoints ---

def checkpoints(service):
    (name,) = [n for n in os.listdir(state(service))
               if n.startswith("checkpoints.")]
    with open(state(service, name)) as file:
        return name.partition(".")[2], [line.split() for line in file]


def head(service):
    return service.sql("SELECT chain_id::text, last_seq, "
                       "encode(last_mac, 'hex') FROM pop3.chain")[0]


def test_checkpoints(service, new_session):
    """The first, one within a minute or 1000 rows, and the last."""
    client = service.client()
    before = int(time.time())
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    chain, seq, mac = head(service)
    wait_until(lambda: os.path.exists(state(service, "checkpoints." + chain)),
               "the first checkpoint")
    wait_until(lambda: checkpoints(service)[1], "its line")
    name, ((at, noted_seq, noted_mac),) = checkpoints(service)
    assert (name, int(noted_seq), noted_mac) == (chain, seq, mac)
    assert before - 1 <= int(at) <= time.time() + 1
    assert stat.S_IMODE(os.stat(state(service, "checkpoints." + chain))
                        .st_mode) == 0o600
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], range(1, 1001))
    wait_until(lambda: len(checkpoints(service)[1]) == 2, "1000 rows' line")
    assert tuple(checkpoints(service)[1][1][1:]) == \
        tuple(map(str, head(service)[1:]))
    did_something(client, new_session())
    service.wait_sessions(USER, 2)
    assert len(checkpoints(service)[1]) == 2
    client.close()
    service.stop()
    lines = checkpoints(service)[1]
    assert len(lines) == 3
    assert tuple(lines[2][1:]) == tuple(map(str, head(service)[1:]))


@pytest.mark.parametrize("rest", [
    "1767225600 2 00ff", "\0" * 100, "\0" * 128, "\0" * 1000],
    ids=["cut-off", "zeros", "zeros-128", "zeros-1000"])
def test_a_checkpoint_that_was_cut_off(service, new_session, rest):
    """As by a full disk, or a host that lost its power: the next one takes its
    place."""
    client = service.client()
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    chain = head(service)[0]
    wait_until(lambda: os.path.exists(state(service, "checkpoints." + chain)),
               "the first checkpoint")
    append(state(service, "checkpoints." + chain), rest)
    did_something(client, new_session())
    service.wait_sessions(USER, 2)
    client.close()
    service.stop()
    lines = checkpoints(service)[1]
    assert len(lines) == 2
    assert tuple(lines[1][1:]) == tuple(map(str, head(service)[1:]))


def test_checkpoints_that_cannot_be_written(service, client, new_session):
    service.expect(r"checkpoints\.\S+\) failed")
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    path = state(service, "checkpoints." + head(service)[0])
    wait_until(lambda: os.path.exists(path), "the first checkpoint")
    os.unlink(path)
    os.mkdir(path)
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], range(1, 1001))
    service.wait_log(r"write\(%s\) failed: .*; the end of the chain cannot be "
                     "verified without it" % re.escape(path))


# --- the description ---

def test_the_worked_example():
    """The values in doc/audit.md."""
    with open(os.path.join(TOP, "doc", "audit.md")) as file:
        text = file.read()
    found = dict(re.findall(r"(?m)^    (\w[\w ]*?) = (.*)$", text))
    key = bytes.fromhex(found["key"])
    chain = uuid.UUID(found["chain_id"])
    assert found["key id"] == seals.key_id(key)
    prev = bytes(32)
    for seq, kind in ((1, "A"), (2, "S")):
        def value(name):
            return found["%s %d" % (name, seq)]

        def columns(name, names):
            values = dict(re.findall(r"(?m)^    %d (\w+): (.*)$" % seq, text))
            return [None if values[c] == "NULL" else
                    values[c].replace("''", "") for c in names]

        public, personal = (columns(kind, names)
                            for names in seals.KINDS[kind])
        assert seals.form(public).decode() == value("public form")
        assert seals.form(personal).decode() == value("personal form")
        digest = seals.digest(bytes.fromhex(value("salt")), personal)
        assert digest.hex() == value("digest")
        prev = seals.mac(key, prev, chain, seq, kind, public, digest)
        assert prev.hex() == value("MAC")
    with open(os.path.join(TOP, "src", "service",
                           "test-pop3-policy-chain.c")) as file:
        assert prev.hex() in file.read(), "the same as in the unit test"
