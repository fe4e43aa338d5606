// emucell.hpp: what sessions are asked for beyond a plain call: fallbacks that throw, statuses instead of exceptions,
// parts, counters, the log, spans, moves.
//
// Arguments: fhn_euler_threshold.onnx formula_network.onnx

#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../c/expected.h"
#include "check.hpp"
#include "emucell.hpp"

// A view of a temporary that is gone before it is used does not compile.
template <class Buffer, class = void>
struct MakesView : std::false_type {};
template <class Buffer>
struct MakesView<Buffer, std::void_t<decltype(emucell::arrays(std::declval<Buffer>(), 1))>> : std::true_type {};
static_assert(MakesView<std::vector<double>&>::value && MakesView<const std::vector<float>&>::value);
static_assert(MakesView<std::array<float, 4>&>::value && MakesView<emucell::Span<float>>::value);
static_assert(!MakesView<std::vector<double>>::value);
// Nor does writing through what is only to be read.
static_assert(!std::is_constructible_v<emucell::Cells, emucell::View<const float>>);
static_assert(!std::is_convertible_v<emucell::View<const float>, emucell::OutputView>);
static_assert(std::is_nothrow_move_constructible_v<emucell::Session>);
static_assert(noexcept(std::declval<emucell::Session&>().try_step(std::declval<const emucell::Cells&>(), 0.1)));

template <class Exception, class Function>
static bool throws(Function function) {
    try {
        function();
    } catch (const Exception&) {
        return true;
    }
    return false;
}

struct Strange {
    int number;
};

static void fallbacks(const emucell::Surrogate& surrogate) {
    std::array<double, 8> u = {0.1, 5, 0.2, 0.3, 7, 0.4, 0.5, 0.6}, w{};
    const double s = 0.05, threshold = 0.4;
    int n_calls = 0, to_throw = 0;
    emucell::SessionOptions options;
    options.guard = EMUCELL_GUARD_FALLBACK;
    options.capacity = u.size();
    options.fallback = [&](const emucell::FallbackCall& call) {
        ++n_calls;
        CHECK(call.is_step() && call.dt() == 0.1 && call.rows().size() == call.positions().size());
        if (to_throw) throw Strange{to_throw};
        for (const std::uint32_t row : call.rows()) u[row] = -1;
    };
    emucell::Session first(surrogate, options);
    // The function must not care where the session is.
    emucell::Session session = std::move(first);
    emucell::Cells cells({emucell::structures(u, 1), emucell::structures(w, 1)});
    cells.stimulus(emucell::one_for_all(&s, 1));
    cells.parameters({emucell::one_for_all(&threshold, 1)});
    std::array<std::uint8_t, 8> status;
    cells.status(status);
    session.step(cells, 0.1);
    CHECK(n_calls == 1 && u[1] == -1 && u[4] == -1 && u[0] != 0.1);
    CHECK(status[1] == (EMUCELL_CELL_OUTSIDE_DOMAIN | EMUCELL_CELL_FALLBACK) && status[0] == 0);
    CHECK(session.counters().n_fallback == 2 && session.counters().n_cell_steps == 8);
    session.reset_counters();
    CHECK(session.counters().n_calls == 0);

    // What it throws comes out of step, and of nothing later.
    to_throw = 42;
    try {
        session.step(cells, 0.1);
        CHECK(!"step returned");
    } catch (const Strange& strange) {
        CHECK(strange.number == 42);
    }
    CHECK(!session.fallback_exception());
    CHECK(session.try_step(cells, 0.1) == EMUCELL_CALLBACK);
    CHECK(throws<Strange>([&] { std::rethrow_exception(session.fallback_exception()); }));
    CHECK(throws<emucell::Error>([&] { session.step(cells, 0.2); }));
    CHECK(!session.fallback_exception());
    to_throw = 0;
    CHECK(session.try_step(cells, 0.1) == EMUCELL_OK && !session.fallback_exception());
    // The old handle is NULL; another session may take its place, function and all.
    CHECK(first.try_step(cells, 0.1) == EMUCELL_INVALID_ARGUMENT && first.name().empty());
    first = std::move(session);
    u[1] = 5;
    first.step(cells, 0.1);
    CHECK(u[1] == -1);
}

static void own_cell_model(const emucell::Surrogate& surrogate) {
    CHECK(surrogate.cell_model() == "fhn_cubic");
    emucell::SessionOptions options;
    options.guard = EMUCELL_GUARD_FALLBACK;
    // This surrogate's threshold is an input that the cell model does not have by that role: whether the library can
    // do it or not, it says so at once.
    try {
        emucell::Session session(surrogate, options);
        CHECK(session.name().find("cpu") != std::string::npos);
    } catch (const emucell::Error& error) {
        CHECK(error.status() == EMUCELL_UNSUPPORTED);
    }
    options = {};
    options.device = "cuda";
    CHECK(throws<emucell::Error>([&] { emucell::Session(surrogate, options); }));
}

static void parts_and_spans(const emucell::Surrogate& surrogate, const std::string& network) {
    const std::size_t n = 20;
    std::vector<float> together(2 * n), u(n), w(n);
    std::vector<double> thresholds(n, 0.3);
    const float s = 0.02f;
    for (std::size_t i = 0; i < n; ++i) {
        together[i] = u[i] = 0.04f * float(i);
        together[n + i] = w[i] = 0.005f * float(i);
    }
    emucell::Session session(surrogate);
    std::vector<std::uint8_t> status(n), few(n - 1);
    const std::vector<std::uint32_t> rows = {4, 2};
    {
        emucell::Cells cells(emucell::arrays(emucell::Span<float>(together), 2));
        cells.stimulus(emucell::one_for_all(&s, 1)).parameters(emucell::structures(thresholds, 1));
        session.step(cells.status(status), 0.1, 3);
        // A copy leads where the original leads, also when that is gone.
        auto in_parts = std::make_unique<emucell::Cells>(
            std::initializer_list<emucell::OutputView>{emucell::structures(u, 1), emucell::structures(w, 1)});
        in_parts->stimulus(emucell::one_for_all(&s, 1)).parameters(emucell::structures(thresholds, 1));
        emucell::Cells copy = *in_parts;
        in_parts.reset();
        CHECK(session.try_step(copy, 0.1, 3) == EMUCELL_OK);
        CHECK(throws<std::length_error>([&] { copy.status(few); }));
        emucell::Cells some(emucell::arrays(together, 2));
        some.index(rows).status(emucell::Span<std::uint8_t>(few.data(), 2));
        CHECK(throws<std::length_error>([&] { some.index(std::vector<std::uint32_t>{0, 1, 2}); }));
    }
    for (std::size_t i = 0; i < n; ++i) CHECK(together[i] == u[i] && together[n + i] == w[i] && status[i] == 0);

    const emucell::Surrogate map(network);
    emucell::Session evaluator(map);
    std::vector<double> x;
    std::vector<float> y(n), z(n);
    for (std::size_t i = 0; i < n; ++i) x.insert(x.end(), {2.0, double(u[i]), double(w[i])});
    std::vector<float> expected(2 * n);
    evaluator.evaluate(emucell::structures(x, 3), emucell::arrays(expected, 2));
    const double time = 2;
    emucell::Evaluation evaluation({emucell::one_for_all(&time, 1), emucell::structures(u, 1), emucell::structures(w, 1)},
                                   {emucell::structures(y, 1), emucell::structures(z, 1)});
    CHECK(throws<std::length_error>([&] { evaluation.status(few); }));
    evaluator.evaluate(evaluation.status(status));
    for (std::size_t i = 0; i < n; ++i) CHECK(y[i] == expected[i] && z[i] == expected[n + i]);
    CHECK(evaluator.counters().n_calls == 2);
    evaluator.synchronize();
    CHECK(evaluator.try_synchronize() == EMUCELL_OK);
    emucell::Evaluation nothing({}, {emucell::structures(y, 1)});
    CHECK(evaluator.try_evaluate(nothing) == EMUCELL_INVALID_ARGUMENT);
    CHECK(evaluator.try_evaluate(emucell::structures(x, 3), emucell::arrays(y, 1)) == EMUCELL_INVALID_ARGUMENT);
}

// The Jacobian of one Euler step is known; both products are those with it.
static void derivatives(const emucell::Surrogate& surrogate) {
    const double u = 0.3, w = 0.05, s = 0.02, threshold = 0.4, dt = 0.1;
    const double slope = u * (1 - u) + (u - threshold) * (1 - u) - u * (u - threshold);
    const double expected[2][4] = {{1 + 10 * dt * slope, -10 * dt, 10 * dt, -10 * dt * u * (1 - u)},
                                   {0.04 * dt, 1 - 0.16 * dt, 0, 0}};
    std::vector<double> x = {u, w, s, threshold};
    auto evaluated = [&](emucell::Derivative kind, const std::vector<double>& direction) {
        const emucell::Surrogate derivative = surrogate.derivative(kind);
        CHECK(derivative.kind() == emucell::Kind::derivative && derivative.dt() == 0);
        std::vector<double> inputs = x, outputs(derivative.n_outputs());
        inputs.insert(inputs.end(), direction.begin(), direction.end());
        CHECK(inputs.size() == derivative.n_inputs());
        emucell::Session session(derivative);
        session.evaluate(emucell::structures(inputs, std::uint32_t(inputs.size())),
                         emucell::structures(outputs, std::uint32_t(outputs.size())));
        return outputs;
    };
    const auto jacobian = evaluated(emucell::Derivative::jacobian, {});
    const std::vector<double> v = {0.5, -1, 2, 0.25}, weights = {2, -3};
    const auto along = evaluated(emucell::Derivative::jacobian_vector, v);
    const auto back = evaluated(emucell::Derivative::vector_jacobian, weights);
    for (std::size_t i = 0; i < 2; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < 4; ++j) {
            CHECK(std::abs(jacobian[2 + 4 * i + j] - expected[i][j]) < 1e-6);
            sum += expected[i][j] * v[j];
        }
        CHECK(std::abs(along[2 + i] - sum) < 1e-6 && along[i] == jacobian[i] && back[i] == jacobian[i]);
    }
    for (std::size_t j = 0; j < 4; ++j)
        CHECK(std::abs(back[2 + j] - (weights[0] * expected[0][j] + weights[1] * expected[1][j])) < 1e-6);
    CHECK(throws<emucell::Error>([&] { surrogate.derivative(static_cast<emucell::Derivative>(9)); }));
}

static void log(const std::string& path) {
    std::vector<std::string> heard;
    emucell::set_log([&](std::uint32_t level, std::string_view text) {
        CHECK(level >= EMUCELL_LOG_ERROR && level <= EMUCELL_LOG_DEBUG);
        heard.emplace_back(text);
        // Dropped: no exception may cross the library.
        throw std::runtime_error("from the log");
    }, EMUCELL_LOG_DEBUG);
    const emucell::Surrogate surrogate(path);
    { emucell::Session session(surrogate); }
    CHECK(!heard.empty());
    // A log that is replaced while others use it.
    std::thread other([&] { for (int i = 0; i < 20; ++i) emucell::Session session(surrogate); });
    for (int i = 0; i < 20; ++i) emucell::set_log([](std::uint32_t, std::string_view) {}, EMUCELL_LOG_DEBUG);
    emucell::set_log(nullptr, EMUCELL_LOG_DEBUG);
    other.join();
    const std::size_t n = heard.size();
    emucell::Session session(surrogate);
    CHECK(heard.size() == n);
    CHECK(throws<emucell::Error>([] { emucell::set_log([](std::uint32_t, std::string_view) {}, 99); }));
}

static void memory(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    CHECK(emucell::Surrogate(bytes).n_inputs() == 4);
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    try {
        const emucell::Surrogate surrogate{std::string(argv[1])};
        memory(argv[1]);
        fallbacks(surrogate);
        own_cell_model(surrogate);
        parts_and_spans(surrogate, argv[2]);
        derivatives(surrogate);
        log(argv[1]);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return failures != 0;
}
