-- Builds the indexes that partitions from before an upgrade lack, one after the
-- other and without keeping writers waiting:
--
--     psql -X -v ON_ERROR_STOP=1 -f indexes.sql "$URI"
--
-- It reads these partitions, which may take long, and can be interrupted and
-- run again. Until then reports about those days are slower; nothing else is.

\set ON_ERROR_STOP on
SET search_path = pg_catalog, pg_temp;
SET client_min_messages = warning;
SET ROLE pop3_owner;

-- what an interrupted run left
SELECT format('DROP INDEX CONCURRENTLY %s', x.indexrelid::regclass)
  FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid
 WHERE c.relnamespace = 'pop3'::regnamespace AND c.relkind = 'r'
   AND NOT x.indisvalid
\gexec

CREATE TEMP VIEW lacking AS
SELECT h.inhrelid::regclass AS partition, x.indexrelid::regclass AS parent,
       regexp_replace(pg_get_indexdef(x.indexrelid),
                      '^CREATE INDEX \S+ ON (ONLY )?\S+ ', '') AS definition
  FROM pg_index x
       JOIN pg_class c ON c.oid = x.indrelid
       JOIN pg_inherits h ON h.inhparent = x.indrelid
 WHERE c.relnamespace = 'pop3'::regnamespace AND c.relkind = 'p'
   AND NOT x.indisvalid
   AND NOT EXISTS (SELECT FROM pg_inherits i
                     JOIN pg_index y ON y.indexrelid = i.inhrelid
                    WHERE i.inhparent = x.indexrelid
                      AND y.indrelid = h.inhrelid);

CREATE TEMP VIEW built AS
SELECT l.*, y.indexrelid::regclass AS child
  FROM lacking l JOIN pg_index y ON y.indrelid = l.partition
 WHERE y.indisvalid AND NOT y.indisprimary
   AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = y.indexrelid)
   AND regexp_replace(pg_get_indexdef(y.indexrelid),
                      '^CREATE INDEX \S+ ON (ONLY )?\S+ ', '') = l.definition;

SELECT format('CREATE INDEX CONCURRENTLY ON %s %s', l.partition, l.definition)
  FROM lacking l
 WHERE NOT EXISTS (SELECT FROM built b WHERE b.partition = l.partition
                                         AND b.parent = l.parent)
\gexec
SELECT format('ALTER INDEX %s ATTACH PARTITION %s', b.parent,
              min(b.child::oid)::regclass)
  FROM built b GROUP BY b.parent, b.partition
\gexec
