/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The canonical form of rows, and what is computed of it. The values in the
   worked example are those of doc/audit.md, which another implementation
   computed (tests/service/seals.py). */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "str.h"
#include "guid.h"
#include "test-common.h"
#include "pop3-policy-chain-form.h"
#include "pop3-policy-chain-mac.h"
#include "pop3-policy-seal.h"

#define MAX_COLUMNS 20

/* --- the form --- */

static void add_values(buffer_t *form, const char *const *values,
		       unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		pop3_policy_chain_form_add(form, values[i]);
}

static void test_form_values(void)
{
	static const struct {
		const char *values[2];
		const char *form;
	} tests[] = {
		{ { NULL, NULL }, "-,-," },
		{ { "", NULL }, "0:,-," },
		{ { NULL, "" }, "-,0:," },
		{ { "", "" }, "0:,0:," },
		{ { "-", NULL }, "1:-,-," },
		{ { "-,", "" }, "2:-,,0:," },
		{ { "NULL", NULL }, "4:NULL,-," },
		{ { "null", NULL }, "4:null,-," },
		{ { "ab", "c" }, "2:ab,1:c," },
		{ { "a", "bc" }, "1:a,2:bc," },
		{ { "abc", "" }, "3:abc,0:," },
		{ { "abc", NULL }, "3:abc,-," },
		{ { "a,1:b", "c" }, "5:a,1:b,1:c," },
		{ { "a", "b,1:c" }, "1:a,5:b,1:c," },
		{ { "0:", "," }, "2:0:,1:,," },
		{ { " ", "  " }, "1: ,2:  ," },
		{ { "a\nb", "\t" }, "3:a\nb,1:\t," },
		/* bytes, not characters: one letter in two ways */
		{ { "\xc3\xa9", NULL }, "2:\xc3\xa9,-," },
		{ { "e\xcc\x81", NULL }, "3:e\xcc\x81,-," },
		{ { "\xf0\x9f\x93\xac", NULL }, "4:\xf0\x9f\x93\xac,-," },
		{ { "{}", "{[1,2)}" }, "2:{},7:{[1,2)}," },
		{ { NULL, "{[1,2)}" }, "-,7:{[1,2)}," },
		{ { "{[1,2),[3,4)}", "{}" }, "13:{[1,2),[3,4)},2:{}," },
		{ { "{[1,4)}", "{}" }, "7:{[1,4)},2:{}," },
		{ { "0", "-1" }, "1:0,2:-1," },
		{ { "00", "1" }, "2:00,1:1," },
		{ { "t", "f" }, "1:t,1:f," },
		{ { "1767225600000000", "1767225600000001" },
		  "16:1767225600000000,16:1767225600000001," },
	};
	buffer_t *form = t_buffer_create(64);
	unsigned int i, j;

	test_begin("canonical form: values");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		buffer_set_used_size(form, 0);
		add_values(form, tests[i].values, 2);
		test_assert_idx(form->used == strlen(tests[i].form) &&
				memcmp(form->data, tests[i].form,
				       form->used) == 0, i);
		for (j = 0; j < i; j++) {
			test_assert_idx(strcmp(tests[i].form,
					       tests[j].form) != 0, i);
		}
	}
	test_end();
}

static void test_form_data(void)
{
	buffer_t *form = t_buffer_create(64);
	char *long_text = t_malloc0(100001);

	test_begin("canonical form: bytes of any length");
	pop3_policy_chain_form_add_data(form, "a\0b", 3);
	pop3_policy_chain_form_add_data(form, "x", 0);
	test_assert(form->used == 9 &&
		    memcmp(form->data, "3:a\0b,0:,", 9) == 0);
	buffer_set_used_size(form, 0);
	memset(long_text, 'x', 100000);
	pop3_policy_chain_form_add(form, long_text);
	test_assert(form->used == 100008 &&
		    memcmp(form->data, "100000:xxx", 10) == 0);
	test_end();
}

static void test_form_columns(void)
{
	static const struct {
		char kind;
		bool personal;
		unsigned int count;
		const char *first, *last;
	} tests[] = {
		{ 'A', FALSE, 11, "at", "reason" },
		{ 'A', TRUE, 10, "username", "scope" },
		{ 'S', FALSE, 18, "session_id", "removed" },
		{ 'S', TRUE, 5, "username", "remote_address" },
	};
	const char *const *names;
	unsigned int i, j, k;

	test_begin("canonical form: columns");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		names = pop3_policy_chain_form_columns(tests[i].kind,
						       tests[i].personal);
		test_assert_idx(str_array_length(names) == tests[i].count, i);
		test_assert_strcmp_idx(names[0], tests[i].first, i);
		test_assert_strcmp_idx(names[tests[i].count - 1],
				       tests[i].last, i);
		for (j = 0; names[j] != NULL; j++) {
			for (k = 0; k < j; k++)
				test_assert_idx(strcmp(names[j],
						       names[k]) != 0, i);
		}
	}
	test_end();
}

/* --- MACs --- */

struct example_row {
	char kind;
	const char *values[MAX_COLUMNS], *personal[MAX_COLUMNS];
	const char *salt, *form, *personal_form, *digest, *mac;
};

#define EXAMPLE_KEY \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define EXAMPLE_KEY_ID "40cb573be6c3a397"
#define EXAMPLE_CHAIN "0f8fad5b-d9cb-469f-a165-70867728950e"

static const struct example_row example[] = {
	{ 'A',
	  { "1767225600123456", "7d444840-9dc0-11d1-b245-5ffdce74fad2",
	    "5a7f9c2e-1b3d-4e6f-8091-a2b3c4d5e6f7", NULL, "1767000000", "42",
	    "2048", "1", "intent", "expunge", "dele" },
	  { "anna@example.org", NULL, "a1B2c3D4e5F6g7H8", "192.0.2.7", NULL,
	    "0000002a69550b80", "<1@example.net>", NULL, "", "@example.org" },
	  "404142434445464748494a4b4c4d4e4f",
	  "16:1767225600123456,36:7d444840-9dc0-11d1-b245-5ffdce74fad2,"
	  "36:5a7f9c2e-1b3d-4e6f-8091-a2b3c4d5e6f7,-,10:1767000000,2:42,"
	  "4:2048,1:1,6:intent,7:expunge,4:dele,",
	  "16:anna@example.org,-,16:a1B2c3D4e5F6g7H8,9:192.0.2.7,-,"
	  "16:0000002a69550b80,15:<1@example.net>,-,0:,12:@example.org,",
	  "7b5884ae624b4819300577db684520702940331b78929d9ffa08808ababc9bb2",
	  "071398fb0c0d258847fea034c2a1e3b2863b980d27409a3bd30107fb7dc2c4b8" },
	{ 'S',
	  { "7d444840-9dc0-11d1-b245-5ffdce74fad2", "1767225598000000",
	    "1767225601500000", "2100", "1767000000", "43", "43", "40",
	    "5a7f9c2e-1b3d-4e6f-8091-a2b3c4d5e6f7", "1", "1", "0", "1", "t",
	    "quit", "{[42,43)}", "{[42,43)}", "{}" },
	  { "anna@example.org", NULL, "a1B2c3D4e5F6g7H8", NULL, "192.0.2.7" },
	  "505152535455565758595a5b5c5d5e5f",
	  "36:7d444840-9dc0-11d1-b245-5ffdce74fad2,16:1767225598000000,"
	  "16:1767225601500000,4:2100,10:1767000000,2:43,2:43,2:40,"
	  "36:5a7f9c2e-1b3d-4e6f-8091-a2b3c4d5e6f7,1:1,1:1,1:0,1:1,1:t,"
	  "4:quit,9:{[42,43)},9:{[42,43)},2:{},",
	  "16:anna@example.org,-,16:a1B2c3D4e5F6g7H8,-,9:192.0.2.7,",
	  "de62fd34dc86257e278c265197984d6262fa45697ada19ef36d5d9d5c8662bd8",
	  "5cc640ef51a3ec1e21a85b741d48a5ce84b7b6b703f39d4f20a7536a9fa2c2f2" },
};

static const unsigned char *from_hex(const char *hex)
{
	buffer_t *buf = t_buffer_create(64);

	test_assert(hex_to_binary(hex, buf) == 0);
	return buf->data;
}

static struct pop3_policy_chain_mac *example_key(void)
{
	struct pop3_policy_chain_mac *mac;
	const char *error;

	mac = pop3_policy_chain_mac_init(from_hex(EXAMPLE_KEY), &error);
	if (mac == NULL)
		i_fatal("%s", error);
	return mac;
}

static void example_chain(guid_128_t id_r)
{
	test_assert(guid_128_from_uuid_string(EXAMPLE_CHAIN, id_r) == 0);
}

static buffer_t *
row_form(char kind, bool personal, const char *const *values)
{
	buffer_t *form = t_buffer_create(256);

	add_values(form, values, str_array_length(
		pop3_policy_chain_form_columns(kind, personal)));
	return form;
}

static void test_mac_example(void)
{
	struct pop3_policy_chain_mac *key = example_key();
	unsigned char prev[POP3_POLICY_CHAIN_MAC_SIZE] = { 0 };
	unsigned char digest[POP3_POLICY_CHAIN_DIGEST_SIZE];
	buffer_t *form, *personal;
	guid_128_t chain;
	unsigned int i;

	test_begin("MACs: the worked example");
	test_assert_strcmp(pop3_policy_chain_mac_key_id(key), EXAMPLE_KEY_ID);
	example_chain(chain);
	for (i = 0; i < N_ELEMENTS(example); i++) {
		const struct example_row *row = &example[i];

		form = row_form(row->kind, FALSE, row->values);
		personal = row_form(row->kind, TRUE, row->personal);
		test_assert_strcmp_idx(t_strndup(form->data, form->used),
				       row->form, i);
		test_assert_strcmp_idx(t_strndup(personal->data,
						 personal->used),
				       row->personal_form, i);
		pop3_policy_chain_mac_digest(key, from_hex(row->salt),
					     personal, digest);
		test_assert_strcmp_idx(binary_to_hex(digest, sizeof(digest)),
				       row->digest, i);
		/* in place */
		pop3_policy_chain_mac_row(key, prev, chain, i + 1, row->kind,
					  form, digest, prev);
		test_assert_strcmp_idx(binary_to_hex(prev, sizeof(prev)),
				       row->mac, i);
	}
	pop3_policy_chain_mac_deinit(&key);
	test_assert(key == NULL);
	pop3_policy_chain_mac_deinit(&key);
	test_end();
}

/* Whatever differs gives another MAC. */
static void test_mac_inputs(void)
{
	static const struct {
		unsigned char key, prev, chain, digest;
		int64_t seq;
		char kind;
		const char *form;
	} tests[] = {
		{ 0, 0, 0, 0, 1, 'A', "x" },
		{ 1, 0, 0, 0, 1, 'A', "x" },
		{ 0, 1, 0, 0, 1, 'A', "x" },
		{ 0, 0, 1, 0, 1, 'A', "x" },
		{ 0, 0, 0, 1, 1, 'A', "x" },
		{ 0, 0, 0, 0, 2, 'A', "x" },
		{ 0, 0, 0, 0, 256, 'A', "x" },
		{ 0, 0, 0, 0, INT64_C(1) << 40, 'A', "x" },
		{ 0, 0, 0, 0, INT64_MAX, 'A', "x" },
		{ 0, 0, 0, 0, 1, 'S', "x" },
		{ 0, 0, 0, 0, 1, 'A', "" },
		{ 0, 0, 0, 0, 1, 'A', "xx" },
	};
	unsigned char macs[N_ELEMENTS(tests)][POP3_POLICY_CHAIN_MAC_SIZE];
	unsigned char key_data[POP3_POLICY_CHAIN_KEY_SIZE] = { 0 };
	unsigned char prev[POP3_POLICY_CHAIN_MAC_SIZE] = { 0 };
	unsigned char chain[POP3_POLICY_CHAIN_ID_SIZE] = { 0 };
	unsigned char digest[POP3_POLICY_CHAIN_DIGEST_SIZE] = { 0 };
	struct pop3_policy_chain_mac *key;
	buffer_t *form = t_buffer_create(8);
	const char *error;
	unsigned int i, j;

	test_begin("MACs: what they are over");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		key_data[31] = tests[i].key;
		prev[31] = tests[i].prev;
		chain[15] = tests[i].chain;
		digest[31] = tests[i].digest;
		buffer_set_used_size(form, 0);
		buffer_append(form, tests[i].form, strlen(tests[i].form));
		key = pop3_policy_chain_mac_init(key_data, &error);
		if (key == NULL)
			i_fatal("%s", error);
		pop3_policy_chain_mac_row(key, prev, chain, tests[i].seq,
					  tests[i].kind, form, digest,
					  macs[i]);
		pop3_policy_chain_mac_deinit(&key);
		for (j = 0; j < i; j++) {
			test_assert_idx(memcmp(macs[i], macs[j],
					       sizeof(macs[i])) != 0, i);
		}
	}
	test_end();
}

/* --- seals --- */

static void test_seal(void)
{
	static const unsigned char zeros[POP3_POLICY_CHAIN_MAC_SIZE];
	struct pop3_policy_chain_mac *key = example_key();
	struct pop3_policy_seal seal, other;
	unsigned char digest[POP3_POLICY_CHAIN_DIGEST_SIZE];
	unsigned char mac[POP3_POLICY_CHAIN_MAC_SIZE];
	const struct example_row *row = &example[0];
	const char *error = "";
	guid_128_t chain;

	test_begin("seals");
	example_chain(chain);
	pop3_policy_seal_begin(&seal, key, chain, 7, 1, zeros);
	pop3_policy_seal_begin(&other, key, chain, 7, 1, zeros);
	test_assert(memcmp(seal.last_mac, zeros, sizeof(zeros)) == 0);
	pop3_policy_seal_add(&seal, row->kind, row->values, row->personal);
	/* as PostgreSQL writes the same */
	test_assert(pop3_policy_seal_add_text(&other, "A",
		"{1767225600123456,7d444840-9dc0-11d1-b245-5ffdce74fad2,"
		"5a7f9c2e-1b3d-4e6f-8091-a2b3c4d5e6f7,NULL,1767000000,42,"
		"2048,1,intent,expunge,dele}",
		"{anna@example.org,NULL,a1B2c3D4e5F6g7H8,192.0.2.7,NULL,"
		"0000002a69550b80,<1@example.net>,NULL,\"\",@example.org}",
		&error) == 0);
	test_assert(seal.form->used == other.form->used &&
		    memcmp(seal.form->data, other.form->data,
			   seal.form->used) == 0);
	test_assert(seal.personal->used == other.personal->used &&
		    memcmp(seal.personal->data, other.personal->data,
			   seal.personal->used) == 0);
	/* salts differ, and with them all that follows */
	test_assert(memcmp(seal.salts->data, other.salts->data, 16) != 0);
	test_assert(memcmp(seal.digests->data, other.digests->data, 32) != 0);
	test_assert(memcmp(seal.macs->data, other.macs->data, 32) != 0);

	test_assert(pop3_policy_seal_add_text(&seal, "S",
		"{7d444840-9dc0-11d1-b245-5ffdce74fad2,1,2,3,4,5,6,7,NULL,1,"
		"0,0,0,t,quit,\"{[42,43)}\",NULL,\"{}\"}",
		"{\"a\\\"\\\\b\",NULL,\"NULL\",NULL,NULL}", &error) == 0);
	test_assert(seal.next_seq == 9);
	test_assert(seal.salts->used == 32 && seal.digests->used == 64 &&
		    seal.macs->used == 64);
	test_assert(memcmp(CONST_PTR_OFFSET(seal.macs->data, 32),
			   seal.last_mac, 32) == 0);
	test_assert_strcmp(t_strndup(seal.personal->data, seal.personal->used),
			   "4:a\"\\b,-,4:NULL,-,-,");
	pop3_policy_chain_mac_digest(key,
		CONST_PTR_OFFSET(seal.salts->data, 16), seal.personal, digest);
	test_assert(memcmp(CONST_PTR_OFFSET(seal.digests->data, 32), digest,
			   32) == 0);
	pop3_policy_chain_mac_row(key, seal.macs->data, chain, 8, 'S',
				  seal.form, digest, mac);
	test_assert(memcmp(mac, seal.last_mac, sizeof(mac)) == 0);
	pop3_policy_seal_end(&other);
	pop3_policy_seal_end(&seal);
	pop3_policy_chain_mac_deinit(&key);
	test_end();
}

static void test_seal_errors(void)
{
	static const unsigned char zeros[POP3_POLICY_CHAIN_MAC_SIZE];
	static const struct {
		const char *kind, *values, *personal;
	} tests[] = {
		{ NULL, "{}", "{}" },
		{ "", "{}", "{}" },
		{ "B", "{}", "{}" },
		{ "AA", "{}", "{}" },
		{ "A", NULL, NULL },
		{ "A", "{}", "{}" },
		{ "A", "{1,2,3,4,5,6,7,8,9,10}",
		  "{1,2,3,4,5,6,7,8,9,10}" },
		{ "A", "{1,2,3,4,5,6,7,8,9,10,11}",
		  "{1,2,3,4,5,6,7,8,9,10,11}" },
		{ "A", "{1,2,3,4,5,6,7,8,9,10,11",
		  "{1,2,3,4,5,6,7,8,9,10}" },
		{ "S", "{1,2,3,4,5,6,7,8,9,10,11}",
		  "{1,2,3,4,5,6,7,8,9,10}" },
	};
	struct pop3_policy_chain_mac *key = example_key();
	struct pop3_policy_seal seal;
	const char *error;
	guid_128_t chain;
	unsigned int i;

	test_begin("seals: rows that cannot be sealed");
	example_chain(chain);
	pop3_policy_seal_begin(&seal, key, chain, 1, 1, zeros);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		test_assert_idx(pop3_policy_seal_add_text(&seal,
			tests[i].kind, tests[i].values, tests[i].personal,
			&error) < 0 && error != NULL, i);
		test_assert_idx(seal.macs->used == 0 && seal.next_seq == 1, i);
	}
	pop3_policy_seal_end(&seal);
	pop3_policy_chain_mac_deinit(&key);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_form_values,
		test_form_data,
		test_form_columns,
		test_mac_example,
		test_mac_inputs,
		test_seal,
		test_seal_errors,
		NULL
	};

	return test_run(test_functions);
}
