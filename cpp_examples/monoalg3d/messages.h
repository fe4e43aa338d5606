/* What the plug-in says, and how it ends a run: through the simulator's own log, where there is one. */
#ifndef EMUCELL_MONOALG3D_MESSAGES_H
#define EMUCELL_MONOALG3D_MESSAGES_H

#include <stdbool.h>

/* A line for the log. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line for the log that begins with a warning's prefix. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program as the simulator does at an error: the interface of cell models cannot report one. */
void stop(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Whether stop() was called: what was collected until then is not worth a report. */
bool has_stopped(void);

#endif
