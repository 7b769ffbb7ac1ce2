#include "gateway/protocols/coap.hpp"

#include "gateway/origin_rules.hpp"

#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace gw {

namespace {

/// A datagram with the largest block has room for long options as well.
constexpr std::uint32_t datagram_bytes_max = 65507;

/// Of OpenSSL.
class SystemSecrets final : public coap::Secrets {
public:
    SystemSecrets() { fill(key_.data(), key_.size()); }

    std::uint64_t random() override {
        std::array<std::uint8_t, 8> bytes{};
        fill(bytes.data(), bytes.size());
        return number_of(bytes.data());
    }
    std::uint64_t seal(Bytes text) override {
        std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
        unsigned size = 0;
        if (HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), text.data(), text.size(),
                 digest.data(), &size) == nullptr) {
            return random();  // then nothing is taken for sealed
        }
        return number_of(digest.data());
    }

private:
    static void fill(std::uint8_t* bytes, std::size_t count) {
        if (RAND_bytes(bytes, static_cast<int>(count)) != 1) {
            throw std::runtime_error{"the system has no random numbers"};
        }
    }
    static std::uint64_t number_of(const std::uint8_t* bytes) {
        std::uint64_t number = 0;
        std::memcpy(&number, bytes, sizeof number);
        return number;
    }

    std::array<std::uint8_t, 32> key_{};
};

std::string name_of(const config::CoapListener& listener) {
    return (listener.dtls.enabled ? "coaps." : "coap.") + listener.name;
}

coap::MachineOptionsPtr machine_options(const config::Config& config,
                                        const config::CoapListener& listener, bool is_local) {
    const config::Coap& settings = config.coap;
    const config::ListenerLimits& limits = listener.limits;
    auto options = std::make_shared<coap::MachineOptions>();
    options->listener = name_of(listener);
    options->body_bytes_max = config.mqtt.packet_bytes_max;
    options->size_exponent = coap::size_exponent_of(settings.block_bytes);
    options->client_id_bytes_max = config.client.client_id_bytes_max;
    options->topic_limits = {.bytes_max = config.mqtt.topic_bytes_max,
                             .levels_max = config.mqtt.topic_level_count_max};
    options->qos_max = static_cast<Qos>(config.mqtt.qos_max);
    options->retain_available = config.mqtt.retain_available;
    options->idle_time = settings.idle_time;
    options->session_expiry = config.session.expiry_interval;
    options->ack_timeout = settings.ack_timeout;
    options->retransmit_count_max = settings.retransmit_count_max;
    options->piggyback_time = settings.piggyback_time;
    options->confirm_interval = settings.confirm_interval;
    options->observation_count_max = settings.observation_count_max;
    options->publish_rate_max = config.client.publish_rate_max;
    options->client_count_max = limits.client_count_max;
    options->upload_bytes_max = settings.upload_bytes_max;
    options->echo = static_cast<coap::EchoRule>(settings.echo);
    options->tells_created = settings.tells_created;
    options->lists_topics = settings.lists_topics;
    options->waits_for_store =
        limits.store_ack.value_or(config.store.ack) == config::StoreAck::local;
    options->origin = origin_rules(config, limits, listener.access, {.is_loopback = is_local});
    return options;
}

}  // namespace

CoapListener::CoapListener(Context context)
    : context_(std::move(context)), secrets_(std::make_unique<SystemSecrets>()) {}

Result<std::unique_ptr<CoapListener>> CoapListener::open(const config::Config& config,
                                                         const config::CoapListener& listener,
                                                         const Context& context) {
    std::unique_ptr<CoapListener> made{new CoapListener{context}};
    auto dtls = dtls_context(listener.dtls, made->keys_);
    if (!dtls) {
        return std::move(dtls).error();
    }
    DatagramListener::Options options;
    options.address = listener.address;
    options.socket.receive_buffer_bytes = static_cast<int>(listener.receive_buffer_bytes);
    options.socket.send_buffer_bytes = static_cast<int>(listener.send_buffer_bytes);
    options.socket.datagram_bytes_max = datagram_bytes_max;
    options.endpoint.hash_key = context.hash_key;
    options.endpoint.dtls = std::move(*dtls);
    auto opened = DatagramListener::open(name_of(listener), options, context.loops);
    if (!opened) {
        return std::move(opened).error();
    }
    made->listener_ = std::move(*opened);
    const auto settings = machine_options(config, listener, made->listener_->is_loopback());
    made->listener_->make_machines([&](std::uint32_t worker, DatagramPort& port) {
        auto machine = std::make_unique<coap::Machine>(context.broker(worker), port, settings,
                                                       made->shared_, *made->secrets_);
        made->machines_.push_back(machine.get());
        return machine;
    });
    return made;
}

Result<std::function<void()>> CoapListener::prepare(const config::Config& config,
                                                    const config::CoapListener& listener) {
    transport::PskTablePtr keys;
    if (!listener.dtls.psk_file.empty()) {
        auto read = transport::PskTable::read(listener.dtls.psk_file);
        if (!read) {
            return std::move(read).error();
        }
        keys = std::move(*read);
    }
    auto settings = machine_options(config, listener, listener_->is_loopback());
    return std::function<void()>{[this, settings = std::move(settings), keys = std::move(keys)] {
        keys_->set(keys);
        for (std::size_t worker = 0; worker < machines_.size(); ++worker) {
            context_.loops[worker]->post(
                [machine = machines_[worker], settings] { machine->set_options(settings); });
        }
    }};
}

void CoapListeners::open(const config::Config& config, const CoapListener::Context& context) {
    for (const auto* const list : {&config.coap_listeners, &config.coaps_listeners}) {
        for (const config::CoapListener& listener : *list) {
            auto opened = CoapListener::open(config, listener, context);
            if (!opened) {
                throw std::runtime_error{"listener." + name_of(listener) + ": " +
                                         opened.error().text()};
            }
            listeners_.push_back(std::move(*opened));
        }
    }
}

void CoapListeners::start() {
    for (const auto& listener : listeners_) {
        listener->start();
    }
}

Result<std::vector<std::function<void()>>> CoapListeners::prepare(const config::Config& config) {
    std::vector<std::function<void()>> all;
    for (const auto* const list : {&config.coap_listeners, &config.coaps_listeners}) {
        for (const config::CoapListener& settings : *list) {
            const auto found = std::find_if(
                listeners_.begin(), listeners_.end(),
                [&](const auto& listener) { return listener->name() == name_of(settings); });
            if (found == listeners_.end()) {
                continue;
            }
            auto prepared = (*found)->prepare(config, settings);
            if (!prepared) {
                return std::move(prepared).error().within("listener." + name_of(settings));
            }
            all.push_back(std::move(*prepared));
        }
    }
    return all;
}

}  // namespace gw
