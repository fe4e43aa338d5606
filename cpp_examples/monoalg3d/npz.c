#include "npz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A zip archive whose members are stored as they are: each a header and its bytes, and at the end a directory that says
 * where they begin. (PKWARE's APPNOTE, sections 4.3.7, 4.3.12 and 4.3.16.) */
enum { MAX_MEMBERS = 8, LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50, VERSION = 20, EPOCH = 0x21 };

struct member {
    char name[64];
    uint32_t crc, size, offset;
};

struct npz {
    FILE *file;
    char *path, *temporary;
    bool failed;
    size_t n_members;
    struct member members[MAX_MEMBERS];
};

static void put(struct npz *z, const void *bytes, size_t n)
{
    if (n > 0 && fwrite(bytes, 1, n, z->file) != n) z->failed = true;
}

/* The low n bytes of a number, the lowest first. */
static void put_number(struct npz *z, uint32_t number, int n)
{
    unsigned char bytes[4];
    for (int i = 0; i < n; ++i) bytes[i] = (unsigned char)(number >> (8 * i));
    put(z, bytes, (size_t)n);
}

static uint32_t crc32_of(uint32_t crc, const void *bytes, size_t n)
{
    static uint32_t table[256];
    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; ++i) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; ++bit) c = c & 1 ? c >> 1 ^ 0xEDB88320u : c >> 1;
            table[i] = c;
        }
    crc = ~crc;
    for (size_t i = 0; i < n; ++i) crc = table[(crc ^ ((const unsigned char *)bytes)[i]) & 0xFF] ^ crc >> 8;
    return ~crc;
}

/* The fields that a member's header and its entry in the directory have in common. */
static void put_description(struct npz *z, const struct member *m)
{
    put_number(z, VERSION, 2);
    put_number(z, 0, 2);     /* flags */
    put_number(z, 0, 2);     /* stored */
    put_number(z, 0, 2);     /* time */
    put_number(z, EPOCH, 2); /* 1 January 1980: the same numbers give the same bytes */
    put_number(z, m->crc, 4);
    put_number(z, m->size, 4);
    put_number(z, m->size, 4);
    put_number(z, (uint32_t)strlen(m->name), 2);
    put_number(z, 0, 2); /* no extra field */
}

/* A member of two pieces. */
static void put_member(struct npz *z, const char *name, const void *head, size_t head_size, const void *body,
                       size_t body_size)
{
    const long offset = ftell(z->file);
    if (z->n_members == MAX_MEMBERS || offset < 0 || (uint64_t)offset + head_size + body_size > UINT32_MAX) {
        z->failed = true;
        return;
    }
    struct member *m = &z->members[z->n_members++];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->crc = crc32_of(crc32_of(0, head, head_size), body, body_size);
    m->size = (uint32_t)(head_size + body_size);
    m->offset = (uint32_t)offset;
    put_number(z, LOCAL, 4);
    put_description(z, m);
    put(z, m->name, strlen(m->name));
    put(z, head, head_size);
    put(z, body, body_size);
}

static void release(struct npz *z)
{
    free(z->path);
    free(z->temporary);
    free(z);
}

struct npz *npz_begin(const char *path)
{
    struct npz *z = calloc(1, sizeof *z);
    if (z == NULL) return NULL;
    z->path = strdup(path);
    z->temporary = malloc(strlen(path) + 32);
    if (z->path != NULL && z->temporary != NULL) {
        sprintf(z->temporary, "%s.%ld", path, (long)getpid());
        z->file = fopen(z->temporary, "wb");
    }
    if (z->file != NULL) return z;
    release(z);
    return NULL;
}

void npz_abandon(struct npz *z)
{
    fclose(z->file);
    remove(z->temporary);
    release(z);
}

void npz_array(struct npz *z, const char *name, const double *numbers, size_t n_rows, size_t n_columns)
{
    /* Magic number, version 1.0, length of the text, and the text, padded so that the numbers begin at a multiple of 64. */
    char head[128], member[64];
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = (char)(sizeof head - 10);
    head[9] = 0;
    const int n = snprintf(head + 10, sizeof head - 10, "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, %zu), }",
                           n_rows, n_columns);
    head[10 + n] = ' ';
    head[sizeof head - 1] = '\n';
    snprintf(member, sizeof member, "%s.npy", name);
    put_member(z, member, head, sizeof head, numbers, n_rows * n_columns * sizeof *numbers);
}

void npz_text(struct npz *z, const char *name, const char *text)
{
    put_member(z, name, text, strlen(text), NULL, 0);
}

bool npz_finish(struct npz *z)
{
    const long offset = ftell(z->file);
    for (size_t i = 0; i < z->n_members; ++i) {
        const struct member *m = &z->members[i];
        put_number(z, CENTRAL, 4);
        put_number(z, VERSION, 2); /* made by */
        put_description(z, m);
        put_number(z, 0, 2); /* comment */
        put_number(z, 0, 2); /* disk */
        put_number(z, 0, 2); /* attributes */
        put_number(z, 0, 4);
        put_number(z, m->offset, 4);
        put(z, m->name, strlen(m->name));
    }
    const long end = ftell(z->file);
    put_number(z, END, 4);
    put_number(z, 0, 4); /* disks */
    put_number(z, (uint32_t)z->n_members, 2);
    put_number(z, (uint32_t)z->n_members, 2);
    put_number(z, (uint32_t)(end - offset), 4);
    put_number(z, (uint32_t)offset, 4);
    put_number(z, 0, 2); /* comment */
    bool done = !z->failed && offset >= 0 && end >= 0;
    done = fclose(z->file) == 0 && done;
    done = done && rename(z->temporary, z->path) == 0;
    if (!done) remove(z->temporary);
    release(z);
    return done;
}
