/* SPDX-License-Identifier: Apache-2.0 */
/* What systems are made of that heal: a request to an actor that is started again when it has
 * ended, and a life whose end is told to who began it. */
#include "harness.hpp"
#include "workloads.hpp"

using namespace caf;

namespace bench
{

static behavior successor()
{
    return {[](std::uint64_t value) { return value + 1; }};
}

namespace
{

/* Monitors its one child, and starts it again. Tells who wants to know which one it is. */
class supervisor : public event_based_actor
{
  public:
    explicit supervisor(actor_config &config) : event_based_actor(config)
    {
    }

    behavior make_behavior() override
    {
        server_ = spawn<monitored>(successor);
        set_down_handler([this](const down_msg &) { server_ = spawn<monitored>(successor); });
        return {[this](get_atom) { return server_; }};
    }

    void on_exit() override
    {
        send_exit(server_, exit_reason::user_shutdown);
        server_ = nullptr;
    }

  private:
    actor server_;
};

class caller : public event_based_actor
{
  public:
    caller(actor_config &config, actor parent, std::size_t calls, duration *result)
        : event_based_actor(config), supervisor_(std::move(parent)), watch_(calls), result_(result)
    {
    }

    behavior make_behavior() override
    {
        set_default_handler(drop);
        set_down_handler([this](const down_msg &) { find(); });
        find();
        return {[](unit_t) {}};
    }

  private:
    /* The server; once that has ended, another one. */
    void find()
    {
        request(supervisor_, infinite, get_atom_v).await([this](const actor &server) {
            if (server == server_) {
                find();
                return;
            }
            server_ = server;
            call(0);
        });
    }

    void call(std::uint64_t value)
    {
        request(server_, infinite, value)
            .await(
                [this, value](std::uint64_t answer) {
                    check("answer", answer, value + 1);
                    if (is_over_) {
                        send_exit(supervisor_, exit_reason::user_shutdown);
                        quit();
                    } else if (watch_.again()) {
                        call(answer);
                    } else {
                        *result_ = watch_.elapsed();
                        is_over_ = true;
                        event_based_actor::monitor(server_);
                        send_exit(server_, exit_reason::kill);
                    }
                },
                [](const error &) { wrong("answered calls", 0, 1); });
    }

    actor supervisor_;
    actor server_;
    stopwatch watch_;
    duration *result_;
    bool is_over_ = false;
};

/* Without a behaviour an actor ends with its function. */
void life(event_based_actor *)
{
}

class monitor : public event_based_actor
{
  public:
    monitor(actor_config &config, std::size_t count, duration *result)
        : event_based_actor(config), watch_(count), result_(result)
    {
    }

    behavior make_behavior() override
    {
        self_ = actor{this};
        set_down_handler([this](const down_msg &down) {
            check("the end that was told", down.source.id(), expected_);
            check("an ordinary end", down.reason == exit_reason::normal, true);
            if (watch_.again()) {
                next();
            } else {
                *result_ = watch_.elapsed();
                self_ = nullptr;
                quit();
            }
        });
        next();
        return {[](unit_t) {}};
    }

  private:
    void next()
    {
        expected_ = spawn<monitored + hidden>(life).id();
    }

    stopwatch watch_;
    duration *result_;
    actor self_; /* whom nobody can reach ends */
    actor_id expected_ = 0;
};

} // namespace

void supervised_call()
{
    std::size_t count = scaled(200'000, 1'000);
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn<caller>(system.spawn<supervisor>(), count, &elapsed);
    });
    print_each("supervised-call", elapsed, count);
}

void monitor_down()
{
    std::size_t count = scaled(200'000, 1'000);
    duration elapsed{};
    run([&](actor_system &system) { system.spawn<monitor>(count, &elapsed); });
    print_each("monitor-down", elapsed, count);
}

} // namespace bench
