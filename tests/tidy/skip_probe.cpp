// A program with a case that is skipped, for run_check_test.py.
#include <doctest/doctest.h>

TEST_CASE("one that runs") {
    CHECK(true);
}

TEST_CASE("one that is left out" * doctest::skip()) {
    CHECK(false);
}
