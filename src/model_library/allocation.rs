//! How often a library asks for memory: its references to the C library's allocator are led past a counter.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// How often watched libraries have asked for memory.
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Kinds of relocations that hold the address of a function of another library, on this machine.
const OF_FUNCTIONS: [u64; 2] = if cfg!(target_arch = "x86_64") {
    [7, 6] // R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT
} else if cfg!(target_arch = "aarch64") {
    [1026, 1025] // R_AARCH64_JUMP_SLOT, R_AARCH64_GLOB_DAT
} else {
    [u64::MAX; 2]
};

/// `Elf64_Dyn`.
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: usize,
}

/// `Elf64_Rela`.
#[repr(C)]
struct Relocation {
    offset: usize,
    info: u64,
    addend: i64,
}

/// The public part of the loader's `struct link_map`.
#[repr(C)]
struct LinkMap {
    base: usize,
    name: *const c_char,
    dynamic: *const Dynamic,
}

// Tags of the dynamic section (ELF gABI).
const STRING_TABLE: i64 = 5;
const SYMBOL_TABLE: i64 = 6;
const TABLES: [(i64, i64); 2] = [(23, 2), (7, 8)]; // JMPREL with PLTRELSZ, RELA with RELASZ

/// Counts what the library at `path`, which is loaded, asks for from now on; only for a process that ends with the library.
pub fn watch(path: &Path) {
    let Ok(name) = CString::new(path.as_os_str().as_encoded_bytes()) else { return };
    let mut map: *const LinkMap = std::ptr::null();
    // SAFETY: the handle of a loaded library, for which the loader gives its own description; it stays loaded.
    unsafe {
        let handle = libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if handle.is_null() || libc::dlinfo(handle, libc::RTLD_DI_LINKMAP, (&raw mut map).cast()) != 0 {
            return;
        }
        replace(&*map);
    }
}

/// # Safety
/// The map is of a loaded library.
unsafe fn replace(map: &LinkMap) {
    let find = |tag: i64| {
        let mut entry = map.dynamic;
        // SAFETY: the dynamic section ends with an entry of tag 0.
        unsafe {
            while (*entry).tag != 0 {
                if (*entry).tag == tag {
                    return Some((*entry).value);
                }
                entry = entry.add(1);
            }
        }
        None
    };
    let (Some(strings), Some(symbols)) = (find(STRING_TABLE), find(SYMBOL_TABLE)) else { return };
    for (table, size) in TABLES {
        let (Some(table), Some(size)) = (find(table), find(size)) else { continue };
        // SAFETY: addresses and sizes are the loader's; a relocation's symbol has a name in the string table.
        unsafe {
            let n = size / size_of::<Relocation>();
            for relocation in std::slice::from_raw_parts(table as *const Relocation, n) {
                if !OF_FUNCTIONS.contains(&(relocation.info & 0xffff_ffff)) {
                    continue;
                }
                let symbol = (symbols as *const libc::Elf64_Sym).add((relocation.info >> 32) as usize);
                let name = CStr::from_ptr((strings as *const c_char).add((*symbol).st_name as usize));
                if let Some(counter) = counter(name) {
                    write_address((map.base + relocation.offset) as *mut usize, counter);
                }
            }
        }
    }
}

fn counter(name: &CStr) -> Option<usize> {
    match name.to_bytes() {
        b"malloc" => Some(malloc as *const () as usize),
        b"calloc" => Some(calloc as *const () as usize),
        b"realloc" => Some(realloc as *const () as usize),
        _ => None,
    }
}

/// # Safety
/// The place is a library's entry for the address of a function.
unsafe fn write_address(place: *mut usize, address: usize) {
    // SAFETY: the page holds the entry and stays readable; libraries may protect it after loading.
    unsafe {
        let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let start = (place as usize / page * page) as *mut c_void;
        if libc::mprotect(start, page, libc::PROT_READ | libc::PROT_WRITE) == 0 {
            place.write_volatile(address);
        }
    }
}

fn count() {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    count();
    // SAFETY: the library's own call.
    unsafe { libc::malloc(size) }
}

unsafe extern "C" fn calloc(n: usize, size: usize) -> *mut c_void {
    count();
    // SAFETY: the library's own call.
    unsafe { libc::calloc(n, size) }
}

unsafe extern "C" fn realloc(pointer: *mut c_void, size: usize) -> *mut c_void {
    count();
    // SAFETY: the library's own call.
    unsafe { libc::realloc(pointer, size) }
}
