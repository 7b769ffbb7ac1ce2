"""run_check.py must find what it is for: real runs of ctest, in which tests are skipped, not run, left
out and slow in every way that ours could be."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import skips  # pylint: disable=wrong-import-position
import run_check  # pylint: disable=wrong-import-position

# What CMake would write for ctest.
CASES = """function(case name)
  add_test(${name} ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS "ci;full")
endfunction()
"""

UNITTEST = """import sys, unittest
sys.path.insert(0, "SUPPORT")
import skips
class Some(unittest.TestCase):
    def test_runs(self):
        pass
    @unittest.skip("no client")
    def test_needs_a_client(self):
        pass
"""


class RunCheckTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "tests").mkdir()
        self.write("tests/skips.txt", "")
        self.write("tests/budgets.txt", "# a comment\ntest | 60\nci | 100\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def judge(self, cases, ctest=(), options=("--label", "ci"), ci=True):
        """Runs ctest over these cases and judges it: (exit code, what it found wrong)."""
        build = self.root / "build"
        self.write("build/CTestTestfile.cmake", CASES + cases)
        compiled = [{"file": str(path)} for path in self.compiled]
        (build / "compile_commands.json").write_text(json.dumps(compiled))
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        # The programs themselves must not fail here: their words are judged.
        subprocess.run(["ctest", "--test-dir", build, "--output-junit", "run.xml",
                        "--test-output-size-passed", "1000000", *ctest], check=False,
                       capture_output=True, env=environment)
        if ci:
            environment["CI"] = "true"
        done = subprocess.run([sys.executable, run_check.__file__, "--build", build, "--junit",
                               build / "run.xml", "--root", self.root, *options],
                              capture_output=True, text=True, check=False, env=environment)
        self.assertEqual(done.stderr, "")
        return done.returncode, [line.removeprefix("run_check: ") for line in done.stdout.splitlines()
                                 if line.startswith("run_check: ")]

    compiled = ()

    def assert_found(self, cases, *wrong, **more):
        self.assertEqual(self.judge(cases, **more), (1, list(wrong)))

    def test_a_run_in_which_all_passed_is_right(self):
        self.assertEqual(self.judge("case(a true)\ncase(b true)\n"), (0, []))

    def test_a_case_that_ctest_skips_is_found(self):
        self.assert_found('case(a sh -c "exit 77")\n'
                          "set_tests_properties(a PROPERTIES SKIP_RETURN_CODE 77)\n",
                          "a: was not run (SKIP_RETURN_CODE=77); tests/skips.txt does not allow it")

    def test_a_case_whose_program_is_missing_is_found(self):
        self.assert_found("case(a /none/such)\n", "a: was not run (Unable to find executable); "
                          "tests/skips.txt does not allow it")

    def test_a_disabled_case_is_found(self):
        self.assert_found("case(a true)\nset_tests_properties(a PROPERTIES DISABLED ON)\n",
                          "a: was not run (disabled); tests/skips.txt does not allow it")

    def test_a_skipped_test_of_unittest_is_found(self):
        for ending, name in (('skips.main("a")', "Some.test_needs_a_client"),
                             ("unittest.main()", "(unnamed)")):
            program = self.write("some.py", UNITTEST.replace("SUPPORT", str(ROOT / "tests/support"))
                                 + ending)
            self.assert_found(f"case(a {sys.executable} {program})\n",
                              f"a: skipped {name}; tests/skips.txt does not allow it")

    def test_a_unittest_program_fails_by_itself_in_ci(self):
        program = self.write("some.py", UNITTEST.replace("SUPPORT", str(ROOT / "tests/support"))
                             + 'skips.main("a")')
        for ci, code in (("true", 1), ("", 0)):
            done = subprocess.run([sys.executable, program], check=False, capture_output=True,
                                  env={**os.environ, "CI": ci})
            self.assertEqual(done.returncode, code)

    def test_a_skipped_test_of_the_interop_harness_is_found(self):
        interop = ROOT / "tests" / "interop"
        program = self.write("test_some.py", f"import sys\nsys.path.insert(0, {str(interop)!r})\n"
                             + UNITTEST.replace("SUPPORT", str(ROOT / "tests/support"))
                             + "import harness\nharness.main()\n")
        command = f"{sys.executable} -B {program} --binary /bin/true"
        self.assert_found(f"case(a {command})\n",
                          "a: skipped Some.test_needs_a_client; tests/skips.txt does not allow it")
        for ci, code in (("true", 1), ("", 0)):
            done = subprocess.run(command.split(), check=False, capture_output=True,
                                  env={**os.environ, "CI": ci})
            self.assertEqual(done.returncode, code, done.stderr)

    def test_a_skipped_case_of_doctest_is_found(self):
        probe = os.environ["SKIP_PROBE"]
        self.assert_found(f"case(a {probe})\n",
                          "a: skipped one that is left out; tests/skips.txt does not allow it")

    def test_a_doctest_program_with_a_main_of_its_own_is_found(self):
        self.assert_found("case(a echo \"[doctest] test cases:  3 |  2 passed | 0 failed | 1 skipped\")\n",
                          "a: skipped (unnamed); tests/skips.txt does not allow it")

    def test_a_listed_skip_is_right_until_it_no_longer_skips(self):
        self.write("tests/skips.txt", "# why\na | - | no such hardware\n")
        skip = "set_tests_properties(a PROPERTIES SKIP_RETURN_CODE 77)\n"
        self.assertEqual(self.judge('case(a sh -c "exit 77")\n' + skip), (0, []))
        self.assert_found("case(a true)\n", "skips.txt:2: a no longer skips -")
        self.assertEqual(self.judge("case(a true)\ncase(b true)\n", ("-R", "b"), ("--partial",)), (0, []))
        self.assert_found("case(b true)\n", "skips.txt:2: there is no test a")

    def test_an_entry_without_a_reason_is_found(self):
        self.write("tests/skips.txt", "a | - |\n")
        self.assert_found("case(a true)\n", "skips.txt:1: case | test | reason expected")

    def test_a_test_that_was_not_run_is_found(self):
        cases = "case(a true)\ncase(b true)\n"
        self.assert_found(cases, "b was not run", ctest=("-R", "a"))
        self.assertEqual(self.judge(cases, ("-R", "a"), ("--partial",)), (0, []))
        self.assert_found(cases, "no test was run", ctest=("-R", "c"), options=("--partial",))

    def test_a_test_without_a_label_is_found(self):
        self.assert_found("add_test(a true)\n", "a has neither the label ci nor full",
                          options=())

    def test_sources_that_cmake_left_out_are_found(self):
        cases = "if(NONE_SUCH)\n  case(a python3 ROOT/tests/interop/test_a.py)\nendif()\n"
        cases = cases.replace("ROOT", str(self.root))
        self.write("tests/interop/test_a.py", "")
        self.write("tests/unit/b_test.cpp", "")
        self.assert_found(cases + "case(b true)\n",
                          "tests/interop/test_a.py belongs to no test: CMake left it out",
                          "tests/unit/b_test.cpp belongs to no test: CMake left it out")
        self.compiled = (self.root / "tests/unit/b_test.cpp",)
        self.assertEqual(self.judge(cases.replace("if(", "if(NOT ")), (0, []))

    def test_what_takes_too_long_is_found(self):
        self.write("tests/budgets.txt", "test | 0.5\nci | 0.7\n")
        code, wrong = self.judge("case(a sleep 0.6)\ncase(b sleep 0.2)\n")
        self.assertEqual((code, len(wrong)), (1, 2), wrong)
        self.assertRegex(wrong[0], r"^a took [\d.]+ s; it may not take more than 0.5 s$")
        self.assertRegex(wrong[1], r"^label ci: [\d.]+ s, 0.7 allowed$")
        self.assertEqual(self.judge("case(a sleep 0.6)\n", options=("--label", "ci", "--no-budget")),
                         (0, []))
        self.write("tests/budgets.txt", "test | 0.5\nci | 20\na | 10\n")
        code, wrong = self.judge("case(a sleep 0.6)\ncase(b sleep 0.6)\n")
        self.assertEqual((code, len(wrong)), (1, 1), wrong)
        self.assertRegex(wrong[0], r"^b took ")

    def test_without_ci_it_only_tells(self):
        code, wrong = self.judge("case(a /none/such)\n", ci=False)
        self.assertEqual((code, len(wrong)), (0, 2))
        self.assertEqual(wrong[1], "with CI=true that would be a failure")


if __name__ == "__main__":
    skips.main("tidy.run_check")
