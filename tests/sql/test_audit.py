# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The audit: append-only, partitioned, forgetful where it must be."""

import psycopg2
import pytest

from sqlhelp import DAY, USER, Service, guid

OTHER = "bert@example.org"


def partitions(db, table):
    return db.values(
        "SELECT i.inhrelid::regclass::text FROM pg_inherits i "
        "WHERE i.inhparent = %s::regclass ORDER BY 1", ("pop3." + table,))


# --- append-only ---

@pytest.mark.parametrize("sql", [
    "DELETE FROM {}", "UPDATE {} SET username = 'x'", "TRUNCATE {}",
    "DELETE FROM {} WHERE false"])
@pytest.mark.parametrize("user", ["postgres", "pop3_owner"])
def test_the_audit_is_append_only(db, sql, user):
    Service(db).event("refused")
    today = db.value("SELECT tableoid::regclass::text FROM pop3.audit")
    assert today != "pop3.audit_default"
    for table in ("pop3.audit", today, "pop3.audit_default"):
        with pytest.raises(psycopg2.Error) as error:
            db.rows("BEGIN; SET LOCAL ROLE %s; %s; COMMIT" %
                    (user, sql.format(table)))
        db.rows("ROLLBACK")
        assert error.value.pgcode == "P3003"
        assert "append-only" in str(error.value)


def test_every_partition_is_guarded(db):
    for table in partitions(db, "audit") + ["pop3.audit"]:
        assert db.value(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass "
            "AND tgname = 'audit_guard' AND tgenabled = 'O'", (table,)) == 1


@pytest.mark.parametrize("setting", ["forget_user", "maintain", "age"])
def test_the_setting_alone_does_not_open_it(db, setting):
    """It needs the owner's own functions: a superuser's session or an
    administrator's that sets it changes nothing."""
    Service(db).event("refused")
    db.rows("SET pop3.audit_change = %s", (setting,))
    try:
        with pytest.raises(psycopg2.Error, match="append-only"):
            db.rows("DELETE FROM pop3.audit")
    finally:
        db.rows("RESET pop3.audit_change")


def test_functions_close_it_again(db):
    """In the same transaction, after a function that changed rows."""
    service = Service(db)
    service.event("refused")
    with pytest.raises(psycopg2.Error, match="append-only"):
        db.rows("BEGIN; SET LOCAL ROLE pop3_owner; "
                "SELECT pop3_test.age('%s', '1 hour'); "
                "DELETE FROM pop3.audit; COMMIT" % USER)
    db.rows("ROLLBACK")
    with pytest.raises(psycopg2.Error, match="append-only"):
        db.rows("BEGIN; SET LOCAL ROLE pop3_owner; "
                "SELECT pop3.forget_user('%s'); "
                "DELETE FROM pop3.audit; COMMIT" % USER)
    db.rows("ROLLBACK")


# --- partitions ---

def test_partitions_for_two_weeks(db):
    days = db.values("SELECT to_char(current_date + n, '_YYYYMMDD') "
                     "FROM generate_series(0, 14) n")
    for table in ("audit", "session"):
        assert partitions(db, table) == \
            ["pop3.%s%s" % (table, d) for d in days] + \
            ["pop3.%s_default" % table]
    row = db.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert (row.partitions_made, row.strays) == (0, 0)


def test_partitions_are_days_in_utc(fresh):
    fresh.rows("SET timezone = 'Pacific/Kiritimati'")
    fresh.rows("DROP TABLE pop3.audit_%s" % fresh.value(
        "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '14 days', "
        "'YYYYMMDD')"))
    assert fresh.row("SELECT * FROM pop3.maintain()").partitions_made == 1
    fresh.rows("SET timezone = 'UTC'")
    day = fresh.value("SELECT current_date + 14")
    bound = fresh.value(
        "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class c "
        "WHERE c.oid = %s::regclass", (day.strftime("pop3.audit_%Y%m%d"),))
    assert bound.startswith("FOR VALUES FROM ('%s 00:00:00+00')" % day)


def test_missing_partitions_are_made_and_strays_moved(fresh):
    service = Service(fresh)
    today = fresh.value("SELECT to_char(current_date, 'YYYYMMDD')")
    fresh.rows("DROP TABLE pop3.audit_%s, pop3.session_%s" % (today, today))
    service.event("refused")
    service.session()
    assert fresh.values("SELECT tableoid::regclass::text FROM pop3.audit "
                        "UNION ALL SELECT tableoid::regclass::text "
                        "FROM pop3.session") == \
        ["pop3.audit_default", "pop3.session_default"]
    row = fresh.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert (row.partitions_made, row.strays) == (2, 0)
    assert fresh.values("SELECT tableoid::regclass::text FROM pop3.audit "
                        "UNION ALL SELECT tableoid::regclass::text "
                        "FROM pop3.session") == \
        ["pop3.audit_" + today, "pop3.session_" + today]
    # the new partition is as the others
    assert fresh.value(
        "SELECT count(DISTINCT n) FROM (SELECT count(*) AS n FROM pg_index x "
        "JOIN pg_class c ON c.oid = x.indrelid WHERE c.relispartition "
        "AND c.relkind = 'r' AND c.relname LIKE 'audit\\_%' "
        "GROUP BY x.indrelid) x") == 1
    with pytest.raises(psycopg2.Error, match="append-only"):
        fresh.rows("DELETE FROM pop3.audit_" + today)
    assert fresh.value("SELECT obj_description(%s::regclass)",
                       ("pop3.audit_" + today,))


def test_strays_are_counted(db):
    service = Service(db)
    service.event("refused")
    service.session(ago=0)
    db.age("3 days")
    assert db.row("SELECT * FROM pop3.maintain()",
                  role="pop3_service").strays == 2
    assert db.value("SELECT count(*) FROM pop3.audit_default") == 1


def test_maintain_does_not_wait_long(fresh):
    """A transaction that holds the table makes it give up, not wait."""
    today = fresh.value("SELECT to_char(current_date + 14, 'YYYYMMDD')")
    fresh.rows("DROP TABLE pop3.audit_%s, pop3.session_%s" % (today, today))
    holder = fresh.server.connect(dbname=fresh.name, autocommit=False)
    holder.cursor().execute("LOCK TABLE pop3.audit IN SHARE MODE")
    row = fresh.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert row.partitions_made == 0
    holder.rollback()
    holder.close()
    row = fresh.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert row.partitions_made == 2


def test_one_maintain_at_a_time(fresh):
    today = fresh.value("SELECT to_char(current_date + 14, 'YYYYMMDD')")
    fresh.rows("DROP TABLE pop3.audit_%s" % today)
    first = fresh.server.connect("pop3_service", fresh.name,
                                 autocommit=False)
    first.cursor().execute("SELECT * FROM pop3.maintain()")
    # only counts, which needs a table that the first one has locked
    fresh.rows("SET lock_timeout = '10s'", role="pop3_admin")
    first.commit()
    first.close()
    assert fresh.row("SELECT * FROM pop3.maintain()",
                     role="pop3_admin").partitions_made == 0


# --- look-ups ---

def test_look_ups_need_no_scan_of_the_days(fresh):
    """By user and by message, an index is used."""
    fresh.rows(
        "INSERT INTO pop3.audit (event, username, message_id, message_guid, "
        "remote_address, uidl, dovecot_session, session_id, chain_id, seq) "
        "SELECT 'intent', 'user' || n || '@example.org', "
        "'<' || n || '.some.message@mail.example.org>', gen_random_uuid(), "
        "'192.0.2.1', lpad(n::text, 16, '0'), 'abcdefghijklmnopqrs', "
        "gen_random_uuid(), gen_random_uuid(), n "
        "FROM generate_series(1, 20000) n")
    today = fresh.value("SELECT tableoid::regclass::text FROM pop3.audit "
                        "LIMIT 1")
    fresh.rows("ANALYZE pop3.audit")
    someone = fresh.row("SELECT * FROM pop3.audit "
                        "WHERE username = 'user777@example.org'")

    def buffers(column):
        plan = fresh.value("EXPLAIN (ANALYZE, BUFFERS, FORMAT json) "
                           "SELECT * FROM %s WHERE %s = %%s" %
                           (today, column), (someone[column],))[0]["Plan"]
        assert plan["Actual Rows"] == 1
        return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    for column in ("username", "message_id", "message_guid"):
        assert buffers(column) < 10, column


# --- forget ---

def test_forget_user(db):
    service = Service(db)
    for user in (USER, OTHER):
        db.set(user, on_dele="hide")
        service.session(user, retrieved={3: "none"}, device="phone",
                        auth_user="master")
        service.intent({3: ("move", "dele")}, user)
        service.accept_login(user=user)
        service.download(1000, reserve=10, user=user)
        service.write(1, "record_quarantine", "seq", record="user=" + user,
                      error="wrong: " + user)
    assert db.value("SELECT pop3.forget_user(%s)", (USER,),
                    role="pop3_admin") == 2
    for table in ("maildrop", "audit", "session", "intent", "policy_history",
                  "policy", "message", "watermark", "would_remove", "login",
                  "download"):
        text = "\n".join(str(r) for r in db.rows(
            "SELECT * FROM pop3." + table))
        assert USER not in text, table
    assert db.values("SELECT record FROM pop3.quarantine "
                     "ORDER BY quarantine_id") == [None, "user=" + OTHER]
    rows = db.rows("SELECT * FROM pop3.audit WHERE username LIKE "
                   "'forgotten-%%' ORDER BY seq NULLS LAST")
    assert [r.event for r in rows] == ["intent", "forgotten"]
    intent = rows[0]
    assert (intent.uid, intent.reason, intent.message_guid) == \
        (3, "dele", guid(3))
    assert [intent[c] for c in (
        "remote_address", "device", "auth_user", "dovecot_session", "uidl",
        "message_id", "moved_to", "detail")] == [None] * 8
    session = db.row("SELECT * FROM pop3.session WHERE username = %s",
                     (intent.username,))
    assert session.remote_address is None and session.retr == 1
    assert db.value("SELECT count(*) FROM pop3.policy_history "
                    "WHERE name = %s AND coalesce(new, old) ->> 'scope' = %s",
                    (intent.username, intent.username)) == 2
    # the others are as they were
    for table in ("maildrop", "login", "download"):
        assert db.values("SELECT username FROM pop3." + table) == [OTHER]
    assert db.row("SELECT * FROM pop3.audit WHERE username = %s",
                  (OTHER,)).remote_address == "192.0.2.1"
    assert db.values("SELECT scope FROM pop3.policy") == [OTHER]


@pytest.mark.parametrize("scope", ["*", "@example.org", USER])
def test_nobody_on_hold_is_forgotten(db, scope):
    service = Service(db)
    service.session(retrieved={3: "none"})
    db.set(scope, pop3_hold="yes")
    with pytest.raises(psycopg2.Error, match="is on hold"):
        db.rows("SELECT pop3.forget_user(%s)", (USER,), role="pop3_admin")
    assert list(db.messages()) == [3]


@pytest.mark.parametrize("name", ["*", "@example.org", ""])
def test_only_users_are_forgotten(db, name):
    db.set("@example.org", on_dele="hide")
    with pytest.raises(psycopg2.Error):
        db.rows("SELECT pop3.forget_user(%s)", (name,), role="pop3_admin")
    assert db.value("SELECT count(*) FROM pop3.policy") == 1


# --- pop3_test.age ---

def test_age_moves_everything(db):
    service = Service(db)
    service.session(retrieved={3: "none", 4: "none"}, would={5: "dele"})
    lost = service.session(ended_by="lost")
    service.session(session_id=lost["session_id"], started=lost["started"])
    service.remove([4], "hide")
    db.value("SELECT pop3.restore(%s)", (USER,))
    service.remove([6], "hide")
    service.write(0, "record_imap_use", username=[USER])
    service.intent({7: ("expunge", "dele")})
    service.postpone({9: ("expunge", "dele")})
    service.accept_login(delay=60)
    service.download(1000, reserve=10)
    service.usage()
    db.set(USER, enforcement="enforce", notify="yes", expire_retrieved="10d",
           expire_unretrieved="5d")
    assert service.take_notice("expiry", until=service.now() + 7 * DAY)
    told = ("SELECT (told ->> 'retrieved')::timestamptz AS retrieved, "
            "(told ->> 'restored')::timestamptz AS restored FROM pop3.notice")
    covered = db.row(told)
    service.session(OTHER, retrieved={3: "none"})
    db.value("SELECT pop3.count_kept()")

    def times():
        columns = db.rows(
            "SELECT c.relname::text AS t, a.attname::text AS c "
            "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE c.relnamespace = 'pop3'::regnamespace "
            "AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND a.atttypid = 'timestamptz'::regtype "
            "AND c.relname NOT IN ('policy', 'preset', 'policy_history', "
            "'chain', 'quarantine', 'schema_version', 'rolled_up', "
            "'control', 'removal_count', 'sweep', 'seal', 'forgotten', "
            "'generation') "
            "ORDER BY 1, 2")
        result = {}
        for r in columns:
            result[r.t, r.c] = db.values(
                "SELECT max(x) FROM (SELECT t.{0} AS x FROM pop3.{1} t WHERE "
                "to_jsonb(t) ->> 'username' = %s OR "
                "(to_jsonb(t) ->> 'maildrop_id')::bigint = "
                "(SELECT maildrop_id FROM pop3.maildrop "
                "WHERE username = %s)) y".format(r.c, r.t), (USER, USER))[0]
        return result

    before = times()
    others = db.rows("SELECT * FROM pop3.maildrop WHERE username = %s",
                     (OTHER,))
    db.age("40 days")
    after = times()
    for key, value in before.items():
        if value is None:
            # view_since is a date of the policy's
            assert key == ("maildrop", "view_since")
        else:
            assert (value - after[key]).days == 40, key
    for name, value in db.row(told).items():
        assert (covered[name] - value).days == 40
    assert db.rows("SELECT * FROM pop3.maildrop WHERE username = %s",
                   (OTHER,)) == others


def test_age_by_a_days_watermarks(db):
    """Marks a day apart, moved by a day, meet each other's times."""
    service = Service(db)
    service.session(uidnext=11)
    db.rows("INSERT INTO pop3.watermark (maildrop_id, at, uidnext) "
            "SELECT maildrop_id, at - n * interval '1 day', uidnext - n "
            "FROM pop3.watermark, generate_series(1, 5) n")
    db.age("1 day")
    assert db.value("SELECT count(*) FROM pop3.watermark") == 6
