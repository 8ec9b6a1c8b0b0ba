#ifndef TEST_POP3_POLICY_PROTOCOL_H
#define TEST_POP3_POLICY_PROTOCOL_H

/* The files of test-pop3-policy-protocol, one test function for each
   behaviour. */

#define TEST_PROTOCOL_FUNCTIONS(X) \
	X(test_wire_written) \
	X(test_wire_handshake) \
	X(test_wire_fields) \
	X(test_wire_items) \
	X(test_wire_malformed) \
	X(test_wire_escaping) \
	X(test_wire_limits) \
	X(test_wire_random) \
	X(test_wire_garbage) \
	X(test_uidset_text) \
	X(test_uidset_refused) \
	X(test_uidset_random) \
	X(test_guid)

#define TEST_PROTOCOL_DECLARE(name) void name(void);
TEST_PROTOCOL_FUNCTIONS(TEST_PROTOCOL_DECLARE)

struct pop3_policy_wire_parser;
struct pop3_policy_wire_message;

/* A parser that has seen the handshake. */
struct pop3_policy_wire_parser *test_wire_parser(void);
/* Feed what was written, lines that end with LF; only the last may complete a
   message. idx is what failures are reported with. */
struct pop3_policy_wire_message *
test_wire_feed(struct pop3_policy_wire_parser *parser, const char *text,
	       unsigned int idx);

/* xorshift: the same numbers in every run */
static inline uint64_t test_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
