// What the emulated GPUs of driver.cpp are made of: memory, contexts, streams.
#pragma once

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <sys/mman.h>

typedef int Result;
typedef unsigned long long Address;

// Codes and numbers of cuda.h.
enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
};

namespace {

constexpr int GPUS = 2;
constexpr std::size_t MEMORY = std::size_t(1) << 28, EDGE = 256;
constexpr int MULTIPROCESSORS = 2;

struct Gpu;
struct Context {
    Gpu *gpu;
    std::set<struct Stream *> streams;
};
struct Operation {
    std::function<Result()> run;
    struct Event *event;
};
typedef std::vector<std::function<Result()>> Work;
struct Stream {
    Context *context;
    std::deque<Operation> queued;
    Work *recording = nullptr;
    bool is_spoilt = false;
};
struct Event {
    Context *context;
    Stream *stream = nullptr; // where it is still waiting
};
struct Piece {
    std::size_t size;
    int kind; // of memory: 1 the processor's, 2 a GPU's
    bool is_managed;
    Gpu *gpu;
    Context *context; // none for memory of pools and of both
    std::unique_ptr<char[]> own; // where it is the processor's
};
struct Gpu {
    int number = 0;
    char *memory = nullptr;
    std::size_t limit = MEMORY;
    Context primary{this, {}};
    int holders = 0;
};
struct Module {
    Context *context;
    void *library;
    std::vector<std::unique_ptr<struct Function>> functions;
    Address constants = 0;
};
struct Function {
    Module *module;
    unsigned entry;
    std::size_t shared_limit;
};

std::recursive_mutex everything;
bool is_started = false;
Gpu gpus[GPUS];
std::map<Address, Piece> pieces;
std::set<Context *> contexts;
std::set<Stream *> streams;
std::set<Event *> events;
std::set<Module *> modules;
std::set<Work *> graphs;
Result fault = SUCCESS; // of what ran on a GPU, as which every later call fails

thread_local std::vector<Context *> stack;
thread_local std::string calls;
thread_local int calls_to_fault = -1, code_of_fault = 0;

// Notes the call, and fails it if a test wants that.
#define CALL(name)                                                                                                          \
    std::lock_guard<std::recursive_mutex> one(everything);                                                                  \
    calls += #name "\n";                                                                                                    \
    if (calls_to_fault >= 0 && calls_to_fault-- == 0) return code_of_fault;                                                 \
    if (!is_started) return NOT_INITIALIZED;

// The same for what needs a context.
#define CALL_IN_CONTEXT(name)                                                                                               \
    CALL(name)                                                                                                              \
    if (!current()) return INVALID_CONTEXT;                                                                                 \
    if (fault) return fault;

Context *current() { return stack.empty() ? nullptr : stack.back(); }

[[noreturn]] void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::vfprintf(stderr, format, arguments);
    std::fputc('\n', stderr);
    std::abort();
}

void open_memory(int protection) {
    for (Gpu &gpu : gpus) mprotect(gpu.memory, MEMORY, protection);
}

// Runs what a GPU does, during which its memory is there.
Result on_gpu(const std::function<Result()> &run) {
    if (fault) return fault;
    open_memory(PROT_READ | PROT_WRITE);
    Result result = run();
    open_memory(PROT_NONE);
    if (result) fault = result;
    return result;
}

// Everything in a stream up to an event, or all of it.
Result finish(Stream *stream, Event *until = nullptr) {
    while (!stream->queued.empty()) {
        Operation next = std::move(stream->queued.front());
        stream->queued.pop_front();
        if (next.event) next.event->stream = nullptr;
        else if (Result result = on_gpu(next.run)) return result;
        if (until && next.event == until) break;
    }
    return fault;
}

Result finish(Context *context) {
    if (!context) {
        for (Stream *stream : streams)
            if (Result result = finish(stream)) return result;
        return fault;
    }
    for (Stream *stream : context->streams)
        if (Result result = finish(stream)) return result;
    return fault;
}

// Into the stream, or into the graph that it is recorded to.
Result queue(Stream *stream, std::function<Result()> run) {
    if (!streams.count(stream)) return INVALID_HANDLE;
    if (stream->context != current()) return INVALID_CONTEXT;
    if (stream->recording) stream->recording->push_back(std::move(run));
    else stream->queued.push_back({std::move(run), nullptr});
    return SUCCESS;
}

// What a stream that is recorded does not allow.
#define NOT_WHILE_RECORDING                                                                                                 \
    for (Stream *stream : streams)                                                                                          \
        if (stream->recording) return stream->is_spoilt = true, CAPTURE_UNSUPPORTED;

Piece *piece_at(Address address, Address *start = nullptr) {
    auto after = pieces.upper_bound(address);
    if (after == pieces.begin()) return nullptr;
    --after;
    if (address >= after->first + after->second.size) return nullptr;
    if (start) *start = after->first;
    return &after->second;
}

// Whether so many bytes are one piece of memory that a GPU may touch.
bool is_there(Gpu *gpu, Address address, std::size_t size) {
    Address start = 0;
    Piece *piece = piece_at(address, &start);
    return piece && (piece->gpu == gpu || piece->is_managed) && address + size <= start + piece->size;
}

Result reserve(Address *address, std::size_t size) {
    if (!size) return INVALID_VALUE;
    Gpu *gpu = current()->gpu;
    std::size_t room = (size + 2 * EDGE - 1) / EDGE * EDGE;
    Address at = Address(gpu->memory), end = at + gpu->limit;
    for (auto &known : pieces) {
        if (known.first < at || known.first >= Address(gpu->memory) + MEMORY) continue;
        if (known.first >= at + room) break;
        at = known.first + (known.second.size + 2 * EDGE - 1) / EDGE * EDGE;
    }
    if (at + room > end) return OUT_OF_MEMORY;
    open_memory(PROT_READ | PROT_WRITE);
    std::memset(reinterpret_cast<void *>(at), 0xff, room);
    open_memory(PROT_NONE);
    pieces[at] = Piece{size, 2, false, gpu, current(), nullptr};
    *address = at;
    return SUCCESS;
}

Result give_back(Address address) {
    auto found = pieces.find(address);
    if (found == pieces.end() || found->second.kind != 2) return INVALID_VALUE;
    Piece &piece = found->second;
    finish(piece.context);
    if (!piece.is_managed) {
        open_memory(PROT_READ);
        const unsigned char *edge = reinterpret_cast<unsigned char *>(address + piece.size);
        for (std::size_t i = 0; i < EDGE - 1; i++)
            if (edge[i] != 0xff) die("a kernel wrote %zu bytes behind a piece of %zu", i, piece.size);
        open_memory(PROT_NONE);
    }
    pieces.erase(found);
    return SUCCESS;
}

// Copies between memories, whichever they are.
Result copy(Address to, Address from, std::size_t size, Gpu *gpu, Address on_gpu) {
    if (!is_there(gpu, on_gpu, size)) return ILLEGAL_ADDRESS;
    std::memcpy(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), size);
    return SUCCESS;
}

} // namespace
