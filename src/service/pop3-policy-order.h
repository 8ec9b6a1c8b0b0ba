#ifndef POP3_POLICY_ORDER_H
#define POP3_POLICY_ORDER_H

/* A login must see what ended before it. The service learns of both by different
   sockets, and the loop may come to the later one first. So a request that
   depends on what other mail processes have said is started only after all of
   them were heard: what they had written when it was read is read by then. */

struct pop3_policy_order;
struct pop3_policy_request;

struct pop3_policy_order *pop3_policy_order_init(void);
/* Requests that were not started are not started any more. */
void pop3_policy_order_deinit(struct pop3_policy_order **order);

/* Start a request by its handler, unless it ends before that. */
void pop3_policy_order_add(struct pop3_policy_order *order,
			   struct pop3_policy_request *request,
			   void (*handle)(struct pop3_policy_request *request));

#endif
