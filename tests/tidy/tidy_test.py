"""Each check of tidy.py must find what it is for, and nothing in a tree that is right."""

import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import skips  # pylint: disable=wrong-import-position
import tidy  # pylint: disable=wrong-import-position


class TidyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def layers(self, name, *includes):
        self.write(name, "".join(f"#include {one}\n" for one in includes))
        return tidy.check_layers(self.root)

    def test_a_right_include_passes(self):
        for name, include in (
                ("broker-core/base/a.cpp", "<vector>"),
                ("broker-core/base/a.hpp", '"broker-core/base/b.hpp"'),
                ("broker-core/router/a.cpp", '"broker-core/topic/topic.hpp"'),
                ("broker-core/broker/a.cpp", '"broker-core/router/router.hpp"'),
                ("adapters/mqtt/machine/a.cpp", '"adapters/mqtt/codec/frame.hpp"'),
                ("adapters/transport/a.cpp", "<boost/asio/io_context.hpp>"),
                ("config/parse/a.cpp", '"config/schema/key.hpp"'),
                ("gateway/a.cpp", "<spdlog/spdlog.h>"),
                ("gateway/cli/a.cpp", '"adapters/transport/acceptor.hpp"'),
                ("tests/unit/a_test.cpp", '"broker-core/broker/broker.hpp"')):
            self.assertEqual(self.layers(name, include), [], name)

    def test_what_is_the_cores_is_found_in_adapters(self):
        for line in ('#include "broker-core/access/access.hpp"', "auto m = Message::create({.topic = t});",
                     "return broker_.authorize(*session_, request);",
                     "void on(const AuthDecision& decision);"):
            for name in ("adapters/x/machine/a.cpp", "gateway/integrations/y/a.hpp", "pages/a.cpp"):
                self.write(name, f"// Message::create\n{line}\n")
                found = tidy.check_door(self.root)
                self.assertEqual([one.split(": ")[0] for one in found], [f"{name}:2"], line)
                (self.root / name).unlink()
            self.write("broker-core/broker/a.cpp", line + "\n")
            self.write("tests/unit/adapters/x/a.cpp", line + "\n")
            self.assertEqual(tidy.check_door(self.root), [])

    def test_a_protocol_that_the_core_names_is_found(self):
        for line in ("if (protocol == mqtt_sn) {", "bool is_stomp = false;", "namespace gw::CoapThings {"):
            self.write("broker-core/broker/a.cpp", f"// as STOMP has it\n{line}\n")
            found = tidy.check_door(self.root)
            self.assertEqual([one.split(": ")[0] for one in found], ["broker-core/broker/a.cpp:2"], line)
        self.write("broker-core/broker/a.cpp", 'auto text = "of MQTT";  // MQTT 5.0, 4.7\n')
        self.write("broker-core/metrics/a.hpp", "Counter stomp_frames;\n")
        self.write("adapters/stomp/machine/a.cpp", "bool is_stomp = true;\n")
        self.assertEqual(tidy.check_door(self.root), [])

    def test_a_table_of_names_without_a_key_is_found(self):
        for line in ("std::unordered_map<std::string, int> a_;", "std::unordered_set<std::string_view> b_;",
                     "using C = std::unordered_multimap<const std::string, int>;"):
            self.write("adapters/x/a.hpp", f"// std::unordered_map<std::string, int>\n{line}\n")
            found = tidy.check_names(self.root)
            self.assertEqual([one.split(": ")[0] for one in found], ["adapters/x/a.hpp:2"], line)
        self.write("adapters/x/a.hpp", "NameTable<int> a_;\nstd::unordered_map<int, std::string> b_;\n")
        self.write("tests/unit/a.cpp", "std::unordered_map<std::string, int> a_;\n")
        self.assertEqual(tidy.check_names(self.root), [])

    def test_an_include_of_a_higher_layer_is_found(self):
        for name, include, told in (
                ("broker-core/base/a.cpp", '"broker-core/topic/t.hpp"', "broker-core/topic"),
                ("broker-core/topic/a.cpp", '"broker-core/message/m.hpp"', "broker-core/message"),
                ("broker-core/router/a.cpp", '"broker-core/session/s.hpp"', "broker-core/session"),
                ("broker-core/session/a.cpp", '"broker-core/broker/b.hpp"', "broker-core/broker"),
                ("broker-core/broker/a.cpp", '"adapters/mqtt/codec/frame.hpp"', "adapters/mqtt/codec"),
                ("broker-core/broker/a.hpp", '"config/model/config.hpp"', "config/model"),
                ("adapters/mqtt/codec/a.cpp", '"broker-core/broker/b.hpp"', "broker-core/broker"),
                ("adapters/mqtt/machine/a.cpp", '"adapters/transport/t.hpp"', "adapters/transport"),
                ("adapters/transport/a.cpp", '"adapters/mqtt/codec/c.hpp"', "adapters/mqtt/codec"),
                ("config/model/a.cpp", '"broker-core/message/m.hpp"', "broker-core/message"),
                ("bench/a.cpp", '"tests/interop/x.hpp"', "tests/interop")):
            folder = name.rsplit("/", 1)[0]
            self.assertEqual(self.layers(name, "<vector>", include),
                             [f"{name}:2: {folder} must not include {told}"])
            (self.root / name).unlink()

    def test_a_foreign_header_in_a_pure_folder_is_found(self):
        for name, include in (("broker-core/router/a.cpp", "<boost/asio.hpp>"),
                              ("broker-core/base/a.hpp", "<spdlog/spdlog.h>"),
                              ("broker-core/base/a.hpp", "<sys/socket.h>"),
                              ("adapters/mqtt/codec/a.cpp", "<boost/endian.hpp>"),
                              ("adapters/mqtt/machine/a.cpp", "<unistd.h>"),
                              ("adapters/transport/a.cpp", "<spdlog/spdlog.h>"),
                              ("config/parse/a.cpp", "<boost/json.hpp>")):
            folder = name.rsplit("/", 1)[0]
            self.assertEqual(self.layers(name, include),
                             [f"{name}:1: {folder} must not include {include}"])
            (self.root / name).unlink()

    def test_a_relative_include_and_an_unknown_folder_are_found(self):
        self.assertEqual(self.layers("config/a.cpp", '"b.hpp"'),
                         ["config/a.cpp:1: b.hpp: paths start at the repository root"])
        (self.root / "config/a.cpp").unlink()
        self.assertEqual(self.layers("adapters/new/a.cpp", "<vector>"), [
            "adapters/new/a.cpp: the folder stands in no layer; name it in tests/tidy/tidy.py"])

    def test_a_long_file_is_found(self):
        self.write("config/a.cpp", "\n" * 800)
        self.assertEqual(tidy.check_length(self.root), [])
        self.write("config/a.cpp", "\n" * 801)
        self.write("build/dev/a.cpp", "\n" * 801)
        self.assertEqual(tidy.check_length(self.root), ["config/a.cpp: 801 lines, at most 800"])

    def test_a_trace_is_found(self):
        self.write("docs/a.md", "fine\nan url http://x.example/work/y and ./work/ too\n")
        self.assertEqual(tidy.check_traces(self.root), [])
        for text in ("/" + "work/x", "/" + "home/me", '"https://registry.' + 'npmjs.example"',
                     "<<<<" + "<<< ours"):
            self.write("docs/a.md", "fine\n" + text + "\n")
            self.assertEqual(len(tidy.check_traces(self.root)), 1, text)
            self.assertTrue(tidy.check_traces(self.root)[0].startswith("docs/a.md:2: "))

    def test_a_broken_link_is_found(self):
        self.write("docs/b.md", "")
        self.write("docs/a.md", "[b](b.md) [w](https://x.example) [h](#here) [s](b.md#part)\n"
                                "```\n[no](code.md)\n```\n")
        self.assertEqual(tidy.check_links(self.root), [])
        self.write("docs/a.md", "```\n```\n[c](c.md)\n")
        self.assertEqual(tidy.check_links(self.root), ["docs/a.md:3: c.md leads nowhere"])

    @unittest.skipUnless(shutil.which("clang-format"), "no clang-format")
    def test_a_wrong_format_is_found(self):
        shutil.copy(pathlib.Path(tidy.__file__).parents[2] / ".clang-format", self.root)
        self.write("config/a.cpp", "int main() {\n    return 0;\n}\n")
        self.assertEqual(tidy.check_format(self.root), [])
        self.write("config/a.cpp", "int main() {\n  return 0;\n}\n")
        self.assertEqual(tidy.check_format(self.root),
                         ["config/a.cpp:1: not as clang-format writes it"])


if __name__ == "__main__":
    skips.main("tidy.self_test")
