// Surrogates that give the states at several times in one evaluation.
//
// Arguments: euler_twice.onnx fhn_euler_coarse.onnx

#include <cmath>
#include <cstring>

#include "check.hpp"
#include "emucell.hpp"

// Two forward Euler steps of du/dt = -u, dw/dt = -2 w, of 0.5 ms each.
static void many_times(const char* path) {
    const emucell::Surrogate surrogate(path);
    CHECK(surrogate.kind() == emucell::Kind::solution_map);
    CHECK(surrogate.times() == std::vector<double>({0.5, 1.0}));
    const auto outputs = surrogate.outputs();
    CHECK(outputs.size() == 4 && outputs[1].name == "w@0.5" && outputs[2].name == "u@1");
    CHECK(surrogate.initial_state() == std::vector<double>({1.0, 2.0}));

    emucell::Session session(surrogate);
    const std::vector<double> inputs = {1.0, 2.0, -4.0, 0.5};
    std::vector<double> states(8);
    session.evaluate(emucell::structures(inputs, 2), emucell::structures(states, 4));
    const std::vector<double> expected = {0.5, 0.0, 0.25, 0.0, -2.0, 0.0, -1.0, 0.0};
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::fabs(states[i] - expected[i]) < 1e-6);

    double times[3] = {7, 7, 7};
    CHECK(emucell_surrogate_n_times(surrogate.raw()) == 2);
    CHECK(emucell_surrogate_times(surrogate.raw(), times, 2) == EMUCELL_OK);
    CHECK(times[0] == 0.5 && times[1] == 1.0 && times[2] == 7);
    CHECK(emucell_surrogate_times(surrogate.raw(), times, 3) == EMUCELL_INVALID_ARGUMENT);
    CHECK(std::strstr(emucell_last_error_message(), "3 numbers for 2 times"));
    CHECK(emucell_surrogate_times(surrogate.raw(), nullptr, 2) == EMUCELL_INVALID_ARGUMENT);
    CHECK(emucell_surrogate_times(nullptr, times, 2) == EMUCELL_INVALID_ARGUMENT);
    CHECK(emucell_surrogate_n_times(nullptr) == 0);
}

static void one_time(const char* path) {
    const emucell::Surrogate surrogate(path);
    CHECK(surrogate.times().empty() && emucell_surrogate_n_times(surrogate.raw()) == 0);
    CHECK(emucell_surrogate_times(surrogate.raw(), nullptr, 0) == EMUCELL_OK);
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    try {
        many_times(argv[1]);
        one_time(argv[2]);
    } catch (const emucell::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return failures != 0;
}
