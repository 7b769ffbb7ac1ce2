#include "adapters/http/http_machine.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

namespace gw::http {

namespace {

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
std::string date_text(WallTime now) {
    using namespace std::chrono;
    constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto day = floor<std::chrono::days>(now);
    const year_month_day date{day};
    const hh_mm_ss time{floor<seconds>(now - day)};
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                  days[weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
                  months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                  static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    return text.data();
}

bool has_body(unsigned status) {
    return status >= 200 && status != 204 && status != 304;
}

}  // namespace

HttpMachine::HttpMachine(StreamConnection& connection, std::shared_ptr<const Site> site,
                         PeerInfo peer, std::uint32_t worker)
    : connection_(connection), site_(std::move(site)), peer_(std::move(peer)), worker_(worker) {
    connection_.set_deadline(now().monotonic + site_->request_timeout);
}

HttpMachine::~HttpMachine() = default;

// --------------------------------------------------------------------------------------- reading

std::size_t HttpMachine::on_bytes(Bytes bytes) {
    spent_.reset();
    std::size_t consumed = 0;
    while (state_ == State::reading && consumed < bytes.size()) {
        const std::size_t count = read_request(bytes.subspan(consumed));
        consumed += count;
        if (count == 0) {
            break;
        }
    }
    // What a client sends while it waits for a response is the next request; how much of it is kept
    // has a bound. The end of the connection is still seen when it comes before.
    if (state_ != State::reading && state_ != State::ended && !is_reading_paused_ &&
        bytes.size() - consumed > site_->limits.head_bytes_max) {
        is_reading_paused_ = true;
        connection_.pause_reading();
    }
    return consumed;
}

std::size_t HttpMachine::read_request(Bytes bytes) {
    if (!parser_) {
        parser_ = std::make_unique<RequestParser>(site_->limits);
        connection_.set_deadline(now().monotonic + site_->request_timeout);
    }
    const bool was_head = parser_->status() == RequestParser::Status::head_incomplete;
    const std::size_t consumed = parser_->put(bytes);
    if (parser_->status() == RequestParser::Status::error) {
        refuse(text_response(parser_->error_status(), parser_->error_text()));
        return bytes.size();
    }
    if (parser_->status() == RequestParser::Status::head_incomplete) {
        return consumed;
    }
    if (was_head && !accept_head()) {
        return state_ == State::moving ? 0 : consumed;
    }
    if (parser_->status() == RequestParser::Status::complete) {
        dispatch();
    }
    return consumed;
}

/// Finds out who is to answer; false when that is nobody here.
bool HttpMachine::accept_head() {
    const Request& head = parser_->request();
    client_ = peer_;
    apply_forwarded(head, site_->trust, client_);
    if (site_->lets_in && client_.ip != peer_.ip && !site_->lets_in(client_.ip)) {
        refuse(text_response(403, "this address may not connect"));
        return false;
    }
    const Router::Found found = site_->router.find(head.method, head.path);
    if (found.handler == nullptr) {
        const bool is_known = !found.allowed_methods.empty();
        Response response =
            text_response(is_known ? 405 : 404,
                          is_known ? "this path has other methods" : "there is nothing here");
        if (is_known) {
            response.with("Allow", std::string{found.allowed_methods});
        }
        // A body may follow, which nobody wants to read.
        response.closes = parser_->status() != RequestParser::Status::complete;
        state_ = State::answering;
        respond(response);
        return false;
    }
    handler_ = found.handler;
    const std::uint32_t wanted = handler_->worker_for(head, worker_);
    if (wanted != worker_) {
        worker_ = wanted;
        state_ = State::moving;
        if (connection_.unsent_bytes() == 0) {
            connection_.move_to(wanted);
        } else {
            connection_.wants_drained = true;  // what was answered before goes out first
        }
        return false;
    }
    if (parser_->expects_continue()) {
        connection_.output().append("HTTP/1.1 100 Continue\r\n\r\n");
    }
    return true;
}

bool HttpMachine::admit() {
    if (!site_->refusal || !is_trusted(site_->trust, peer_)) {
        return true;
    }
    const auto status = site_->refusal(worker_, client_.ip);
    if (status) {
        respond(text_response(*status, *status == 429 ? "too many connections from this address"
                                                      : "this address may not connect"));
    }
    return !status;
}

void HttpMachine::dispatch() {
    state_ = State::answering;
    connection_.set_deadline(never);
    handler_->on_request(*this);
    // Nobody answers later who has not said so.
    GW_ASSERT(state_ == State::reading || state_ == State::ended || activity_);
}

// ------------------------------------------------------------------------------------- answering

void HttpMachine::write_head(const Response& response, bool has_length) {
    const Request& asked = parser_->request();
    closes_after_ = response.closes || !asked.keeps_alive || is_shutting_down_;
    ByteBuffer& out = connection_.output();
    out.append("HTTP/1.1 ");
    out.append(std::to_string(response.status));
    out.append(" ");
    out.append(status_text(response.status));
    out.append("\r\n");
    for (const Field& field : response.fields) {
        out.append(field.name);
        out.append(": ");
        out.append(field.value);
        out.append("\r\n");
    }
    if (response.status >= 200) {
        out.append("Date: ");
        out.append(date_text(now().wall));
        out.append("\r\n");
    }
    if (has_length && has_body(response.status)) {
        out.append("Content-Length: ");
        out.append(std::to_string(response.body.size()));
        out.append("\r\n");
    } else if (!has_length && asked.minor_version != 0) {
        out.append("Transfer-Encoding: chunked\r\n");
    }
    if (response.status >= 200) {
        if (!has_length && asked.minor_version == 0) {
            closes_after_ = true;  // its end is the connection's
        }
        if (closes_after_) {
            out.append("Connection: close\r\n");
        } else if (asked.minor_version == 0) {
            out.append("Connection: keep-alive\r\n");
        }
    }
    out.append("\r\n");
}

void HttpMachine::respond(const Response& response) {
    GW_ASSERT(state_ == State::answering);
    if (response.status >= 400 && site_->on_refused) {
        site_->on_refused(worker_, response.status, client_.address.empty() ? peer_ : client_);
    }
    write_head(response, true);
    if (has_body(response.status) && parser_->request().method != "HEAD") {
        connection_.output().append(response.body);
    }
    finish_response();
}

void HttpMachine::begin_stream(const Response& head) {
    GW_ASSERT(state_ == State::answering);
    state_ = State::streaming;
    is_chunked_ = parser_->request().minor_version != 0;
    write_head(head, false);
    stream(head.body);
}

void HttpMachine::stream(std::string_view bytes) {
    GW_ASSERT(state_ == State::streaming);
    if (bytes.empty()) {
        return;
    }
    ByteBuffer& out = connection_.output();
    if (is_chunked_) {
        std::array<char, 20> size{};
        std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
        out.append(size.data());
    }
    out.append(bytes);
    if (is_chunked_) {
        out.append("\r\n");
    }
    connection_.wants_drained = true;
}

void HttpMachine::end_stream() {
    GW_ASSERT(state_ == State::streaming);
    if (is_chunked_) {
        connection_.output().append("0\r\n\r\n");
    }
    connection_.wants_drained = false;
    finish_response();
}

void HttpMachine::finish_response() {
    if (activity_) {
        spent_ = std::move(activity_);
    }
    if (closes_after_) {
        close(CloseMode::drain);
        return;
    }
    state_ = State::reading;
    parser_.reset();
    handler_ = nullptr;
    connection_.set_deadline(now().monotonic + site_->idle_timeout);
    // What was kept, if any, is given again.
    is_reading_paused_ = false;
    connection_.resume_reading();
}

void HttpMachine::refuse(Response response) {
    response.closes = true;
    state_ = State::answering;
    respond(response);
}

void HttpMachine::abort() {
    close(CloseMode::abort);
}

void HttpMachine::attach(std::unique_ptr<Activity> activity) {
    GW_ASSERT(!activity_);
    activity_ = std::move(activity);
}

void HttpMachine::upgrade(const Response& head,
                          std::shared_ptr<const transport::StreamUpgrade> upgrade) {
    GW_ASSERT(state_ == State::answering);
    write_head(head, true);
    connection_.output().append(head.body);
    state_ = State::ended;
    connection_.upgrade(std::move(upgrade));
}

void HttpMachine::close(CloseMode mode) {
    if (state_ != State::ended) {
        state_ = State::ended;
        connection_.close(mode);
    }
}

// ---------------------------------------------------------------------------------------- events

void HttpMachine::on_deadline() {
    spent_.reset();
    if (state_ == State::reading && parser_) {
        refuse(text_response(408, "the request took too long"));
    } else if (state_ == State::reading) {
        close(CloseMode::drain);
    }
}

void HttpMachine::on_closed(ReasonCode) {
    state_ = State::ended;
    spent_.reset();
    activity_.reset();
}

void HttpMachine::on_output_drained() {
    spent_.reset();
    if (state_ == State::moving) {
        connection_.move_to(worker_);
    } else if (activity_) {
        activity_->on_drained();
    }
}

void HttpMachine::on_shutdown(ReasonCode) {
    spent_.reset();
    is_shutting_down_ = true;
    closes_after_ = true;
    if (activity_) {
        activity_->on_shutdown();
    }
    if (state_ != State::ended) {
        close(CloseMode::drain);
    }
}

}  // namespace gw::http
