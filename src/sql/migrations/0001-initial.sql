-- Schema version 1, the first.
--
-- A migration is a file NNNN-what.sql in this directory that takes the schema
-- from NNNN-1 to NNNN. It is run by upgrade.sql, as the schema's owner, and
-- begins with its version row. Migrations go forward only. They expand first
-- and contract in a later version, since services of version N-1 must keep
-- working; they neither rewrite nor scan pop3.audit and pop3.session; data
-- changes and new constraints go into migrations of their own. Once released
-- they are not changed.
--
-- Functions and views are no part of them: upgrade.sql replaces all by those of
-- code.sql, from the same files as a fresh installation. What services of version
-- N-1 call as it was then is in compat/; the next version drops it. A fresh
-- installation has all version rows, and is the same as an upgraded one.

INSERT INTO pop3.schema_version (version) VALUES (1);
