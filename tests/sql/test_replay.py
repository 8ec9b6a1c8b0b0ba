# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Records that are sent later than they were made keep their own time."""

import pytest

from sqlhelp import BOX, DAY, USER, Service, guid, new_id

HOUR = 3600


class Replayer(Service):
    """Sends each record as one of its log."""

    def __init__(self, db, ago, accepted=False):
        super().__init__(db)
        self.at = db.value("SELECT pop3.now()") - ago
        self.accepted = accepted

    def _sql(self, function, args):
        sql, values = super()._sql(function, args)
        return ("SELECT pop3.replay_at(%(replay_at)s, %(replay_ok)s); " + sql,
                {**values, "replay_at": self.at, "replay_ok": self.accepted})


def ages(db, sql):
    """Of times, in seconds, to the next ten."""
    return [round(float(age), -1) for age in db.values(
        "SELECT extract(epoch FROM now() - x.at) FROM (%s) x (at)" % sql)]


@pytest.mark.parametrize("ago,kept", [
    (HOUR, HOUR), (29 * DAY, 29 * DAY),
    # no more than that, and not what is yet to come
    (100 * DAY, 30 * DAY), (-HOUR, 0)])
def test_own_time(db, ago, kept):
    service = Replayer(db, ago)
    service.session(retrieved={5: "none"})
    service.remove([6], action="hide", reason="retrieved")
    service.event("refused", reason="pop3_access")
    assert ages(db, "SELECT at FROM pop3.audit") == [kept] * 3
    assert ages(db, "SELECT retrieved_at FROM pop3.message "
                "WHERE uid = 5") == [kept]
    assert ages(db, "SELECT hidden_at FROM pop3.message "
                "WHERE uid = 6") == [kept]


def test_next_transaction_is_of_now(db):
    service = Replayer(db, HOUR)
    service.event("refused")
    Service(db).event("refused")
    assert sorted(ages(db, "SELECT at FROM pop3.audit")) == [0, HOUR]


def test_others_are_not_believed(db):
    """Whoever may call functions cannot date what they record."""
    db.rows("SELECT set_config('pop3.replay_at', '1000000000', false), "
            "pop3.pause('x')", role="pop3_admin")
    db.rows("SELECT pop3.resume()", role="pop3_admin")
    db.rows("SELECT set_config('pop3.replay_at', '', false)",
            role="pop3_admin")
    assert set(ages(db, "SELECT at FROM pop3.audit")) <= {0}
    assert ages(db, "SELECT at FROM pop3.audit") != []


def test_accepted_intent_is_not_stale(db):
    """It was durable, and its session acted on it."""
    db.set("*", enforcement="enforce")
    messages = {5: ("expunge", "dele"), 6: ("hide", "retrieved")}
    result, _ = Replayer(db, HOUR).intent(messages, policy_version="old")
    assert result == "stale"
    service = Replayer(db, HOUR, accepted=True)
    result, session = service.intent(messages, policy_version="old")
    assert result == "ok"
    assert service.outcome(session) == "ok"
    assert db.values("SELECT uid FROM pop3.message") == [6]


def test_leases_are_of_their_time(db):
    """A repair that was lost is as valid as it was then."""
    service = Replayer(db, HOUR, accepted=True)
    _, session = service.intent({5: ("expunge", "dele")})
    assert service.claim(session, by=guid(1)) == []
    service.at += 120
    assert len(service.claim(session, by=guid(1))) == 1
    assert service.repair(session, guid(1), {5: True}) == "ok"
    assert db.values("SELECT event FROM pop3.audit ORDER BY at, seq") == [
        "intent", "released"]
    assert USER in db.values("SELECT username FROM pop3.audit")


def test_forgotten_since(db):
    """What comes late of somebody who was forgotten comes without personal
    data, and makes no state."""
    first = Service(db)
    first.session(retrieved={4: "none"})
    db.rows("SELECT pop3.forget_user(%s)", (USER,), role="pop3_admin")
    name = db.value("SELECT username FROM pop3.audit "
                    "WHERE event = 'forgotten'")
    late = Replayer(db, HOUR, accepted=True)
    late.session(retrieved={5: "none"}, auth_user="master",
                 dovecot_session="secret")
    _, session = late.intent({6: ("move", "retrieved"),
                              7: ("hide", "retrieved")}, device="secret")
    assert late.outcome(session) == "ok"
    late.event("refused", reason="pop3-access", detail="secret")
    late.write(1, "record_postponed", "first_seq", session_id=new_id(),
               intent_no=1, dovecot_session="secret", username=USER,
               auth_user=None, remote_address="192.0.2.1", device="secret",
               mailbox_guid=BOX, uidvalidity=1000, uid=[8], guid=[guid(8)],
               size=[1], action=["expunge"], reason=["dele"],
               uidl=["secret"], message_id=["<secret@example.net>"],
               mailbox=[None])
    for table in ("audit", "session", "intent", "maildrop", "message"):
        text = str(db.rows("SELECT t.*::text FROM pop3.%s t" % table))
        for word in ("anna", "secret", "master", "192.0.2", "Trash", "uidl"):
            assert word not in text, (table, text)
    assert db.rows("SELECT 1 FROM pop3.maildrop") == []
    assert db.rows("SELECT 1 FROM pop3.message") == []
    assert set(db.values("SELECT username FROM pop3.audit")) == {name}
    assert set(db.values("SELECT username FROM pop3.session")) == {name}
    # what is of now is
    first.session(retrieved={9: "none"})
    assert db.values("SELECT uid FROM pop3.message") == [9]
    Replayer(db, -1).session(retrieved={10: "none"})
    assert len(db.values("SELECT uid FROM pop3.message")) == 2
