# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""INTENT, OUTCOME, CLAIM and REPAIR."""

import pytest

from servicehost import Fail, guid, message

USER = "jane@example.org"


@pytest.fixture
def begun(client, new_session):
    """A session that has logged in: its id and the LOGIN's answer."""
    session = new_session()
    return session, client.login(USER, session)


def state(service, session, no=1):
    return service.value("SELECT pop3.intent_state(%s, %s)", (session, no))


def test_intent_is_durable_before_the_answer(service, client, begun):
    session, login = begun
    reply = client.intent(USER, session, login["version"], [1, 2, 5])
    assert reply["lease"] == "60"
    assert service.audit(USER) == [("intent", 1, "dele"), ("intent", 2, "dele"),
                                   ("intent", 5, "dele")]
    assert state(service, session) == "open"
    uidl, message_id, size = service.sql(
        "SELECT uidl, message_id, size FROM pop3.audit WHERE uid = 5")[0]
    assert (uidl, message_id, size) == ("00000005", "<5@example.org>", 1005)


def test_committed_outcome(service, client, begun):
    session, login = begun
    client.intent(USER, session, login["version"], [1, 2])
    client.outcome(USER, session)
    service.wait_audit(USER, ["intent", "intent", "committed"])
    assert state(service, session) == "closed"


def test_failed_outcome(service, client, begun):
    session, login = begun
    client.intent(USER, session, login["version"], [1])
    client.outcome(USER, session, result="failed")
    service.wait_audit(USER, ["intent", "released"])


def test_unknown_outcome_is_left_to_repair(service, client, begun,
                                           new_session):
    session, login = begun
    client.intent(USER, session, login["version"], [1])
    client.outcome(USER, session, result="unknown")
    assert client.login(USER, new_session()).items_of("intent") == [
        {"session": session, "no": "1", "maildrop": str(service.value(
            "SELECT maildrop_id FROM pop3.maildrop"))}]
    assert state(service, session) == "abandoned"


def test_stale_when_the_policy_changed(service, client, begun):
    session, login = begun
    service.sql("SELECT pop3.set_policy('*', 'pop3_hold', 'yes')")
    with pytest.raises(Fail) as fail:
        client.intent(USER, session, login["version"], [1])
    assert fail.value.code == "stale"
    service.wait_audit(USER, ["intent", "released"])
    # the next one, after another LOGIN, is not
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [1], no=2)


def test_repeat_of_what_was_seen(service, client, begun):
    session, login = begun
    client.intent(USER, session, login["version"], [1])
    reply = client.intent(USER, session, login["version"], [1], repeat=True)
    assert reply["lease"] == "60"
    assert service.audit(USER) == [("intent", 1, "dele")]


def test_repeat_of_what_was_not_seen(service, client, begun):
    session, login = begun
    client.intent(USER, session, login["version"], [1], repeat=True)
    assert service.audit(USER) == [("intent", 1, "dele")]


def test_repeat_of_what_was_given_up(service, client, begun):
    session, login = begun
    client.intent(USER, session, login["version"], [1])
    client.outcome(USER, session, result="unknown")
    with pytest.raises(Fail) as fail:
        client.intent(USER, session, login["version"], [1], repeat=True)
    assert fail.value.code == "fenced"
    assert state(service, session) == "abandoned"


def test_same_number_twice_is_one_intent(service, client, begun):
    """Without saying that it may be a repeat."""
    session, login = begun
    client.intent(USER, session, login["version"], [1])
    client.intent(USER, session, login["version"], [1])
    assert [row[0] for row in service.audit(USER)] == ["intent", "repeat"]


def test_abandoned_when_the_client_goes(service, client, begun, new_session):
    session, login = begun
    client.intent(USER, session, login["version"], [1])
    client.close()
    other = service.client()
    intents = other.login(USER, new_session()).items_of("intent")
    assert [intent["session"] for intent in intents] == [session]
    assert service.sql("SELECT session_id::text, ended_by FROM pop3.session "
                       "WHERE username = %s", (USER,)) == [
        (service.value("SELECT %s::uuid::text", (session,)), "lost")]


def test_not_abandoned_after_its_outcome(service, client, begun, new_session):
    session, login = begun
    client.intent(USER, session, login["version"], [1])
    client.outcome(USER, session)
    client.session(USER, session, login["now"], removed="1", dele=1)
    client.close()
    assert service.client().login(USER, new_session()).items_of(
        "intent") == []
    assert state(service, session) == "closed"
    assert service.sql("SELECT ended_by FROM pop3.session WHERE "
                       "username = %s", (USER,)) == [("quit",)]


@pytest.mark.parametrize("uids", [[3, 3], [3, 2], [1, 2, 5, 4]])
def test_messages_out_of_order(service, client, begun, uids):
    service.expect("is not above the one before")
    session, login = begun
    with pytest.raises(Fail) as fail:
        client.intent(USER, session, login["version"], uids)
    assert fail.value.code == "invalid"
    assert service.audit(USER) == []


def test_claim_and_repair(service, client, begun, new_session):
    session, login = begun
    client.intent(USER, session, login["version"], [1, 2, 3])
    client.close()
    other = service.client()
    repairer = new_session()
    other.login(USER, repairer)
    reply = other.ask("CLAIM", user=USER, session=repairer,
                      intent_session=session, no=1)
    assert reply.items_of("message") == [
        {"uid": str(uid), "guid": guid((USER, uid)), "action": "expunge",
         "reason": "dele"} for uid in (1, 2, 3)]
    # nobody else may now
    with pytest.raises(Fail) as fail:
        other.ask("CLAIM", user=USER, session=new_session(),
                  intent_session=session, no=1)
    assert fail.value.code == "fenced"
    other.tell("REPAIR", user=USER, session=repairer, intent_session=session,
               no=1, released="1,3", presumed="2")
    other.login(USER, new_session())
    assert sorted(service.sql("SELECT event, uid FROM pop3.audit WHERE "
                              "event IN ('released', 'presumed')")) == [
        ("presumed", 2), ("released", 1), ("released", 3)]
    # an outcome that comes after it is told as such
    other.outcome(USER, session)
    other.login(USER, new_session())
    assert service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'committed-late'") == 1


def test_carry(service, client, begun, new_session):
    session, login = begun
    client.session(USER, session, login["now"], fetched="1:3", retr=3,
                   retrieved=[(uid, "none") for uid in (1, 2, 3)])
    session = new_session()
    old = client.login(USER, session).items_of("maildrop")[0]["id"]
    reply = client.ask("CARRY", [
        ("message", {"old": 1, "new": 11}), ("message", {"old": 3, "new": 10})],
        user=USER, session=session, maildrop=old, guid=guid(USER),
        uidvalidity=2, uidnext=12, messages=2)
    drops = client.login(USER, session).items_of("maildrop")
    assert [(drop["id"], drop["uidvalidity"], drop["tracked"])
            for drop in drops] == [(reply["maildrop"], "2", "2")]
    assert client.ask("UIDS", maildrop=reply["maildrop"])["uids"] == "10:11"


@pytest.mark.parametrize("event", ["gone", "mismatch"])
def test_event_drops_state(service, client, begun, new_session, event):
    session, login = begun
    client.session(USER, session, login["now"], fetched="1:5", retr=5,
                   retrieved=[(uid, "none") for uid in range(1, 6)])
    client.tell("EVENT", user=USER, session=session, event=event,
                guid=guid(USER), uidvalidity=1, uids="2:3,5", text="by IMAP")
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert drop["tracked"] == "2"
    assert service.audit(USER) == [(event, 2, None), (event, 3, None),
                                   (event, 5, None)]


def test_event_without_messages(service, client, begun):
    client.tell("EVENT", user=USER, event="refused", reason="pop3_access",
                rip="2001:db8::1", text="access is off")
    service.wait_audit(USER, ["refused"])
    assert service.sql("SELECT reason, remote_address, detail FROM pop3.audit "
                       "WHERE username = %s", (USER,)) == [
        ("pop3_access", "2001:db8::1", "access is off")]


def test_event_about_very_many_messages(service, client, new_session):
    client.tell("EVENT", user=USER, event="gone", guid=guid(USER),
                uidvalidity=1, uids="1:9999,10001:35000,40000")
    client.login(USER, new_session())
    assert service.sql("SELECT count(*), count(DISTINCT uid), min(uid), "
                       "max(uid) FROM pop3.audit") == [
        (35000, 35000, 1, 40000)]


def test_text_of_any_kind(service, client, begun):
    session, login = begun
    raw = b"\xff\xfe bad \x80".decode("utf-8", "surrogateescape")
    items = [message(USER, 1, action="expunge", reason="dele",
                     uidl='{"a\\b",NULL}', message_id=raw),
             message(USER, 2, action="expunge", reason="dele",
                     uidl="x" * 300, message_id="\u00e4" * 600),
             message(USER, 3, action="expunge", reason="dele",
                     uidl="tab\there\nline", message_id="NULL"),
             message(USER, 4, action="expunge", reason="dele")]
    client.ask("INTENT", [("message", item) for item in items], user=USER,
               session=session, no=1, version=login["version"],
               guid=guid(USER), uidvalidity=1, device="d\udc80v")
    rows = service.sql("SELECT uidl, message_id, device FROM pop3.audit "
                       "ORDER BY uid")
    assert rows == [
        ('{"a\\b",NULL}', "\\xFF\\xFE bad \\x80", "d\\x80v"),
        ("x" * 255, "\u00e4" * 499, "d\\x80v"),
        ("tab\there\nline", "NULL", "d\\x80v"),
        (None, None, "d\\x80v")]


def test_many_messages_at_once(service, client, begun):
    session, login = begun
    client.intent(USER, session, login["version"], range(1, 20001))
    assert service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'intent'") == 20000


@pytest.mark.parametrize("change, name", [
    ({"uid": "0"}, "uid"), ({"uid": "4294967296"}, "uid"),
    ({"guid": "123"}, "guid"), ({"size": "-1"}, "size"),
    ({"action": "burn"}, "action"), ({"reason": "spite"}, "reason"),
    ({"size": None}, "size")])
def test_invalid_intent(service, client, begun, change, name):
    service.expect("Request refused: message: field %s" % name)
    session, login = begun
    item = message(USER, 1, action="expunge", reason="dele")
    with pytest.raises(Fail) as fail:
        client.ask("INTENT", [("message", {**item, **change})], user=USER,
                   session=session, no=1, version=login["version"],
                   guid=guid(USER), uidvalidity=1)
    assert fail.value.code == "invalid"
    assert "field %s" % name in fail.value.text
    assert service.audit(USER) == []
