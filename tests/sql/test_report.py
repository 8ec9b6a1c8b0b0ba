# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The report views, read as pop3_report."""

import pytest

from sqlhelp import BOX, DAY, USER, Service, guid, new_id

OTHER = "bert@example.com"


@pytest.fixture
def service(db):
    return Service(db)


def report(db, name, order="1", **where):
    sql = "SELECT * FROM pop3.report_%s" % name
    if where:
        sql += " WHERE " + " AND ".join("%s = %%(%s)s" % (c, c)
                                        for c in where)
    return db.rows(sql + " ORDER BY " + order, where or None,
                   role="pop3_report")


# --- report_deletion ---

def deletions(db, *columns):
    return [tuple(r[c] for c in columns)
            for r in report(db, "deletion", "at, uid")]


def test_deletion_says_who_when_from_where_by_which_rule(db, service):
    session = service.remove([3, 4], reason="expired-retrieved")
    rows = report(db, "deletion", "uid")
    row = rows[0]
    assert len(rows) == 2
    assert (row.username, row.remote_address, row.rule, row.action,
            row.status) == (USER, "192.0.2.1", "expired-retrieved",
                            "expunge", "committed")
    assert (row.uid, row.message_guid, row.uidl, row.message_id, row.size,
            row.session_id, row.intent_no, row.mailbox_guid,
            row.uidvalidity, row.dovecot_session) == \
        (3, guid(3), "uidl3", "<m3@example.net>", 300, session, 1, BOX, 1000,
         "dsess")
    assert row.decided_at >= row.at


def test_deletion_by_a_master_user(db, service):
    _, session = service.intent({3: ("expunge", "dele")}, auth_user="admin",
                                device="desk")
    service.outcome(session)
    assert deletions(db, "username", "auth_user", "device") == \
        [(USER, "admin", "desk")]


def test_deletion_says_where_a_message_was_moved(db, service):
    """Whatever the other messages of the intent are."""
    service.intent({2: ("move", "retrieved"), 3: ("expunge", "dele"),
                    4: ("move", "dele")},
                   mailbox=["Trash", None, "Archive/2026 \u00fc"])
    assert deletions(db, "uid", "action", "moved_to") == [
        (2, "move", "Trash"), (3, "expunge", None),
        (4, "move", "Archive/2026 \u00fc")]
    # a name that came along with another action is none
    service.intent({5: ("expunge", "dele")}, mailbox=["Trash"])
    assert deletions(db, "uid", "moved_to")[-1] == (5, None)


def test_deletion_status(db, service):
    service.remove([1])
    service.intent({2: ("move", "retrieved")})
    _, failed = service.intent({3: ("expunge", "dele")})
    service.outcome(failed, "failed")
    _, broken = service.intent({4: ("expunge", "dele"),
                                5: ("expunge", "dele"),
                                6: ("hide", "dele")})
    service.abandon(broken)
    me = new_id()
    service.claim(broken, me)
    service.repair(broken, me, {4: False, 5: True, 6: True})
    service.remove([7], "hide")
    service.remove([8], "flag")
    service.session(retrieved={9: "none"})
    service.event("gone", [9])
    assert sorted(deletions(db, "uid", "status", "rule", "action")) == [
        (1, "committed", "dele", "expunge"),
        (2, "open", "retrieved", "move"),
        (4, "presumed", "dele", "expunge"),
        (9, "gone", "gone", "expunge")]
    assert [d is None for u, d in sorted(deletions(db, "uid", "decided_at"))
            ] == [False, True, False, False]


def test_deletion_of_a_stale_intent(db, service):
    _, session = service.intent({3: ("expunge", "dele")}, policy_version="x")
    assert deletions(db, "status") == [("open",)]
    service.outcome(session, "failed")
    assert deletions(db, "status") == []


def test_deletion_with_several_intents_in_a_session(db, service):
    _, session = service.intent({3: ("expunge", "expired-hidden")})
    service.outcome(session)
    service.intent({4: ("expunge", "dele")}, session_id=session, intent_no=2)
    assert deletions(db, "uid", "intent_no", "status") == \
        [(3, 1, "committed"), (4, 2, "open")]


def test_a_late_outcome_is_no_second_row(db, service):
    _, session = service.intent({3: ("expunge", "dele")})
    service.abandon(session)
    me = new_id()
    service.claim(session, me)
    service.outcome(session)
    assert deletions(db, "status") == [("open",)]
    service.repair(session, me, {3: False})
    assert deletions(db, "status") == [("presumed",)]
    service.outcome(session)
    assert deletions(db, "status") == [("committed",)]


def test_deletion_that_was_committed_after_a_repair(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    _, session = service.intent({3: ("expunge", "dele"),
                                 4: ("expunge", "retrieved")})
    service.abandon(session)
    me = new_id()
    service.claim(session, me)
    service.repair(session, me, {3: True, 4: False})
    assert deletions(db, "uid", "status") == [(4, "presumed")]
    for _ in range(2):
        service.outcome(session)
        assert deletions(db, "uid", "rule", "status") == \
            [(3, "dele", "committed"), (4, "retrieved", "committed")]
    decided = db.value("SELECT at FROM pop3.audit "
                       "WHERE event = 'committed-late'")
    assert deletions(db, "decided_at") == [(decided,), (decided,)]


# --- report_user, report_leave_on_server, report_never_quit ---

def test_user(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    service.remove([4], "hide")
    service.session(OTHER, messages=3, bytes=7)
    db.set(OTHER, enforcement="enforce", pop3_hold="yes")
    rows = {r.username: r for r in report(db, "user")}
    row = rows[USER]
    assert (row.domain, row.enforcement, row.pop3_hold) == \
        ("example.org", "observe", "no")
    assert (row.messages, row.retrieved, row.retrieved_bytes, row.hidden,
            row.hidden_bytes, row.sessions, row.retrievals, row.bytes) == \
        (10, 2, 700, 1, 400, 1, 2, 5000)
    assert row.oldest_retrieved_at and row.oldest_hidden_at
    assert row.last_login_at and row.last_quit_at and row.first_seen_at
    assert (rows[OTHER].enforcement, rows[OTHER].pop3_hold,
            rows[OTHER].messages, rows[OTHER].retrieved) == \
        ("enforce", "yes", 3, 0)


def test_leave_on_server(db, service):
    service.session(retrieved={u: "none" for u in (3, 4, 5)})
    service.remove([5], "hide")
    service.session(OTHER)
    db.set("*", expire_retrieved="14d")
    (row,) = report(db, "leave_on_server")
    assert (row.username, row.messages, row.bytes, row.expire_retrieved) == \
        (USER, 2, 700, 14 * DAY)
    db.rows("DELETE FROM pop3.policy")
    assert report(db, "leave_on_server")[0].expire_retrieved is None


def test_never_quit(db, service):
    for ended_by in ("drop", "timeout"):
        service.session(ended_by=ended_by, retr=2, fetched="{[3,5)}")
    service.session(OTHER, ended_by="drop", retr=1)
    service.session(OTHER, ended_by="quit", retr=1)
    service.session("carl@example.org", ended_by="drop", retr=0)
    (row,) = report(db, "never_quit")
    assert (row.username, row.sessions, row.retr, row.bytes,
            row.last_ended_by, row.last_remote_address) == \
        (USER, 2, 4, 10000, "timeout", "192.0.2.1")
    # a QUIT of a session that fetched nothing is none
    service.session(ended_by="quit", retr=0)
    assert len(report(db, "never_quit")) == 1
    service.session(ended_by="quit", retr=1)
    assert report(db, "never_quit") == []


def test_never_quit_is_about_a_month(db, service):
    service.session(ended_by="drop", retr=2)
    db.age("31 days")
    assert report(db, "never_quit") == []


def test_session_daily(db, service):
    service.session(retrieved={3: "none", 4: "expunge"}, fetched="{[3,6)}",
                    removed="{[4,5)}", top=2, dele=1)
    service.session(ended_by="drop", retr=1, fetched="{[7,8)}")
    service.session(ended_by="refused")
    service.session("root", ended_by="timeout")
    now = db.value("SELECT pop3.now()")
    service.write(0, "record_polls", hour=[now - now % 3600],
                  username=[USER], device=[None],
                  remote_address=["192.0.2.1"], tls=[True], polls=[40],
                  last=[now])
    rows = {r.domain: r for r in report(db, "session_daily")}
    row = rows["example.org"]
    assert (row.users, row.sessions, row.polls, row.quits, row.broken,
            row.refused) == (1, 43, 40, 1, 1, 1)
    assert (row.retr, row.top, row.dele, row.fetched, row.retrieved,
            row.removed, row.bytes) == (3, 2, 1, 4, 2, 1, 15000)
    assert (rows[None].sessions, rows[None].broken) == (1, 1)


# --- report_expiring ---

def test_expiring(db, service):
    service.session(retrieved={3: "none", 4: "none", 5: "none"})
    db.age("5 days")
    service.remove([4], "hide")
    service.remove([6], "hide")
    db.set("*", expire_retrieved="14d", expire_hidden="10d")
    rows = {r.uid: r for r in report(db, "expiring")}
    assert {u: (r.rule, round(r.expires_in.total_seconds() / DAY))
            for u, r in rows.items()} == {
        3: ("expired-retrieved", 9), 4: ("expired-retrieved", 9),
        5: ("expired-retrieved", 9), 6: ("expired-hidden", 10)}
    db.set("*", expire_hidden="1d", enforcement="enforce")
    db.age("3 days")
    rows = {r.uid: r for r in report(db, "expiring")}
    assert {u: (r.rule, round(r.expires_in.total_seconds() / DAY))
            for u, r in rows.items()} == {
        3: ("expired-retrieved", 6), 4: ("expired-hidden", -2),
        5: ("expired-retrieved", 6), 6: ("expired-hidden", -2)}
    assert rows[3].enforcement == "enforce"
    db.set("*", expire_hidden="never", expire_retrieved="never")
    assert report(db, "expiring") == []
    db.set("*", expire_hidden="0")
    assert sorted(r.uid for r in report(db, "expiring")) == [4, 6]


def test_expiring_is_what_becomes_due(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    db.age("7 days")
    service.remove([4, 5], "hide")
    db.age("7 days")
    for retrieved, hidden in ((14, 7), (14, 8), (15, 7), (15, 8)):
        db.set("*", expire_retrieved="%dd" % retrieved,
               expire_hidden="%dd" % hidden)
        (state,) = service.state(expire_retrieved=retrieved * DAY,
                                 expire_hidden=hidden * DAY)
        due = sorted(zip(state.due_uid or [], state.due_reason or []))
        assert sorted((r.uid, r.rule) for r in report(db, "expiring")
                      if r.expires_in.total_seconds() <= 0) == due


# --- report_policy ---

def test_policy_is_the_effective_policy(db, service):
    """For every user, the view and the function say the same."""
    service.session()
    service.session(OTHER)
    service.session("root")
    db.set("*", preset="gmail", view_since="2026-01-31 12:00",
           quota_warn="none", quota_storage="unlimited")
    db.set("@example.org", preset="section8", on_dele="move",
           view_since="never", pop3_hold="yes", quota_warn="50,60")
    db.set(USER, pop3_hold="no", expire_retrieved="1d")
    db.set("carl@example.com", preset="qq", enforcement="enforce")
    users = [USER, OTHER, "root", "carl@example.com"]
    seen = {}
    for r in report(db, "policy"):
        seen.setdefault(r.username, {})[r.parameter] = (
            r.value, r.human, r.level, r.scope, r.preset)
    assert sorted(seen) == sorted(users)
    for user in users:
        assert seen[user] == {
            r.parameter: (r.value, r.human, r.level, r.scope, r.preset)
            for r in db.rows("SELECT * FROM pop3.effective_policy(%s)",
                             (user,))}, user
        assert len(seen[user]) == 25
    assert seen[USER]["pop3_hold"] == \
        ("yes", "yes", "domain", "@example.org", None)


def test_policies_in_reports_are_the_effective_ones(db, service):
    """pop3.policy_user, which other reports build on."""
    for user in (USER, OTHER, "root"):
        service.session(user)
    db.set("*", preset="gmail", enforcement="off")
    db.set("@example.org", preset="section8", pop3_hold="yes")
    db.set(USER, preset="download-once-day", enforcement="enforce")
    db.set("@example.com", expire_hidden="never")
    db.set("root", expire_unretrieved="never")
    for row in db.rows("SELECT * FROM pop3.policy_user"):
        rows = db.rows("SELECT * FROM pop3.effective_policy(%s)",
                       (row.username,))
        policy = {r.parameter: r.value for r in rows}
        assert row.unretrieved_own == (
            ("expire_unretrieved", "user", None) in
            [(r.parameter, r.level, r.preset) for r in rows])
        for name in row:
            if name not in ("username", "domain", "unretrieved_own"):
                assert str(row[name]) == policy[name], (row.username, name)


# --- report_would_remove ---

def would(db):
    return sorted((r.username, r.uid, r.rule, r.recorded)
                  for r in report(db, "would_remove"))


def test_would_remove_what_sessions_found(db, service):
    service.session(would={3: "retrieved", 4: "expired-unretrieved"})
    assert would(db) == [(USER, 3, "retrieved", True),
                         (USER, 4, "expired-unretrieved", True)]
    (row,) = report(db, "would_remove", uid=3)
    assert (row.domain, row.message_guid, row.size, row.mailbox_guid) == \
        ("example.org", guid(3), 300, BOX)


def test_would_remove_what_has_run_out_since(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    service.session(OTHER, retrieved={3: "none"})
    service.remove([5], "hide")
    db.set("*", expire_retrieved="14d", expire_hidden="7d")
    db.set(OTHER, expire_retrieved="never")
    db.age("6 days")
    assert would(db) == []
    db.age("1 day")
    assert would(db) == [(USER, 5, "expired-hidden", False)]
    db.age("7 days")
    db.age("14 days", OTHER)
    assert would(db) == [(USER, 3, "expired-retrieved", False),
                         (USER, 4, "expired-retrieved", False),
                         (USER, 5, "expired-hidden", False)]
    (row,) = report(db, "would_remove", uid=5)
    assert (db.value("SELECT now()") - row.since).days == 7


def test_would_remove_has_no_double_rows(db, service):
    service.session(retrieved={3: "none", 4: "none", 5: "none"})
    db.age("20 days")
    service.session(would={3: "expired-retrieved", 4: "retrieved"})
    service.remove([5], "hide")
    db.age("20 days")
    db.set("*", expire_retrieved="14d", expire_hidden="14d")
    rows = would(db)
    # a message once, by the rule that comes first
    assert rows == [(USER, 3, "expired-retrieved", False),
                    (USER, 4, "expired-retrieved", False),
                    (USER, 5, "expired-retrieved", False)]
    db.set("*", expire_retrieved="30d")
    assert would(db)[1] == (USER, 4, "retrieved", True)
    # a longer time takes recorded ones back
    db.set("*", expire_retrieved="100d", expire_hidden="100d")
    assert would(db) == [(USER, 4, "retrieved", True)]


@pytest.mark.parametrize("name,value", [
    ("enforcement", "enforce"), ("enforcement", "off"),
    ("pop3_hold", "yes")])
def test_would_remove_is_about_users_under_observe(db, service, name, value):
    service.session(retrieved={3: "none"}, would={4: "dele"})
    db.set("*", expire_retrieved="0")
    assert len(would(db)) == 2
    db.set("@example.org", **{name: value})
    assert would(db) == []


def test_would_remove_forgets_what_is_gone(db, service):
    service.session(retrieved={3: "none"}, would={3: "retrieved", 4: "dele",
                                                  5: "dele"})
    service.event("gone", [3])
    service.remove([4])
    assert would(db) == [(USER, 5, "dele", True)]


# --- all of them ---

def test_reports_of_nothing(db):
    for view in db.values("SELECT viewname::text FROM pg_views "
                          "WHERE schemaname = 'pop3' "
                          "AND viewname LIKE 'report%%' "
                          # the presets' making is history
                          "AND viewname <> 'report_policy_change'", ()):
        assert db.rows("SELECT * FROM pop3." + view,
                       role="pop3_report") == [], view
