#ifndef POP3_POLICY_TOP_H
#define POP3_POLICY_TOP_H

struct istream;

/* A stream that ends behind the header and max_lines lines of the body of the
   message in input. Nothing is read ahead of what the reader asks for. */
struct istream *
pop3_policy_top_create(struct istream *input, uoff_t max_lines);

/* TRUE if the message in input ends before TOP has sent so many lines of its
   body: then TOP sends it whole. Reads no more than TOP would send, and leaves
   input at its beginning. */
bool pop3_policy_top_is_whole(struct istream *input, uoff_t lines);

/* How many lines a TOP asks for, which is the last line that was taken from
   input. UOFF_T_MAX if that cannot be seen. */
uoff_t pop3_policy_top_requested(const struct istream *input);

#endif
