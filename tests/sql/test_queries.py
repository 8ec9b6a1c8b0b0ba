# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The documentation's ready queries, run as pop3_report on known data."""

import datetime

import psycopg2
import pytest

import readyqueries
from sqlhelp import DAY, USER, Service, guid

QUERIES = readyqueries.documented()
BERT = "bert@example.org"
CARL = "carl@example.com"
DORA = "dora@example.com"


@pytest.fixture
def site(db):
    """Four users: anna under enforce, carl under observe, bert on hold, dora
    who never quits."""
    service = Service(db)
    db.set("*", enforcement="enforce", expire_retrieved="14d",
           expire_hidden="7d")
    db.set("@example.com", enforcement="observe")
    db.set(BERT, pop3_hold="yes")
    for user in (USER, BERT, CARL):
        service.session(user, retrieved={1: "none", 2: "none"}, bytes=300)
        db.age("10 days", user)
        service.session(user, retrieved={3: "none"}, bytes=300, retr=1)
        service.remove([4], "hide", user=user)
        db.age("5 days", user)
    service.session(CARL, would={9: "leave-limit"})
    for ended_by in ("timeout", "drop"):
        service.session(DORA, ended_by=ended_by, retr=3, bytes=70,
                        remote_address="192.0.2.9")
    service.remove([5, 6], "expunge", "expired-retrieved")
    service.remove([3], "move", "retrieved", user=BERT)
    service.event("refused", reason="login-delay", user=CARL)
    service.session(CARL, ended_by="refused", mailbox_guid=None,
                    uidvalidity=None, bytes=0)
    service.write(0, "record_usage", username=[USER, BERT, CARL],
                  bytes=[960, 100, 70], messages=[9, 9, 8],
                  storage_limit=[1000, 1000, None],
                  message_limit=[None, None, 10], level=[95, 0, 80],
                  lowest=[95, 0, 80])
    db.value("SELECT pop3.count_kept()")
    return service


def today(db, days=0):
    return db.value("SELECT (now() AT TIME ZONE 'UTC')::date - %s", (days,))


def ask(db, title, *columns):
    """The answer's rows as tuples of some columns."""
    rows = db.rows(QUERIES[title], role="pop3_report")
    return [tuple(r[c] for c in columns) for r in rows]


def nearly(moment, when):
    return abs(moment - when) < datetime.timedelta(seconds=60)


@pytest.mark.parametrize("title", list(QUERIES))
def test_it_has_a_test(title):
    """Each query's answer is checked below."""
    with open(__file__) as file:
        text = file.read()
    assert '"%s"' % title in text


@pytest.mark.parametrize("title", list(QUERIES))
def test_of_nothing(db, title):
    rows = db.rows(QUERIES[title], role="pop3_report")
    if title == "Policy changes of the last month":
        # the presets that came with the installation
        assert {r.kind for r in rows} == {"preset"}
    else:
        assert rows == []


def test_would_be_removed(db, site):
    assert ask(db, "What would be removed if the policy were enforced",
               "domain", "rule", "messages", "bytes", "users") == [
        ("example.com", "leave-limit", 1, 900, 1),
        ("example.com", "expired-retrieved", 2, 300, 1)]
    db.set(USER, enforcement="observe")
    assert ask(db, "What would be removed of one user", "rule", "uid",
               "size") == [("expired-retrieved", 1, 100),
                           ("expired-retrieved", 2, 200)]


def test_expires_this_week(db, site):
    """anna's 1 and 2 are due since yesterday, 4 in two days; 3 goes in nine.
    bert is on hold, carl under observe."""
    assert ask(db, "What expires this week", "domain", "day", "rule",
               "messages", "bytes") == [
        ("example.org", today(db, 1), "expired-retrieved", 2, 300),
        ("example.org", today(db, -2), "expired-hidden", 1, 400)]
    assert ask(db, "Bytes to be reclaimed", "domain", "state", "messages",
               "bytes") == [
        ("example.com", "if enforced", 3, 1200),
        ("example.org", "due", 2, 300),
        ("example.org", "within 7 days", 1, 400)]


def test_policies(db, site):
    rows = ask(db, "Effective policy of one user", "parameter", "value",
               "level", "scope", "preset")
    assert len(rows) == 25
    assert ("expire_retrieved", "14 days", "site", "*", None) in rows
    assert ask(db, "Users by enforcement", "domain", "enforcement",
               "users") == [("example.com", "observe", 2),
                            ("example.org", "enforce", 2)]
    db.rows("SET pop3.caller = 'root (uid 0)'", role="pop3_admin")
    db.set(CARL, quota_warn="70,90", view_since="2026-01-31",
           on_dele="hide")
    db.rows("RESET pop3.caller", role="pop3_admin")
    db.set(CARL, view_since="never", preset="gmail")
    changes = ask(db, "Policy changes of the last month", "who", "name",
                  "parameter", "old", "new")
    mine = [c for c in changes if c[1] == CARL]
    assert sorted(mine, key=str) == sorted([
        ("pop3_admin", CARL, "preset", None, "gmail"),
        ("pop3_admin", CARL, "view_since", "2026-01-31", "never"),
        ("root (uid 0)", CARL, "on_dele", None, "hide"),
        ("root (uid 0)", CARL, "quota_warn", None, "70%, 90%"),
        ("root (uid 0)", CARL, "view_since", None, "2026-01-31")], key=str)
    assert ("pop3_admin", "*", "expire_retrieved", None, "14 days") in changes
    db.rows("DELETE FROM pop3.policy WHERE scope = %s", (CARL,))
    newest = ask(db, "Policy changes of the last month", "parameter", "new")
    assert newest[:4] == [("on_dele", None), ("preset", None),
                          ("quota_warn", None), ("view_since", None)]
    db.rows("UPDATE pop3.policy_history SET at = at - interval '32 days'")
    assert ask(db, "Policy changes of the last month", "at") == []


def test_deletions(db, site):
    assert ask(db, "Deletions by rule per day", "day", "rule", "messages",
               "bytes") == [
        (today(db), "expired-retrieved", 2, 1100),
        (today(db), "retrieved", 1, 300)]
    site.session(retrieved={7: "none", 8: "none"})
    site.event("gone", [7, 8])
    assert ("gone", 2) in ask(db, "Deletions by rule per day", "rule",
                              "messages")
    assert ask(db, "Who deleted the message with this Message-ID",
               "username", "auth_user", "remote_address", "rule", "action",
               "status") == [
        (BERT, None, "192.0.2.1", "retrieved", "move", "committed")]
    assert ask(db, "What was deleted of one user", "rule", "status",
               "remote_address", "uid", "size", "message_id") == [
        ("expired-retrieved", "committed", "192.0.2.1", 5, 500,
         "<m5@example.net>"),
        ("expired-retrieved", "committed", "192.0.2.1", 6, 600,
         "<m6@example.net>"),
        ("gone", "gone", "192.0.2.1", 7, 700, None),
        ("gone", "gone", "192.0.2.1", 8, 800, None)]
    # of the hiding five days ago, too
    assert [r[:3] for r in ask(db, "What happened to one user", "event",
                               "uid", "rule")] == [
        ("intent", 4, "dele"), ("committed", None, None),
        ("intent", 5, "expired-retrieved"),
        ("intent", 6, "expired-retrieved"), ("committed", None, None),
        ("gone", 7, None), ("gone", 8, None)]
    assert ask(db, "Users who lost most mail in a day", "username",
               "messages", "bytes", "rules") == [
        (USER, 4, 2600, ["expired-retrieved", "gone"]),
        (BERT, 1, 300, ["retrieved"])]


def test_mail_on_the_server(db, site):
    now = db.value("SELECT now()")
    offenders = ask(db, "Leave-on-server offenders", "username", "messages",
                    "bytes", "expire_retrieved", "oldest_retrieved_at")
    # bert's 3 was moved away
    assert [o[:4] for o in offenders] == [
        (USER, 3, 600, 14 * DAY), (CARL, 3, 600, 14 * DAY),
        (BERT, 2, 300, 14 * DAY)]
    assert all(nearly(o[4], now - datetime.timedelta(days=15))
               for o in offenders)
    hidden = ask(db, "Hidden mail", "domain", "messages", "bytes",
                 "oldest_hidden_at")
    assert [h[:3] for h in hidden] == [("example.com", 1, 400),
                                       ("example.org", 2, 800)]
    assert nearly(hidden[0][3], now - datetime.timedelta(days=5))
    assert ask(db, "Users who do not come any more", "username") == []
    db.age("90 days", BERT)
    assert ask(db, "Users who do not come any more", "username", "messages",
               "bytes") == [(BERT, 3, 700)]


def test_quota(db, site):
    assert ask(db, "Users near quota", "username", "percent", "bytes",
               "storage_limit", "messages", "message_limit") == [
        (USER, 96, 960, 1000, 9, None), (CARL, 80, 70, None, 8, 10)]
    assert ask(db, "The maildrop of one user", "messages", "retrieved",
               "retrieved_bytes", "hidden", "hidden_bytes", "unretrieved",
               "quota_percent") == [(10, 3, 600, 1, 400, 5, 96)]


def test_sessions(db, site):
    assert ask(db, "Never-quit clients", "username", "sessions", "retr",
               "last_ended_by", "last_remote_address") == [
        (DORA, 2, 6, "drop", "192.0.2.9")]
    now = db.value("SELECT pop3.now()")
    site.write(0, "record_polls", hour=[now - now % 3600], username=[USER],
               device=[None], remote_address=["192.0.2.1"], tls=[True],
               polls=[40], last=[now])
    hours = ask(db, "Logins per hour", "logins", "refused")
    assert (sum(h[0] for h in hours), sum(h[1] for h in hours)) == (43, 1)
    days = ask(db, "Sessions per day and domain", "day", "domain", "users",
               "sessions", "polls", "quits", "broken", "refused",
               "retrieved", "bytes")
    assert days == [
        (today(db), "example.com", 2, 4, 0, 1, 2, 1, 0, 5140),
        (today(db), "example.org", 1, 40, 40, 0, 0, 0, 0, 0),
        (today(db, 5), "example.com", 1, 1, 0, 1, 0, 0, 1, 300),
        (today(db, 5), "example.org", 2, 2, 0, 2, 0, 0, 2, 600),
        (today(db, 15), "example.com", 1, 1, 0, 1, 0, 0, 2, 300),
        (today(db, 15), "example.org", 2, 2, 0, 2, 0, 0, 4, 600)]
    # the polls, and the session five days ago
    assert ask(db, "Sessions of one user", "ended_by", "sessions",
               "retrieved", "bytes") == [("poll", 40, 0, 0),
                                         ("quit", 1, 1, 300)]
    assert ask(db, "What was refused", "day", "rule", "refused",
               "users") == [(today(db), "login-delay", 1, 1)]
    assert ask(db, "Who downloads most", "username", "sessions", "retr",
               "bytes") == [(CARL, 2, 0, 5000), (DORA, 2, 6, 140),
                            (USER, 40, 0, 0)]


def test_messages_are_those_that_were_meant(db, site):
    """GUIDs come along for those who want to look further."""
    assert db.values("SELECT message_guid FROM pop3.report_expiring_soon "
                     "WHERE username = %s ORDER BY uid", (USER,),
                     role="pop3_report") == [guid(1), guid(2), guid(4)]


def test_only_reports_are_asked(db):
    """Nothing else is readable for the role; that it was run as."""
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        db.rows("SELECT * FROM pop3.kept", role="pop3_report")
