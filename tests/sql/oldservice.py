# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A service of an earlier version, by the statements that it sends."""

import os
import re

from sqlhelp import DAY, Service, array, new_id

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schemas")
NAMES = ("1-first", "1-second", "2-first")
# of the version before, whose services go on after an upgrade
SERVED = ("2-first",)


class Statement:
    """text with $1, $2, ...; names of the parameters without p_."""

    def __init__(self, line):
        self.text, names = line.split(" --")
        self.names = names.split()
        self.function = re.search(r"FROM pop3\.(\w+)\(", self.text)[1]

    def nothing(self):
        """The same with NULLs, which is planned but not run."""
        return re.sub(r"\$\d+", "NULL", self.text) + " LIMIT 0"

    def named(self):
        return re.sub(r"\$(\d+)",
                      lambda m: "%%(%s)s" % self.names[int(m[1]) - 1],
                      self.text)


def statements(name):
    with open(os.path.join(SCHEMAS, name + ".statements")) as file:
        found = [Statement(line.rstrip("\n")) for line in file
                 if not line.startswith("#")]
    assert found
    return {s.function: s for s in found}


class OldService(Service):
    """Sends an earlier version's statements, leaving out arguments that they
    do not have."""

    def __init__(self, db, name, chain=None):
        self.statements = statements(name)
        super().__init__(db, chain)

    def _sql(self, function, args):
        statement = self.statements[function]
        values = {name: args[name] for name in statement.names}
        return statement.named(), {
            name: array(value) if isinstance(value, (list, tuple)) else value
            for name, value in values.items()}

    def version(self, user=None):
        """What the database says, or what version 1 put together from the
        rows."""
        if "policy_version" in self.statements:
            return super().version(user)
        rows = {r.level: r.version
                for r in self.read("policy_rows", username=user)}
        return ".".join(str(rows.get(level, 0)) for level in range(6))

    def life(self, user):
        """What puts a row into each table that a service writes to; and every
        answer."""
        found = {}
        self.read("now")
        if "accept_login" in self.statements:
            assert self.accept_login(user=user, delay=1) == 0
        self.session(user, retrieved={2: "none", 3: "none", 4: "none"},
                     would={6: "expired-retrieved"}, ended_by="quit")
        if "download_reserve" in self.statements:
            assert self.download(10 ** 9, bytes=10, reserve=100,
                                 user=user).wait is None
            assert self.leave(messages=1, user=user) == [2, 3]
        self.remove([2], user=user)
        self.remove([3], "hide", "dele", user=user)
        (state,) = self.state(user, expire_hidden=3600)
        found["state"] = (str(state.hidden), state.tracked, state.due_uid)
        assert {r.uid for r in self.read(
            "tracked", maildrop_id=state.maildrop_id)} == {3, 4, 6}
        # one that is repaired, and one that is given up
        result, session = self.intent({4: ("expunge", "dele")}, user=user)
        assert result == "ok"
        self.write(0, "record_abandon", session_id=session)
        by = new_id()
        (mine,) = self.claim(session, by, user=user)
        assert mine.uid == 4
        self.repair(session, by, {4: True}, user=user)
        result, open_session = self.intent({4: ("hide", "retrieved")},
                                           user=user, lease=DAY)
        found["intents"] = (result, self.read(
            "intent_state", session_id=open_session,
            intent_no=1)[0].intent_state)
        self.write(0, "record_imap_use", username=[user])
        self.write(1, "record_quarantine", "seq", record="?", error="!")
        self.event("refused", user=user, reason="pop3-access")
        now = float(int(self.db.value("SELECT pop3.now()")))
        self.write(0, "record_polls", hour=[now - now % 3600],
                   username=[user], device=[None],
                   remote_address=["192.0.2.1"], tls=[True], polls=[3],
                   last=[now])
        if "record_usage" in self.statements:
            self.usage(user=user, level=80)
            found["notice"] = (self.take_notice("quota", username=user,
                                                level=80),
                               self.told_level(user))
            (room,) = self.evictable(bytes=1, user=user)
            found["evictable"] = (room.uid, room.more)
        self.read("maintain")
        return found
