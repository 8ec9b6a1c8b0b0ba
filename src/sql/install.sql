-- Installs schema pop3, in one transaction:
--
--     psql -X -v ON_ERROR_STOP=1 -f install.sql "$URI"
--
-- URI connects to the database as a superuser, or as a role with CREATEROLE
-- that may create schemas there. Fails, and changes nothing, where a schema
-- pop3 exists.

\set ON_ERROR_STOP on
BEGIN;
\ir header.sql
\ir roles.sql

CREATE SCHEMA pop3 AUTHORIZATION pop3_owner;
SET LOCAL ROLE pop3_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE pop3_owner
    REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

\ir tables.sql
\ir control.sql
\ir rollups.sql
\ir generation.sql
\ir changes.sql
\ir migrations/0001-initial.sql
-- what later migrations make is in the files above
INSERT INTO pop3.schema_version (version) VALUES (2), (3);
\ir parameters.sql

-- triggers
\ir functions/pop3.audit_guard.sql
\ir functions/pop3.move_generation.sql
\ir functions/pop3.policy_check.sql
\ir functions/pop3.policy_keep_history.sql
\ir functions/pop3.tell_change.sql
\ir functions/pop3.tell_control.sql
\ir triggers.sql

\ir code.sql
\ir presets.sql
\ir grants.sql

-- the first partitions
SELECT pop3.maintain() \g /dev/null

COMMIT;
