# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What ready queries and dashboard queries read: of a span of time its days, of
a user the user's rows; never pop3.message from end to end, and never all of
pop3.audit."""

import re

import pytest

import readyqueries
from sqlhelp import DAY, USER, Service, new_id
from test_dashboard import span

QUERIES = {"doc: " + title: sql
           for title, sql in readyqueries.documented().items()}
PANELS = {"dashboard: %s" % title: sql
          for title, (sql,) in readyqueries.panels().items()}
DAYS = 10
# the spans that queries ask for, days; None: nothing of audit or session
SPANS = {"doc: Users who lost most mail in a day": 1,
         "doc: Who downloads most": 1, "doc: Logins per hour": 2,
         "doc: Never-quit clients": 30,
         "dashboard: Never-quit clients": 30,
         # indexed by user and Message-ID; for those it is about all days
         "doc: Who deleted the message with this Message-ID": 30}
PER_USER = [t for t, sql in {**QUERIES, **PANELS}.items()
            if "username = " in sql]


@pytest.fixture
def queries(site):
    """{title: SQL}, for a user and a message who are there, of three days."""
    user = site.row("SELECT username, message_id FROM pop3.audit "
                    "WHERE message_id IS NOT NULL "
                    "AND at BETWEEN now() - interval '4 days' "
                    "AND now() - interval '3 days' LIMIT 1")
    start, end = span(site, 3)
    found = {t: sql.replace("anna@example.org", user.username)
             .replace("<m3@example.net>", user.message_id)
             for t, sql in QUERIES.items()}
    found.update((t, readyqueries.expand(
        sql, start, end, user=[user.username],
        domain=["d1.example", "d2.example", "d3.example"]))
        for t, sql in PANELS.items())
    return found


def ages(relations):
    """{table: {days ago}} of partitions; the default one is 0."""
    found = {"audit": set(), "session": set()}
    for _, name, _, _, today in relations:
        match = re.fullmatch(r"(audit|session)_(\d{8}|default)", name)
        if match:
            found[match.group(1)].add(
                0 if match.group(2) == "default" else
                (today - readyqueries.day(match.group(2))).days)
    return found


def reads(site, sql):
    today = site.value("SELECT (now() AT TIME ZONE 'UTC')::date")
    return [r + (today,) for r in readyqueries.relations_read(site, sql)]


@pytest.mark.parametrize("title", [*QUERIES, *PANELS])
def test_messages_are_not_scanned(site, queries, title):
    """By index only, and not all of them one after the other either."""
    relations = [r for r in reads(site, queries[title])
                 if r[1] == "message"]
    assert not [r for r in relations if r[0] == "Seq Scan"]
    whole = site.value("SELECT count(*) FROM pop3.message")
    assert sum(r[2] * r[3] for r in relations) < whole * 3 / 4


@pytest.mark.parametrize("title", [*QUERIES, *PANELS])
def test_days_outside_of_the_span_are_not_read(site, queries, title):
    """Nor more than today, where days are rolled up. The day after a removal
    may have its outcome."""
    sql = queries[title]
    read = ages(reads(site, sql))
    if title in SPANS:
        oldest = min(SPANS[title], DAYS)
    elif "report_session_daily" in sql or "report_event_daily" in sql:
        # the last hour of yesterday's rollup
        oldest = 1
    elif title.startswith("dashboard: "):
        oldest = 2 if "2 days" in sql else 3
    else:
        oldest = 7
    if not re.search("report_(session|never_quit)", sql):
        assert not read["session"]
    if not re.search("report_(event|deletion)", sql):
        assert not read["audit"]
    # today's partition and those ahead may be empty, and cost nothing
    assert max(read["audit"] | read["session"] | {0}) <= oldest + (
        # five minutes after midnight
        1 if "report_deletion" in sql else 0)
    if re.search("report_(session|event|deletion)", sql):
        assert read["audit"] | read["session"]


def test_spans_that_have_ended(site, queries):
    """Later days are not read for the outcomes of earlier ones."""
    read = ages(reads(
        site, "SELECT * FROM pop3.report_deletion WHERE at >= "
        "(current_date - 7)::timestamptz AND at < "
        "(current_date - 5)::timestamptz"))
    assert {6, 7} <= read["audit"] <= {0, 5, 6, 7, 8}
    rows = site.value("SELECT count(*) FROM pop3.report_deletion "
                      "WHERE at >= (current_date - 7)::timestamptz "
                      "AND at < (current_date - 5)::timestamptz")
    assert rows == site.value(
        "SELECT count(*) FROM pop3.audit WHERE action = 'expunge' "
        "AND at >= (current_date - 7)::timestamptz "
        "AND at < (current_date - 5)::timestamptz") > 0


def test_a_rollup_reads_its_day(site):
    """The queries that pop3.roll_up() makes."""
    for view, column in (("report_session", "started_at"),
                         ("event_counted", "at")):
        read = ages(reads_as_owner(
            site, "SELECT count(*) FROM pop3.{0} WHERE "
            "{1} >= (current_date - 5)::timestamptz AND "
            "{1} < (current_date - 4)::timestamptz".format(view, column)))
        assert read["session"] | read["audit"] <= {0, 4, 5, 6}
        assert 5 in read["session"] | read["audit"]


def reads_as_owner(site, sql):
    today = site.value("SELECT (now() AT TIME ZONE 'UTC')::date")
    return [r + (today,) for r in readyqueries.relations_read(
        site, sql, role="postgres")]


@pytest.mark.parametrize("title", PER_USER)
def test_of_a_user_only_the_users_rows_are_read(site, queries, title):
    """By index, wherever there is more than a page to read."""
    site.rows("SET enable_seqscan = off", role="pop3_report")
    try:
        relations = reads(site, queries[title])
    finally:
        site.rows("RESET enable_seqscan", role="pop3_report")
    for node, name, rows, loops, _ in relations:
        if re.match("audit_|session_|message|maildrop|usage|kept", name):
            assert node != "Seq Scan", (name, rows)
            # a hundred messages, ten days of a few sessions
            assert rows * loops <= 200, (name, rows, loops)


def test_a_message_id_is_looked_up(site, queries):
    site.rows("SET enable_seqscan = off", role="pop3_report")
    try:
        relations = reads(site, queries[
            "doc: Who deleted the message with this Message-ID"])
    finally:
        site.rows("RESET enable_seqscan", role="pop3_report")
    assert len(relations) > DAYS
    assert not [r for r in relations if r[0] == "Seq Scan"]
    assert sum(rows * loops for _, _, rows, loops, _ in relations) < 100


def test_reports_across_users_read_no_records(site):
    """Of all that is kept for all users, and of a month of rollups."""
    for sql in ("SELECT * FROM pop3.report_kept",
                "SELECT * FROM pop3.report_quota",
                "SELECT * FROM pop3.report_policy_change"):
        names = {r[1] for r in reads(site, sql)}
        assert names and not [n for n in names if re.match(
            "message|audit|session", n)]


def test_the_site_is_what_it_should_be(site):
    """Else these tests would not mean much."""
    assert site.value("SELECT count(*) FROM pop3.message") == 6000
    assert site.value("SELECT count(*) FROM pop3.audit") > 5500
    assert site.value("SELECT count(*) FROM pop3.rolled_up") >= DAYS - 1
    assert site.value("SELECT count(DISTINCT tableoid) FROM pop3.audit") == \
        DAYS + 1
    assert site.value("SELECT count(*) FROM pop3.audit_default") == 0
    assert site.row("SELECT * FROM pop3.maintain()").strays == 0
    # nothing ran away
    assert site.value("SELECT max(expires_at) - now() FROM "
                      "pop3.report_expiring_soon").total_seconds() <= 7 * DAY


def test_plans_of_reports_are_not_compiled(site):
    """That takes seconds for plans over many partitions."""
    for role in ("pop3_report", "pop3_admin"):
        assert site.value("SHOW jit", role=role) == "off"


@pytest.mark.parametrize("end", ["committed", "repaired", "open"])
def test_a_session_that_removed_much(db, end):
    """Each message's outcome is looked up, and not searched for among those of
    the others."""
    service = Service(db)
    messages = {uid: ("expunge", "dele") for uid in range(1, 1001)}
    _, session = service.intent(messages)
    if end == "committed":
        service.outcome(session)
    elif end == "repaired":
        service.abandon(session)
        me = new_id()
        service.claim(session, me)
        service.repair(session, me, {uid: uid > 500 for uid in messages})
    db.rows("ANALYZE pop3.audit")
    sql = ("SELECT uid FROM pop3.report_deletion WHERE username = '%s'" %
           USER)
    assert len(db.rows(sql)) == (500 if end == "repaired" else 1000)
    read = sum(rows * loops for _, name, rows, loops, _ in reads(db, sql)
               if name.startswith("audit"))
    assert read <= 6 * len(messages)
