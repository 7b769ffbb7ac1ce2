#include "config/schema/bind.hpp"
#include "config/schema/schema.hpp"

namespace gw::config {

using bind::into;

namespace {

constexpr Key keys[] = {
    {.name = "mqtt.session.max_inflight",
     .type = ValueType::integer,
     .unit = "messages",
     .value_default = "128",
     .value_min = "1",
     .value_max = "65535",
     .on_reload = Reload::new_connections,
     .summary = "QoS 1 and 2 messages on their way to one client; further ones wait in its queue. "
                "An MQTT 5 client's receive maximum lowers it.",
     .why = "Enough to fill a link of 100 ms at 1,000 messages/s, little enough that a client "
            "which is lost has little to receive twice.",
     .emq = "100, later 32; 0 meant no limit.",
     .store = into<&Config::session, &Session::inflight_count_max>},
    {.name = "mqtt.session.expiry_interval",
     .type = ValueType::seconds,
     .value_default = "7d",
     .value_max = "3650d",
     .aliases = "mqtt.session.expired_after",
     .on_reload = Reload::new_connections,
     .summary = "How long the session of an MQTT 3.x client that did not ask for a clean one is "
                "kept after it has gone; 0: for ever. MQTT 5 clients say it themselves.",
     .why = "A device that stays away for a weekend finds its messages.",
     .emq = "1d, later 2h.",
     .store = into<&Config::session, &Session::expiry_interval>},
    {.name = "mqtt.session.max_expiry_interval",
     .type = ValueType::seconds,
     .value_default = "0",
     .value_max = "3650d",
     .on_reload = Reload::new_connections,
     .summary = "The longest session expiry an MQTT 5 client is granted; it is told so. 0: what it "
                "asks for.",
     .why = "MQTT leaves it to the client; the number of sessions is bounded elsewhere.",
     .store = into<&Config::session, &Session::expiry_interval_max>},
    {.name = "mqtt.session.max_subscriptions",
     .type = ValueType::integer,
     .unit = "subscriptions",
     .value_default = "100000",
     .value_min = "1",
     .value_max = "16777216",
     .on_reload = Reload::new_connections,
     .summary = "Subscriptions of one session; SUBSCRIBE beyond it is answered with 'quota "
                "exceeded'.",
     .why = "Far above what a device has, below what fills the memory.",
     .emq = "Declared in 2.2 and never put to work.",
     .store = into<&Config::session, &Session::subscription_count_max>},
    {.name = "mqtt.session.max_awaiting_rel",
     .type = ValueType::integer,
     .unit = "messages",
     .value_default = "0",
     .value_max = "65535",
     .on_reload = Reload::new_connections,
     .summary = "QoS 2 messages of one MQTT 3.x client whose PUBREL has not come; one that sends "
                "more is closed. 0: 65535.",
     .why = "A 3.x client cannot be told a receive maximum, so it gets what the packet identifiers "
            "allow.",
     .emq = "0, later 100 and 1000; messages beyond it were dropped.",
     .store = into<&Config::session, &Session::awaiting_rel_count_max>},
    {.name = "mqtt.session.takeover",
     .type = ValueType::word,
     .value_default = "strength",
     .words = "strength|principal",
     .on_reload = Reload::new_connections,
     .summary = "Who gets a session that is there: strength: the user whose it is, by a proof at "
                "least as strong as the one that it was made with (a listed client id, then a "
                "password or token, then a certificate, a pre-shared key or SCRAM); principal: the "
                "user, by whatever proof.",
     .why = "Otherwise a password would be enough for what was made with a certificate.",
     .emq = "Whoever showed the client id.",
     .store = into<&Config::session, &Session::takeover>},
    {.name = "mqtt.session.upgrade_qos",
     .type = ValueType::flag,
     .value_default = "off",
     .on_reload = Reload::new_connections,
     .summary = "Whether a message is delivered with the QoS of the subscription also when it was "
                "published with a lower one.",
     .why = "MQTT delivers with the lower of the two (3.8.4).",
     .store = into<&Config::session, &Session::upgrade_qos>},
    {.name = "mqtt.session.max_count",
     .type = ValueType::integer,
     .unit = "sessions",
     .value_default = "0",
     .value_max = "1000000000",
     .on_reload = Reload::new_connections,
     .summary = "Sessions at once, connected or not; a client that would make one more is refused. "
                "0: no limit.",
     .why = "node.memory_budget bounds what they cost.",
     .store = into<&Config::session, &Session::session_count_max>},
    {.name = "mqtt.mqueue.max_length",
     .type = ValueType::integer,
     .unit = "messages",
     .value_default = "10000",
     .value_max = "4294967295",
     .synonyms = "infinity=0",
     .aliases = "mqtt.queue.max_length",
     .on_reload = Reload::new_connections,
     .summary = "Messages waiting for one session; beyond it mqtt.mqueue.drop decides. 0: only "
                "mqtt.mqueue.max_bytes counts.",
     .why = "Some hours of one message a second.",
     .emq = "infinity, later 1000.",
     .store = into<&Config::queue, &Queue::message_count_max>},
    {.name = "mqtt.mqueue.max_bytes",
     .type = ValueType::byte_size,
     .value_default = "16MB",
     .on_reload = Reload::new_connections,
     .summary = "Bytes waiting for one session; 0: only mqtt.mqueue.max_length counts.",
     .why = "Ten thousand messages of 1 MB would be 10 GB: a number alone is no bound.",
     .store = into<&Config::queue, &Queue::bytes_max>},
    {.name = "mqtt.mqueue.store_qos0",
     .type = ValueType::flag,
     .value_default = "true",
     .aliases = "mqtt.queue.qos0",
     .on_reload = Reload::new_connections,
     .summary = "Whether QoS 0 messages wait for a session whose client is away.",
     .why = "EMQ's; MQTT 3.1.1 (4.1) leaves the choice.",
     .store = into<&Config::queue, &Queue::store_qos0>},
    {.name = "mqtt.mqueue.drop",
     .type = ValueType::word,
     .value_default = "qos0_first",
     .words = "oldest|newest|qos0_first",
     .on_reload = Reload::new_connections,
     .summary = "What goes when a queue is full: the oldest message, the new one, or the oldest "
                "with QoS 0 (the oldest of all when there is none).",
     .why = "QoS 0 promises nothing, so it makes room for what was promised.",
     .emq = "The oldest.",
     .store = into<&Config::queue, &Queue::drop>},
    {.name = "store.ack",
     .type = ValueType::word,
     .value_default = "local",
     .words = "memory|local",
     .on_reload = Reload::new_connections,
     .summary = "When an acknowledgement leaves. local: when all that it promises is on the disk, "
                "synced: the message for each session that outlives its connection, the retained "
                "message, packet ids of QoS 2, subscriptions of such sessions. memory: at once; "
                "the store is written behind, and what was acknowledged in the last milliseconds "
                "is lost with the process. What has to be stored nowhere never waits.",
     .why = "An acknowledgement that does not survive a crash is none.",
     .store = into<&Config::store, &Store::ack>},
    {.name = "store.file",
     .type = ValueType::text,
     .value_default = "mangrove.db",
     .value_max = "255",
     .summary = "File of the store, in node.data_dir. Empty: no store; sessions and retained "
                "messages end with the process.",
     .why = "A gateway on flash memory that holds nothing worth keeping may do without.",
     .store = into<&Config::store, &Store::file>},
    {.name = "retainer.max_message_num",
     .type = ValueType::integer,
     .unit = "messages",
     .value_default = "1000000",
     .synonyms = "infinity=0",
     .aliases = "module.retainer.max_message_num",
     .summary = "Retained messages at once. A new one beyond it is refused where its client can be "
                "told (MQTT 5 at QoS 1 and 2, MQTT-SN, CoAP), else delivered but not retained. 0: "
                "no limit.",
     .why = "EMQ 2.3's.",
     .store = into<&Config::retainer, &Retainer::message_count_max>},
    {.name = "retainer.max_payload_size",
     .type = ValueType::byte_size,
     .value_default = "1MB",
     .aliases = "module.retainer.max_payload_size",
     .summary = "The largest payload that is retained; a larger message is delivered but not "
                "retained. 0: no limit.",
     .why = "As large as a packet may be by default.",
     .emq = "64KB.",
     .store = into<&Config::retainer, &Retainer::payload_bytes_max>},
    {.name = "retainer.max_bytes",
     .type = ValueType::byte_size,
     .value_default = "1GB",
     .summary = "Bytes of all retained messages together, topics included; beyond it as with "
                "retainer.max_message_num. 0: no limit.",
     .why = "A million messages of 1 MB would be 1 TB: a number alone is no bound.",
     .store = into<&Config::retainer, &Retainer::bytes_max>},
    {.name = "retainer.expiry_interval",
     .type = ValueType::seconds,
     .value_default = "0",
     .value_max = "3650d",
     .aliases = "module.retainer.expired_after|retainer.expired_after",
     .on_reload = Reload::live,
     .summary = "How long a message is retained that names no expiry of its own; 0: for ever.",
     .why = "MQTT keeps it until it is replaced (3.3.1.3).",
     .store = into<&Config::retainer, &Retainer::expiry_interval>},
    {.name = "module.presence",
     .type = ValueType::flag,
     .value_default = "on",
     .on_reload = Reload::live,
     .summary = "Whether clients that come and go are told below "
                "$SYS/brokers/<node>/clients/<client id>/.",
     .why = "EMQ's; only administrators can read it.",
     .store = into<&Config::presence, &Presence::enabled>},
    {.name = "module.presence.qos",
     .type = ValueType::integer,
     .unit = "QoS",
     .value_default = "0",
     .value_max = "2",
     .on_reload = Reload::live,
     .summary = "QoS of these messages.",
     .why = "EMQ 2.0's.",
     .emq = "1 from 2.3 on.",
     .store = into<&Config::presence, &Presence::qos>},
};

}  // namespace

std::span<const Key> session_keys() {
    return keys;
}

}  // namespace gw::config
