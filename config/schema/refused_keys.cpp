#include "config/schema/schema.hpp"

namespace gw::config {

namespace {

struct Refused {
    std::string_view pattern;  ///< `*` is one level, a last `#` all further ones, also none
    std::string_view reason;
};

/// Names of EMQ 2.x that mean nothing here.
constexpr Refused meaningless[] = {
    {"node.cookie", "there is no Erlang distribution to protect"},
    {"node.smp", "it tunes the Erlang VM; see node.workers"},
    {"node.heartbeat", "it watches the Erlang VM; systemd watches this program"},
    {"node.kernel_poll", "it tunes the Erlang VM; epoll is always used"},
    {"node.async_threads", "it tunes the Erlang VM"},
    {"node.process_limit", "it tunes the Erlang VM"},
    {"node.max_ports", "it tunes the Erlang VM; see node.max_connections"},
    {"node.dist_buffer_size", "there is no Erlang distribution"},
    {"node.max_ets_tables", "it tunes the Erlang VM"},
    {"node.fullsweep_after", "there is no garbage collector"},
    {"node.crash_dump", "it names a file of the Erlang VM"},
    {"node.dist_net_ticktime", "there is no Erlang distribution"},
    {"node.dist_listen_min", "there is no Erlang distribution"},
    {"node.dist_listen_max", "there is no Erlang distribution"},
    {"node.proto_dist", "there is no Erlang distribution"},
    {"node.ssl_dist_optfile", "there is no Erlang distribution"},
    {"log.dir", "log.console.file names the whole path"},
    {"log.error.#", "there is one log; log.console.level sets what it holds"},
    {"log.info.#", "there is one log; log.console.level sets what it holds"},
    {"log.crash.#", "there is one log, and an assertion writes to standard error"},
    {"log.crash", "an assertion writes to standard error"},
    {"log.sasl", "it is a log of the Erlang VM"},
    {"log.syslog.#", "systemd takes the log from standard output"},
    {"mqtt.session.retry_interval",
     "MQTT 5.0 (4.4) forbids sending again on a live connection; it is done at reconnection"},
    {"mqtt.session.await_rel_timeout",
     "forgetting a QoS 2 message before its PUBREL would deliver it twice"},
    {"mqtt.session.collect_interval", "figures of a session are always current"},
    {"mqtt.session.enable_stats", "figures of a session are always current"},
    {"mqtt.client.enable_stats", "figures of a client are always current"},
    {"mqtt.conn.force_gc_count", "there is no garbage collector"},
    {"mqtt.cache_acl", "rules are ready for each client, and a reload changes them at once"},
    {"mqtt.pubsub.#", "there is no process pool to size; see node.workers"},
    {"mqtt.queue.low_watermark", "EMQ only raised an alarm; drops are counted by reason"},
    {"mqtt.queue.high_watermark", "EMQ only raised an alarm; drops are counted by reason"},
    {"mqtt.mqueue.low_watermark", "EMQ only raised an alarm; drops are counted by reason"},
    {"mqtt.mqueue.high_watermark", "EMQ only raised an alarm; drops are counted by reason"},
    {"mqtt.plugins.#", "plugins/ beside the configuration file is always read"},
    {"listener.*.*.acceptors", "every worker accepts; see node.workers"},
    {"listener.*.*.zone", "EMQ never used it"},
    {"listener.*.*.nodelay", "TCP_NODELAY is always set: writes are batched here"},
    {"listener.*.*.reuseaddr", "it is always set"},
    {"listener.*.*.buffer", "an idle connection holds no read buffer"},
    {"listener.*.*.tune_buffer", "an idle connection holds no read buffer"},
    {"listener.*.*.send_timeout", "see mqtt.client.max_unsent_bytes and the keep alive"},
    {"listener.*.*.send_timeout_close", "see mqtt.client.max_unsent_bytes and the keep alive"},
    {"listener.*.*.secure_renegotiate", "TLS is never renegotiated"},
    {"listener.*.*.rate_limit", "see mqtt.client.max_byte_rate"},
    {"retainer.storage_type", "there is one retained store, held in memory"},
    {"module.retainer.storage_type", "there is one retained store, held in memory"},
    {"stomp.listener.acceptors", "every worker accepts; see node.workers"},
    {"stomp.default_user.#", "STOMP clients log in as all others do"},
    {"stomp.allow_anonymous", "see listener.stomp.<name>.allow_anonymous"},
    {"sysmon.#", "it watches the Erlang VM"},
    {"mqtt.sn.predefined.topic.0", "the id 0 is reserved"},
    {"mqtt.sn.enable_stats", "figures of a client are always current"},
    {"coap.certfile", "a listener of its own speaks DTLS: see listener.coaps.<name>.certfile"},
    {"coap.keyfile", "a listener of its own speaks DTLS: see listener.coaps.<name>.keyfile"},
    {"coap.enable_stats", "figures of a client are always current"},
    {"coap.prefix.*", "the roots are /mqtt and /ps"},
    {"coap.handler.*", "the roots are /mqtt and /ps"},
    {"recon.#", "it diagnoses the Erlang VM"},
    {"reloader.#", "it reloads Erlang code"},
};

/// Names of EMQ 2.x or of this program that a later version will have.
constexpr Refused later[] = {
    {"listener.api.#", "the management API"},
    {"mqtt.queue.type", "queue priorities"},
    {"mqtt.queue.priority", "queue priorities"},
    {"mqtt.mqueue.type", "queue priorities"},
    {"mqtt.mqueue.priority", "queue priorities"},
    {"mqtt.bridge.#", "bridges"},
    {"bridge.#", "bridges"},
    {"auth.ldap.#", "authentication by LDAP"},
    {"auth.http.#", "authentication by HTTP"},
    {"auth.mysql.#", "authentication by MySQL"},
    {"auth.pgsql.#", "authentication by PostgreSQL"},
    {"auth.redis.#", "authentication by Redis"},
    {"auth.mongo.#", "authentication by MongoDB"},
    {"dashboard.#", "the dashboard"},
    {"cluster.#", "the cluster"},
    {"web.hook.#", "web hooks"},
    {"module.subscription.#", "subscriptions made by the server"},
    {"module.rewrite.#", "topic rewriting"},
};

bool matches(std::string_view pattern, std::string_view written) {
    const auto want = split(pattern, '.');
    const auto have = split(written, '.');
    for (std::size_t level = 0; level < want.size(); ++level) {
        if (want[level] == "#") {
            return true;
        }
        if (level >= have.size() || (want[level] != "*" && want[level] != have[level])) {
            return false;
        }
    }
    return want.size() == have.size();
}

}  // namespace

std::string refusal(std::string_view written) {
    for (const Refused& one : meaningless) {
        if (matches(one.pattern, written)) {
            return "EMQ key without meaning here: " + std::string{one.reason};
        }
    }
    for (const Refused& one : later) {
        if (matches(one.pattern, written)) {
            return "not available in this version: " + std::string{one.reason};
        }
    }
    return {};
}

}  // namespace gw::config
