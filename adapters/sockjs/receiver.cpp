#include "adapters/sockjs/receiver.hpp"

#include "adapters/sockjs/text.hpp"

#include <algorithm>
#include <utility>

namespace gw::sockjs {

std::string format_frame(Transport transport, std::string_view frame, std::string_view callback) {
    std::string text;
    switch (transport) {
        case Transport::xhr:
        case Transport::xhr_streaming:
            text = frame;
            text += '\n';
            break;
        case Transport::eventsource:
            text = "data: ";
            for (const char c : frame) {  // clients decode it as they would a URI
                text += c == '%' ? std::string{"%25"} : std::string(1, c);
            }
            text += "\r\n\r\n";
            break;
        case Transport::htmlfile:
            text = "<script>\np(";
            append_script_string(text, frame);
            text += ");\n</script>\r\n";
            break;
        case Transport::jsonp:
            text = callback;
            text += '(';
            append_script_string(text, frame);
            text += ");\r\n";
            break;
    }
    return text;
}

std::string prelude(Transport transport, std::string_view callback) {
    constexpr std::size_t browser_buffer_bytes = 1024;
    switch (transport) {
        case Transport::xhr_streaming:
            return std::string(2 * browser_buffer_bytes, 'h') + "\n";
        case Transport::eventsource:
            return "\r\n";  // Opera 10 lost the first line
        case Transport::htmlfile: {
            std::string page = R"(<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.)";
            page += callback;
            page += R"(;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>
)";
            page.resize(std::max(page.size(), browser_buffer_bytes), ' ');
            return page + "\r\n\r\n";
        }
        case Transport::xhr:
        case Transport::jsonp:
            break;
    }
    return {};
}

std::string_view content_type(Transport transport) {
    switch (transport) {
        case Transport::eventsource:
            return "text/event-stream; charset=UTF-8";
        case Transport::htmlfile:
            return "text/html; charset=UTF-8";
        case Transport::xhr:
        case Transport::xhr_streaming:
        case Transport::jsonp:
            break;
    }
    return "application/javascript; charset=UTF-8";
}

ResponseReceiver::ResponseReceiver(http::Exchange& exchange, Transport transport,
                                   std::string callback, http::Response head,
                                   std::size_t response_bytes_max)
    : exchange_(exchange),
      transport_(transport),
      callback_(std::move(callback)),
      head_(std::move(head)),
      left_(response_bytes_max) {}

ResponseReceiver::~ResponseReceiver() {
    if (session_ != nullptr) {
        session_->on_receiver_lost(*this);
    }
}

void ResponseReceiver::start(Session& session) {
    session_ = &session;
    if (!is_polling()) {
        head_.body = prelude(transport_, callback_);
        exchange_.begin_stream(head_);
        head_ = {};
    }
    session.attach(*this);
}

bool ResponseReceiver::send(std::string_view frame) {
    std::string text = format_frame(transport_, frame, callback_);
    if (is_polling()) {
        head_.body = std::move(text);
        exchange_.respond(head_);
        return false;
    }
    exchange_.stream(text);
    left_ -= std::min(left_, text.size());
    if (left_ == 0) {
        exchange_.end_stream();
        return false;
    }
    return true;
}

void ResponseReceiver::end() {
    exchange_.end_stream();
}

bool ResponseReceiver::is_congested() const {
    constexpr std::size_t unsent_bytes_max = 256 * 1024;
    return exchange_.unsent_bytes() > unsent_bytes_max;
}

void ResponseReceiver::on_drained() {
    if (session_ != nullptr) {
        session_->on_receiver_drained();
    }
}

}  // namespace gw::sockjs
