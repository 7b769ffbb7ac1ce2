// The npm @stomp/stompjs client over TCP against a broker: each check is a small function, run for
// each version; a failure ends the process with 1. Usage: node stomp_checks.js HOST PORT. The
// module is found through NODE_PATH or beside this file.
'use strict'
const assert = require('assert')
const { Client, Versions } = require('@stomp/stompjs')
const TcpSocket = require('./tcp_socket')

const [host, port] = [process.argv[2], Number(process.argv[3])]
let count = 0
const unique = (text = 'n') => `${text}${process.pid}-${++count}`
const open = new Set()

const within = (promise, what, seconds = 15) => Promise.race([
  promise,
  new Promise((resolve, reject) =>
    setTimeout(() => reject(new Error(`no ${what}`)), seconds * 1000).unref())
])

async function connect (version, headers = {}, options = {}) {
  const client = new Client({
    webSocketFactory: () => new TcpSocket({ host, port }),
    stompVersions: new Versions([version]),
    connectHeaders: { host: 'h', ...headers },
    reconnectDelay: 0,
    heartbeatIncoming: 0,
    heartbeatOutgoing: 0,
    ...options
  })
  open.add(client)
  client.errors = []
  await within(new Promise((resolve, reject) => {
    client.onConnect = (frame) => { client.connected_frame = frame; resolve() }
    client.onStompError = (frame) => { client.errors.push(frame); reject(frame) }
    client.onWebSocketError = reject
    client.activate()
  }), 'CONNECTED')
  client.onStompError = (frame) => client.errors.push(frame)
  return client
}

const receipt = (client, use) => within(new Promise((resolve) => {
  const id = unique('r')
  client.watchForReceipt(id, resolve)
  use(id)
}), 'RECEIPT')
const publish = (client, destination, body, headers = {}) => receipt(client, (id) =>
  client.publish({ destination, body, headers: { receipt: id, ...headers } }))

async function subscribe (client, destination, headers = {}) {
  const inbox = []
  const waiting = []
  let subscription
  await receipt(client, (id) => {
    subscription = client.subscribe(destination, (message) => {
      if (waiting.length) waiting.shift()(message)
      else inbox.push(message)
    }, { receipt: id, ...headers })
  })
  subscription.inbox = inbox
  subscription.next = () => inbox.length
    ? Promise.resolve(inbox.shift())
    : within(new Promise((resolve) => waiting.push(resolve)), 'MESSAGE')
  return subscription
}
const end = async (client) => { open.delete(client); await within(client.deactivate(), 'end') }

const checks = {
  async both_ways (version) {
    const client = await connect(version)
    assert.strictEqual(client.connectedVersion, version)
    const topic = unique()
    const found = await subscribe(client, `${topic}/+`)
    const body = 'grüße \u{1f333}\nsecond line'
    await publish(client, `${topic}/a`, body, { 'content-type': 'text/plain', color: 'red' })
    const message = await found.next()
    assert.strictEqual(message.body, body)
    assert.strictEqual(message.headers.destination, `${topic}/a`)
    assert.strictEqual(message.headers.subscription, found.id)
    assert.strictEqual(message.headers.color, 'red')
    assert.strictEqual(message.headers['content-type'], 'text/plain')
    await end(client)
  },

  async binary (version) {
    const client = await connect(version)
    const topic = unique()
    const found = await subscribe(client, topic)
    const octets = Uint8Array.from({ length: 70000 }, (_, index) => index % 256)
    client.publish({ destination: topic, binaryBody: octets })
    assert.deepStrictEqual(Buffer.from((await found.next()).binaryBody), Buffer.from(octets))
    client.publish({ destination: topic, binaryBody: new Uint8Array([0, 10, 0]) })
    assert.deepStrictEqual(Array.from((await found.next()).binaryBody), [0, 10, 0])
    client.publish({ destination: topic, body: '' })
    assert.strictEqual((await found.next()).body, '')
    await end(client)
  },

  async headers_escaped (version) {
    // This client escapes values in 1.2 only, and names never.
    if (version !== '1.2') return
    const client = await connect(version)
    const topic = unique('a:b\\')
    const found = await subscribe(client, topic)
    await publish(client, topic, 'x', { key: 'v:\\ \r\n end' })
    const message = await found.next()
    assert.strictEqual(message.headers.destination, topic)
    assert.strictEqual(message.headers.key, 'v:\\ \r\n end')
    await end(client)
  },

  async many (version) {
    const [one, two] = [await connect(version), await connect(version)]
    const topic = unique()
    const found = await subscribe(two, topic)
    for (let number = 0; number < 3000; number++) {
      one.publish({ destination: topic, body: `${number}` })
    }
    for (let number = 0; number < 3000; number++) {
      assert.strictEqual((await found.next()).body, `${number}`)
    }
    await end(one); await end(two)
  },

  async acknowledge (version) {
    const client = await connect(version)
    const topic = unique()
    const found = await subscribe(client, topic, { ack: 'client' })
    for (let number = 0; number < 3; number++) await publish(client, topic, `${number}`)
    const messages = [await found.next(), await found.next(), await found.next()]
    await receipt(client, (id) => messages[2].ack({ receipt: id }))
    if (version !== '1.0') {
      await publish(client, topic, 'again')
      const first = await found.next()
      await receipt(client, (id) => first.nack({ receipt: id }))
      const second = await found.next()
      assert.strictEqual(second.body, 'again')
      assert.strictEqual(second.headers.redelivered, 'true')
      await receipt(client, (id) => second.ack({ receipt: id }))
    }
    assert.strictEqual(found.inbox.length, 0)
    await end(client)
  },

  async transactions (version) {
    const client = await connect(version)
    const topic = unique()
    const found = await subscribe(client, topic)
    const dropped = client.begin()
    await publish(client, topic, 'dropped', { transaction: dropped.id })
    dropped.abort()
    const kept = client.begin()
    for (const body of ['1', '2']) await publish(client, topic, body, { transaction: kept.id })
    await publish(client, topic, 'outside')
    assert.strictEqual((await found.next()).body, 'outside')
    kept.commit()
    assert.strictEqual((await found.next()).body, '1')
    assert.strictEqual((await found.next()).body, '2')
    await end(client)
  },

  async unsubscribe (version) {
    const client = await connect(version)
    const topic = unique()
    const one = await subscribe(client, topic)
    const two = await subscribe(client, topic)
    await publish(client, topic, 'both')
    assert.strictEqual((await one.next()).body, 'both')
    assert.strictEqual((await two.next()).body, 'both')
    one.unsubscribe()
    await publish(client, topic, 'second')
    assert.strictEqual((await two.next()).body, 'second')
    assert.strictEqual(one.inbox.length, 0)
    await end(client)
  },

  async durable (version) {
    const name = unique('durable')
    const topic = unique()
    let client = await connect(version, { 'client-id': name })
    await subscribe(client, topic, { ack: 'client', id: 'd', durable: 'true' })
    await end(client)
    const sender = await connect(version)
    await publish(sender, topic, 'waited')
    client = await connect(version, { 'client-id': name })
    assert.strictEqual(client.connected_frame.headers['session-present'], 'true')
    const found = await subscribe(client, topic, { ack: 'client', id: 'd', durable: 'true' })
    const message = await found.next()
    assert.strictEqual(message.body, 'waited')
    await receipt(client, (id) => message.ack({ receipt: id }))
    await end(client); await end(sender)
  },

  async heart_beats (version) {
    if (version === '1.0') return
    const client = await connect(version, {}, { heartbeatIncoming: 1000, heartbeatOutgoing: 1000 })
    assert.strictEqual(client.connected_frame.headers['heart-beat'], '1000,1000')
    const topic = unique()
    const found = await subscribe(client, topic)
    let closed = false
    client.onWebSocketClose = () => { closed = true }
    // Longer than either side would bear without heart-beats.
    await new Promise((resolve) => setTimeout(resolve, 3500))
    assert.strictEqual(closed, false)
    await publish(client, topic, 'alive')
    assert.strictEqual((await found.next()).body, 'alive')
    await end(client)
  },

  async errors (version) {
    const client = await connect(version)
    const over = new Promise((resolve) => { client.onWebSocketClose = resolve })
    client.publish({ destination: 'not/#/valid', body: 'x', headers: { receipt: 'bad' } })
    await within(over, 'end after ERROR')
    assert.strictEqual(client.errors.length, 1)
    assert.strictEqual(client.errors[0].headers['receipt-id'], 'bad')
    assert.ok(client.errors[0].headers.message)
    assert.ok(client.errors[0].body)
    await end(client)
  },

  async reconnects_by_itself (version) {
    const client = await connect(version, {}, { reconnectDelay: 50 })
    const topic = unique()
    const again = new Promise((resolve) => { client.onConnect = resolve })
    client.forceDisconnect()
    await within(again, 'reconnect')
    const found = await subscribe(client, topic)
    await publish(client, topic, 'back')
    assert.strictEqual((await found.next()).body, 'back')
    await end(client)
  }
}

async function main () {
  for (const [name, check] of Object.entries(checks)) {
    for (const version of ['1.0', '1.1', '1.2']) {
      try {
        await check(version)
        console.log(`ok ${name} ${version}`)
      } catch (error) {
        console.log(`failed ${name} ${version}: ${error.stack || error.body || error}`)
        process.exitCode = 1
      }
    }
  }
  for (const client of open) await client.deactivate({ force: true })
}

main().then(() => process.exit())
