-- Schema version 1, the first.
--
-- A migration is a file NNNN-what.sql in this directory that takes the schema
-- from NNNN-1 to NNNN. It is run by the schema's owner in one transaction,
-- after header.sql, and begins with its version row: of two runs at the same
-- time one waits here and then fails on the primary key, before it has changed
-- anything. Migrations go forward only. They expand first and contract in a
-- later version, since services of version N-1 must keep working; they neither
-- rewrite nor scan pop3.audit; data changes and new constraints go into
-- migrations of their own. A fresh installation runs all version rows, and is
-- the same as an upgraded one.

INSERT INTO pop3.schema_version (version) VALUES (1);
