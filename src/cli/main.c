/* SPDX-License-Identifier: Apache-2.0 */
/* The `isle` command: finds the subcommand and calls it. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "isle/program.h"

static const char main_help[] =
    "Usage: isle COMMAND [ARGUMENT...]\n"
    "       isle help [COMMAND]\n"
    "       isle --version\n"
    "\n"
    "Commands:\n"
    "  check    list the writable globals of object files, which isolates on threads would share\n"
    "  explore  run a program under many seeds until one fails\n"
    "  run      run a plug-in in a sandboxed isolate\n"
    "  help     tell about a command\n"
    "\n"
    "Exit status: 0 asked and found nothing, 1 found something, 2 bad usage or an unreadable "
    "file;\n"
    "of run: 'isle help run'.\n";

static const struct main_command {
    const char *name;
    enum cli_status (*run)(int argc, char **argv);
    const char *help;
} main_commands[] = {
    {"check", isle__cli_check, isle__cli_check_help},
    {"explore", isle__cli_explore, isle__cli_explore_help},
    {"run", isle__cli_run, isle__cli_run_help},
};

enum cli_status isle__cli_trouble(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("isle: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return CLI_TROUBLE;
}

static const struct main_command *main_find(const char *name)
{
    for (size_t i = 0; i < sizeof main_commands / sizeof main_commands[0]; i++) {
        if (strcmp(name, main_commands[i].name) == 0)
            return &main_commands[i];
    }
    isle__cli_trouble("no command '%s'; 'isle help' lists them", name);
    return NULL;
}

static enum cli_status main_tell(int argc, char **argv)
{
    if (argc > 2)
        return isle__cli_trouble("help takes one command");
    const struct main_command *command = argc == 2 ? main_find(argv[1]) : NULL;
    if (argc == 2 && command == NULL)
        return CLI_TROUBLE;
    fputs(command != NULL ? command->help : main_help, stdout);
    return CLI_CLEAN;
}

static enum cli_status main_run(int argc, char **argv)
{
    if (argc < 2) {
        fputs(main_help, stderr);
        return CLI_TROUBLE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("isle %d.%d\n", ISLE_VERSION_MAJOR, ISLE_VERSION_MINOR);
        return CLI_CLEAN;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return main_tell(argc - 1, argv + 1);
    const struct main_command *command = main_find(argv[1]);
    return command != NULL ? command->run(argc - 1, argv + 1) : CLI_TROUBLE;
}

int main(int argc, char **argv)
{
    isle_child_main(argc, argv);
    enum cli_status status = main_run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout))
        return (int)isle__cli_trouble("cannot write the output");
    return (int)status;
}
