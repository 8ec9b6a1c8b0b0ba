# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What administrators' commands call: policies in bulk, previews, status, log,
restore. Called as pop3_admin."""

import re

import psycopg2
import pytest

from sqlhelp import DAY, USER, Service, guid, new_id

OTHER = "bert@example.com"
ADMIN = "pop3_admin"


@pytest.fixture
def service(db):
    return Service(db)


def preview(db, scope, role=ADMIN, **parameters):
    """{parameter: (old, new, users)}, due_before, due_after."""
    rows = db.rows("SELECT * FROM pop3.preview_policies(%s, %s, %s)",
                   (scope, list(parameters), list(parameters.values())),
                   role=role)
    assert len({(r.due_before, r.due_after) for r in rows}) == 1
    return ({r.parameter: (r.old, r.new, r.users) for r in rows},
            rows[0].due_before, rows[0].due_after)


# --- set_policies ---

def test_several_are_set_at_once(db):
    rows = db.rows(
        "SELECT * FROM pop3.set_policies('@Example.org', "
        "'{preset,expire_hidden,quota_warn,view_since}', "
        "'{section8,14 days,\"70,90\",2026-01-31}')", role=ADMIN)
    assert [(r.scope, r.parameter, r.old, r.new) for r in rows] == [
        ("@example.org", "preset", None, "section8"),
        ("@example.org", "expire_hidden", None, "14 days"),
        ("@example.org", "quota_warn", None, "70%, 90%"),
        ("@example.org", "view_since", None, "2026-01-31")]
    rows = db.rows(
        "SELECT * FROM pop3.set_policies('@example.org', "
        "'{expire_hidden,view_since,preset}', '{never,never,NULL}')",
        role=ADMIN)
    assert [(r.parameter, r.old, r.new) for r in rows] == [
        ("expire_hidden", "14 days", "never"),
        ("view_since", "2026-01-31", "never"),
        ("preset", "section8", None)]
    rows = db.rows(
        "SELECT * FROM pop3.set_policies('@example.org', "
        "'{expire_hidden,view_since,quota_warn}')", role=ADMIN)
    assert [r.new for r in rows] == [None] * 3
    assert db.values("SELECT scope FROM pop3.policy") == []


@pytest.mark.parametrize("names,values,message", [
    ("{expire_hidden,on_delee}", "{1d,hide}",
     'there is no parameter "on_delee": did you mean "on_dele"?'),
    ("{expire_hidden,on_delee}", None, 'did you mean "on_dele"?'),
    ("{on_dele,expire_hidden}", "{hide,14}", "has no unit"),
    ("{on_dele,preset}", "{hide,nosuch}", '"nosuch" does not exist: use one'),
    ("{on_dele,on_dele}", "{hide,move}", "on_dele is given more than once"),
    ("{on_dele}", "{hide,move}", "1 parameters, but 2 values"),
    ("{}", "{}", "no parameter is given"),
    ("{NULL}", "{hide}", "there is no parameter")])
@pytest.mark.parametrize("function", ["set_policies", "preview_policies"])
def test_all_are_set_or_none(db, function, names, values, message):
    with pytest.raises(psycopg2.Error, match=re.escape(message)):
        db.rows("SELECT * FROM pop3.%s('*', %%s, %%s)" % function,
                (names, values), role=ADMIN)
    assert db.values("SELECT scope FROM pop3.policy") == []


def test_the_caller_is_in_the_history(db):
    conn = db.connection(ADMIN)
    conn.autocommit = False
    with conn.cursor() as cur:
        cur.execute("SELECT set_config('pop3.caller', 'uid 0 (root)', true)")
        cur.execute("SELECT pop3.set_policies('*', '{on_dele}', '{hide}')")
    conn.commit()
    conn.autocommit = True
    assert db.value("SELECT caller FROM pop3.policy_history "
                    "WHERE name = '*'") == "uid 0 (root)"


# --- preview_policies ---

def test_a_preview_changes_nothing(db, service):
    service.session(retrieved={3: "none"})
    version = service.version()
    history = db.value("SELECT count(*) FROM pop3.policy_history")
    values, before, after = preview(db, "*", enforcement="enforce",
                                    on_dele="hide")
    assert values == {"enforcement": (None, "enforce", 1),
                      "on_dele": (None, "hide", 1)}
    assert (before, after) == (0, 0)
    assert service.version() == version
    assert db.value("SELECT count(*) FROM pop3.policy_history") == history


def test_a_preview_counts_users_whose_value_changes(db, service):
    for user in (USER, OTHER, "carl@example.org", "dora"):
        service.session(user, uidnext=11)
    db.set("carl@example.org", on_dele="move", quota_warn="50")
    db.set("@example.com", on_dele="hide", quota_warn="80,95")

    def users(scope, **parameters):
        return {p: v[2] for p, v in preview(db, scope, **parameters)[0]
                .items()}
    # what is set nearer to the user wins; the built-in value set is no change
    assert users("*", on_dele="hide", quota_warn="70",
                 view_since="2026-01-31") == \
        {"on_dele": 2, "quota_warn": 2, "view_since": 4}
    assert users("*", on_dele="delete", quota_warn="80,95",
                 view_since="never") == \
        {"on_dele": 0, "quota_warn": 0, "view_since": 0}
    assert users("@EXAMPLE.org", on_dele="hide") == {"on_dele": 1}
    assert users("carl@Example.org", on_dele="hide") == {"on_dele": 1}
    assert users("dora", on_dele="hide") == {"on_dele": 1}
    assert users("nobody@example.org", on_dele="hide") == {"on_dele": 0}
    # a hold of any scope holds
    assert users("*", pop3_hold="yes") == {"pop3_hold": 4}
    db.set("@example.org", pop3_hold="yes")
    assert users("*", pop3_hold="yes") == {"pop3_hold": 2}
    assert users(USER, pop3_hold="no") == {"pop3_hold": 0}
    # unset
    rows = db.rows("SELECT * FROM pop3.preview_policies('@example.com', "
                   "'{on_dele,quota_warn}')", role=ADMIN)
    assert [(r.parameter, r.old, r.new, r.users) for r in rows] == [
        ("on_dele", "hide", None, 1), ("quota_warn", "80%, 95%", None, 0)]


def test_a_preview_of_a_preset_lists_what_it_changes(db, service):
    service.session()
    service.session(OTHER)
    db.set(OTHER, expire_retrieved="3d")
    values, _, _ = preview(db, "*", preset="section8")
    assert values == {
        "preset": (None, "section8", None),
        "expire_retrieved": (None, None, 1),
        "expire_unretrieved": (None, None, 2), "notify": (None, None, 2)}


def test_a_preview_tells_what_would_be_due_at_once(db, service):
    service.session(retrieved={u: "none" for u in range(1, 6)}, uidnext=11,
                    messages=10)
    service.remove([6, 7], "hide")
    service.session(OTHER, retrieved={1: "none"})
    db.age("3 days")
    db.set("*", enforcement="enforce", expire_retrieved="30d")

    def due(scope="*", **parameters):
        return preview(db, scope, **parameters)[1:]
    assert due(expire_retrieved="7d") == (0, 0)
    # the typo
    assert due(expire_retrieved="7s") == (0, 5)
    assert due(expire_hidden="1d") == (0, 2)
    assert due("@example.com", expire_retrieved="1s") == (0, 0)
    # what was never retrieved has no rows: what may be there of it
    assert due(expire_unretrieved="2d") == (0, 3)
    assert due(expire_unretrieved="4d") == (0, 0)
    assert due(expire_retrieved="2d", expire_hidden="2d",
               expire_unretrieved="2d", pop3_hold="yes") == (0, 0)
    db.set("@example.org", expire_retrieved="1d")
    assert due("@example.org", expire_retrieved="1d") == (5, 5)
    assert due("*", enforcement="observe") == (5, 0)
    assert due("*", on_dele="hide") == (None, None)
    # as the next login says
    state = service.state(expire_retrieved=DAY)[0]
    assert len(state.due_uid) == 5


def test_mail_that_imap_uses_is_not_due_unless_the_user_says_so(db, service):
    service.session(uidnext=11, messages=10)
    db.age("3 days")
    service.write(0, "record_imap_use", username=[USER])
    db.set("*", enforcement="enforce")
    assert preview(db, "*", expire_unretrieved="1d")[1:] == (0, 0)
    assert preview(db, USER, expire_unretrieved="1d")[1:] == (0, 10)
    db.set(USER, expire_unretrieved="1d")
    assert preview(db, "*", on_dele="hide", enforcement="enforce")[1:] == \
        (10, 10)


def test_mass_deleted_mail_is_due_by_its_own_time(db, service):
    service.session(retrieved={3: "none"})
    service.remove([3, 4], "hide", reason="mass-delete")
    db.age("3 days")
    db.set("*", enforcement="enforce", expire_hidden="1d",
           expire_retrieved="1d")
    assert preview(db, "*", mass_delete_hold="2 days")[1:] == (0, 2)


# --- list_policy, list_presets ---

def test_policies_are_listed(db):
    db.set("carl@example.org", on_dele="move")
    db.set("@example.org", preset="section8", quota_warn="50,60")
    db.set("*", view_since="2026-01-31 12:00", leave_max_bytes="500M")

    def listed(*args):
        return [(r.scope, r.parameter, r.value) for r in db.rows(
            "SELECT * FROM pop3.list_policy(%s)" %
            ", ".join(["%s"] * len(args)), args, role=ADMIN)]
    rows = [("*", "view_since", "2026-01-31 12:00 UTC"),
            ("*", "leave_max_bytes", "500 MB"),
            ("@example.org", "preset", "section8"),
            ("@example.org", "quota_warn", "50%, 60%"),
            ("carl@example.org", "on_dele", "move")]
    assert listed() == listed("*") == rows
    assert listed("@*") == rows[2:4]
    assert listed("c?rl@*") == rows[4:]
    assert listed("c_rl%") == []
    assert listed(None, 2, 1) == rows[1:3]


def test_presets_are_listed(db):
    db.set("*", preset="section8")
    rows = {r.preset: r for r in db.rows(
        "SELECT * FROM pop3.list_presets()", role=ADMIN)}
    assert set(rows) == set(db.values("SELECT name FROM pop3.preset"))
    row = rows["section8"]
    assert row["values"] == ("expire_retrieved=7 days, "
                             "expire_unretrieved=60 days, notify=yes")
    assert "RFC 1939" in row.source and row.description and row.scopes == 1
    assert rows["rfc1939"].scopes == 0


# --- status ---

def status(db, *args):
    return db.rows("SELECT * FROM pop3.status(%s)" %
                   ", ".join(["%s"] * len(args)), args, role=ADMIN)


def test_status(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    service.remove([4], "hide")
    service.usage(bytes=8500, messages=10, storage_limit=10000)
    row, = status(db, USER)
    assert (row.username, row.enforcement, row.hold, row.messages,
            row.retrieved, row.hidden, row.due, row.bytes, row.quota,
            row.quota_percent) == \
        (USER, "observe", "no", 10, 2, 1, None, 8500, 10000, 85)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", row.last_login)
    assert row.last_quit >= row.last_login
    db.set("*", enforcement="enforce", expire_retrieved="1d")
    assert status(db, USER)[0].due == 0
    db.age("2 days")
    assert status(db, USER)[0].due == 2
    db.set(USER, pop3_hold="yes")
    assert status(db, USER)[0].due is None


def test_status_of_many(db, service):
    for user in (USER, OTHER, "anton@example.org", "a_na@example.org"):
        service.session(user)

    def names(*args):
        return [r.username for r in status(db, *args)]
    everybody = sorted([USER, OTHER, "anton@example.org",
                        "a_na@example.org"])
    assert names() == names(None) == names("*") == everybody
    assert names("a*@example.org") == [n for n in everybody if n != OTHER]
    assert names("a_na@*") == names("a_na@example.org") == \
        ["a_na@example.org"]
    assert names(None, 2) == everybody[:2]
    assert names(None, 2, everybody[1]) == everybody[2:]
    assert names("nobody@example.org") == []


def test_status_of_users_who_only_got_mail(db, service):
    service.usage(OTHER, bytes=7, messages=1)
    row, = status(db, OTHER)
    assert (row.messages, row.bytes, row.retrieved, row.last_login) == \
        (1, 7, 0, None)


# --- log ---

def log(db, *columns, **args):
    sql = "SELECT * FROM pop3.log(%s)" % ", ".join(
        "p_%s => %%(%s)s" % (a, a) for a in args)
    return [tuple(r[c] for c in columns) if len(columns) > 1 else
            r[columns[0]] for r in db.rows(sql, args, role=ADMIN)]


def test_log_tells_what_by_which_rule_from_where_and_who_decided(db, service):
    db.set("@example.org", preset="section8")
    db.set("*", enforcement="enforce", on_dele="hide")
    db.set(USER, on_retrieve="delete")
    _, session = service.intent({
        1: ("expunge", "expired-retrieved"), 2: ("hide", "dele"),
        3: ("expunge", "retrieved"), 4: ("expunge", "quota")},
        device="desk", auth_user="admin")
    service.outcome(session)
    assert log(db, "uid", "what", "rule", "scope", "address", "client",
               "message_id", "size", username=USER) == [
        (1, "removed", "expired-retrieved", "@example.org preset section8",
         "192.0.2.1", "desk as admin", "<m1@example.net>", 100),
        (2, "hidden", "dele", "*", "192.0.2.1", "desk as admin",
         "<m2@example.net>", 200),
        (3, "removed", "retrieved", USER, "192.0.2.1", "desk as admin",
         "<m3@example.net>", 300),
        (4, "removed", "quota", "built-in", "192.0.2.1", "desk as admin",
         "<m4@example.net>", 400)]


def test_log_of_a_deletion_that_no_policy_decided(db, service):
    service.remove([3])
    assert log(db, "what", "rule", "scope", username=USER) == \
        [("removed", "dele", None)]


def test_log_tells_what_became_of_intents(db, service):
    service.remove([1], "move", "retrieved")
    service.intent({2: ("expunge", "dele")})
    _, failed = service.intent({3: ("expunge", "dele")})
    service.outcome(failed, "failed")
    _, broken = service.intent({4: ("expunge", "dele"),
                                5: ("hide", "dele")})
    service.abandon(broken)
    me = new_id()
    service.claim(broken, me)
    service.repair(broken, me, {4: False, 5: True})
    service.remove([6], "flag")
    assert log(db, "uid", "what", username=USER) == [
        (1, "moved to Trash"), (2, "removed (outcome not known yet)"),
        (3, "removed (not done: it stayed)"),
        (4, "removed (presumably: the session broke off, it is gone)"),
        (5, "hidden (not done: it stayed)"), (6, "marked as deleted")]


def test_log_has_sessions_and_other_events(db, service):
    db.set("*", login_delay="1h", pop3_access="off")
    db.set("@example.org", on_dele="refuse", enforcement="enforce")
    service.session(retrieved={3: "none", 4: "none"}, dovecot_session="abc")
    service.event("refused", reason="login-delay")
    service.event("refused", reason="pop3-access")
    service.event("refused", [3], reason="dele")
    service.event("would-refuse", reason="download-daily")
    service.event("gone", [3], detail="by IMAP")
    now = db.value("SELECT pop3.now()")
    service.write(0, "record_polls", hour=[now - now % 3600], device=[None],
                  username=[USER], remote_address=["192.0.2.9"], tls=[True],
                  polls=[12], last=[now + 1])
    lines = log(db, "what", "rule", "scope", "session", username=USER)
    assert sorted(lines, key=str) == sorted([
        ("session ended by quit: 2 messages retrieved, 5000 bytes sent",
         None, None, "abc"),
        ("login refused", "login-delay", "*", "dsess"),
        ("login refused", "pop3-access", "*", "dsess"),
        ("DELE refused", "dele", "@example.org", "dsess"),
        ("download would have been refused", "download-daily", "built-in",
         "dsess"),
        ("removed by IMAP or others", None, None, "dsess"),
        ("12 sessions without effect", None, None, None)], key=str)


def test_log_of_a_message_and_of_a_session(db, service):
    session = service.remove([3, 4])
    _, other = service.intent({3: ("expunge", "dele")}, user=OTHER,
                              dovecot_session="xyz")
    service.outcome(other)
    service.session(OTHER, session_id=other, dovecot_session="xyz")
    for message_id in ("m3@example.net", "<m3@example.net>"):
        assert log(db, "username", "uid", "what", message_id=message_id) == \
            [(USER, 3, "removed"), (OTHER, 3, "removed")]
    assert log(db, "uid", message_id="m3@example.net", username=OTHER) == [3]
    assert log(db, "uid", session=session) == [3, 4]
    for name in ("xyz", other, other.replace("-", "").upper()):
        assert [w[:7] for w in log(db, "what", session=name)] == \
            ["removed", "session"]
    with pytest.raises(psycopg2.Error, match="a user, a Message-ID or a"):
        log(db, "what")


def test_log_is_newest_last_and_limited(db, service):
    for uid in range(1, 6):
        service.remove([uid])
    assert log(db, "uid", username=USER) == [1, 2, 3, 4, 5]
    assert log(db, "uid", username=USER, limit=2) == [4, 5]
    at = log(db, "at", username=USER)
    assert at == sorted(at) and at[0].endswith("Z")
    db.age("2 days")
    service.remove([6])
    assert log(db, "uid", username=USER, since="yesterday") == [6]
    assert log(db, "uid", username=USER, until="yesterday") == \
        [1, 2, 3, 4, 5]


def test_the_forgotten_leave_no_scope(db, service):
    db.set(USER, enforcement="enforce", on_dele="hide")
    db.set("@example.org", on_retrieve="hide")
    service.remove([3], "hide")
    service.remove([4], "hide", "retrieved")
    db.value("SELECT pop3.forget_user(%s)", (USER,), role=ADMIN)
    assert db.values("SELECT scope FROM pop3.audit WHERE event = 'intent' "
                     "ORDER BY uid") == [None, "@example.org"]


# --- restore ---

@pytest.fixture
def hidden(db, service):
    """Hidden: 1 and 2 in one session, three days ago; 3 in another."""
    service.session(retrieved={1: "none", 2: "none"})
    first = service.remove([1, 2], "hide")
    db.age("3 days")
    _, second = service.intent({3: ("hide", "dele")}, dovecot_session="xyz")
    service.outcome(second)
    return first, second


def restored(db, **args):
    sql = "SELECT pop3.restore(%s)" % ", ".join(
        "p_%s => %%(%s)s" % (a, a) for a in args)
    count = db.value(sql, args, role=ADMIN)
    uids = [u for u, m in db.messages().items() if m.restored_at]
    assert len(uids) == count
    return uids


def test_restore_all(db, hidden):
    assert restored(db, username=USER) == [1, 2, 3]


def test_restore_by_uid(db, hidden):
    assert restored(db, username=USER, uids="{[2,4)}") == [2, 3]


@pytest.mark.parametrize("message_id", ["<m2@example.net>",
                                        "m2@example.net"])
def test_restore_by_message_id(db, hidden, message_id):
    assert restored(db, username=USER, message_id=message_id) == [2]


def test_restore_by_session(db, hidden):
    assert restored(db, username=USER, session=hidden[0]) == [1, 2]


def test_restore_by_dovecots_session(db, hidden):
    assert restored(db, username=USER, session="xyz") == [3]


def test_restore_by_time(db, hidden):
    assert restored(db, username=USER, until="yesterday") == [1, 2]


def test_restore_since(db, hidden):
    assert restored(db, username=USER, since="yesterday") == [3]


def test_what_is_given_has_to_fit_altogether(db, hidden):
    assert restored(db, username=USER, session=hidden[0],
                    message_id="m3@example.net") == []
    assert restored(db, username=OTHER, message_id="m1@example.net") == []


def test_restored_mail_begins_anew(db, service, hidden):
    restored(db, username=USER, message_id="m1@example.net")
    message = db.messages()[1]
    assert (message.retrieved_at, message.hidden_at, message.reason) == \
        (None, None, None)
    state, = service.state(expire_retrieved=DAY, expire_hidden=DAY)
    assert state.spared == "{[1,2)}" and state.due_uid == [2]
    assert db.events("event", "uid", "detail")[-1] == \
        ("restored", 1, "by pop3_admin; was hidden by dele")


def test_restore_after_a_new_uidvalidity(db, service, hidden):
    maildrop = db.value("SELECT maildrop_id FROM pop3.maildrop")
    service.carry(maildrop, {1: 11, 2: 12, 3: 13})
    assert restored(db, username=USER, message_id="m2@example.net") == [12]
    assert db.messages()[12].message_guid == guid(2)
