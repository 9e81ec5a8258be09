/* SPDX-License-Identifier: Apache-2.0 */
/* What CAF's workloads share; harness.hpp says what each does. */
#include "harness.hpp"

#include <fstream>

#include <sched.h>
#include <unistd.h>

namespace bench
{

static double setting(const char *name, double otherwise)
{
    const char *text = std::getenv(name);
    return text == nullptr ? otherwise : std::atof(text);
}

std::size_t threads()
{
    static const auto count = static_cast<std::size_t>(setting("BENCH_THREADS", 2));
    return count;
}

std::size_t scaled(std::size_t full, std::size_t least)
{
    static const double scale = setting("BENCH_SCALE", 1);
    auto count = static_cast<std::size_t>(static_cast<double>(full) * scale);
    return count < least ? least : count;
}

std::size_t resident()
{
    std::size_t total = 0;
    std::size_t pages = 0;
    std::ifstream{"/proc/self/statm"} >> total >> pages;
    return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void pin(unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu % static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN)), &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
        std::perror("sched_setaffinity");
        std::exit(1);
    }
}

void wrong(const char *what, std::uint64_t found, std::uint64_t expected)
{
    std::fprintf(stderr, "%s: %llu instead of %llu\n", what, static_cast<unsigned long long>(found),
                 static_cast<unsigned long long>(expected));
    std::_Exit(1);
}

void print_each(const char *name, duration elapsed, std::size_t count)
{
    std::printf("%s %.2f\n", name,
                static_cast<double>(elapsed.count()) / static_cast<double>(count));
}

void print_rate(const char *name, duration elapsed, std::size_t count)
{
    std::printf("%s %.0f\n", name,
                static_cast<double>(count) * 1e9 / static_cast<double>(elapsed.count()));
}

void print_bytes(const char *name, std::size_t bytes, std::size_t count)
{
    std::printf("%s %.1f\n", name, static_cast<double>(bytes) / static_cast<double>(count));
}

} // namespace bench
