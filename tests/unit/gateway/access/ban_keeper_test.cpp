#include "gateway/access/ban_keeper.hpp"

#include "gateway/access/ban_file.hpp"
#include "tests/support/temp_folder.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <vector>

using namespace gw;
using namespace gw::test;

namespace {

struct CountingLog final : Log {
    bool enabled(LogLevel) const override { return true; }
    void write(LogLevel, std::string_view, std::span<const LogField>) noexcept override { ++count; }
    std::atomic<int> count{0};
};

struct Kept {
    static Ban ban(std::string name) {
        Ban made;
        made.kind = BanKind::client;
        made.name = std::move(name);
        return made;
    }
    void add(std::string name) {
        const std::lock_guard lock{mutex};
        bans.push_back(ban(std::move(name)));
        ++version;
    }
    BanKeeper::Source source() {
        return {.version =
                    [this] {
                        const std::lock_guard lock{mutex};
                        return version;
                    },
                .bans =
                    [this] {
                        const std::lock_guard lock{mutex};
                        return bans;
                    }};
    }
    std::size_t in_file() { return read_bans(folder.path())->size(); }

    TempFolder folder;
    CountingLog log;
    std::mutex mutex;
    std::uint64_t version = 0;
    std::vector<Ban> bans;
};

}  // namespace

TEST_CASE(
    "what is to be kept is in the file when keep() returns, and at the end whatever was asked") {
    Kept kept;
    {
        BanKeeper keeper{kept.folder.path(), kept.source(), kept.log};
        kept.add("a");
        CHECK(keeper.keep());
        CHECK(kept.in_file() == 1);
        CHECK(keeper.keep());
        kept.add("b");
        keeper.look();
    }
    CHECK(kept.in_file() == 2);
}

TEST_CASE("what is there already is not written again") {
    Kept kept;
    kept.add("a");
    BanKeeper keeper{kept.folder.path(), kept.source(), kept.log};
    keeper.note_kept();
    CHECK(keeper.keep());
    CHECK(kept.in_file() == 0);
}

TEST_CASE("what cannot be written is told, logged once, and tried again") {
    Kept kept;
    const std::filesystem::path obstacle = kept.folder.path() / "bans.new";
    std::filesystem::create_directory(obstacle);
    BanKeeper keeper{kept.folder.path(), kept.source(), kept.log};
    kept.add("a");
    const auto failed = keeper.keep();
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code() == Errc::io);
    CHECK_FALSE(keeper.keep());
    CHECK(kept.log.count == 1);
    std::filesystem::remove(obstacle);
    CHECK(keeper.keep());
    CHECK(kept.in_file() == 1);
}
