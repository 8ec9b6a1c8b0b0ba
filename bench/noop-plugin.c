/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* A plugin that does nothing: what loading one costs, and how far two
   measurements of the same are apart. */

#include "lib.h"
#include "module-dir.h"

const char *pop3_bench_noop_plugin_version = DOVECOT_ABI_VERSION;

void pop3_bench_noop_plugin_init(struct module *module);
void pop3_bench_noop_plugin_deinit(void);

void pop3_bench_noop_plugin_init(struct module *module ATTR_UNUSED)
{
}

void pop3_bench_noop_plugin_deinit(void)
{
}
