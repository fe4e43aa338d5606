#include "cells.h"

#include <limits>

#include <emucell.hpp>

double u_after_one_step(const char* path, double stimulus) {
    try {
        const emucell::Surrogate surrogate(path);
        emucell::Session session(surrogate);
        std::vector<double> state = surrogate.initial_state();
        emucell::Cells cells(emucell::structures(state, 2));
        session.step(cells.stimulus(emucell::one_for_all(&stimulus, 1)), surrogate.dt());
        return state[0];
    } catch (const emucell::Error&) {
        return std::numeric_limits<double>::quiet_NaN();
    }
}
