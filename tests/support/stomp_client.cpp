#include "tests/support/stomp_client.hpp"

namespace gw::test {

using stomp::Command;
using stomp::Version;

std::string StompFrame::get(std::string_view name) const {
    for (const auto& [one, value] : headers) {
        if (one == name) {
            return value;
        }
    }
    return "";
}

std::string StompFrame::text() const {
    std::string out = command;
    for (const auto& [name, value] : headers) {
        if (name != "message-id" && name != "content-length") {
            out += " " + name + (name == "ack" ? "" : "=" + value);
        }
    }
    return body.empty() ? out : out + " | " + body;
}

StompClient::StompClient(SimWorld& world, std::uint32_t worker,
                         const stomp::MachineOptions& options)
    : world_(world),
      link_(world.connect(*this, worker,
                          [settings = std::make_shared<const stomp::MachineOptions>(options)](
                              Broker& broker, StreamConnection& connection,
                              PeerInfo peer) -> std::unique_ptr<StreamMachine> {
                              return std::make_unique<stomp::ConnectionMachine>(
                                  broker, connection, settings, std::move(peer));
                          })) {}

void StompClient::connect(Version version, const StompHeaders& headers) {
    version_ = version;
    StompHeaders all;
    if (version != Version::v1_0) {
        all = {{"accept-version", std::string{version_text(version)}}, {"host", "sim"}};
    }
    all.insert(all.end(), headers.begin(), headers.end());
    frame(Command::connect, all);
}

void StompClient::frame(Command command, const StompHeaders& headers, std::string_view body) {
    ByteBuffer out;
    stomp::FrameWriter writer{out, version_, command};
    for (const auto& [name, value] : headers) {
        writer.header(name, value);
    }
    writer.end_head();
    out.append(body);
    writer.end_frame();
    raw(as_text(out.view()));
}

void StompClient::subscribe(std::string_view id, std::string_view destination, std::string_view ack,
                            bool durable) {
    StompHeaders headers = {{"id", std::string{id}},
                            {"destination", std::string{destination}},
                            {"ack", std::string{ack}}};
    if (durable) {
        headers.emplace_back("durable", "true");
    }
    frame(Command::subscribe, headers);
}

void StompClient::ack(const StompFrame& message, Command command, const StompHeaders& more) {
    StompHeaders headers;
    if (version_ == Version::v1_2) {
        headers = {{"id", message.get("ack")}};
    } else {
        headers = {{"message-id", message.get("message-id")}};
        if (version_ == Version::v1_1) {
            headers.emplace_back("subscription", message.get("subscription"));
        }
    }
    headers.insert(headers.end(), more.begin(), more.end());
    frame(command, headers);
}

void StompClient::publish(std::string_view destination, std::string_view body,
                          StompHeaders headers) {
    headers.insert(headers.begin(), {"destination", std::string{destination}});
    frame(Command::send, headers, body);
}

void StompClient::raw(std::string_view bytes) {
    if (to_server_) {
        const std::string changed = to_server_(as_bytes(bytes));
        world_.send(link_, as_bytes(changed));
    } else {
        world_.send(link_, as_bytes(bytes));
    }
    world_.settle();
}

void StompClient::close() {
    world_.close(link_);
    world_.settle();
}

void StompClient::on_bytes(Bytes bytes) {
    if (on_heard) {
        on_heard(bytes);
    }
    if (to_client_) {
        input_.append(std::string_view{to_client_(bytes)});
    } else {
        input_.append(bytes);
    }
    while (true) {
        const std::size_t line_ends = stomp::count_line_ends(input_.view());
        beats_ += line_ends;
        input_.consume(line_ends);
        stomp::FrameReader reader;
        const auto status = reader.read(input_.view(), {.header_count_max = 1000,
                                                        .line_bytes_max = 200'000,
                                                        .body_bytes_max = 256 << 20,
                                                        .connect_only = false});
        GW_ASSERT(status != stomp::FrameStatus::error);
        if (status == stomp::FrameStatus::need_more) {
            return;
        }
        const Bytes all = input_.view();
        stomp::FrameScratch scratch;
        const auto headers =
            decode_head(reader.command(), version_, all.first(reader.head_bytes()), scratch);
        GW_ASSERT(headers.has_value());
        StompFrame& got = frames_.emplace_back();
        got.command = command_text(reader.command());
        for (const stomp::Header& header : *headers) {
            got.headers.emplace_back(header.name, header.value);
        }
        if (got.command == "CONNECTED") {
            const std::string version = got.get("version");
            version_ = version == "1.0"   ? Version::v1_0
                       : version == "1.1" ? Version::v1_1
                                          : Version::v1_2;
        }
        got.body = as_text(all.subspan(reader.head_bytes(), reader.body_bytes()));
        input_.consume(reader.frame_bytes());
    }
}

StompFrame StompClient::next_frame() {
    world_.settle();
    if (frames_.empty()) {
        return {};
    }
    StompFrame first = std::move(frames_.front());
    frames_.erase(frames_.begin());
    return first;
}

std::vector<std::string> StompClient::take() {
    world_.settle();
    std::vector<std::string> texts;
    for (const StompFrame& got : std::exchange(frames_, {})) {
        texts.push_back(got.text());
    }
    return texts;
}

}  // namespace gw::test
