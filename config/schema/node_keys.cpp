#include "config/schema/bind.hpp"
#include "config/schema/schema.hpp"

namespace gw::config {

using bind::into;

namespace {

constexpr Key keys[] = {
    {.name = "node.name",
     .type = ValueType::text,
     .value_default = "mangrove@127.0.0.1",
     .value_min = "1",
     .value_max = "255",
     .summary = "Name of this instance: the level after $SYS/brokers/, and in logs.",
     .why = "The form name@host is EMQ's, so that what reads $SYS topics finds what it expects.",
     .emq = "There also the address of the Erlang node.",
     .store = into<&Config::node, &Node::name>},
    {.name = "node.workers",
     .type = ValueType::integer,
     .unit = "threads",
     .value_default = "0",
     .value_max = "256",
     .summary = "Worker threads that own sessions and connections; 0: one for each core.",
     .why = "More workers than cores only adds switching; fewer leaves cores to other programs.",
     .store = into<&Config::node, &Node::worker_count>},
    {.name = "node.data_dir",
     .type = ValueType::path,
     .value_default = "data",
     .summary = "Folder of everything that is kept: pid file, control socket, the store. "
                "Made when missing; --data overrides it.",
     .why = "A relative path counts from the folder the program was started in, so an unpacked "
            "tree works where it lies.",
     .store = into<&Config::node, &Node::data_dir>},
    {.name = "node.max_connections",
     .type = ValueType::integer,
     .unit = "connections",
     .value_default = "0",
     .value_max = "16777216",
     .on_reload = Reload::live,
     .summary = "Connections of all listeners together; further ones are closed at once. 0: as "
                "many as the limit of open files allows.",
     .why = "Running out of descriptors also stops the store and the log, so the program keeps a "
            "reserve and refuses clients before.",
     .emq = "node.max_ports did this for the Erlang VM.",
     .store = into<&Config::node, &Node::connection_count_max>},
    {.name = "node.memory_budget",
     .type = ValueType::byte_size,
     .value_default = "0",
     .on_reload = Reload::live,
     .summary = "Memory for connections, queues and retained messages together; 0: three quarters "
                "of what the machine (or the control group) has.",
     .why = "One bound for all clients together: limits for each client cannot protect against "
            "many of them.",
     .store = into<&Config::node, &Node::memory_budget_bytes>},
    {.name = "node.memory.shed_qos0",
     .type = ValueType::percent,
     .value_default = "80%",
     .value_min = "1%",
     .value_max = "100%",
     .on_reload = Reload::live,
     .summary = "Part of the budget from which QoS 0 messages are no longer queued.",
     .why = "QoS 0 promises nothing, so it is what goes first.",
     .store = into<&Config::node, &Node::shed_qos0_percent>},
    {.name = "node.memory.pause_reading",
     .type = ValueType::percent,
     .value_default = "90%",
     .value_min = "1%",
     .value_max = "100%",
     .on_reload = Reload::live,
     .summary = "Part of the budget from which publishing clients are no longer read from.",
     .why = "TCP then slows the publishers down; nothing that was promised is lost.",
     .store = into<&Config::node, &Node::pause_reading_percent>},
    {.name = "node.memory.refuse_connect",
     .type = ValueType::percent,
     .value_default = "95%",
     .value_min = "1%",
     .value_max = "100%",
     .on_reload = Reload::live,
     .summary = "Part of the budget from which CONNECT is answered with 'server busy'.",
     .why = "Clients that are served already come before new ones.",
     .store = into<&Config::node, &Node::refuse_connect_percent>},
    {.name = "log.console",
     .type = ValueType::word,
     .value_default = "console",
     .words = "off|file|console|both",
     .summary = "Where the log goes: standard output, the file log.console.file, both, neither.",
     .why = "A program in the foreground or under systemd logs to its output. `mangrove start`, "
            "which has no output, writes the file also when this says console.",
     .store = into<&Config::log, &Log::target>},
    {.name = "log.console.level",
     .type = ValueType::word,
     .value_default = "info",
     .words = "debug|info|warning|error|critical",
     .synonyms = "notice=info|alert=critical|emergency=critical",
     .on_reload = Reload::live,
     .summary = "The least weighty events that are written.",
     .why = "info tells of clients that come and go, which one wants to see first of all; debug "
            "tells of packets and is for one client at a time.",
     .emq = "Shipped with error.",
     .store = into<&Config::log, &Log::level>},
    {.name = "log.console.file",
     .type = ValueType::path,
     .value_default = "log/console.log",
     .summary = "The log file; its folder is made when missing.",
     .why = "EMQ's place.",
     .store = into<&Config::log, &Log::file>},
    {.name = "log.console.size",
     .type = ValueType::byte_size,
     .value_default = "10MB",
     .value_min = "64KB",
     .value_max = "4GB",
     .summary = "Size at which the log file is put aside and a new one begun.",
     .why = "EMQ's.",
     .store = into<&Config::log, &Log::file_bytes_max>},
    {.name = "log.console.count",
     .type = ValueType::integer,
     .unit = "files",
     .value_default = "5",
     .value_min = "1",
     .value_max = "1000",
     .summary = "How many log files are kept that were put aside.",
     .why = "EMQ's.",
     .store = into<&Config::log, &Log::file_count>},
    {.name = "allow_anonymous",
     .type = ValueType::word,
     .value_default = "auto",
     .words = "false|true|local|auto",
     .synonyms = "off=false|on=true",
     .aliases = "mqtt.allow_anonymous",
     .on_reload = Reload::new_connections,
     .summary = "Whether clients without credentials may connect; local: only on listeners bound "
                "to a loopback address or a Unix socket, and not by a proxy or a page of another "
                "host; auto: by Unix sockets, and as local on the listener that is there when none "
                "is configured.",
     .why = "A first try on one machine works at once. Of a listener that somebody has set up "
            "nobody knows who forwards to it: he says himself who may come without a name.",
     .emq = "Shipped with true for every listener.",
     .store = into<&Config::access, &Access::allow_anonymous>},
    {.name = "acl_nomatch",
     .type = ValueType::word,
     .value_default = "allow",
     .words = "allow|deny",
     .aliases = "mqtt.acl_nomatch",
     .on_reload = Reload::live,
     .summary = "What a client that was let in may publish and subscribe where no access rule "
                "(acl.file) says anything. $SYS is apart, see sys.administrators.",
     .why = "EMQ's. Without any rule deny would make a broker that moves nothing.",
     .store = into<&Config::access, &Access::acl_nomatch>},
    {.name = "sys.administrators",
     .type = ValueType::administrators,
     .value_default = "auto",
     .on_reload = Reload::new_connections,
     .summary = "Who may read $SYS: address ranges, `unix` for clients of Unix sockets, or none; "
                "auto: unix, and 127.0.0.0/8,::1 on the listener that is there when none is "
                "configured. Whoever comes by a proxy or from a page of another host is none, nor "
                "is, as soon as any proof of auth.* is set up, who shows none.",
     .why = "$SYS names clients and their addresses, which is nobody else's business.",
     .emq = "Localhost and the user dashboard, written in acl.conf.",
     .store = into<&Config::sys, &Sys::administrators>},
    {.name = "mqtt.broker.sys_interval",
     .type = ValueType::duration,
     .value_default = "60s",
     .value_max = "1d",
     .aliases = "broker.sys_interval",
     .on_reload = Reload::live,
     .summary = "How often version, uptime, statistics and metrics are published below $SYS; 0: "
                "never. Client events come at once all the same.",
     .why = "EMQ's.",
     .store = into<&Config::sys, &Sys::interval>},
};

}  // namespace

std::span<const Key> node_keys() {
    return keys;
}

}  // namespace gw::config
