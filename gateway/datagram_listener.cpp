#include "gateway/datagram_listener.hpp"

#include <fstream>
#include <utility>

namespace gw {

namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// The bytes that hex digits stand for; empty when they are none.
std::string from_hex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        const int high = hex_digit(hex[i]);
        const int low = hex_digit(hex[i + 1]);
        if (high < 0 || low < 0) {
            return {};
        }
        bytes += static_cast<char>(high << 4 | low);
    }
    return hex.size() % 2 == 0 ? bytes : std::string{};
}

}  // namespace

Result<std::unique_ptr<DatagramListener>> DatagramListener::open(std::string name,
                                                                 const Options& options,
                                                                 Loops loops) {
    std::unique_ptr<DatagramListener> listener{new DatagramListener{std::move(name)}};
    std::uint16_t port = options.address.port;
    const auto locals = std::make_shared<transport::LocalAddresses>();
    for (const auto& loop : loops) {
        auto socket =
            transport::UdpSocket::listen(options.address.host, port, options.socket, locals);
        if (!socket) {
            return std::move(socket).error();
        }
        port = (*socket)->port();  // the first may have chosen it
        listener->group_.endpoints.push_back(std::make_unique<transport::UdpEndpoint>(
            *loop, std::move(*socket), listener->group_, options.endpoint));
    }
    if (options.endpoint.multicast) {
        auto socket = transport::UdpSocket::join(*options.endpoint.multicast, options.socket);
        if (!socket) {
            return std::move(socket).error();
        }
        listener->group_.endpoints.front()->add_group_socket(std::move(*socket));
    }
    return listener;
}

void DatagramListener::make_machines(const MakeMachine& make) {
    std::uint32_t worker = 0;
    for (const auto& endpoint : group_.endpoints) {
        endpoint->set_machine(make(worker++, *endpoint));
    }
}

void DatagramListener::start() {
    for (const auto& endpoint : group_.endpoints) {
        endpoint->start();
    }
}

// ---------------------------------------------------------------------------------------- keys

Result<std::map<std::string, std::string>> PskTable::read(const std::string& file) {
    std::ifstream in{file};
    if (!in) {
        return Error{Errc::io, file + ": cannot be read"};
    }
    std::map<std::string, std::string> keys;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        if (!line.empty() && line.back() == '\r') {
            line.pop_back();
        }
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const std::size_t colon = line.rfind(':');
        const std::string key =
            colon == std::string::npos ? std::string{} : from_hex(line.substr(colon + 1));
        if (key.empty() || colon == 0) {
            return Error{Errc::invalid_argument, file + ":" + std::to_string(number) +
                                                     ": expected identity:key, the key in hex"};
        }
        keys[line.substr(0, colon)] = key;
    }
    return keys;
}

void PskTable::set(std::map<std::string, std::string> keys) {
    const std::lock_guard lock{mutex_};
    keys_ = std::move(keys);
}

std::string PskTable::find(const std::string& identity) const {
    const std::lock_guard lock{mutex_};
    const auto found = keys_.find(identity);
    return found != keys_.end() ? found->second : std::string{};
}

Result<std::shared_ptr<const transport::DtlsContext>> dtls_context(
    const config::Dtls& dtls, const std::shared_ptr<PskTable>& keys) {
    if (!dtls.enabled) {
        return std::shared_ptr<const transport::DtlsContext>{};
    }
    transport::DtlsOptions options;
    options.certificate_file = dtls.certificate_file;
    options.key_file = dtls.key_file;
    options.ca_file = dtls.ca_file;
    options.requires_certificate = dtls.requires_certificate;
    options.ciphers = dtls.ciphers;
    options.handshake_timeout = dtls.handshake_timeout;
    if (!dtls.psk_file.empty()) {
        auto read = PskTable::read(dtls.psk_file);
        if (!read) {
            return std::move(read).error();
        }
        keys->set(std::move(*read));
        options.psk = [keys](const std::string& identity) {
            return keys->find(identity);
        };
    }
    return transport::DtlsContext::make(options);
}

}  // namespace gw
