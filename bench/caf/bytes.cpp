/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that carry data: an echo of bytes, copied or moved, and a tree. */
#include "harness.hpp"
#include "workloads.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

using namespace caf;

/* A number, a short string, the children. */
struct tree {
    std::uint64_t number = 0;
    std::string name;
    std::vector<tree> children;
};

using bytes = std::vector<unsigned char>;

/* They never leave the process: no serialisation. */
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bytes)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tree)

namespace bench
{

/*
 * Answers with a copy of what came. What came is the buffer of the next copy, so that no round
 * allocates; a message that nobody else holds may be taken.
 */
static behavior copier(event_based_actor *self, std::size_t size)
{
    self->set_default_handler(drop);
    return {[self, spare = bytes(size)](bytes &came) mutable {
        std::copy(came.begin(), came.end(), spare.begin());
        std::swap(spare, came);
        self->send(actor_cast<actor>(self->current_sender()), std::move(came));
    }};
}

static behavior mover(event_based_actor *self)
{
    return {[self](bytes &came) {
        self->send(actor_cast<actor>(self->current_sender()), std::move(came));
    }};
}

static bytes pattern(std::size_t size)
{
    bytes result(size);
    for (std::size_t i = 0; i < size; ++i) {
        result[i] = static_cast<unsigned char>(i * 7 + i / 256);
    }
    return result;
}

namespace
{

/* The round's number travels in the first bytes, so that no old answer passes for a new one. */
class echoer : public event_based_actor
{
  public:
    echoer(actor_config &config, actor partner, std::size_t size, std::size_t rounds, bool copied,
           duration *result)
        : event_based_actor(config), partner_(std::move(partner)), original_(pattern(size)),
          watch_(rounds), copied_(copied), result_(result)
    {
    }

    behavior make_behavior() override
    {
        bytes first = original_;
        ask(first);
        return {[this](bytes &came) {
            std::uint64_t round = 0;
            std::memcpy(&round, came.data(), sizeof round);
            check("round", round, round_);
            if (watch_.again()) {
                ask(came);
            } else {
                finish(came);
            }
        }};
    }

  private:
    void ask(bytes &buffer)
    {
        ++round_;
        if (copied_) {
            std::memcpy(original_.data(), &round_, sizeof round_);
            std::copy(original_.begin(), original_.end(), buffer.begin());
        } else {
            std::memcpy(buffer.data(), &round_, sizeof round_);
        }
        send(partner_, std::move(buffer));
    }

    void finish(const bytes &last)
    {
        *result_ = watch_.elapsed();
        bytes expected = pattern(original_.size());
        check("size", last.size(), expected.size());
        check("bytes", std::equal(last.begin() + 8, last.end(), expected.begin() + 8), true);
        send_exit(partner_, exit_reason::user_shutdown);
        quit();
    }

    actor partner_;
    bytes original_;
    stopwatch watch_;
    bool copied_;
    duration *result_;
    std::uint64_t round_ = 0;
};

} // namespace

void echo_copy(const char *name, unsigned size, unsigned rounds)
{
    std::size_t count = scaled(rounds, 4);
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn<echoer>(system.spawn(copier, std::size_t{size}), std::size_t{size}, count,
                             true, &elapsed);
    });
    print_each(name, elapsed, count);
}

void echo_move(const char *name, unsigned size, unsigned rounds)
{
    std::size_t count = scaled(rounds, 4);
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn<echoer>(system.spawn(mover), std::size_t{size}, count, false, &elapsed);
    });
    print_each(name, elapsed, count);
}

static constexpr std::uint64_t nodes = 11'111;

/* 10,000 leaves under 1,000, 100, 10 and one node, numbered in the order of their making. */
static tree grow(unsigned level, std::uint64_t &last)
{
    tree result;
    result.number = ++last;
    result.name = "n" + std::to_string(result.number);
    if (level < 4) {
        result.children.reserve(10);
        for (unsigned i = 0; i < 10; ++i) {
            result.children.push_back(grow(level + 1, last));
        }
    }
    return result;
}

static std::uint64_t sum(const tree &node)
{
    std::uint64_t result = node.name == "n" + std::to_string(node.number) ? node.number : 0;
    for (const tree &child : node.children) {
        result += sum(child);
    }
    return result;
}

/* Acknowledges the root's number; sums the tree at a wish, outside what is timed. */
static behavior tree_receiver(event_based_actor *self, bool *wish)
{
    return {[self, wish](const tree &came) -> std::uint64_t {
        if (*wish) {
            check("sum of the nodes", sum(came), nodes * (nodes + 1) / 2);
            self->quit();
        }
        return came.number;
    }};
}

namespace
{

class tree_sender : public event_based_actor
{
  public:
    tree_sender(actor_config &config, actor partner, std::size_t rounds, bool *wish,
                duration *result)
        : event_based_actor(config), partner_(std::move(partner)), watch_(rounds), wish_(wish),
          result_(result)
    {
        std::uint64_t last = 0;
        tree_ = grow(0, last);
    }

    behavior make_behavior() override
    {
        send(partner_, tree_);
        return {[this](std::uint64_t root) {
            check("root", root, 1);
            if (*wish_) {
                quit();
            } else if (watch_.again()) {
                send(partner_, tree_);
            } else {
                *result_ = watch_.elapsed();
                *wish_ = true;
                send(partner_, tree_);
            }
        }};
    }

  private:
    actor partner_;
    tree tree_;
    stopwatch watch_;
    bool *wish_;
    duration *result_;
};

} // namespace

void tree_typed()
{
    std::size_t count = scaled(2'000, 10);
    bool wish = false;
    duration elapsed{};
    run([&](actor_system &system) {
        system.spawn<tree_sender>(system.spawn(tree_receiver, &wish), count, &wish, &elapsed);
    });
    print_each("tree-typed", elapsed, count);
}

} // namespace bench
