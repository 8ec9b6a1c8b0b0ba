# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Upkeep: pop3.maintain(), vacuum after a day, days that are dropped."""

import time

from pq import Connection


def blocks(pid):
    """Bytes that a process has read from and written to disk."""
    try:
        with open("/proc/%d/io" % pid) as file:
            found = dict(line.split(": ") for line in file)
    except PermissionError:
        return 0, 0
    return int(found["read_bytes"]), int(found["write_bytes"])


def timed(pg, dbname, role, sql):
    conn = Connection(pg.uri(role, dbname))
    if role == "postgres":
        conn.execute("SET session_replication_role = replica")
    pid = conn.pid
    log = pg.value("SELECT pg_current_wal_insert_lsn() - '0/0'")
    begun, cpu, disk = time.monotonic(), conn.cpu(), blocks(pid)
    rows = conn.execute(sql)
    figures = {"s": time.monotonic() - begun, "cpu_s": conn.cpu() - cpu}
    now = blocks(pid)
    figures.update(
        read_mb=(now[0] - disk[0]) / 1e6, written_mb=(now[1] - disk[1]) / 1e6,
        log_mb=float(pg.value("SELECT pg_current_wal_insert_lsn() - '0/0'") -
                     log) / 1e6, answer=rows[0] if rows else None)
    conn.close()
    return figures


# A day: every maildrop was polled and its row updated, a thirtieth of the
# messages went, and as many came.
CHURN = [
    "UPDATE pop3.maildrop SET last_login_at = now(), last_quit_at = now(), "
    "sessions = sessions + 1",
    "DELETE FROM pop3.message WHERE uid % 30 = 7",
    "INSERT INTO pop3.message (maildrop_id, uid, message_guid, size, "
    "retrieved_at, retrieved_count) SELECT d.maildrop_id, 3000000 + n, "
    "md5(d.maildrop_id || '.' || n)::uuid, 10000, now(), 1 "
    "FROM pop3.maildrop d, generate_series(1, (d.tracked + 29) / 30) n",
]


def measure(pg, dbname, last, tell):
    """last: suffix of the last day that has partitions."""
    found = {}

    def step(name, role, sql):
        found[name] = timed(pg, dbname, role, sql)
        tell(name, found)

    for table in ("audit", "session", "seal"):
        pg.query("DROP TABLE pop3.%s_%s" % (table, last), dbname=dbname)
    step("maintain(), a new day", "pop3_service",
         "SELECT * FROM pop3.maintain()")
    step("maintain(), hourly", "pop3_service", "SELECT * FROM pop3.maintain()")
    step("maintain(), an hour later", "pop3_service",
         "SELECT * FROM pop3.maintain()")
    pg.query("UPDATE pop3.rolled_up SET at = at - interval '21 hours' "
             "WHERE day = (now() AT TIME ZONE 'UTC')::date - 1",
             dbname=dbname)
    step("maintain(), with the rollup of a whole day", "pop3_service",
         "SELECT * FROM pop3.maintain()")
    for number, sql in enumerate(CHURN):
        step("a day's churn, %d of 3" % (number + 1), "postgres", sql)
    heap_only = pg.query(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables "
        "WHERE relid = 'pop3.maildrop'::regclass", dbname=dbname)[0]
    found["heap-only updates of maildrop"] = {
        "updates": heap_only[0], "heap_only": heap_only[1]}
    for table in ("maildrop", "message"):
        step("VACUUM pop3.%s after that" % table, "postgres",
             "VACUUM (ANALYZE) pop3." + table)
    pg.query("UPDATE pop3.control SET retention_days = greatest(7, "
             "(SELECT count(*) - 8 FROM pop3.rolled_up))", dbname=dbname)
    step("maintain(), drops eight days", "pop3_service",
         "SELECT * FROM pop3.maintain()")
    pg.query("UPDATE pop3.control SET retention_days = NULL", dbname=dbname)
    return found
