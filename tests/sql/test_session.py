# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""record_session: what a session leaves behind."""

import pytest

from sqlhelp import BOX, DAY, USER, Service, guid, new_id


def test_session_row_and_maildrop(db):
    service = Service(db)
    service.session(retrieved={3: "none", 4: "none", 6: "expunge"},
                    fetched="{[3,7)}", removed="{[6,7)}", auth_user="master",
                    device="phone")
    row = db.row("SELECT *, ended_at - started_at AS took FROM pop3.session")
    assert (row.username, row.auth_user, row.device, row.tls) == \
        (USER, "master", "phone", True)
    assert row.took.total_seconds() == 0.5
    assert str(row.fetched) == "{[3,7)}"
    assert str(row.retrieved) == "{[3,5),[6,7)}"
    assert str(row.removed) == "{[6,7)}"
    assert (row.ended_by, row.polls, row.retr, row.bytes) == \
        ("quit", 1, 3, 5000)
    (state,) = service.state()
    assert (state.mailbox_guid, state.uidvalidity, state.uidnext,
            state.messages, state.anchor_uid, state.anchor_guid,
            state.tracked) == (BOX, 1000, 11, 10, 10, guid(10), 2)
    drop = db.row("SELECT * FROM pop3.maildrop")
    assert drop.last_login_at == row.started_at
    assert drop.last_quit_at is not None
    assert (drop.sessions, drop.retrievals, drop.bytes) == (1, 3, 5000)


def test_retrieved_messages_keep_their_first_clock(db):
    service = Service(db)
    service.session(retrieved={3: "none"})
    db.age("2 days")
    first = db.messages()[3].retrieved_at
    service.session(retrieved={3: "none", 4: "none"})
    rows = db.messages()
    assert rows[3].retrieved_at == first
    assert rows[3].retrieved_count == 2
    assert (rows[4].retrieved_at - first).days == 2
    assert (rows[4].size, rows[4].message_guid) == (400, guid(4))


@pytest.mark.parametrize("ended_by", ["drop", "timeout", "kick", "error",
                                      "update-failed", "refused"])
def test_nothing_counts_as_retrieved_without_quit(db, ended_by):
    service = Service(db)
    service.session(retrieved={3: "none"}, ended_by=ended_by)
    assert db.messages() == {}
    assert db.row("SELECT * FROM pop3.session").retrieved is None
    drop = db.row("SELECT * FROM pop3.maildrop")
    assert drop.last_quit_at is None
    assert drop.last_login_at is not None
    assert drop.retrievals == 0


def test_a_session_is_recorded_once(db):
    service = Service(db)
    values = service.session(retrieved={3: "none"})
    service.session(retrieved={3: "none"}, session_id=values["session_id"],
                    started=values["started"])
    assert db.value("SELECT count(*) FROM pop3.session") == 1
    assert db.messages()[3].retrieved_count == 1
    assert db.events("event", "detail", "session_id") == \
        [("repeat", "session", values["session_id"])]


def lose(service, **args):
    """What the service knows of a session whose process is gone."""
    values = service.session(
        ended_by="lost", duration=0, mailbox_guid=None, uidvalidity=None,
        uidnext=None, uidnext_end=None, messages=None, anchor_uid=None,
        anchor_guid=None, bytes=0, view_window=None, **args)
    return {"session_id": values["session_id"], "started": values["started"]}


def test_a_lost_session_that_is_found_counts(db):
    service = Service(db)
    same = lose(service)
    assert service.state() == []
    found = {"retrieved": {3: "none", 4: "expunge"}, "would": {3: "dele"},
             "fetched": "{[3,5)}", "removed": "{[4,5)}", "device": "phone",
             "top": 2, "dele": 1, "tls": False, "auth_user": "master",
             "dovecot_session": "other", "remote_address": "192.0.2.7", **same}
    service.session(**found)

    row = db.row("SELECT *, ended_at - started_at AS took FROM pop3.session")
    assert (row.session_id, row.chain_id, row.seq) == \
        (same["session_id"], service.chain, 2)
    assert (row.ended_by, row.bytes, row.uidvalidity, row.uidnext,
            row.uidnext_end, row.messages, row.mailbox_guid, row.retr,
            row.top, row.dele, row.tls, row.auth_user, row.dovecot_session,
            row.device, row.remote_address) == \
        ("quit", 5000, 1000, 11, 11, 10, BOX, 2, 2, 1, False, "master",
         "other", "phone", "192.0.2.7")
    assert (str(row.fetched), str(row.retrieved), str(row.removed)) == \
        ("{[3,5)}", "{[3,5)}", "{[4,5)}")
    assert row.took.total_seconds() == 0.5
    lost = db.row("SELECT * FROM pop3.session_lost")
    assert (lost.session_id, lost.chain_id, lost.seq, lost.ended_by,
            lost.username, lost.started_at) == \
        (same["session_id"], service.chain, 1, "lost", USER, row.started_at)
    assert db.events("event") == []

    (state,) = service.state()
    assert (state.uidnext, state.messages, state.anchor_uid,
            str(state.would)) == (11, 10, 10, "{[3,4)}")
    assert db.messages()[3].retrieved_at is not None
    drop = db.row("SELECT * FROM pop3.maildrop")
    assert (drop.sessions, drop.retrievals, drop.bytes) == (1, 2, 5000)
    assert drop.last_quit_at is not None
    assert db.values("SELECT uidnext FROM pop3.watermark") == [11]

    # once only, and it is not lost again
    service.session(**found)
    lose(service, **same)
    assert [e for e, in db.events("event")] == \
        ["repeat", "repeat"]
    assert db.value("SELECT ended_by FROM pop3.session") == "quit"
    assert db.messages()[3].retrieved_count == 1
    assert db.value("SELECT sessions FROM pop3.maildrop") == 1


def test_a_lost_session_is_found_by_another_writer(db):
    first = Service(db)
    same = lose(first)
    second = Service(db)
    second.session(retrieved={3: "none"}, **same)
    row = db.row("SELECT * FROM pop3.session")
    assert (row.chain_id, row.seq, row.ended_by) == (second.chain, 1, "quit")
    row = db.row("SELECT * FROM pop3.session_lost")
    assert (row.chain_id, row.seq, row.ended_by) == (first.chain, 1, "lost")
    assert db.events("event") == []
    assert list(db.messages()) == [3]


def test_a_session_is_lost_once(db):
    service = Service(db)
    same = lose(service)
    lose(service, **same)
    assert db.events("event", "detail") == [("repeat", "session")]
    # nor can another user's be found in it
    service.session("bert@example.org", retrieved={3: "none"}, **same)
    assert db.events("event", "username")[-1] == \
        ("repeat", "bert@example.org")
    row = db.row("SELECT * FROM pop3.session")
    assert (row.username, row.ended_by) == (USER, "lost")
    assert db.messages() == {}


def test_a_session_that_never_opened_its_mailbox(db):
    service = Service(db)
    service.session(mailbox_guid=None, uidvalidity=None, uidnext=None,
                    uidnext_end=None, messages=None, anchor_uid=None,
                    anchor_guid=None, ended_by="refused")
    assert db.value("SELECT ended_by FROM pop3.session") == "refused"
    assert service.state() == []


def test_state_is_void_for_another_message_of_that_uid(db):
    service = Service(db)
    service.session(retrieved={3: "none"})
    service.remove([3], "hide", "dele")
    db.age("5 days")
    other = guid(333)
    service.session(retrieved={3: "none"}, guid=[other])
    row = db.messages()[3]
    assert (row.message_guid, row.retrieved_count) == (other, 1)
    assert row.hidden_at is None and row.reason is None
    assert db.value("SELECT now() - retrieved_at < '1 hour' "
                    "FROM pop3.message")


def test_anchor_is_kept_when_none_is_given(db):
    service = Service(db)
    service.session()
    service.session(anchor_uid=None, anchor_guid=None, uidnext=13,
                    uidnext_end=14, messages=None)
    (state,) = service.state()
    assert (state.anchor_uid, state.uidnext, state.messages) == (10, 14, 10)


def test_login_time_cannot_lie_in_the_future(db):
    service = Service(db)
    service.session(ago=-3 * DAY)
    assert db.value("SELECT last_login_at <= now() FROM pop3.maildrop")


def test_most_recently_used_maildrop_comes_first(db):
    service = Service(db)
    service.session(uidvalidity=1)
    service.session(uidvalidity=2)
    service.session(uidvalidity=1)
    assert [m.uidvalidity for m in service.state()] == [1, 2]
    assert service.state("nobody@example.org") == []


def test_polls_are_folded_by_hour_user_device_and_address(db):
    service = Service(db)
    service.session()
    now = db.value("SELECT pop3.now()")
    hour = now - now % 3600

    def polls(*rows):
        cols = list(zip(*rows))
        service.write(0, "record_polls", hour=cols[0], username=cols[1],
                      device=cols[2], remote_address=cols[3], tls=cols[4],
                      polls=cols[5], last=cols[6])

    polls((hour, USER, None, "192.0.2.1", True, 2, now),
          (hour, USER, None, "192.0.2.1", True, 3, now + 1),
          (hour, USER, None, "192.0.2.2", True, 1, now),
          (hour, USER, "phone", "192.0.2.1", True, 1, now),
          (hour - 3600, USER, None, "192.0.2.1", True, 1, now - 3600))
    polls((hour, USER, None, "192.0.2.1", False, 4, now + 2))
    rows = db.rows("SELECT *, extract(epoch FROM started_at)::float8 AS hour, "
                   "extract(epoch FROM ended_at)::float8 AS last "
                   "FROM pop3.session WHERE ended_by = 'poll' "
                   "ORDER BY started_at, polls, device")
    assert [(r.hour, r.device, r.remote_address, r.polls, r.tls)
            for r in rows] == [
        (hour - 3600, None, "192.0.2.1", 1, True),
        (hour, "phone", "192.0.2.1", 1, True),
        (hour, None, "192.0.2.2", 1, True),
        (hour, None, "192.0.2.1", 9, False)]
    assert rows[-1].last == pytest.approx(now + 2, abs=1e-3)
    assert rows[-1].chain_id is None
    drop = db.row("SELECT *, extract(epoch FROM last_login_at)::float8 AS t "
                  "FROM pop3.maildrop")
    assert drop.t == pytest.approx(now + 2, abs=1e-3)
    assert drop.last_quit_at == drop.last_login_at


def test_imap_use_is_noted_hourly(db):
    service = Service(db)
    service.session()
    service.write(0, "record_imap_use", username=[USER, "b@example.org"])
    first = db.value("SELECT imap_used_at FROM pop3.maildrop")
    assert first is not None
    service.write(0, "record_imap_use", username=[USER])
    assert db.value("SELECT imap_used_at FROM pop3.maildrop") == first
    db.age("61 minutes")
    service.write(0, "record_imap_use", username=[USER])
    assert db.value("SELECT imap_used_at FROM pop3.maildrop") > first


def test_would_remove_is_recorded_once(db):
    service = Service(db)
    service.session(would={3: "retrieved", 4: "expired-unretrieved"})
    db.age("1 day")
    since = db.value("SELECT since FROM pop3.would_remove WHERE uid = 3")
    service.session(would={3: "retrieved", 4: "dele"})
    rows = {r.uid: r for r in db.rows("SELECT * FROM pop3.would_remove")}
    assert rows[3].since == since
    assert rows[4].since > since and rows[4].reason == "dele"
    (state,) = service.state()
    assert (str(state.would), state.tracked) == ("{[3,5)}", 2)
    tracked = service.read("tracked", maildrop_id=state.maildrop_id)
    assert [(t.uid, t.message_guid, t.hidden) for t in tracked] == \
        [(3, guid(3), False), (4, guid(4), False)]


def test_quarantine_keeps_the_record(db):
    service = Service(db)
    service.write(1, "record_quarantine", "seq", record="SESSION\t0\tuser=x",
                  error="invalid input")
    row = db.row("SELECT * FROM pop3.quarantine")
    assert (row.chain_id, row.seq, row.record, row.error) == \
        (service.chain, 1, "SESSION\t0\tuser=x", "invalid input")
    assert db.events("event", "detail", "username") == \
        [("quarantined", "quarantine_id %d" % row.quarantine_id, None)]


def test_session_ids_of_others_do_not_collide(db):
    service = Service(db)
    for _ in range(3):
        service.session(session_id=new_id())
    assert db.value("SELECT count(*) FROM pop3.session") == 3
