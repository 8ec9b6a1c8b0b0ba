# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What doc/audit.md says of seals, written down a second time: whether the rows
of a database are as their seals say.

    check(connection, {key id: key})
"""

import hashlib
import hmac

AUDIT_PUBLIC = ("at session_id mailbox_guid message_guid uidvalidity uid size "
                "intent_no event action reason").split()
AUDIT_PERSONAL = ("username auth_user dovecot_session remote_address device "
                  "uidl message_id moved_to detail scope").split()
SESSION_PUBLIC = ("session_id started_at ended_at bytes uidvalidity uidnext "
                  "uidnext_end messages mailbox_guid polls retr top dele tls "
                  "ended_by fetched retrieved removed").split()
SESSION_PERSONAL = ("username auth_user dovecot_session device "
                    "remote_address").split()
KINDS = {"A": (AUDIT_PUBLIC, AUDIT_PERSONAL),
         "S": (SESSION_PUBLIC, SESSION_PERSONAL)}
TABLES = (("audit", "A"), ("session", "S"), ("session_lost", "S"))
NONE = bytes(32)


class Broken(Exception):
    """A row is not as its seal says, or has none."""


def read_keys(path):
    """{id: key} of a key file."""
    with open(path) as file:
        return {key_id: bytes.fromhex(key)
                for key_id, key in map(str.split, file)}


def key_id(key):
    return hashlib.sha256(b"pop3-policy key" + key).hexdigest()[:16]


def form(values):
    """The canonical form of columns: texts, None where they are NULL."""
    def one(value):
        if value is None:
            return b"-,"
        data = value.encode()
        return b"%d:%s," % (len(data), data)

    return b"".join(map(one, values))


def digest(salt, personal):
    return hashlib.sha256(salt + form(personal)).digest()


def mac(key, prev, chain_id, seq, kind, public, row_digest):
    return hmac.new(key, prev + chain_id.bytes + seq.to_bytes(8, "big") +
                    kind.encode() + form(public) + row_digest,
                    hashlib.sha256).digest()


def column(name):
    if name in ("at", "started_at", "ended_at"):
        return "(extract(epoch FROM r.%s) * 1000000)::bigint::text" % name
    if name == "tls":
        return "CASE WHEN r.tls THEN 't' WHEN NOT r.tls THEN 'f' END"
    return "r.%s::text" % name


def rows(cursor, chain_id):
    """{number: (kind, public, personal)} of a chain."""
    found = {}
    for table, kind in TABLES:
        public, personal = KINDS[kind]
        cursor.execute("SELECT r.seq, %s FROM pop3.%s r WHERE r.chain_id = "
                       "%%s" % (", ".join(map(column, public + personal)),
                                table), (str(chain_id),))
        for seq, *values in cursor.fetchall():
            if seq in found:
                raise Broken("chain %s: two rows %d" % (chain_id, seq))
            found[seq] = (kind, values[:len(public)], values[len(public):])
    return found


def pieces(data, size):
    return [bytes(data[i:i + size]) for i in range(0, len(data), size)]


def check_chain(cursor, keys, chain_id, last_seq, last_mac):
    found = rows(cursor, chain_id)
    cursor.execute("SELECT first_seq, last_seq, key_id, prev_mac, salts, "
                   "digests, macs FROM pop3.seal WHERE chain_id = %s "
                   "ORDER BY first_seq", (str(chain_id),))
    prev, prev_seq = NONE, 0
    for first, last, which, prev_mac, salts, digests, macs in cursor.fetchall():
        if first != prev_seq + 1 or bytes(prev_mac) != prev:
            raise Broken("chain %s: the seal of %d does not follow %d" %
                         (chain_id, first, prev_seq))
        if key_id(keys[which]) != which:
            raise Broken("key %s is not its id's" % which)
        sealed = zip(range(first, last + 1), pieces(salts, 16),
                     pieces(digests, 32), pieces(macs, 32), strict=True)
        for seq, salt, row_digest, row_mac in sealed:
            kind, public, personal = found.pop(seq)
            if salt != bytes(16) and digest(salt, personal) != row_digest:
                raise Broken("chain %s: personal columns of %d" %
                             (chain_id, seq))
            prev = mac(keys[which], prev, chain_id, seq, kind, public,
                       row_digest)
            if prev != row_mac:
                raise Broken("chain %s: row %d" % (chain_id, seq))
        prev_seq = last
    if found:
        raise Broken("chain %s: rows %s are not sealed" %
                     (chain_id, sorted(found)))
    if prev_seq != last_seq or prev != bytes(last_mac or NONE):
        raise Broken("chain %s: the last seal is not that of its head" %
                     chain_id)


def check(connection, keys):
    """Raises Broken unless each row of each chain is sealed. keys: {id: key}.
    Returns the number of rows."""
    import psycopg2.extras
    with connection.cursor() as cursor:
        psycopg2.extras.register_uuid(conn_or_curs=cursor)
        cursor.execute("SELECT chain_id, last_seq, last_mac FROM pop3.chain")
        chains = cursor.fetchall()
        for chain_id, last_seq, last_mac in chains:
            check_chain(cursor, keys, chain_id, last_seq, last_mac)
    return sum(last_seq for _, last_seq, _ in chains)
