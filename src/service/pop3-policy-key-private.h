#ifndef POP3_POLICY_KEY_PRIVATE_H
#define POP3_POLICY_KEY_PRIVATE_H

/* For pop3-policy-key.c (which key is used when) and pop3-policy-key-file.c
   (reading and making the file). */

#include "pop3-policy-chain-mac.h"
#include <sys/stat.h>

/* Read the file and return the last of its keys, with what fstat() says of it.
   Returns 1 if ok, 0 if there is no such file, -1 + *error_r. */
int pop3_policy_key_file_read(const char *path,
			      struct pop3_policy_chain_mac **mac_r,
			      struct stat *st_r, const char **error_r);
/* Make the file, with a new key, unless another process has just made it.
   Returns 0 if ok, -1 + *error_r. */
int pop3_policy_key_file_create(const char *path, const char **error_r);

#endif
