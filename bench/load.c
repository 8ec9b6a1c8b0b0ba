/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* A load of POP3 sessions: a number of them, over a number of connections at
   once, or begun at a given rate. Prints what it measured as JSON. */

#include "load.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_STEPS 16
#define MAX_CONNECTIONS 1000
#define MAX_EVENTS 64
/* of failed sessions, how many are told of */
#define MAX_ERRORS 10

struct load {
	struct plan plan;
	struct step steps[MAX_STEPS];
	struct sockaddr_in address;
	unsigned int sessions, connections, first_user, users;
	/* sessions a second; 0: the next begins when one has ended */
	double rate, timeout;

	int epoll;
	struct session *slots;
	unsigned int *free_slots, free_count;
	unsigned int begun, done, failed, late;
	double begun_at;
};

static void usage(void)
{
	fputs("Usage: pop3-load --port N --users N --sessions N [options]\n"
	      "  --first N         number of the first user (0)\n"
	      "  --domain D        users are user0@D, user1@D... "
	      "(example.org)\n"
	      "  --password P      (test)\n"
	      "  --connections N   sessions at once (16)\n"
	      "  --rate R          sessions begun a second (as fast as they "
	      "end)\n"
	      "  --steps LIST      of stat, list, uidl, retr*N, dele*N "
	      "(stat)\n"
	      "  --timeout S       give up after so many seconds (600)\n",
	      stderr);
	exit(64);
}

static unsigned int parse_number(const char *name, const char *value)
{
	char *end;
	unsigned long num = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end != '\0' || num > 1000000000)
		errx(64, "--%s: \"%s\" is not a number", name, value);
	return (unsigned int)num;
}

static double parse_seconds(const char *name, const char *value)
{
	char *end;
	double num = strtod(value, &end);

	if (end == value || *end != '\0' || !(num > 0))
		errx(64, "--%s: \"%s\" is not above 0", name, value);
	return num;
}

static struct step parse_step(const char *word)
{
	static const char *const names[] = {
		[STEP_STAT] = "stat", [STEP_LIST] = "list",
		[STEP_UIDL] = "uidl", [STEP_RETR] = "retr",
		[STEP_DELE] = "dele",
	};
	struct step step = { STEP_STAT, 1 };
	const char *star = strchr(word, '*');
	size_t len = star == NULL ? strlen(word) : (size_t)(star - word);
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == len &&
		    strncmp(names[i], word, len) == 0)
			break;
	}
	if (i == sizeof(names) / sizeof(names[0]) ||
	    (star != NULL && i != STEP_RETR && i != STEP_DELE))
		errx(64, "--steps: \"%s\" is none of stat, list, uidl, "
		     "retr*N, dele*N", word);
	step.kind = (enum step_kind)i;
	if (star != NULL)
		step.count = parse_number("steps", star + 1);
	return step;
}

static void parse_steps(struct load *load, char *list)
{
	char *word, *rest = list;

	load->plan.step_count = 0;
	while ((word = strsep(&rest, ",")) != NULL) {
		if (load->plan.step_count == MAX_STEPS)
			errx(64, "--steps: at most %d", MAX_STEPS);
		load->steps[load->plan.step_count++] = parse_step(word);
	}
	load->plan.steps = load->steps;
}

static void parse_options(struct load *load, int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "users", required_argument, NULL, 'u' },
		{ "first", required_argument, NULL, 'f' },
		{ "domain", required_argument, NULL, 'd' },
		{ "password", required_argument, NULL, 'P' },
		{ "sessions", required_argument, NULL, 's' },
		{ "connections", required_argument, NULL, 'c' },
		{ "rate", required_argument, NULL, 'r' },
		{ "steps", required_argument, NULL, 'S' },
		{ "timeout", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 }
	};
	unsigned int port = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'p': port = parse_number("port", optarg); break;
		case 'u': load->users = parse_number("users", optarg); break;
		case 'f':
			load->first_user = parse_number("first", optarg);
			break;
		case 'd': load->plan.domain = optarg; break;
		case 'P': load->plan.password = optarg; break;
		case 's':
			load->sessions = parse_number("sessions", optarg);
			break;
		case 'c':
			load->connections = parse_number("connections",
							 optarg);
			break;
		case 'r': load->rate = parse_seconds("rate", optarg); break;
		case 'S': parse_steps(load, optarg); break;
		case 't':
			load->timeout = parse_seconds("timeout", optarg);
			break;
		default:
			usage();
		}
	}
	if (optind != argc || port == 0 || port > 65535 ||
	    load->sessions == 0)
		usage();
	if (load->connections == 0 || load->connections > MAX_CONNECTIONS)
		errx(64, "--connections: 1 to %d", MAX_CONNECTIONS);
	/* nobody has two sessions at once */
	if (load->users < load->connections * 2)
		errx(64, "--users: at least twice --connections");
	load->address.sin_family = AF_INET;
	load->address.sin_port = htons((uint16_t)port);
	load->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void load_begin_session(struct load *load)
{
	unsigned int slot = load->free_slots[--load->free_count];
	struct session *session = &load->slots[slot];
	const void *address = &load->address;
	struct epoll_event event;
	int fd, on = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket()");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, address, sizeof(load->address)) < 0 &&
	    errno != EINPROGRESS)
		err(1, "connect()");
	session_begin(session, &load->plan, fd,
		      load->first_user + load->begun % load->users);
	load->begun++;
	event.events = EPOLLIN;
	event.data.u32 = slot;
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl()");
}

static void load_end_session(struct load *load, unsigned int slot,
			     enum session_result result)
{
	struct session *session = &load->slots[slot];

	close(session->fd);
	load->free_slots[load->free_count++] = slot;
	load->done++;
	if (result == SESSION_FAILED && load->failed++ < MAX_ERRORS)
		warnx("%s", session->error);
}

/* Begin what is due. Returns milliseconds until more is. */
static int load_begin_due(struct load *load)
{
	double now, due;

	while (load->begun < load->sessions && load->free_count > 0) {
		if (load->rate > 0) {
			now = seconds_now();
			due = load->begun_at + load->begun / load->rate;
			if (now < due)
				return (int)((due - now) * 1000) + 1;
			if (now > due + 0.01)
				load->late++;
		}
		load_begin_session(load);
	}
	return 1000;
}

static void load_run(struct load *load)
{
	struct epoll_event events[MAX_EVENTS];
	enum session_result result;
	unsigned int slot;
	int i, count, msecs;

	load->begun_at = seconds_now();
	while (load->done < load->sessions) {
		msecs = load_begin_due(load);
		count = epoll_wait(load->epoll, events, MAX_EVENTS, msecs);
		if (count < 0 && errno != EINTR)
			err(1, "epoll_wait()");
		for (i = 0; i < count; i++) {
			slot = events[i].data.u32;
			result = session_read(&load->slots[slot]);
			if (result != SESSION_GOES_ON)
				load_end_session(load, slot, result);
		}
		if (seconds_now() - load->begun_at > load->timeout)
			errx(1, "%u of %u sessions in %.0f s: given up",
			     load->done, load->sessions, load->timeout);
	}
}

static void print_times(const char *name, struct samples *samples)
{
	printf(", \"%s_p50\": %.6f, \"%s_p99\": %.6f", name,
	       samples_percentile(samples, 50), name,
	       samples_percentile(samples, 99));
}

int main(int argc, char **argv)
{
	static struct load load = {
		.plan = { .domain = "example.org",
			  .password = "test" },
		.connections = 16, .timeout = 600,
	};
	double seconds;
	unsigned int i;

	load.steps[0].kind = STEP_STAT;
	load.plan.steps = load.steps;
	load.plan.step_count = 1;
	parse_options(&load, argc, argv);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.slots = calloc(load.connections, sizeof(*load.slots));
	load.free_slots = calloc(load.connections, sizeof(*load.free_slots));
	if (load.epoll < 0 || load.slots == NULL || load.free_slots == NULL)
		err(1, "epoll_create1(), calloc()");
	for (i = 0; i < load.connections; i++)
		load.free_slots[load.free_count++] = i;

	load_run(&load);
	seconds = seconds_now() - load.begun_at;
	printf("{\"sessions\": %u, \"failed\": %u, \"late\": %u, "
	       "\"seconds\": %.6f, \"commands\": %u, \"bytes\": %llu",
	       load.done, load.failed, load.late, seconds, load.plan.commands,
	       (unsigned long long)load.plan.bytes);
	print_times("login", &load.plan.login);
	print_times("quit", &load.plan.quit);
	printf("}\n");
	samples_free(&load.plan.login);
	samples_free(&load.plan.quit);
	free(load.slots);
	free(load.free_slots);
	close(load.epoll);
	return load.failed == 0 ? 0 : 1;
}
