# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The queries of doc/queries.md and of the dashboard, as tests run them."""

import datetime
import json
import os
import re

from pg import TOP

DASHBOARD = os.path.join(TOP, "contrib", "grafana",
                         "dovecot-pop3-policy.json")


def documented():
    """{title: SQL} of doc/queries.md."""
    with open(os.path.join(TOP, "doc", "queries.md")) as file:
        text = file.read()
    found = {}
    for part in re.split(r"(?m)^### ", text)[1:]:
        title, rest = part.split("\n", 1)
        sentence, sql = re.fullmatch(
            r"\n(.+?)\n\n```sql\n(.+?);\n```\s*(?:\n## .*)?", rest,
            re.S).groups()
        assert sentence.strip() and title not in found, title
        found[title] = sql
    assert found
    return found


def relations_read(db, sql, role="pop3_report"):
    """Run a query as explained. [(node type, relation, rows read, loops)] of
    what it read of tables, those of never executed nodes left out."""
    plan = db.value("EXPLAIN (ANALYZE, FORMAT json) " + sql, role=role)[0]["Plan"]
    found = []

    def walk(node):
        if "Relation Name" in node and node["Actual Loops"] > 0:
            found.append((node["Node Type"], node["Relation Name"],
                          node["Actual Rows"] +
                          node.get("Rows Removed by Filter", 0),
                          node["Actual Loops"]))
        for child in node.get("Plans", ()):
            walk(child)
    walk(plan)
    return found


def day(text):
    """The day of a partition's name."""
    return datetime.datetime.strptime(text, "%Y%m%d").date()


def dashboard():
    with open(DASHBOARD) as file:
        return json.load(file)


def panels():
    """{title of panel: its queries} of the dashboard."""
    found = {}
    for panel in dashboard()["panels"]:
        queries = [t["rawSql"] for t in panel.get("targets", [])]
        if panel["type"] != "row":
            assert panel["title"] not in found and queries
            found[panel["title"]] = queries
    return found


def expand(sql, start, end, interval=3600, **variables):
    """Replace Grafana's macros and variables as its PostgreSQL data source
    does. start and end are datetimes with time zone, interval is in seconds;
    a variable is a value or a list of several."""
    def moment(when):
        return "'%s'" % when.strftime("%Y-%m-%dT%H:%M:%SZ")

    def group(match):
        column, width = (a.strip() for a in match.group(1).rsplit(",", 1))
        number, unit = re.fullmatch(r"'?(\d+|\$__interval)([smhdw]?)'?",
                                    width).groups()
        seconds = interval if number == "$__interval" else int(number) * {
            "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
        return "floor(extract(epoch from %s)/%d)*%d" % (
            column, seconds, seconds)

    sql = re.sub(r"\$__timeGroupAlias\(([^()]+)\)",
                 lambda m: group(m) + ' AS "time"', sql)
    sql = re.sub(r"\$__timeGroup\(([^()]+)\)", group, sql)
    sql = re.sub(r"\$__timeFilter\(([^()]+)\)",
                 lambda m: "%s BETWEEN %s AND %s" % (
                     m.group(1), moment(start), moment(end)), sql)
    sql = sql.replace("$__timeFrom()", moment(start))
    sql = sql.replace("$__timeTo()", moment(end))
    for name, value in variables.items():
        text = ",".join("'%s'" % v for v in value) \
            if isinstance(value, (list, tuple)) else value
        sql = re.sub(r"\$\{%s:sqlstring\}|\$%s\b|\$\{%s\}" % (
            name, name, name), lambda _: text, sql)
    assert "$" not in sql, sql
    return sql
