-- Installs schema pop3_test, for test and demonstration hosts only: it moves
-- recorded times, which no production host should be able to.
--
--     psql -X -v ON_ERROR_STOP=1 -f test-schema.sql "$URI"

\set ON_ERROR_STOP on
BEGIN;
\ir header.sql

CREATE SCHEMA pop3_test AUTHORIZATION pop3_owner;
SET LOCAL ROLE pop3_owner;
COMMENT ON SCHEMA pop3_test IS
    'For tests and demonstrations only: moves recorded times';

\ir functions/pop3_test.age.sql

COMMIT;
