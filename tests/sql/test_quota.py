# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What may be evicted, what is on the server, and the report of it."""

import psycopg2
import pytest

from sqlhelp import DAY, USER, Row, Service, guid, new_id

OTHER = "otto@example.org"


@pytest.fixture
def service(db):
    return Service(db)


@pytest.fixture
def left(db, service):
    """Sizes are 100 times the UID. 7 retrieved before 5 before 3, then hidden
    6 before 2 before 7; 1, 4, 8, 9, 10 are not retrieved."""
    for uid in (7, 5, 3):
        service.session(retrieved={uid: "none"})
        db.age("1 hour")
    for uid in (6, 2, 7):
        service.remove([uid], "hide", "retrieved")
        db.age("1 hour")
    return service


ALL = [6, 2, 7, 5, 3]       # 600 + 200 + 700 + 500 + 300 bytes


@pytest.mark.parametrize("bytes,messages,goes", [
    (0, 0, []), (1, 0, [6]), (600, 0, [6]), (601, 0, [6, 2]),
    (800, 0, [6, 2]), (801, 0, [6, 2, 7]), (1500, 0, [6, 2, 7]),
    (1501, 0, [6, 2, 7, 5]), (2000, 0, [6, 2, 7, 5]), (2001, 0, ALL),
    (2300, 0, ALL), (2301, 0, ALL), (0, 1, [6]), (0, 4, [6, 2, 7, 5]),
    (0, 5, ALL), (0, 6, ALL),
    # both
    (700, 1, [6, 2]), (1, 3, [6, 2, 7]), (10 ** 15, 10 ** 6, ALL)])
def test_hidden_then_retrieved_the_oldest_first(left, bytes, messages, goes):
    rows = left.evictable(bytes, messages)
    assert [r.uid for r in rows] == goes
    assert [(r.message_guid, r.size) for r in rows] == [
        (guid(u), 100 * u) for u in goes]
    assert {r.more for r in rows} <= {len(goes) < len(ALL)}


def test_no_more_than_asked_for(left):
    for limit in (1, 3, 5):
        rows = left.evictable(10 ** 6, limit=limit)
        assert [r.uid for r in rows] == ALL[:limit]
        assert {r.more for r in rows} == {limit < 5}


def test_a_size_that_is_not_known_gives_no_room(db, left):
    db.rows("UPDATE pop3.message SET size = NULL WHERE uid = 6")
    rows = left.evictable(200)
    assert [(r.uid, r.size) for r in rows] == [(6, None), (2, 200)]


def test_what_an_intent_is_about_stays(db, left):
    result, session = left.intent({6: ("expunge", "quota"),
                                   5: ("expunge", "quota")})
    assert [r.uid for r in left.evictable(0, 9)] == [2, 7, 3]
    left.outcome(session, "failed")
    assert [r.uid for r in left.evictable(0, 9)] == ALL
    _, session = left.intent({6: ("expunge", "quota")})
    left.abandon(session)
    assert 6 not in [r.uid for r in left.evictable(0, 9)]


def test_restored_mail_stays_until_it_is_retrieved_again(db, left):
    db.value("SELECT pop3.restore(%s, '{[2,2],[7,7]}')", (USER,))
    assert [r.uid for r in left.evictable(0, 9)] == [6, 5, 3]
    left.session(retrieved={7: "none"})
    assert [r.uid for r in left.evictable(0, 9)] == [6, 5, 3, 7]


def test_what_mass_delete_holds_stays(left):
    left.remove([9, 10], "hide", "mass-delete")
    assert [r.uid for r in left.evictable(0, 9)] == ALL


def test_unretrieved_mail_stays(left):
    left.session(uidnext=1000, uidnext_end=1000, messages=999)
    left.session(would={8: "dele"})
    assert [r.uid for r in left.evictable(10 ** 9, 10 ** 6)] == ALL


def test_another_maildrop_stays(left):
    left.session(OTHER, retrieved={4: "none"})
    left.session(retrieved={4: "none"}, uidvalidity=1001)
    left.session(retrieved={4: "none"}, mailbox_guid=new_id())
    assert [r.uid for r in left.evictable(0, 9)] == ALL
    assert [r.uid for r in left.evictable(0, 9, OTHER)] == [4]
    assert left.evictable(0, 9, uidvalidity=1002) == []
    assert left.evictable(0, 9, "nobody@example.org") == []


def test_what_was_evicted_is_gone(db, left):
    result, session = left.intent(
        {6: ("expunge", "quota"), 2: ("expunge", "quota")},
        **{"for": "<new@example.net>"})
    assert result == "ok"
    assert left.outcome(session) == "ok"
    assert [r.uid for r in left.evictable(0, 9)] == [7, 5, 3]
    assert sorted(left.db.messages()) == [3, 5, 7]
    rows = db.rows("SELECT uid, rule, status, detail "
                   "FROM pop3.report_deletion ORDER BY uid",
                   role="pop3_report")
    assert rows == [Row(uid=u, rule="quota", status="committed",
                        detail="room for <new@example.net>") for u in (2, 6)]


# --- usage ---

def stored(db, user=USER, role="pop3_report"):
    return db.row("SELECT * FROM pop3.report_user WHERE username = %s",
                  (user,), role=role)


def test_the_last_word_counts(db, service):
    service.usage(bytes=5, messages=1, storage_limit=100, message_limit=10,
                  level=80)
    service.usage(bytes=7, messages=2)
    row = db.row("SELECT * FROM pop3.usage")
    del row["at"]
    assert row == dict(username=USER, bytes=7, messages=2, storage_limit=None,
                       message_limit=None, level=0)


def test_many_users_at_once(db, service):
    users = ["u%d@example.org" % n for n in range(100)]
    for _ in range(2):
        service.write(0, "record_usage", username=users,
                      bytes=list(range(100)), messages=[1] * 100,
                      storage_limit=[None, 1000] * 50,
                      message_limit=[None] * 100, level=[0] * 100,
                      lowest=[0] * 100)
    assert db.value("SELECT count(*) FROM pop3.usage") == 100
    assert db.value("SELECT count(*) FROM pop3.report_user") == 100
    assert db.value("SELECT sum(bytes) FROM pop3.usage") == 4950


def test_updates_touch_no_index(db, service):
    """Heap-only, as long as the page has room."""
    db.rows("VACUUM pop3.usage")
    service.usage()
    row = db.row(
        "WITH calls AS MATERIALIZED (SELECT pop3.record_usage("
        "ARRAY[%s], ARRAY[n], ARRAY[1::bigint], ARRAY[NULL::bigint], "
        "ARRAY[NULL::bigint], ARRAY[0], ARRAY[0]) "
        "FROM generate_series(1::bigint, 20) n), "
        "done AS MATERIALIZED (SELECT count(*) FROM calls) "
        "SELECT s.n_tup_upd, s.n_tup_hot_upd, done.count "
        "FROM done, LATERAL (SELECT * FROM pg_stat_xact_user_tables "
        "WHERE relid = 'pop3.usage'::regclass AND done.count = 20) s",
        (USER,))
    assert (row.n_tup_upd, row.n_tup_hot_upd) == (20, 20)


@pytest.mark.parametrize("args", [
    {"bytes": -1}, {"messages": -1}, {"bytes": None}])
def test_nonsense_is_refused(db, service, args):
    with pytest.raises(psycopg2.Error):
        service.usage(**args)
    assert db.value("SELECT count(*) FROM pop3.usage") == 0


def test_arrays_of_different_length_are_refused(service):
    with pytest.raises(psycopg2.Error) as error:
        service.write(0, "record_usage", username=[USER], bytes=[1, 2],
                      messages=[1], storage_limit=[None],
                      message_limit=[None], level=[0], lowest=[0])
    assert error.value.pgcode == "P3002"


def test_usage_of_a_year_ago_is_dropped(db, service):
    service.usage()
    service.usage(OTHER)
    db.age("364 days", OTHER)
    db.age("366 days")
    db.value("SELECT strays FROM pop3.maintain()", role="pop3_service")
    assert db.values("SELECT username FROM pop3.usage") == [OTHER]


# --- report_user ---

def test_a_user_who_only_gets_mail(db, service):
    db.set("@example.org", enforcement="enforce")
    service.usage(bytes=5000, messages=10, storage_limit=20000,
                  message_limit=100)
    row = stored(db)
    assert (row.domain, row.enforcement) == ("example.org", "enforce")
    assert (row.stored_bytes, row.stored_messages, row.unretrieved,
            row.unretrieved_bytes, row.quota_percent) == (
        5000, 10, 10, 5000, 25)
    assert (row.retrieved, row.hidden, row.sessions, row.bytes) == (
        0, 0, 0, 0)
    assert (row.messages, row.first_seen_at, row.last_login_at) == (
        None, None, None)
    assert row.stored_at is not None


def test_a_user_without_quota(db, service):
    service.session(messages=10, retrieved={1: "none", 2: "none"})
    row = stored(db)
    assert (row.messages, row.stored_messages, row.unretrieved) == (10, 10, 8)
    assert (row.stored_bytes, row.unretrieved_bytes, row.storage_limit,
            row.quota_percent, row.stored_at) == (None,) * 5


def test_what_is_retrieved_and_what_is_not(db, left):
    """3 and 5 are retrieved, 7 is hidden besides, 2 and 6 only hidden."""
    left.usage(bytes=5500, messages=10, storage_limit=6000)
    row = stored(db)
    assert (row.retrieved, row.retrieved_bytes) == (3, 1500)
    assert (row.hidden, row.hidden_bytes) == (3, 1500)
    assert (row.unretrieved, row.unretrieved_bytes) == (5, 5500 - 2300)
    assert row.quota_percent == 91
    # mail that came since
    left.usage(bytes=6000, messages=11, storage_limit=6000)
    row = stored(db)
    assert (row.stored_messages, row.unretrieved, row.quota_percent) == (
        11, 6, 100)


@pytest.mark.parametrize("args,percent", [
    ({"storage_limit": 5000}, 100), ({"storage_limit": 5001}, 99),
    ({"storage_limit": 2500}, 200), ({"message_limit": 40}, 25),
    ({"storage_limit": 50000, "message_limit": 20}, 50),
    ({"storage_limit": 10000, "message_limit": 1000}, 50),
    ({}, None), ({"storage_limit": 0}, None)])
def test_percent_is_the_larger_one(db, service, args, percent):
    service.usage(bytes=5000, messages=10, **args)
    assert stored(db).quota_percent == percent


def test_a_user_of_several_maildrops_is_one_row(db, service):
    service.session(messages=10, retrieved={1: "none"})
    service.session(messages=4, retrieved={2: "none"}, uidvalidity=1001)
    service.usage(bytes=5000, messages=14)
    row = stored(db)
    assert (row.messages, row.retrieved, row.unretrieved) == (14, 2, 12)


def test_users_of_policies_alone_are_not_there(db, service):
    db.set("nobody@example.org", quota_storage="1G")
    assert db.rows("SELECT * FROM pop3.report_user") == []


def test_one_user_is_found_by_index(db, service):
    """Not by going through all."""
    db.rows("INSERT INTO pop3.usage (username, bytes, messages) "
            "SELECT 'u' || n || '@example.org', n, 1 "
            "FROM generate_series(1, 20000) n")
    db.rows("INSERT INTO pop3.maildrop (username, mailbox_guid, uidvalidity) "
            "SELECT 'u' || n || '@example.org', gen_random_uuid(), 1 "
            "FROM generate_series(1, 20000) n")
    db.rows("ANALYZE pop3.usage; ANALYZE pop3.maildrop")
    plan = "\n".join(db.values(
        "EXPLAIN SELECT * FROM pop3.report_user "
        "WHERE username = 'u77@example.org'"))
    assert "Seq Scan on usage" not in plan
    assert "Seq Scan on maildrop" not in plan
