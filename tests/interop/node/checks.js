// The npm mqtt client against a broker: each check is a small function; a failure ends the process
// with 1. Usage: node checks.js HOST PORT [ws|wss [CA]]. Module "mqtt" is found through NODE_PATH or beside this
// file.
'use strict'
const assert = require('assert')
const mqtt = require('mqtt')

const [host, port] = [process.argv[2], Number(process.argv[3])]
const overWeb = process.argv[4]
  ? {
      protocol: process.argv[4],
      path: '/mqtt',
      wsOptions: process.argv[5] ? { ca: require('fs').readFileSync(process.argv[5]) } : {}
    }
  : {}
let count = 0
const unique = () => `n${process.pid}-${++count}`
const open = new Set()

function connect (version, options = {}) {
  const names = { 3: 'MQIsdp', 4: 'MQTT', 5: 'MQTT' }
  return new Promise((resolve, reject) => {
    const client = mqtt.connect({
      host,
      port,
      protocolVersion: version,
      protocolId: names[version],
      clientId: unique(),
      reconnectPeriod: 0,
      connectTimeout: 10000,
      ...overWeb,
      ...options
    })
    open.add(client)
    client.inbox = []
    client.waiting = []
    client.on('message', (topic, payload, packet) => {
      const message = { topic, payload, packet }
      if (client.waiting.length) client.waiting.shift()(message)
      else client.inbox.push(message)
    })
    client.once('connect', (connack) => { client.connack = connack; resolve(client) })
    client.once('error', reject)
  })
}

const message = (client) => client.inbox.length
  ? Promise.resolve(client.inbox.shift())
  : new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no message')), 10000)
    client.waiting.push((found) => { clearTimeout(timer); resolve(found) })
  })
async function sendNumbers (client, topic, count, qos) {
  for (let number = 0; number < count; number++) {
    await client.publishAsync(topic, `${number}`, { qos })
  }
}
const end = (client) => { open.delete(client); return client.endAsync() }
const drop = (client) => { client.stream.destroy() }

const checks = {
  async qos (version) {
    const [one, two] = [await connect(version), await connect(version)]
    const topic = unique()
    for (const granted of [0, 1, 2]) {
      const grants = await two.subscribeAsync(`${topic}/${granted}`, { qos: granted })
      assert.strictEqual(grants[0].qos, granted)
      for (const qos of [0, 1, 2]) {
        await one.publishAsync(`${topic}/${granted}`, `${qos}`, { qos })
        const found = await message(two)
        assert.strictEqual(found.payload.toString(), `${qos}`)
        assert.strictEqual(found.packet.qos, Math.min(qos, granted))
        assert.strictEqual(found.packet.retain, false)
      }
    }
    await end(one); await end(two)
  },

  async many (version) {
    const [one, two] = [await connect(version), await connect(version)]
    const topic = unique()
    await two.subscribeAsync(topic, { qos: 2 })
    // In steps: this client does not keep to a receive maximum by itself.
    for (let start = 0; start < 300; start += 15) {
      const sent = []
      for (let number = start; number < start + 15; number++) {
        sent.push(one.publishAsync(topic, `${number}`, { qos: 2 }))
      }
      await Promise.all(sent)
    }
    for (let number = 0; number < 300; number++) {
      assert.strictEqual((await message(two)).payload.toString(), `${number}`)
    }
    await end(one); await end(two)
  },

  async retain (version) {
    const [one, two] = [await connect(version), await connect(version)]
    const topic = unique()
    await one.publishAsync(topic, 'kept', { qos: 1, retain: true })
    await two.subscribeAsync(topic, { qos: 1 })
    const found = await message(two)
    assert.strictEqual(found.payload.toString(), 'kept')
    assert.strictEqual(found.packet.retain, true)
    await one.publishAsync(topic, '', { qos: 1, retain: true })
    assert.strictEqual((await message(two)).payload.length, 0)
    await end(one); await end(two)
  },

  async will (version) {
    const topic = unique()
    const one = await connect(version)
    await one.subscribeAsync(topic, { qos: 1 })
    const will = { topic, payload: Buffer.from('gone'), qos: 1, retain: false }
    if (version === 5) {
      will.properties = { contentType: 'obituary', userProperties: { a: ['1', '2'] } }
    }
    drop(await connect(version, { will }))
    const found = await message(one)
    assert.strictEqual(found.payload.toString(), 'gone')
    if (version === 5) {
      assert.strictEqual(found.packet.properties.contentType, 'obituary')
      assert.deepStrictEqual([...found.packet.properties.userProperties.a], ['1', '2'])
    }
    await end(one)
  },

  async session (version) {
    const [topic, clientId] = [unique(), unique()]
    const options = { clientId, clean: false }
    if (version === 5) options.properties = { sessionExpiryInterval: 60 }
    const first = await connect(version, options)
    await first.subscribeAsync(topic, { qos: 1 })
    await end(first)
    const sender = await connect(version)
    await sendNumbers(sender, topic, 5, 1)
    const second = await connect(version, options)
    if (version !== 3) assert.strictEqual(second.connack.sessionPresent, true)
    for (let number = 0; number < 5; number++) {
      assert.strictEqual((await message(second)).payload.toString(), `${number}`)
    }
    await end(second); await end(sender)
  },

  async unsubscribe (version) {
    const one = await connect(version)
    const topic = unique()
    await one.subscribeAsync([topic, `${topic}/+`])
    await one.unsubscribeAsync(topic)
    await one.publishAsync(topic, 'unseen')
    await one.publishAsync(`${topic}/a`, 'seen')
    assert.strictEqual((await message(one)).payload.toString(), 'seen')
    await end(one)
  },

  async shared (version) {
    const members = [await connect(version), await connect(version)]
    const sender = await connect(version)
    const topic = unique()
    const seen = []
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`only ${seen}`)), 10000)
      const ready = members.map((one) => {
        one.on('message', (_topic, payload) => {
          seen.push(Number(payload.toString()))
          if (seen.length === 20) { clearTimeout(timer); resolve() }
        })
        return one.subscribeAsync(`$share/g/${topic}`, { qos: 1 })
      })
      Promise.all(ready).then(async () => {
        await sendNumbers(sender, topic, 20, 1)
      }).catch(reject)
    })
    assert.deepStrictEqual(seen.sort((a, b) => a - b), [...Array(20).keys()])
    for (const one of [...members, sender]) await end(one)
  },

  async large (version) {
    const one = await connect(version)
    const topic = unique()
    const payload = Buffer.alloc(900000, 'x')
    await one.subscribeAsync(topic, { qos: 1 })
    await one.publishAsync(topic, payload, { qos: 1 })
    assert.ok((await message(one)).payload.equals(payload))
    await end(one)
  },

  async ping (version) {
    const one = await connect(version, { keepalive: 1 })
    let closed = false
    one.once('close', () => { closed = true })
    await new Promise((resolve) => setTimeout(resolve, 2800))
    assert.strictEqual(closed, false)
    await end(one)
  }
}

const checksOf5 = {
  async properties () {
    const [one, two] = [await connect(5), await connect(5)]
    const topic = unique()
    const asked = { subscriptionIdentifier: 9, userProperties: { s: 't' } }
    await two.subscribeAsync(topic, { qos: 1, properties: asked })
    const properties = {
      payloadFormatIndicator: true,
      messageExpiryInterval: 100,
      responseTopic: 'back',
      correlationData: Buffer.from([0, 1]),
      contentType: 'text',
      userProperties: { a: ['1', '2'], b: '3' }
    }
    await one.publishAsync(topic, 'x', { qos: 1, properties })
    const found = (await message(two)).packet.properties
    assert.strictEqual(found.contentType, 'text')
    assert.strictEqual(found.responseTopic, 'back')
    assert.strictEqual(found.payloadFormatIndicator, true)
    assert.ok(found.messageExpiryInterval >= 99)
    assert.ok(found.correlationData.equals(Buffer.from([0, 1])))
    assert.deepStrictEqual([...found.userProperties.a], ['1', '2'])
    assert.strictEqual(found.userProperties.b, '3')
    assert.deepStrictEqual([].concat(found.subscriptionIdentifier), [9])
    await end(one); await end(two)
  },

  async options () {
    const [one, two] = [await connect(5), await connect(5)]
    const topic = unique()
    await two.publishAsync(topic, 'kept', { qos: 1, retain: true })
    await one.subscribeAsync(topic, { qos: 1, nl: true, rap: true, rh: 2 })
    await one.publishAsync(topic, 'own', { qos: 1 })
    await two.publishAsync(topic, 'other', { qos: 1, retain: true })
    const found = await message(one)
    assert.strictEqual(found.payload.toString(), 'other')
    assert.strictEqual(found.packet.retain, true)
    await end(one); await end(two)
  },

  async aliases () {
    const receiver = await connect(5, { properties: { topicAliasMaximum: 5 } })
    const sender = await connect(5, { autoUseTopicAlias: true, autoAssignTopicAlias: true })
    const topic = unique()
    await receiver.subscribeAsync(`${topic}/+`, { qos: 1 })
    for (let number = 0; number < 30; number++) {
      await sender.publishAsync(`${topic}/${number % 3}`, `${number}`, { qos: 1 })
    }
    for (let number = 0; number < 30; number++) {
      const found = await message(receiver)
      assert.strictEqual(found.topic, `${topic}/${number % 3}`)
      assert.strictEqual(found.payload.toString(), `${number}`)
    }
    await end(receiver); await end(sender)
  },

  async receiveMaximum () {
    const receiver = await connect(5, { properties: { receiveMaximum: 2 } })
    const sender = await connect(5)
    const topic = unique()
    await receiver.subscribeAsync(topic, { qos: 2 })
    await sendNumbers(sender, topic, 50, 2)
    for (let number = 0; number < 50; number++) {
      assert.strictEqual((await message(receiver)).payload.toString(), `${number}`)
    }
    await end(receiver); await end(sender)
  },

  async assignedId () {
    const one = await connect(5, { clientId: '', clean: true })
    assert.ok(one.connack.properties.assignedClientIdentifier)
    await end(one)
  },

  async requestResponse () {
    const [service, asker] = [await connect(5), await connect(5)]
    const topic = unique()
    await service.subscribeAsync(topic, { qos: 1 })
    await asker.subscribeAsync(`${topic}/answer`, { qos: 1 })
    const properties = { responseTopic: `${topic}/answer`, correlationData: Buffer.from('id') }
    await asker.publishAsync(topic, 'question', { qos: 1, properties })
    const asked = (await message(service)).packet.properties
    await service.publishAsync(asked.responseTopic, 'answer',
      { qos: 1, properties: { correlationData: asked.correlationData } })
    const found = await message(asker)
    assert.strictEqual(found.payload.toString(), 'answer')
    assert.strictEqual(found.packet.properties.correlationData.toString(), 'id')
    await end(service); await end(asker)
  }
}

async function main () {
  let failed = 0
  const run = async (name, work) => {
    try {
      await work()
      console.log(`ok      ${name}`)
    } catch (error) {
      failed++
      console.log(`FAILED  ${name}: ${error.stack}`)
    }
  }
  for (const version of [3, 4, 5]) {
    for (const [name, check] of Object.entries(checks)) {
      await run(`${name} v${version}`, () => check(version))
    }
  }
  for (const [name, check] of Object.entries(checksOf5)) await run(`${name} v5`, check)
  for (const client of open) client.end(true)
  process.exit(failed ? 1 : 0)
}

main()
