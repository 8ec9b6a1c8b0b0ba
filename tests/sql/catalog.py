# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What the catalogs say of schema pop3, as lines of text: two databases with
the same lines have the same schema, but for the order of columns, which an
upgrade cannot choose, and for the days that partitions are for."""

import re

QUERIES = """
SELECT concat_ws(' | ', 'schema', n.nspname, n.nspowner::regrole,
                 obj_description(n.oid, 'pg_namespace'), a.acl)
  FROM pg_namespace n,
       LATERAL (SELECT string_agg(i::text, ' ' ORDER BY i::text)
                  FROM unnest(n.nspacl) i) a (acl)
 WHERE n.nspname = 'pop3';

SELECT concat_ws(' | ', 'default rights', d.defaclrole::regrole,
                 d.defaclnamespace, d.defaclobjtype, a.acl)
  FROM pg_default_acl d,
       LATERAL (SELECT string_agg(i::text, ' ' ORDER BY i::text)
                  FROM unnest(d.defaclacl) i) a (acl);

SELECT concat_ws(' | ', 'relation', c.relname, c.relkind, c.relpersistence,
                 c.relowner::regrole, c.reloptions,
                 pg_get_partkeydef(c.oid),
                 pg_get_expr(c.relpartbound, c.oid),
                 obj_description(c.oid, 'pg_class'), a.acl)
  FROM pg_class c,
       LATERAL (SELECT string_agg(i::text, ' ' ORDER BY i::text)
                  FROM unnest(c.relacl) i) a (acl)
 WHERE c.relnamespace = 'pop3'::regnamespace;

SELECT concat_ws(' | ', 'column', c.relname, t.attname,
                 format_type(t.atttypid, t.atttypmod), t.attnotnull,
                 t.attidentity, t.attgenerated,
                 t.attcollation::regcollation,
                 pg_get_expr(d.adbin, d.adrelid),
                 col_description(c.oid, t.attnum), t.attacl)
  FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid
       LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = t.attnum
 WHERE c.relnamespace = 'pop3'::regnamespace AND c.relkind <> 'i'
   AND c.relkind <> 'I' AND t.attnum > 0 AND NOT t.attisdropped;

SELECT concat_ws(' | ', 'constraint', k.conrelid::regclass, k.conname,
                 k.convalidated, pg_get_constraintdef(k.oid),
                 obj_description(k.oid, 'pg_constraint'))
  FROM pg_constraint k WHERE k.connamespace = 'pop3'::regnamespace;

SELECT concat_ws(' | ', 'index', x.indexrelid::regclass,
                 pg_get_indexdef(x.indexrelid), x.indisvalid)
  FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid
 WHERE c.relnamespace = 'pop3'::regnamespace;

SELECT concat_ws(' | ', 'trigger', t.tgrelid::regclass, t.tgenabled,
                 pg_get_triggerdef(t.oid))
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE c.relnamespace = 'pop3'::regnamespace AND NOT t.tgisinternal;

SELECT concat_ws(' | ', 'function', p.oid::regprocedure,
                 p.proowner::regrole, pg_get_functiondef(p.oid),
                 obj_description(p.oid, 'pg_proc'), a.acl)
  FROM pg_proc p,
       LATERAL (SELECT string_agg(i::text, ' ' ORDER BY i::text)
                  FROM unnest(p.proacl) i) a (acl)
 WHERE p.pronamespace = 'pop3'::regnamespace;

SELECT concat_ws(' | ', 'view', c.relname, pg_get_viewdef(c.oid))
  FROM pg_class c
 WHERE c.relnamespace = 'pop3'::regnamespace AND c.relkind = 'v';

SELECT concat_ws(' | ', 'sequence', s.seqrelid::regclass, s.seqtypid::regtype,
                 s.seqstart, s.seqincrement, s.seqmax, s.seqcache,
                 d.refobjid::regclass, t.attname)
  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
       LEFT JOIN pg_depend d ON d.objid = s.seqrelid
                            AND d.classid = 'pg_class'::regclass
                            AND d.refclassid = 'pg_class'::regclass
       LEFT JOIN pg_attribute t ON t.attrelid = d.refobjid
                               AND t.attnum = d.refobjsubid
 WHERE c.relnamespace = 'pop3'::regnamespace;

SELECT concat_ws(' | ', 'parameter', to_jsonb(p)) FROM pop3.parameter p;

SELECT concat_ws(' | ', 'version', v.version) FROM pop3.schema_version v
"""


def describe(db):
    """A set of lines. A view's columns are in their order, but in its
    definition the table's do not show."""
    lines = set()
    for query in QUERIES.split(";"):
        found = db.values(query, ())
        assert found, query
        for line in found:
            line = re.sub(r"_\d{8}", "_DAY", line)
            line = re.sub(r"\d{4}-\d\d-\d\d 00:00:00\+00", "DAY", line)
            lines.add(line)
    return lines


def data(db):
    """{table: [row as a dict]} of everything that is no partition."""
    found = {}
    for table in db.values(
            "SELECT c.relname::text FROM pg_class c "
            "WHERE c.relnamespace = 'pop3'::regnamespace "
            "AND c.relkind IN ('r', 'p') AND NOT c.relispartition"):
        found[table] = db.values("SELECT to_jsonb(t) FROM pop3.%s t" % table)
    return found


def lost(before, after):
    """Rows of data() before that are not in the one after, whose rows may
    have more columns: [(table, row)]."""
    missing = []
    for table, rows in before.items():
        for row in rows:
            same = [r for r in after[table]
                    if {k: r.get(k) for k in row} == row]
            if len(same) < sum(r == row for r in rows):
                missing.append((table, row))
    return missing
