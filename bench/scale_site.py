# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Fills a database that has schema pop3 with a large site, by SQL.

User N is userN@dM.example, of a hundred domains. Of a million users a hundred
have 10,000 messages left on the server, 2,000 have 1,000, 20,000 have 100,
every third of the others has a few, and the rest nothing: 10,000,000 in all;
fewer users have as many each. user1 has 10,000, user2 1,000, user3 100, and
user4 none. Messages were retrieved in sessions of ten, over thirty days, and
get into the table in that order, with all indexes there, as with sessions.
Every tenth message is hidden, but none of these four users.

Days of audit and sessions are thinned, but for yesterday, which has as many
rows as every day would. Records are sealed in batches of 110 rows (with seals
that say nothing: these are the service's business).
"""

import concurrent.futures
import time

PROBES = {10000: 1, 1000: 2, 100: 3, 0: 4}      # {messages left: user}


def username(number):
    return "user%d@d%d.example" % (number, 1 + number % 100)


FUNCTIONS = """
CREATE SCHEMA site;
CREATE FUNCTION site.username(bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'user' || $1 || '@d' || 1 + $1 % 100 || '.example' $$;
CREATE FUNCTION site.messages(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT CASE WHEN $1 % 10000 = 1 THEN 10000 WHEN $1 % 500 = 2 THEN 1000
                   WHEN $1 % 50 = 3 THEN 100
                   WHEN $1 % 10 >= 7 THEN 3 + $1 * 7919 % 28 ELSE 0 END $$;
CREATE FUNCTION site.today() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT date_trunc('day', now() AT TIME ZONE 'UTC')
              AT TIME ZONE 'UTC' $$;
GRANT USAGE ON SCHEMA site TO pop3_owner
"""

# Days before today, oldest first. Those ahead are made by pop3.maintain().
PARTITIONS = """
DO $$
DECLARE
    v_day date;
    v_table text;
    v_name text;
BEGIN
    FOR v_day IN SELECT site.today()::date - n
                   FROM generate_series(1, %(days)s) n ORDER BY 1
    LOOP
        FOREACH v_table IN ARRAY ARRAY['audit', 'session', 'seal']
        LOOP
            v_name := v_table || to_char(v_day, '_YYYYMMDD');
            CONTINUE WHEN to_regclass('pop3.' || v_name) IS NOT NULL;
            EXECUTE format('CREATE TABLE pop3.%%I PARTITION OF pop3.%%I '
                           'FOR VALUES FROM (%%L) TO (%%L)', v_name, v_table,
                           v_day::timestamptz, (v_day + 1)::timestamptz);
            IF v_table <> 'session' THEN
                EXECUTE format('CREATE TRIGGER audit_guard BEFORE UPDATE OR '
                               'DELETE OR TRUNCATE ON pop3.%%I FOR EACH '
                               'STATEMENT EXECUTE FUNCTION '
                               'pop3.audit_guard()', v_name);
            END IF;
        END LOOP;
    END LOOP;
END
$$
"""

# What is retrieved expires in some days; the third domain observes, and some of
# its mail would be gone.
POLICIES = """
INSERT INTO pop3.policy (scope, enforcement, expire_retrieved, expire_hidden)
VALUES ('*', 'enforce', 36 * 86400, 33 * 86400);
INSERT INTO pop3.policy (scope, enforcement, expire_retrieved)
VALUES ('@d3.example', 'observe', 28 * 86400);
INSERT INTO pop3.policy (scope, leave_max_messages)
SELECT site.username(n), 500 FROM generate_series(1000, %(users)s, 1000) n
"""

MAILDROPS = """
INSERT INTO pop3.maildrop
       (username, mailbox_guid, uidvalidity, uidnext, messages, tracked,
        created_at, last_login_at, last_quit_at, sessions, retrievals,
        retrieved)
SELECT site.username(n), md5(site.username(n))::uuid, 1700000000,
       c.left_there + 20, c.left_there + 10, c.left_there,
       now() - interval '100 days', now() - make_interval(secs => n %% 3000),
       now() - make_interval(secs => n %% 3000), 30, c.left_there,
       CASE WHEN c.left_there > 0
            THEN int8multirange(int8range(1, c.left_there + 1))
            ELSE '{}' END
  FROM generate_series(1::bigint, %(users)s) n,
       LATERAL (SELECT site.messages(n) AS left_there) c
"""

WATERMARKS = """
INSERT INTO pop3.watermark (maildrop_id, at, uidnext)
SELECT d.maildrop_id, now() - make_interval(days => 31 - w * 10),
       1 + d.tracked * (w - 1) / 3
  FROM generate_series(1, 3) w, pop3.maildrop d
"""

USAGE = """
INSERT INTO pop3.usage (username, at, bytes, messages, storage_limit, level)
SELECT site.username(n), now() - make_interval(mins => (n %% 1440)::int),
       n * 37 %% 100 * 10485760::bigint, 50, 1048576000,
       CASE WHEN n * 37 %% 100 >= 95 THEN 95
            WHEN n * 37 %% 100 >= 80 THEN 80 ELSE 0 END
  FROM generate_series(1::bigint, %(users)s) n
"""

# Of the users whose number leaves %(part)s.
MESSAGES = """
INSERT INTO pop3.message
       (maildrop_id, uid, message_guid, size, retrieved_at, hidden_at,
        retrieved_count, reason)
SELECT x.maildrop_id, x.uid, md5(x.maildrop_id || '/' || x.uid)::uuid,
       1000 + (x.maildrop_id * 7919 + x.uid * 104729) %% 60000, x.at,
       CASE WHEN x.hidden THEN x.at END, 1, CASE WHEN x.hidden THEN 'dele' END
  FROM (SELECT d.maildrop_id, u AS uid,
               u %% 10 = 0 AND d.maildrop_id > 4 AS hidden,
               now() - make_interval(secs => (d.maildrop_id %% 86400) +
                   86400 * 30.0 * (d.tracked - (u - 1) / 10 * 10) /
                   (d.tracked + 10)) AS at
          FROM pop3.maildrop d, generate_series(1, d.tracked) u
         WHERE d.maildrop_id %% %(jobs)s = %(part)s) x
 ORDER BY x.at, x.maildrop_id, x.uid
"""

WOULD_REMOVE = """
INSERT INTO pop3.would_remove (maildrop_id, uid, message_guid, size, reason)
SELECT m.maildrop_id, m.uid, m.message_guid, m.size, 'leave-limit'
  FROM pop3.maildrop d JOIN pop3.message m USING (maildrop_id)
 WHERE d.username LIKE '%%@d3.example' AND m.uid %% 50 = 1
   AND m.hidden_at IS NULL
"""

# A day: %(removing)s sessions that each took ten messages out, as many that
# took none, and hours of %(polling)s users who polled.
DAY = """
INSERT INTO pop3.session_%(name)s
       (session_id, started_at, ended_at, chain_id, seq, bytes, uidvalidity,
        uidnext, uidnext_end, messages, mailbox_guid, retr, dele, tls,
        username, dovecot_session, remote_address, ended_by, fetched,
        retrieved, removed)
SELECT md5('%(name)s/' || n)::uuid, s.at, s.at + interval '1 second',
       md5('chain' || n %% 4)::uuid, n * 12, 100000, 1700000000, 400, 400,
       50, md5(s.username)::uuid, 10,
       CASE WHEN n <= %(removing)s THEN 10 ELSE 0 END, true, s.username,
       left(md5('d' || n), 16), '192.0.2.' || n %% 250,
       CASE WHEN n %% 40 = 0 THEN 'drop' ELSE 'quit' END, s.uids, s.uids,
       CASE WHEN n <= %(removing)s THEN s.uids END
  FROM (SELECT n, site.today() - make_interval(days => %(ago)s) +
                  interval '86390 seconds' * (n %% %(removing)s) /
                  %(removing)s AS at,
               site.username(1 + n * 7919 %% %(users)s) AS username,
               int8multirange(int8range(n %% 90 + 1,
                                        n %% 90 + 11)) AS uids
          FROM generate_series(1::bigint, %(removing)s * 2) n
         ORDER BY n %% %(removing)s) s;
INSERT INTO pop3.session_%(name)s
       (session_id, started_at, ended_at, polls, tls, username,
        remote_address, ended_by)
SELECT md5('poll/%(name)s/' || n)::uuid, h.at, h.at + interval '50 minutes',
       6, true, site.username(1 + n * 7919 %% %(users)s),
       '198.51.100.' || n %% 250, 'poll'
  FROM generate_series(1::bigint, %(polling)s) n,
       LATERAL (SELECT site.today() - make_interval(days => %(ago)s) +
                       make_interval(hours =>
                           (n * 24 / (%(polling)s + 1))::int) AS at) h;
INSERT INTO pop3.audit_%(name)s
       (at, chain_id, seq, session_id, mailbox_guid, message_guid,
        uidvalidity, uid, size, intent_no, event, action, reason, username,
        dovecot_session, remote_address, uidl, message_id, scope)
SELECT s.at, md5('chain' || n %% 4)::uuid, n * 12 + i,
       md5('%(name)s/' || n)::uuid, md5(s.username)::uuid,
       CASE WHEN i < 11 THEN md5('%(name)s/' || n || '/' || i)::uuid END,
       1700000000, CASE WHEN i < 11 THEN n %% 90 + i END,
       CASE WHEN i < 11 THEN 10000 + i END, 1,
       CASE WHEN i < 11 THEN 'intent' ELSE 'committed' END,
       CASE WHEN i < 11 THEN 'expunge' END,
       CASE WHEN i < 11 THEN (ARRAY['dele', 'retrieved', 'expired-retrieved',
                                    'dele'])[1 + n %% 4] END,
       s.username, left(md5('d' || n), 16), '192.0.2.' || n %% 250,
       CASE WHEN i < 11 THEN to_hex(n %% 90 + i) || '65539100' END,
       CASE WHEN i < 11 THEN '<' || i || '.' || md5(n || '%(name)s') ||
                             '@mail.example.net>' END,
       CASE WHEN i < 11 AND n %% 4 <> 0 THEN '*' END
  FROM (SELECT n, site.today() - make_interval(days => %(ago)s) +
                  interval '86390 seconds' * (n - 1) / %(removing)s AS at,
               site.username(1 + n * 7919 %% %(users)s) AS username
          FROM generate_series(1::bigint, %(removing)s) n ORDER BY n) s,
       generate_series(1, 11) i
 ORDER BY n, i;
INSERT INTO pop3.seal_%(name)s
       (at, first_seq, last_seq, chain_id, key_id, prev_mac, salts, digests,
        macs)
SELECT site.today() - make_interval(days => %(ago)s) +
           interval '86390 seconds' * (n - 1) / %(removing)s,
       n * 12, n * 12 + 109, md5('chain' || n %% 4)::uuid,
       '0123456789abcdef', decode(repeat('00', 32), 'hex'),
       decode(repeat(md5(n::text), 110), 'hex'),
       decode(repeat(md5(n::text), 220), 'hex'),
       decode(repeat(md5(n::text), 220), 'hex')
  FROM generate_series(1, %(removing)s, 10) n
"""


class Filling:
    def __init__(self, connect, tell):
        self._connect = connect
        self._tell = tell
        self.seconds = {}

    def _run(self, name, sql):
        begun = time.monotonic()
        conn = self._connect()
        with conn.cursor() as cur:
            cur.execute("SET timezone = 'UTC'; SET jit = off; "
                        "SET work_mem = '512MB'; SET synchronous_commit = off")
            if name != "begin":
                # no triggers: they tell services what changes
                cur.execute("SET session_replication_role = replica")
            for statement in sql if isinstance(sql, list) else [sql]:
                cur.execute(statement)
        conn.close()
        return name, time.monotonic() - begun

    def steps(self, steps, jobs=1):
        """Steps are (name, SQL); jobs at the same time."""
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for done in concurrent.futures.as_completed(
                    [pool.submit(self._run, *step) for step in steps]):
                name, seconds = done.result()
                group = name.split(" ")[0]
                self.seconds[group] = self.seconds.get(group, 0) + seconds
                self._tell(name, seconds)

    def repeat(self, name, conn, sql):
        """Until it finds nothing to do."""
        begun = time.monotonic()
        with conn.cursor() as cur:
            cur.execute("SET work_mem = '64MB'")
            while True:
                cur.execute(sql)
                if not cur.fetchone()[0]:
                    break
        self.seconds[name] = time.monotonic() - begun
        self._tell(name, self.seconds[name])


def fill(connect, days_of, users=1_000_000, days=90, audit=4_500_000,
         full_day=1_111_111, jobs=2, tell=lambda step, seconds: None):
    """Fill the database of connect(), which gives a superuser's connection in
    autocommit. audit is the number of rows of all days, full_day that of
    yesterday. days_of(n) is the suffix of the partition of n days ago. Returns
    seconds per step."""
    filling = Filling(connect, tell)
    numbers = {"users": users, "days": days, "jobs": jobs}
    filling.steps([("begin", [FUNCTIONS, "SET ROLE pop3_owner",
                              PARTITIONS % numbers, "RESET ROLE",
                              POLICIES % numbers])])
    filling.steps([("maildrops", MAILDROPS % numbers)])
    records = []
    for ago in range(days, 0, -1):
        removing = max(10, (full_day if ago == 1 else
                            audit // days) // 110 * 10)
        records.append(("records of %s" % days_of(ago), DAY % {
            **numbers, "ago": ago, "name": days_of(ago),
            "removing": removing, "polling": removing * 10}))
    # yesterday takes long
    records.insert(0, records.pop())
    filling.steps([("analyze", "VACUUM ANALYZE pop3.maildrop")])
    filling.steps(
        [("messages %d" % part, MESSAGES % {**numbers, "part": part})
         for part in range(jobs)] +
        [("watermarks", WATERMARKS), ("usage", USAGE % numbers)] + records,
        jobs)
    filling.steps([("would_remove", WOULD_REMOVE % ())])
    filling.steps([("vacuum", "VACUUM ANALYZE")])
    conn = connect()
    filling.repeat("rollups", conn, "SELECT pop3.roll_up_due()")
    filling.repeat("kept", conn, "SELECT pop3.count_kept()")
    with conn.cursor() as cur:
        cur.execute("SELECT pop3.count_messages()")
        cur.execute("DROP SCHEMA site CASCADE")
        cur.execute("VACUUM ANALYZE pop3.kept, pop3.daily, pop3.daily_event, "
                    "pop3.rolled_up, pop3.control, pop3.would_remove")
        cur.execute("CHECKPOINT")
    conn.close()
    return filling.seconds
