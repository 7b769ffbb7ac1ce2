#include "gateway/app.hpp"
#include "gateway/cli/cli.hpp"

#include <memory>

int main(int argc, char** argv) {
    return gw::cli::run(argc, argv, [](const gw::config::Config& config, gw::Log& log) {
        return std::make_unique<gw::App>(config, log);
    });
}
