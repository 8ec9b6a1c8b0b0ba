/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "fd-util.h"
#include "ioloop.h"
#include "pop3-policy-order.h"
#include "pop3-policy-request.h"

#include <unistd.h>

/* A round of the loop calls the handlers of all sockets that were readable when
   it began. A request that is added in one round waits for two whole rounds: one
   for connections to be accepted, one for what they have said. Ours is among the
   handlers of each round, at any place: so the first call may come in the round
   in which the request is added, and the last one before others. */
#define POP3_POLICY_ORDER_CALLS 4

struct pop3_policy_ordered {
	struct pop3_policy_request *request;
	void (*handle)(struct pop3_policy_request *request);
	/* to be started by that call */
	unsigned int call;
};

struct pop3_policy_order {
	/* readable as long as requests wait, so that the loop goes round */
	int fd[2];
	struct io *io;
	unsigned int calls;
	/* from `first' on, in the order of their arrival */
	ARRAY(struct pop3_policy_ordered) waiting;
	unsigned int first;
};

static void pop3_policy_order_rest(struct pop3_policy_order *order)
{
	char c;

	array_clear(&order->waiting);
	order->first = 0;
	if (read(order->fd[0], &c, 1) != 1)
		i_fatal("read(pipe) failed: %m");
}

static void pop3_policy_order_call(struct pop3_policy_order *order)
{
	struct pop3_policy_ordered next;

	order->calls++;
	while (order->first < array_count(&order->waiting)) {
		/* a copy: handlers may add others */
		next = *array_idx(&order->waiting, order->first);
		if ((int)(next.call - order->calls) > 0)
			return;
		order->first++;
		if (!next.request->ended) T_BEGIN {
			next.handle(next.request);
		} T_END;
		pop3_policy_request_unref(&next.request);
	}
	pop3_policy_order_rest(order);
}

struct pop3_policy_order *pop3_policy_order_init(void)
{
	struct pop3_policy_order *order = i_new(struct pop3_policy_order, 1);

	if (pipe(order->fd) < 0)
		i_fatal("pipe() failed: %m");
	fd_close_on_exec(order->fd[0], TRUE);
	fd_close_on_exec(order->fd[1], TRUE);
	i_array_init(&order->waiting, 64);
	order->io = io_add(order->fd[0], IO_READ, pop3_policy_order_call,
			   order);
	return order;
}

void pop3_policy_order_deinit(struct pop3_policy_order **_order)
{
	struct pop3_policy_order *order = *_order;
	struct pop3_policy_ordered *ordered;
	unsigned int i, count;

	*_order = NULL;
	ordered = array_get_modifiable(&order->waiting, &count);
	for (i = order->first; i < count; i++)
		pop3_policy_request_unref(&ordered[i].request);
	array_free(&order->waiting);
	io_remove(&order->io);
	i_close_fd(&order->fd[0]);
	i_close_fd(&order->fd[1]);
	i_free(order);
}

void pop3_policy_order_add(struct pop3_policy_order *order,
			   struct pop3_policy_request *request,
			   void (*handle)(struct pop3_policy_request *request))
{
	const struct pop3_policy_ordered ordered = {
		.request = request,
		.handle = handle,
		.call = order->calls + POP3_POLICY_ORDER_CALLS,
	};

	if (array_count(&order->waiting) == 0 &&
	    write(order->fd[1], "", 1) != 1)
		i_fatal("write(pipe) failed: %m");
	pop3_policy_request_ref(request);
	array_push_back(&order->waiting, &ordered);
}
