#ifndef POP3_POLICY_QUOTA_SHARE_H
#define POP3_POLICY_QUOTA_SHARE_H

/* The highest of ascending percents ("80,95", canonical; may be empty) that
   used reaches of limit, 0 if it reaches none or limit is 0. Exact: 80 % of
   10 bytes are reached by 8, 80 % of 11 by 9. */
unsigned int
pop3_policy_quota_share_level(const char *percents, uint64_t used,
			      uint64_t limit);

#endif
