#ifndef POP3_POLICY_FUZZ_H
#define POP3_POLICY_FUZZ_H

/* What the harnesses share. Each is a program that libFuzzer calls with bytes,
   and that aborts where something does not hold: sanitizers say the rest. */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Is called once, before the first input. */
void fuzz_begin(void);
/* The bytes up to the first NUL as a text, on the data stack. */
const char *fuzz_text(const uint8_t *data, size_t size);
/* A file that has these bytes, which only we can read. Returns its path, good
   until the next call. */
const char *fuzz_file(const uint8_t *data, size_t size);

#endif
