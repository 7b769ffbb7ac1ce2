#include "config/parse/report.hpp"

#include "config/parse/kv_parser.hpp"
#include "config/schema/schema.hpp"
#include "tests/support/doctest_strings.hpp"
#include "tests/support/temp_folder.hpp"

#include <fstream>
#include <iterator>
#include <sstream>

using gw::config::load;
using gw::config::Sources;
using gw::test::TempFolder;

namespace {

std::string read_file(const std::string& name) {
    std::ifstream in{std::string{GW_SOURCE_DIR} + "/" + name, std::ios::binary};
    REQUIRE(in);
    return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

TEST_CASE("the effective values, read again, give the same values") {
    const Sources sources{.settings = {"listener.tcp.a = [::1]:0",
                                       "listener.tcp.a.access.1 = deny all",
                                       "mqtt.response_information = \" a # b \\\" \\\\ \"",
                                       "sys.administrators = none"}};
    const auto loaded = load(sources);
    REQUIRE(loaded.has_value());
    const TempFolder folder;
    const auto again =
        load(Sources{.file = folder.write("x.conf", gw::config::show_text(*loaded))});
    REQUIRE(again.has_value());
    CHECK(gw::config::diff(*loaded, *again).empty());
    CHECK(loaded->settings.size() == again->settings.size());
    CHECK(again->config.mqtt.response_information == " a # b \" \\ ");
}

TEST_CASE("the effective values say where they come from") {
    const auto loaded = load(Sources{.settings = {"node.workers=2"}});
    REQUIRE(loaded.has_value());
    std::istringstream lines{gw::config::show_text(*loaded)};
    std::string line;
    bool found = false;
    while (std::getline(lines, line)) {
        CHECK(line.find("  # ") != std::string::npos);
        found = found || (line.starts_with("node.workers = 2 ") && line.ends_with("  # --set"));
    }
    CHECK(found);
}

TEST_CASE("docs/config-reference.md is what the declarations say") {
    // Stale? `mangrove config doc > docs/config-reference.md` makes it anew.
    CHECK((read_file("docs/config-reference.md") == gw::config::reference_page()));
}

TEST_CASE("the shipped files name every key with its default, and pass the check as they are") {
    const auto shipped = load(Sources{.file = std::string{GW_SOURCE_DIR} + "/config/gateway.conf"});
    REQUIRE(shipped.has_value());
    CHECK(shipped->warnings.empty());
    const auto built_in = load(Sources{});
    CHECK(gw::config::diff(*built_in, *shipped).empty());

    const std::string text =
        read_file("config/gateway.conf") + read_file("config/plugins/retainer.conf") +
        read_file("config/plugins/presence.conf") + read_file("config/plugins/store.conf") +
        read_file("config/plugins/mqttsn.conf") + read_file("config/plugins/auth.conf") +
        read_file("config/plugins/stomp.conf") + read_file("config/plugins/coap.conf") +

        read_file("config/plugins/sockjs.conf");
    for (const auto& group : gw::config::key_groups()) {
        for (const auto& key : group.keys) {
            std::string name{key.name};
            for (const auto& [placeholder, example] : {std::pair{"tcp.<name>", "tcp.default"},
                                                       {"ssl.<name>", "ssl.external"},
                                                       {".ws.<name>", ".ws.external"},
                                                       {"wss.<name>", "wss.external"},
                                                       {"sockjs.<name>", "sockjs.external"},
                                                       {"unix.<name>", "unix.local"},
                                                       {"mqttsn.<name>", "mqttsn.default"},
                                                       {"stomp.<name>", "stomp.external"},
                                                       {"stomps.<name>", "stomps.external"},
                                                       {"coap.<name>", "coap.default"},
                                                       {"coaps.<name>", "coaps.default"},
                                                       {"<N>", "1"}}) {
                if (const auto at = name.find(placeholder); at != std::string::npos) {
                    name.replace(at, std::string_view{placeholder}.size(), example);
                }
            }
            CAPTURE(name);
            const bool has_default = !key.optional && !key.names_instance;
            std::string line = "\n# " + name + " =";
            if (has_default) {
                line +=
                    key.value_default.empty() ? "\n" : " " + std::string{key.value_default} + "\n";
            }
            CHECK((text.find(line) != std::string::npos));
        }
    }
}

TEST_CASE("the shipped files stay right when every line is taken in") {
    const TempFolder folder;
    std::string everything;
    for (const std::string_view file :
         {"config/gateway.conf", "config/plugins/retainer.conf", "config/plugins/presence.conf",
          "config/plugins/store.conf", "config/plugins/mqttsn.conf", "config/plugins/auth.conf",
          "config/plugins/stomp.conf", "config/plugins/coap.conf", "config/plugins/sockjs.conf"}) {
        std::istringstream lines{read_file(std::string{file})};
        std::string line;
        while (std::getline(lines, line)) {
            const bool value = line.starts_with("# ") && line.find(" =") != std::string::npos &&
                               line.find("`") == std::string::npos &&
                               line.find('(') == std::string::npos;
            everything += (value ? line.substr(2) : "") + "\n";
        }
    }
    const auto loaded = load(Sources{.file = folder.write("x.conf", everything)});
    std::string wrong;
    for (const auto& one : loaded ? gw::config::Diagnostics{} : loaded.error().diagnostics) {
        wrong += one.line_text() + "\n";
    }
    CHECK(wrong == "");
}

TEST_CASE("one key is explained under its name, its alias or its pattern") {
    const std::string text = gw::config::explain_key("mqtt.receive_maximum");
    CHECK(text.find("Default:     `1024`") != std::string::npos);
    CHECK(text.find("MANGROVE_MQTT__RECEIVE_MAXIMUM") != std::string::npos);
    CHECK(gw::config::explain_key("mqtt.queue.qos0").starts_with("mqtt.mqueue.store_qos0\n"));
    CHECK(gw::config::explain_key("listener.tcp.<name>.access.<N>")
              .starts_with("listener.tcp.<name>.access.<N>\n"));
    CHECK(gw::config::explain_key("nonsense").empty());
}
