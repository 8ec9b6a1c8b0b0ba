# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What was done in a run of the fault tests, as its clients saw it: the side of
the story that needs no server to be trusted. The invariants (invariant_*.py)
compare it with what is found afterwards. Times are those of time.monotonic().
"""

import dataclasses

NEVER = -1
BUILTIN = {"on_retrieve": "keep", "on_dele": "delete", "expire_hidden": NEVER,
           "expire_retrieved": NEVER, "leave_max_messages": NEVER,
           "quota_messages": NEVER, "quota_action": "reject",
           "pop3_hold": "no"}
# how on_retrieve and on_dele take a message out of the mailbox
TAKES = {"delete": "expunge", "move": "move"}


@dataclasses.dataclass
class Session:
    """A POP3 session. name: by which Dovecot knows it."""

    name: str
    begun: float = 0.0
    # was PASS answered by +OK, and if not, by what
    accepted: bool = False
    refusal: str = None
    # UIDs, None if there was no whole listing, and when its last byte came
    listing: list = None
    listed: float = 0.0
    # UIDs that were sent whole, and that a DELE marked, RSET taken into account
    fetched: set = dataclasses.field(default_factory=set)
    deleted: set = dataclasses.field(default_factory=set)
    # when QUIT was sent, and its answer: "" if the connection was lost
    quit_sent: float = None
    answer: str = None
    ended: float = float("inf")
    # RETRs that were answered, whatever RSET forgot
    sent: int = 0
    # Dovecot could not tell whether the UPDATE is made when it answered -ERR
    unclear: bool = False
    # what a client must never see
    wrong: list = dataclasses.field(default_factory=list)

    def overlaps(self, other):
        return self.begun <= other.ended and other.begun <= self.ended

    def updated(self):
        """QUIT succeeded."""
        return self.answer is not None and self.answer.startswith("+OK")

    def may_have_updated(self, until):
        """QUIT may have acted before a moment."""
        return self.quit_sent is not None and self.quit_sent <= until and \
            (self.unclear or not (self.answer or "").startswith("-ERR"))

    def may_be_poll(self):
        """It did nothing, and may be counted rather than recorded."""
        return self.accepted and self.sent == 0 and not self.deleted and \
            self.may_have_updated(float("inf"))


@dataclasses.dataclass
class Message:
    """uid, guid: None until found. delivered: when LMTP said so, None if it did
    not say. begun: when its delivery began. had_another: it may have had another
    UID before (invariant_uids.py)."""

    message_id: str
    begun: float
    delivered: float = None
    uid: int = None
    guid: str = None
    had_another: bool = False


@dataclasses.dataclass
class Drop:
    """A user's maildrop. expunged: {UID: when IMAP or doveadm began to take it
    away}. renumbered: {UID: (other UID, GUID)} of messages that were found under
    another one later. policy: the user's own values. clock_ahead: the database's
    clock was seconds ahead."""

    user: str
    policy: dict
    messages: list = dataclasses.field(default_factory=list)
    sessions: list = dataclasses.field(default_factory=list)
    expunged: dict = dataclasses.field(default_factory=dict)
    renumbered: dict = dataclasses.field(default_factory=dict)
    clock_ahead: int = 0

    def value(self, name):
        return self.policy.get(name, BUILTIN[name])

    def by_uid(self):
        return {message.uid: message for message in self.messages
                if message.uid is not None}

    # --- what the policy lets happen ---

    def _asked(self, attribute, uid, until):
        """May a QUIT before a moment have acted on a message because it is in
        a set of its session?"""
        return any(session.may_have_updated(until) and
                   uid in getattr(session, attribute)
                   for session in self.sessions)

    def _reached(self, name):
        limit = self.value(name)
        return limit != NEVER and limit <= self.clock_ahead

    def may_be_hidden(self, uid, until):
        held = self.value("pop3_hold") == "yes"
        for attribute, name in (("deleted", "on_dele"),
                                ("fetched", "on_retrieve")):
            action = self.value(name)
            if (action == "hide" or held and action in TAKES) and \
               self._asked(attribute, uid, until):
                return True
        return False

    def may_be_removed(self, uid, until=float("inf")):
        """Reasons for which POP3 or a delivery may take a message out of the
        mailbox before a moment: {reason: actions}"""
        if self.value("pop3_hold") == "yes":
            return {}
        reasons = {}
        for attribute, name, reason in (
                ("deleted", "on_dele", "dele"),
                ("fetched", "on_retrieve", "retrieved")):
            action = TAKES.get(self.value(name))
            if action and self._asked(attribute, uid, until):
                reasons[reason] = {action}
        hidden = self.may_be_hidden(uid, until)
        retrieved = self._asked("fetched", uid, until)
        for possible, reason in (
                (hidden and self._reached("expire_hidden"), "expired-hidden"),
                (retrieved and self._reached("expire_retrieved"),
                 "expired-retrieved"),
                (retrieved and self.value("leave_max_messages") != NEVER,
                 "leave-limit"),
                ((hidden or retrieved) and
                 self.value("quota_action") == "evict", "quota")):
            if possible:
                reasons[reason] = {"expunge"}
        return reasons


@dataclasses.dataclass
class Found:
    """What a user's mailbox and the database held at the end: UIDs with GUIDs,
    and rows as dicts. polls: how many sessions were counted rather than recorded,
    None where all are recorded."""

    mailbox: dict
    audit: list
    sessions: list
    state: dict
    open_intents: int
    tracked: int
    polls: int = None
