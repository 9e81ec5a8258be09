/* SPDX-License-Identifier: Apache-2.0 */
/* Actors that come and go: alone, in bursts, with a message each, as trees. */
#include "harness.hpp"
#include "workloads.hpp"

#include <atomic>

using namespace caf;

namespace bench
{

/* Without a behaviour an actor ends with its function. */
static void reply_and_end(event_based_actor *self, const actor &parent, std::uint64_t value)
{
    self->send(parent, value);
}

namespace
{

class spawner : public event_based_actor
{
  public:
    spawner(actor_config &config, std::size_t count, duration *result)
        : event_based_actor(config), watch_(count), result_(result)
    {
    }

    behavior make_behavior() override
    {
        next();
        return {[this](std::uint64_t value) {
            check("reply", value, spawned_);
            if (watch_.again()) {
                next();
            } else {
                *result_ = watch_.elapsed();
                quit();
            }
        }};
    }

  private:
    void next()
    {
        system().spawn<hidden>(reply_and_end, actor{this}, ++spawned_);
    }

    stopwatch watch_;
    duration *result_;
    std::uint64_t spawned_ = 0;
};

class burster : public event_based_actor
{
  public:
    burster(actor_config &config, std::size_t count, duration *cold, duration *again)
        : event_based_actor(config), count_(count), results_{cold, again}
    {
    }

    behavior make_behavior() override
    {
        burst();
        return {[this](std::uint64_t value) {
            sum_ += value;
            if (++received_ == count_) {
                finish();
            }
        }};
    }

  private:
    void burst()
    {
        start_ = clock::now();
        sum_ = received_ = 0;
        actor parent{this};
        for (std::size_t i = 0; i < count_; ++i) {
            system().spawn<hidden>(reply_and_end, parent, std::uint64_t{i});
        }
    }

    void finish()
    {
        *results_[round_] = clock::now() - start_;
        check("sum of the replies", sum_, count_ * (count_ - 1) / 2);
        if (++round_ == 2) {
            quit();
        } else {
            burst();
        }
    }

    std::size_t count_;
    duration *results_[2];
    std::size_t round_ = 0;
    std::size_t received_ = 0;
    std::uint64_t sum_ = 0;
    clock::time_point start_;
};

} // namespace

void spawn()
{
    std::size_t count = scaled(200'000, 1'000);
    duration elapsed{};
    run([&](actor_system &system) { system.spawn<spawner>(count, &elapsed); });
    print_each("spawn", elapsed, count);
}

/* The first time in memory never touched, the second time in memory that the first left behind. */
void spawn_burst()
{
    std::size_t count = scaled(200'000, 1'000);
    duration cold{};
    duration again{};
    run([&](actor_system &system) { system.spawn<burster>(count, &cold, &again); });
    print_each("spawn-burst", cold, count);
    print_each("spawn-again", again, count);
}

static std::atomic<std::uint64_t> created_sum;

static behavior one_message(event_based_actor *self)
{
    return {[self](std::uint64_t value) {
        created_sum.fetch_add(value, std::memory_order_relaxed);
        self->quit();
    }};
}

static void create_all(event_based_actor *self, std::size_t count)
{
    for (std::size_t i = 0; i < count; ++i) {
        self->send(self->spawn<lazy_init>(one_message), std::uint64_t{i});
    }
}

void fork_join_create(const char *name)
{
    std::size_t count = scaled(40'000, 1'000);
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn(create_all, count / 10);
        system.await_all_actors_done();
        created_sum = 0;
        auto start = clock::now();
        system.spawn(create_all, count);
        system.await_all_actors_done();
        elapsed = clock::now() - start;
    });
    check("sum of the messages", created_sum, count * (count - 1) / 2);
    print_each(name, elapsed, count);
}

namespace
{

constexpr std::uint64_t fan_out = 10;

/* Spawns ten children, adds up what they tell and tells its parent. */
class node : public event_based_actor
{
  public:
    node(actor_config &config, actor parent, std::uint64_t first, std::uint64_t leaves)
        : event_based_actor(config), parent_(std::move(parent)), first_(first), leaves_(leaves)
    {
    }

    behavior make_behavior() override
    {
        std::uint64_t share = leaves_ / fan_out;
        actor self{this};
        for (std::uint64_t i = 0; i < fan_out; ++i) {
            if (share == 1) {
                system().spawn<hidden>(reply_and_end, self, first_ + i);
            } else {
                system().spawn<node, hidden>(self, first_ + i * share, share);
            }
        }
        return {[this](std::uint64_t value) {
            sum_ += value;
            if (--missing_ == 0) {
                send(parent_, sum_);
                quit();
            }
        }};
    }

  private:
    actor parent_;
    std::uint64_t first_;
    std::uint64_t leaves_;
    std::uint64_t missing_ = fan_out;
    std::uint64_t sum_ = 0;
};

/* A number's two predecessors are children; the first two numbers are 1. */
class fibber : public event_based_actor
{
  public:
    fibber(actor_config &config, actor parent, unsigned n)
        : event_based_actor(config), parent_(std::move(parent)), n_(n)
    {
    }

    behavior make_behavior() override
    {
        if (n_ <= 2) {
            send(parent_, std::uint64_t{1});
            return {};
        }
        actor self{this};
        system().spawn<fibber, hidden>(self, n_ - 1);
        system().spawn<fibber, hidden>(self, n_ - 2);
        return {[this](std::uint64_t value) {
            sum_ += value;
            if (--missing_ == 0) {
                send(parent_, sum_);
                quit();
            }
        }};
    }

  private:
    actor parent_;
    unsigned n_;
    unsigned missing_ = 2;
    std::uint64_t sum_ = 0;
};

} // namespace

/* Waits for the one number that the tree under it yields. */
static behavior await_sum(event_based_actor *self, std::uint64_t *sum)
{
    return {[self, sum](std::uint64_t value) {
        *sum = value;
        self->quit();
    }};
}

void skynet()
{
    std::uint64_t leaves = 1'000'000;
    while (leaves > scaled(1'000'000, 1'000)) {
        leaves /= fan_out;
    }
    std::uint64_t sum = 0;
    duration elapsed{};
    run([&](actor_system &system) {
        auto start = clock::now();
        system.spawn<node>(system.spawn(await_sum, &sum), 0u, leaves);
        system.await_all_actors_done();
        elapsed = clock::now() - start;
    });
    check("sum of the ordinals", sum, leaves * (leaves - 1) / 2);
    print_each("skynet", elapsed, leaves);
}

void fibonacci()
{
    constexpr unsigned n = 25;
    constexpr std::uint64_t expected = 75'025;
    std::uint64_t sum = 0;
    duration elapsed{};
    run([&](actor_system &system) {
        auto start = clock::now();
        system.spawn<fibber>(system.spawn(await_sum, &sum), n);
        system.await_all_actors_done();
        elapsed = clock::now() - start;
    });
    check("the number", sum, expected);
    print_each("savina-fib", elapsed, 2 * expected - 1);
}

} // namespace bench
