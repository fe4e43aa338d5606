#include "settings.h"

#include <emucell.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"

#define PREFIX "emucell_"
#define PARAMETER_PREFIX "emucell_parameter_"

static const char *const mode_names[] = {"surrogate", "record", "shadow", "hybrid"};
static const char *const guard_names[] = {"ignore", "clamp", "count", NULL, "fallback"};

/* The simulator copies [ode_solver] nowhere else: a Purkinje network has a section of its own. */
#define SECTION "[ode_solver] (of a Purkinje network: [purkinje_ode_solver])"

const char *mode_name(enum mode mode) { return mode_names[mode]; }

static size_t choice(const char *key, const char *value, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; ++i)
        if (names[i] != NULL && strcmp(value, names[i]) == 0) return i;
    char all[128] = "";
    for (size_t i = 0; i < n; ++i) {
        if (names[i] == NULL) continue;
        if (all[0] != '\0') strcat(all, ", ");
        strcat(all, names[i]);
    }
    stop("%s = %s in " SECTION ": there is no such choice; write one of: %s", key, value, all);
}

static bool yes_or_no(const char *key, const char *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "0", "1"};
    return choice(key, value, words, 6) % 2 == 1;
}

static double number(const char *key, const char *value)
{
    char *end = NULL;
    double result = strtod(value, &end);
    while (*end == ' ') ++end;
    if (end == value || *end != '\0') stop("%s = %s in " SECTION ": write a number", key, value);
    return result;
}

static size_t count(const char *key, const char *value, size_t least)
{
    double result = number(key, value);
    if (!(result >= (double)least && result <= 1e9) || result != (double)(size_t)result)
        stop("%s = %s in " SECTION ": write a whole number from %zu on", key, value, least);
    return (size_t)result;
}

static void range(const char *key, const char *value, double ends[2])
{
    char *end = NULL;
    ends[0] = strtod(value, &end);
    const char *second = end;
    ends[1] = strtod(second, &end);
    while (*end == ' ') ++end;
    if (end == second || *end != '\0' || !(ends[0] < ends[1]))
        stop("%s = %s in " SECTION ": write two numbers, the smaller one first", key, value);
}

/* One key; false if there is none of this name. */
static bool take(struct settings *s, const char *key, const char *value)
{
    const char *name = key + strlen(PREFIX);
    if (strcmp(name, "mode") == 0) s->mode = (enum mode)choice(key, value, mode_names, 4);
    else if (strcmp(name, "surrogate") == 0) s->surrogate = value;
    else if (strcmp(name, "original") == 0) s->original = value;
    else if (strcmp(name, "guard") == 0) s->guard = (uint32_t)choice(key, value, guard_names, 5);
    else if (strcmp(name, "divide_stimulus") == 0) s->divide_stimulus = yes_or_no(key, value);
    else if (strcmp(name, "record") == 0) s->record = value;
    else if (strcmp(name, "record_states") == 0) s->names = value;
    else if (strcmp(name, "record_stimulus") == 0) s->stimulus_name = value;
    else if (strcmp(name, "record_per_stratum") == 0) s->per_stratum = count(key, value, 1);
    else if (strcmp(name, "record_every") == 0) s->record_every = count(key, value, 1);
    else if (strcmp(name, "record_seed") == 0) s->seed = count(key, value, 0);
    else if (strcmp(name, "record_v_range") == 0) range(key, value, s->range), s->has_range = true;
    else return strncmp(key, PARAMETER_PREFIX, strlen(PARAMETER_PREFIX)) == 0;
    return true;
}

static void need(const void *value, const char *key, enum mode mode)
{
    if (value == NULL)
        stop("the key %s is missing in " SECTION ": the mode %s needs it", key, mode_name(mode));
}

struct settings read_settings(struct string_hash_entry *table)
{
    struct settings s = {.guard = EMUCELL_GUARD_COUNT, .stimulus_name = "stimulus", .per_stratum = 2000,
                         .record_every = 1, .seed = 1, .all = table};
    bool has_mode = false;
    const char *foreign = NULL;
    const size_t n = number_of_settings(table);
    for (size_t i = 0; i < n; ++i) {
        const char *key = table[i].key, *value = table[i].value;
        if (strncmp(key, PREFIX, strlen(PREFIX)) != 0) {
            foreign = key;
            continue;
        }
        if (strcmp(key, PREFIX "mode") == 0) has_mode = true;
        if (!take(&s, key, value)) stop("the key %s in " SECTION " is not known to the plug-in", key);
    }
    if (!has_mode)
        stop("the key emucell_mode is missing in " SECTION ": write surrogate, record, shadow or hybrid");
    if (s.mode != MODE_RECORD) need(s.surrogate, "emucell_surrogate", s.mode);
    if (s.mode != MODE_SURROGATE) need(s.original, "emucell_original", s.mode);
    if (s.mode == MODE_RECORD) need(s.record, "emucell_record", s.mode);
    /* With an original the key may be its own. */
    if (foreign != NULL && s.original == NULL)
        stop("the key %s in " SECTION " is known neither to the simulator nor to the plug-in", foreign);
    return s;
}

double parameter_setting(const struct settings *settings, const char *name)
{
    const size_t n = number_of_settings(settings->all);
    for (size_t i = 0; i < n; ++i) {
        const char *key = settings->all[i].key;
        if (strncmp(key, PARAMETER_PREFIX, strlen(PARAMETER_PREFIX)) == 0 &&
            strcmp(key + strlen(PARAMETER_PREFIX), name) == 0)
            return number(key, settings->all[i].value);
    }
    stop("the key " PARAMETER_PREFIX "%s is missing in " SECTION ": %s has this parameter", name, settings->surrogate);
}

void check_parameter_settings(const struct settings *settings, const char *const *names, size_t n)
{
    for (size_t i = 0; i < number_of_settings(settings->all); ++i) {
        const char *key = settings->all[i].key;
        if (strncmp(key, PARAMETER_PREFIX, strlen(PARAMETER_PREFIX)) != 0) continue;
        bool known = false;
        for (size_t j = 0; j < n; ++j) known = known || strcmp(key + strlen(PARAMETER_PREFIX), names[j]) == 0;
        if (!known) stop("the key %s in " SECTION ": %s has no such parameter", key, settings->surrogate);
    }
}
