// emucell.hpp: the C ABI of emucell.h for C++17, header-only.
//
//     emucell::Surrogate surrogate("fhn.onnx");
//     emucell::Session session(surrogate);
//     std::vector<float> state = ...;                       // u of all cells, then w of all cells
//     emucell::Cells cells(emucell::arrays(state, 2));
//     cells.stimulus(emucell::one_for_all(&s, 1));
//     session.step(cells, surrogate.dt());
//
// Objects own their handles and can be moved, not copied. Views do not own what they lead to.
// Functions throw emucell::Error; those named try_... return an emucell_status instead and never
// throw, for loops where exceptions are not wanted. Rules for threads, units, lifetimes and for
// what is written when a call fails are those of emucell.h.

#ifndef EMUCELL_HPP
#define EMUCELL_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emucell.h"
#include "emucell_views.hpp"

namespace emucell {

// ---------------------------------------------------------------------------------------------
// Surrogate and session

enum class Kind : std::uint32_t {
    solution_map = EMUCELL_SOLUTION_MAP,
    step_map = EMUCELL_STEP_MAP,
    derivative = EMUCELL_DERIVATIVE
};

// Whether a surrogate was proved against its cell model; see emucell_surrogate_verified.
enum class Verified : std::uint32_t {
    unknown = EMUCELL_VERIFIED_UNKNOWN,
    no = EMUCELL_NOT_VERIFIED,
    yes = EMUCELL_VERIFIED
};

// What Surrogate::derivative computes; see emucell_surrogate_derivative.
enum class Derivative : std::uint32_t {
    jacobian = EMUCELL_JACOBIAN,
    jacobian_vector = EMUCELL_JACOBIAN_VECTOR,
    vector_jacobian = EMUCELL_VECTOR_JACOBIAN
};

enum class Role : std::uint32_t {
    time = EMUCELL_TIME,
    state = EMUCELL_STATE,
    stimulus = EMUCELL_STIMULUS,
    parameter = EMUCELL_PARAMETER
};

// A column of a surrogate's inputs or outputs.
struct Variable {
    std::string name;
    std::string unit;
    Role role;
    // Smallest and largest value of the training data, if known.
    std::optional<std::array<double, 2>> range;
};

// A trained network with everything needed to use it; any number of threads may use one at once.
class Surrogate {
public:
    // Loads an ONNX file.
    explicit Surrogate(const std::string& path) {
        emucell_surrogate* raw = nullptr;
        check(emucell_surrogate_load(path.c_str(), &raw));
        handle_.reset(raw);
    }

    // Loads the size bytes of an ONNX file, which may be freed afterwards.
    Surrogate(const std::uint8_t* bytes, std::size_t size) {
        emucell_surrogate* raw = nullptr;
        check(emucell_surrogate_load_memory(bytes, size, &raw));
        handle_.reset(raw);
    }
    explicit Surrogate(Span<const std::uint8_t> bytes) : Surrogate(bytes.data(), bytes.size()) {}

    Kind kind() const {
        std::uint32_t kind = 0;
        check(emucell_surrogate_kind(raw(), &kind, nullptr));
        return static_cast<Kind>(kind);
    }

    // Step of a step map in the unit of its time; 0 for other kinds.
    double dt() const {
        double dt = 0;
        check(emucell_surrogate_kind(raw(), nullptr, &dt));
        return dt;
    }

    std::size_t n_inputs() const { return emucell_surrogate_n_inputs(raw()); }
    std::size_t n_outputs() const { return emucell_surrogate_n_outputs(raw()); }

    // Variables in the order of evaluate's columns.
    std::vector<Variable> inputs() const { return variables(n_inputs(), emucell_surrogate_input); }
    std::vector<Variable> outputs() const { return variables(n_outputs(), emucell_surrogate_output); }

    // Times of the outputs of a solution map that gives the states at several at once: all states at the first,
    // then all at the second, ...; empty where each output is one state at one time.
    std::vector<double> times() const {
        std::vector<double> times(emucell_surrogate_n_times(raw()));
        check(emucell_surrogate_times(raw(), times.data(), times.size()));
        return times;
    }

    // The state in which a cell starts, in the order of the outputs (of one time); throws if the file tells none.
    std::vector<double> initial_state() const {
        const std::size_t n_times = emucell_surrogate_n_times(raw());
        std::vector<double> state(n_times ? n_outputs() / n_times : n_outputs());
        check(emucell_surrogate_initial_state(raw(), state.data(), state.size()));
        return state;
    }

    // How the surrogate came to be, a JSON object.
    std::string provenance() const { return text(emucell_surrogate_provenance(raw())); }

    // Name of the cell model that it stands for; empty if the file tells none.
    std::string cell_model() const { return text(emucell_surrogate_cell_model(raw())); }

    // Whether it was proved against the cell model that it was made from.
    Verified verified() const { return static_cast<Verified>(emucell_surrogate_verified(raw())); }

    // The surrogate that computes this one's outputs and a derivative of them with respect to its
    // inputs; to evaluate with a session of its own.
    Surrogate derivative(Derivative kind) const {
        emucell_surrogate* raw_derivative = nullptr;
        check(emucell_surrogate_derivative(raw(), static_cast<std::uint32_t>(kind), &raw_derivative));
        return Surrogate(raw_derivative);
    }

    const emucell_surrogate* raw() const noexcept { return handle_.get(); }

private:
    explicit Surrogate(emucell_surrogate* raw) noexcept : handle_(raw) {}

    static std::string text(const char* text) { return text ? text : ""; }

    using Describe = emucell_status (*)(const emucell_surrogate*, std::size_t, emucell_variable*);

    std::vector<Variable> variables(std::size_t n, Describe describe) const {
        std::vector<Variable> all;
        for (std::size_t i = 0; i < n; ++i) {
            emucell_variable v;
            check(describe(raw(), i, &v));
            Variable variable{v.name, v.unit, static_cast<Role>(v.role), std::nullopt};
            if (v.has_range) variable.range = {v.range_low, v.range_high};
            all.push_back(variable);
        }
        return all;
    }

    struct Destroy {
        void operator()(emucell_surrogate* raw) const { emucell_surrogate_destroy(&raw); }
    };
    std::unique_ptr<emucell_surrogate, Destroy> handle_;
};

// What a fallback is asked to do; see emucell_fallback_call. Valid during the call.
class FallbackCall {
public:
    explicit FallbackCall(const emucell_fallback_call& raw) noexcept : raw_(&raw) {}

    // Row of the state of each cell to compute; in an evaluation its position.
    Span<const std::uint32_t> rows() const noexcept { return {raw_->rows, raw_->n_cells}; }
    // Position of each in the call: row of its stimulus.
    Span<const std::uint32_t> positions() const noexcept { return {raw_->positions, raw_->n_cells}; }
    // True if the state is to be advanced in place by dt, false if outputs are to be filled.
    bool is_step() const noexcept { return raw_->cells != nullptr; }
    double dt() const noexcept { return raw_->dt; }

    const emucell_fallback_call& raw() const noexcept { return *raw_; }

private:
    const emucell_fallback_call* raw_;
};

// How a session computes; see emucell_session_options.
struct SessionOptions {
    std::uint32_t n_threads = 1;
    std::uint32_t guard = EMUCELL_GUARD_IGNORE;
    // "scalar", "avx2"; empty for the machine's fastest.
    std::string instruction_set{};
    // "cpu", "cuda", "cuda:1"; empty for the CPU.
    std::string device{};
    std::uint32_t backend = EMUCELL_BACKEND_AUTO;
    std::uint32_t precision = EMUCELL_PRECISION_AUTO;
    void* stream = nullptr;
    std::size_t capacity = 0;
    // With EMUCELL_GUARD_FALLBACK: computes cells outside the domain; none for the surrogate's own
    // cell model. What it throws comes out of step and evaluate.
    std::function<void(const FallbackCall&)> fallback{};
    double fallback_dt = 0;
    // File of ONNX Runtime's library; empty for the one of EMUCELL_ONNXRUNTIME or the system's.
    std::string onnxruntime_library{};
    // Folder for TensorRT's engines; empty for none.
    std::string engine_cache_folder{};
};

// A surrogate prepared for one thread at a time; keeps what it needs of the surrogate.
class Session {
public:
    explicit Session(const Surrogate& surrogate, const SessionOptions& options = {}) {
        emucell_session_options raw_options;
        check(emucell_session_options_init(&raw_options));
        auto text = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
        raw_options.n_threads = options.n_threads;
        raw_options.guard = options.guard;
        raw_options.instruction_set = text(options.instruction_set);
        raw_options.device = text(options.device);
        raw_options.backend = options.backend;
        raw_options.precision = options.precision;
        raw_options.stream = options.stream;
        raw_options.capacity = options.capacity;
        raw_options.fallback_dt = options.fallback_dt;
        raw_options.onnxruntime_library = text(options.onnxruntime_library);
        raw_options.engine_cache_folder = text(options.engine_cache_folder);
        if (options.fallback) {
            fallback_ = std::make_unique<Fallback>(Fallback{options.fallback, nullptr});
            raw_options.fallback = Fallback::call;
            raw_options.fallback_data = fallback_.get();
        }
        emucell_session* raw = nullptr;
        check(emucell_session_create(surrogate.raw(), &raw_options, &raw));
        handle_.reset(raw);
    }

    // Computes outputs from inputs, for as many cells as outputs has.
    void evaluate(InputView inputs, OutputView outputs) { finish(try_evaluate(inputs, outputs)); }
    emucell_status try_evaluate(InputView inputs, OutputView outputs) noexcept {
        begin();
        return emucell_evaluate(raw(), outputs.n_cells, &inputs.raw, &outputs.raw);
    }

    // The same in parts.
    void evaluate(const Evaluation& evaluation) { finish(try_evaluate(evaluation)); }
    emucell_status try_evaluate(const Evaluation& evaluation) noexcept {
        begin();
        return emucell_evaluate_parts(raw(), &evaluation.raw());
    }

    // Evaluates a solution map at all of times, in the unit of its time: inputs without the time, outputs of the first time,
    // then of the next. A map of the time alone is given cells of its outputs only.
    void evaluate_times(InputView inputs, Span<const double> times, OutputView outputs) {
        finish(try_evaluate_times(inputs, times, outputs));
    }
    void evaluate_times(Span<const double> times, OutputView outputs) { finish(try_evaluate_times(times, outputs)); }
    emucell_status try_evaluate_times(InputView inputs, Span<const double> times, OutputView outputs) noexcept {
        begin();
        return emucell_evaluate_times(raw(), outputs.n_cells, &inputs.raw, times.data(), times.size(), &outputs.raw);
    }
    emucell_status try_evaluate_times(Span<const double> times, OutputView outputs) noexcept {
        begin();
        return emucell_evaluate_times(raw(), outputs.n_cells, nullptr, times.data(), times.size(), &outputs.raw);
    }

    // Advances cells in place by n_steps steps of dt, in the unit of the surrogate's time.
    void step(const Cells& cells, double dt, std::uint32_t n_steps = 1) { finish(try_step(cells, dt, n_steps)); }
    emucell_status try_step(const Cells& cells, double dt, std::uint32_t n_steps = 1) noexcept {
        begin();
        return emucell_step(raw(), &cells.raw(), dt, n_steps);
    }

    // Waits until what was asked for has been done: on a GPU calls only queue it.
    void synchronize() { finish(try_synchronize()); }
    emucell_status try_synchronize() noexcept {
        begin();
        return emucell_session_synchronize(raw());
    }

    // What the fallback threw in the last call, after a try_... that gave EMUCELL_CALLBACK; else null.
    std::exception_ptr fallback_exception() const noexcept { return fallback_ ? fallback_->exception : nullptr; }

    // What the session did since it was made or its counters were reset.
    emucell_counters counters() const {
        emucell_counters counters;
        check(emucell_counters_init(&counters));
        check(emucell_session_counters(raw(), &counters));
        return counters;
    }
    void reset_counters() { check(emucell_session_reset_counters(raw())); }

    // Device and instruction set, for example "cpu avx512, threads: 1"; empty if moved away.
    std::string name() const {
        const char* name = emucell_session_name(raw());
        return name ? name : "";
    }

    emucell_session* raw() const noexcept { return handle_.get(); }

private:
    // At a place of its own, which moves of the session do not change.
    struct Fallback {
        std::function<void(const FallbackCall&)> function;
        std::exception_ptr exception;

        // No exception may cross the library: it is kept until the call is over.
        static std::int32_t call(void* data, const emucell_fallback_call* call) noexcept {
            auto& fallback = *static_cast<Fallback*>(data);
            try {
                fallback.function(FallbackCall(*call));
                return 0;
            } catch (...) {
                fallback.exception = std::current_exception();
                return 1;
            }
        }
    };

    void begin() noexcept {
        if (fallback_) fallback_->exception = nullptr;
    }

    void finish(emucell_status status) {
        if (fallback_ && fallback_->exception) std::rethrow_exception(std::exchange(fallback_->exception, nullptr));
        check(status);
    }

    struct Destroy {
        void operator()(emucell_session* raw) const { emucell_session_destroy(&raw); }
    };
    std::unique_ptr<Fallback> fallback_;
    std::unique_ptr<emucell_session, Destroy> handle_;
};

// ---------------------------------------------------------------------------------------------
// Log

// Receives a level (EMUCELL_LOG_...) and a message, on any thread that calls the library; what it
// throws is dropped.
using Log = std::function<void(std::uint32_t, std::string_view)>;

// Sends messages of the library up to level to log; an empty function ends it. For the whole
// process; see emucell_set_log.
inline void set_log(Log log, std::uint32_t level) {
    struct Receiver {
        std::mutex mutex;
        std::shared_ptr<const Log> log;

        static void call(void* data, std::uint32_t level, const char* message) noexcept {
            try {
                auto& receiver = *static_cast<Receiver*>(data);
                std::unique_lock<std::mutex> lock(receiver.mutex);
                const std::shared_ptr<const Log> current = receiver.log;
                lock.unlock();
                if (current) (*current)(level, message);
            } catch (...) {
            }
        }
    };
    // Never destroyed: other threads may log while the program ends.
    static Receiver& receiver = *new Receiver;
    const bool on = static_cast<bool>(log);
    auto next = on ? std::make_shared<const Log>(std::move(log)) : nullptr;
    {
        const std::lock_guard<std::mutex> lock(receiver.mutex);
        receiver.log.swap(next);
    }
    check(emucell_set_log(on ? Receiver::call : nullptr, &receiver, on ? level : EMUCELL_LOG_OFF));
}

}  // namespace emucell

#endif  // EMUCELL_HPP
