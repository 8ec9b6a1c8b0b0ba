# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Reports and what sweeps ask, explained: time, CPU, rows read, plans."""

import datetime
import json
import re
import time

import readyqueries
from pq import Connection
from scale_site import PROBES, username
LIMIT = "60s"


def walk(node, found):
    if "Relation Name" in node and node["Actual Loops"] > 0:
        kind = re.sub(r"_(\d{8}|default)$", "", node["Relation Name"])
        entry = found.setdefault(kind, {"rows": 0, "partitions": set(),
                                        "nodes": set()})
        rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) \
            * node["Actual Loops"]
        entry["rows"] += rows
        if rows > 0:
            entry["partitions"].add(node["Relation Name"])
            entry["nodes"].add(node["Node Type"])
    for child in node.get("Plans", ()):
        walk(child, found)


def explain(conn, sql, runs=5):
    """What a query reads, and the least time of some runs; of one, explained,
    where that takes seconds. None if it takes more than LIMIT."""
    begun, before = time.monotonic(), conn.cpu()
    try:
        rows = conn.execute(
            "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) " + sql)
    except RuntimeError as error:
        if "statement timeout" not in str(error):
            raise
        return None
    times, cpu = [time.monotonic() - begun], [conn.cpu() - before]
    for _ in range(runs if times[0] < 1 else 0):
        begun, before = time.monotonic(), conn.cpu()
        conn.execute(sql)
        cpu.append(conn.cpu() - before)
        times.append(time.monotonic() - begun)
    plan = json.loads(rows[0]["QUERY PLAN"])[0]
    found = {}
    walk(plan["Plan"], found)
    return {"ms": min(times) * 1000, "cpu_ms": min(cpu) * 1000,
            "planning_ms": plan["Planning Time"],
            "rows": plan["Plan"]["Actual Rows"],
            "blocks": plan["Plan"]["Shared Hit Blocks"] +
            plan["Plan"]["Shared Read Blocks"],
            "reads": {kind: {"rows": entry["rows"],
                             "partitions": len(entry["partitions"]),
                             "nodes": sorted(entry["nodes"])}
                      for kind, entry in sorted(found.items())}}


def queries(pg, dbname, tell):
    """{title: figures} of all ready queries and those of the dashboard."""
    conn = Connection(pg.uri("pop3_report", dbname))
    conn.execute("SET statement_timeout = '%s'" % LIMIT)
    # one who lost mail yesterday
    user, message_id = pg.query(
        "SELECT username, message_id FROM pop3.audit WHERE event = 'intent' "
        "AND at >= now() - interval '2 days' AND at < now() - interval "
        "'1 day' LIMIT 1", dbname=dbname)[0]
    end = datetime.datetime.now(datetime.timezone.utc)
    start = end - datetime.timedelta(days=7)
    asked = {title: sql.replace("anna@example.org", user).replace(
        "<m3@example.net>", message_id)
        for title, sql in readyqueries.documented().items()}
    asked["User X in 30 days"] = (
        "SELECT * FROM pop3.report_event WHERE username = '%s' "
        "AND at > now() - interval '30 days' ORDER BY at" % user)
    asked["Deletions of user X in 30 days"] = asked[
        "What was deleted of one user"].replace("7 days", "30 days")
    for title, sqls in readyqueries.panels().items():
        for number, sql in enumerate(sqls):
            asked["Dashboard: %s%s" % (title, " " * number)] = \
                readyqueries.expand(sql, start, end, user=[user],
                                    domain=["d2.example", "d3.example"])
    found = {}
    for title, sql in asked.items():
        found[title] = explain(conn, sql)
        tell(title, found)
    conn.close()
    return found


def sweeps(pg, dbname, due_after):
    """What is due for a user, for all users, and previews: CPU ms."""
    found = {}

    def measure(name, role, sql, runs):
        conn = Connection(pg.uri(role, dbname))
        costs = []
        rows = None
        for _ in range(runs):
            begun, before = time.monotonic(), conn.cpu()
            rows = len(conn.execute(sql))
            costs.append((time.monotonic() - begun, conn.cpu() - before))
            if costs[-1][0] > 10:
                break
        found[name] = {"ms": min(c[0] for c in costs) * 1000,
                       "cpu_ms": min(c[1] for c in costs) * 1000,
                       "rows": rows}
        conn.close()

    user = username(PROBES[10000])
    # what it comes to inside of pop3.maildrop_state()
    measure("due of one user with 10,000 messages", "postgres",
            "SELECT m.uid FROM pop3.message m JOIN pop3.maildrop d "
            "USING (maildrop_id) WHERE d.username = '%s' "
            "AND m.retrieved_at <= now() - interval '%d s' "
            "ORDER BY m.retrieved_at LIMIT 1000" % (user, due_after), 50)
    measure("due_users('{user}')", "pop3_admin",
            "SELECT * FROM pop3.due_users(p_usernames => '{%s}')" % user, 50)
    measure("due_users(), all", "pop3_admin",
            "SELECT * FROM pop3.due_users()", 3)
    measure("due_users(100, 'user5'), a part", "pop3_admin",
            "SELECT * FROM pop3.due_users(100, 'user5')", 3)
    measure("status(), a domain", "pop3_admin",
            "SELECT * FROM pop3.status('*@d7.example', 1000)", 3)
    measure("status(), one user", "pop3_admin",
            "SELECT * FROM pop3.status('%s')" % user, 20)
    measure("preview of a domain's expire_retrieved", "pop3_admin",
            "SELECT * FROM pop3.preview_policies('@d7.example', "
            "'{expire_retrieved}', '{20d}')", 3)
    measure("preview of the site's expire_retrieved", "pop3_admin",
            "SELECT * FROM pop3.preview_policies('*', '{expire_retrieved}', "
            "'{20d}')", 1)
    measure("log() of one user, 30 days", "pop3_admin",
            "SELECT * FROM pop3.log('%s', now() - interval '30 days')" % user,
            20)
    return found
