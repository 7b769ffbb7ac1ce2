#include "gateway/access/ban_file.hpp"

#include "broker-core/base/printable.hpp"
#include "config/schema/value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <optional>
#include <unistd.h>

namespace gw {

namespace {

constexpr std::string_view file_name = "bans";
constexpr std::string_view header = "mangrove-bans 1";

/// Text without blanks and what is not to be shown to a person: they and `%` as %xx. Nothing is
/// `-`.
std::string encoded(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string word;
    while (!text.empty()) {
        const bool is_shown =
            unprintable_bytes(text) == 0 && text.front() != ' ' && text.front() != '%';
        const std::size_t bytes = character_bytes(text);
        for (const char c : text.substr(0, bytes)) {
            const auto byte = static_cast<unsigned char>(c);
            if (is_shown) {
                word += c;
            } else {
                word += '%';
                word += digits[byte >> 4];
                word += digits[byte & 15];
            }
        }
        text.remove_prefix(bytes);
    }
    return word.empty() ? "-" : word == "-" ? "%2d" : word;
}

std::optional<std::string> decoded(std::string_view word) {
    if (word == "-") {
        return std::string{};
    }
    std::string text;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (word[i] != '%') {
            text += word[i];
            continue;
        }
        unsigned byte = 0;
        const char* const first = word.data() + i + 1;
        if (i + 2 >= word.size() || std::from_chars(first, first + 2, byte, 16).ptr != first + 2) {
            return std::nullopt;
        }
        text += static_cast<char>(byte);
        i += 2;
    }
    return text;
}

std::string number_of(WallTime time) {
    return time == WallTime::max() ? "-" : std::to_string(time.time_since_epoch().count());
}

std::optional<WallTime> time_of(std::string_view word) {
    if (word == "-") {
        return WallTime::max();
    }
    std::int64_t number = 0;
    const auto [stop, failure] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (failure != std::errc{} || stop != word.data() + word.size()) {
        return std::nullopt;
    }
    return WallTime{Milliseconds{number}};
}

std::optional<BanKind> kind_of(std::string_view word) {
    for (const BanKind kind : {BanKind::address, BanKind::user, BanKind::client}) {
        if (word == ban_kind_name(kind)) {
            return kind;
        }
    }
    return std::nullopt;
}

std::optional<Ban> ban_of_line(std::string_view line) {
    std::array<std::string_view, 6> words{};
    for (std::string_view& word : words) {
        const std::size_t end = std::min(line.find(' '), line.size());
        word = line.substr(0, end);
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    const auto kind = kind_of(words[0]);
    const auto subject = decoded(words[1]);
    const auto since = time_of(words[2]);
    const auto until = time_of(words[3]);
    const auto by = decoded(words[4]);
    const auto reason = decoded(words[5]);
    if (!kind || !subject || subject->empty() || !since || !until || !by || !reason ||
        !line.empty()) {
        return std::nullopt;
    }
    Ban ban;
    ban.kind = *kind;
    ban.since = *since;
    ban.until = *until;
    ban.by = *by;
    ban.reason = *reason;
    if (ban.kind != BanKind::address) {
        ban.name = *subject;
        return ban;
    }
    const auto range = IpRange::parse(*subject);
    if (!range) {
        return std::nullopt;
    }
    ban.range = *range;
    return ban;
}

std::string date_text(WallTime time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[32] = {};
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

bool write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(file, text.data(), text.size());
        if (count < 0) {
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

}  // namespace

Result<std::vector<Ban>> read_bans(const std::filesystem::path& data_dir) {
    const std::string path = (data_dir / file_name).string();
    std::ifstream in{path, std::ios::binary};
    std::vector<Ban> bans;
    if (!in) {
        return bans;  // there never was one
    }
    std::string line;
    std::getline(in, line);
    if (line != header) {
        return Error{Errc::corrupt, path + ": not a list of bans of this version"};
    }
    for (std::size_t number = 2; std::getline(in, line); ++number) {
        auto ban = ban_of_line(line);
        if (!ban) {
            return Error{Errc::corrupt, path + ":" + std::to_string(number) + ": not a ban"};
        }
        bans.push_back(std::move(*ban));
    }
    return bans;
}

Result<void> write_bans(const std::filesystem::path& data_dir, const std::vector<Ban>& bans) {
    std::string text = std::string{header} + "\n";
    for (const Ban& ban : bans) {
        text += std::string{ban_kind_name(ban.kind)} + " " + encoded(ban.subject()) + " " +
                number_of(ban.since) + " " + number_of(ban.until) + " " + encoded(ban.by) + " " +
                encoded(ban.reason) + "\n";
    }
    // Beside the old one, then in its place: a crash leaves one of the two whole.
    const std::string path = (data_dir / file_name).string();
    const std::string fresh = path + ".new";
    const int file =
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        return Error{Errc::io, fresh + ": cannot be written"};
    }
    const bool is_written = write_all(file, text) && ::fsync(file) == 0;
    ::close(file);
    if (!is_written || std::rename(fresh.c_str(), path.c_str()) != 0) {
        return Error{Errc::io, path + ": cannot be written"};
    }
    return {};
}

Result<Ban> ban_of(const ManageFields& fields, WallTime now) {
    const auto get = [&fields](const std::string& name) {
        const auto at = fields.find(name);
        return at == fields.end() ? std::string{} : at->second;
    };
    Ban ban;
    ban.since = now;
    ban.by = "operator";
    ban.reason = get("reason");
    int count = 0;
    if (const std::string address = get("address"); !address.empty()) {
        const auto range = IpRange::parse(address);
        if (!range) {
            return Error{Errc::invalid_argument,
                         "`" + address + "` is no address and no range such as 10.0.0.0/8"};
        }
        ban.kind = BanKind::address;
        ban.range = *range;
        ++count;
    }
    for (const BanKind kind : {BanKind::user, BanKind::client}) {
        if (std::string name = get(std::string{ban_kind_name(kind)}); !name.empty()) {
            ban.kind = kind;
            ban.name = std::move(name);
            ++count;
        }
    }
    if (count != 1) {
        return Error{Errc::invalid_argument, "one of --address, --user and --client is needed"};
    }
    if (const std::string time = get("for"); !time.empty()) {
        constexpr config::Key key{.type = config::ValueType::duration};
        const auto value = config::parse_value(key, time);
        if (!value || value->number <= 0) {
            return Error{Errc::invalid_argument,
                         "`" + time + "` is no duration such as 10m, 2h or 7d"};
        }
        constexpr std::int64_t century = std::int64_t{100} * 366 * 86400 * 1000;
        ban.until = now + Milliseconds{std::min(value->number, century)};
    }
    return ban;
}

std::string ban_page(const std::vector<Ban>& bans, WallTime now) {
    std::string page;
    for (const Ban& ban : bans) {
        if (ban.is_over(now)) {
            continue;
        }
        page += std::string{ban_kind_name(ban.kind)} + " " + encoded(ban.subject()) + "  until " +
                (ban.until == WallTime::max() ? "lifted" : date_text(ban.until)) + "  by " +
                encoded(ban.by) + "  since " + date_text(ban.since);
        page += ban.reason.empty() ? "" : "  ";
        append_printable(page, ban.reason);
        page += "\n";
    }
    return page.empty() ? "No bans.\n" : page;
}

}  // namespace gw
