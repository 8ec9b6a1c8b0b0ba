#ifndef POP3_POLICY_PROTOCOL_H
#define POP3_POLICY_PROTOCOL_H

/* The line protocol between the mail processes and the pop3-policy service.

   Both sides first send the handshake line
       VERSION <tab> pop3-policy <tab> MAJOR <tab> MINOR
   and close the connection when the other's major version differs.

   Then messages. A message is one line, followed by as many item lines as its
   "items" field says:

       VERB <tab> ID { <tab> KEY=VALUE } [ <tab> items=N ] LF
       { ITEM <tab> TYPE { <tab> KEY=VALUE } LF }          (N times)

   Every field between tabs is escaped with str_tabescape(). ID is a decimal
   number chosen by the client; 0 means that no reply is wanted. Unknown keys
   are ignored, so that versions can be mixed. A line is at most
   POP3_POLICY_MAX_LINE bytes with its LF (a UID set full of holes is long), a
   message has at most POP3_POLICY_MAX_ITEMS items and POP3_POLICY_MAX_MESSAGE
   bytes; a line that cannot be parsed is answered by closing the connection.

   Forms of values: GUIDs are 32 hex digits; UID sets are "1:5,9"; times are
   seconds since 1970 UTC with an optional fraction (database clock in what
   the service sends; see each key for what clients send); durations are whole
   seconds; sizes are bytes; session= is the session's own 128-bit random id
   as 32 hex digits; booleans are present as "1" or absent; addresses are
   text without brackets.

   Replies: OK <tab> ID ... or FAIL <tab> ID <tab> code=CODE <tab> text=TEXT.
   Codes:
       denied   not on this socket, or not for this database role
       temp     the database cannot be asked (now, or in time)
       invalid  a field is missing or wrong; text says which
       stale    (INTENT) policy or hold changed since LOGIN, or removals by
                policy are stopped (by the breaker, of which this may be the
                first sign); nothing may be removed on its strength, ask LOGIN
                again
       fenced   (INTENT, repeated) the intent was given up meanwhile

   ---- LOGIN: policy and state of a user --------------------------------
   user=      mailbox owner
   session=   dsession= Dovecot's session id (optional)
   auth_user= authenticated login, where it differs (a master user, or a login
              name that is an alias)
   master=1   a master user logged in: neither login_delay nor download_daily
              concerns the session
   rip=       client's address (optional)
   tls=1      device= (optional)
   sweep=1    nobody logs in: messages are to be removed that are due. No
              session is kept; the SESSION of a sweep is sent where it changed
              something, or where the maildrop was not known
   again=1    the session asks again for a fresh policy: it is logged in, and
              login_delay does not concern it
   OK:
   wait=         seconds until login_delay lets the user in, rounded up
                 (absent: the login is accepted, and recorded where login_delay
                 is set). Under enforcement=enforce the login is not accepted,
                 and there are no items; under observe it is accepted all the
                 same
   now=       database time
   version=   policy version, opaque; goes into INTENT
   paused=1   removals by policy are stopped, by an administrator or the
              breaker: nothing is due, and INTENT takes none but what clients
              delete, and what is hidden
   offline=1  the database cannot be asked: policy and state are as this host
              last knew them. There are items maildrop, and no others; the
              session removes nothing, asks for nothing that only the database
              knows, and every INTENT of it is to be postponed
   lease=     seconds an intent holds
   p.NAME=    canonical value of every parameter, NAME as in the engine
   and items:
   maildrop   one per known maildrop of the user:
       id= guid= (mailbox GUID) uidvalidity=
       uidnext=      highest known UIDNEXT
       messages=     number of messages at the end of the last session
       anchor_uid= anchor_guid=  message known to be UIDNEXT-1 once
                     (optional)
       hidden=       UID set of hidden messages (optional)
       hidden_uid= hidden_guid=  the highest of them
       view_from=    lowest UID that view_since/view_window show (optional)
       before=       (optional) UIDs below it arrived before the
                     expire_unretrieved limit, and are due unless exempt
       exempt=       UID set below `before' that was retrieved or restored,
                     so is not due by expire_unretrieved (optional)
       spared=       UID set of restored messages (optional)
       postponed=    UID set of messages whose removal an outage of the
                     database postponed: hidden, whatever enforcement is, until
                     that is decided (optional)
       retrieved=    UID set of what was ever retrieved, as far as known, may
                     be empty (only where view_limit or mass_delete_percent
                     is set)
       would=        UID set already recorded as would-be-removed (optional)
       tracked=      number of messages with state
   due        a message whose retrieved or hidden clock has run out, at most
              POP3_POLICY_MAX_DUE:
       maildrop= uid= guid= reason=
   postponed  a message whose postponed removal is to be decided now, by the
              policy as it is, at most POP3_POLICY_MAX_DUE:
       maildrop= uid= guid= reason= (why it was to be removed)
   intent     an intent of another session that may be repaired now:
       session= no= maildrop=

   ---- UIDS: which messages have state ----------------------------------
   maildrop=  id of the maildrop
   guids=1    also an item per message
   OK: uids= UID set; items "message": uid= guid= hidden=1 (if hidden)

   ---- CARRY: a new UIDVALIDITY (or mailbox GUID) takes over state -------
   user= session= maildrop= (old id) guid= uidvalidity= uidnext= messages=
   (of the new one), items "message": old= new= (UIDs matched by unique GUID)
   OK: maildrop= id of the new one

   ---- CLAIM: take over an intent for repair ----------------------------
   user= session= (who repairs) intent_session= no=
   OK: items "message": uid= guid= action= reason=. FAIL fenced if it is not
   repairable any more (its session came back, or somebody else has it).

   ---- REPAIR: what became of a claimed intent --------------------------
   user= session= intent_session= no= released= UID set of messages that are
   still present, presumed= UID set of messages that are gone.
   No reply needed (ID 0).

   ---- INTENT: make the intent to remove durable ------------------------
   user= session= no= (1.. within the session) dsession= auth_user= rip=
   device= guid= uidvalidity= (mailbox) version= (policy version)
   repeat=1 if it may have been sent before
   and items "message", in UID order:
       uid= guid= (message GUID) size= action= reason= uidl= message_id=
       mailbox= (action=move: where it goes)
   postpone=  what the client can do if the database is away (optional; absent:
              FAIL temp)
       may    understands an answer with offline=1
       must   wants that answer in any case: the session is offline
   for= (optional) Message-ID of the message that room is made for: becomes
   detail of the audit's rows. An intent of a delivery comes without a LOGIN
   before: its session= is the delivery's, and is forgotten once its last
   intent has an outcome.
   OK: lease= seconds during which the mailbox commit may be done; count from
   before the request was first sent (a repeated one gets the full lease as
   answer) and stay well below it. FAIL stale, temp,
   invalid, fenced.
   offline=1  instead of lease=: the removals are postponed, and that is durable
              on this host. Nothing may be removed or moved; what was to be is
              hidden from now on, and decided anew once the database is back.
              Only a failed UPDATE has an OUTCOME then, "failed", which takes it
              back.

   ---- OUTCOME: what became of an own intent ----------------------------
   user= session= no= result=committed|failed|unknown  No reply needed (ID 0).
   unknown: the commit failed half-way, or its end was not seen; the intent is
   left for repair by a later session.

   ---- LEAVE: retrieved mail that exceeds leave_max_messages or _bytes ----
   user= session= maildrop= (absent if the database does not know it yet)
   messages= bytes=  the limits, -1 for unlimited
   except=    UID set of messages that this UPDATE removes or hides (optional)
   and items "message", in the order of their retrieval: uid= size=
       what this session retrieved and leaves in the view
   OK: items "message": uid= guid= (of those with state)
       what has to go, the oldest retrieval first, at most
       POP3_POLICY_MAX_LEAVE. Hidden and restored messages neither count nor
       go, nor those that an open intent is about.

   ---- DOWNLOAD: may more be sent under download_daily? -------------------
   user= session=
   limit=     bytes in 24 hours
   bytes=     sent by RETR and TOP in this session until now
   reserve=   about to be sent; it counts from now on, until bytes= of a later
              DOWNLOAD or of SESSION says how much it was
   OK: used=  bytes in the last 24 hours, all sessions of the user together,
              without reserve
       wait=  seconds until used is below the limit, rounded up; absent if it
              is. If present nothing was reserved.

   ---- EVENT: something worth a line in the audit ------------------------
   user= session= dsession= auth_user= rip= device= guid= uidvalidity=
   event=     gone | refused | rollback | unconfirmed | mismatch | kept |
              would-refuse | mass-delete | would-mass-delete
   reason=    word (optional)
   uids=      UID set it is about (optional)
   text=      free text (optional)
   gone: `uids' were removed by others, their state is dropped. rollback:
   the mailbox has a UIDNEXT (uidnext=) below the highest known one or GUIDs
   that differ: state from uidnext= on is dropped. mismatch: state of `uids'
   belongs to other messages and is dropped. kept: removals of `uids' that were
   postponed are decided, the messages stay, and are in the view again.
   No reply needed (ID 0).

   ---- SESSION: the session is over --------------------------------------
   Sent once: right before the +OK of QUIT, or when the session ended
   otherwise. Closes the session; outcomes are sent before it.
   user= session= dsession= auth_user= rip= tls= device=
   started=   database time at LOGIN (`now' of its reply)
   duration=  seconds since then
   ended_by=  quit | drop | timeout | kick | update-failed | refused | error |
              sweep
   guid= uidvalidity= uidnext= (at login)  (absent if never opened)
   uidnext_end= messages=  (at the end; messages in the mailbox)
   anchor_uid= anchor_guid=   (optional)
   retr= top= dele=   numbers of commands that succeeded
   bytes=     sent by RETR and TOP, messages that were sent in part included
   fetched=   UID set sent whole (RSET clears it)
   removed=   UID set expunged
   items "retrieved": uid= guid= size= action= (none | hide: what the outcome
   made of it; removed ones are listed too, with expunge or move)
   items "would": uid= guid= size= reason= (enforcement=observe)
   No reply needed (ID 0).

   ---- IMAP: the user's mailbox is used by IMAP ---------------------------
   user=                                         No reply needed (ID 0).

   Outside POP3 sessions (deliveries, IMAP, doveadm), and for notices:

   ---- LIMITS: the policy of a user, without a login ----------------------
   user= session= (random id of this delivery)
   OK: now= version= paused= p.NAME   as LOGIN's
       told=      the level of quota_warn, in percent, that the owner was told
                  of last, or lower since (absent: 0)
       cached=1   the database cannot be asked: as last known. now= is then
                  the service's guess of database time.
   FAIL temp if it cannot be asked and the user's policy is not known.

   ---- EVICT: what may go to make room for a delivery ---------------------
   user= session= guid= uidvalidity= (of INBOX)
   bytes= messages=  to be freed, 0 if there is enough
   OK: more=1 if there are others besides, and items "message":
       uid= guid= size= (absent if not known)
       hidden ones, the oldest hiding first, then retrieved ones, the oldest
       retrieval first, until both sums are reached (a size that is not known
       counts 0), at most POP3_POLICY_MAX_LEAVE. Never unretrieved or restored
       ones, nor those that mass-delete hid or an open intent is about. Fewer, down to none,
       where all is not enough. What this host wrote for the user before is
       considered, as with LEAVE.

   ---- USAGE: what the user has on the server -----------------------------
   user= bytes= messages=  as Dovecot's quota counts them
   storage_limit= message_limit=  bytes and messages in force (absent: none)
   level=     highest threshold of quota_warn, in percent, that is reached
              (absent: 0). A level below the one told lowers that one.
   No reply needed (ID 0). The last of a user counts; it is written within the
   service's poll_interval.

   ---- NOTICES: what the owner should be told -----------------------------
   user= session= guid= uidvalidity= (of INBOX)
   OK: now= version= (as LOGIN's) and items, none under notify=no or an
   enforcement other than enforce:
   rule       a parameter that concerns the owner and changed since the last
              notice of kind policy (before the first: differs from built-in);
              none if such a notice was written in the last 24 hours:
       name= old= new= (canonical values)
   expiry     at most one, messages that no notice covered will go before
              until; none if such a notice was written in the last 24 hours:
       uids=     UID set, by expire_retrieved (optional)
       before= exempt=   by expire_unretrieved, as LOGIN's (optional); exempt
                 are also those that are hidden, that view_since or view_window
                 leave out, or that were told of before
                 Which of both are still there is for the client to find out,
                 and which of them are notices: telling of those would never
                 end.
       at=       when the first of them goes
       until=    end of the time looked at (now and notice_expiry_time)

   ---- NOTICE: may this notice be written? --------------------------------
   user= session= dsession= (optional) guid= uidvalidity= (of INBOX)
   kind=      quota | expiry | policy
   level=     (quota) percent that is told
   until=     (expiry) as NOTICES said
   count=     (expiry) number of messages that is told
   version=   version= of NOTICES, needed for kind policy (optional); not taken
              if the policy has changed since
   message_id= of the notice
   OK: take=1 if it may be written: recorded then, durably, and no other of
       the kind may be for 24 hours. Absent: it may not. FAIL temp: it may not,
       either. A request repeated with the same message_id= gets take=1 again.

   On the administrators' socket, which takes nothing else:

   ---- CALL: call an SQL function as pop3_admin ---------------------------
   name=      word that stands for the function; those and their parameters
              are in src/service/pop3-policy-admin-statements.c
   caller=    who runs the command: goes into the history of policies and the
              audit (optional)
   a1= a2= ...  values of its parameters as text (absent: NULL). Each text of
              a list ends with a line feed; UIDs are a UID set.
   OK: columns= names of the result's columns, in their order, separated by
       ","; numeric= those of them that are numbers; and items "row": a field
       per column, named as the column (absent: NULL).
   FAIL invalid, temp, denied: text= is for the person who asked.
*/

#include "str.h"

#define POP3_POLICY_PROTOCOL_NAME "pop3-policy"
#define POP3_POLICY_PROTOCOL_MAJOR 1
#define POP3_POLICY_PROTOCOL_MINOR 0

#define POP3_POLICY_MAX_LINE (1024*1024)
#define POP3_POLICY_MAX_MESSAGE (64*1024*1024)
#define POP3_POLICY_MAX_ITEMS 100000
/* Most due messages in one LOGIN reply. */
#define POP3_POLICY_MAX_DUE 1000
/* Most messages in one LEAVE reply; the others go at the next QUIT. */
#define POP3_POLICY_MAX_LEAVE 10000

/* --- writing --- */

/* Append "VERSION\tpop3-policy\t1\t0\n". */
void pop3_policy_wire_handshake(string_t *dest);
/* Begin a message (VERB: capitals and '-') or an item line (TYPE: small
   letters and '-'). A message with items ends with the number "items". */
void pop3_policy_wire_begin(string_t *dest, const char *verb, unsigned int id);
void pop3_policy_wire_item(string_t *dest, const char *type);
/* Append a field. _str() omits the field if value is NULL. Invalid UTF-8 in
   value is carried as it is; the service cleans it. */
void pop3_policy_wire_str(string_t *dest, const char *key, const char *value);
void pop3_policy_wire_num(string_t *dest, const char *key, int64_t value);
void pop3_policy_wire_flag(string_t *dest, const char *key, bool value);
/* End the line. */
void pop3_policy_wire_end(string_t *dest);

/* --- reading --- */

struct pop3_policy_wire_field {
	const char *key;
	const char *value;
};
struct pop3_policy_wire_line {
	/* VERB of a message, TYPE of an item */
	const char *name;
	struct pop3_policy_wire_field *fields;
	unsigned int field_count;
};
struct pop3_policy_wire_message {
	/* owns everything below */
	pool_t pool;
	unsigned int id;
	struct pop3_policy_wire_line head;
	struct pop3_policy_wire_line *items;
	unsigned int item_count;
};

struct pop3_policy_wire_parser;

struct pop3_policy_wire_parser *pop3_policy_wire_parser_init(void);
void pop3_policy_wire_parser_deinit(struct pop3_policy_wire_parser **parser);
/* Feed one line without its LF. The first line must be the handshake.
   Returns 1 if it completed a message (*message_r is then the caller's, to be
   freed with pop3_policy_wire_message_free()), 0 if more lines are needed, -1
   and *error_r (data stack) if the line is malformed; the parser is then
   unusable. */
int pop3_policy_wire_parser_feed(struct pop3_policy_wire_parser *parser,
				 const char *line,
				 struct pop3_policy_wire_message **message_r,
				 const char **error_r);
void pop3_policy_wire_message_free(struct pop3_policy_wire_message **message);

/* Look a field up. _str() returns NULL if it is missing. The others return 1
   if found, 0 if missing, -1 if the value cannot be parsed (the result is
   then unchanged). */
const char *pop3_policy_wire_get_str(const struct pop3_policy_wire_line *line,
				     const char *key);
int pop3_policy_wire_get_int64(const struct pop3_policy_wire_line *line,
			       const char *key, int64_t *num_r);
int pop3_policy_wire_get_uint32(const struct pop3_policy_wire_line *line,
				const char *key, uint32_t *num_r);
bool pop3_policy_wire_get_flag(const struct pop3_policy_wire_line *line,
			       const char *key);

/* --- forms of values --- */

#include "seq-range-array.h"
#include "guid.h"

/* "1:5,9". An empty set is "". Parsing refuses 0, descending or overlapping
   ranges and anything else that _append() does not write. set_r must be an
   initialized array; its contents are replaced, and empty after an error.
   Returns 0 / -1. */
void pop3_policy_uidset_append(string_t *dest,
			       const ARRAY_TYPE(seq_range) *set);
int pop3_policy_uidset_parse(const char *text, ARRAY_TYPE(seq_range) *set_r);
/* 32 hex digits, either case. Returns 0 / -1 (guid_r is then unchanged). */
int pop3_policy_guid_parse(const char *text, guid_128_t guid_r);

#endif
