-- Drop the days of pop3.audit, pop3.session and pop3.seal that ended longer ago
-- than records are kept (pop3.set_retention()), oldest first, at most eight, and
-- what belongs to such days in pop3.session_lost and in the default partitions. A
-- day goes once it was rolled up for reports. An audit row, event retention, for
-- each table, whose detail says what went; doc/sql.md has its form. Returns the
-- number of partitions dropped.
--
-- What is dropped is counted before any lock is taken that others wait for. Then
-- all goes at once, or nothing: an exclusive lock on the tables is asked for some
-- times, never for longer than a quarter of a second, and held to the
-- transaction's end, which should come right after it. Tables that it names by
-- text are those of pop3.audit, pop3.session, pop3.seal and pop3.session_lost.
-- Calls: nothing. Tables: writes audit; reads control, rolled_up.

CREATE FUNCTION pop3.drop_days() RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '250ms'
    SET jit = off
    SET timezone = 'UTC'
    AS $$
DECLARE
    v_from date;
    p record;
    v_detail text;
    v_drops text[] := '{}';
    v_deletes text[] := '{}';
    v_details text[] := '{}';
    v_lost text;
BEGIN
    SELECT current_date - c.retention_days INTO v_from FROM pop3.control c;
    IF v_from IS NULL THEN
        RETURN 0;
    END IF;

    FOR p IN
        WITH old AS (
            SELECT i.inhparent::regclass AS parent, c.relname::text AS name,
                   to_date(right(c.relname, 8), 'YYYYMMDD') AS day
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent IN ('pop3.audit'::regclass,
                                   'pop3.session'::regclass,
                                   'pop3.seal'::regclass)
               AND c.relname ~ '_[0-9]{8}$'
        )
        SELECT o.name, true AS is_partition, o.day,
               CASE WHEN o.parent = 'pop3.seal'::regclass
                    THEN 'last_seq' ELSE 'seq' END AS seq, '' AS condition
          FROM old o
         WHERE o.day IN (SELECT d.day FROM old d
                          WHERE d.day < v_from
                          GROUP BY d.day ORDER BY d.day LIMIT 8)
           -- and none behind one that was not
           AND NOT EXISTS (
               SELECT FROM old s
                WHERE s.parent = 'pop3.session'::regclass AND s.day <= o.day
                  AND NOT EXISTS (SELECT FROM pop3.rolled_up r
                                   WHERE r.day = s.day))
        UNION ALL
        SELECT t.name, false, 'infinity', t.seq,
               format(' WHERE %I < %L', t."column", v_from::timestamptz)
          FROM (VALUES ('session_lost', 'started_at', 'seq'),
                       ('audit_default', 'at', 'seq'),
                       ('session_default', 'started_at', 'seq'),
                       ('seal_default', 'at', 'last_seq'))
               t (name, "column", seq)
         ORDER BY day, name
    LOOP
        BEGIN
            -- nobody writes there any more; but forget_user() might
            EXECUTE format('LOCK TABLE pop3.%I IN SHARE MODE', p.name);
        EXCEPTION WHEN lock_not_available THEN
            RAISE WARNING 'pop3.% is in use, and is not dropped; the next call tries again',
                p.name;
            EXIT;
        END;
        EXECUTE format(
            'SELECT %L || sum(x.n) || '' rows'' || coalesce('', '' || '
            'string_agg(''chain '' || x.chain_id || '' up to seq '' || x.top, '
            '''; '' ORDER BY x.chain_id), '''') '
            'FROM (SELECT s.chain_id, count(*) AS n, max(s.%I) AS top '
            'FROM pop3.%I s%s GROUP BY s.chain_id) x',
            p.name || ': ', p.seq, p.name, p.condition) INTO v_detail;
        IF p.is_partition THEN
            v_drops := v_drops || p.name;
            v_details := v_details ||
                         coalesce(v_detail, p.name || ': 0 rows');
        ELSIF v_detail IS NOT NULL THEN
            v_deletes := v_deletes || format('DELETE FROM pop3.%I%s', p.name,
                                             p.condition);
            v_details := v_details || v_detail;
        END IF;
    END LOOP;
    IF cardinality(v_details) = 0 THEN
        RETURN 0;
    END IF;

    FOR v_try IN 1..5 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', (v_try * 50)::text, true);
            PERFORM set_config('pop3.audit_change', 'maintain', true);
            FOREACH v_lost IN ARRAY v_deletes LOOP
                EXECUTE v_lost;
            END LOOP;
            PERFORM set_config('pop3.audit_change', '', true);
            IF cardinality(v_drops) > 0 THEN
                EXECUTE (SELECT 'DROP TABLE ' ||
                                string_agg(format('pop3.%I', d), ', ')
                           FROM unnest(v_drops) d);
            END IF;
            INSERT INTO pop3.audit (event, detail)
            SELECT 'retention', d FROM unnest(v_details) d;
            RETURN cardinality(v_drops);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF v_try = 5 THEN
                RAISE WARNING 'no lock to drop old days; the next call tries again';
            END IF;
        END;
        PERFORM pg_sleep(random() / 5);
    END LOOP;
    RETURN 0;
END
$$;

COMMENT ON FUNCTION pop3.drop_days() IS
    'Drop the days of records that are older than they are kept; number of partitions (internal)';
