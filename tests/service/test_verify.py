# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What verify finds. A service writes a history, in two chains; each test
tampers with a copy of it, as a superuser who goes around triggers, and verify
has to name what was done, and nothing else."""

import itertools
import os
import re
import shutil

import pytest

from servicehost import ServiceHost
from tamper import Copy

ANNA, BERTA, CARL = ("%s@example.org" % n for n in ("anna", "berta", "carl"))

_numbers = itertools.count(1)


def write_history(service, new_session):
    """Sessions, removals, a session that was lost and found, refusals, in some
    dozens of batches."""
    client = service.client()
    expected = 0
    for round in range(6):
        for user in (ANNA, BERTA, CARL):
            session = new_session()
            login = client.login(user, session, rip="192.0.2.7",
                                 dsession="d%d" % round, device="phone")
            uids = [10 * round + n for n in (1, 2, 3)]
            client.intent(user, session, login["version"], uids,
                          rip="192.0.2.7", device="phone")
            client.outcome(user, session)
            client.session(user, session, login["now"], fetched="1:3", retr=3,
                           removed="%d:%d" % (uids[0], uids[2]),
                           device="phone")
            expected += 1
            service.wait_sessions(user, round + 1)
    session = new_session()
    login = client.login(ANNA, session, rip="192.0.2.9")
    client.close()
    service.wait_sessions(ANNA, 7)
    client = service.client()
    client.session(ANNA, session, login["now"], fetched="1", retr=1,
                   retrieved=[(1, "none")])
    client.login(ANNA, new_session())
    # one that is long enough for the numbers of its seal
    session = new_session()
    login = client.login(BERTA, session)
    client.intent(BERTA, session, login["version"], range(100, 120))
    client.outcome(BERTA, session)
    client.login(BERTA, new_session())


@pytest.fixture(scope="module")
def history(postgres):
    """(template, directory of the service's files). One service writes after
    the other, each in a chain of its own."""
    # no connection stays with a template
    dbname = "template_history"
    postgres.create_database(dbname, "template_pop3")
    host = ServiceHost(postgres, dbname)
    try:
        host.start()
        write_history(host, lambda: os.urandom(16).hex())
        host.stop()
        # its second chain
        state = host.path("state", "pop3-policy")
        os.rename(os.path.join(state, "chain"), os.path.join(state, "kept"))
        os.unlink(host.path("dovecot.log"))
        host.start()
        write_history_again(host)
        host.stop()
        os.unlink(os.path.join(state, "chain"))
        os.rename(os.path.join(state, "kept"), os.path.join(state, "chain"))
        yield dbname, state
    finally:
        host.cleanup()
        postgres.drop_database(dbname)


def write_history_again(host):
    client = host.client()
    for round in range(3):
        session = os.urandom(16).hex()
        login = client.login(CARL, session)
        client.session(CARL, session, login["now"], fetched="1", retr=1)
        client.login(CARL, os.urandom(16).hex())
    host.wait_sessions(CARL, 9)


@pytest.fixture
def copy(postgres, history):
    copy = Copy(postgres, "verify%d" % next(_numbers), *history)
    row = copy.rows("SELECT chain_id::text, last_seq FROM pop3.chain "
                    "ORDER BY last_seq DESC")
    (copy.chain, copy.last), (copy.other, copy.other_last) = row
    yield copy
    copy.cleanup()


def audit(copy, event="intent", nth=3):
    """The number of an audit row in the middle, and its batch's."""
    return copy.rows(
        "SELECT a.seq, s.first_seq, s.last_seq FROM pop3.audit a "
        "JOIN pop3.seal s ON s.chain_id = a.chain_id "
        "AND a.seq BETWEEN s.first_seq AND s.last_seq "
        "WHERE a.chain_id = %s AND a.event = %s ORDER BY a.seq "
        "OFFSET %s LIMIT 1", (copy.chain, event, nth))[0]


def where(copy, seq):
    return "chain_id = '%s' AND seq = %d" % (copy.chain, seq)


def found(copy, *args):
    code, findings, _ = copy.verify(*args)
    assert code == (1 if findings else 0)
    return findings


def one(copy, seq, text, last=None, chain=None):
    """Verify finds this, and nothing else."""
    findings = found(copy)
    assert findings == [(chain or copy.chain, seq, last or seq, text)]
    return findings[0]


# --- clean ---

def test_nothing_is_found(copy):
    code, findings, summaries = copy.verify()
    assert (code, findings) == (0, [])
    assert set(summaries) == {copy.chain, copy.other}
    assert summaries[copy.chain].startswith("%d rows verified" % copy.last)
    assert summaries[copy.other].startswith("%d rows " % copy.other_last)
    assert all(s.endswith(" 0 found") for s in summaries.values())
    assert copy.last > 100 and copy.value(
        "SELECT count(*) FROM pop3.seal") > 40
    assert copy.value("SELECT count(*) FROM pop3.session_lost") == 1


def test_a_part_of_it(copy):
    assert found(copy, "--since", "2020-01-01") == []
    half = copy.value("SELECT (min(at) + (max(at) - min(at)) / 2)::text "
                      "FROM pop3.seal")
    code, findings, first = copy.verify("--until", half)
    assert (code, findings) == (0, [])
    code, findings, second = copy.verify("--since", half)
    assert (code, findings) == (0, [])

    def rows(summaries):
        return sum(int(re.match("[0-9]+", s)[0]) for s in summaries.values())
    assert rows(first) > 20 and rows(second) > 20
    assert rows(first) + rows(second) == copy.last + copy.other_last
    code, findings, summaries = copy.verify("--chain", copy.other)
    assert (code, findings, list(summaries)) == (0, [], [copy.other])


@pytest.mark.parametrize("change", ["removed", "elsewhere"])
def test_seals_at_the_beginning_of_a_part(copy, change):
    """Nobody takes an altered row out of what is looked at each day."""
    half = copy.value("SELECT (min(at) + (max(at) - min(at)) / 2)::text "
                      "FROM pop3.seal")
    numbers = copy.rows(
        "SELECT first_seq, last_seq FROM pop3.seal WHERE chain_id = %s "
        "AND at >= %s ORDER BY first_seq LIMIT 3", (copy.chain, half))
    first, last = numbers[0][0], numbers[-1][1]
    copy.run("UPDATE pop3.audit SET uid = 7777 WHERE " + where(copy, first),
             ("DELETE FROM pop3.seal" if change == "removed" else
              "UPDATE pop3.seal SET at = at - interval '30 days'") +
             " WHERE chain_id = '%s' AND first_seq BETWEEN %d AND %d" % (
                 copy.chain, first, last))
    findings = found(copy, "--since", half)
    if change == "removed":
        (chain, begin, end, text), = findings
        assert (chain, begin, end) == (copy.chain, first, last)
        assert text.startswith("removed: their seal (")
    else:
        late = "altered: the time of its seal, which is before its own"
        assert findings[0] == (copy.chain, first, first, late)
        assert {f[3] for f in findings} == {late}
        assert found(copy)[0] == (copy.chain, first, first,
                                  "altered: public columns")


def test_all_seals_of_a_part_removed(copy):
    half = copy.value("SELECT (min(at) + (max(at) - min(at)) / 2)::text "
                      "FROM pop3.seal")
    first = copy.value("SELECT min(first_seq) FROM pop3.seal WHERE "
                       "chain_id = %s AND at >= %s", (copy.chain, half))
    copy.run("DELETE FROM pop3.seal WHERE at >= '%s'" % half)
    findings = [f for f in found(copy, "--since", half)
                if f[0] == copy.chain]
    assert (copy.chain, first, copy.last) in [f[:3] for f in findings]
    # the head, too
    copy.run("UPDATE pop3.chain SET last_seq = %d, last_mac = (SELECT "
             "substring(macs FROM octet_length(macs) - 31) FROM pop3.seal "
             "WHERE chain_id = '%s' ORDER BY first_seq DESC LIMIT 1) "
             "WHERE chain_id = '%s'" % (first - 1, copy.chain, copy.chain))
    findings = [f for f in found(copy, "--since", half)
                if f[0] == copy.chain]
    assert any("checkpoint" in f[3] for f in findings)


def test_nothing_in_a_part(copy):
    assert found(copy, "--since", "tomorrow") == []
    assert found(copy, "--until", "2020-01-01") == []


# --- rows ---

def test_public_column_altered(copy):
    seq, _, _ = audit(copy)
    copy.run("UPDATE pop3.audit SET reason = 'retrieved' WHERE " +
             where(copy, seq))
    finding = one(copy, seq, "altered: public columns")
    assert finding.what.endswith(", intent")


@pytest.mark.parametrize("change", [
    "uid = uid + 1", "message_guid = NULL", "size = 0", "intent_no = 2",
    "event = 'committed'", "action = 'hide'", "uidvalidity = 2",
    "mailbox_guid = gen_random_uuid()", "session_id = gen_random_uuid()"])
def test_each_public_column(copy, change):
    seq, _, _ = audit(copy)
    copy.run("UPDATE pop3.audit SET %s WHERE %s" % (change, where(copy, seq)))
    one(copy, seq, "altered: public columns")


@pytest.mark.parametrize("change", [
    "username = '%s'" % ANNA, "auth_user = 'x'", "dovecot_session = 'x'",
    "remote_address = '192.0.2.1'", "device = ''", "uidl = 'x'",
    "message_id = NULL", "moved_to = 'Trash'", "detail = 'x'",
    "scope = '@example.org'"])
def test_each_personal_column(copy, change):
    seq, _, _ = audit(copy)
    copy.run("UPDATE pop3.audit SET %s WHERE %s" % (change, where(copy, seq)))
    one(copy, seq, "altered: personal columns, or their salt")


def test_time_altered(copy):
    seq, _, _ = audit(copy)
    before = copy.value("SELECT to_char(at, 'YYYY-MM-DD HH24:MI:SS.US') "
                        "FROM pop3.audit WHERE " + where(copy, seq))
    copy.run("UPDATE pop3.audit SET at = at + interval '1 hour' WHERE " +
             where(copy, seq))
    one(copy, seq, "altered: its time, which was " + before)


def test_time_altered_to_another_day(copy):
    """Also where only the days of the batch are looked at."""
    seq, _, _ = audit(copy)
    copy.run("UPDATE pop3.audit SET at = at - interval '20 days' WHERE " +
             where(copy, seq))
    for args in ((), ("--since", "2020-01-01", "--until", "tomorrow"),
                 ("--since", "yesterday")):
        (_, first, _, text), = found(copy, *args)
        assert first == seq and text.startswith("altered: its time, which was")


def test_row_removed_in_the_middle(copy):
    seq, _, _ = audit(copy)
    copy.run("DELETE FROM pop3.audit WHERE " + where(copy, seq))
    assert one(copy, seq, "removed").what.startswith("about ")


def test_rows_removed(copy):
    _, first, last = audit(copy)
    assert last > first
    copy.run("DELETE FROM pop3.audit WHERE chain_id = '%s' AND seq BETWEEN "
             "%d AND %d" % (copy.chain, first, last))
    one(copy, first, "removed", last)


def test_row_removed_at_the_beginning(copy):
    copy.run("DELETE FROM pop3.audit WHERE " + where(copy, 1))
    one(copy, 1, "removed")


def test_rows_removed_at_the_beginning_with_their_seals(copy):
    last = copy.value("SELECT last_seq FROM pop3.seal WHERE chain_id = %s "
                      "ORDER BY first_seq OFFSET 4 LIMIT 1", (copy.chain,))
    copy.run(*("DELETE FROM pop3.%s WHERE chain_id = '%s' AND %s <= %d" % (
        table, copy.chain, column, last) for table, column in (
            ("audit", "seq"), ("session", "seq"), ("seal", "last_seq"))))
    one(copy, 1, "removed, with their seals: the beginning of the chain is "
        "missing", last)


def truncate(copy, head=True, checkpoints=False):
    """The last five batches, without a trace in the database."""
    first, mac = copy.rows(
        "SELECT first_seq, encode(prev_mac, 'hex') FROM pop3.seal "
        "WHERE chain_id = %s ORDER BY first_seq DESC OFFSET 4 LIMIT 1",
        (copy.chain,))[0]
    copy.run(*("DELETE FROM pop3.%s WHERE chain_id = '%s' AND %s >= %d" % (
        table, copy.chain, column, first) for table, column in (
            ("audit", "seq"), ("session", "seq"), ("session_lost", "seq"),
            ("seal", "first_seq"))))
    if head:
        copy.run("UPDATE pop3.chain SET last_seq = %d, "
                 "last_mac = decode('%s', 'hex') WHERE chain_id = '%s'" % (
                     first - 1, mac, copy.chain))
    return first


def test_end_removed(copy):
    os.unlink(copy.checkpoints(copy.chain))
    first = truncate(copy, head=False)
    one(copy, first, "removed, with their seals: the end of the chain is "
        "missing", copy.last)


def test_end_removed_and_head_put_back(copy):
    """The database is as if that had never been."""
    first = truncate(copy)
    (chain, seq, last, text), = found(copy)
    assert (chain, seq, last) == (copy.chain, first, copy.last)
    assert text.startswith("removed, with their seals: the chain went so far "
                           "at the checkpoint of ")
    # nothing else tells
    os.unlink(copy.checkpoints(copy.chain))
    assert found(copy) == []


def test_batch_removed_with_its_seal(copy):
    _, first, last = audit(copy)
    copy.run("DELETE FROM pop3.audit WHERE chain_id = '%s' AND seq BETWEEN "
             "%d AND %d" % (copy.chain, first, last),
             "DELETE FROM pop3.seal WHERE chain_id = '%s' AND first_seq = %d" %
             (copy.chain, first))
    one(copy, first, "removed, with their seals", last)


def test_partition_of_a_day_removed(copy):
    day = copy.value("SELECT to_char(min(at), 'YYYYMMDD') FROM pop3.seal")
    numbers = [row[0] for row in copy.rows(
        "SELECT seq FROM pop3.audit_%s WHERE chain_id = '%s' ORDER BY 1" %
        (day, copy.chain))]
    copy.run("DROP TABLE pop3.audit_" + day)
    missing = [n for _, first, last, text in found(copy)
               for n in range(first, last + 1) if text == "removed"]
    assert missing == numbers
    # what is dropped by hand with everything else of the day
    for table in ("session", "seal"):
        copy.run("DROP TABLE pop3.%s_%s" % (table, day))
    findings = {f[0]: f[3] for f in found(copy)}
    assert set(findings) == {copy.chain, copy.other}


COLUMNS = ("at, session_id, mailbox_guid, message_guid, uidvalidity, uid, "
           "size, intent_no, event, action, reason, username, auth_user, "
           "dovecot_session, remote_address, device, uidl, message_id, "
           "moved_to, detail, scope")


def test_row_inserted_with_a_number_of_another(copy):
    seq, _, _ = audit(copy)
    copy.run("INSERT INTO pop3.audit (chain_id, seq, at, event, username) "
             "SELECT chain_id, seq, at, 'gone', username FROM pop3.audit "
             "WHERE " + where(copy, seq))
    finding = one(copy, seq, "inserted: another row has its number")
    assert finding.what.endswith(", gone")


def test_row_duplicated(copy):
    seq, _, _ = audit(copy)
    copy.run("INSERT INTO pop3.audit SELECT * FROM pop3.audit WHERE " +
             where(copy, seq))
    one(copy, seq, "duplicated")


def test_row_inserted_behind_the_end(copy):
    copy.run("INSERT INTO pop3.audit (chain_id, seq, event) "
             "VALUES ('%s', %d, 'gone')" % (copy.chain, copy.last + 1))
    one(copy, copy.last + 1,
        "inserted: the chain ends at seq %d" % copy.last)


def test_row_inserted_behind_the_end_with_the_head(copy):
    copy.run("INSERT INTO pop3.audit (chain_id, seq, event) "
             "VALUES ('%s', %d, 'gone')" % (copy.chain, copy.last + 1),
             "UPDATE pop3.chain SET last_seq = last_seq + 1 "
             "WHERE chain_id = '%s'" % copy.chain)
    one(copy, copy.last + 1,
        "not sealed: 1 rows that no seal covers, after sealed ones")


def test_row_inserted_without_a_number(copy):
    copy.run("INSERT INTO pop3.audit (chain_id, event) VALUES ('%s', 'gone')" %
             copy.chain)
    (chain, _, _, text), = found(copy)
    assert chain == copy.chain
    assert text == "inserted: it has no number in the chain"


@pytest.mark.parametrize("distance", [1, 30])
def test_rows_swapped(copy, distance):
    seq, _, _ = audit(copy)
    other = seq + 1 if distance == 1 else audit(copy, nth=distance)[0]
    copy.run("UPDATE pop3.audit SET seq = CASE seq WHEN %d THEN %d ELSE %d END "
             "WHERE chain_id = '%s' AND seq IN (%d, %d)" % (
                 seq, other, seq, copy.chain, seq, other))
    one(copy, seq, "swapped with seq %d" % other)


def test_contents_swapped(copy):
    """All but chain and number; that is the same."""
    seq, _, _ = audit(copy)
    other = audit(copy, nth=20)[0]
    copy.run("CREATE TABLE t AS SELECT * FROM pop3.audit WHERE chain_id = "
             "'%s' AND seq IN (%d, %d)" % (copy.chain, seq, other),
             "UPDATE pop3.audit a SET (%s) = (SELECT %s FROM t WHERE "
             "t.seq <> a.seq) WHERE a.chain_id = '%s' AND a.seq IN (%d, %d)" %
             (COLUMNS, COLUMNS, copy.chain, seq, other))
    one(copy, seq, "swapped with seq %d" % other)


def test_some_contents_swapped(copy):
    seq, _, _ = audit(copy)
    other = audit(copy, nth=20)[0]
    copy.run("CREATE TABLE t AS SELECT * FROM pop3.audit WHERE chain_id = "
             "'%s' AND seq IN (%d, %d)" % (copy.chain, seq, other),
             "UPDATE pop3.audit a SET message_guid = (SELECT message_guid "
             "FROM t WHERE t.seq <> a.seq) WHERE a.chain_id = '%s' AND "
             "a.seq IN (%d, %d)" % (copy.chain, seq, other))
    assert found(copy) == [
        (copy.chain, n, n, "altered: public columns")
        for n in sorted((seq, other))]


def test_row_moved_to_another_chain(copy):
    seq, _, _ = audit(copy)
    copy.run("UPDATE pop3.audit SET chain_id = '%s' WHERE %s" % (
        copy.other, where(copy, seq)))
    one(copy, seq, "moved: it is now seq %d of chain %s" % (seq, copy.other))


def test_row_moved_to_another_number(copy):
    seq, _, _ = audit(copy)
    copy.run("UPDATE pop3.audit SET seq = 5000 WHERE " + where(copy, seq))
    one(copy, seq, "moved: it is now seq 5000")


# --- sessions ---

def test_session_altered(copy):
    seq = copy.value("SELECT min(seq) FROM pop3.session WHERE chain_id = %s",
                     (copy.chain,))
    for change, text in (
            ("retrieved = '{[1,9)}'", "public columns"),
            ("bytes = bytes + 1", "public columns"),
            ("tls = NOT tls", "public columns"),
            ("ended_at = ended_at + interval '1 s'", "public columns"),
            ("started_at = started_at - interval '1 s'", "public columns"),
            ("remote_address = NULL", "personal columns, or their salt")):
        copy.run("CREATE TABLE t AS SELECT * FROM pop3.session WHERE " +
                 where(copy, seq))
        copy.run("UPDATE pop3.session SET %s WHERE %s" % (
            change, where(copy, seq)))
        one(copy, seq, "altered: " + text)
        copy.run("DELETE FROM pop3.session WHERE " + where(copy, seq),
                 "INSERT INTO pop3.session SELECT * FROM t", "DROP TABLE t")
    assert found(copy) == []


def test_session_removed(copy):
    seq = copy.value("SELECT max(seq) FROM pop3.session WHERE chain_id = %s",
                     (copy.chain,))
    copy.run("DELETE FROM pop3.session WHERE " + where(copy, seq))
    one(copy, seq, "removed")


def test_lost_session_removed(copy):
    seq = copy.value("SELECT seq FROM pop3.session_lost")
    copy.run("DELETE FROM pop3.session_lost")
    one(copy, seq, "removed")


def test_session_of_no_chain_inserted(copy):
    copy.run("INSERT INTO pop3.session (session_id, started_at, ended_at, "
             "username, ended_by) VALUES (gen_random_uuid(), now(), now(), "
             "'%s', 'quit')" % ANNA)
    (_, _, _, text), = found(copy)
    assert text.startswith("inserted: session ")


# --- seals ---

def seal(copy, change, first):
    copy.run("UPDATE pop3.seal SET %s WHERE chain_id = '%s' AND "
             "first_seq = %d" % (change, copy.chain, first))


def bytes_of(column, number, size):
    """An expression that changes one of the values in a seal."""
    return "{0} = overlay({0} PLACING decode(repeat('5a', {2}), 'hex') " \
        "FROM {1} FOR {2})".format(column, number * size + 1, size)


@pytest.mark.parametrize("place", ["first", "middle", "last", "end"])
def test_mac_altered(copy, place):
    _, first, last = audit(copy, nth=8) if place != "end" else \
        (0, *copy.rows("SELECT first_seq, last_seq FROM pop3.seal WHERE "
                       "chain_id = %s ORDER BY first_seq DESC LIMIT 1",
                       (copy.chain,))[0])
    seq = {"first": first, "middle": first + 1}.get(place, last)
    os.unlink(copy.checkpoints(copy.chain))
    seal(copy, bytes_of("macs", seq - first, 32), first)
    one(copy, seq, "altered: its MAC in the seal")


def test_digest_altered(copy):
    seq, first, _ = audit(copy)
    seal(copy, bytes_of("digests", seq - first, 32), first)
    one(copy, seq, "altered: its digest in the seal")


def test_salt_altered(copy):
    seq, first, _ = audit(copy)
    seal(copy, bytes_of("salts", seq - first, 16), first)
    one(copy, seq, "altered: personal columns, or their salt")


def test_prev_mac_altered(copy):
    _, first, last = audit(copy)
    seal(copy, bytes_of("prev_mac", 0, 32), first)
    one(copy, first, "altered: prev_mac of their seal", last)


def test_key_id_altered(copy):
    _, first, last = audit(copy)
    key = copy.value("SELECT min(key_id) FROM pop3.seal")
    seal(copy, "key_id = '0123456789abcdef'", first)
    one(copy, first, "altered: the key id of their seal, which was " + key,
        last)


def test_seal_removed(copy):
    _, first, last = audit(copy)
    copy.run("DELETE FROM pop3.seal WHERE chain_id = '%s' AND first_seq = %d" %
             (copy.chain, first))
    one(copy, first, "removed: their seal (%d of the rows are there)" %
        (last - first + 1), last)


def test_all_seals_removed(copy):
    copy.run("DELETE FROM pop3.seal WHERE chain_id = '%s'" % copy.chain)
    texts = [text for _, _, _, text in found(copy)]
    assert "removed: all seals of the chain" in texts
    # also from the head
    copy.run("UPDATE pop3.chain SET last_mac = NULL WHERE chain_id = '%s'" %
             copy.chain)
    (_, _, last, text), = found(copy)
    assert last == copy.last and "checkpoint" in text


def test_seal_duplicated(copy):
    _, first, last = audit(copy)
    copy.run("INSERT INTO pop3.seal SELECT * FROM pop3.seal WHERE "
             "chain_id = '%s' AND first_seq = %d" % (copy.chain, first))
    one(copy, first, "inserted: a second seal of these numbers", last)


def test_seal_that_lacks_something(copy):
    _, first, last = audit(copy)
    copy.run("ALTER TABLE pop3.seal DROP CONSTRAINT lengths")
    seal(copy, "salts = ''", first)
    texts = [f[3] for f in found(copy)]
    assert "altered: their seal, which has too much or too little" in texts


# --- heads ---

def test_head_altered(copy):
    for change, text in (
            ("last_seq = last_seq - 1", "altered: last_seq in pop3.chain is "
             "%d, and seq %d is sealed" % (copy.last - 1, copy.last)),
            ("last_mac = decode(repeat('5a', 32), 'hex')", "altered: last_mac "
             "in pop3.chain is not that of the last seal"),
            ("last_mac = NULL", "altered: last_mac in pop3.chain is not that "
             "of the last seal")):
        copy.run("CREATE TABLE t AS SELECT * FROM pop3.chain",
                 "UPDATE pop3.chain SET %s WHERE chain_id = '%s'" % (
                     change, copy.chain))
        one(copy, 0, text)
        copy.run("DELETE FROM pop3.chain", "INSERT INTO pop3.chain "
                 "SELECT * FROM t", "DROP TABLE t")
    assert found(copy) == []


def test_head_removed(copy):
    copy.run("DELETE FROM pop3.chain WHERE chain_id = '%s'" % copy.chain)
    one(copy, 0, "removed: its row in pop3.chain")


def test_chain_removed(copy):
    for table in ("audit", "session", "session_lost", "seal", "chain"):
        copy.run("DELETE FROM pop3.%s WHERE chain_id = '%s'" % (
            table, copy.chain))
    findings = found(copy)
    assert [f[0] for f in findings] == [copy.chain] * len(findings)
    assert (1, copy.last) in [(f[1], f[2]) for f in findings]
    assert any("checkpoint" in f[3] for f in findings)


def test_checkpoints_disagree(copy):
    """The chain was written anew by somebody who has the key."""
    path = copy.checkpoints(copy.chain)
    with open(path) as file:
        lines = file.read().split()
    assert int(lines[-2]) == copy.last
    with open(path, "a") as file:
        file.write("%s %d %s\n" % (lines[-3], copy.last, "5a" * 32))
    (chain, seq, _, text), = found(copy)
    assert (chain, seq) == (copy.chain, copy.last)
    assert text.startswith("another MAC than the checkpoint of ")


def test_checkpoints_that_went_back(copy):
    """Void are those that came before, of higher numbers."""
    path = copy.checkpoints(copy.chain)
    with open(path) as file:
        text = file.read()
    time, seq, mac = text.split()[-3:]
    with open(path, "w") as file:
        file.write("%s %d %s\n%s back %d %s\n%s" % (
            time, copy.last + 50, "5a" * 32, time, 1, "5a" * 32, text))
    one(copy, 0, "its checkpoints say that it went back 1 times, and the "
        "chain says 0 times (event chain-back)")


def test_checkpoints_that_are_none(copy):
    with open(copy.checkpoints(copy.chain), "a") as file:
        file.write("x\n")
    (chain, _, _, text), = found(copy)
    assert chain == copy.chain
    assert text.startswith("its checkpoints cannot be used: ")


def test_checkpoints_that_descend(copy):
    """The last one, which the end of the chain is found by, is not theirs."""
    path = copy.checkpoints(copy.chain)
    with open(path) as file:
        lines = file.read().splitlines()
    time, seq, mac = lines[-1].split()
    with open(path, "a") as file:
        file.write("%s %s %s\n%s 1 %s\n" % (time, seq, mac, time, mac))
    one(copy, 0, "its checkpoints cannot be used: %s line %d is no "
        "checkpoint: number 1 comes after %s" % (path, len(lines) + 2, seq))


# --- erased ---

def forget(copy, user=ANNA):
    copy.pg.query("SELECT pop3.forget_user(%s)", (user,), dbname=copy.dbname,
                  role="pop3_admin")


def test_nothing_is_found_after_forget_user(copy):
    rows = copy.value(
        "SELECT (SELECT count(*) FROM pop3.audit WHERE username = '{0}') + "
        "(SELECT count(*) FROM pop3.session WHERE username = '{0}') + "
        "(SELECT count(*) FROM pop3.session_lost WHERE username = '{0}')"
        .format(ANNA))
    forget(copy)
    code, findings, summaries = copy.verify()
    assert (code, findings) == (0, [])
    assert ", %d of them erased," % rows in summaries[copy.chain]
    assert "erased" not in summaries[copy.other]
    assert summaries["in no chain yet"].startswith("1 rows of plain SQL")


def test_what_was_erased_is_altered(copy):
    forget(copy)
    seq, = copy.rows("SELECT min(seq) FROM pop3.audit WHERE username LIKE "
                     "'forgotten-%' AND event = 'intent'")[0]
    for change, text in (
            ("remote_address = '192.0.2.1'",
             "altered: it is erased, but has personal columns"),
            ("username = '%s'" % BERTA,
             "altered: it is erased, but has personal columns"),
            ("uid = 99", "altered: public columns")):
        copy.run("CREATE TABLE t AS SELECT * FROM pop3.audit WHERE " +
                 where(copy, seq),
                 "UPDATE pop3.audit SET %s WHERE %s" % (
                     change, where(copy, seq)))
        one(copy, seq, text)
        copy.run("DELETE FROM pop3.audit WHERE " + where(copy, seq),
                 "INSERT INTO pop3.audit SELECT * FROM t", "DROP TABLE t")
    assert found(copy) == []


ERASE = "username = 'forgotten-%s', auth_user = NULL, " \
    "dovecot_session = NULL, remote_address = NULL, device = NULL, " \
    "uidl = NULL, message_id = NULL, moved_to = NULL, detail = NULL, " \
    "scope = NULL" % "01234567-89ab-4cde-8f01-23456789abcd"


def test_personal_columns_emptied_by_hand(copy):
    seq, _, _ = audit(copy)
    copy.run("UPDATE pop3.audit SET %s WHERE %s" % (ERASE, where(copy, seq)))
    one(copy, seq, "altered: personal columns, or their salt")


def test_erased_by_hand(copy):
    """As by forget_user(), salt included: but that leaves a row of its own."""
    seq, first, _ = audit(copy)
    copy.run("UPDATE pop3.audit SET %s WHERE %s" % (ERASE, where(copy, seq)))
    seal(copy, bytes_of("salts", seq - first, 16).replace("5a", "00"), first)
    (chain, number, _, text), = found(copy)
    assert (chain, number) == (copy.chain, seq)
    assert text.startswith("altered: erased, but not by pop3.forget_user()")


def test_salt_erased_by_hand(copy):
    seq, first, _ = audit(copy)
    seal(copy, bytes_of("salts", seq - first, 16).replace("5a", "00"), first)
    one(copy, seq, "altered: it is erased, but has personal columns")


def test_forgotten_is_forgotten(copy):
    """The row that forget_user() leaves is removed."""
    forget(copy)
    copy.run("DELETE FROM pop3.audit WHERE event = 'forgotten'")
    (chain, _, _, text), = found(copy)
    assert chain == copy.chain
    assert text.startswith("altered: erased, but not by pop3.forget_user()")


# --- a database that lies ---

def test_functions_that_lie(copy):
    """What reads and what seals is asked by nobody."""
    seq, _, _ = audit(copy)
    for name, in copy.rows(
            "SELECT p.oid::regprocedure::text FROM pg_proc p "
            "WHERE p.pronamespace = 'pop3'::regnamespace "
            "AND p.prorettype <> 'trigger'::regtype"):
        copy.run("DROP FUNCTION %s CASCADE" % name)
    copy.run("CREATE FUNCTION pop3.chain_rows() RETURNS text LANGUAGE sql "
             "AS $$ SELECT 'all is well' $$",
             "UPDATE pop3.audit SET uid = 7777 WHERE " + where(copy, seq))
    one(copy, seq, "altered: public columns")


def test_functions_in_the_way(copy):
    """By the same name as those of the server, before them in search_path."""
    seq, _, _ = audit(copy)
    copy.run("CREATE SCHEMA pop3_admin; GRANT USAGE ON SCHEMA pop3_admin "
             "TO pop3_admin",
             "CREATE TABLE pop3_admin.pg_class (relname text)",
             "ALTER ROLE pop3_admin IN DATABASE \"%s\" SET search_path = "
             "pop3_admin, pop3, pg_catalog" % copy.dbname,
             "ALTER ROLE pop3_admin IN DATABASE \"%s\" SET datestyle = "
             "'SQL, DMY'" % copy.dbname,
             "ALTER ROLE pop3_admin IN DATABASE \"%s\" SET timezone = "
             "'Asia/Tokyo'" % copy.dbname,
             "ALTER ROLE pop3_admin IN DATABASE \"%s\" SET bytea_output = "
             "'escape'" % copy.dbname,
             "UPDATE pop3.audit SET uid = 7777 WHERE " + where(copy, seq))
    one(copy, seq, "altered: public columns")


def test_view_in_place_of_a_table(copy):
    """It shows the right row to verify alone."""
    seq, _, _ = audit(copy)
    copy.run("ALTER TABLE pop3.audit RENAME TO audit_all",
             "CREATE VIEW pop3.audit AS SELECT * FROM pop3.audit_all; "
             "GRANT SELECT ON pop3.audit TO pop3_admin")
    (_, _, _, text), = found(copy)
    assert text == ("altered: pop3.audit is not the table that it was, but "
                    "something that can show other rows than are there")


def test_policy_on_rows(copy):
    copy.run("ALTER TABLE pop3.audit ENABLE ROW LEVEL SECURITY",
             "CREATE POLICY most ON pop3.audit USING (event <> 'gone')")
    done = copy.call()
    assert done.returncode == 75
    assert "row-level security" in done.stderr


# --- plain SQL ---

def test_row_without_a_chain(copy):
    copy.run("INSERT INTO pop3.audit (event) VALUES ('paused')")
    code, findings, summaries = copy.verify()
    assert (code, findings) == (0, [])
    assert summaries["in no chain yet"].startswith("1 rows of plain SQL")


def test_row_without_a_chain_that_only_services_write(copy):
    copy.run("INSERT INTO pop3.audit (event, uid) VALUES ('intent', 1)")
    (_, _, _, text), = found(copy)
    assert re.match("inserted: a row of pop3.audit of .*, event intent, is in "
                    "no chain", text)


# --- keys ---

def test_key_that_is_not_known(copy):
    os.unlink(copy.key_file)
    done = copy.call()
    assert done.returncode == 75 and "audit.key" in done.stderr
    other = os.path.join(copy.directory, "other.key")
    shutil.copy(os.path.join(copy.directory, "pop3-policy.conf.ext"), other)
    done = copy.call("--key-file", other)
    assert done.returncode == 64 and other + " line 1" in done.stderr


def test_usage(copy):
    assert copy.call("--chain", "x").returncode == 64
    assert copy.call("--since", "soon").returncode == 64
    assert copy.call("more").returncode == 64
    copy.configure(connect="host=/nonexistent")
    done = copy.call()
    assert done.returncode == 75
    assert "Cannot connect to the database" in done.stderr
