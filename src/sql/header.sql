-- Opens every file that is run on its own: install.sql, upgrade.sql and
-- test-schema.sql. It must run inside a transaction.
--
-- Nothing here or in what follows may be found by way of a search_path that
-- somebody else controls.

SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;
SET LOCAL check_function_bodies = on;
