/* SPDX-License-Identifier: Apache-2.0 */
/* Few actors that wait for each other's small messages. */
#include "harness.hpp"
#include "workloads.hpp"

#include <algorithm>
#include <vector>

using namespace caf;

namespace bench
{

static behavior successor()
{
    return {[](std::uint64_t value) { return value + 1; }};
}

/* The same on a thread of its own, on one core. */
static behavior pinned_successor()
{
    pin(1);
    return successor();
}

namespace
{

class bouncer : public event_based_actor
{
  public:
    bouncer(actor_config &config, actor partner, std::size_t rounds, bool pinned, duration *result)
        : event_based_actor(config), partner_(std::move(partner)), watch_(rounds), pinned_(pinned),
          result_(result)
    {
    }

    behavior make_behavior() override
    {
        if (pinned_) {
            pin(0);
        }
        send(partner_, sent_);
        return {[this](std::uint64_t value) {
            check("answer", value, sent_ + 1);
            if (watch_.again()) {
                send(partner_, sent_ = value);
            } else {
                *result_ = watch_.elapsed();
                send_exit(partner_, exit_reason::user_shutdown);
                quit();
            }
        }};
    }

  private:
    actor partner_;
    stopwatch watch_;
    bool pinned_;
    duration *result_;
    std::uint64_t sent_ = 0;
};

} // namespace

void round_trip(const char *name, unsigned rounds)
{
    std::size_t count = scaled(rounds, 1'000);
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn<bouncer>(system.spawn(successor), count, false, &elapsed);
    });
    print_each(name, elapsed, count);
}

void round_trip_cores()
{
    std::size_t count = scaled(20'000, 200);
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn<bouncer, detached>(system.spawn<detached>(pinned_successor), count, true,
                                        &elapsed);
    });
    print_each("round-trip-cores", elapsed, count);
}

/* Two pairs at once; the slower one counts. */
void pairs()
{
    std::size_t count = scaled(250'000, 1'000);
    duration one{};
    duration other{};
    run([&](actor_system &system) {
        system.spawn<bouncer>(system.spawn(successor), count, false, &one);
        system.spawn<bouncer>(system.spawn(successor), count, false, &other);
    });
    print_each("pairs", std::max(one, other), count);
}

static behavior member(event_based_actor *self, const actor &next)
{
    return {[self, next](std::uint64_t token) { self->send(next, token + 1); }};
}

namespace
{

/* The ring's first member: makes the others, counts the laps. The token counts its hops. */
class starter : public event_based_actor
{
  public:
    starter(actor_config &config, std::size_t members, std::size_t laps, duration *result)
        : event_based_actor(config), members_(members), watch_(laps), result_(result)
    {
    }

    behavior make_behavior() override
    {
        actor next{this};
        for (std::size_t i = 1; i < members_; ++i) {
            next = spawn(member, next);
            all_.push_back(next);
        }
        send(next, hops_ + 1);
        return {[this](std::uint64_t token) {
            check("hops", token, hops_ += members_);
            if (watch_.again()) {
                send(all_.back(), token + 1);
            } else {
                *result_ = watch_.elapsed();
                quit();
            }
        }};
    }

    void on_exit() override
    {
        for (const actor &each : all_) {
            send_exit(each, exit_reason::user_shutdown);
        }
        all_.clear();
    }

  private:
    std::size_t members_;
    stopwatch watch_;
    duration *result_;
    std::uint64_t hops_ = 0;
    std::vector<actor> all_;
};

} // namespace

void ring(const char *name, unsigned members, unsigned laps)
{
    std::size_t count = scaled(laps, 10);
    duration elapsed{};
    run([&](actor_system &system) { system.spawn<starter>(members, count, &elapsed); });
    print_each(name, elapsed, count * members);
}

namespace
{

class caller : public event_based_actor
{
  public:
    caller(actor_config &config, actor server, std::size_t calls, duration *result)
        : event_based_actor(config), server_(std::move(server)), watch_(calls), result_(result)
    {
    }

    behavior make_behavior() override
    {
        set_default_handler(drop);
        call(0);
        return {[](unit_t) {}};
    }

  private:
    void call(std::uint64_t value)
    {
        request(server_, std::chrono::seconds(5), value)
            .await(
                [this, value](std::uint64_t answer) {
                    check("answer", answer, value + 1);
                    if (watch_.again()) {
                        call(answer);
                    } else {
                        *result_ = watch_.elapsed();
                        quit();
                    }
                },
                [](const error &) { wrong("calls in time", 0, 1); });
    }

    actor server_;
    stopwatch watch_;
    duration *result_;
};

} // namespace

void call_timeout()
{
    std::size_t count = scaled(200'000, 1'000);
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn<caller>(system.spawn(successor), count, &elapsed);
    });
    print_each("call-timeout", elapsed, count);
}

} // namespace bench
