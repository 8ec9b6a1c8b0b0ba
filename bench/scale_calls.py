# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""CPU time of the functions that the service calls, by schedstat of its
connection's backend, in a database with little state and in one with much."""

import hashlib
import os
import statistics
import uuid

from pq import Connection, text
from scale_site import PROBES, username

DAY = 86400
SIZES = {1: 30, 10: 10, 100: 4, 1000: 1}     # {records of a batch: batches}
UIDVALIDITY = 1_700_000_000


class Writer:
    """A chain, and batches of records as the service writes them. Their seals
    say nothing."""

    def __init__(self, uri):
        self.conn = Connection(uri)
        self.chain = str(uuid.uuid4())
        self.epoch = self.conn.call("chain_open", chain_id=self.chain,
                                    schema=3)[0]["epoch"]
        self.number = self.seq = 0
        self.mac = bytes(32)

    def close(self):
        self.conn.close()

    def _prepare(self, function, args):
        return (self.conn.prepare(function, list(args)),
                [text(value) for value in args.values()])

    def batch(self, records):
        """Records are (function, number of rows, arguments). Writes them in one
        transaction, which is durable afterwards. Returns CPU seconds of the
        backend, by part."""
        first, seq = self.seq + 1, self.seq + 1
        calls, sessions = [], []
        for function, rows, args in records:
            if rows > 0:
                name = "first_seq" if "uid" in args and \
                    function != "record_session" else "seq"
                args = {"chain_id": self.chain, name: seq, **args}
                seq += rows
            if function == "record_session":
                sessions.append((args["session_id"], args["started"]))
            calls.append(self._prepare(function, args))
        count = seq - first
        begin = self._prepare("batch_begin", {
            "chain_id": self.chain, "epoch": self.epoch,
            "batch": self.number + 1, "first_seq": first, "last_seq": seq - 1,
            # polls change nothing that a login is told
            "usernames": sorted({args["username"] for _, rows, args in records
                                 if rows > 0 and "username" in args})})
        rows = self._prepare("chain_rows", {
            "chain_id": self.chain, "first_seq": first, "last_seq": seq - 1,
            "from": min((s[1] for s in sessions), default=None),
            "session_id": [s[0] for s in sessions],
            "started": [s[1] for s in sessions]})
        macs = os.urandom(32 * count)
        seal = self._prepare("chain_seal", {
            "chain_id": self.chain, "first_seq": first, "last_seq": seq - 1,
            "key_id": "0123456789abcdef", "prev_mac": hexadecimal(self.mac),
            "salts": hexadecimal(os.urandom(16 * count)),
            "digests": hexadecimal(os.urandom(32 * count)),
            "macs": hexadecimal(macs)})
        times = [self.conn.cpu()]
        with self.conn.batch() as batch:
            batch.send(*begin)
            for call in calls:
                batch.send(*call)
            batch.flush()
            batch.answers()
            times.append(self.conn.cpu())
            if count > 0:
                batch.send(*rows)
                batch.flush()
                assert len(batch.answers()[0]) == count
                times.append(self.conn.cpu())
                batch.send(*seal)
            else:
                times.append(times[-1])
        times.append(self.conn.cpu())
        self.number, self.seq = self.number + 1, seq - 1
        if count > 0:
            self.mac = macs[-32:]
        return {"records": times[1] - times[0], "rows": times[2] - times[1],
                "seal": times[3] - times[2]}

    def version(self, user):
        return self.conn.call("policy_version",
                              username=user)[0]["policy_version"]


def hexadecimal(value):
    return b"\\x" + value.hex().encode()


class Sessions:
    """Arguments of records, of users one after the other in no order."""

    def __init__(self, users, version, begun):
        self._users = users
        self._version = version
        self._begun = begun
        self._number = 0

    def user(self):
        self._number += 1
        # below the users with a row of their own
        return username(1 + self._number * 7919 % self._users)

    def session(self, user=None, messages=10, action="keep", session_id=None,
                removed=None):
        user = user or self.user()
        uids = [10 ** 6 + self._number * 10 + n for n in range(messages)]
        return ("record_session", 1, {
            "session_id": session_id or str(uuid.uuid4()),
            "dovecot_session": "a1B2c3D4e5F6g7H8", "username": user,
            "auth_user": None, "remote_address": "192.0.2.1", "tls": True,
            "device": None, "started": self._begun, "duration": 0.5,
            "ended_by": "quit", "mailbox_guid": mailbox(user),
            "uidvalidity": UIDVALIDITY, "uidnext": 2 * 10 ** 6,
            "uidnext_end": 2 * 10 ** 6, "messages": 50,
            "anchor_uid": uids[-1], "anchor_guid": uuid.uuid4(),
            "retr": messages, "top": 0, "dele": 0, "bytes": 100000,
            "fetched": "{[%d,%d)}" % (uids[0], uids[-1] + 1),
            "removed": removed, "uid": uids,
            "guid": [uuid.uuid4() for _ in uids],
            "size": [10000] * messages, "action": [action] * messages,
            "would_uid": [], "would_guid": [], "would_size": [],
            "would_reason": [], "view_since": -1.0, "view_window": -1,
            "download": False})

    def intent(self, user=None, messages=10, reason="dele"):
        user = user or self.user()
        uids = [10 ** 6 + self._number * 10 + n for n in range(messages)]
        return ("record_intent", messages, {
            "session_id": str(uuid.uuid4()), "intent_no": 1,
            "dovecot_session": "a1B2c3D4e5F6g7H8", "username": user,
            "auth_user": None, "remote_address": "192.0.2.1", "device": None,
            "mailbox_guid": mailbox(user), "uidvalidity": UIDVALIDITY,
            "policy_version": self._version, "lease": 60, "uid": uids,
            "guid": [uuid.uuid4() for _ in uids],
            "size": [10000 + uid % 100 for uid in uids],
            "action": ["expunge"] * messages, "reason": [reason] * messages,
            "uidl": ["%08x6553f100" % uid for uid in uids],
            "message_id": ["<%s@mail.example.net>" % uuid.uuid4().hex[:24]
                           for _ in uids],
            "mailbox": [None] * messages, "for": None})

    @staticmethod
    def outcome(intent):
        return ("record_outcome", 1, {
            "session_id": intent[2]["session_id"], "intent_no": 1,
            "result": "committed"})

    def removing(self):
        """Records of a session that takes ten messages out."""
        intent = self.intent()
        args = intent[2]
        return [intent, self.outcome(intent), self.session(
            args["username"], 10, "expunge", args["session_id"],
            "{[%d,%d)}" % (args["uid"][0], args["uid"][-1] + 1))]

    def polls(self, users):
        """Of so many users, of this hour."""
        names = [self.user() for _ in range(users)]
        return ("record_polls", 0, {
            "hour": [self._begun // 3600 * 3600] * users, "username": names,
            "device": [None] * users, "remote_address": ["192.0.2.1"] * users,
            "tls": [True] * users, "polls": [6] * users,
            "last": [self._begun] * users})


def mailbox(user):
    """As the site has it: the MD5 of the name."""
    return uuid.UUID(hashlib.md5(user.encode()).hexdigest())


def login(user, expire_retrieved):
    """Arguments of what a login asks. expire_retrieved: seconds."""
    return {"username": user, "expire_retrieved": expire_retrieved,
            "expire_hidden": 33 * DAY, "expire_unretrieved": -1,
            "unretrieved_own_scope": False, "view_since": -1,
            "view_window": -1, "mass_delete_hold": 7 * DAY,
            "with_retrieved": False, "due_limit": 1000}


def logins(conn, due_after, rounds=200):
    """{messages left: CPU us of a login's state}, where nothing is due, and of
    the user with most where what was retrieved due_after seconds ago is."""
    cases = [(str(left), number, 36 * DAY)
             for left, number in PROBES.items()]
    cases.append(("10000, some due", PROBES[10000], due_after))
    found = {}
    for name, number, limit in cases:
        args = login(username(number), limit)
        costs = []
        for _ in range(rounds):
            before = conn.cpu()
            rows = conn.call("maildrop_state", **args)
            costs.append((conn.cpu() - before) * 1e6)
        due = rows[0]["due_uid"]
        assert (due is not None) == (limit == due_after), (name, due)
        found[name] = {"median": statistics.median(costs), "least": min(costs),
                       "due": due.count(",") + 1 if due else 0}
    return found


def writes(writer, sessions):
    """{function: {records per batch: CPU us per record}}."""
    makers = {
        "record_session": lambda: [sessions.session()],
        "record_intent (10)": lambda: [sessions.intent()],
        "intent, outcome, session": sessions.removing,
        "record_polls": None,
    }
    found = {}
    for name, make in makers.items():
        found[name] = {}
        for size, batches in SIZES.items():
            costs = []
            for _ in range(batches):
                if make is None:
                    records = [sessions.polls(size)]
                else:
                    records = [record for _ in range(size)
                               for record in make()]
                cost = writer.batch(records)
                costs.append({part: value / size * 1e6
                              for part, value in cost.items()})
            found[name][size] = {
                "total": statistics.median(sum(c.values()) for c in costs),
                "least": min(sum(c.values()) for c in costs),
                **{part: statistics.median(c[part] for c in costs)
                   for part in costs[0]}}
    return found


def measure(uri, users, due_after, begun):
    """In a database with so many users."""
    conn = Connection(uri)
    writer = Writer(uri)
    sessions = Sessions(users, writer.version(username(1)), begun)
    try:
        return {"logins": logins(conn, due_after),
                "writes": writes(writer, sessions)}
    finally:
        conn.close()
        writer.close()
