# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The tables of a run of scale.py, and what a site of a million users needs, by
arithmetic on its figures."""

# What is supposed of a site; all else is from the figures.
USERS = 1_000_000
POLL_EVERY = 600            # seconds
DOWNLOADS = 2               # sessions of a user a day that take ten messages
MESSAGES = 10
HOSTS = 10                  # a service each
CONNECTIONS = 4             # of a service
BATCHES = 20                # a second and service at most, of 50 ms
DAY = 86400


def table(head, rows):
    lines = ["| %s |" % " | ".join(head), "|%s" % (" --- |" * len(head))]
    return "\n".join(lines + ["| %s |" % " | ".join(
        value if isinstance(value, str) else number(value)
        for value in row) for row in rows])


def number(value):
    if value is None:
        return ""
    if abs(value) >= 100:
        return format(round(value), ",")
    return "%.1f" % value if abs(value) >= 10 else "%.2f" % value


def made(results):
    tables = ("maildrop", "message", "audit", "session", "seal", "watermark")
    return table(("database", *tables, "GB", "made in, s"), [
        (name, *(format(found["rows"][t], ",") for t in tables),
         found["bytes"] / 1e9, found["seconds"])
        for name, found in results["made"].items()])


def calls(results):
    small, large = (results["calls"][name] for name in ("small", "large"))
    parts = [table(
        ("login: messages left", "little state, us", "much state, us",
         "least", "least", "due"),
        [(name, small["logins"][name]["median"], found["median"],
          small["logins"][name]["least"], found["least"],
          "%d" % found["due"]) for name, found in large["logins"].items()])]
    for name, sizes in large["writes"].items():
        parts.append(table(
            (name + ", records a batch", "little state, us a record",
             "much state, us a record", "of these the function",
             "chain_rows", "seal and commit"),
            [(size, small["writes"][name][size]["total"], found["total"],
              found["records"], found["rows"], found["seal"])
             for size, found in sizes.items()]))
    return "\n\n".join(parts)


def stored(results):
    found = results["stored"]
    rows = [("message left on the server", sum(found["message"].values()))]
    rows += [("- " + name, value) for name, value in found["message"].items()]
    rows.append(("removal, of sessions with ten",
                 found["removal_total"]))
    rows += [("- " + name, value) for name, value in found["removal"].items()]
    rows += [("- personal fields among the rows",
              found["removal_personal_fields"]),
             ("- without personal fields",
              found["removal_total"] - found["removal_personal_fields"]),
             ("- without indexes on personal fields either",
              found["removal_total"] - found["removal_personal_fields"] -
              found["removal_personal_indexes"]),
             ("session that did something", found["session"]),
             ("user's hour of polls", found["polls"]),
             ("maildrop", found["maildrop"]),
             ("watermark", found["watermark"])]
    return table(("what", "bytes"), rows)


def log(results):
    rows = []
    for kind, found in results["log"].items():
        for size in found["log"]:
            rows.append((kind, size, found["log"][size],
                         found["with pages"][size]))
    return table(("record", "records a batch", "bytes of WAL",
                  "with full pages, after a checkpoint"), rows)


def rate(results):
    found = results["rate"]
    return table(
        ("messages of an intent", "rows a second, as measured",
         "backend us a row", "client us a row",
         "rows a second, if backends had two cores"),
        [(rows, f["rows_per_second"], f["backend_us"], f["client_us"],
          f["two_cores"]) for rows, f in found["rows"].items()]) + \
        "\n\nA batch of one session is durable after %s ms (median)." % \
        number(found["commit_ms"])


def reports(results):
    rows = []
    for title, f in results["reports"].items():
        if f is None:
            rows.append((title, "more than a minute", "", "", "", "", ""))
            continue
        rows.append((
            title.strip(), f["ms"], f["cpu_ms"], f["planning_ms"],
            "%d" % f["rows"], format(f["blocks"], ","), ", ".join(
                "%s %s%s" % (kind, format(round(read["rows"]), ","),
                             " of %d days" % read["partitions"]
                             if kind in ("audit", "session") else "")
                for kind, read in f["reads"].items()
                if read["rows"] > 0 and
                kind not in ("policy", "preset", "parameter"))))
    return table(("query", "ms", "CPU ms", "planning ms", "rows",
                  "pages read", "rows read"), rows)


def sweeps(results):
    return table(("question", "ms", "CPU ms", "rows"), [
        (name, f["ms"], f["cpu_ms"], "%d" % f["rows"])
        for name, f in results["sweeps"].items()])


def upkeep(results):
    return table(
        ("what", "s", "CPU s", "read MB", "written MB", "WAL MB"),
        [(name, f["s"], f["cpu_s"], f["read_mb"], f["written_mb"],
          f["log_mb"]) for name, f in results["upkeep"].items() if "s" in f])


def paper(results):
    """A site's needs, as rows of (what, value, how)."""
    writes = results["calls"]["large"]["writes"]
    keep, wal = results["stored"], results["log"]

    def per_record(name, size):
        sizes = writes[name]
        return sizes[str(size) if str(size) in sizes else size]["total"]

    def logged(name, size):
        found = wal[name]["with pages"]
        return found[str(size) if str(size) in found else size]

    polls = USERS / POLL_EVERY
    sessions = USERS * DOWNLOADS / DAY
    poll_us = per_record("record_polls", 1000)
    session_us = per_record("intent, outcome, session", 10)
    login_us = results["calls"]["large"]["logins"]["100"]["median"]
    poll_log = logged("hour of a user's polls", 1000)
    session_log = logged("removing session", 10)
    hours = min(DAY / POLL_EVERY, 24)
    poll_rows = USERS * hours * keep["polls"]
    removals = USERS * DOWNLOADS * MESSAGES * keep["removal_total"]
    session_rows = USERS * DOWNLOADS * keep["session"]
    day = poll_rows + removals + session_rows
    return [
        ("polls a second", polls,
         "%s users / %d s" % (format(USERS, ","), POLL_EVERY)),
        ("sessions a second that take ten messages out", sessions,
         "%d a user and day, over 24 hours" % DOWNLOADS),
        ("services", HOSTS, "one a mail host, %s polls a second each" %
         number(polls / HOSTS)),
        ("connections", HOSTS * CONNECTIONS,
         "%d a service" % CONNECTIONS),
        ("commits a second, at most", HOSTS * BATCHES,
         "batches of 50 ms: %d a second and service" % BATCHES),
        ("CPU of backends for polls, cores", polls * poll_us / 1e6,
         "%s us to count one, if each is written (poll_interval below %d s)" %
         (number(poll_us), POLL_EVERY)),
        ("with poll_interval=1h, cores", USERS / 3600 * poll_us / 1e6,
         "one a user and hour"),
        ("CPU of backends for logins, cores", polls * login_us / 1e6,
         "%s us each, if the database answers each of them" %
         number(login_us)),
        ("CPU of backends for sessions, cores",
         sessions * session_us / 1e6,
         "%s us each, in batches of ten" % number(session_us)),
        ("WAL of polls, MB a second", polls * poll_log / 1e6,
         "%s bytes each, full pages included" % number(poll_log)),
        ("with poll_interval=1h, MB a second", USERS / 3600 * poll_log / 1e6,
         "one a user and hour"),
        ("WAL of sessions, MB a second", sessions * session_log / 1e6,
         "%s bytes each, full pages included" % number(session_log)),
        ("disk for hours of polls, GB a day", poll_rows / 1e9,
         "%d rows a user of %s bytes" % (hours, number(keep["polls"]))),
        ("disk for removals, GB a day", removals / 1e9,
         "%d a user of %s bytes, seals included" % (
             DOWNLOADS * MESSAGES, number(keep["removal_total"]))),
        ("disk for sessions, GB a day", session_rows / 1e9,
         "%d a user of %s bytes" % (DOWNLOADS, number(keep["session"]))),
        ("records, GB a day", day / 1e9, "the three together"),
        ("records, TB a year", day * 365 / 1e12, "kept for so long"),
        ("state, GB", (USERS * (keep["maildrop"] + 90 * keep["watermark"]) +
                       10 * USERS * sum(keep["message"].values())) / 1e9,
         "a maildrop, 90 watermarks and 10 messages left, a user"),
    ]


def extrapolation(results):
    """What 100,000,000 audit rows take, by the full day."""
    rows = 100_000_000
    found = results["stored"]
    # of eleven rows ten are removals
    size = rows * 10 / 11 * found["removal_total"]
    return table(("what", "value", "from"), [
        ("audit, indexes and seals of 100,000,000 rows, GB", size / 1e9,
         "%s bytes a removal, ten elevenths of the rows" %
         number(found["removal_total"])),
        ("rows of a day, of %d" % results["made"]["large"]["numbers"]["days"],
         rows / results["made"]["large"]["numbers"]["days"],
         "yesterday has %s" % format(
             results["made"]["large"]["numbers"]["full_day"], ","))])


def goals(results):
    """What was aimed at, and what it came to."""
    small, large = (results["calls"][name] for name in ("small", "large"))
    stored_, fast = results["stored"], results["rate"]["rows"]

    def size_of(sizes, size):
        return sizes[str(size) if str(size) in sizes else size]

    def us(value):
        return number(value) + " us"

    user = results["reports"]["User X in 30 days"]
    return table(("what", "goal", "is"), [
        ("a login's state, 10,000 messages left beside none: more CPU",
         "100 us", us(max(0, large["logins"]["10000"]["least"] -
                          large["logins"]["0"]["least"]))),
        ("the same with 10,000,000 rows of state beside 10,000", "100 us",
         us(max(0, large["logins"]["10000"]["least"] -
                small["logins"]["10000"]["least"]))),
        ("backend's CPU of a poll: a login's state, if it is asked for",
         "10 us", us(large["logins"]["0"]["least"])),
        ("and its count, in batches of 1,000", "", us(size_of(
            large["writes"]["record_polls"], 1000)["least"])),
        ("of a session that retrieves ten messages, in batches of 100",
         "50 us", us(size_of(large["writes"]["record_session"],
                             100)["least"])),
        ("of one that takes ten messages out", "50 us", us(size_of(
            large["writes"]["intent, outcome, session"], 100)["least"])),
        ("what is due for a user with 10,000 messages", "0.2 ms of CPU",
         number(results["sweeps"]["due of one user with 10,000 messages"]
                ["cpu_ms"]) + " ms"),
        ("user X in 30 days", "1 ms", "%s ms of CPU for %d rows" % (
            number(user["cpu_ms"]), user["rows"])),
        ("bytes of a message left on the server", "130",
         number(sum(stored_["message"].values()))),
        ("bytes of a removal, without personal fields", "250", number(
            stored_["removal_total"] - stored_["removal_personal_fields"])),
        ("durable audit rows a second of two cores, intents of 1,000",
         "100,000", number(size_of(fast, 1000)["two_cores"])),
    ])


SECTIONS = (
    ("made", "The databases", made),
    ("calls", "CPU of what the service calls", calls),
    ("stored", "Bytes on disk", stored),
    ("stored", "100,000,000 audit rows", extrapolation),
    ("log", "Bytes of the write-ahead log", log),
    ("rate", "Durable audit rows", rate),
    ("sweeps", "What is due, previews", sweeps),
    ("reports", "Reports", reports),
    ("upkeep", "Upkeep", upkeep),
)


def markdown(results):
    parts = ["PostgreSQL %s, %s" % (results.get("postgresql", ""),
                                    results["machine"])]
    for key, title, section in SECTIONS:
        if key in results:
            parts += ["### " + title, section(results)]
    if {"calls", "stored", "rate", "reports", "sweeps"} <= set(results):
        parts[1:1] = ["### Goals", goals(results)]
    if {"calls", "stored", "log"} <= set(results):
        parts += ["### A million users", table(
            ("what", "value", "how"), paper(results))]
    return "\n\n".join(parts)
