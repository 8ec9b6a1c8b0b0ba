-- Upkeep, to be called about hourly, in a transaction of its own: makes the
-- daily partitions of pop3.audit, pop3.session and pop3.seal from today to 14
-- days ahead (UTC), counts the rows that belong to none (strays: partitions were
-- missing, or a clock is wrong), deletes intents closed for a day, watermarks
-- that no policy asks for, downloads older than a day, logins older than any
-- login_delay, and what is known of users of whom nothing was heard for a year:
-- usage, and notices where there is no maildrop either; what the breaker counted
-- before the last two days, and claims of sweeps that ended a day ago. Counts
-- the messages of all maildrops for the breaker.
--
-- A partition is made, then attached, so that what is locked is locked briefly
-- and no longer than 2 seconds are waited for it; what could not be made is
-- made by the next call. Rows of such a day that the default partition took
-- meanwhile are moved. A second call at the same time does nothing.
-- Days that have ended are rolled up for reports, and days that are older than
-- records are kept are dropped, by calls that made no partition.
-- Calls: roll_up_due, count_kept, count_messages, drop_days. Tables: makes
-- partitions of audit, session and seal; writes intent, watermark, download, login, usage, notice,
-- removal_count, sweep; reads policy, preset, maildrop.

CREATE FUNCTION pop3.maintain()
    RETURNS TABLE (partitions_made int, strays bigint)
    LANGUAGE plpgsql SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    SET timezone = 'UTC'
    AS $$
DECLARE
    v_day date;
    v_table text;
    v_column text;
    v_name text;
    v_range text;
    v_horizon interval;
    v_delay interval;
BEGIN
    partitions_made := 0;
    IF pg_try_advisory_xact_lock(hashtext('pop3.maintain')) THEN
        <<days>>
        FOR v_day IN SELECT current_date + n FROM generate_series(0, 14) n
        LOOP
            FOREACH v_table IN ARRAY ARRAY['audit', 'session', 'seal']
            LOOP
                v_name := v_table || to_char(v_day, '_YYYYMMDD');
                CONTINUE WHEN to_regclass('pop3.' || v_name) IS NOT NULL;
                v_column := CASE v_table WHEN 'session' THEN 'started_at'
                                         ELSE 'at' END;
                v_range := format('%1$I >= %2$L AND %1$I < %3$L', v_column,
                                  v_day::timestamptz,
                                  (v_day + 1)::timestamptz);
                BEGIN
                    EXECUTE format('CREATE TABLE pop3.%I (LIKE pop3.%I '
                                   'INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
                                   'INCLUDING STORAGE)',
                                   v_name, v_table);
                    EXECUTE format('COMMENT ON TABLE pop3.%I IS %L', v_name,
                                   'Partition of pop3.' || v_table ||
                                   ' for one day (UTC)');
                    PERFORM set_config('pop3.audit_change', 'maintain', true);
                    EXECUTE format('WITH stray AS (DELETE FROM pop3.%I '
                                   'WHERE %s RETURNING *) '
                                   'INSERT INTO pop3.%I SELECT * FROM stray',
                                   v_table || '_default', v_range, v_name);
                    PERFORM set_config('pop3.audit_change', '', true);
                    EXECUTE format('ALTER TABLE pop3.%I ATTACH PARTITION '
                                   'pop3.%I FOR VALUES FROM (%L) TO (%L)',
                                   v_table, v_name, v_day::timestamptz,
                                   (v_day + 1)::timestamptz);
                    IF v_table IN ('audit', 'seal') THEN
                        EXECUTE format('CREATE TRIGGER audit_guard BEFORE '
                                       'UPDATE OR DELETE OR TRUNCATE ON '
                                       'pop3.%I FOR EACH STATEMENT EXECUTE '
                                       'FUNCTION pop3.audit_guard()', v_name);
                    END IF;
                    partitions_made := partitions_made + 1;
                EXCEPTION WHEN lock_not_available THEN
                    RAISE WARNING 'pop3.%: no lock for partition %; the next call tries again',
                        v_table, v_name;
                    EXIT days;
                END;
            END LOOP;
        END LOOP;

        -- A transaction that made partitions holds locks that others wait
        -- for, and is not for long work.
        IF partitions_made = 0 THEN
            BEGIN
                PERFORM pop3.roll_up_due();
                PERFORM pop3.count_kept();
            EXCEPTION WHEN lock_not_available THEN
                RAISE WARNING 'no lock for rollups; the next call tries again';
            END;
        END IF;

        DELETE FROM pop3.intent i
         WHERE i.state = 'closed' AND i.closed_at < now() - interval '1 day';

        -- What any policy may ask for, plus what a new one of 90 days would.
        SELECT greatest(interval '90 days',
                   make_interval(secs => max(greatest(p.expire_unretrieved,
                                                      p.view_window))),
                   now() - min(p.view_since))
          INTO v_horizon
          FROM (SELECT o.expire_unretrieved, o.view_window,
                       nullif(o.view_since, '-infinity') AS view_since
                  FROM pop3.policy o
                UNION ALL
                SELECT s.expire_unretrieved, s.view_window,
                       nullif(s.view_since, '-infinity')
                  FROM pop3.preset s
                 WHERE EXISTS (SELECT FROM pop3.policy o
                                WHERE o.preset = s.name)) p;
        DELETE FROM pop3.watermark w
         WHERE w.at < now() - v_horizon
           AND EXISTS (SELECT FROM pop3.watermark n
                        WHERE n.maildrop_id = w.maildrop_id
                          AND n.at > w.at AND n.at < now() - v_horizon);

        -- Sessions wait for the locks of these rows: last, and none that is
        -- in use.
        WITH old AS (
            SELECT d.username, d.session_id, d.at FROM pop3.download d
             WHERE d.at <= now() - interval '24:05:00'
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.download d USING old o
         WHERE d.username = o.username AND d.session_id = o.session_id
           AND d.at = o.at;
        SELECT make_interval(secs => coalesce(max(p.login_delay), 0) + 86400)
          INTO v_delay
          FROM (SELECT o.login_delay FROM pop3.policy o
                UNION ALL
                SELECT s.login_delay FROM pop3.preset s
                 WHERE EXISTS (SELECT FROM pop3.policy o
                                WHERE o.preset = s.name)) p;
        WITH old AS (
            SELECT l.username FROM pop3.login l
             WHERE l.accepted_at < now() - v_delay
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.login l USING old o WHERE l.username = o.username;

        WITH old AS (
            SELECT u.username FROM pop3.usage u
             WHERE u.at < now() - interval '365 days'
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.usage u USING old o WHERE u.username = o.username;
        WITH old AS (
            SELECT n.username, n.kind FROM pop3.notice n
             WHERE n.at < now() - interval '365 days'
               AND NOT EXISTS (SELECT FROM pop3.usage u
                                WHERE u.username = n.username)
               AND NOT EXISTS (SELECT FROM pop3.maildrop d
                                WHERE d.username = n.username)
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.notice n USING old o
         WHERE n.username = o.username AND n.kind = o.kind;

        DELETE FROM pop3.removal_count r
         WHERE r.hour < now() - interval '2 days';
        WITH old AS (
            SELECT s.username FROM pop3.sweep s
             WHERE s.lease_until < now() - interval '1 day'
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.sweep s USING old o WHERE s.username = o.username;
        PERFORM pop3.count_messages();
    END IF;
    strays := (SELECT count(*) FROM pop3.audit_default) +
              (SELECT count(*) FROM pop3.session_default) +
              (SELECT count(*) FROM pop3.seal_default);
    -- locks the tables to the end
    IF partitions_made = 0 AND
       pg_try_advisory_xact_lock(hashtext('pop3.maintain')) THEN
        PERFORM pop3.drop_days();
    END IF;
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION pop3.maintain() IS
    'Upkeep: partitions for the next 14 days, strays, closed intents, old watermarks, downloads, logins, usage and notices';
