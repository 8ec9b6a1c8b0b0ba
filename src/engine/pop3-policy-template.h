#ifndef POP3_POLICY_TEMPLATE_H
#define POP3_POLICY_TEMPLATE_H

/* A template of a notice, as an administrator writes it: header lines, of
   which there is one, "Subject:", and comments that begin with #; an empty
   line; the text. Pure: depends on nothing but Dovecot's lib. */

struct pop3_policy_text_var;

/* Longest file that is taken for a template, in bytes. */
#define POP3_POLICY_TEMPLATE_MAX_SIZE (64*1024)

/* Make subject and body of a notice from a template's text. subject_r is one
   line of UTF-8, body_r lines of UTF-8 that end with LF; both are allocated
   from the data stack. Returns 0 if ok, -1 and *error_r (data stack), "line 3:
   ...", if the template is wrong. */
int pop3_policy_template_expand(const char *text,
				const struct pop3_policy_text_var *vars,
				const char **subject_r, const char **body_r,
				const char **error_r);

#endif
