// Checks of the C clients: they print what failed and where, and nothing if all is well.

#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emucell.h"

static int failures = 0;

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            failures++;                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);         \
        }                                                                           \
    } while (0)

// The call gives exactly this status.
#define CHECK_STATUS(call, expected)                                                        \
    do {                                                                                    \
        emucell_status status_ = (call);                                                    \
        if (status_ != (expected)) {                                                        \
            failures++;                                                                     \
            fprintf(stderr, "%s:%d: %s gives %s (%s) instead of %s\n", __FILE__, __LINE__,  \
                    #call, emucell_status_name(status_), emucell_last_error_message(),      \
                    emucell_status_name(expected));                                         \
        }                                                                                   \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(call, EMUCELL_OK)

// The call fails with this status and a message that contains text.
#define CHECK_FAILS(call, expected, text)                                                   \
    do {                                                                                    \
        CHECK_STATUS(call, expected);                                                       \
        if (!strstr(emucell_last_error_message(), text)) {                                  \
            failures++;                                                                     \
            fprintf(stderr, "%s:%d: \"%s\" does not contain \"%s\"\n", __FILE__, __LINE__,  \
                    emucell_last_error_message(), text);                                    \
        }                                                                                   \
    } while (0)

#define CHECK_CLOSE(found, expected, tolerance)                                             \
    do {                                                                                    \
        double found_ = (found), expected_ = (expected);                                    \
        if (!(fabs(found_ - expected_) <= (tolerance))) {                                   \
            failures++;                                                                     \
            fprintf(stderr, "%s:%d: %s is %.9g instead of %.9g\n", __FILE__, __LINE__,      \
                    #found, found_, expected_);                                             \
        }                                                                                   \
    } while (0)

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

#endif
