"""Every protocol to every protocol: what a publisher was told is stored outlives kill -9, for the
session of each protocol. docs/matrix.md has what came of it; see matrix_table.py."""

import harness
import matrix_table
from matrix_table import Table
from matrix_world import WAYS, MatrixTest

STORED = ("PUBACK 0", "2.04", "RECEIPT", None)  # Paho says only that it was acknowledged


class Durable(MatrixTest):

    @classmethod
    def prepare(cls):
        cls.actors = cls.world.actors("away", session=True)

    def test_durable(self):
        """After each acknowledgement the process is killed at once; then all come for what they
        have, be it from before the first death."""
        table = Table("durable", {"after kill -9": "found"})
        self.subscribe("durable/+", qos=1)
        self.world.each(self.actors, lambda _, one: one.drop())
        for publisher, way in WAYS.items():
            actor = self.world.actor(way, f"sender-{publisher}")
            answer = actor.publish(f"durable/{publisher}", b"acknowledged", 1)
            self.world.restart_after_kill()
            self.assertIn(answer, STORED, publisher)
        self.world.each(self.actors, lambda _, one: one.resume("durable/+"))
        self.wait("durable/", len(WAYS))
        self.actors["paho-5"].publish("durable/end", b"behind copies, if there are any")
        self.wait("durable/end", 1)
        came = self.wait("durable/", len(WAYS) + 1)
        for publisher in WAYS:
            for subscriber in WAYS:
                found = came[subscriber].get(f"durable/{publisher}", [])
                table.record(publisher, subscriber, "after kill -9",
                             self.once(found, lambda seen: "found"))
        matrix_table.check("durable", table.text())


if __name__ == "__main__":
    harness.main()
