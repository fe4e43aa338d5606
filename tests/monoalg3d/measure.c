/* A function for the simulator's [save_result] that measures instead of saving: when V of each cell rises through
 * up_threshold, and when it falls through down_threshold, interpolated between the times it is called at.
 * At the end a line for each cell goes to the file `events`: its centre, and times with U or D before them; V itself goes
 * to a file of doubles beside it, that of a Purkinje network behind that of the tissue. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/save_mesh_config.h"

struct cell_events {
    double x, y, last_v;
    size_t n, capacity;
    double *times; /* a fall is negative */
};

struct measurement {
    double up, down, last_t;
    const char *path;
    size_t n_cells;
    struct cell_events *cells;
};

static const char *text_of(const struct config *config, const char *key)
{
    for (ptrdiff_t i = 0; i < shlen(config->config_data); ++i)
        if (strcmp(config->config_data[i].key, key) == 0) return config->config_data[i].value;
    fprintf(stderr, "measure: the key %s is missing in [save_result]\n", key);
    exit(EXIT_FAILURE);
}

INIT_SAVE_MESH(init_measure)
{
    struct measurement *m = calloc(1, sizeof *m);
    m->up = atof(text_of(config, "up_threshold"));
    m->down = atof(text_of(config, "down_threshold"));
    m->path = text_of(config, "events");
    config->persistent_data = m;
}

static void add(struct cell_events *cell, double time)
{
    if (cell->n == cell->capacity) {
        cell->capacity = cell->capacity ? 2 * cell->capacity : 8;
        cell->times = realloc(cell->times, cell->capacity * sizeof *cell->times);
    }
    cell->times[cell->n++] = time;
}

SAVE_MESH(measure)
{
    (void)ode_solver, (void)purkinje_ode_solver;
    struct measurement *m = config->persistent_data;
    const double t = time_info->current_t;
    if (m->cells == NULL) {
        m->n_cells = the_grid->num_active_cells;
        m->cells = calloc(m->n_cells, sizeof *m->cells);
        for (size_t i = 0; i < m->n_cells; ++i) {
            const struct cell_node *node = the_grid->active_cells[i];
            m->cells[i] = (struct cell_events){.x = node->center.x, .y = node->center.y, .last_v = node->v};
        }
    }
    /* A mesh that adapts has other cells now. */
    for (size_t i = 0; i < m->n_cells && m->n_cells == the_grid->num_active_cells; ++i) {
        struct cell_events *cell = &m->cells[i];
        const double before = cell->last_v, v = the_grid->active_cells[i]->v;
        const double slope = (v - before) / (t - m->last_t);
        if (before < m->up && v >= m->up) add(cell, m->last_t + (m->up - before) / slope);
        if (before > m->down && v <= m->down) add(cell, -(m->last_t + (m->down - before) / slope));
        cell->last_v = v;
    }
    m->last_t = t;
}

static FILE *created(const char *path)
{
    FILE *out = fopen(path, "wb");
    if (out != NULL) return out;
    perror(path);
    exit(EXIT_FAILURE);
}

END_SAVE_MESH(end_measure)
{
    struct measurement *m = config->persistent_data;
    FILE *out = created(m->path);
    for (size_t i = 0; i < m->n_cells; ++i) {
        fprintf(out, "%g %g", m->cells[i].x, m->cells[i].y);
        for (size_t k = 0; k < m->cells[i].n; ++k) {
            const double time = m->cells[i].times[k];
            fprintf(out, " %c%.9g", time < 0 ? 'D' : 'U', time < 0 ? -time : time);
        }
        fputc('\n', out);
        free(m->cells[i].times);
    }
    fclose(out);
    char path[4096];
    snprintf(path, sizeof path, "%s.v", m->path);
    out = created(path);
    for (size_t i = 0; i < the_grid->num_active_cells; ++i) fwrite(&the_grid->active_cells[i]->v, sizeof(double), 1, out);
    const struct grid_purkinje *network = the_grid->purkinje;
    for (size_t i = 0; network != NULL && i < network->num_active_purkinje_cells; ++i)
        fwrite(&network->purkinje_cells[i]->v, sizeof(double), 1, out);
    fclose(out);
    free(m->cells);
    free(m);
    config->persistent_data = NULL;
}
