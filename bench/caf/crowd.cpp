/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages one way: many senders to one receiver, one sender to many.
 *
 * Mailboxes are unbounded, so senders go by credit: after a batch they wait for the receiver's
 * word. The queues stay in the cache and their elements are allocated again.
 */
#include "harness.hpp"
#include "workloads.hpp"

#include <algorithm>
#include <vector>

using namespace caf;

namespace bench
{

using more_atom = atom_constant<atom("more")>;

static constexpr std::uint32_t batch = 500;

namespace
{

class producer : public event_based_actor
{
  public:
    producer(actor_config &config, actor receiver, std::uint32_t id, std::uint32_t each)
        : event_based_actor(config), receiver_(std::move(receiver)), id_(id), each_(each)
    {
    }

    behavior make_behavior() override
    {
        send_batch();
        return {[this](more_atom) { send_batch(); }};
    }

  private:
    void send_batch()
    {
        std::uint32_t end = std::min(sent_ + batch, each_);
        while (sent_ < end) {
            send(receiver_, id_, ++sent_);
        }
        if (sent_ == each_) {
            quit();
        }
    }

    actor receiver_;
    std::uint32_t id_;
    std::uint32_t each_;
    std::uint32_t sent_ = 0;
};

/* Numbers of one sender come in order. */
class receiver : public event_based_actor
{
  public:
    receiver(actor_config &config, std::size_t senders, std::uint32_t each, duration *result)
        : event_based_actor(config), each_(each), missing_(senders * each), last_(senders),
          result_(result)
    {
    }

    behavior make_behavior() override
    {
        start_ = clock::now();
        actor self{this};
        for (std::uint32_t id = 0; id < last_.size(); ++id) {
            system().spawn<producer, hidden>(self, id, each_);
        }
        return {[this](std::uint32_t id, std::uint32_t number) {
            check("number in order", number, ++last_[id]);
            if (--missing_ == 0) {
                *result_ = clock::now() - start_;
                quit();
            } else if (number % batch == 0 && number != each_) {
                send(actor_cast<actor>(current_sender()), more_atom::value);
            }
        }};
    }

  private:
    std::uint32_t each_;
    std::size_t missing_;
    std::vector<std::uint32_t> last_;
    duration *result_;
    clock::time_point start_;
};

} // namespace

void gather(const char *name, unsigned senders, unsigned each)
{
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn<receiver>(std::size_t{senders}, std::max(each / 10, 1u), &elapsed);
        system.await_all_actors_done();
        system.spawn<receiver>(std::size_t{senders}, each, &elapsed);
    });
    print_rate(name, elapsed, std::size_t{senders} * each);
}

namespace
{

constexpr std::size_t receivers = 60;

/* Adds up `each` messages, tells the sum and ends. */
class adder : public event_based_actor
{
  public:
    adder(actor_config &config, actor parent, std::uint64_t each)
        : event_based_actor(config), parent_(std::move(parent)), missing_(each)
    {
    }

    behavior make_behavior() override
    {
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
    std::uint64_t missing_;
    std::uint64_t sum_ = 0;
};

/* Gives every receiver a message in turn; lets them run now and then by a message to itself. */
class scatterer : public event_based_actor
{
  public:
    scatterer(actor_config &config, std::uint64_t each, duration *result)
        : event_based_actor(config), each_(each), result_(result)
    {
    }

    behavior make_behavior() override
    {
        start_ = clock::now();
        for (std::size_t i = 0; i < receivers; ++i) {
            receivers_.push_back(spawn<adder>(actor{this}, each_));
        }
        send(this, more_atom::value);
        return {[this](more_atom) { scatter(); }, [this](std::uint64_t sum) { join(sum); }};
    }

  private:
    void scatter()
    {
        std::uint64_t end = std::min(sent_ + rounds, each_);
        for (; sent_ < end; ++sent_) {
            for (const actor &each : receivers_) {
                send(each, sent_);
            }
        }
        if (sent_ < each_) {
            send(this, more_atom::value);
        }
    }

    void join(std::uint64_t sum)
    {
        check("sum of the messages", sum, each_ * (each_ - 1) / 2);
        if (++joined_ == receivers) {
            *result_ = clock::now() - start_;
            quit();
        }
    }

    static constexpr std::uint64_t rounds = 50;

    std::uint64_t each_;
    std::uint64_t sent_ = 0;
    std::size_t joined_ = 0;
    std::vector<actor> receivers_;
    duration *result_;
    clock::time_point start_;
};

} // namespace

void fork_join(const char *name)
{
    std::uint64_t each = scaled(10'000, 1'000);
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn<scatterer>(each / 10, &elapsed);
        system.await_all_actors_done();
        system.spawn<scatterer>(each, &elapsed);
    });
    print_rate(name, elapsed, receivers * each);
}

void count()
{
    std::uint32_t messages = static_cast<std::uint32_t>(scaled(1'000'000, 10'000));
    gather("savina-count", 1, messages);
}

} // namespace bench
