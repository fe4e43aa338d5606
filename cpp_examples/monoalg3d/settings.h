/* The plug-in's settings: the keys emucell_... of the simulator's [ode_solver] or [purkinje_ode_solver]. */
#ifndef EMUCELL_MONOALG3D_SETTINGS_H
#define EMUCELL_MONOALG3D_SETTINGS_H

#include "simulator.h"

enum mode { MODE_SURROGATE, MODE_RECORD, MODE_SHADOW, MODE_HYBRID };

struct settings {
    enum mode mode;
    const char *surrogate; /* NULL if not given, as all texts; they belong to the simulator */
    const char *original;
    uint32_t guard; /* EMUCELL_GUARD_... */
    bool divide_stimulus;
    const char *record;
    const char *names;
    const char *stimulus_name;
    size_t per_stratum;
    size_t record_every;
    uint64_t seed;
    bool has_range; /* of V, for the strata */
    double range[2];
    struct string_hash_entry *all; /* the simulator's table, for parameters and for the original */
};

/* Reads and checks the settings; ends the run with a message that names the key. */
struct settings read_settings(struct string_hash_entry *table);

/* Value of the key emucell_parameter_NAME; ends the run if it is not there. */
double parameter_setting(const struct settings *settings, const char *name);

/* Ends the run if a key emucell_parameter_NAME is none of the n names. */
void check_parameter_settings(const struct settings *settings, const char *const *names, size_t n);

/* Name of a mode, as in the ini file. */
const char *mode_name(enum mode mode);

#endif
