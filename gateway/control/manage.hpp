#pragma once

#include "broker-core/base/result.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace gw {

/// What a question to the running program holds beside its name.
using ManageFields = std::map<std::string, std::string>;

/// A question that the service answers, in place of the program around it:
///   {"command":"ban_add","client":"meter-7"}  -> {"ok":true,"text":".."},
///   {"ok":false,"error":".."}
struct ManageRequest {
    std::string
        name;  // acl_test, ban_add, ban_del, ban_list, clients_list, clients_show, clients_kick
    ManageFields fields;
};

std::string manage_line(std::string_view name, const ManageFields& fields);
/// Nothing when the line is none of these.
std::optional<ManageRequest> parse_manage(std::string_view line);
std::string manage_reply(const Result<std::string>& answer);
/// The text of a reply.
///
/// @error  unavailable  the program has refused; the text says why
/// @error  corrupt      not a reply
Result<std::string> manage_text(const std::string& reply);

}  // namespace gw
