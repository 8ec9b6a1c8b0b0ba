# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Fills a database that has schema pop3, and nothing in it, with a site: users
with maildrops, messages with state, quotas, and some days of sessions and audit
that are rolled up as pop3.maintain() does. For tests and measurements.

    make_site.py [--domains N] [--users N] [--messages N] [--days N]
                 [--audit N] URI

URI connects as a superuser. The same numbers make the same site, but for what
depends on the time of day. Users are user1@d1.example, user2@d2.example, ...;
message N of a user has the GUID md5('userN@.../N').
"""

import argparse
import time

import psycopg2

# Days before today, oldest first. Those ahead are made by pop3.maintain().
PARTITIONS = """
DO $$
DECLARE
    v_day date;
    v_table text;
    v_name text;
BEGIN
    FOR v_day IN SELECT current_date - n
                   FROM generate_series(1, %(days)s) n ORDER BY 1
    LOOP
        FOREACH v_table IN ARRAY ARRAY['audit', 'session']
        LOOP
            v_name := v_table || to_char(v_day, '_YYYYMMDD');
            EXECUTE format('CREATE TABLE pop3.%%I PARTITION OF pop3.%%I '
                           'FOR VALUES FROM (%%L) TO (%%L)', v_name, v_table,
                           v_day::timestamptz, (v_day + 1)::timestamptz);
            EXECUTE format('COMMENT ON TABLE pop3.%%I IS %%L', v_name,
                           'Partition of pop3.' || v_table ||
                           ' for one day (UTC)');
        END LOOP;
        EXECUTE format('CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE '
                       'OR TRUNCATE ON pop3.%%I FOR EACH STATEMENT EXECUTE '
                       'FUNCTION pop3.audit_guard()',
                       to_char(v_day, '"audit_"YYYYMMDD'));
    END LOOP;
END
$$
"""

# The third domain observes, and a fifth of its mail would be gone; the others
# enforce, and the first mail expires within days. Every hundredth user has a
# policy.
POLICY = """
INSERT INTO pop3.policy (scope, enforcement, expire_retrieved, expire_hidden)
VALUES ('*', 'enforce', (%(days)s + 5) * 86400, (%(days)s + 1) * 86400);
INSERT INTO pop3.policy (scope, enforcement, expire_retrieved)
SELECT '@d' || n || '.example', 'observe', %(days)s * 86400 * 4 / 5
  FROM generate_series(3, %(domains)s, 3) n;
INSERT INTO pop3.policy (scope, leave_max_messages)
SELECT site.username(n), 500 FROM generate_series(100, %(users)s, 100) n
"""

MAILDROPS = """
INSERT INTO pop3.maildrop
       (username, mailbox_guid, uidvalidity, uidnext, messages, tracked,
        created_at, last_login_at, last_quit_at, sessions)
SELECT site.username(n), md5(site.username(n))::uuid, 1000,
       %(each)s * 3 / 2 + 1, %(each)s * 3 / 2, %(each)s,
       now() - make_interval(days => %(days)s),
       now() - make_interval(mins => n %% 2880),
       now() - make_interval(mins => n %% 2880), 30
  FROM generate_series(1, %(users)s) n;
INSERT INTO pop3.watermark (maildrop_id, at, uidnext)
SELECT d.maildrop_id, now() - make_interval(days => %(days)s - w),
       w * d.uidnext / %(days)s + 1
  FROM pop3.maildrop d, generate_series(0, %(days)s - 1, 5) w;
INSERT INTO pop3.usage
       (username, at, bytes, messages, storage_limit, level)
SELECT site.username(n), now() - make_interval(mins => n %% 1440),
       p.percent * 10485760::bigint, %(each)s * 3 / 2, 1048576000,
       CASE WHEN p.percent >= 95 THEN 95 WHEN p.percent >= 80 THEN 80
            ELSE 0 END
  FROM generate_series(1, %(users)s) n,
       LATERAL (SELECT n * 37 %% 100 AS percent) p
"""

# Of a user's messages a tenth is hidden, by turns; the others are retrieved,
# an older UID before. Every fiftieth of those that observe would be gone.
MESSAGES = """
INSERT INTO pop3.message
       (maildrop_id, uid, message_guid, size, retrieved_at, hidden_at,
        retrieved_count, reason)
SELECT d.maildrop_id, u, md5(d.username || '/' || u)::uuid,
       1000 + (d.maildrop_id * 7919 + u * 104729) %% 60000,
       now() - make_interval(secs => %(days)s * 86400.0 *
                                     (%(each)s - u) / %(each)s),
       CASE WHEN u %% 10 = 0
            THEN now() - make_interval(secs => %(days)s * 86400.0 *
                                               (%(each)s - u) / %(each)s)
       END, 1, CASE WHEN u %% 10 = 0 THEN 'dele' END
  FROM pop3.maildrop d, generate_series(1, %(each)s) u
 ORDER BY d.maildrop_id, u;
INSERT INTO pop3.would_remove (maildrop_id, uid, message_guid, size, reason)
SELECT m.maildrop_id, m.uid, m.message_guid, m.size, 'leave-limit'
  FROM pop3.message m JOIN pop3.maildrop d USING (maildrop_id)
 WHERE m.uid %% 50 = 1 AND m.hidden_at IS NULL AND d.username LIKE '%%@d3.%%'
"""

# A day has so many sessions that take messages out: five of a user's, every
# sixth UID is hidden, and the outcome comes a second later. Of others as many
# sessions have no effect on the audit, every tenth is refused or broke off, and
# half of the users poll. The seventh user never quits.
RECORDS = """
INSERT INTO pop3.session
       (session_id, started_at, ended_at, bytes, uidvalidity, mailbox_guid,
        polls, retr, dele, tls, username, remote_address, ended_by, fetched,
        retrieved, removed)
SELECT md5('session/' || day || '/' || n)::uuid, s.at,
       s.at + interval '2 seconds', 20000, 1000, md5(s.username)::uuid, 1, 5,
       CASE WHEN n <= %(removing)s THEN 5 ELSE 0 END, true, s.username,
       '192.0.2.' || n %% 250,
       CASE WHEN s.username = site.username(7) THEN 'timeout'
            WHEN n <= %(removing)s OR n %% 10 > 1 THEN 'quit'
            WHEN n %% 10 = 0 THEN 'refused' ELSE 'drop' END,
       u.uids, u.uids,
       CASE WHEN n <= %(removing)s AND s.username <> site.username(7)
            THEN u.uids END
  FROM generate_series(0, %(days)s) day,
       generate_series(1, %(removing)s * 2) n,
       LATERAL (SELECT site.moment(day, n / (%(removing)s * 2.0)) AS at,
                       site.username(1 + (n * 31 + day * 17) %% %(users)s)
                           AS username) s,
       LATERAL (SELECT int8multirange(int8range(n %% 90 + 1,
                                                n %% 90 + 6)) AS uids) u
 WHERE s.at < now();
INSERT INTO pop3.session
       (session_id, started_at, ended_at, polls, tls, username,
        remote_address, ended_by)
SELECT md5('poll/' || day || '/' || n)::uuid,
       site.moment(day, n / (%(users)s + 1.0)),
       site.moment(day, n / (%(users)s + 1.0)), 12, true, site.username(n),
       '198.51.100.' || n %% 250, 'poll'
  FROM generate_series(0, %(days)s) day,
       generate_series(1, %(users)s, 2) n;
INSERT INTO pop3.audit
       (chain_id, seq, at, session_id, mailbox_guid, message_guid,
        uidvalidity, uid, size, intent_no, event, action, reason, username,
        dovecot_session, remote_address, uidl, message_id)
SELECT md5('site')::uuid, nextval('site.seq'), s.started_at, s.session_id, s.mailbox_guid,
       md5(s.username || '/' || i.uid || '/' || s.started_at)::uuid, 1000,
       i.uid, 1000 + i.uid * 37, 1, i.event, i.action, i.reason, s.username,
       'dovecot' || left(s.session_id::text, 8), s.remote_address,
       to_char(i.uid, 'FM0000000X'),
       '<' || i.uid || '.' || s.session_id || '@example.net>'
  FROM pop3.session s, LATERAL (
           SELECT u AS uid, 'intent' AS event,
                  CASE WHEN u %% 6 = 0 THEN 'hide' ELSE 'expunge' END
                      AS action,
                  (ARRAY['dele', 'retrieved', 'expired-retrieved',
                         'expired-hidden', 'leave-limit'])[1 + u %% 5]
                      AS reason
             FROM unnest(s.removed) r,
                  generate_series(lower(r), upper(r) - 1) u) i
 WHERE s.removed IS NOT NULL
 ORDER BY s.started_at;
INSERT INTO pop3.audit
       (chain_id, seq, at, session_id, mailbox_guid, uidvalidity, intent_no,
        event, username, remote_address)
SELECT md5('site')::uuid, nextval('site.seq'),
       s.started_at + interval '1 second', s.session_id, s.mailbox_guid, 1000,
       1, 'committed', s.username, s.remote_address
  FROM pop3.session s WHERE s.removed IS NOT NULL
 ORDER BY s.started_at;
INSERT INTO pop3.audit
       (chain_id, seq, at, session_id, event, reason, username, remote_address)
SELECT md5('site')::uuid, nextval('site.seq'), s.started_at, s.session_id, 'refused', 'login-delay', s.username,
       s.remote_address
  FROM pop3.session s WHERE s.ended_by = 'refused'
"""

STEPS = [("partitions", PARTITIONS), ("policies", POLICY),
         ("maildrops", MAILDROPS), ("messages", MESSAGES),
         ("records", RECORDS)]


def fill(conn, domains=3, users=100, messages=2000, days=30, audit=3000,
         tell=lambda step, seconds: None):
    """Fill the database of a superuser's connection, which must be in
    autocommit. messages and audit are numbers of rows of all users and days,
    roughly. tell is called after each step."""
    # five intents and their outcome, of each removing session
    numbers = {"domains": domains, "users": users, "days": days,
               "each": max(messages // users, 1),
               "removing": max(audit // (6 * days), 1)}
    with conn.cursor() as cur:
        # compiling would take longer than what is done
        cur.execute("SET timezone = 'UTC'; SET jit = off")
        cur.execute("CREATE SCHEMA site; CREATE SEQUENCE site.seq; "
                    "CREATE FUNCTION site.username(bigint) RETURNS text "
                    "LANGUAGE sql IMMUTABLE AS "
                    "$$ SELECT 'user' || $1 || '@d' || "
                    "1 + ($1 - 1) %% %(domains)s || '.example' $$; "
                    "CREATE FUNCTION site.moment(int, numeric) "
                    "RETURNS timestamptz LANGUAGE sql STABLE AS "
                    # today only what is over
                    "$$ SELECT current_date - $1 + $2 * "
                    "CASE $1 WHEN 0 THEN now() - current_date "
                    "ELSE interval '1 day' END $$; "
                    "GRANT USAGE ON SCHEMA site TO pop3_owner" % numbers)
        for name, sql in STEPS:
            begun = time.monotonic()
            if name == "partitions":
                cur.execute("SET ROLE pop3_owner")
            cur.execute(sql % numbers)
            cur.execute("RESET ROLE")
            tell(name, time.monotonic() - begun)
        begun = time.monotonic()
        cur.execute("VACUUM ANALYZE")
        tell("vacuum", time.monotonic() - begun)
        # as hourly calls would have done
        while True:
            begun = time.monotonic()
            cur.execute("SELECT pop3.roll_up_due()")
            counted = cur.fetchone()[0]
            if counted == 0:
                break
            tell("rollup of %d days" % counted, time.monotonic() - begun)
        while True:
            begun = time.monotonic()
            cur.execute("SELECT pop3.count_kept()")
            counted = cur.fetchone()[0]
            if counted == 0:
                break
            tell("counting %d maildrops" % counted, time.monotonic() - begun)
        cur.execute("DROP SCHEMA site CASCADE; RESET jit; RESET timezone")
        cur.execute("VACUUM ANALYZE")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--domains", type=int, default=3)
    parser.add_argument("--users", type=int, default=10000)
    parser.add_argument("--messages", type=int, default=1000000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--audit", type=int, default=300000)
    parser.add_argument("uri")
    args = parser.parse_args()
    conn = psycopg2.connect(args.uri)
    conn.autocommit = True
    fill(conn, args.domains, args.users, args.messages, args.days, args.audit,
         lambda step, seconds: print("%-28s %6.1f s" % (step, seconds),
                                     flush=True))
    conn.close()


if __name__ == "__main__":
    main()
