#include "config/parse/rules.hpp"

#include "config/schema/schema.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <vector>

namespace gw::config {

namespace {

class Rules {
public:
    Rules(const Loaded& loaded, Diagnostics& diagnostics)
        : config_(loaded.config), loaded_(loaded), diagnostics_(diagnostics) {}

    void check() {
        check_memory_order();
        check_exempt();
        check_topic_levels();
        check_same_addresses();
        check_dtls();
        check_sleep_rules();
        check_auth();
        check_named_certificates();
        check_proxies();
        check_paths();
        warn_of_closed_listeners();
    }

private:
    void check_exempt() {
        if (config_.door.exempt.is_automatic) {
            tell(Severity::error, "door.exempt", "auto is of sys.administrators alone");
        }
    }

    void check_memory_order() {
        const Node& node = config_.node;
        if (node.shed_qos0_percent > node.pause_reading_percent) {
            tell(Severity::error, "node.memory.pause_reading",
                 "must not be less than node.memory.shed_qos0");
        }
        if (node.pause_reading_percent > node.refuse_connect_percent) {
            tell(Severity::error, "node.memory.refuse_connect",
                 "must not be less than node.memory.pause_reading");
        }
    }

    void check_topic_levels() {
        if (config_.node.name.find_first_of("/+# \t") != std::string::npos) {
            tell(Severity::error, "node.name",
                 "must not hold `/`, `+`, `#` or a space: it is a level of $SYS topics");
        }
        const auto check_mountpoint = [this](std::string_view kind, const auto& listeners) {
            for (const auto& listener : listeners) {
                if (listener.limits.mountpoint.find_first_of("+#") != std::string::npos) {
                    tell(Severity::error, std::string{kind} + listener.name + ".mountpoint",
                         "must not hold the wildcards `+` and `#`");
                }
            }
        };
        check_mountpoint("listener.tcp.", config_.tcp_listeners);
        check_mountpoint("listener.ssl.", config_.ssl_listeners);
        check_mountpoint("listener.ws.", config_.ws_listeners);
        check_mountpoint("listener.wss.", config_.wss_listeners);
        check_mountpoint("listener.sockjs.", config_.sockjs_listeners);
        check_mountpoint("listener.unix.", config_.unix_listeners);
        check_mountpoint("listener.mqttsn.", config_.mqttsn_listeners);
        check_mountpoint("listener.stomp.", config_.stomp_listeners);
        check_mountpoint("listener.stomps.", config_.stomps_listeners);
        check_mountpoint("listener.coap.", config_.coap_listeners);
        check_mountpoint("listener.coaps.", config_.coaps_listeners);
    }

    void check_auth() {
        constexpr std::string_view known[] = {"client_id", "users", "certificate",
                                              "psk",       "jwt",   "cookie"};
        std::vector<std::string_view> seen;
        for (std::string_view name : split(config_.auth.order, ',')) {
            const std::size_t first = name.find_first_not_of(" \t");
            if (first == std::string_view::npos) {
                continue;
            }
            name = name.substr(first, name.find_last_not_of(" \t") - first + 1);
            if (std::find(std::begin(known), std::end(known), name) == std::end(known)) {
                tell(Severity::error, "auth.order",
                     "`" + std::string{name} +
                         "` is not one of client_id, users, certificate, psk, jwt, cookie");
            } else if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
                tell(Severity::error, "auth.order", "`" + std::string{name} + "` stands twice");
            }
            seen.push_back(name);
        }
        for (const auto& [number, entry] : config_.auth.user_entries) {
            check_entry("auth.user." + std::to_string(number), ".username", entry.name.empty());
            check_entry("auth.user." + std::to_string(number), ".password", entry.password.empty());
        }
        for (const auto& [number, entry] : config_.auth.client_entries) {
            check_entry("auth.client." + std::to_string(number), ".clientid", entry.name.empty());
        }
    }

    /// The setting that is missing has no place: the one beside it has.
    void check_entry(const std::string& entry, const std::string& member, bool is_missing) {
        if (!is_missing) {
            return;
        }
        const auto beside =
            std::find_if(loaded_.settings.begin(), loaded_.settings.end(),
                         [&](const Setting& one) { return one.name.starts_with(entry + "."); });
        const std::string name = beside == loaded_.settings.end() ? entry : beside->name;
        tell(Severity::error, name, entry + member + " must be given too");
    }

    void check_same_addresses() {
        std::map<std::string, std::string> taken;
        const auto check_one = [&](std::string name, const std::string& place) {
            const auto [first, is_new] = taken.emplace(place, name);
            if (!is_new) {
                tell(Severity::error, name, "listens at " + place + ", like " + first->second);
            }
        };
        const auto check_ports = [&](const std::string& kind, const auto& listeners) {
            for (const auto& listener : listeners) {
                if (listener.address.port != 0) {
                    check_one(kind + listener.name, listener.address.text());
                }
            }
        };
        check_ports("listener.tcp.", config_.tcp_listeners);
        check_ports("listener.ssl.", config_.ssl_listeners);
        check_ports("listener.stomp.", config_.stomp_listeners);
        check_ports("listener.stomps.", config_.stomps_listeners);
        check_ports("listener.ws.", config_.ws_listeners);
        check_ports("listener.wss.", config_.wss_listeners);
        check_ports("listener.sockjs.", config_.sockjs_listeners);
        for (const UnixListener& listener : config_.unix_listeners) {
            check_one("listener.unix." + listener.name, listener.path);
        }
        for (const MqttSnListener& listener : config_.mqttsn_listeners) {
            if (listener.address.port != 0) {
                check_one("listener.mqttsn." + listener.name, "udp " + listener.address.text());
            }
        }
        for_each_coap_listener([&](const std::string& name, const CoapListener& listener) {
            if (listener.address.port != 0) {
                check_one(name, "udp " + listener.address.text());
            }
        });
    }

    void check_dtls() {
        for (const MqttSnListener& listener : config_.mqttsn_listeners) {
            const std::string name = "listener.mqttsn." + listener.name;
            check_dtls_of(name, name + ".dtls", listener.dtls);
        }
        for_each_coap_listener([&](const std::string& name, const CoapListener& listener) {
            check_dtls_of(name, name, listener.dtls);
        });
    }

    /// `enabling` is the key that asks for DTLS.
    void check_dtls_of(const std::string& name, const std::string& enabling, const Dtls& dtls) {
        if (dtls.enabled && dtls.certificate_file.empty() && dtls.psk_file.empty()) {
            tell(Severity::error, enabling, "needs .certfile and .keyfile, or .psk_file, or both");
        }
        if (dtls.certificate_file.empty() != dtls.key_file.empty()) {
            tell(Severity::error, name + ".certfile", "and .keyfile belong together");
        }
        if (dtls.requires_certificate.value_or(false) && dtls.ca_file.empty()) {
            tell(Severity::error, name + ".fail_if_no_peer_cert",
                 "needs .cacertfile, which says whose certificates count");
        }
    }

    template <class Visit>
    void for_each_coap_listener(const Visit& visit) {
        for (const CoapListener& listener : config_.coap_listeners) {
            visit("listener.coap." + listener.name, listener);
        }
        for (const CoapListener& listener : config_.coaps_listeners) {
            visit("listener.coaps." + listener.name, listener);
        }
    }

    void check_sleep_rules() {
        for (const auto& [number, text] : config_.mqttsn.sleep_rules) {
            if (!parse_sleep_rule(text)) {
                tell(Severity::error, "mqtt.sn.sleep.keep." + std::to_string(number),
                     "a topic filter and `all`, `last` or a number of messages is expected");
            }
        }
    }

    void check_named_certificates() {
        check_named_certificates("listener.ssl.", config_.ssl_listeners);
        check_named_certificates("listener.wss.", config_.wss_listeners);
        check_named_certificates("listener.sockjs.", config_.sockjs_listeners);
        check_named_certificates("listener.stomps.", config_.stomps_listeners);
    }

    void check_named_certificates(const std::string& kind, const auto& listeners) {
        for (const auto& listener : listeners) {
            for (const Tls::NamedCertificate& one : listener.tls.named_certificates) {
                if (one.certificate_file.empty() || one.key_file.empty()) {
                    tell(Severity::error, kind + listener.name,
                         "sni." + std::to_string(one.number) + " needs both certfile and keyfile");
                }
            }
        }
    }

    void check_proxies() {
        const auto check_kind = [this](const std::string& kind, const auto& listeners) {
            for (const TcpListener& listener : listeners) {
                if (listener.proxy.is_on && listener.proxy.trusted.empty()) {
                    tell(Severity::error, kind + listener.name + ".proxy_protocol",
                         "needs proxy_protocol.trusted: who may tell a client's address");
                }
            }
        };
        check_kind("listener.tcp.", config_.tcp_listeners);
        check_kind("listener.ssl.", config_.ssl_listeners);
        check_kind("listener.ws.", config_.ws_listeners);
        check_kind("listener.wss.", config_.wss_listeners);
        check_kind("listener.stomp.", config_.stomp_listeners);
        check_kind("listener.stomps.", config_.stomps_listeners);
        check_kind("listener.sockjs.", config_.sockjs_listeners);
    }

    void check_paths() {
        const auto check_one = [this](const std::string& name, const Http& http) {
            if (!http.path.starts_with('/') ||
                http.path.find_first_of("?# \t") != std::string::npos) {
                tell(Severity::error, name + ".path",
                     "must begin with `/`, and must not hold `?`, `#` or a space");
            }
        };
        for (const WsListener& listener : config_.ws_listeners) {
            check_one("listener.ws." + listener.name, listener.http);
        }
        for (const WssListener& listener : config_.wss_listeners) {
            check_one("listener.wss." + listener.name, listener.http);
        }
        const auto check_endpoint = [this](const std::string& name, const std::string& path) {
            if (!path.empty() &&
                (path.size() < 2 || !path.starts_with('/') || path.ends_with('/') ||
                 path.find_first_of("?# \t") != std::string::npos)) {
                tell(Severity::error, name,
                     "must begin with `/`, must not end with it, and must not hold `?`, `#` or a "
                     "space");
            }
        };
        check_endpoint("sockjs.mqtt.path", config_.sockjs.mqtt_path);
        check_endpoint("sockjs.stomp.path", config_.sockjs.stomp_path);
        if (!config_.sockjs.mqtt_path.empty() &&
            config_.sockjs.mqtt_path == config_.sockjs.stomp_path) {
            tell(Severity::error, "sockjs.stomp.path", "is also that of MQTT");
        }
    }

    /// A listener that somebody has configured lets nobody in who has no credentials, unless told
    /// so; who opens one for the first time should learn that from us, not from a client that is
    /// refused.
    void warn_of_closed_listeners() {
        warn_of_closed_listeners("listener.tcp.", config_.tcp_listeners);
        warn_of_closed_listeners("listener.ws.", config_.ws_listeners);
        warn_of_closed_listeners("listener.stomp.", config_.stomp_listeners);
        warn_of_closed_tls_listeners("listener.ssl.", config_.ssl_listeners);
        warn_of_closed_tls_listeners("listener.wss.", config_.wss_listeners);
        warn_of_closed_tls_listeners("listener.stomps.", config_.stomps_listeners);
        for (const MqttSnListener& listener : config_.mqttsn_listeners) {
            if (!listener.dtls.enabled && config_.mqttsn.username.empty()) {
                warn_if_closed("listener.mqttsn." + listener.name, listener.address,
                               listener.limits);
            }
        }
        for (const SockJsListener& listener : config_.sockjs_listeners) {
            if (!listener.speaks_tls || !has_own_credentials(listener.tls)) {
                warn_if_closed("listener.sockjs." + listener.name, listener.address,
                               listener.limits);
            }
        }
        for (const CoapListener& listener : config_.coap_listeners) {
            warn_if_closed("listener.coap." + listener.name, listener.address, listener.limits);
        }
    }

    void warn_of_closed_listeners(const std::string& kind, const auto& listeners) {
        for (const auto& listener : listeners) {
            if (!listener.is_built_in) {
                warn_if_closed(kind + listener.name, listener.address, listener.limits);
            }
        }
    }

    void warn_of_closed_tls_listeners(const std::string& kind, const auto& listeners) {
        for (const auto& listener : listeners) {
            if (!has_own_credentials(listener.tls)) {
                warn_if_closed(kind + listener.name, listener.address, listener.limits);
            }
        }
    }

    /// Certificates and pre-shared keys are credentials too.
    static bool has_own_credentials(const Tls& tls) {
        return tls.username_from != CertificateField::off || tls.psk_as_username;
    }

    void warn_if_closed(const std::string& name, const ListenAddress& listens,
                        const ListenerLimits& limits) {
        const Anonymous rule = limits.allow_anonymous.value_or(config_.access.allow_anonymous);
        const auto address = IpAddress::parse(listens.host);
        const bool loopback = address ? address->is_loopback() : listens.host == "localhost";
        const bool is_closed =
            rule == Anonymous::automatic || (rule == Anonymous::local && !loopback);
        if (is_closed) {
            tell(Severity::warning, name,
                 "clients without credentials are refused at " + listens.text() +
                     " (allow_anonymous = " + (rule == Anonymous::local ? "local)" : "auto)"));
        }
    }

    void tell(Severity severity, const std::string& name, const std::string& text) {
        const auto setting = std::find_if(loaded_.settings.begin(), loaded_.settings.end(),
                                          [&](const Setting& one) { return one.name == name; });
        const Origin origin = setting == loaded_.settings.end() ? Origin{} : setting->origin;
        diagnostics_.push_back(
            {.severity = severity,
             .source = origin.kind == OriginKind::built_in ? "configuration" : origin.source,
             .line = origin.line,
             .column = origin.column,
             .text = name + ": " + text});
    }

    const Config& config_;
    const Loaded& loaded_;
    Diagnostics& diagnostics_;
};

}  // namespace

void check_rules(const Loaded& loaded, Diagnostics& diagnostics) {
    Rules{loaded, diagnostics}.check();
}

}  // namespace gw::config
