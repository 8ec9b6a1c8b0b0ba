-- Upgrades schema pop3 to the version that these files belong to, in one
-- transaction, while services are at work:
--
--     psql -X -v ON_ERROR_STOP=1 -f upgrade.sql "$URI"
--
-- URI connects as for install.sql. At the same version it replaces functions
-- and views, which may have been mended. What fails changes nothing; it may be
-- run again. Tables are locked for the transaction's end only, a fraction of a
-- second, after some tries if others hold them.

\set ON_ERROR_STOP on
BEGIN;
\ir header.sql
SET LOCAL lock_timeout = '10s';

\set current 3
-- how often to try to get the locks
\if :{?tries}
\else
\set tries 40
\endif
SELECT coalesce(to_regclass('pop3.schema_version'), 0)::oid = 0 AS missing \gset
\if :missing
DO $$
BEGIN
    RAISE EXCEPTION 'there is no schema pop3 in this database'
          USING HINT = 'install.sql installs it.';
END
$$;
\endif

-- A second upgrade waits here until the first is done.
SELECT pg_advisory_xact_lock(hashtext('pop3.upgrade')) \g /dev/null

\ir roles.sql
SET LOCAL ROLE pop3_owner;

SELECT max(v.version) AS before, max(v.version) > :current AS newer,
       max(v.version) < 2 AS before_2,
       max(v.version) < 3 AS before_3,
       set_config('pop3.upgrade_to', :'current', true) AS set_to,
       set_config('pop3.upgrade_tries', :'tries', true) AS set_tries,
       set_config('pop3.upgrade_locks', '', true) AS set_locks
  FROM pop3.schema_version v \gset
\if :newer
DO $$
BEGIN
    RAISE EXCEPTION 'schema pop3 has version %, which is newer than %',
          (SELECT max(v.version) FROM pop3.schema_version v),
          current_setting('pop3.upgrade_to')
          USING HINT = 'Use upgrade.sql of the newest release on any host.';
END
$$;
\endif

-- tables that migrations change
\if :before_2
SELECT set_config('pop3.upgrade_locks',
                  'pop3.audit, pop3.chain, pop3.intent, pop3.maildrop, '
                  'pop3.message, pop3.parameter, pop3.policy, '
                  'pop3.policy_history, pop3.preset, pop3.watermark, '
                  'pop3.would_remove', true)
    AS set_locks \gset
\elif :before_3
SELECT set_config('pop3.upgrade_locks',
                  'pop3.audit, pop3.chain, pop3.control, pop3.intent, '
                  'pop3.maildrop, pop3.message, pop3.policy, '
                  'pop3.policy_history, pop3.preset, pop3.watermark, '
                  'pop3.would_remove', true)
    AS set_locks \gset
\endif

-- All locks at once or none, so that whoever else holds some is not kept
-- waiting for us while we wait. The first tries give up before deadlocks are
-- looked for, so it is never somebody else's transaction that is canceled.
DO $$
DECLARE
    v_locks text := current_setting('pop3.upgrade_locks');
    v_tries int := current_setting('pop3.upgrade_tries');
    v_views text;
BEGIN
    FOR v_try IN 1..v_tries LOOP
        BEGIN
            PERFORM set_config('lock_timeout',
                               least(v_try * 100, 2000)::text, true);
            v_views := (SELECT string_agg(c.oid::regclass::text, ', ')
                          FROM pg_class c
                         WHERE c.relnamespace = 'pop3'::regnamespace
                           AND c.relkind = 'v');
            IF v_views IS NOT NULL THEN
                EXECUTE 'DROP VIEW ' || v_views;
            END IF;
            IF v_locks <> '' THEN
                EXECUTE 'LOCK TABLE ' || v_locks ||
                        ' IN ACCESS EXCLUSIVE MODE';
            END IF;
            EXIT;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF v_try = v_tries THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.1 + random() / 4);
        END;
    END LOOP;
END
$$;

\if :before_2
\ir migrations/0002-notices-and-sweeps.sql
\endif
\if :before_3
\ir migrations/0003-seals-and-outages.sql
\endif

-- All functions but those of triggers, and all views, from the files that
-- install.sql uses.
DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN
        SELECT p.oid FROM pg_proc p
         WHERE p.pronamespace = 'pop3'::regnamespace
           AND p.prorettype <> 'trigger'::regtype
    LOOP
        EXECUTE 'DROP FUNCTION ' || v_function;
    END LOOP;
END
$$;
DELETE FROM pop3.parameter;
\ir parameters.sql
\ir code.sql
\ir grants.sql

SELECT CASE WHEN :before = :current
            THEN format('Schema pop3 has version %s; its functions and views '
                        'were replaced', :current)
            ELSE format('Schema pop3 was upgraded from version %s to %s',
                        :before, :current) END AS done \gset
SELECT count(*) > 0 AS lacking FROM pg_index x
       JOIN pg_class c ON c.oid = x.indrelid
 WHERE c.relnamespace = 'pop3'::regnamespace AND NOT x.indisvalid \gset
COMMIT;
\echo :done
\if :lacking
\echo 'Records from before lack an index: run indexes.sql when there is time'
\endif
