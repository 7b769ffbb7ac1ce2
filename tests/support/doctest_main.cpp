// The main() of every doctest program.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <iostream>

namespace {

/// Says which cases were not run because their source says `doctest::skip()`. Without a word nobody
/// would notice; tests/tidy/run_check.py reads it.
struct SkipListener : doctest::IReporter {
    explicit SkipListener(const doctest::ContextOptions& /*options*/) {}

    void test_case_skipped(const doctest::TestCaseData& test_case) override {
        if (test_case.m_skip) {
            std::cout << "skipped " << test_case.m_name << ": doctest::skip()\n";
        }
    }

    void report_query(const doctest::QueryData& /*query*/) override {}
    void test_run_start() override {}
    void test_run_end(const doctest::TestRunStats& /*stats*/) override {}
    void test_case_start(const doctest::TestCaseData& /*test_case*/) override {}
    void test_case_reenter(const doctest::TestCaseData& /*test_case*/) override {}
    void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
    void test_case_exception(const doctest::TestCaseException& /*exception*/) override {}
    void subcase_start(const doctest::SubcaseSignature& /*subcase*/) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData& /*data*/) override {}
    void log_message(const doctest::MessageData& /*data*/) override {}
};

}  // namespace

REGISTER_LISTENER("skips", 1, SkipListener);
