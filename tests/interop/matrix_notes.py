"""Why a cell of docs/matrix.md is not what the head of its column promises."""

from matrix_world import COAP, SN, SOCKJS, STOMP

ROWS = "[translation.md](protocols/translation.md)"

NOTES = {
    "a": f"CoAP's notifications are confirmable or not: QoS 2 is delivered as QoS 1. {ROWS}, QoS.",
    "b": f"CoAP has no mark for retained messages: the observer gets the value. {ROWS}, retain.",
    "c": "SockJS carries texts: each octet of STOMP that is no UTF-8 becomes `?` on the way to the "
         f"client. {ROWS}, payload; [sockjs.md](protocols/sockjs.md), bytes in texts.",
    "d": "What sockjs-client makes of octets that are no text is no frame: ERROR, and the end of the "
         f"connection; nothing is published. {ROWS}, payload.",
    "e": f"A message of MQTT-SN is one datagram, of 65,507 octets at most: a larger one cannot be "
         f"sent, and is not delivered but counted as too large. {ROWS}, payload.",
    "f": "npm `coap` drops a notification in blocks: it looks for the Observe number in the last "
         "block, where RFC 7959 has none. coap-client gets the whole.",
    "g": f"stompjs takes spaces off the ends of a header's value. stomp.py keeps them. {ROWS}, topic.",
    "h": "STOMP has no will: no frame can say it ([stomp.md](protocols/stomp.md)).",
}

# Columns, publishers, subscribers, value, letter; None is any.
EXPLAINED = (
    (("QoS 2",), None, (COAP,), "1", "a"),
    (("retained", "live"), None, (COAP,), "there", "b"),
    (("all 256 octets",), (SOCKJS,), None, "nothing", "d"),
    (("all 256 octets",), None, (SOCKJS,), "`?` for some", "c"),
    (("1 MB",), (SN,), None, "nothing", "e"),
    (("1 MB",), None, (SN,), "nothing", "e"),
    (("1 MB",), None, (COAP,), "nothing", "f"),
    (("spaces",), None, (STOMP, SOCKJS), "without its last space", "g"),
    (("will",), (STOMP, SOCKJS), None, "none", "h"),
)


def find(column, publisher, subscriber, value):
    """The letter of the note that explains this, or None."""
    for columns, publishers, subscribers, said, letter in EXPLAINED:
        if column in columns and said == value and \
                (publishers is None or publisher in publishers) and \
                (subscribers is None or subscriber in subscribers):
            return letter
    return None
