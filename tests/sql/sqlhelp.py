# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What the tests of the schema share: a database with connections by role, and
a service that calls the functions as the real one does."""

import uuid

import psycopg2
import psycopg2.extras

DAY = 86400
USER = "anna@example.org"


def new_id():
    return str(uuid.uuid4())


def guid(number):
    """The GUID of message (or mailbox) number so-and-so."""
    return str(uuid.UUID(int=number))


BOX = guid(10 ** 30)


def array(values):
    """PostgreSQL's text form, of no type until the function gives it one."""
    def item(value):
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "t" if value else "f"
        return '"%s"' % str(value).replace("\\", "\\\\").replace('"', '\\"')
    return "{%s}" % ",".join(item(v) for v in values)


class Row(dict):
    """A row whose columns are attributes."""
    __getattr__ = dict.__getitem__


class Database:
    def __init__(self, server, name):
        self.server = server
        self.name = name
        self._connections = {}

    def connection(self, role="postgres"):
        if role not in self._connections:
            self._connections[role] = self.server.connect(role, self.name)
        return self._connections[role]

    def rows(self, sql, args=None, role="postgres"):
        """Run a statement; its rows."""
        conn = self.connection(role)
        with conn.cursor(
                cursor_factory=psycopg2.extras.RealDictCursor) as cur:
            cur.execute(sql, args)
            return [Row(r) for r in cur.fetchall()] if cur.description else []

    def row(self, sql, args=None, role="postgres"):
        rows = self.rows(sql, args, role)
        assert len(rows) == 1, rows
        return rows[0]

    def value(self, sql, args=None, role="postgres"):
        return next(iter(self.row(sql, args, role).values()))

    def values(self, sql, args=None, role="postgres"):
        """The first column of all rows."""
        return [next(iter(r.values())) for r in self.rows(sql, args, role)]

    def set(self, scope, **parameters):
        """Policy, as an administrator sets it."""
        for name, value in parameters.items():
            self.value("SELECT pop3.set_policy(%s, %s, %s)",
                       (scope, name, value), role="pop3_admin")

    def age(self, by, user=USER):
        self.rows("SELECT pop3_test.age(%s, %s)", (user, by))

    def events(self, *columns):
        """The audit as tuples, in the order of writing."""
        return [tuple(r[c] for c in columns) for r in self.rows(
            "SELECT * FROM pop3.audit ORDER BY at, seq, uid")]

    def messages(self):
        """{uid: row} of pop3.message."""
        return {r.uid: r for r in self.rows(
            "SELECT * FROM pop3.message ORDER BY uid")}

    def prepare_wipe(self):
        """Remember what wipe() has to put back."""
        self.rows("CREATE SCHEMA saved; "
                  "CREATE TABLE saved.preset AS SELECT * FROM pop3.preset; "
                  "CREATE TABLE saved.policy_history AS "
                  "SELECT * FROM pop3.policy_history")

    def wipe(self):
        """As it was installed, but for numbers that were used."""
        for conn in self._connections.values():
            if conn.info.transaction_status:
                conn.rollback()
                conn.autocommit = True
        tables = self.values(
            "SELECT c.oid::regclass::text FROM pg_class c "
            "WHERE c.relnamespace = 'pop3'::regnamespace "
            "AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND c.relname NOT IN ('parameter', 'schema_version')")
        # "replica": neither the guard of the audit nor cascades
        self.rows("SET session_replication_role = replica; " +
                  "".join("DELETE FROM %s; " % t for t in tables) +
                  "INSERT INTO pop3.preset SELECT * FROM saved.preset; "
                  "INSERT INTO pop3.policy_history OVERRIDING SYSTEM VALUE "
                  "SELECT * FROM saved.policy_history; "
                  "INSERT INTO pop3.control DEFAULT VALUES; "
                  "RESET session_replication_role")

    def check(self):
        """What must hold whatever a test did."""
        for chain in self.rows("SELECT * FROM pop3.chain"):
            seqs = self.values(
                "SELECT seq FROM (SELECT chain_id, seq FROM pop3.audit "
                "UNION ALL SELECT chain_id, seq FROM pop3.session "
                "UNION ALL SELECT chain_id, seq FROM pop3.session_lost) r "
                "WHERE chain_id = %s ORDER BY seq", (chain.chain_id,))
            # but for what is no longer kept
            dropped = self.value(
                "SELECT coalesce(max(m[1]::bigint), 0) FROM pop3.audit a, "
                "regexp_matches(a.detail, %s, 'g') m "
                "WHERE a.event = 'retention'",
                ("chain %s up to seq ([0-9]+)" % chain.chain_id,))
            assert [s for s in seqs if s > dropped] == \
                list(range(dropped + 1, chain.last_seq + 1)), chain
        wrong = self.rows(
            "SELECT d.maildrop_id, d.tracked, count(m.uid) "
            "FROM pop3.maildrop d LEFT JOIN pop3.message m "
            "USING (maildrop_id) GROUP BY d.maildrop_id "
            "HAVING d.tracked <> count(m.uid)")
        assert wrong == []
        for table in ("message", "would_remove"):
            assert self.rows(
                "SELECT * FROM pop3.%s m WHERE NOT EXISTS "
                "(SELECT FROM pop3.maildrop d "
                "WHERE d.maildrop_id = m.maildrop_id)" % table) == []

    def close(self):
        for conn in self._connections.values():
            conn.close()


class Service:
    """Calls the service's functions, each write in a batch of its own."""

    ROLE = "pop3_service"

    def __init__(self, db, chain=None):
        self.db = db
        self.chain = chain or new_id()
        head = db.row("SELECT * FROM pop3.chain_open(%s, 1)", (self.chain,),
                      role=self.ROLE)
        self.batch, self.seq = head.last_batch, head.last_seq
        self.epoch = head.epoch

    def read(self, function, **args):
        return self.db.rows(*self._sql(function, args), role=self.ROLE)

    @staticmethod
    def _sql(function, args):
        names = ", ".join("p_%s => %%(%s)s" % (a, a) for a in args)
        values = {a: array(v) if isinstance(v, (list, tuple)) else v
                  for a, v in args.items()}
        return "SELECT * FROM pop3.%s(%s)" % (function, names), values

    def write(self, count, function, seq_name=None, **args):
        """Call a writer that uses count sequence numbers. Returns its rows."""
        conn = self.db.connection(self.ROLE)
        if seq_name:
            args = {"chain_id": self.chain, seq_name: self.seq + 1, **args}
        sql, values = self._sql(function, args)
        conn.autocommit = False
        try:
            with conn.cursor(
                    cursor_factory=psycopg2.extras.RealDictCursor) as cur:
                cur.execute("SELECT pop3.batch_begin(%s, %s, %s, %s, %s)",
                            (self.chain, self.epoch, self.batch + 1,
                             self.seq + 1, self.seq + count))
                cur.execute(sql, values)
                rows = [Row(r) for r in cur.fetchall()]
            conn.commit()
        except psycopg2.Error:
            conn.rollback()
            raise
        finally:
            conn.autocommit = True
        self.batch += 1
        self.seq += count
        return rows

    def _value(self, *args, **kwargs):
        return next(iter(self.write(*args, **kwargs)[0].values()))

    # --- the functions, with what tests do not care about filled in ---

    def state(self, user=USER, **args):
        values = {
            "username": user, "expire_retrieved": -1, "expire_hidden": -1,
            "expire_unretrieved": -1, "unretrieved_own_scope": False,
            "view_since": -1.0, "view_window": -1,
            "mass_delete_hold": 7 * DAY, "with_retrieved": True,
            "due_limit": 1000}
        values.update(args)
        return self.read("maildrop_state", **values)

    def version(self, user=USER):
        return self.read("policy_version", username=user)[0].policy_version

    def session(self, user=USER, retrieved=None, would=None, ago=0, **args):
        """retrieved and would: {uid: action}, {uid: reason}. ago: how long
        before now the session began, seconds."""
        retrieved = retrieved or {}
        would = would or {}
        values = {
            "session_id": new_id(), "dovecot_session": "dsess",
            "username": user, "auth_user": None,
            "remote_address": "192.0.2.1", "tls": True, "device": None,
            "started": self.db.value("SELECT pop3.now()") - ago,
            "duration": 0.5, "ended_by": "quit", "mailbox_guid": BOX,
            "uidvalidity": 1000, "uidnext": 11, "uidnext_end": 11,
            "messages": 10, "anchor_uid": 10, "anchor_guid": guid(10),
            "retr": len(retrieved), "top": 0, "dele": 0, "bytes": 5000,
            "fetched": None, "removed": None,
            "uid": list(retrieved), "guid": [guid(u) for u in retrieved],
            "size": [100 * u for u in retrieved],
            "action": list(retrieved.values()),
            "would_uid": list(would), "would_guid": [guid(u) for u in would],
            "would_size": [100 * u for u in would],
            "would_reason": list(would.values()), "view_since": -1.0,
            "view_window": -1, "download": False}
        values.update(args)
        self.write(1, "record_session", "seq", **values)
        return values

    def intent(self, messages, user=USER, **args):
        """messages: {uid: (action, reason)}. Returns (result, session)."""
        values = {
            "session_id": new_id(), "intent_no": 1,
            "dovecot_session": "dsess", "username": user, "auth_user": None,
            "remote_address": "192.0.2.1", "device": None,
            "mailbox_guid": BOX, "uidvalidity": 1000,
            "policy_version": self.version(user), "lease": 60,
            "uid": list(messages), "guid": [guid(u) for u in messages],
            "size": [100 * u for u in messages],
            "action": [a for a, _ in messages.values()],
            "reason": [r for _, r in messages.values()],
            "uidl": ["uidl%d" % u for u in messages],
            "message_id": ["<m%d@example.net>" % u for u in messages],
            "mailbox": ["Trash" if a == "move" else None
                        for a, _ in messages.values()],
            "for": None}
        values.update(args)
        result = self._value(len(messages), "record_intent", "first_seq",
                             **values)
        return result, values["session_id"]

    def postpone(self, messages, user=USER, **args):
        """What a session wanted while the database was away, as intent().
        Returns the session."""
        values = {
            "session_id": new_id(), "intent_no": 1,
            "dovecot_session": "dsess", "username": user, "auth_user": None,
            "remote_address": "192.0.2.1", "device": None,
            "mailbox_guid": BOX, "uidvalidity": 1000,
            "uid": list(messages), "guid": [guid(u) for u in messages],
            "size": [100 * u for u in messages],
            "action": [a for a, _ in messages.values()],
            "reason": [r for _, r in messages.values()],
            "uidl": ["uidl%d" % u for u in messages],
            "message_id": ["<m%d@example.net>" % u for u in messages],
            "mailbox": ["Trash" if a == "move" else None
                        for a, _ in messages.values()]}
        values.update(args)
        self.write(len(messages), "record_postponed", "first_seq", **values)
        return values["session_id"]

    def outcome(self, session, result="committed", no=1):
        return self._value(1, "record_outcome", "seq", session_id=session,
                           intent_no=no, result=result)

    def remove(self, uids, action="expunge", reason="dele", user=USER):
        """Intent and outcome."""
        result, session = self.intent({u: (action, reason) for u in uids},
                                      user)
        assert result == "ok"
        assert self.outcome(session) == "ok"
        return session

    def accept_login(self, session=None, delay=60, enforce=True, user=USER):
        """Seconds to wait, 0 if the login was accepted."""
        return self.read("accept_login", username=user,
                         session_id=session or new_id(), delay=delay,
                         enforce=enforce)[0].accept_login

    def download(self, limit, bytes=0, reserve=0, session=None, user=USER):
        """A row: used, wait."""
        return self.read("download_reserve", username=user,
                         session_id=session or new_id(), limit=limit,
                         bytes=bytes, reserve=reserve)[0]

    def leave(self, messages=-1, bytes=-1, retrieved=None, user=USER, **args):
        """retrieved: {uid: size}, what the session retrieved. The UIDs that
        have to go."""
        retrieved = retrieved or {}
        values = {
            "username": user, "maildrop_id": self.db.value(
                "SELECT max(maildrop_id) FROM pop3.maildrop "
                "WHERE username = %s", (user,)),
            "max_messages": messages, "max_bytes": bytes, "except": "{}",
            "uid": list(retrieved), "size": list(retrieved.values()),
            "limit": 10000}
        values.update(args)
        return [r.uid for r in self.read("leave_excess", **values)]

    def evictable(self, bytes=0, messages=0, user=USER, limit=10000, **args):
        """Rows: uid, message_guid, size, more."""
        values = {"username": user, "mailbox_guid": BOX, "uidvalidity": 1000,
                  "bytes": bytes, "messages": messages, "limit": limit}
        values.update(args)
        return self.read("evictable", **values)

    def usage(self, user=USER, **args):
        values = {"bytes": 5000, "messages": 10, "storage_limit": None,
                  "message_limit": None, "level": 0}
        values.update(args)
        values.setdefault("lowest", values["level"])
        self.write(0, "record_usage", username=[user],
                   **{name: [value] for name, value in values.items()})

    def told_level(self, user=USER):
        return self.read("told_level", username=user)[0].told_level

    def now(self):
        """Of the database, whole seconds."""
        return int(self.db.value("SELECT pop3.now()"))

    def notices(self, days=7, user=USER, uidvalidity=1000):
        """({parameter: (old, new)}, the row of kind expiry or None)."""
        rows = self.read("notices", username=user, mailbox_guid=BOX,
                         uidvalidity=uidvalidity, expiry_time=days * DAY)
        rules = {r.name: (r.old, r.new) for r in rows if r.kind == "rule"}
        expiry = [r for r in rows if r.kind == "expiry"]
        assert len(rules) + len(expiry) == len(rows) and len(expiry) <= 1
        return rules, expiry[0] if expiry else None

    def _notice(self, kind, args):
        values = {"username": USER, "kind": kind, "level": None,
                  "version": None, "message_id": "<%s@mail>" % new_id()}
        values.update(args)
        return values

    def notice_due(self, kind, **args):
        return self.read("notice_due",
                         **self._notice(kind, args))[0].notice_due

    def take_notice(self, kind, **args):
        values = {"session_id": new_id(), "dovecot_session": "dsess",
                  "mailbox_guid": BOX, "uidvalidity": 1000, "until": None,
                  "messages": None}
        values.update(self._notice(kind, args))
        return self._value(1, "take_notice", "seq", **values)

    def abandon(self, session):
        self.write(0, "record_abandon", session_id=session)

    def claim(self, session, by, user=USER, no=1, lease=60):
        return self.write(0, "claim_intent", session_id=by, username=user,
                          intent_session=session, intent_no=no, lease=lease)

    def repair(self, session, by, present, user=USER, no=1):
        """present: {uid: bool}."""
        return self._value(len(present), "record_repair", "first_seq",
                           session_id=by, username=user,
                           intent_session=session, intent_no=no,
                           uid=list(present), present=list(present.values()))

    def event(self, event, uids=(), user=USER, **args):
        values = {
            "event": event, "reason": None, "session_id": new_id(),
            "dovecot_session": "dsess", "username": user, "auth_user": None,
            "remote_address": "192.0.2.1", "device": None,
            "mailbox_guid": BOX, "uidvalidity": 1000, "uidnext": None,
            "uid": list(uids), "detail": None}
        values.update(args)
        self.write(max(len(uids), 1), "record_event", "first_seq", **values)

    def carry(self, maildrop, uids, user=USER, **args):
        """uids: {old: new}."""
        values = {
            "session_id": new_id(), "username": user,
            "maildrop_id": maildrop, "mailbox_guid": BOX,
            "uidvalidity": 2000, "uidnext": 6, "messages": 5,
            "old_uid": list(uids), "new_uid": list(uids.values())}
        values.update(args)
        return self._value(1, "carry_over", "seq", **values)
