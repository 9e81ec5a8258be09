/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of a tree: every node copied once into one block that is used again. The structs are
 * copied by code that knows them; maps and lists are cells of a kind and a count, copied by what
 * the kinds say, with the address of a copy left in the original where identity matters. */
#include "limit.h"

enum { LEVELS = 5, FAN_OUT = 10, NODES = 11111, ARENA = 16 << 20 };
enum { MAPS, SHARED, PARENTS };

static char *arena, *arena_at;

static void *take(size_t size)
{
    char *memory = arena_at;
    arena_at += (size + 7) & ~(size_t)7;
    return memory;
}

struct node {
    int64_t id;
    char *name;
    struct node *children;
    size_t child_count;
};

static void node_fill(struct node *node, int level, int64_t *next_id)
{
    char name[32];
    node->id = (*next_id)++;
    snprintf(name, sizeof name, "node %" PRId64, node->id);
    node->name = strdup(name);
    node->child_count = level > 1 ? FAN_OUT : 0;
    node->children = level > 1 ? bench_alloc(FAN_OUT * sizeof *node->children) : NULL;
    for (size_t i = 0; i < node->child_count; i++)
        node_fill(&node->children[i], level - 1, next_id);
}

static void node_copy(struct node *to, const struct node *from)
{
    size_t size = strlen(from->name) + 1;
    *to = *from;
    to->name = memcpy(take(size), from->name, size);
    if (from->child_count == 0)
        return;
    to->children = take(from->child_count * sizeof *to->children);
    for (size_t i = 0; i < from->child_count; i++)
        node_copy(&to->children[i], &from->children[i]);
}

static int64_t node_sum(const struct node *node)
{
    int64_t sum = node->id;
    for (size_t i = 0; i < node->child_count; i++)
        sum += node_sum(&node->children[i]);
    return sum;
}

static void typed_run(const char *name, int64_t parameter)
{
    (void)parameter;
    struct node tree = {0}, *copy = &tree;
    int64_t next_id = 0, count = bench_scaled(2000, 5);
    node_fill(&tree, LEVELS, &next_id);
    int64_t start = 0;
    for (int64_t i = -1; i < count; i++) {
        if (i == 0)
            start = bench_now_ns();
        arena_at = arena;
        copy = take(sizeof *copy);
        node_copy(copy, &tree);
        __asm__ volatile("" : : "r"(copy) : "memory");
    }
    int64_t time = bench_now_ns() - start;
    bench_require(node_sum(copy) == (int64_t)NODES * (NODES - 1) / 2, "sum of the copy");
    bench_print(name, (double)time / (double)count);
}

/* A cell: a string, a list, or a map of pairs; an int is in the slot itself, with a low bit. */
enum kind { STRING, LIST, MAP };

struct cell {
    struct cell *copy; /* of this round */
    uint32_t round;
    uint16_t kind;
    uint16_t count; /* bytes, or slots */
    uintptr_t slots[];
};

static uint32_t copy_round;

static uintptr_t copy_slot(uintptr_t slot);

static struct cell *cell_copy(struct cell *from)
{
    size_t size = sizeof *from + (from->kind == STRING ? (size_t)from->count + 1
                                                       : from->count * sizeof(uintptr_t));
    struct cell *to = take(size);
    to->round = 0;
    to->kind = from->kind;
    to->count = from->count;
    from->round = copy_round;
    from->copy = to;
    if (from->kind == STRING)
        memcpy(to->slots, from->slots, (size_t)from->count + 1);
    else
        for (size_t i = 0; i < from->count; i++)
            to->slots[i] = copy_slot(from->slots[i]);
    return to;
}

static uintptr_t copy_slot(uintptr_t slot)
{
    if (slot & 1 || slot == 0)
        return slot;
    struct cell *cell = (struct cell *)slot;
    return (uintptr_t)(cell->round == copy_round ? cell->copy : cell_copy(cell));
}

static struct cell *cell_new(enum kind kind, size_t count)
{
    struct cell *cell = bench_alloc(sizeof *cell + (count + 1) * sizeof(uintptr_t));
    cell->kind = (uint16_t)kind;
    cell->count = (uint16_t)count;
    return cell;
}

static uintptr_t string_new(const char *text)
{
    struct cell *cell = cell_new(STRING, strlen(text));
    memcpy(cell->slots, text, strlen(text) + 1);
    return (uintptr_t)cell;
}

static uintptr_t map_new(int level, uintptr_t parent, int64_t options, int64_t *next_id)
{
    static uintptr_t keys[4]; /* as a program's literals: the same text each time, its own cell */
    if (keys[0] == 0)
        for (int i = 0; i < 4; i++)
            keys[i] = string_new((const char *[]){"id", "name", "children", "parent"}[i]);
    struct cell *map = cell_new(MAP, options == PARENTS ? 8 : 6);
    struct cell *children = cell_new(LIST, level > 1 ? FAN_OUT : 0);
    char name[32];
    int64_t id = (*next_id)++;
    snprintf(name, sizeof name, "node %" PRId64, id);
    uintptr_t slots[] = {keys[0], (uintptr_t)id << 1 | 1, keys[1], string_new(name),
                         keys[2], (uintptr_t)children,    keys[3], parent};
    memcpy(map->slots, slots, map->count * sizeof *slots);
    for (int i = 0; i < children->count; i++)
        children->slots[i] = options == SHARED && level == LEVELS && i > 0
                                 ? children->slots[0]
                                 : map_new(level - 1, (uintptr_t)map, options, next_id);
    return (uintptr_t)map;
}

static int64_t map_sum(uintptr_t slot)
{
    const struct cell *map = (const struct cell *)slot;
    const struct cell *children = (const struct cell *)map->slots[5];
    int64_t sum = (int64_t)(map->slots[1] >> 1);
    for (size_t i = 0; i < children->count; i++)
        sum += map_sum(children->slots[i]);
    return sum;
}

static void maps_run(const char *name, int64_t options)
{
    int64_t next_id = 0, count = bench_scaled(1000, 5), start = 0;
    uintptr_t tree = map_new(LEVELS, 0, options, &next_id), copy = 0;
    for (int64_t i = -1; i < count; i++) {
        if (i == 0)
            start = bench_now_ns();
        arena_at = arena;
        copy_round++;
        copy = copy_slot(tree);
        __asm__ volatile("" : : "r"(copy) : "memory");
    }
    int64_t time = bench_now_ns() - start;
    bench_require(map_sum(copy) == map_sum(tree), "sum of the copy");
    bench_print(name, (double)time / (double)count);
}

static void tree_run(const char *name, int64_t parameter)
{
    arena = limit_memory(ARENA);
    if (strcmp(name, "tree-typed") == 0)
        typed_run(name, parameter);
    else
        maps_run(name, parameter);
}

const struct bench_workload tree_limits[] = {
    {"tree-typed", tree_run, 0},
    {"tree-maps", tree_run, MAPS},
    {"tree-shared", tree_run, SHARED},
    {"tree-cycle", tree_run, PARENTS},
    {NULL, NULL, 0},
};
