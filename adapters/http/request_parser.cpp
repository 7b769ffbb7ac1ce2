#include "adapters/http/request_parser.hpp"

#include "adapters/http/body_reader.hpp"

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <optional>
#include <string>

namespace gw::http {

namespace {

namespace beast = boost::beast::http;
using boost::system::error_code;

/// The path and query of a target in origin form, or of one in absolute form (RFC 9112, 3.2).
/// False for all others but "*".
bool split_target(Request& request) {
    std::string_view target = request.target;
    if (target == "*") {
        request.path = target;
        return true;
    }
    for (const std::string_view scheme : {"http://", "https://", "ws://", "wss://"}) {
        if (equals_ignoring_case(target.substr(0, scheme.size()), scheme)) {
            target.remove_prefix(scheme.size());
            const std::size_t end = target.find_first_of("/?");
            target.remove_prefix(end == std::string_view::npos ? target.size() : end);
            break;
        }
    }
    const std::size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    request.query = mark == std::string_view::npos ? "" : target.substr(mark + 1);
    if (request.path.empty() && target.size() != request.target.size()) {
        request.path = "/";
    }
    return request.path.starts_with('/');
}

/// Why it cannot be told for sure where the request ends; empty: it can. Whoever stands between
/// might see another end, and what one of us takes for a body would be the other's next request
/// (RFC 9112, 6.3 and 11.2).
std::string_view unclear_end(const Request& request) {
    const std::size_t lengths = request.count("Content-Length");
    const auto length = request.find("Content-Length");
    if (lengths > 1 ||
        (length && (length->empty() || length->find_first_not_of("0123456789") != length->npos))) {
        return "a request has one Content-Length, a number";
    }
    const std::size_t codings = request.count("Transfer-Encoding");
    if (codings == 0) {
        return {};
    }
    if (request.minor_version == 0) {
        return "HTTP/1.0 has no Transfer-Encoding";
    }
    if (lengths != 0) {
        return "a request has Content-Length or Transfer-Encoding, not both";
    }
    if (codings != 1 ||
        !equals_ignoring_case(trim(*request.find("Transfer-Encoding")), "chunked")) {
        return "the one transfer coding that is read here is chunked";
    }
    return {};
}

}  // namespace

struct RequestParser::State {
    beast::request_parser<beast::empty_body> parser;  // of the head alone
    std::optional<BodyReader> body;
    ParserLimits limits;
    std::size_t scanned = 0;  // of the head: no end in these bytes
    Request request;
    Status status = Status::head_incomplete;
    bool expects_continue = false;
    unsigned error_status = 0;
    std::string_view error_text;

    void fail(unsigned status_code, std::string_view text) {
        status = Status::error;
        error_status = status_code;
        error_text = text;
    }
    void fail(const error_code& error) {
        if (error == beast::error::header_limit) {
            fail(431, "the request's head is larger than this server takes");
        } else if (error == beast::error::body_limit) {
            fail(413, "the request's body is larger than this server takes");
        } else if (error == beast::error::bad_version) {
            fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
        } else {
            fail(400, "the request is malformed");
        }
    }
    std::size_t put_head(Bytes bytes);
    void take_body_status();
    error_code put_all(const char* data, std::size_t size);
    void take_head();
};

void RequestParser::State::take_head() {
    const auto& message = parser.get();
    request.method = std::string{message.method_string()};
    request.target = std::string{message.target()};
    request.minor_version = message.version() % 10;
    request.keeps_alive = parser.keep_alive();
    for (const auto& field : message) {
        request.fields.push_back({std::string{field.name_string()}, std::string{field.value()}});
    }
    if (const std::string_view why = unclear_end(request); !why.empty()) {
        fail(400, why);
        return;
    }
    const BodyReader::Limits body_limits{limits.body_bytes_max, limits.head_bytes_max};
    body = parser.chunked()
               ? BodyReader::chunked(body_limits)
               : BodyReader::of_length(parser.content_length().value_or(0), body_limits);
    status = Status::body_incomplete;
    take_body_status();
    if (message.version() / 10 != 1) {
        fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    } else if (!split_target(request)) {
        fail(400, "the request's target is malformed");
    } else if (request.count("Host") != 1 &&
               (request.minor_version != 0 || request.count("Host") != 0)) {
        fail(400, "a request has one Host field");  // RFC 9112, 3.2
    }
    expects_continue = status == Status::body_incomplete && request.minor_version != 0 &&
                       request.has_token("Expect", "100-continue");
}

/// Reads the head when all of it is there; Beast by itself would take it line by line.
std::size_t RequestParser::State::put_head(Bytes bytes) {
    constexpr std::string_view end_of_head = "\r\n\r\n";
    std::string_view text = as_text(bytes);
    // An empty line before a request is to be passed over (RFC 9112, 2.2).
    const std::size_t start = std::min(text.find_first_not_of("\r\n"), text.size());
    text.remove_prefix(start);
    // It counts as part of the head, or the limit would depend on how the bytes arrive.
    if (start >= limits.head_bytes_max) {
        fail(431, "the request's head is larger than this server takes");
        return 0;
    }
    if (!text.empty() && (text.front() < 'A' || text.front() > 'Z')) {
        fail(400, "this is no HTTP request");
        return 0;
    }
    const std::size_t end = text.find(end_of_head, scanned - std::min(scanned, start));
    if (end == std::string_view::npos || start + end + end_of_head.size() > limits.head_bytes_max) {
        scanned = bytes.size() - std::min(bytes.size(), end_of_head.size() - 1);
        if (bytes.size() >= limits.head_bytes_max) {
            fail(431, "the request's head is larger than this server takes");
        }
        return 0;
    }
    const std::size_t head_bytes = end + end_of_head.size();
    const error_code error = put_all(text.data(), head_bytes);
    if (error || !parser.is_header_done()) {
        fail(error);
        return 0;
    }
    take_head();
    return start + head_bytes;
}

error_code RequestParser::State::put_all(const char* data, std::size_t size) {
    // The parser returns between the request line and the fields of some requests.
    for (std::size_t at = 0; at < size && !parser.is_header_done();) {
        error_code error;
        const std::size_t count =
            parser.put(boost::asio::const_buffer{data + at, size - at}, error);
        if (error || count == 0) {
            return error;
        }
        at += count;
    }
    return {};
}

void RequestParser::State::take_body_status() {
    switch (body->status()) {
        case BodyReader::Status::incomplete:
            break;
        case BodyReader::Status::complete:
            status = Status::complete;
            request.body = std::move(body->body());
            break;
        case BodyReader::Status::malformed:
            fail(400, "the request's body is malformed");
            break;
        case BodyReader::Status::too_large:
            fail(413, "the request's body is larger than this server takes");
            break;
    }
}

RequestParser::RequestParser(const ParserLimits& limits) : state_(std::make_unique<State>()) {
    state_->limits = limits;
    state_->parser.header_limit(limits.head_bytes_max);
    state_->parser.body_limit(limits.body_bytes_max);
}

RequestParser::~RequestParser() = default;

std::size_t RequestParser::put(Bytes bytes) {
    if (state_->status == Status::head_incomplete) {
        return state_->put_head(bytes);
    }
    const std::size_t consumed = state_->body->put(bytes);
    state_->take_body_status();
    return consumed;
}

RequestParser::Status RequestParser::status() const {
    return state_->status;
}

Request& RequestParser::request() {
    return state_->request;
}

bool RequestParser::expects_continue() const {
    return state_->expects_continue;
}

unsigned RequestParser::error_status() const {
    return state_->error_status;
}

std::string_view RequestParser::error_text() const {
    return state_->error_text;
}

}  // namespace gw::http
