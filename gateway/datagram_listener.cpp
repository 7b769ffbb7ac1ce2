#include "gateway/datagram_listener.hpp"

#include <utility>

namespace gw {

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

void DtlsKeys::set(transport::PskTablePtr table) {
    const std::lock_guard lock{mutex_};
    table_ = std::move(table);
}

std::string DtlsKeys::find(const std::string& identity) const {
    const std::lock_guard lock{mutex_};
    return table_ ? std::string{table_->find(identity)} : std::string{};
}

Result<std::shared_ptr<const transport::DtlsContext>> dtls_context(
    const config::Dtls& dtls, const std::shared_ptr<DtlsKeys>& keys) {
    if (!dtls.enabled) {
        return std::shared_ptr<const transport::DtlsContext>{};
    }
    transport::DtlsOptions options;
    options.certificate_file = dtls.certificate_file;
    options.key_file = dtls.key_file;
    options.ca_file = dtls.ca_file;
    options.requires_certificate = dtls.requires_certificate.value_or(!dtls.ca_file.empty());
    options.ciphers = dtls.ciphers;
    options.handshake_timeout = dtls.handshake_timeout;
    if (!dtls.psk_file.empty()) {
        auto read = transport::PskTable::read(dtls.psk_file);
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
