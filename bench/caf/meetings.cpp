/* SPDX-License-Identifier: Apache-2.0 */
/* Many actors that each write to many: big (all ping all), chameneos (all meet at one mall). */
#include "harness.hpp"
#include "workloads.hpp"

#include <atomic>
#include <memory>
#include <vector>

using namespace caf;

namespace bench
{

using ping_atom = atom_constant<atom("ping")>;
using pong_atom = atom_constant<atom("pong")>;
using begin_atom = atom_constant<atom("begin")>;
using meet_atom = atom_constant<atom("meet")>;
using became_atom = atom_constant<atom("became")>;

/* All actors of a workload; they let go of it when they end, for it holds them. */
using crowd = std::shared_ptr<std::vector<actor>>;

static std::atomic<std::uint64_t> tally;

/* Ends every actor of `all`, the caller included. */
static void end(event_based_actor *self, const crowd &all)
{
    for (const actor &each : *all) {
        self->send_exit(each, exit_reason::user_shutdown);
    }
}

namespace
{

constexpr std::uint32_t pingers = 120;

/* Has one ping under way at a time; the last actor whose pings are all answered ends all. */
class pinger : public event_based_actor
{
  public:
    pinger(actor_config &config, crowd all, std::uint32_t id, std::size_t pings,
           std::shared_ptr<std::atomic<std::uint32_t>> unfinished)
        : event_based_actor(config), all_(std::move(all)), random_(id + 1), left_(pings),
          unfinished_(std::move(unfinished))
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](ping_atom) {
                ++answered_;
                return pong_atom::value;
            },
            [this](pong_atom) {
                if (--left_ > 0) {
                    ping();
                } else if (unfinished_->fetch_sub(1) == 1) {
                    end(this, all_);
                }
            },
            [this](begin_atom) { ping(); },
        };
    }

    void on_exit() override
    {
        tally.fetch_add(answered_);
        all_.reset();
    }

  private:
    /* Marsaglia's xorshift. */
    std::uint64_t random()
    {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return random_;
    }

    void ping()
    {
        send((*all_)[random() % pingers], ping_atom::value);
    }

    crowd all_;
    std::uint64_t random_;
    std::size_t left_;
    std::uint64_t answered_ = 0;
    std::shared_ptr<std::atomic<std::uint32_t>> unfinished_;
};

} // namespace

static duration ping_all(actor_system &system, std::size_t pings)
{
    tally = 0;
    auto all = std::make_shared<std::vector<actor>>();
    auto unfinished = std::make_shared<std::atomic<std::uint32_t>>(pingers);
    auto start = clock::now();
    for (std::uint32_t id = 0; id < pingers; ++id) {
        all->push_back(system.spawn<pinger, lazy_init>(all, id, pings, unfinished));
    }
    for (const actor &each : *all) {
        anon_send(each, begin_atom::value);
    }
    all.reset();
    system.await_all_actors_done();
    duration elapsed = clock::now() - start;
    check("pings answered", tally, pingers * pings);
    return elapsed;
}

void big(const char *name)
{
    std::size_t pings = scaled(20'000, 100);
    duration elapsed{};
    run([&](actor_system &system) {
        ping_all(system, pings / 10);
        elapsed = ping_all(system, pings);
    });
    print_each(name, elapsed, pingers * pings);
}

namespace
{

constexpr std::uint32_t creatures = 100;

enum : std::uint8_t { blue, red, yellow };

/* Two of a colour keep it; two different ones both take the third. */
constexpr std::uint8_t mixed(std::uint8_t one, std::uint8_t other)
{
    return static_cast<std::uint8_t>(one == other ? one : blue + red + yellow - one - other);
}

class creature : public event_based_actor
{
  public:
    creature(actor_config &config, crowd all, actor mall, std::uint32_t id)
        : event_based_actor(config), all_(std::move(all)), mall_(std::move(mall)), id_(id),
          colour_(static_cast<std::uint8_t>(id % 3))
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](begin_atom) { arrive(); },
            [this](meet_atom, std::uint32_t partner, std::uint8_t other) {
                colour_ = mixed(colour_, other);
                send((*all_)[partner], became_atom::value, colour_);
                ++met_;
                arrive();
            },
            [this](became_atom, std::uint8_t colour) {
                colour_ = colour;
                ++met_;
                arrive();
            },
        };
    }

    void on_exit() override
    {
        tally.fetch_add(met_);
        all_.reset();
        mall_ = nullptr;
    }

  private:
    void arrive()
    {
        send(mall_, meet_atom::value, id_, colour_);
    }

    crowd all_;
    actor mall_;
    std::uint32_t id_;
    std::uint8_t colour_;
    std::uint64_t met_ = 0;
};

/* Brings each two that arrive together; when all have come home it ends them and itself. */
class mall : public event_based_actor
{
  public:
    mall(actor_config &config, crowd all, std::size_t meetings)
        : event_based_actor(config), all_(std::move(all)), left_(meetings)
    {
    }

    behavior make_behavior() override
    {
        return {[this](meet_atom, std::uint32_t id, std::uint8_t colour) { meet(id, colour); }};
    }

    void on_exit() override
    {
        all_.reset();
    }

  private:
    void meet(std::uint32_t id, std::uint8_t colour)
    {
        if (left_ == 0) {
            if (++home_ == creatures) {
                end(this, all_);
                quit();
            }
        } else if (waiting_ == nobody) {
            waiting_ = id;
        } else {
            --left_;
            send((*all_)[waiting_], meet_atom::value, id, colour);
            waiting_ = nobody;
        }
    }

    static constexpr std::uint32_t nobody = creatures;

    crowd all_;
    std::size_t left_;
    std::uint32_t home_ = 0;
    std::uint32_t waiting_ = nobody;
};

} // namespace

static duration meet_all(actor_system &system, std::size_t meetings)
{
    tally = 0;
    auto all = std::make_shared<std::vector<actor>>();
    auto start = clock::now();
    actor place = system.spawn<mall, lazy_init>(all, meetings);
    for (std::uint32_t id = 0; id < creatures; ++id) {
        all->push_back(system.spawn<creature, lazy_init>(all, place, id));
    }
    for (const actor &each : *all) {
        anon_send(each, begin_atom::value);
    }
    all.reset();
    place = nullptr;
    system.await_all_actors_done();
    duration elapsed = clock::now() - start;
    check("meetings, seen from both sides", tally, 2 * meetings);
    return elapsed;
}

void chameneos(const char *name)
{
    std::size_t meetings = scaled(200'000, 1'000);
    duration elapsed{};
    run([&](actor_system &system) {
        meet_all(system, meetings / 10);
        elapsed = meet_all(system, meetings);
    });
    print_each(name, elapsed, meetings);
}

} // namespace bench
