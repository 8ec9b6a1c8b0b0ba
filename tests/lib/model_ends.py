# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""How a session of the model ends (model_session.py): what QUIT makes of its
messages under the policy."""

from model_policy import (ACTION_NAMES, EXPUNGE, MOVE, NEVER, dispose,
                          is_mass_delete, marks_seen, mode)


class Ends:
    """Part of model_session.Session."""

    def count_at_end(self):
        """Messages in the mailbox, as far as this session knows."""
        return self.count - self.update_removed

    def _end(self, ended_by):
        self.ended_by = ended_by
        self.dele = len(self.deleted)
        self.model.ended.append(self)

    def _tell_refusals(self, dele):
        """The audit hears of them at the end."""
        observed = self.policy["enforcement"] == "observe" and \
            self.policy["on_dele"] == "refuse"
        if self.refused_dele:
            self.audit += [("refused", None, "dele", uid)
                           for uid in sorted(self.refused_dele)]
        elif observed:
            self.audit += [("would-refuse", None, "dele", uid)
                           for uid in sorted(dele)]
        self.audit += [("refused", None, "download-daily", uid)
                       for uid in sorted(self.refused_fetch)]
        if self.would_refuse_fetch is not None:
            self.audit.append(("would-refuse", None, "download-daily",
                               self.would_refuse_fetch))

    def _settle_download(self, now):
        if self.policy["download_daily"] != NEVER and not self.master and \
           self.policy["enforcement"] != "off":
            self.model.record.downloads.settle(self, self.bytes, now)

    def _mark_seen(self, uids):
        for uid in uids:
            message = self.model.messages.get(uid)
            if message is not None:
                message.flags.add("\\Seen")
                # where RSET takes flags away, another session may do so
                message.unsure = message.unsure and self.enable_last

    def _seen_uids(self):
        """What gets \\Seen in UPDATE."""
        marks = marks_seen(self.policy)
        if marks == "yes":
            return {uid for uid, _ in self.retrieved}
        if marks == "no":
            return set()
        return {self.view[number - 1].uid
                for number in self.seen - self.deleted}

    def quit(self, now, arrived=lambda uid: True):
        """UPDATE. arrived(UID): did the QUIT come behind the message?"""
        model = self.model
        self._end("quit")
        dele = {self.view[number - 1].uid for number in self.deleted}
        unconfirmed = sorted(uid for uid in self.fetched if not arrived(uid))
        self.audit += [("unconfirmed", None, None, uid)
                       for uid in unconfirmed]
        confirmed = [uid for uid in self.fetched if uid not in unconfirmed]
        removals = self._decide(dele, confirmed)
        if removals and self.version != model.version:
            if self._needs_intent():
                self.audit += [("intent", ACTION_NAMES[action], reason, uid)
                               for uid, action, reason in removals]
                self.audit.append(("released", None, None, None))
            self.policy = model.policy()
            self.version = model.version
            removals = self._decide(dele, confirmed)
        going = {uid for uid, action, _ in removals if action >= MOVE}
        seen = self._seen_uids()
        if self._needs_intent():
            self._remove(removals, now, seen)
        else:
            model.expunge(going)
        self._mark_seen(seen)
        if self._mass:
            self.audit.append((self._mass, None, "mass-delete", None))
        self._tell_refusals(dele)
        self._keep_anchor(going)
        self.removed |= going
        self.update_removed = len(going)
        if not self.is_poll():
            model.record_session(self, now)
        self._settle_download(now)

    def _needs_intent(self):
        return self.policy["enforcement"] != "off" or \
            self.policy["pop3_hold"] == "yes"

    def _judge(self, dele):
        """Is this a mass deletion? Sets the event that says so."""
        how = mode(self.policy)
        self._mass = None
        if how == "off" or not dele or not self._retrieved_known:
            return
        unread = {message.uid for message in self.view
                  if message.uid in self.model.messages and
                  message.uid not in self.fetched and
                  message.uid not in self._ever_retrieved}
        if is_mass_delete(self.policy, len(unread & dele), len(unread)):
            self._mass = "mass-delete" if how == "enforce" \
                else "would-mass-delete"

    def _decide(self, dele, confirmed):
        """[(UID, action, reason)] for what is still there. Sets
        self.retrieved and self.would."""
        removals, leaving = [], set()
        self.retrieved = []
        self.would = dict(self._due_would)
        self._judge(dele)
        for uid in confirmed + sorted(dele - set(confirmed)):
            if uid not in self.model.messages:
                continue
            fetched = uid in confirmed and not self.master
            (action, reason), would = dispose(
                self.policy, uid in dele, fetched, uid in self.spared,
                self._mass == "mass-delete")
            if action:
                removals.append((uid, action, reason))
            if action or would[0]:
                leaving.add(uid)
            if fetched:
                self.retrieved.append((uid, action))
                if would[0] >= MOVE > action:
                    self.would.setdefault(uid, would[1])
        removals += self._excess(leaving)
        return sorted(removals)

    def _excess(self, leaving):
        """What the leave limits remove."""
        policy, record = self.policy, self.model.record
        how = mode(policy)
        if how == "off" or self.master or \
           policy["leave_max_messages"] == policy["leave_max_bytes"] == NEVER:
            return []
        outside = leaving | self.removed | set(self._gone_uids)
        if how == "observe":
            outside |= self._would_before
        items = [(uid, self.model.sizes[uid]) for uid, _ in self.retrieved
                 if uid not in outside and uid not in self.spared]
        if not items and not (self.drop_known and self._tracked):
            return []
        found = record.excess(policy, self.drop_known, items, outside)
        if found and self.drop_known:
            # what is not there any more does not count
            missing = {uid for uid in set(record.rows) | set(record.would)
                       if uid < self.uidnext and
                       uid not in self.model.messages}
            found = record.excess(policy, True, items, outside | missing)
        # not what has arrived since the view was made
        found = [uid for uid in found
                 if uid in self.model.messages and uid < self.uidnext]
        if how == "observe":
            for uid in found:
                self.would.setdefault(uid, "leave-limit")
            return []
        self.retrieved = [(uid, EXPUNGE if uid in found else action)
                          for uid, action in self.retrieved]
        return [(uid, EXPUNGE, "leave-limit") for uid in found]

    def _keep_anchor(self, going):
        """An anchor that goes tells nothing: the highest message that stays,
        as far as this session knows."""
        if (self.anchor or self._anchor_before) in going:
            staying = self._uids - going
            self.anchor = max(staying, default=0) or self.anchor
            # others may have removed it meanwhile
            self.anchor_unsure = bool(staying - set(self.model.messages))

    def drop(self, now, ended_by="drop"):
        """Any other end."""
        self._end(ended_by)
        if marks_seen(self.policy) == "as-configured":
            self._mark_seen(self.view[number - 1].uid
                            for number in self.seen)
        self._tell_refusals(set())
        self.model.record_session(self, now)
        self._settle_download(now)

    def _remove(self, removals, now, seen=()):
        """Do what an intent says that is durable now."""
        self.audit += [("intent", ACTION_NAMES[action], reason, uid)
                       for uid, action, reason in removals]
        if removals:
            self.audit.append(("committed", None, None, None))
        gone = {uid: reason for uid, action, reason in removals
                if action >= MOVE}
        self.model.move([uid for uid, action, _ in removals
                         if action == MOVE], self.policy["move_mailbox"],
                        seen)
        self.model.expunge([uid for uid, action, _ in removals
                            if action == EXPUNGE])
        self.model.gone_by_policy.update(gone)
        self.model.commit(removals, now)

    # --- what the database has to know ---

    def is_poll(self):
        """A session that may be counted only, not recorded."""
        return (self.ended_by == "quit" and self.drop_known and
                self.master is None and not self.anchor and
                not self.download_asked and
                self._known == (self.uidnext, self.count_at_end()) and
                not (self.retr or self.top or self.dele or self.removed or
                     self.would or self.fetched))
