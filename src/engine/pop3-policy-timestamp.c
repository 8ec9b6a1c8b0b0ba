/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Points in time as people write them. The calendar is computed here, so that
   neither the machine's time zone nor the width of time_t has a say. */

#include "lib.h"
#include "pop3-policy-param-private.h"

#include <ctype.h>

#define DAY 86400
/* days in 400 years of the Gregorian calendar */
#define ERA_DAYS 146097

static bool is_leap_year(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* month is 1..12 */
static int month_days(int year, int month)
{
	static const int days[] =
		{ 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return month == 2 && is_leap_year(year) ? 29 : days[month - 1];
}

/* Days from 0000-01-01 to the first day of the year. */
static int days_before_year(int year)
{
	int last = year - 1;

	if (year == 0)
		return 0;
	/* the year 0 is a leap year */
	return year * 365 + last / 4 - last / 100 + last / 400 + 1;
}

/* Days since 1970-01-01. */
static int days_from_date(int year, int month, int day)
{
	int days = days_before_year(year) - days_before_year(1970) + day - 1;

	for (int m = 1; m < month; m++)
		days += month_days(year, m);
	return days;
}

/* Parse exactly so many digits and move past them. */
static bool parse_digits(const char **p, unsigned int count, int *num_r)
{
	int num = 0;

	for (; count > 0; count--, (*p)++) {
		if (!i_isdigit(**p))
			return FALSE;
		num = num * 10 + (**p - '0');
	}
	*num_r = num;
	return TRUE;
}

static bool parse_char(const char **p, char c)
{
	if (**p != c)
		return FALSE;
	(*p)++;
	return TRUE;
}

/* HH:MM, HH:MM:SS, HH:MM:SS.fraction */
static bool parse_time_of_day(const char **p, int *seconds_r)
{
	int hour, minute, second = 0;

	if (!parse_digits(p, 2, &hour) || !parse_char(p, ':') ||
	    !parse_digits(p, 2, &minute))
		return FALSE;
	if (parse_char(p, ':')) {
		if (!parse_digits(p, 2, &second))
			return FALSE;
		if (parse_char(p, '.')) {
			if (!i_isdigit(**p))
				return FALSE;
			while (i_isdigit(**p))
				(*p)++;
		}
	}
	/* a leap second is the first second of the next minute */
	if (hour > 23 || minute > 59 || second > 60)
		return FALSE;
	*seconds_r = (hour * 60 + minute) * 60 + second;
	return TRUE;
}

/* Nothing, Z, UTC, +HH, +HHMM, +HH:MM; a space may precede. */
static bool parse_zone(const char *p, int *offset_r)
{
	int sign, hours, minutes = 0;

	*offset_r = 0;
	if (*p == '\0')
		return TRUE;
	(void)parse_char(&p, ' ');
	if (strcasecmp(p, "Z") == 0 || strcasecmp(p, "UTC") == 0)
		return TRUE;
	if (parse_char(&p, '+'))
		sign = 1;
	else if (parse_char(&p, '-'))
		sign = -1;
	else
		return FALSE;
	if (!parse_digits(&p, 2, &hours))
		return FALSE;
	if (*p != '\0') {
		(void)parse_char(&p, ':');
		if (!parse_digits(&p, 2, &minutes))
			return FALSE;
	}
	if (*p != '\0' || hours > 23 || minutes > 59)
		return FALSE;
	*offset_r = sign * (hours * 60 + minutes) * 60;
	return TRUE;
}

int pop3_policy_timestamp_parse(const char *text, int64_t *timestamp_r)
{
	const char *p = text;
	int year, month, day, seconds = 0, offset = 0;

	if (!parse_digits(&p, 4, &year) || !parse_char(&p, '-') ||
	    !parse_digits(&p, 2, &month) || !parse_char(&p, '-') ||
	    !parse_digits(&p, 2, &day))
		return -1;
	if (month < 1 || month > 12 ||
	    day < 1 || day > month_days(year, month))
		return -1;
	if (*p != '\0') {
		if (!parse_char(&p, 'T') && !parse_char(&p, 't') &&
		    !parse_char(&p, ' '))
			return -1;
		if (!parse_time_of_day(&p, &seconds) ||
		    !parse_zone(p, &offset))
			return -1;
	}
	*timestamp_r = (int64_t)days_from_date(year, month, day) * DAY +
		seconds - offset;
	return 0;
}

const char *pop3_policy_timestamp_human(int64_t timestamp)
{
	int days, seconds, year, month;
	const char *date;

	i_assert(timestamp >= 0 && timestamp / DAY < 25 * (int64_t)ERA_DAYS);
	days = (int)(timestamp / DAY) + days_before_year(1970);
	seconds = (int)(timestamp % DAY);

	/* the guess is at most one year off */
	year = (int)((int64_t)days * 400 / ERA_DAYS);
	while (days_before_year(year) > days)
		year--;
	while (days_before_year(year + 1) <= days)
		year++;
	days -= days_before_year(year);
	for (month = 1; days >= month_days(year, month); month++)
		days -= month_days(year, month);

	date = t_strdup_printf("%04d-%02d-%02d", year, month, days + 1);
	if (seconds == 0)
		return date;
	if (seconds % 60 == 0) {
		return t_strdup_printf("%s %02d:%02d UTC", date,
				       seconds / 3600, seconds / 60 % 60);
	}
	return t_strdup_printf("%s %02d:%02d:%02d UTC", date, seconds / 3600,
			       seconds / 60 % 60, seconds % 60);
}
