#ifndef TEST_POP3_POLICY_NOTICE_H
#define TEST_POP3_POLICY_NOTICE_H

/* The files of test-pop3-policy-notice, one test function for each
   behaviour. */

#define TEST_NOTICE_FUNCTIONS(X) \
	X(test_text_expand) \
	X(test_text_refused) \
	X(test_text_no_variables) \
	X(test_text_wrap) \
	X(test_template_expand) \
	X(test_template_refused) \
	X(test_words_values) \
	X(test_words_rules) \
	X(test_words_every_rule) \
	X(test_words_translated) \
	X(test_words_refused) \
	X(test_address_parse) \
	X(test_address_user) \
	X(test_message_headers) \
	X(test_message_subject) \
	X(test_message_body) \
	X(test_message_lines)

#define TEST_NOTICE_DECLARE(name) void name(void);
TEST_NOTICE_FUNCTIONS(TEST_NOTICE_DECLARE)

/* Check that an error begins with this text. */
void test_notice_error(const char *error, const char *expected,
		       unsigned int idx);
/* A shipped template's text. */
const char *test_notice_file(const char *name);

#endif
