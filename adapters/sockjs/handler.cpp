#include "adapters/sockjs/handler.hpp"

#include "adapters/sockjs/hub.hpp"
#include "adapters/sockjs/sockjs_layer.hpp"
#include "adapters/sockjs/text.hpp"
#include "adapters/websocket/handshake.hpp"
#include "adapters/websocket/hixie76.hpp"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace gw::sockjs {

namespace {

constexpr std::string_view year_seconds = "31536000";

http::Response failure(std::string_view text) {
    return http::text_response(500, text);
}

http::Response not_found() {
    return http::text_response(404, "there is nothing here");
}

void forbid_caching(http::Response& response) {
    response.with("Cache-Control", "no-store, no-cache, must-revalidate, max-age=0");
}

void allow_caching(http::Response& response) {
    response.with("Cache-Control", "public, max-age=" + std::string{year_seconds})
        .with("Expires", "Fri, 31 Dec 2038 23:59:59 GMT");
}

/// Which page may read the response (CORS). "null", of files, can not be told back.
void add_cors(const http::Request& request, http::Response& response) {
    const auto origin = request.find("Origin");
    response
        .with("Access-Control-Allow-Origin",
              origin && !origin->empty() && *origin != "null" ? std::string{*origin} : "*")
        .with("Access-Control-Allow-Credentials", "true")
        .with("Vary", "Origin");
    const std::string wanted = request.joined("Access-Control-Request-Headers");
    if (!wanted.empty()) {
        response.with("Access-Control-Allow-Headers", wanted);
    }
}

/// The value of the first cookie of that name.
std::optional<std::string> find_cookie(const http::Request& request, std::string_view name) {
    const std::string all = request.joined("Cookie");
    for (std::string_view rest = all; !rest.empty();) {
        const std::size_t end = std::min(rest.find_first_of(";,"), rest.size());
        const std::string_view one = http::trim(rest.substr(0, end));
        if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=') {
            return std::string{one.substr(name.size() + 1)};
        }
        rest.remove_prefix(std::min(rest.size(), end + 1));
    }
    return std::nullopt;
}

/// Whose a session is, the strongest that the request shows: what the transport has proven, the
/// cookie by which its user logs in, or the address. Its id alone is no proof: it goes over the
/// wire in each request's path, and so stands in logs and Referer fields.
std::string owner_of(const http::Exchange& exchange, const Endpoint& endpoint) {
    const PeerInfo& peer = exchange.peer();
    if (peer.identity) {
        return "key\n" + peer.identity->fingerprint + "\n" + peer.identity->psk_identity;
    }
    if (!endpoint.login_cookie.empty()) {
        if (const auto cookie = find_cookie(exchange.request(), endpoint.login_cookie);
            cookie && !cookie->empty()) {
            return "cookie\n" + *cookie;
        }
    }
    return peer.is_unix ? "unix" : "address\n" + peer.ip.text();
}

bool is_callback(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '-';
    });
}

std::optional<Transport> receiving_transport(std::string_view name) {
    constexpr std::pair<std::string_view, Transport> all[] = {
        {"xhr", Transport::xhr},
        {"xhr_streaming", Transport::xhr_streaming},
        {"eventsource", Transport::eventsource},
        {"htmlfile", Transport::htmlfile},
        {"jsonp", Transport::jsonp}};
    for (const auto& [known, transport] : all) {
        if (known == name) {
            return transport;
        }
    }
    return std::nullopt;
}

bool is_posted(std::string_view transport) {
    return transport == "xhr" || transport == "xhr_streaming" || transport == "xhr_send";
}

/// From now on the session counts as one that is not logged in, as long as it is not; its
/// connections, which come and go, do not.
void release_ticket(const http::Exchange& exchange) {
    if (exchange.peer().unauthenticated) {
        exchange.peer().unauthenticated->release();
    }
}

/// Answers a sender once there is room again.
class SendWait final : public http::Activity {
public:
    explicit SendWait(http::Exchange& exchange)
        : exchange_(std::make_shared<http::Exchange*>(&exchange)) {}
    ~SendWait() override { *exchange_ = nullptr; }

    std::shared_ptr<http::Exchange*> exchange() const { return exchange_; }

private:
    std::shared_ptr<http::Exchange*> exchange_;  // null inside once the request is over
};

}  // namespace

SockJsPath parse_path(std::string_view rest) {
    using Kind = SockJsPath::Kind;
    if (rest.empty() || rest == "/") {
        return {Kind::greeting};
    }
    if (rest.front() != '/') {
        return {};
    }
    rest.remove_prefix(1);
    if (rest == "info") {
        return {Kind::info};
    }
    if (rest == "websocket") {
        return {Kind::raw_websocket};
    }
    if (rest.starts_with("iframe") && rest.ends_with(".html") &&
        rest.find('/') == std::string_view::npos) {
        return {Kind::iframe};
    }
    const std::size_t first = rest.find('/');
    const std::size_t second = first == std::string_view::npos ? first : rest.find('/', first + 1);
    if (second == std::string_view::npos || rest.find('/', second + 1) != std::string_view::npos) {
        return {};
    }
    const std::string_view server = rest.substr(0, first);
    const std::string_view session = rest.substr(first + 1, second - first - 1);
    // Dots would be mistaken for names of files (sockjs-protocol 0.3.3, "Session URLs").
    if (server.empty() || session.empty() || rest.substr(0, second).find('.') != rest.npos) {
        return {};
    }
    return {Kind::session, session, rest.substr(second + 1)};
}

SockJsPath SockJsHandler::path_of(const http::Request& request) const {
    return parse_path(std::string_view{request.path}.substr(endpoint_->path.size()));
}

std::uint32_t SockJsHandler::worker_for(const http::Request& request, std::uint32_t present) const {
    const SockJsPath path = path_of(request);
    // A WebSocket session lives where its connection does.
    const bool has_session =
        path.kind == SockJsPath::Kind::session && path.transport != "websocket";
    return has_session ? Hub::worker_of(path.session, worker_count_) : present;
}

void SockJsHandler::on_request(http::Exchange& exchange) const {
    const SockJsPath path = path_of(exchange.request());
    switch (path.kind) {
        case SockJsPath::Kind::greeting:
            answer_greeting(exchange);
            return;
        case SockJsPath::Kind::info:
            answer_info(exchange);
            return;
        case SockJsPath::Kind::iframe:
            answer_iframe(exchange);
            return;
        case SockJsPath::Kind::raw_websocket:
            answer_raw(exchange);
            return;
        case SockJsPath::Kind::none:
            exchange.respond(not_found());
            return;
        case SockJsPath::Kind::session:
            break;
    }
    if (path.transport == "websocket") {
        answer_websocket(exchange);
        return;
    }
    const auto transport = receiving_transport(path.transport);
    if (!transport && path.transport != "xhr_send" && path.transport != "jsonp_send") {
        exchange.respond(not_found());
    } else if (check_method(exchange, is_posted(path.transport) || !transport ? "POST" : "GET") &&
               check_origin(exchange)) {
        if (transport) {
            receive(exchange, *transport, path.session);
        } else {
            send(exchange, path.session, path.transport == "jsonp_send");
        }
    }
}

// ----------------------------------------------------------------------------------- common parts

/// Answers OPTIONS and wrong methods; true when the request is to be answered further. HEAD is no
/// GET here: it would take messages of a session that nobody gets to see.
bool SockJsHandler::check_method(http::Exchange& exchange, std::string_view method) const {
    const http::Request& request = exchange.request();
    if (request.method == method) {
        return true;
    }
    const std::string allowed = "OPTIONS, " + std::string{method};
    if (request.method != "OPTIONS") {
        exchange.respond(http::Response{405}.with("Allow", allowed));
        return false;
    }
    if (!check_origin(exchange)) {
        return false;
    }
    http::Response response{204};
    allow_caching(response);
    response.with("Access-Control-Max-Age", std::string{year_seconds})
        .with("Access-Control-Allow-Methods", allowed);
    add_common(request, response);
    exchange.respond(response);
    return false;
}

bool SockJsHandler::check_origin(http::Exchange& exchange) const {
    if (http::check_origin(exchange.request(), endpoint_->handshake.origins) !=
        http::OriginVerdict::refused) {
        return true;
    }
    exchange.respond(http::text_response(403, "pages of this origin may not connect"));
    return false;
}

/// CORS, and the cookie that load balancers go by.
void SockJsHandler::add_common(const http::Request& request, http::Response& response) const {
    if (endpoint_->is_cookie_needed) {
        response.with(
            "Set-Cookie",
            "JSESSIONID=" + find_cookie(request, "JSESSIONID").value_or("dummy") + "; path=/");
    }
    add_cors(request, response);
}

// ---------------------------------------------------------------------------------- static pages

void SockJsHandler::answer_greeting(http::Exchange& exchange) const {
    if (exchange.request().has_token("Upgrade", "websocket")) {
        answer_raw(exchange);
        return;
    }
    if (exchange.request().method != "GET" && exchange.request().method != "HEAD") {
        exchange.respond(http::Response{405}.with("Allow", "GET"));
        return;
    }
    http::Response response;
    response.with("Content-Type", "text/plain; charset=UTF-8");
    response.body = "Welcome to SockJS!\n";
    exchange.respond(response);
}

void SockJsHandler::answer_info(http::Exchange& exchange) const {
    const bool is_head = exchange.request().method == "HEAD";
    if (!(is_head || check_method(exchange, "GET")) || !check_origin(exchange)) {
        return;
    }
    http::Response response;
    response.with("Content-Type", "application/json; charset=UTF-8");
    forbid_caching(response);
    add_cors(exchange.request(), response);
    std::random_device random;
    response.body = std::string{R"({"websocket":)"} +
                    (endpoint_->has_websocket ? "true" : "false") +
                    R"(,"origins":["*:*"],"cookie_needed":)" +
                    (endpoint_->is_cookie_needed ? "true" : "false") + R"(,"entropy":)" +
                    std::to_string(random()) + "}";
    exchange.respond(response);
}

void SockJsHandler::answer_iframe(http::Exchange& exchange) const {
    const http::Request& request = exchange.request();
    if (request.method != "GET" && request.method != "HEAD") {
        exchange.respond(http::Response{405}.with("Allow", "GET"));
        return;
    }
    std::string page = R"(<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script>
    document.domain = document.domain;
    _sockjs_onload = function(){SockJS.bootstrap_iframe();};
  </script>
  <script src=")" + endpoint_->client_url +
                       R"("></script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>)";
    const std::string tag = "\"" + std::to_string(std::hash<std::string>{}(page)) + "\"";
    const std::string wanted = request.joined("If-None-Match");
    const bool is_known = wanted == "*" || wanted.find(tag) != std::string::npos;
    http::Response response{is_known ? 304U : 200U};
    allow_caching(response);
    response.with("ETag", tag);
    if (!is_known) {
        response.with("Content-Type", "text/html; charset=UTF-8");
        response.body = std::move(page);
    }
    exchange.respond(response);
}

// ------------------------------------------------------------------------------------- WebSocket

void SockJsHandler::answer_raw(http::Exchange& exchange) const {
    if (!endpoint_->has_websocket) {
        exchange.respond(not_found());
    } else if (exchange.request().method != "GET") {
        exchange.respond(http::Response{405}.with("Allow", "GET"));
    } else if (endpoint_->raw) {
        websocket::WebSocketHandler{endpoint_->raw}.on_request(exchange);
    } else {
        const auto answer = websocket::answer_handshake(exchange.request(), endpoint_->handshake);
        if (answer) {
            exchange.upgrade(answer->response, raw_upgrade(endpoint_));
        } else {
            exchange.respond(answer.error());
        }
    }
}

void SockJsHandler::answer_websocket(http::Exchange& exchange) const {
    const http::Request& request = exchange.request();
    if (!endpoint_->has_websocket) {
        exchange.respond(not_found());
        return;
    }
    if (request.method != "GET") {
        exchange.respond(http::Response{405}.with("Allow", "GET"));
        return;
    }
    if (!request.has_token("Upgrade", "websocket")) {
        exchange.respond(http::text_response(400, "Can \"Upgrade\" only to \"WebSocket\"."));
        return;
    }
    if (!request.has_token("Connection", "upgrade")) {
        exchange.respond(http::text_response(400, "\"Connection\" must be \"Upgrade\"."));
        return;
    }
    if (websocket::is_hixie76(request)) {
        answer_hixie76(exchange);
        return;
    }
    auto answer = websocket::answer_handshake(request, endpoint_->handshake);
    if (!answer) {
        exchange.respond(answer.error());
        return;
    }
    if (!exchange.admit()) {
        return;
    }
    ByteBuffer opening;
    websocket::append_frame(opening, websocket::Opcode::text, as_bytes("o"));
    answer->response.body = as_text(opening.view());
    const http::Response response = answer->response;
    exchange.upgrade(
        response,
        sockjs_upgrade(endpoint_, websocket::upgrade_info(exchange.peer(), std::move(*answer)),
                       exchange.now().monotonic));
}

void SockJsHandler::answer_hixie76(http::Exchange& exchange) const {
    auto answer = websocket::answer_hixie76(exchange.request(), endpoint_->handshake);
    if (!answer) {
        exchange.respond(answer.error());
        return;
    }
    if (!exchange.admit()) {
        return;
    }
    const MonotonicTime now = exchange.now().monotonic;
    ByteBuffer opening;
    websocket::append_hixie76_text(opening, "o");
    auto session = sockjs_upgrade(endpoint_, websocket::upgrade_info(exchange.peer(), *answer), now,
                                  WebSocketDraft::hixie76);
    exchange.upgrade(answer->response,
                     websocket::hixie76_upgrade(*answer, std::string{as_text(opening.view())},
                                                std::move(session), exchange.peer(), now));
}

// ------------------------------------------------------------------------------ HTTP transports

void SockJsHandler::receive(http::Exchange& exchange, Transport transport,
                            std::string_view id) const {
    const http::Request& request = exchange.request();
    const bool needs_callback = transport == Transport::jsonp || transport == Transport::htmlfile;
    std::string callback;
    if (needs_callback) {
        callback = form_field(request.query, "c", Plus::stays).value_or("");
        if (callback.empty()) {
            exchange.respond(failure("\"callback\" parameter required"));
            return;
        }
        if (!is_callback(callback)) {
            exchange.respond(failure("invalid \"callback\" parameter"));
            return;
        }
    }
    Hub& hub = hub_(exchange.worker());
    const std::string owner = owner_of(exchange, *endpoint_);
    Session* session = hub.find(*endpoint_, id, owner);
    if (session == nullptr) {
        if (!exchange.admit()) {
            return;
        }
        PeerInfo peer = exchange.peer();
        peer.unauthenticated.reset();  // the connection's; the session gets one of its own
        // A page needs no leave to load a script or a frame, and the browser adds cookies to both.
        const auto verdict = http::check_origin(request, endpoint_->handshake.origins);
        if (!needs_callback && verdict != http::OriginVerdict::stranger) {
            peer.cookie = request.joined("Cookie");
        }
        session = hub.open(endpoint_, id, owner, std::move(peer));
    }
    if (session == nullptr) {
        exchange.respond(http::text_response(503, "there are too many sessions"));
        return;
    }
    http::Response head;
    head.with("Content-Type", std::string{content_type(transport)});
    forbid_caching(head);
    add_common(request, head);
    if (needs_callback) {
        head.with("X-Content-Type-Options", "nosniff");
    }
    auto receiver = std::make_unique<ResponseReceiver>(
        exchange, transport, std::move(callback), std::move(head), endpoint_->response_bytes_max);
    ResponseReceiver& attached = *receiver;
    release_ticket(exchange);
    exchange.attach(std::move(receiver));
    attached.start(*session);
}

void SockJsHandler::send(http::Exchange& exchange, std::string_view id, bool is_jsonp) const {
    const http::Request& request = exchange.request();
    Session* const session =
        hub_(exchange.worker()).find(*endpoint_, id, owner_of(exchange, *endpoint_));
    if (session == nullptr) {
        exchange.respond(not_found());
        return;
    }
    std::optional<std::string> body = request.body;
    const std::string type = request.joined("Content-Type");
    if (is_jsonp && http::equals_ignoring_case(http::trim(type.substr(0, type.find(';'))),
                                               "application/x-www-form-urlencoded")) {
        body = form_field(request.body, "d", Plus::is_space);
    }
    if (!body || body->empty()) {
        exchange.respond(failure("Payload expected."));
        return;
    }
    auto messages = decode_messages(*body);
    if (!messages) {
        exchange.respond(failure("Broken JSON encoding."));
        return;
    }
    http::Response response{is_jsonp ? 200U : 204U};
    response.with("Content-Type", "text/plain; charset=UTF-8");
    forbid_caching(response);
    add_common(request, response);
    response.body = is_jsonp ? "ok" : "";
    const Session::Taken taken = session->take(std::move(*messages));
    if (taken != Session::Taken::refused) {
        release_ticket(exchange);
    }
    switch (taken) {
        case Session::Taken::refused:
            exchange.respond(not_found());
            break;
        case Session::Taken::yes:
            exchange.respond(response);
            break;
        case Session::Taken::later: {
            auto wait = std::make_unique<SendWait>(exchange);
            session->wait_for_room([answer = std::move(response), to = wait->exchange()] {
                if (*to != nullptr) {
                    (*to)->respond(answer);
                }
            });
            exchange.attach(std::move(wait));
            break;
        }
    }
}

}  // namespace gw::sockjs
