#include "gateway/mailbox.hpp"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

using namespace gw;

namespace {

CrossBatch batch_of(std::string_view topic) {
    CrossBatch batch;
    batch.push_back({Message::create({.topic = topic,
                                      .payload = {},
                                      .properties = {},
                                      .qos = Qos::at_least_once,
                                      .retain = false,
                                      .arrival = {},
                                      .expires_at = never,
                                      .publisher = {}}),
                     nullptr,
                     nullptr,
                     {},
                     {}});
    return batch;
}

void post(Mailbox& mailbox, std::uint32_t from, std::string_view topic, StoreTicket ticket = 0) {
    CrossBatch batch = batch_of(topic);
    mailbox.post(from, batch, ticket);
    CHECK(batch.empty());
}

/// "1: a b (5), 0: c": who it is from, what it is, and its ticket.
std::string text_of(const std::vector<Mailbox::Letter>& letters) {
    std::string text;
    for (const Mailbox::Letter& letter : letters) {
        text += (text.empty() ? "" : ", ") + std::to_string(letter.from) + ":";
        for (const CrossDelivery& item : letter.items) {
            text += " " + std::string{item.message->topic()};
        }
        text += letter.ticket != 0 ? " (" + std::to_string(letter.ticket) + ")" : "";
    }
    return text;
}

}  // namespace

TEST_CASE("what several workers post comes in the order of posting") {
    Mailbox mailbox;
    std::vector<Mailbox::Letter> taken;
    mailbox.take(taken);
    CHECK(text_of(taken) == "");
    // A client whose first message was acknowledged comes back by another worker.
    post(mailbox, 2, "a");
    post(mailbox, 1, "b");
    post(mailbox, 2, "c");
    mailbox.take(taken);
    CHECK(text_of(taken) == "2: a, 1: b, 2: c");
    mailbox.take(taken);
    CHECK(text_of(taken) == "");
}

TEST_CASE("batches of one worker are joined, and keep the last ticket") {
    Mailbox mailbox;
    std::vector<Mailbox::Letter> taken;
    for (int round = 0; round < 3; ++round) {  // also with memory that is used again
        post(mailbox, 1, "a", 5);
        post(mailbox, 1, "b");
        post(mailbox, 1, "c", 6);
        post(mailbox, 0, "d");
        post(mailbox, 0, "e");
        post(mailbox, 1, "f");
        mailbox.take(taken);
        CHECK(text_of(taken) == "1: a b c (6), 0: d e, 1: f");
    }
}

TEST_CASE("nothing is lost between threads, and each one's order is kept") {
    constexpr std::uint32_t worker_count = 3;
    constexpr int count = 2000;
    Mailbox mailbox;
    std::vector<std::thread> threads;
    for (std::uint32_t from = 0; from < worker_count; ++from) {
        threads.emplace_back([&mailbox, from] {
            for (int i = 0; i < count; ++i) {
                CrossBatch batch = batch_of(std::to_string(i));
                mailbox.post(from, batch, 0);
            }
        });
    }
    std::vector<int> next(worker_count);
    std::vector<Mailbox::Letter> taken;
    while (next != std::vector<int>(worker_count, count)) {
        mailbox.take(taken);
        for (const Mailbox::Letter& letter : taken) {
            for (const CrossDelivery& item : letter.items) {
                REQUIRE(item.message->topic() == std::to_string(next[letter.from]));
                ++next[letter.from];
            }
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}
