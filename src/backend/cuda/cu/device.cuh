// The GPU's side of the portable layer: what the kernels need of CUDA, without any header of CUDA. The tests have the
// same names for a processor, so that one text is compiled for both.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EMUCELL_DEVICE __device__ __forceinline__
#define EMUCELL_KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)
#define EMUCELL_ARGUMENT(type) const __grid_constant__ type
#define EMUCELL_CONSTANTS(n) extern "C" __constant__ float emucell_constants[n]
#define EMUCELL_UNROLL _Pragma("unroll")
#define EMUCELL_ROLLED _Pragma("unroll 1")

EMUCELL_DEVICE u32 thread_in_block() { return threadIdx.x; }
EMUCELL_DEVICE u32 block_in_grid() { return blockIdx.x; }
EMUCELL_DEVICE u32 blocks_in_grid() { return gridDim.x; }

EMUCELL_DEVICE void sync_block() { __syncthreads(); }
EMUCELL_DEVICE void sync_warp() { __syncwarp(); }

EMUCELL_DEVICE u8 *shared_memory() {
    extern __shared__ __align__(16) u8 emucell_shared[];
    return emucell_shared;
}

// An address in the GPU's memory. Told so, the compiler needs not ask at run time which memory it is.
EMUCELL_DEVICE void *global(u64 address) { return __cvta_global_to_generic(address); }

// Numbers that no kernel writes, which the compiler may read as early as it likes; aligned to their size.
EMUCELL_DEVICE void read_only(const float *from, float (&to)[1]) { to[0] = __ldg(from); }
EMUCELL_DEVICE void read_only(const float *from, float (&to)[2]) {
    float2 both = __ldg(reinterpret_cast<const float2 *>(from));
    to[0] = both.x, to[1] = both.y;
}
EMUCELL_DEVICE void read_only(const float *from, float (&to)[4]) {
    float4 all = __ldg(reinterpret_cast<const float4 *>(from));
    to[0] = all.x, to[1] = all.y, to[2] = all.z, to[3] = all.w;
}

EMUCELL_DEVICE float as_float(u32 bits) { return __uint_as_float(bits); }
EMUCELL_DEVICE u32 as_bits(float x) { return __float_as_uint(x); }
EMUCELL_DEVICE void count(u64 *counter, u64 n) { atomicAdd(counter, n); }

// max(x, 0), and NaN for NaN
EMUCELL_DEVICE float relu(float x) {
#if __CUDA_ARCH__ >= 800
    float y;
    asm("max.NaN.f32 %0, %1, 0f00000000;" : "=f"(y) : "f"(x));
    return y;
#else
    return x < 0.0f ? 0.0f : x;
#endif
}

// Relative error up to 2^-11, as much as rounding to half precision makes.
EMUCELL_DEVICE float tanh_approximate(float x) {
    float y;
    asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Relative error up to 2^-22 of 2^x and of 1/x.
EMUCELL_DEVICE float exp2_approximate(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
EMUCELL_DEVICE float reciprocal_approximate(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Half precision: two numbers in a word, the first in its lower half.
struct Half {
    EMUCELL_DEVICE static u32 pack(float low, float high) {
        u32 word;
#if __CUDA_ARCH__ >= 800
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#else
        asm("{ .reg .b16 l, h; cvt.rn.f16.f32 l, %1; cvt.rn.f16.f32 h, %2; mov.b32 %0, {l, h}; }"
            : "=r"(word)
            : "f"(low), "f"(high));
#endif
        return word;
    }
    EMUCELL_DEVICE static float round(float x) {
        float y;
        asm("{ .reg .b16 h; cvt.rn.f16.f32 h, %1; cvt.f32.f16 %0, h; }" : "=f"(y) : "f"(x));
        return y;
    }
    // c += a·b of 16×16 and 16×8 numbers spread over a warp
    EMUCELL_DEVICE static void multiply_add(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
#if __CUDA_ARCH__ >= 800
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
        asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(b0));
        asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
    }
};

#if __CUDA_ARCH__ >= 800
// bfloat16: the range of single precision, 8 bits.
struct Bfloat {
    EMUCELL_DEVICE static u32 pack(float low, float high) {
        u32 word;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
        return word;
    }
    EMUCELL_DEVICE static float round(float x) { return as_float(pack(x, 0.0f) << 16); }
    EMUCELL_DEVICE static void multiply_add(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
};

// TensorFloat-32: the range of single precision, 11 bits.
EMUCELL_DEVICE u32 tf32_round(float x) {
    u32 y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
}
// c += a·b of 16×8 and 8×8 numbers spread over a warp
EMUCELL_DEVICE void tf32_multiply_add(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#endif
