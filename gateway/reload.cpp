#include "gateway/reload.hpp"

#include <utility>

namespace gw {

ReloadOutcome reload_config(const config::Sources& sources, config::Loaded& current,
                            Service& service, ReloadMode mode) {
    ReloadOutcome outcome;
    auto loaded = config::load(sources);
    if (!loaded) {
        for (const config::Diagnostic& one : loaded.error().diagnostics) {
            outcome.errors.push_back(one.line_text());
        }
        return outcome;
    }
    outcome.changes = config::diff(current, *loaded);
    for (const config::Change& change : outcome.changes) {
        if (change.on_reload == config::Reload::restart) {
            outcome.errors.push_back(change.name + ": a change needs a restart");
        }
    }
    if (!outcome.errors.empty()) {
        return outcome;
    }
    if (mode == ReloadMode::dry_run) {
        const auto checked = service.check(loaded->config);
        outcome.accepted = checked.has_value();
        if (!checked) {
            outcome.errors.push_back(checked.error().text());
        }
        return outcome;
    }
    // Also when no key has changed: the files that keys name may have.
    auto applied = service.reload(loaded->config);
    if (!applied) {
        outcome.errors.push_back(applied.error().text());
        return outcome;
    }
    outcome.notes = std::move(*applied);
    outcome.accepted = true;
    current = std::move(*loaded);
    return outcome;
}

}  // namespace gw
