// docs/protocols/translation.md is what the adapters' tables say. `--write` makes it so.
#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/translation/document.hpp"

#include <doctest/doctest.h>

#include <string_view>

TEST_CASE("docs/protocols/translation.md is what the tables say") {
    // Stale? `build/dev/translation_test --write` makes it anew.
    CHECK((gw::test::translation_document() == gw::test::translation_document_made_anew()));
}

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view{argv[1]} == "--write") {
        gw::test::write_translation_document();
        return 0;
    }
    doctest::Context context{argc, argv};
    return context.run();
}
