#ifndef POP3_POLICY_TEXT_H
#define POP3_POLICY_TEXT_H

/* Texts with variables, as an administrator writes them:

   %{name}            the variable's value
   %{name?one|more}   of a number: the first text if it is 1, else the second
   %%{                the characters %{

   Pure: depends on nothing but Dovecot's lib. */

enum pop3_policy_text_type {
	/* a text without line breaks */
	POP3_POLICY_TEXT_WORD,
	/* a whole number, decimal */
	POP3_POLICY_TEXT_NUMBER,
	/* lines; made by this software, so they are taken as they are */
	POP3_POLICY_TEXT_LINES
};

/* A variable; the last one of a list has no name. */
struct pop3_policy_text_var {
	const char *name;
	enum pop3_policy_text_type type;
	const char *value;
};

/* Append a text with its variables replaced. Of values other than lines,
   control characters (line breaks among them) become spaces, and what is not
   valid UTF-8 becomes U+FFFD: a value cannot begin a new line. single_line
   refuses variables of several lines. Returns 0 if ok, -1 and *error_r (data
   stack; names the variable and what is allowed) if the text is wrong. */
int pop3_policy_text_expand(string_t *dest, const char *text,
			    const struct pop3_policy_text_var *vars,
			    bool single_line, const char **error_r);

/* Append a paragraph in lines of at most POP3_POLICY_TEXT_WIDTH characters,
   where its words allow it. The first line begins with `first', the others
   with as many spaces as that has characters. Ends with an LF. */
#define POP3_POLICY_TEXT_WIDTH 72
void pop3_policy_text_wrap(string_t *dest, const char *first,
			   const char *paragraph);

/* Take the next line from *text, which moves behind it: without its line
   break and trailing spaces, valid UTF-8 without control characters but TAB.
   Data stack. Returns 1 if there was one, 0 at the end, -1 and *error_r if it
   is wrong. */
int pop3_policy_text_next_line(const char **text, const char **line_r,
			       const char **error_r);

#endif
