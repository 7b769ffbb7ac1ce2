// Any text as an acl.conf, and as an access file of mosquitto and of EMQ:
//   1. a text has either rules without errors that come to a table, or errors with a line each;
//   2. rules written out again by their text are the same rules;
//   3. what is imported from mosquitto can be read, and allows nothing to be published by default;
//   4. what is imported from EMQ without errors can be read;
//   5. what a profile says of a filter and of the topics in it fits together.
#include "broker-core/access/acl_table.hpp"
#include "broker-core/base/assert.hpp"
#include "config/acl/acl_parser.hpp"
#include "config/acl/emq_acl.hpp"
#include "config/acl/mosquitto_acl.hpp"

#include <string>
#include <string_view>

namespace {

void check_table(std::vector<gw::AclRule> rules) {
    const gw::AclTablePtr table = gw::AclTable::create(std::move(rules), gw::AccessDecision::deny);
    gw::ClientIdentity client;
    client.username = "ann";
    client.client_id = "a";
    client.is_anonymous = false;
    client.ip = *gw::IpAddress::parse("10.0.0.1");
    const gw::AclProfilePtr profile = table->make_profile(client);
    for (const std::string_view topic : {"a", "a/b", "$SYS/x", "/", "x y/"}) {
        const bool is_delivered =
            profile->receive(topic, client).decision == gw::AccessDecision::allow;
        const bool may_subscribe =
            profile->subscribe(topic, client).decision == gw::AccessDecision::allow;
        // A topic is a filter without wildcards: who may subscribe to it may have it, unless a rule
        // is about deliveries alone, and then somebody asks.
        GW_ASSERT(!may_subscribe || is_delivered ||
                  (profile->filters_deliveries() && table->filters_topic(topic)));
        profile->publish(topic, client);
    }
    profile->filtered_by("#", client);
    profile->filtered_by("a/+/#", client);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    gw::config::ParsedAcl parsed = gw::config::parse_acl("f", text);
    for (const gw::config::Diagnostic& one : parsed.diagnostics) {
        GW_ASSERT(one.line != 0 && !one.text.empty());
    }
    std::string again;
    for (const gw::AclRule& rule : parsed.rules) {
        again += rule.text + "\n";
    }
    const gw::config::ParsedAcl second = gw::config::parse_acl("f", again);
    GW_ASSERT(second.diagnostics.empty() && second.rules.size() == parsed.rules.size());
    check_table(std::move(parsed.rules));

    const gw::config::ImportedAcl import = gw::config::import_mosquitto_acl("f", text);
    gw::config::ParsedAcl imported = gw::config::parse_acl("i", import.text);
    GW_ASSERT(imported.diagnostics.empty());
    GW_ASSERT(imported.rules.size() >= 3);
    check_table(std::move(imported.rules));

    const gw::config::ImportedAcl terms = gw::config::import_emq_acl("f", text);
    if (terms.diagnostics.empty()) {
        GW_ASSERT(gw::config::parse_acl("i", terms.text).diagnostics.empty());
    }
    return 0;
}
