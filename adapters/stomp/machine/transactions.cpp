#include "adapters/stomp/machine/transactions.hpp"

#include <algorithm>
#include <utility>

namespace gw::stomp {

KeptSend::KeptSend(const PublishRequest& request)
    : topic_bytes_(static_cast<std::uint32_t>(request.topic.size())),
      payload_bytes_(static_cast<std::uint32_t>(request.payload.size())),
      qos_(request.qos),
      retain_(request.retain),
      expires_at_(request.expires_at) {
    text_.reserve(request.topic.size() + request.payload.size() + request.properties.size());
    text_.append(request.topic)
        .append(as_text(request.payload))
        .append(as_text(request.properties));
}

PublishRequest KeptSend::request() const {
    const std::string_view text = text_;
    PublishRequest request{.topic = text.substr(0, topic_bytes_)};
    request.payload = as_bytes(text.substr(topic_bytes_, payload_bytes_));
    request.properties = as_bytes(text.substr(topic_bytes_ + payload_bytes_));
    request.qos = qos_;
    request.retain = retain_;
    request.expires_at = expires_at_;
    return request;
}

Transactions::Outcome Transactions::begin(std::string_view name, MonotonicTime now) {
    if (find(name) != nullptr) {
        return Outcome::exists;
    }
    if (open_.size() >= options_.transaction_count_max) {
        return Outcome::too_many;
    }
    open_.push_back({.name = std::string{name},
                     .steps = {},
                     .bytes = 0,
                     .ends_at = now + options_.transaction_timeout});
    return Outcome::done;
}

Transaction* Transactions::find(std::string_view name) {
    const auto found = std::find_if(open_.begin(), open_.end(),
                                    [name](const Transaction& one) { return one.name == name; });
    return found == open_.end() ? nullptr : &*found;
}

Transactions::Outcome Transactions::add(Transaction& transaction, TransactionStep step) {
    const std::size_t bytes = sizeof(TransactionStep) + (step.send ? step.send->bytes() : 0);
    if (bytes_ + bytes > options_.transaction_bytes_max ||
        step_count_ >= options_.transaction_frame_count_max) {
        return Outcome::too_large;
    }
    bytes_ += bytes;
    ++step_count_;
    transaction.bytes += bytes;
    transaction.steps.push_back(std::move(step));
    return Outcome::done;
}

void Transactions::end(Transaction& transaction) {
    bytes_ -= transaction.bytes;
    step_count_ -= transaction.steps.size();
    open_.erase(open_.begin() + (&transaction - open_.data()));
}

std::vector<TransactionStep> Transactions::take(Transaction& transaction) {
    step_count_ -= transaction.steps.size();
    std::vector<TransactionStep> steps = std::exchange(transaction.steps, {});
    end(transaction);
    return steps;
}

MonotonicTime Transactions::next_end() const {
    return open_.empty() ? never : open_.front().ends_at;
}

}  // namespace gw::stomp
