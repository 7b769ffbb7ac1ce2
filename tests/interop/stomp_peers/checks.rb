# The Ruby gem "stomp" against a broker: each check is a method, run for each version; a failure
# ends the process with 1. Usage: ruby checks.rb HOST PORT.
require "stomp"
require "timeout"

HOST = ARGV[0]
PORT = ARGV[1].to_i
$count = 0

def unique(text = "r")
  "#{text}#{Process.pid}-#{$count += 1}"
end

def equal(found, wanted)
  raise "#{found.inspect} is not #{wanted.inspect}" unless found == wanted
end

def settings(version, headers)
  connect_headers = headers
  if version != "1.0"
    connect_headers = { "host" => "h", "accept-version" => version }.merge(headers)
  end
  { hosts: [{ login: "", passcode: "", host: HOST, port: PORT }], reliable: false,
    connect_headers: connect_headers, connread_timeout: 10, start_timeout: 10 }
end

def connect(version, headers = {})
  connection = Stomp::Connection.new(settings(version, headers))
  equal connection.protocol, version
  connection
end

# Sends with a receipt and waits for it; MESSAGE frames that come before it are given.
def receipted(connection)
  id = unique("receipt")
  yield id
  before = []
  loop do
    frame = connection.receive
    return before if frame.command == "RECEIPT" && frame.headers["receipt-id"] == id
    before << frame
  end
end

def subscribe(connection, topic, headers = {})
  receipted(connection) do |id|
    connection.subscribe(topic, { "id" => topic, "receipt" => id }.merge(headers), topic)
  end
end

def check_both_ways(version)
  connection = connect(version)
  topic = unique
  subscribe(connection, topic)
  connection.publish(topic, "grüße", { "color" => "red" })
  message = connection.receive
  equal message.command, "MESSAGE"
  equal message.body.dup.force_encoding("UTF-8"), "grüße"
  equal message.headers["destination"], topic
  equal message.headers["subscription"], topic
  equal message.headers["color"], "red"
  connection.disconnect
end

def check_binary(version)
  connection = connect(version)
  topic = unique
  subscribe(connection, topic)
  body = (0..255).to_a.pack("C*") * 300
  connection.publish(topic, body)
  equal connection.receive.body.b, body.b
  connection.disconnect
end

def check_escapes(version)
  return if version == "1.0"
  connection = connect(version)
  topic = unique("a:b")
  subscribe(connection, topic)
  connection.publish(topic, "x", { "k:1" => "v:\\ \n end" })
  message = connection.receive
  equal message.headers["destination"], topic
  equal message.headers["k:1"], "v:\\ \n end"
  connection.disconnect
end

def check_acknowledgements(version)
  name, topic = unique("client"), unique
  connection = connect(version, "client-id" => name)
  subscribe(connection, topic, "ack" => "client", "durable" => "true")
  3.times { |number| connection.publish(topic, number.to_s, { "qos" => "1" }) }
  messages = Array.new(3) { connection.receive }
  id = version == "1.2" ? messages[1].headers["ack"] : messages[1].headers["message-id"]
  receipted(connection) do |receipt|
    connection.ack(id, { "subscription" => topic, "receipt" => receipt })
  end
  connection.disconnect
  again = connect(version, "client-id" => name)
  found = subscribe(again, topic, "ack" => "client", "durable" => "true")
  found << again.receive if found.empty?
  equal found.map(&:body), ["2"]
  equal found[0].headers["redelivered"], "true"
  again.disconnect
end

def check_nack(version)
  return if version == "1.0"
  connection = connect(version)
  topic = unique
  subscribe(connection, topic, "ack" => "client-individual")
  connection.publish(topic, "x")
  message = connection.receive
  id = version == "1.2" ? message.headers["ack"] : message.headers["message-id"]
  connection.nack(id, { "subscription" => topic })
  equal connection.receive.headers["redelivered"], "true"
  connection.disconnect
end

def check_transactions(version)
  connection = connect(version)
  topic = unique
  subscribe(connection, topic)
  connection.begin("t1")
  connection.publish(topic, "dropped", { "transaction" => "t1" })
  connection.abort("t1")
  connection.begin("t2")
  connection.publish(topic, "1", { "transaction" => "t2" })
  connection.publish(topic, "outside")
  equal connection.receive.body, "outside"
  connection.commit("t2")
  equal connection.receive.body, "1"
  connection.disconnect
end

def check_client_class(version)
  client = Stomp::Client.new(settings(version, {}))
  topic, inbox = unique, Queue.new
  client.subscribe(topic, { "id" => "c" }) { |message| inbox << message.body }
  50.times { |number| client.publish(topic, number.to_s) }
  equal Array.new(50) { inbox.pop }, (0...50).map(&:to_s)
  client.close
end

def check_heart_beats(version)
  return if version == "1.0"
  connection = connect(version, "heart-beat" => "1000,1000")
  topic = unique
  subscribe(connection, topic)
  sleep 3.5 # longer than either side would bear without heart-beats
  connection.publish(topic, "alive")
  equal connection.receive.body, "alive"
  connection.disconnect
end

# Both of the gem's ways to end: with a receipt, and without.
def check_disconnect(version)
  connection = connect(version)
  connection.disconnect("receipt" => "bye")
  equal connection.disconnect_receipt.headers["receipt-id"], "bye"
end

checks = private_methods.grep(/^check_/).sort
failed = false
checks.each do |check|
  %w[1.0 1.1 1.2].each do |version|
    Timeout.timeout(20) { send(check, version) }
    puts "ok #{check} #{version}"
  rescue Exception => error # also what is no StandardError ends this check only
    puts "failed #{check} #{version}: #{error.class} #{error.message} #{error.backtrace.first(3)}"
    failed = true
  end
end
exit(failed ? 1 : 0)
