/* SPDX-License-Identifier: Apache-2.0 */
/* C++ with destructors: errors, kill and exit pass through it as exceptions, so that what an object
 * holds is given back however its isolate ends. */
#include <isle.hpp>

#include <cstdio>
#include <sstream>
#include <string>

namespace
{

class workshop
{
  public:
    explicit workshop(const char *owner) : owner_(owner)
    {
        std::printf("%s has the workshop\n", owner_.c_str());
    }
    ~workshop()
    {
        std::printf("%s gives it back\n", owner_.c_str());
    }
    workshop(const workshop &) = delete;
    workshop &operator=(const workshop &) = delete;

  private:
    std::string owner_;
};

/* Containers and exceptions of C++ inside, values of Isle at the edge. */
isle_value count_words(isle_value text)
{
    std::istringstream words(isle::insist([&] { return isle_as_string(text); }));
    std::string word;
    int64_t count = 0;
    while (words >> word)
        count++;
    if (count == 0)
        throw std::invalid_argument("nothing to count");
    return isle::insist([&] { return isle_int(count); });
}

/* Is killed while it waits. */
void wait_for_work(isle_value ready)
{
    workshop mine("the worker");
    isle::insist([&] {
        isle_receive_port *orders = isle_port_open();
        isle_send(isle_as_port(ready), isle_null());
        isle_port_receive(orders);
    });
}

int64_t words_of(const std::string &text)
{
    return isle::insist([&] {
        isle_value argument = isle_string(text.c_str());
        return isle_as_int(isle_await(isle_run(isle::computation<count_words>, argument, nullptr)));
    });
}

void kill_a_worker()
{
    isle::insist([] {
        isle_receive_port *ready = isle_port_open(), *exits = isle_port_open();
        isle_options options = {};
        options.on_exit = isle_port_send_port(exits);
        isle_isolate worker =
            isle_spawn(isle::entry<wait_for_work>, isle_port_value(ready), &options);
        isle_port_receive(ready);
        isle_kill(worker, ISLE_IMMEDIATE);
        isle_port_receive(exits);
        isle_port_close(ready);
        isle_port_close(exits);
    });
    std::puts("the worker has ended");
}

int run(int, char **)
{
    std::printf("words: %d\n", static_cast<int>(words_of("one two three four")));
    try {
        words_of("   ");
    } catch (const isle::error &error) {
        std::printf("%s: %s\n", isle_err_name(error.code()), error.what());
    }
    kill_a_worker();
    return 0;
}

} // namespace

ISLE_MAIN(isle::app<run>);
