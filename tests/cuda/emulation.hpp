// The processor's side of the portable layer of src/backend/cuda/cu: the threads of a block are fibers that take turns,
// and what a warp does together is done when all of its threads have come. It shows whether kernels are right, not
// whether they race or how fast they are.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include <ucontext.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EMUCELL_DEVICE inline
#define EMUCELL_KERNEL(threads) static void
#define EMUCELL_ARGUMENT(type) const type &
#define EMUCELL_CONSTANTS(n) static float emucell_constants[n]
#define EMUCELL_UNROLL
#define EMUCELL_ROLLED

// Variables of each library by itself: several may be loaded, and run in threads of the tests.
namespace emulation {

// What the 32 threads of a warp bring to a common operation.
struct Warp {
    u32 a[32][4], b[32][2];
    unsigned arrived = 0, turn = 0;
};

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool is_done;
    unsigned thread;
};

constexpr std::size_t STACK = 1 << 18;

static ucontext_t scheduler;
static Fiber *current;
static std::vector<Warp> warps;
static unsigned n_threads, n_blocks, block, block_arrived, block_turn;
static std::vector<u8> shared;
static const std::function<void()> *kernel;

inline void give_turn() { swapcontext(&current->context, &scheduler); }

inline void start() {
    (*kernel)();
    current->is_done = true;
    give_turn();
}

// Waits until `all` threads have arrived.
inline void meet(unsigned &arrived, unsigned &turn, unsigned all) {
    unsigned own = turn;
    if (++arrived == all) {
        arrived = 0;
        turn++;
    } else {
        while (turn == own) give_turn();
    }
}

inline void launch(unsigned grid, unsigned threads, std::size_t shared_bytes, const std::function<void()> &body) {
    kernel = &body, n_blocks = grid, n_threads = threads;
    std::vector<Fiber> fibers(threads);
    for (auto &fiber : fibers) fiber.stack.reset(new char[STACK]);
    for (block = 0; block < grid; block++) {
        // Poisoned: nobody may rely on zeros.
        shared.assign(shared_bytes + 16, 0xff);
        warps.assign((threads + 31) / 32, Warp());
        block_arrived = block_turn = 0;
        for (unsigned thread = 0; thread < threads; thread++) {
            Fiber &fiber = fibers[thread];
            fiber.is_done = false;
            fiber.thread = thread;
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.get();
            fiber.context.uc_stack.ss_size = STACK;
            fiber.context.uc_link = nullptr;
            makecontext(&fiber.context, start, 0);
        }
        for (unsigned left = threads, rounds = 0; left > 0; rounds++) {
            left = 0;
            for (auto &fiber : fibers) {
                if (fiber.is_done) continue;
                current = &fiber;
                swapcontext(&scheduler, &fiber.context);
                left += fiber.is_done ? 0 : 1;
            }
            if (rounds > 100000000) {
                std::fprintf(stderr, "threads wait for each other forever\n");
                std::abort();
            }
        }
    }
}

inline float bits_to_float(u32 bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}
inline u32 float_to_bits(float x) {
    u32 bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}

// Half precision, rounded to nearest even.
inline u32 half_bits(float x) {
    u32 sign = float_to_bits(x) >> 16 & 0x8000;
    float size = std::fabs(x);
    if (size != size) return sign | 0x7e00;
    if (size >= 65520.0f) return sign | 0x7c00;
    int exponent = size < 6.103515625e-5f ? -14 : std::ilogb(size);
    u32 steps = u32(std::nearbyint(std::ldexp(size, 10 - exponent)));
    return sign | (u32(exponent + 14) * 1024 + steps);
}
inline float half_value(u32 bits) {
    u32 exponent = bits >> 10 & 31, fraction = bits & 1023;
    float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                 : exponent == 0 ? std::ldexp(float(fraction), -24)
                                 : std::ldexp(float(1024 + fraction), int(exponent) - 25);
    return bits & 0x8000 ? -size : size;
}
inline u32 bfloat_bits(float x) {
    u32 bits = float_to_bits(x);
    if (x != x) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
inline float bfloat_value(u32 bits) { return bits_to_float(bits << 16); }

// c += a·b with what all threads of the warp bring; `a_of(row, k)` and `b_of(k, column)` find the numbers.
template <class A, class B> void multiply_add(float (&c)[4], int depth, A a_of, B b_of) {
    unsigned lane = current->thread % 32, g = lane / 4, q = lane % 4;
    for (int i = 0; i < 4; i++) {
        unsigned row = g + 8 * (i / 2), column = 2 * q + i % 2;
        float sum = c[i];
        for (int k = 0; k < depth; k++) sum += a_of(row, k) * b_of(k, column);
        c[i] = sum;
    }
}

inline Warp &bring(const u32 (&a)[4], u32 b0, u32 b1) {
    Warp &warp = warps[current->thread / 32];
    unsigned lane = current->thread % 32;
    std::memcpy(warp.a[lane], a, sizeof a);
    warp.b[lane][0] = b0, warp.b[lane][1] = b1;
    meet(warp.arrived, warp.turn, 32);
    return warp;
}
inline void leave(Warp &warp) { meet(warp.arrived, warp.turn, 32); }

// mma.m16n8k16 of 16-bit numbers, with the documented places of its operands.
template <class Value> void multiply_add_16(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1, Value value) {
    Warp &warp = bring(a, b0, b1);
    auto part = [&](u32 word, unsigned k) { return value(k % 2 ? word >> 16 : word & 0xffff); };
    auto a_of = [&](unsigned row, unsigned k) {
        return part(warp.a[row % 8 * 4 + k % 8 / 2][(row >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0)], k);
    };
    auto b_of = [&](unsigned k, unsigned column) { return part(warp.b[column * 4 + k % 8 / 2][k >= 8], k); };
    multiply_add(c, 16, a_of, b_of);
    leave(warp);
}

} // namespace emulation

inline u32 thread_in_block() { return emulation::current->thread; }
inline u32 block_in_grid() { return emulation::block; }
inline u32 blocks_in_grid() { return emulation::n_blocks; }
inline void sync_block() { emulation::meet(emulation::block_arrived, emulation::block_turn, emulation::n_threads); }
inline void sync_warp() { emulation::leave(emulation::warps[emulation::current->thread / 32]); }
inline u8 *shared_memory() {
    auto address = reinterpret_cast<std::uintptr_t>(emulation::shared.data());
    return reinterpret_cast<u8 *>((address + 15) / 16 * 16);
}
inline void *global(u64 address) { return reinterpret_cast<void *>(address); }
// A GPU faults where numbers that are read at once are not aligned to their size.
template <int N> inline void read_only(const float *from, float (&to)[N]) {
    if (reinterpret_cast<std::uintptr_t>(from) % sizeof to != 0) {
        std::fprintf(stderr, "emulation: %d numbers are read at %p\n", N, static_cast<const void *>(from));
        std::abort();
    }
    std::memcpy(to, from, sizeof to);
}

inline float as_float(u32 bits) { return emulation::bits_to_float(bits); }
inline u32 as_bits(float x) { return emulation::float_to_bits(x); }
inline void count(u64 *counter, u64 n) { *counter += n; }
inline float relu(float x) { return x < 0.0f ? 0.0f : x; }
inline float tanh_approximate(float x) { return std::tanh(x); }
inline float exp2_approximate(float x) { return std::exp2(x); }
inline float reciprocal_approximate(float x) { return 1.0f / x; }

struct Half {
    static u32 pack(float low, float high) { return emulation::half_bits(low) | emulation::half_bits(high) << 16; }
    static float round(float x) { return emulation::half_value(emulation::half_bits(x)); }
    static void multiply_add(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
        emulation::multiply_add_16(c, a, b0, b1, emulation::half_value);
    }
};

struct Bfloat {
    static u32 pack(float low, float high) { return emulation::bfloat_bits(low) | emulation::bfloat_bits(high) << 16; }
    static float round(float x) { return emulation::bfloat_value(emulation::bfloat_bits(x)); }
    static void multiply_add(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
        emulation::multiply_add_16(c, a, b0, b1, emulation::bfloat_value);
    }
};

inline u32 tf32_round(float x) {
    u32 bits = as_bits(x);
    return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000) & ~0x1fffu;
}
// mma.m16n8k8 of TF32, which ignores the lowest 13 bits.
inline void tf32_multiply_add(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    auto &warp = emulation::bring(a, b0, b1);
    auto value = [](u32 bits) { return as_float(bits & ~0x1fffu); };
    auto a_of = [&](unsigned row, unsigned k) {
        return value(warp.a[row % 8 * 4 + k % 4][(row >= 8 ? 1 : 0) + (k >= 4 ? 2 : 0)]);
    };
    auto b_of = [&](unsigned k, unsigned column) { return value(warp.b[column * 4 + k % 4][k >= 4]); };
    emulation::multiply_add(c, 8, a_of, b_of);
    emulation::leave(warp);
}
