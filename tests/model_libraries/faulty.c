/* Model libraries with a fault; which one is said by the compiler's -D. The model is a decay of V that the stimulus feeds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "monoalg3d.h"

#define N_STATES 2
#ifdef ZERO_STATES
#define REPORTED_STATES 0
#endif
#ifdef NAN_AT_START
static const real initial_state[N_STATES] = {0, NAN};
#else
static const real initial_state[N_STATES] = {-80, 1};
#endif

#ifdef ALLOCATES
void *volatile kept;
#endif
#ifdef STATIC_STATE
static real memory = 0;
#endif

#ifdef UNSET
/* Never set, and the compiler cannot know. */
static void set(volatile real *parameters, int n)
{
    if (n > 1) parameters[0] = 1;
}
#endif

static void step_cell(real *x, real stimulus, real dt)
{
    x[0] += dt * (-(x[0] + 80) - stimulus);
    x[1] += dt * (1 - x[1]);
#if defined(CRASHES)
    volatile int *volatile nowhere = NULL;
    *nowhere = 0;
#elif defined(ABORTS)
    fprintf(stderr, "the gate is out of order\n");
    abort();
#elif defined(EXITS)
    printf("no mask was given\n");
    exit(0);
#elif defined(HANGS)
    for (volatile int i = 0;; ++i) {}
#elif defined(PRINTS)
    printf("V is %g\n", (double)x[0]);
#elif defined(LEAKS)
    *(volatile char *)malloc(64) = 1;
#elif defined(ALLOCATES)
    kept = malloc(64);
    free(kept);
#elif defined(NAN_IN_STEP)
    x[1] = (real)sqrt(x[1] - 2);
#elif defined(STATIC_STATE)
    memory += 1;
    x[1] += dt * memory;
#elif defined(UNSET)
    volatile real parameters[4];
    volatile int n = 2;
    set(parameters, n);
    x[1] += dt * parameters[2];
#elif defined(RANDOM)
    x[1] += dt * (real)rand() / (real)RAND_MAX;
    static int seeded;
    if (!seeded++) {
        FILE *source = fopen("/dev/urandom", "rb");
        unsigned seed = 0;
        if (source == NULL || fread(&seed, sizeof seed, 1, source) != 1) abort();
        fclose(source);
        srand(seed);
    }
#endif
}

#ifdef NO_STATES_ALLOCATED
void set_model_initial_conditions_cpu(struct ode_solver *solver, void *config)
{
    (void)solver;
    (void)config;
}
#define set_model_initial_conditions_cpu other_initial_conditions
#endif
#ifdef EXITS_AT_OPENING
__attribute__((constructor)) static void refuse(void)
{
    printf("no licence was found\n");
    fflush(stdout);
    _Exit(3);
}
#endif
#ifdef NO_STEP
#define solve_model_odes_cpu solve_other_odes
#endif

#include "cells.h"
