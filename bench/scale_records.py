# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Bytes of what is recorded, on disk and in the write-ahead log, and how many
audit rows a second become durable."""

import multiprocessing
import statistics
import time

from scale_calls import Sessions, Writer
from scale_site import username

PERSONAL = {
    "audit": ("username", "auth_user", "dovecot_session", "remote_address",
              "device", "uidl", "message_id", "moved_to", "detail", "scope"),
    "session": ("username", "auth_user", "dovecot_session", "device",
                "remote_address"),
}
# of indexes: of one whose keys are personal all is
PERSONAL_KEYS = ("username", "message_id")


def relations(pg, dbname, table):
    """{table or definition of index: bytes}."""
    found = {"rows": pg.value(
        "SELECT pg_table_size(%s::regclass)", (table,), dbname=dbname)}
    for definition, size in pg.query(
            "SELECT regexp_replace(pg_get_indexdef(x.indexrelid), "
            "'^.* USING ', ''), pg_relation_size(x.indexrelid) "
            "FROM pg_index x WHERE x.indrelid = %s::regclass", (table,),
            dbname=dbname):
        found["index " + definition] = size
    return found


def per(sizes, count):
    return {name: size / count for name, size in sizes.items()}


def personal(pg, dbname, table, kind, condition):
    """Mean bytes of the personal columns in a row."""
    return float(pg.value(
        "SELECT avg(%s) FROM (SELECT * FROM %s WHERE %s LIMIT 100000) s" % (
            " + ".join("coalesce(pg_column_size(%s), 0)" % column
                       for column in PERSONAL[kind]), table, condition),
        dbname=dbname))


def stored(pg, dbname, day):
    """Bytes per message left, per removal and its parts, per session, per row
    of polls; of the day with all its rows."""
    rows = pg.value("SELECT count(*) FROM pop3.message", dbname=dbname)
    message = per(relations(pg, dbname, "pop3.message"), rows)
    audit = "pop3.audit_" + day
    removals, others = pg.query(
        "SELECT count(*) FILTER (WHERE event = 'intent'), "
        "count(*) FILTER (WHERE event <> 'intent') FROM " + audit,
        dbname=dbname)[0]
    removal = per(relations(pg, dbname, audit), removals)
    removal["seals"] = sum(relations(
        pg, dbname, "pop3.seal_" + day).values()) / removals
    apart = personal(pg, dbname, audit, "audit", "event = 'intent'") + \
        personal(pg, dbname, audit, "audit", "event <> 'intent'") * \
        others / removals
    keys = sum(size for name, size in removal.items()
               if any("(%s)" % key in name for key in PERSONAL_KEYS))
    session = "pop3.session_" + day
    count = pg.value("SELECT count(*) FROM " + session, dbname=dbname)
    sizes = relations(pg, dbname, session)
    indexes = sum(size for name, size in sizes.items()
                  if name != "rows") / count
    mean = {kind: float(pg.value(
        # line pointer, and rows begin at multiples of 8
        "SELECT avg(4 + (pg_column_size(s.*) + 7) / 8 * 8) FROM "
        "(SELECT * FROM %s WHERE ended_by %s 'poll' LIMIT 100000) s" % (
            session, sign), dbname=dbname)) + indexes
        for kind, sign in (("session", "<>"), ("polls", "="))}
    watermark = pg.value("SELECT count(*) FROM pop3.watermark", dbname=dbname)
    maildrop = pg.value("SELECT count(*) FROM pop3.maildrop", dbname=dbname)
    return {"message": message, "removal": removal,
            "removal_total": sum(removal.values()),
            "removal_personal_fields": apart,
            "removal_personal_indexes": keys,
            "session": mean["session"], "polls": mean["polls"],
            "watermark": sum(relations(
                pg, dbname, "pop3.watermark").values()) / watermark,
            "maildrop": sum(relations(
                pg, dbname, "pop3.maildrop").values()) / maildrop}


def log_bytes(pg, dbname, users, begun):
    """{kind: {records of a batch: bytes of the log per record}}, without pages
    in full, and with them right after a checkpoint."""
    writer = Writer(pg.uri("pop3_service", dbname))
    sessions = Sessions(users, writer.version(username(1)), begun)
    kinds = {
        "session": lambda: [sessions.session()],
        "removing session": sessions.removing,
    }

    def written():
        return pg.value("SELECT pg_current_wal_insert_lsn() - '0/0'")

    def measure(records, batches):
        costs = []
        for size in (1, 10, 100):
            pg.query("CHECKPOINT")
            before = written()
            for _ in range(batches):
                writer.batch(records(size))
            costs.append((size, float(written() - before) / batches / size))
        return dict(costs)

    found = {}
    for pages in ("off", "on"):
        pg.query("ALTER SYSTEM SET full_page_writes = %s" % pages)
        pg.query("SELECT pg_reload_conf()")
        time.sleep(1)
        name = "log" if pages == "off" else "with pages"
        for kind, make in kinds.items():
            found.setdefault(kind, {})[name] = measure(
                lambda size, make=make: [record for _ in range(size)
                                         for record in make()], 10)
        pg.query("CHECKPOINT")
        before = written()
        for _ in range(50):
            writer.batch([sessions.polls(1000)])
        found.setdefault("hour of a user's polls", {})[name] = {
            1000: float(written() - before) / 50_000}
    pg.query("ALTER SYSTEM RESET full_page_writes")
    pg.query("SELECT pg_reload_conf()")
    writer.close()
    return found


def _write(uri, users, begun, batches, rows, begin, queue):
    writer = Writer(uri)
    sessions = Sessions(users, writer.version(username(1)), begun)
    made = [[sessions.intent(messages=rows) for _ in range(1000 // rows)]
            for _ in range(batches)]
    writer.batch(made.pop())
    begin.wait()
    cpu, own, start = writer.conn.cpu(), time.process_time(), time.monotonic()
    for records in made:
        writer.batch(records)
    queue.put((1000 * len(made), time.monotonic() - start,
               writer.conn.cpu() - cpu, time.process_time() - own))
    writer.close()


def rate(pg, dbname, users, begun, writers=2, batches=20):
    """Durable audit rows, by messages of an intent: intents of as many, in
    batches of 1,000 rows, from two services."""
    found = {}
    for rows in (10, 100, 1000):
        begin = multiprocessing.Barrier(writers)
        queue = multiprocessing.Queue()
        processes = [multiprocessing.Process(target=_write, args=(
            pg.uri("pop3_service", dbname), users, begun, batches, rows, begin,
            queue)) for _ in range(writers)]
        for process in processes:
            process.start()
        done = [queue.get() for _ in processes]
        for process in processes:
            process.join()
        count = sum(d[0] for d in done)
        found[rows] = {
            "rows_per_second": count / max(d[1] for d in done),
            "backend_us": sum(d[2] for d in done) / count * 1e6,
            "client_us": sum(d[3] for d in done) / count * 1e6,
            "two_cores": 2 * count / sum(d[2] for d in done)}
    return found


def commit_ms(pg, dbname, users, begun, number=50):
    """A batch of one session: from its begin until it is durable."""
    writer = Writer(pg.uri("pop3_service", dbname))
    sessions = Sessions(users, writer.version(username(1)), begun)
    times = []
    for _ in range(number):
        records = [sessions.session()]
        begin = time.monotonic()
        writer.batch(records)
        times.append((time.monotonic() - begin) * 1000)
    writer.close()
    return statistics.median(times)
