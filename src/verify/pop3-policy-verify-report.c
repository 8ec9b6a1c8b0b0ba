/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "pop3-policy-verify-db.h"
#include "pop3-policy-verify-print.h"
#include "pop3-policy-verify-report.h"
#include "pop3-policy-verify-row.h"

/* Findings that are kept to be printed, and rows of theirs that are kept to see
   whether they belong elsewhere. */
#define VERIFY_FINDINGS_MAX 10000
#define VERIFY_ROWS_MAX 256

struct verify_finding {
	struct pop3_policy_verify_finding public;
	/* where the row of the position is now, and whose row is here */
	struct verify_finding *found, *home;
};

struct verify_not_kept {
	unsigned char chain_id[16];
	unsigned int count;
};

struct pop3_policy_verify_report {
	struct pop3_policy_verify_rows *rows;
	ARRAY(struct verify_finding *) findings;
	/* those that have a position or a row, and may be matched */
	ARRAY(struct verify_finding *) open;
	ARRAY(struct verify_not_kept) not_kept;
	buffer_t *form;
	bool finished;
};

struct pop3_policy_verify_report *
pop3_policy_verify_report_init(struct pop3_policy_verify_rows *rows)
{
	struct pop3_policy_verify_report *report;

	report = i_new(struct pop3_policy_verify_report, 1);
	report->rows = rows;
	report->form = buffer_create_dynamic(default_pool, 512);
	i_array_init(&report->findings, 64);
	i_array_init(&report->open, 64);
	i_array_init(&report->not_kept, 4);
	return report;
}

void pop3_policy_verify_report_deinit(struct pop3_policy_verify_report **_report)
{
	struct pop3_policy_verify_report *report = *_report;
	struct verify_finding *finding;

	*_report = NULL;
	array_foreach_elem(&report->findings, finding) {
		if (finding->public.row != NULL)
			pop3_policy_verify_rows_free(report->rows,
						     &finding->public.row);
		i_free(finding->public.position);
		i_free(finding->public.text);
		i_free(finding);
	}
	array_free(&report->findings);
	array_free(&report->open);
	array_free(&report->not_kept);
	buffer_free(&report->form);
	i_free(report);
}

static void verify_report_count_only(struct pop3_policy_verify_report *report,
	const unsigned char chain_id[STATIC_ARRAY 16])
{
	struct verify_not_kept *last = NULL, *add;

	if (array_count(&report->not_kept) > 0)
		last = array_back_modifiable(&report->not_kept);
	if (last == NULL || memcmp(last->chain_id, chain_id, 16) != 0) {
		add = array_append_space(&report->not_kept);
		memcpy(add->chain_id, chain_id, 16);
		last = add;
	}
	last->count++;
}

static struct verify_finding *
verify_report_new(struct pop3_policy_verify_report *report,
		  const unsigned char chain_id[STATIC_ARRAY 16],
		  int64_t first_seq, int64_t last_seq, const char *text)
{
	struct verify_finding *finding;

	if (array_count(&report->findings) >= VERIFY_FINDINGS_MAX) {
		verify_report_count_only(report, chain_id);
		return NULL;
	}
	finding = i_new(struct verify_finding, 1);
	memcpy(finding->public.chain_id, chain_id, 16);
	finding->public.first_seq = first_seq;
	finding->public.last_seq = last_seq;
	finding->public.text = i_strdup(text);
	array_push_back(&report->findings, &finding);
	return finding;
}

struct pop3_policy_verify_finding *
pop3_policy_verify_report_add(struct pop3_policy_verify_report *report,
			      const unsigned char chain_id[STATIC_ARRAY 16],
			      int64_t first_seq, int64_t last_seq,
			      const char *fmt, ...)
{
	struct verify_finding *finding;
	va_list args;

	va_start(args, fmt);
	finding = verify_report_new(report, chain_id, first_seq, last_seq,
				    t_strdup_vprintf(fmt, args));
	va_end(args);
	return finding == NULL ? NULL : &finding->public;
}

static void verify_finding_describe(struct verify_finding *finding,
				    const struct pop3_policy_verify_row *row)
{
	finding->public.at = row->at;
	memcpy(finding->public.event, row->event, sizeof(row->event));
}

struct pop3_policy_verify_finding *
pop3_policy_verify_report_row(struct pop3_policy_verify_report *report,
			      const struct pop3_policy_verify_row *row,
			      const char *text)
{
	struct verify_finding *finding =
		verify_report_new(report, row->chain_id, row->seq, row->seq,
				  text);

	if (finding == NULL)
		return NULL;
	verify_finding_describe(finding, row);
	return &finding->public;
}

/* --- what belongs where --- */

static bool
verify_row_belongs(struct pop3_policy_verify_report *report,
		   const struct pop3_policy_verify_finding *to,
		   const struct pop3_policy_verify_finding *from)
{
	const struct pop3_policy_verify_position *position = to->position;
	unsigned char mac[POP3_POLICY_CHAIN_MAC_SIZE];

	if (position == NULL || from->row == NULL || to->text == NULL ||
	    from->text == NULL)
		return FALSE;
	buffer_set_used_size(report->form, 0);
	pop3_policy_verify_row_public(from->row, NULL, report->form);
	pop3_policy_chain_mac_row(position->key->mac, position->prev,
				  position->chain_id, position->seq,
				  pop3_policy_verify_row_kind(from->row),
				  report->form, position->digest, mac);
	return memcmp(mac, position->mac, sizeof(mac)) == 0;
}

static void verify_report_match(struct pop3_policy_verify_report *report,
				struct verify_finding *finding)
{
	struct verify_finding *other;

	array_foreach_elem(&report->open, other) {
		if (finding->found == NULL &&
		    verify_row_belongs(report, &finding->public,
				       &other->public)) {
			finding->found = other;
			other->home = finding;
		}
		if (other->found == NULL &&
		    verify_row_belongs(report, &other->public,
				       &finding->public)) {
			other->found = finding;
			finding->home = other;
		}
	}
	array_push_back(&report->open, &finding);
}

static void
verify_finding_keep(struct pop3_policy_verify_report *report,
		    struct verify_finding *finding,
		    const struct pop3_policy_verify_position *position,
		    struct pop3_policy_verify_row **row)
{
	if (finding != NULL && array_count(&report->open) < VERIFY_ROWS_MAX) {
		if (position != NULL) {
			finding->public.position =
				i_new(struct pop3_policy_verify_position, 1);
			*finding->public.position = *position;
		}
		if (row != NULL) {
			finding->public.row = *row;
			*row = NULL;
		}
		verify_report_match(report, finding);
	}
	if (row != NULL && *row != NULL)
		pop3_policy_verify_rows_free(report->rows, row);
}

struct pop3_policy_verify_finding *
pop3_policy_verify_report_altered(struct pop3_policy_verify_report *report,
	const struct pop3_policy_verify_position *position,
	struct pop3_policy_verify_row **row)
{
	struct verify_finding *finding =
		verify_report_new(report, position->chain_id, position->seq,
				  position->seq, "altered: public columns");

	if (finding != NULL)
		verify_finding_describe(finding, *row);
	verify_finding_keep(report, finding, position, row);
	return finding == NULL ? NULL : &finding->public;
}

void pop3_policy_verify_report_removed(
	struct pop3_policy_verify_report *report,
	const struct pop3_policy_verify_position *position)
{
	struct verify_finding *finding =
		verify_report_new(report, position->chain_id, position->seq,
				  position->seq, "removed");

	if (finding != NULL) {
		finding->public.removed = TRUE;
		finding->public.about = TRUE;
		finding->public.at = position->at;
	}
	verify_finding_keep(report, finding, position, NULL);
}

void pop3_policy_verify_report_inserted(
	struct pop3_policy_verify_report *report,
	struct pop3_policy_verify_row **row, const char *text)
{
	struct verify_finding *finding =
		verify_report_new(report, (*row)->chain_id, (*row)->seq,
				  (*row)->seq, text);

	if (finding != NULL)
		verify_finding_describe(finding, *row);
	verify_finding_keep(report, finding, NULL, row);
}

void pop3_policy_verify_finding_set(struct pop3_policy_verify_finding *finding,
				    const char *text)
{
	i_free(finding->text);
	finding->text = i_strdup(text);
}

/* --- the end --- */

static const char *
verify_finding_place(const struct pop3_policy_verify_finding *finding,
		     const struct pop3_policy_verify_finding *seen_from)
{
	if (memcmp(finding->chain_id, seen_from->chain_id, 16) == 0)
		return t_strdup_printf("seq %"PRId64, finding->first_seq);
	return t_strdup_printf("seq %"PRId64" of chain %s", finding->first_seq,
			       pop3_policy_verify_uuid(finding->chain_id));
}

static void verify_finding_finish(struct verify_finding *finding)
{
	struct pop3_policy_verify_finding *here = &finding->public;
	struct verify_finding *found = finding->found;
	const char *place;

	if (found == NULL || here->text == NULL || found->public.text == NULL)
		return;
	place = verify_finding_place(&found->public, here);
	if (found->found == finding) {
		pop3_policy_verify_finding_set(here, t_strdup_printf(
			"swapped with %s", place));
		pop3_policy_verify_finding_set(&found->public, NULL);
	} else {
		pop3_policy_verify_finding_set(here, t_strdup_printf(
			here->removed ? "moved: it is now %s" :
			"moved: it is now %s, and another row has its number",
			place));
		verify_finding_describe(finding, found->public.row);
		here->about = FALSE;
		/* a row that is nowhere too much otherwise */
		if (found->public.position == NULL)
			pop3_policy_verify_finding_set(&found->public, NULL);
	}
}

/* Numbers that are missing one after the other are one finding. */
static void verify_report_merge(struct pop3_policy_verify_report *report)
{
	struct pop3_policy_verify_finding *last = NULL;
	struct verify_finding *finding;

	array_foreach_elem(&report->findings, finding) {
		struct pop3_policy_verify_finding *here = &finding->public;

		if (here->text == NULL)
			continue;
		if (!here->removed || finding->found != NULL) {
			last = NULL;
		} else if (last != NULL &&
			   last->last_seq + 1 == here->first_seq &&
			   memcmp(last->chain_id, here->chain_id, 16) == 0) {
			last->last_seq = here->last_seq;
			pop3_policy_verify_finding_set(here, NULL);
		} else {
			last = here;
		}
	}
}

static int verify_finding_cmp(struct verify_finding *const *f1,
			      struct verify_finding *const *f2)
{
	const struct pop3_policy_verify_finding *a = &(*f1)->public;
	const struct pop3_policy_verify_finding *b = &(*f2)->public;
	int ret = memcmp(a->chain_id, b->chain_id, 16);

	if (ret != 0)
		return ret;
	return a->first_seq < b->first_seq ? -1 :
		a->first_seq > b->first_seq ? 1 : 0;
}

static void verify_report_finish(struct pop3_policy_verify_report *report)
{
	struct verify_finding *finding;

	if (report->finished)
		return;
	report->finished = TRUE;
	array_foreach_elem(&report->findings, finding) T_BEGIN {
		verify_finding_finish(finding);
	} T_END;
	array_sort(&report->findings, verify_finding_cmp);
	verify_report_merge(report);
}

static void
verify_finding_print(const struct pop3_policy_verify_finding *finding, bool tab)
{
	struct pop3_policy_verify_line line;

	i_zero(&line);
	memcpy(line.chain_id, finding->chain_id, sizeof(line.chain_id));
	line.first_seq = finding->first_seq;
	line.last_seq = finding->last_seq;
	line.at = finding->at;
	line.about = finding->about;
	line.event = finding->event;
	line.result = "found";
	line.text = finding->text;
	pop3_policy_verify_print(&line, tab);
}

static void
verify_not_kept_print(const struct verify_not_kept *not_kept, bool tab)
{
	struct pop3_policy_verify_line line;

	i_zero(&line);
	memcpy(line.chain_id, not_kept->chain_id, sizeof(line.chain_id));
	line.result = "found";
	line.text = t_strdup_printf("and %u more", not_kept->count);
	pop3_policy_verify_print(&line, tab);
}

unsigned int
pop3_policy_verify_report_print(struct pop3_policy_verify_report *report,
				bool tab)
{
	const struct verify_not_kept *not_kept;
	struct verify_finding *finding;
	unsigned int count = 0;

	verify_report_finish(report);
	array_foreach_elem(&report->findings, finding) {
		if (finding->public.text != NULL) {
			verify_finding_print(&finding->public, tab);
			count++;
		}
	}
	array_foreach(&report->not_kept, not_kept) T_BEGIN {
		verify_not_kept_print(not_kept, tab);
		count += not_kept->count;
	} T_END;
	return count;
}

unsigned int
pop3_policy_verify_report_count(struct pop3_policy_verify_report *report,
				const unsigned char chain_id[STATIC_ARRAY 16])
{
	const struct verify_not_kept *not_kept;
	struct verify_finding *finding;
	unsigned int count = 0;

	verify_report_finish(report);
	array_foreach_elem(&report->findings, finding) {
		if (finding->public.text != NULL &&
		    memcmp(finding->public.chain_id, chain_id, 16) == 0)
			count++;
	}
	array_foreach(&report->not_kept, not_kept) {
		if (memcmp(not_kept->chain_id, chain_id, 16) == 0)
			count += not_kept->count;
	}
	return count;
}
