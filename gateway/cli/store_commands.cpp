#include "broker-core/storage/log_store/database.hpp"
#include "broker-core/storage/log_store/store_tools.hpp"
#include "gateway/cli/commands.hpp"
#include "gateway/cli/data_folder.hpp"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>

namespace gw::cli {

namespace {

/// The store's file that the options name; nothing, with the reason printed, when there is none.
std::optional<std::string> store_file(const CommonOptions& options) {
    const auto loaded = config::load(options.sources());
    if (!loaded) {
        print_diagnostics(loaded.error().diagnostics);
        return std::nullopt;
    }
    if (loaded->config.store.file.empty()) {
        std::fputs("mangrove: store.file is empty: there is no store\n", stderr);
        return std::nullopt;
    }
    return loaded->config.node.data_dir + "/" + loaded->config.store.file;
}

ExitCode fail(const Error& error) {
    std::fprintf(stderr, "mangrove: %s\n", error.text().c_str());
    return ExitCode::failure;
}

unsigned long long number(std::uint64_t value) {
    return value;
}

}  // namespace

ExitCode store_check(const CommonOptions& options) {
    const auto path = store_file(options);
    if (!path) {
        return ExitCode::bad_input;
    }
    const auto check = check_store(*path);
    if (!check) {
        return fail(check.error());
    }
    for (const std::string& remark : check->remarks) {
        std::printf("remark: %s\n", remark.c_str());
    }
    for (const std::string& problem : check->problems) {
        std::fprintf(stderr, "problem: %s\n", problem.c_str());
    }
    const RestoreSummary& counts = check->counts;
    std::printf(
        "%s: version %lld, %llu bytes; sessions %llu, subscriptions %llu, retained %llu, "
        "messages %llu, deliveries %llu; problems: %zu\n",
        path->c_str(), static_cast<long long>(check->version), number(check->file_bytes),
        number(counts.session_count), number(counts.subscription_count),
        number(counts.retained_count), number(counts.message_count), number(counts.delivery_count),
        check->problems.size());
    return check->problems.empty() ? ExitCode::success : ExitCode::failure;
}

ExitCode store_export(const CommonOptions& options, const std::string& file) {
    const auto path = store_file(options);
    if (!path) {
        return ExitCode::bad_input;
    }
    std::ofstream target;
    if (!file.empty()) {
        create_private_file(file);  // one that is there keeps its rights
        target.open(file);
    }
    std::ostream& out = file.empty() ? std::cout : target;
    const auto lines = export_store(*path, out);
    if (!lines) {
        return fail(lines.error());
    }
    out.flush();
    if (!out) {
        return fail({Errc::io, "cannot write " + (file.empty() ? "standard output" : file)});
    }
    std::fprintf(stderr, "exported lines: %llu\n", number(*lines));
    return ExitCode::success;
}

ExitCode store_import(const CommonOptions& options, const std::string& file) {
    const auto path = store_file(options);
    if (!path) {
        return ExitCode::bad_input;
    }
    std::ifstream source;
    if (!file.empty()) {
        source.open(file);
        if (!source) {
            return fail({Errc::io, "cannot read " + file});
        }
    }
    const auto lines = import_store(*path, file.empty() ? std::cin : source);
    if (!lines) {
        return fail(lines.error());
    }
    std::printf("imported lines: %llu\n", number(*lines));
    return ExitCode::success;
}

ExitCode store_backup(const CommonOptions& options, const std::string& target) {
    const auto path = store_file(options);
    if (!path) {
        return ExitCode::bad_input;
    }
    const auto done = backup_store(*path, target);
    if (!done) {
        return fail(done.error());
    }
    std::printf("backed up to %s\n", target.c_str());
    return ExitCode::success;
}

}  // namespace gw::cli
