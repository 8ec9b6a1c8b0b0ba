#ifndef POP3_POLICY_NOTICE_H
#define POP3_POLICY_NOTICE_H

/* Notices to the owner of a mailbox (notify=yes, enforcement=enforce), written
   into INBOX: that it is getting full, that mail will expire, that rules have
   changed. doc/notices.md tells when. What fails is logged, and costs the
   notice only. */

struct pop3_policy_delivery;
struct pop3_policy_session;

/* A POP3 session's mailbox is being prepared, what was due is gone, and the
   view is not made yet: write what there is to tell. The mailbox is synced
   afterwards. */
void pop3_policy_notice_login(struct pop3_policy_session *session);

/* A delivery was committed, no locks are held, and the levels of usage are
   known. Not called for what this writes itself. */
void pop3_policy_notice_delivered(struct pop3_policy_delivery *delivery);

#endif
