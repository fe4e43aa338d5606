#include "messages.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The simulator's log functions, looked up so that the plug-in also loads where there are none. */
typedef void log_line_fn(const char *prefix, const char *format, ...);
typedef void log_error_fn(bool ends, const char *prefix, const char *format, ...);

static bool stopped;

bool has_stopped(void) { return stopped; }

/* dlsym() gives a data pointer, and ISO C no way to make a function of it but through memory. */
static void find(const char *name, void *function)
{
    *(void **)function = dlsym(RTLD_DEFAULT, name);
}

static void print(const char *prefix, const char *format, va_list arguments)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, arguments);
    log_line_fn *log_line = NULL;
    find("log_to_stdout_and_file", &log_line);
    if (log_line != NULL) {
        log_line(prefix, "[emucell] %s\n", text);
    } else {
        printf("%s%s[emucell] %s\n", prefix ? prefix : "", prefix ? " " : "", text);
        fflush(stdout);
    }
}

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(NULL, format, arguments);
    va_end(arguments);
}

void warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print("[WARN]", format, arguments);
    va_end(arguments);
}

void stop(const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    stopped = true;
    log_error_fn *log_error = NULL;
    find("log_to_stderr_and_file", &log_error);
    /* The simulator's function writes to standard output, and into its log file. */
    if (log_error != NULL) log_error(false, "[ERR]", "[emucell] %s\n", text);
    fprintf(stderr, "[emucell] %s\n", text);
    exit(EXIT_FAILURE);
}
