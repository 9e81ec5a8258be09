/* SPDX-License-Identifier: Apache-2.0 */
/* Many actors alive: their resident bytes, and a million of them. */
#include "harness.hpp"
#include "workloads.hpp"

#include <atomic>
#include <memory>
#include <vector>

using namespace caf;

using bytes = std::vector<unsigned char>;

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bytes)

namespace bench
{

using ping_atom = atom_constant<atom("ping")>;

static constexpr std::size_t reply_size = 1'024;

/* Its state is one number on the heap. */
static behavior idle_actor()
{
    return {[pings = std::make_shared<std::uint32_t>(0)](ping_atom) {
        ++*pings;
        return bytes(reply_size, static_cast<unsigned char>(*pings));
    }};
}

namespace
{

/* Spawns and asks one at a time, then ends all. */
class asker : public event_based_actor
{
  public:
    asker(actor_config &config, std::size_t count, std::size_t *result)
        : event_based_actor(config), count_(count), result_(result)
    {
        all_.reserve(count);
    }

    behavior make_behavior() override
    {
        before_ = resident();
        next();
        return {[this](const bytes &reply) {
            check("reply", reply.size() + reply.back(), reply_size + 1);
            if (all_.size() < count_) {
                next();
            } else {
                *result_ = resident() - before_;
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
    void next()
    {
        all_.push_back(spawn(idle_actor));
        send(all_.back(), ping_atom::value);
    }

    std::size_t count_;
    std::size_t *result_;
    std::size_t before_ = 0;
    std::vector<actor> all_;
};

} // namespace

void memory_idle()
{
    std::size_t count = scaled(100'000, 1'000);
    std::size_t used = 0;
    run([&](actor_system &system) { system.spawn<asker>(count, &used); });
    print_bytes("memory-idle", used, count);
}

static std::atomic<std::size_t> entered;

static behavior bare_actor()
{
    entered.fetch_add(1);
    return {[](ping_atom) {}};
}

void memory_bare()
{
    std::size_t count = scaled(100'000, 1'000);
    std::size_t used = 0;
    run([&](actor_system &system) {
        std::vector<actor> all;
        all.reserve(count);
        std::size_t before = resident();
        for (std::size_t i = 0; i < count; ++i) {
            all.push_back(system.spawn(bare_actor));
        }
        while (entered.load() < count) {
            std::this_thread::yield();
        }
        used = resident() - before;
    });
    print_bytes("memory-bare", used, count);
}

static behavior answerer()
{
    return {[](std::uint64_t value) { return value; }};
}

namespace
{

/* All are alive before the first ping is sent. */
class millionaire : public event_based_actor
{
  public:
    millionaire(actor_config &config, std::size_t count, duration *elapsed, std::size_t *used)
        : event_based_actor(config), count_(count), elapsed_(elapsed), used_(used)
    {
        all_.reserve(count);
    }

    behavior make_behavior() override
    {
        before_ = resident();
        start_ = clock::now();
        for (std::size_t i = 0; i < count_; ++i) {
            all_.push_back(system().spawn<hidden>(answerer));
        }
        for (std::size_t i = 0; i < count_; ++i) {
            send(all_[i], std::uint64_t{i});
        }
        return {[this](std::uint64_t value) {
            sum_ += value;
            if (++pongs_ == count_) {
                finish();
            }
        }};
    }

  private:
    void finish()
    {
        *elapsed_ = clock::now() - start_;
        *used_ = resident() - before_;
        check("sum of the pongs", sum_, count_ * (count_ - 1) / 2);
        quit();
    }

    std::size_t count_;
    duration *elapsed_;
    std::size_t *used_;
    std::size_t before_ = 0;
    std::size_t pongs_ = 0;
    std::uint64_t sum_ = 0;
    clock::time_point start_;
    std::vector<actor> all_;
};

} // namespace

void million()
{
    std::size_t count = scaled(1'000'000, 10'000);
    duration elapsed{};
    std::size_t used = 0;
    run([&](actor_system &system) { system.spawn<millionaire>(count, &elapsed, &used); });
    print_each("million", elapsed, count);
    print_bytes("million-bytes", used, count);
}

} // namespace bench
