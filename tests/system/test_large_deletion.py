# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A client that deletes a great many messages at once: they go in several
intents, so that each is recorded in time, and the records are exact."""

import collections

import pytest

from maildrop import Maildrop
from raw import RawPop3

MANY = 1200
# The most messages that one intent is about.
MAX_INTENT = 500


@pytest.fixture(scope="module")
def large_host(make_module_host):
    return make_module_host(mail_format="maildir")


@pytest.fixture
def drop(large_host, user):
    drop = Maildrop(large_host, user)
    drop.fill(MANY)
    return drop


def send(raw, command, numbers):
    """A command for each number, in a few writes."""
    for start in range(0, len(numbers), 200):
        part = numbers[start:start + 200]
        raw.send(*("%s %d" % (command, number) for number in part))
        for number in part:
            assert raw.line().startswith("+OK"), number
            if command == "RETR":
                raw.lines()


def deletion(drop, numbers):
    """A session that deletes these messages, before its QUIT."""
    raw = RawPop3(drop.host, drop.user)
    send(raw, "DELE", list(numbers))
    return raw


def intents(drop):
    """The UIDs of each intent in the audit, in order, and the events that
    settle them."""
    found, ends = collections.OrderedDict(), {}
    for row in drop.host.audit(drop.user):
        key = (row["session_id"], row["intent_no"])
        if row["event"] == "intent":
            found.setdefault(key, []).append(row["uid"])
        else:
            ends.setdefault(key, []).append(row["event"])
    assert list(ends) == [] or set(ends) <= set(found)
    return [(uids, ends.get(key, [])) for key, uids in found.items()]


def parts(uids):
    uids = list(uids)
    return [uids[start:start + MAX_INTENT]
            for start in range(0, len(uids), MAX_INTENT)]


def test_several_intents(large_host, user, drop):
    kept = {1, 600, MANY}
    gone = [uid for uid in range(1, MANY + 1) if uid not in kept]
    before = drop.stored()
    with deletion(drop, gone) as raw:
        assert raw.command("QUIT").startswith("+OK")
    (session,) = large_host.wait_sessions(user, 1)
    assert (session["ended_by"], session["dele"], session["messages"]) == (
        "quit", len(gone), len(kept))
    drop.check_nothing_lost(before, removed=gone)
    drop.settle()
    assert intents(drop) == [(uids, ["committed"]) for uids in parts(gone)]
    assert drop.open_intents() == []
    # a message each, with what identifies it
    rows = [row for row in large_host.audit(user) if row["event"] == "intent"]
    assert len(rows) == len({row["message_guid"] for row in rows}) == len(gone)
    assert {(row["action"], row["reason"], row["intent_no"] in (1, 2, 3))
            for row in rows} == {("expunge", "dele", True)}
    assert drop.view() == sorted(kept)


def test_hidden_in_several_intents(large_host, user, drop):
    large_host.set_policy(user, "on_dele", "hide")
    before = drop.stored()
    with deletion(drop, range(1, MANY + 1)) as raw:
        assert raw.command("QUIT").startswith("+OK")
    large_host.wait_sessions(user, 1)
    assert drop.view() == []
    assert drop.hidden() == list(before)
    assert [ends for _, ends in intents(drop)] == [["committed"]] * 3
    drop.check_nothing_lost(before, removed=[])


def test_one_intent_is_refused(large_host, user, drop):
    """The ones before it are taken back: all or nothing."""
    before = drop.stored()
    large_host.sql(
        "CREATE FUNCTION public.refuse_second() RETURNS trigger "
        "LANGUAGE plpgsql AS $f$ BEGIN IF NEW.intent_no = 2 THEN "
        "RAISE EXCEPTION 'no second intent today'; END IF; RETURN NEW; END "
        "$f$; CREATE TRIGGER refuse_second BEFORE INSERT ON pop3.intent "
        "FOR EACH ROW EXECUTE FUNCTION public.refuse_second()")
    try:
        with deletion(drop, range(1, MANY + 1)) as raw:
            reply = raw.command("QUIT")
    finally:
        large_host.sql("DROP TRIGGER refuse_second ON pop3.intent; "
                       "DROP FUNCTION public.refuse_second()")
    assert reply.startswith("-ERR [SYS/TEMP] No message was removed: ")
    (session,) = large_host.wait_sessions(user, 1)
    assert session["ended_by"] == "update-failed"
    drop.check_nothing_lost(before, removed=[])
    drop.settle()
    assert intents(drop) == [(parts(before)[0], ["released"])]
    assert drop.open_intents() == []
    assert drop.view() == list(before)


def test_policy_changes(large_host, user, drop):
    """Intents that were taken on the former policy's word are taken back."""
    before = drop.stored()
    raw = deletion(drop, range(1, MANY + 1))
    large_host.set_policy(user, "on_dele", "hide")
    assert raw.command("QUIT").startswith("+OK")
    raw.drop()
    large_host.wait_sessions(user, 1)
    drop.check_nothing_lost(before, removed=[])
    assert drop.view() == []
    rows = [row for row in large_host.audit(user) if row["event"] == "intent"]
    assert collections.Counter(row["action"] for row in rows) == {
        "expunge": MAX_INTENT, "hide": MANY}
    assert [ends for _, ends in intents(drop)] == [["released"]] + \
        [["committed"]] * 3


def test_retrieved_and_deleted(large_host, user, drop):
    """on_retrieve's and the client's removals share the intents."""
    large_host.set_policy(user, "on_retrieve", "delete")
    before = drop.stored()
    with RawPop3(large_host, user) as raw:
        send(raw, "RETR", list(range(1, MANY + 1, 2)))
        send(raw, "DELE", list(range(2, MANY + 1, 2)))
        assert raw.command("QUIT").startswith("+OK")
    large_host.wait_sessions(user, 1)
    drop.check_nothing_lost(before, removed=list(before))
    drop.settle()
    assert intents(drop) == [(uids, ["committed"]) for uids in parts(before)]
    rows = [row for row in large_host.audit(user) if row["event"] == "intent"]
    assert {row["uid"] for row in rows if row["reason"] == "retrieved"} == \
        set(range(1, MANY + 1, 2))
    assert drop.state() == {}


def test_20001_messages(large_host, user):
    """A whole maildrop, as after a long absence."""
    count = 20001
    drop = Maildrop(large_host, user)
    drop.fill(count)
    with deletion(drop, range(1, count + 1)) as raw:
        assert raw.command("QUIT").startswith("+OK")
    (session,) = large_host.wait_sessions(user, 1)
    assert (session["dele"], session["messages"]) == (count, 0)
    assert drop.mail_files() == []
    drop.settle()
    assert intents(drop) == [(uids, ["committed"])
                             for uids in parts(range(1, count + 1))]
    assert drop.open_intents() == []
