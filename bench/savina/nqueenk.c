/* SPDX-License-Identifier: Apache-2.0 */
/* Savina 29, N Queens: all ways to put 12 queens on a board of 12 x 12, by a master and 20 workers.
 * A task is a board whose first rows are filled. Below row 4 a worker reports the boards with one
 * queen more, from there on it finds all solutions itself. Operation: a solution.
 *
 * Nothing is shared in the original. Its workers send a message for each solution; ours count them
 * and tell the count with the report that the task is done. The master stops handing out tasks when
 * 1,500,000 solutions are known, as there. The suite's ten priorities order the mailboxes of
 * systems that have such; messages of Isle come in the order sent, and so boards are tried.
 *
 * Checked against the known counts, 14,200 for 12 queens. */
#include "savina.h"

enum { QUEENS = 12, THRESHOLD = 4, WORKERS = 20, SOLUTIONS_LIMIT = 1500000 };

/* A board: bit i of a mask tells that column i of the next row is attacked: from above, from the
 * upper left, from the upper right. */
struct board {
    int64_t size;
    int64_t row;
    uint64_t columns, rightward, leftward;
};
ISLE_TYPE(board_type, struct board, ISLE_FIELD(struct board, size), ISLE_FIELD(struct board, row),
          ISLE_FIELD(struct board, columns), ISLE_FIELD(struct board, rightward),
          ISLE_FIELD(struct board, leftward));

/* What became of a task: solutions, or boards with one queen more. */
struct report {
    int64_t solutions;
    struct board *boards;
    int64_t board_count;
};
ISLE_TYPE(report_type, struct report, ISLE_FIELD(struct report, solutions),
          ISLE_FIELD_STRUCTS(struct report, boards, board_count, &board_type),
          ISLE_FIELD(struct report, board_count));

/* Columns of the next row where a queen may stand. */
static uint64_t board_free(const struct board *board)
{
    uint64_t all = (UINT64_C(1) << board->size) - 1;
    return all & ~(board->columns | board->rightward | board->leftward);
}

static struct board board_with(const struct board *board, uint64_t queen)
{
    struct board next = *board;
    next.row++;
    next.columns |= queen;
    next.rightward = (board->rightward | queen) << 1;
    next.leftward = (board->leftward | queen) >> 1;
    return next;
}

static int64_t board_solutions(const struct board *board)
{
    if (board->row == board->size)
        return 1;
    int64_t solutions = 0;
    for (uint64_t places = board_free(board); places != 0; places &= places - 1) {
        struct board next = board_with(board, places & -places);
        solutions += board_solutions(&next);
    }
    return solutions;
}

/* Works on a board; null is the end. */
static void worker_take(isle_value message, void *context)
{
    if (isle_is_null(message)) {
        isle_port_close(isle_default_port());
        return;
    }
    const isle_send_port *master = context;
    const struct board *board = isle_as_object(message, &board_type);
    struct board boards[QUEENS];
    struct report report = {.boards = boards};
    if (board->row < THRESHOLD)
        for (uint64_t places = board_free(board); places != 0; places &= places - 1)
            boards[report.board_count++] = board_with(board, places & -places);
    else
        report.solutions = board_solutions(board);
    isle_send_object(*master, &report_type, &report);
}

static void worker_main(isle_value message)
{
    isle_send_port *master = isle_new(isle_send_port);
    *master = isle_as_port(message);
    isle_port_listen(isle_default_port(), worker_take, master);
}

struct master {
    isle_send_port workers[WORKERS];
    int64_t handed_out, done;
    int64_t solutions;
};

static void master_hand_out(struct master *master, const struct board *board)
{
    isle_send_object(master->workers[master->handed_out++ % WORKERS], &board_type, board);
}

static void master_take(struct master *master, const struct report *report)
{
    master->solutions += report->solutions;
    master->done++;
    for (int64_t i = 0; i < report->board_count && master->solutions < SOLUTIONS_LIMIT; i++)
        master_hand_out(master, &report->boards[i]);
}

/* One queen fewer for each quarter of the scale. */
static int64_t board_size(void)
{
    int64_t size = QUEENS;
    for (int64_t percent = savina_size(100, 1); percent < 100 && size > 6; percent *= 4)
        size--;
    return size;
}

static isle_value run(void)
{
    struct master master = {0};
    isle_receive_port *reports = isle_port_open();
    for (int i = 0; i < WORKERS; i++)
        master.workers[i] = isle_spawn(worker_main, isle_port_value(reports), NULL).default_port;

    master_hand_out(&master, &(struct board){.size = board_size()});
    while (master.done < master.handed_out) {
        ISLE_SCOPE;
        master_take(&master, isle_as_object(isle_port_receive(reports), &report_type));
    }
    for (int i = 0; i < WORKERS; i++)
        isle_send(master.workers[i], isle_null());
    isle_port_close(reports);
    return isle_int(master.solutions);
}

static int64_t verify(isle_value outcome)
{
    static const int64_t known[QUEENS + 1] = {1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200};
    int64_t solutions = isle_as_int(outcome), expected = known[board_size()];
    savina_expect(solutions == expected, "%" PRId64 " solutions, not %" PRId64, solutions,
                  expected);
    return solutions;
}

SAVINA_PROGRAM(.name = "nqueenk", .run = run, .verify = verify);
