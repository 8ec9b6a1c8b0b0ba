#ifndef POP3_POLICY_VERIFY_ROTATE_H
#define POP3_POLICY_VERIFY_ROTATE_H

/* Add a new key to the file, which the service uses within a second or two, and
   print its id. The keys before it stay: what they sealed is verified with them.
   The file is replaced as a whole, so that nobody reads half a line. Returns an
   exit status. */
int pop3_policy_verify_rotate(const char *path);

#endif
