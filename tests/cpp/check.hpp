// What the C++ clients have in common.

#ifndef CHECK_HPP
#define CHECK_HPP

#include <cstdio>

inline int failures = 0;

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            ++failures;                                                          \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                        \
    } while (0)

#endif
