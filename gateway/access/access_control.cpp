#include "gateway/access/access_control.hpp"

#include "gateway/access/acl_file.hpp"
#include "gateway/access/acl_question.hpp"
#include "gateway/access/ban_file.hpp"

#include <chrono>
#include <future>
#include <stdexcept>
#include <utility>

namespace gw {

namespace {

DoorOptions door_options(const config::Config& config) {
    const config::Door& door = config.door;
    DoorOptions options;
    options.exempt = door.exempt.ranges;
    options.unix_is_exempt = door.exempt.unix_sockets;
    options.address_rate = door.address_rate;
    options.address_burst = door.address_burst;
    options.network_rate = door.network_rate;
    options.network_burst = door.network_burst;
    options.free_failure_count = door.free_failure_count;
    options.address_failure_count = door.address_failure_count;
    options.login_delay = door.login_delay;
    options.login_delay_max = door.login_delay_max;
    options.flapping_count = door.flapping_count;
    options.flapping_window = door.flapping_window;
    options.flapping_ban = door.flapping_ban;
    options.table_count = door.table_count;
    options.ban_count_max = door.ban_count_max;
    return options;
}

bool is_same(const AclTable& a, const AclTable& b) {
    if (a.no_match() != b.no_match() || a.rules().size() != b.rules().size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.rules().size(); ++i) {
        if (a.rules()[i].describe() != b.rules()[i].describe()) {
            return false;
        }
    }
    return true;
}

}  // namespace

AccessControl::AccessControl(Context context, const config::Config& config, std::uint64_t seed)
    : context_(std::move(context)),
      config_(config),
      table_(AclTable::create({}, AccessDecision::deny)),  // until apply() has been called
      policy_(std::make_shared<AclPolicy>(context_.worker_count, table_)),
      door_(std::make_shared<Door>(door_options(config), seed)),
      lag_(
          context_.worker_count,
          [this](std::uint32_t worker, std::function<void()> task) {
              context_.post(worker, [task = std::move(task)](Broker&) { task(); });
          },
          [this] { return context_.clock().monotonic; }),
      ban_keeper_(context_.data_dir,
                  {.version = [this] { return door_->ban_version(); },
                   .bans =
                       [this] {
                           return door_->bans(context_.clock());
                       }},
                  *context_.log) {}

Result<AclTablePtr> AccessControl::prepare(const config::Config& config) const {
    auto table = load_acl(config);
    if (table) {
        return std::move(*table);
    }
    std::string text;
    for (const config::Diagnostic& one : table.error()) {
        text += (text.empty() ? "" : "\n") + one.line_text();
    }
    return Error{Errc::invalid_argument, text};
}

void AccessControl::apply(const config::Config& config, const AclTablePtr& table, bool is_running) {
    config_ = config;
    door_->set_options(door_options(config));
    unauthenticated_count_max_ = config.door.unauthenticated_count_max;
    loop_lag_max_ms_ = config.door.loop_lag_max.count();
    if (!is_same(*table, *table_)) {
        install(table, is_running);
    }
}

void AccessControl::install(const AclTablePtr& table, bool is_running) {
    table_ = table;
    if (!is_running) {
        for (std::uint32_t i = 0; i < context_.worker_count; ++i) {
            policy_->install(i, table);
        }
        return;
    }
    std::vector<std::future<void>> done;
    for (std::uint32_t i = 0; i < context_.worker_count; ++i) {
        auto promise = std::make_shared<std::promise<void>>();
        done.push_back(promise->get_future());
        context_.post(i, [policy = policy_, table, promise](Broker& broker) {
            policy->install(broker.worker(), table);
            broker.revise_access();
            promise->set_value();
        });
    }
    // Whoever asked for the change may rely on it when he is told that it is done.
    constexpr std::chrono::seconds wait_max{30};
    const auto deadline = std::chrono::steady_clock::now() + wait_max;
    for (const std::future<void>& one : done) {
        one.wait_until(deadline);
    }
    context_.log->info("acl.applied", {{"rules", table->rules().size()}});
}

// ---------------------------------------------------------------------------------------- bans

void AccessControl::load_bans() {
    auto bans = read_bans(context_.data_dir);
    if (!bans) {
        throw std::runtime_error{bans.error().text()};
    }
    const Now now = context_.clock();
    for (Ban& ban : *bans) {
        if (ban.is_over(now.wall)) {
            continue;
        }
        if (auto added = door_->add_ban(std::move(ban), now); !added) {
            throw std::runtime_error{added.error().text()};
        }
    }
    ban_keeper_.note_kept();
}

void AccessControl::end_banned(const Ban& ban) {
    for (std::uint32_t i = 0; i < context_.worker_count; ++i) {
        context_.post(i, [ban](Broker& broker) {
            broker.end_clients([&ban](const ClientIdentity& client) { return ban.fits(client); },
                               Broker::EndOf::connection, ReasonCode::administrative_action);
        });
    }
}

Result<std::string> AccessControl::manage(const std::string& name, const ManageFields& fields) {
    if (name == "acl_test") {
        return answer_acl_question(*table_, config_, fields);
    }
    const Now now = context_.clock();
    if (name == "ban_list") {
        return ban_page(door_->bans(now), now.wall);
    }
    const auto ban = ban_of(fields, now.wall);
    if (!ban) {
        return ban.error();
    }
    if (name == "ban_del") {
        if (!door_->remove_ban(ban->kind, ban->name, ban->range)) {
            return Error{Errc::not_found, "there is no such ban"};
        }
    } else {
        if (auto added = door_->add_ban(*ban, now); !added) {
            return added.error();
        }
        end_banned(*ban);
    }
    const auto kept = ban_keeper_.keep();
    const char* const event = name == "ban_del" ? "ban.removed" : "ban.added";
    context_.log->info(event, {{"kind", ban_kind_name(ban->kind)},
                               {"subject", ban->subject()},
                               {"by", ban->by},
                               {"reason", ban->reason}});
    if (!kept) {
        return Error{kept.error().code(),
                     std::string{name == "ban_del" ? "the ban is lifted" : "the ban is in force"} +
                         ", but only until the next start: " + kept.error().text()};
    }
    return std::string{name == "ban_del" ? "The ban is lifted.\n" : "Banned.\n"};
}

// -------------------------------------------------------------------------------------- accept

std::optional<DoorReason> AccessControl::overload() {
    const std::uint64_t most = unauthenticated_count_max_.load(std::memory_order_relaxed);
    if (most != 0 && unauthenticated_count_.load(std::memory_order_relaxed) >= most) {
        return DoorReason::unauthenticated;
    }
    const std::int64_t lag_max = loop_lag_max_ms_.load(std::memory_order_relaxed);
    if (lag_max != 0 && lag_.look().count() > lag_max) {
        return DoorReason::loop_lag;
    }
    return std::nullopt;
}

std::optional<DoorReason> AccessControl::admit(const IpAddress& ip) {
    return door_->admit(ip, context_.clock());
}

bool AccessControl::is_banned(const IpAddress& ip) {
    return door_->is_banned({ip, {}, {}}, context_.clock());
}

}  // namespace gw
