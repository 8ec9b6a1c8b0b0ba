# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The Grafana dashboard: its form, and every query of it, run as pop3_report
with macros and variables replaced as Grafana's PostgreSQL data source does."""

import datetime
import itertools
import numbers
import re

import pytest

import readyqueries
from sqlhelp import Service

PANELS = readyqueries.panels()
USER = "user3@d3.example"
DOMAINS = ["d1.example", "d2.example", "d3.example", "no domain", "it's"]


def span(db, days=7):
    end = db.value("SELECT now()")
    return end - datetime.timedelta(days=days), end


def run(db, sql, days=7, domain=DOMAINS, user=USER, interval=3600):
    start, end = span(db, days)
    return db.rows(readyqueries.expand(
        sql, start, end, interval,
        domain=[d.replace("'", "''") for d in domain],
        user=[user]), role="pop3_report")


def answer(db, title, **args):
    (sql,) = PANELS[title]
    return run(db, sql, **args)


# --- its form ---

def test_every_panel_asks_the_chosen_data_source():
    board = readyqueries.dashboard()
    variables = {v["name"]: v for v in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "postgres"
    for panel in board["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["title"] and panel["description"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert target["rawQuery"] is True
            assert target["format"] == (
                "time_series" if panel["type"] == "timeseries" else "table")
            used = set(re.findall(r"\$\{(\w+)|\$(?!_)(\w+)",
                                  target["rawSql"]))
            assert {a or b for a, b in used} <= set(variables)
    assert board["uid"] and board["time"]["from"] == "now-7d"
    # an imported dashboard gets its number from Grafana
    assert board.get("id") is None


def test_no_panels_overlap():
    board = readyqueries.dashboard()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in board["panels"]:
        pos = panel["gridPos"]
        assert pos["x"] + pos["w"] <= 24
        cells = set(itertools.product(
            range(pos["x"], pos["x"] + pos["w"]),
            range(pos["y"], pos["y"] + pos["h"])))
        assert not cells & taken, panel["title"]
        taken |= cells


def test_units_are_of_columns_that_are_there(site):
    for panel in readyqueries.dashboard()["panels"]:
        if panel["type"] == "row":
            continue
        rows = run(site, panel["targets"][0]["rawSql"], days=9)
        for override in panel["fieldConfig"]["overrides"]:
            assert override["matcher"]["options"] in rows[0], panel["title"]


def test_macros_become_what_grafana_makes_of_them():
    start = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)
    end = start + datetime.timedelta(days=1)
    assert readyqueries.expand(
        "SELECT $__timeGroupAlias(a, '5m'), $__timeGroup(a,$__interval) "
        "WHERE $__timeFilter(b) AND c IN (${d:sqlstring}) "
        "AND e > $__timeFrom() AND e < $__timeTo()", start, end, 60,
        d=["x", "y"]) == (
        'SELECT floor(extract(epoch from a)/300)*300 AS "time", '
        "floor(extract(epoch from a)/60)*60 "
        "WHERE b BETWEEN '2026-01-31T12:00:00Z' AND '2026-02-01T12:00:00Z' "
        "AND c IN ('x','y') "
        "AND e > '2026-01-31T12:00:00Z' AND e < '2026-02-01T12:00:00Z'")
    with pytest.raises(AssertionError):
        readyqueries.expand("SELECT $__unknown(a)", start, end)


# --- its queries ---

@pytest.mark.parametrize("title", list(PANELS))
def test_it_gives_rows_of_its_form(site, title):
    """Every panel shows something on a site where something happens."""
    (panel,) = [p for p in readyqueries.dashboard()["panels"]
                if p["title"] == title]
    user = site.value("SELECT username FROM pop3.report_deletion "
                      "WHERE at > now() - interval '7 days' "
                      "ORDER BY at DESC LIMIT 1", role="pop3_report")
    rows = answer(site, title, user=user)
    assert rows
    if panel["type"] == "timeseries":
        times = [r["time"] for r in rows]
        assert times == sorted(times)
        for row in rows:
            values = [v for k, v in row.items() if k not in ("time",
                                                             "metric")]
            assert values and all(isinstance(v, numbers.Number) or
                                  hasattr(v, "as_integer_ratio")
                                  for v in values)
            assert isinstance(row.get("metric", ""), str)


@pytest.mark.parametrize("title", list(PANELS))
def test_of_nothing(db, title):
    rows = answer(db, title)
    if title == "Policy changes":
        assert {r.kind for r in rows} <= {"preset"}
    else:
        assert rows == [], title


@pytest.mark.parametrize("interval", [60, 3600, 86400])
def test_logins(site, interval):
    rows = answer(site, "Logins", days=3, interval=interval)
    start, end = span(site, 3)
    expected = site.row(
        "SELECT sum(polls) FILTER (WHERE ended_by <> 'refused') AS logins, "
        "count(*) FILTER (WHERE ended_by = 'refused') AS refused "
        "FROM pop3.session WHERE started_at BETWEEN "
        "date_trunc('second', %s::timestamptz) AND "
        "date_trunc('second', %s::timestamptz)", (start, end))
    assert expected.refused > 0
    assert (sum(r.logins for r in rows), sum(r.refused for r in rows)) == \
        (expected.logins, expected.refused)
    assert all(int(r["time"]) % interval == 0 for r in rows)


def test_days(site):
    """As many days as there are, each counted whole."""
    ends = answer(site, "How sessions ended", days=7)
    assert len(ends) == 8
    removed = answer(site, "Removed messages by rule", days=7)
    for rule in ("dele", "leave-limit"):
        assert len([r for r in removed if r.metric == rule]) == 8
    assert sum(r.messages for r in removed) == site.value(
        "SELECT count(*) FROM pop3.audit WHERE event = 'intent' "
        "AND action = 'expunge' AND at >= (current_date - 7)::timestamptz")
    sent = answer(site, "Bytes sent", days=7)
    assert sum(r.bytes for r in sent) == site.value(
        "SELECT sum(bytes) FROM pop3.session "
        "WHERE started_at >= (current_date - 7)::timestamptz")
    assert sum(r.refusals for r in answer(site, "Refusals by rule",
                                          days=7)) == site.value(
        "SELECT count(*) FROM pop3.audit WHERE event = 'refused' "
        "AND at >= (current_date - 7)::timestamptz")


def test_domains_are_chosen(site):
    every = answer(site, "Bytes sent")
    one = answer(site, "Bytes sent", domain=["d2.example"])
    assert {r.metric for r in every} == set(DOMAINS[:3])
    assert [r for r in every if r.metric == "d2.example"] == one
    assert answer(site, "Users near quota", domain=["it's"]) == []
    assert {r.username.split("@")[1] for r in answer(
        site, "Leave-on-server offenders", domain=["d1.example"])} == \
        {"d1.example"}


def test_variable_domain(site, db):
    """It is never without a value, which would be no SQL."""
    (variable,) = [v for v in readyqueries.dashboard()["templating"]["list"]
                   if v["name"] == "domain"]
    assert [next(iter(r.values())) for r in run(
        site, variable["query"])] == DOMAINS[:4]
    assert [next(iter(r.values())) for r in run(
        db, variable["query"])] == ["no domain"]
    Service(db).session("root", bytes=77)
    (row,) = answer(db, "Bytes sent", domain=["no domain"])
    assert (row.metric, row.bytes) == ("no domain", 77)


def test_annotations(site):
    for annotation in readyqueries.dashboard()["annotations"]["list"]:
        rows = run(site, annotation["target"]["rawSql"])
        assert rows and set(rows[0]) == {"time", "text", "tags"}
        texts = {r.tags: r.text for r in rows}
        assert texts["*"] == ("enforcement: - > enforce, expire_hidden: - > "
                              "11 days, expire_retrieved: - > 15 days")


def test_one_user(site):
    """Those of others are not shown."""
    user = site.value("SELECT username FROM pop3.report_deletion "
                      "WHERE at > now() - interval '7 days' "
                      "ORDER BY at DESC LIMIT 1", role="pop3_report")
    rows = answer(site, "Deletions of the user", user=user)
    assert 0 < len(rows) == min(200, site.value(
        "SELECT count(*) FROM pop3.audit WHERE username = %s "
        "AND action = 'expunge' AND at > now() - interval '7 days'", (user,)))
    (maildrop,) = answer(site, "Maildrop of the user", user=user)
    assert maildrop.retrieved == 100
    for title in PANELS:
        if title.endswith("of the user"):
            assert answer(site, title, user="nobody@d1.example") == [] or \
                title == "Policy of the user"
