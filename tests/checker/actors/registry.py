"""Which actor speaks which scheme: scheme -> (protocol, module, class). A module is loaded when it is needed."""

import importlib

SCHEMES = {
    "mqtt": ("mqtt", "actors.mqtt", "MqttActor"),
    "mqtts": ("mqtt", "actors.mqtt", "MqttActor"),
    "ws": ("mqtt", "actors.mqtt", "MqttActor"),
    "wss": ("mqtt", "actors.mqtt", "MqttActor"),
    "mqttsn": ("mqttsn", "actors.mqttsn", "MqttSnActor"),
    "coap": ("coap", "actors.coap", "CoapActor"),
    "stomp": ("stomp", "actors.stomp", "StompActor"),
    "stomps": ("stomp", "actors.stomp", "StompActor"),
    "stomp+ws": ("stomp", "actors.stomp", "StompActor"),
    "sockjs": ("mqtt", "actors.mqtt", "MqttActor"),
    "sockjs+stomp": ("stomp", "actors.stomp", "StompActor"),
}


def protocol_of(scheme):
    """The protocol that a scheme stands for."""
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r}; known: {', '.join(SCHEMES)}")
    return SCHEMES[scheme][0]


def actor_class(protocol):
    """The class of a protocol's actors."""
    for name, module, cls in SCHEMES.values():
        if name == protocol:
            return getattr(importlib.import_module(module), cls)
    raise ValueError(f"no actor speaks {protocol!r}")
