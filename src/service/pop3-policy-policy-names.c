/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Of a million users' names 16 MB are needed, not 80: 64 bits each, in a table
   that is never more than half full. */

#include "lib.h"
#include "pop3-policy-policy-cache-private.h"

#define POP3_POLICY_NAMES_MIN_SIZE 64

struct pop3_policy_cache_names {
	/* 0: free; a power of two of them */
	uint64_t *hashes;
	size_t size, used;
};

/* FNV-1a, never 0. */
static uint64_t pop3_policy_cache_names_hash(const char *name, size_t len)
{
	uint64_t hash = 14695981039346656037ULL;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * 1099511628211ULL;
	return hash == 0 ? 1 : hash;
}

static uint64_t *
pop3_policy_cache_names_find(const struct pop3_policy_cache_names *names,
			     uint64_t hash)
{
	size_t i = (hash ^ (hash >> 32)) & (names->size - 1);

	while (names->hashes[i] != 0 && names->hashes[i] != hash)
		i = (i + 1) & (names->size - 1);
	return &names->hashes[i];
}

struct pop3_policy_cache_names *pop3_policy_cache_names_init(void)
{
	struct pop3_policy_cache_names *names;

	names = i_new(struct pop3_policy_cache_names, 1);
	names->size = POP3_POLICY_NAMES_MIN_SIZE;
	names->hashes = i_new(uint64_t, names->size);
	return names;
}

void pop3_policy_cache_names_deinit(struct pop3_policy_cache_names **_names)
{
	struct pop3_policy_cache_names *names = *_names;

	*_names = NULL;
	i_free(names->hashes);
	i_free(names);
}

static void pop3_policy_cache_names_grow(struct pop3_policy_cache_names *names)
{
	uint64_t *old = names->hashes;
	size_t i, old_size = names->size;

	names->size *= 2;
	names->hashes = i_new(uint64_t, names->size);
	for (i = 0; i < old_size; i++) {
		if (old[i] != 0) {
			*pop3_policy_cache_names_find(names, old[i]) =
				old[i];
		}
	}
	i_free(old);
}

void pop3_policy_cache_names_add(struct pop3_policy_cache_names *names,
				 const char *name, size_t len)
{
	uint64_t hash = pop3_policy_cache_names_hash(name, len);
	uint64_t *place = pop3_policy_cache_names_find(names, hash);

	if (*place != 0)
		return;
	*place = hash;
	if (++names->used > names->size / 2)
		pop3_policy_cache_names_grow(names);
}

bool pop3_policy_cache_names_has(const struct pop3_policy_cache_names *names,
				 const char *name)
{
	return *pop3_policy_cache_names_find(names,
		pop3_policy_cache_names_hash(name, strlen(name))) != 0;
}
