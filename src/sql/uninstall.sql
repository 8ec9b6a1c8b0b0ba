-- Drops schema pop3, with all that was recorded:
--
--     psql -X -v ON_ERROR_STOP=1 -f uninstall.sql "$URI"
--
-- URI connects as for install.sql. Refused while a service is connected; while
-- messages are hidden, which POP3 clients would see again without the plugin,
-- unless there is -v even_hidden=1; and where views of others use those of the
-- schema. Days are dropped one by one, since all at once may be more locks than
-- the server has room for; what was interrupted may be run again. The roles, which
-- other databases may use, stay.

\set ON_ERROR_STOP on
\if :{?even_hidden}
\else
\set even_hidden 0
\endif
SET search_path = pg_catalog, pg_temp;
SET client_min_messages = warning;
SET lock_timeout = '10s';
SELECT set_config('pop3.even_hidden', :'even_hidden', false) \g /dev/null

DO $$
DECLARE
    v_count bigint;
BEGIN
    IF to_regnamespace('pop3') IS NULL THEN
        RAISE EXCEPTION 'there is no schema pop3 in this database';
    END IF;
    SELECT count(*) INTO v_count FROM pg_stat_activity a
     WHERE a.datname = current_database()
       AND a.application_name LIKE 'pop3-policy %';
    IF v_count > 0 THEN
        RAISE EXCEPTION 'services are connected (% connections): nothing was dropped',
              v_count
              USING HINT = 'Take the plugin out of the configuration of all '
                           'hosts, and the service, and restart Dovecot.';
    END IF;
    IF current_setting('pop3.even_hidden') <> '1' AND
       to_regclass('pop3.message') IS NOT NULL THEN
        SELECT count(*) INTO v_count FROM pop3.message s
         WHERE s.hidden_at IS NOT NULL;
        IF v_count > 0 THEN
            RAISE EXCEPTION '% messages are hidden: nothing was dropped', v_count
                  USING HINT = 'Convert them by doveadm pop3-policy uninstall '
                               'convert, or say that it does not matter '
                               '(--even-hidden).';
        END IF;
    END IF;
END
$$;

-- not those that are not ours
SELECT 'DROP VIEW ' || string_agg(c.oid::regclass::text, ', ')
  FROM pg_class c
 WHERE c.relnamespace = 'pop3'::regnamespace AND c.relkind = 'v'
HAVING count(*) > 0 \gexec
SELECT 'DROP TABLE ' || i.inhrelid::regclass
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE c.relnamespace = 'pop3'::regnamespace AND c.relkind = 'r' \gexec

BEGIN;
DROP SCHEMA pop3 CASCADE;
ALTER DEFAULT PRIVILEGES FOR ROLE pop3_owner
    GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
COMMIT;
\echo 'Schema pop3 was dropped; roles pop3_owner, pop3_service, pop3_admin and pop3_report are still there'
