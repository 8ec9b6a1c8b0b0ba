#ifndef POP3_POLICY_TOP_H
#define POP3_POLICY_TOP_H

struct istream;

/* A stream that ends behind the header and max_lines lines of the body of the
   message in input. Nothing is read ahead of what the reader asks for. */
struct istream *
pop3_policy_top_create(struct istream *input, uoff_t max_lines);

#endif
