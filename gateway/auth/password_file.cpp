#include "gateway/auth/password_file.hpp"

#include "gateway/auth/password_hash.hpp"
#include "gateway/auth/user_store.hpp"

#include <algorithm>

namespace gw::auth {

PasswordFile parse_password_file(std::string_view text) {
    PasswordFile file;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        const auto problem = [&](const std::string& what) {
            file.problems.push_back("line " + std::to_string(number) + ": " + what);
        };
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) {
            problem("no \"user:hash\"");
            continue;
        }
        const std::string_view name = line.substr(0, colon);
        const std::string_view hash = line.substr(colon + 1);
        if (!is_user_name(name)) {
            problem("not a user name");
        } else if (const auto checked = check_password_hash(hash); !checked) {
            problem(checked.error().text());
        } else {
            file.entries.push_back({std::string{name}, std::string{hash}});
        }
    }
    return file;
}

}  // namespace gw::auth
