// Surrogates that give the states at several times in one evaluation, and those that are evaluated at many times.
//
// Arguments: euler_twice.onnx formula_network.onnx decay.onnx

#include <cmath>
#include <cstring>

#include "../c/expected.h"
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

// Times of the caller's, for cells of floats in both orders.
static void any_time(const char* path) {
    const emucell::Surrogate surrogate(path);
    CHECK(surrogate.times().empty() && emucell_surrogate_n_times(surrogate.raw()) == 0);
    CHECK(emucell_surrogate_times(surrogate.raw(), nullptr, 0) == EMUCELL_OK);

    emucell::Session session(surrogate);
    const std::size_t n = 5;
    std::vector<double> times;
    for (int k = 0; k < 26; ++k) times.push_back(k);
    const std::size_t width = 2 * times.size();
    std::vector<float> u0_w0, structures(n * width), arrays(n * width);
    for (std::size_t i = 0; i < n; ++i) u0_w0.insert(u0_w0.end(), {0.125f * float(i), 0.0625f});
    const auto inputs = emucell::structures(u0_w0, 2);
    session.evaluate_times(inputs, times, emucell::structures(structures, width));
    CHECK(session.try_evaluate_times(inputs, times, emucell::arrays(arrays, width)) == EMUCELL_OK);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < width; ++j) {
            const double x[3] = {times[j / 2], u0_w0[2 * i], u0_w0[2 * i + 1]};
            double expected[2];
            formula_network(x, expected);
            CHECK(std::fabs(structures[i * width + j] - expected[j % 2]) < 2e-5);
            CHECK(arrays[j * n + i] == structures[i * width + j]);
        }
    }
    const auto before = structures;
    const emucell::Span<const double> none;
    CHECK(session.try_evaluate_times(inputs, none, emucell::structures(structures, width)) == EMUCELL_INVALID_ARGUMENT);
    CHECK(session.try_evaluate_times(times, emucell::structures(structures, width)) == EMUCELL_INVALID_ARGUMENT);
    try {
        session.evaluate_times(inputs, times, emucell::structures(structures.data(), n, 2));
        CHECK(!"refused");
    } catch (const emucell::Error& error) {
        CHECK(std::strstr(error.what(), "26 times for outputs of 2 variables"));
    }
    CHECK(structures == before);
}

static void time_alone(const char* path) {
    const emucell::Surrogate surrogate(path);
    emucell::Session session(surrogate);
    const std::vector<double> times = {0.0, 0.5, 3.0};
    std::vector<double> y(3);
    session.evaluate_times(times, emucell::structures(y, 3));
    for (std::size_t k = 0; k < 3; ++k) CHECK(std::fabs(y[k] - std::exp(-times[k])) < 1e-6);
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    try {
        many_times(argv[1]);
        any_time(argv[2]);
        time_alone(argv[3]);
    } catch (const emucell::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return failures != 0;
}
