// The npm clients of the matrix in one process: each line of the input is a request as JSON,
// {id, actor, op, ...}; each line of the output is its answer, {id, answer} or {id, error}, or what
// an actor received, {actor, message}. Payloads are base64.
// Usage: node matrix_driver.js [CHROMIUM FOLDER PAGE], for actors in a page.
'use strict'
const fs = require('fs')
const readline = require('readline')
const chromium = require('./chromium')
const TcpSocket = require('./tcp_socket')
require('./matrix_stomp')

const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')

class Mqtt {
  constructor ({ actor }) { this.tell = (message) => say({ actor, message }) }

  open ({ url, version, clientId, user, password, session, will, keepalive, ca }) {
    this.client = require('mqtt').connect(url, {
      protocolVersion: version,
      protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
      clientId,
      username: user,
      password,
      clean: !session,
      keepalive,
      reconnectPeriod: 0,
      connectTimeout: 20000,
      ...(ca && { ca: fs.readFileSync(ca) }),
      ...(version === 5 && session && { properties: { sessionExpiryInterval: 3600 } }),
      ...(will && { will: { ...will, payload: Buffer.from(will.payload, 'base64') } })
    })
    this.client.on('message', (topic, payload, { qos, retain }) =>
      this.tell({ topic, payload: payload.toString('base64'), qos, retain }))
    return new Promise((resolve, reject) => {
      this.client.once('connect', () => {
        this.client.removeListener('error', reject)
        this.client.on('error', () => {})
        resolve('connected')
      })
      this.client.once('error', reject)
    })
  }

  subscribe ({ topic, qos }) {
    return new Promise((resolve) => this.client.subscribe(topic, { qos }, (error, granted) => {
      const code = error ? error.code : granted[0].qos
      resolve(code === undefined ? `SUBACK: ${error.message}` : `SUBACK ${code}`)
    }))
  }

  publish ({ topic, payload, qos, retain }) {
    return new Promise((resolve) => this.client.publish(topic, Buffer.from(payload, 'base64'),
      { qos, retain }, (error) => resolve(qos === 0 ? 'sent'
        : `${qos === 1 ? 'PUBACK' : 'PUBREC'} ${error ? error.code : 0}`)))
  }

  drop () { this.client.stream.destroy() }
  async close () { await this.client.endAsync() }
}

// Each request has an agent, hence a socket, of its own: the module closes an agent's socket under
// the requests that follow an observation. So each has a client id of its own, too, unless it has
// the token of a connection.
class Coap {
  constructor ({ actor }) {
    this.tell = (message) => say({ actor, message })
    this.count = 0
    this.open_ones = []
  }

  async open ({ host, port, clientId, user, password, session, will, keepalive }) {
    Object.assign(this, { host, port, clientId, login: [`u=${user}`, `p=${password}`] })
    if (!session && !will) return 'connected'
    const query = [`clientid=${clientId}`, `keepalive=${keepalive}`, ...this.login]
    if (session) query.push('session_expiry=3600')
    if (will) query.push(`will_topic=${will.topic}`, `will_qos=${will.qos}`)
    const found = await this.ask('POST', ['mqtt', 'connection'], query,
      { payload: will && Buffer.from(will.payload, 'base64') })
    if (found.code !== '2.01') throw new Error(found.code)
    this.token = found.payload.toString()
    return 'connected'
  }

  who () {
    return this.token ? [`token=${this.token}`]
      : [`clientid=${this.clientId}-${++this.count}`, ...this.login]
  }

  ask (method, path, query, { payload, observe, confirmable = true } = {}) {
    const coap = require('coap')
    return new Promise((resolve, reject) => {
      const { host, port } = this
      const agent = new coap.Agent({ type: 'udp4' })
      const request = coap.request({ host, port, method, observe, confirmable, agent })
      request.setOption('Uri-Path', path.map((part) => Buffer.from(part.replaceAll('%', '%25'))))
      request.setOption('Uri-Query', query.map((part) => Buffer.from(part)))
      if (payload && payload.length > 1024) request.setOption('Block1', Buffer.from([6]))
      request.on('response', resolve)
      request.on('error', reject)
      request.end(payload)
      if (observe) this.open_ones.push(agent)
    })
  }

  async subscribe ({ topic, qos }) {
    const found = await this.ask('GET', ['ps', ...topic.split('/')], [`qos=${qos}`, ...this.who()],
      { observe: true })
    if (found.code !== '2.05') return found.code
    // The topic below its root, where the notification says which it is.
    const topicOf = (packet) => {
      const [root, ...levels] = packet.options.filter(({ name }) => name === 'Location-Path')
        .map(({ value }) => value.toString())
      return root === 'ps' ? levels.join('/').replaceAll('%25', '%') : null
    }
    const tell = (packet) => this.tell({
      topic: topicOf(packet),
      payload: packet.payload.toString('base64'),
      qos: packet.confirmable ? 1 : 0
    })
    // The module passes over what is not newer; `push` is called with the body of what is.
    let last
    const append = found.append
    found.append = (packet) => { last = packet; append.call(found, packet) }
    found.push = () => tell(last)
    // What it answers with is no message, unless it has a value.
    if (found.payload.length || topicOf(found) !== null) tell(found)
    return found.code
  }

  async publish ({ topic, payload, qos, retain }) {
    const query = [`qos=${qos}`, ...this.who()]
    if (retain) query.push('retain=1')
    return (await this.ask('PUT', ['ps', ...topic.split('/')], query,
      { payload: Buffer.from(payload, 'base64'), confirmable: qos > 0 })).code
  }

  drop () { for (const agent of this.open_ones.splice(0)) agent.close() }
  async close () {
    this.drop()
    if (this.token) await this.ask('DELETE', ['mqtt', 'connection'], [`token=${this.token}`])
  }
}

class Stomp extends globalThis.StompActor {
  constructor ({ actor, host, port }) {
    super(require('@stomp/stompjs'), () => new TcpSocket({ host, port }),
      (message) => say({ actor, message }))
  }
}

const KINDS = { mqtt: Mqtt, coap: Coap, stomp: Stomp }
const actors = new Map()
let page

async function openPage (program, folder, url) {
  const started = chromium.start(program, folder)
  process.on('exit', () => started.browser.kill('SIGKILL'))
  started.browser.on('exit', (code) => { console.error(`chromium ended: ${code}`); process.exit(1) })
  const found = await started.page
  found.on('Runtime.bindingCalled', ({ payload }) => process.stdout.write(payload + '\n'))
  await found.ask('Runtime.addBinding', { name: 'report' })
  await found.visit(url)
  return found
}

async function perform (request) {
  const { id, actor, op } = request
  try {
    if (request.kind === 'page' || actors.get(actor) === 'page') {
      actors.set(actor, 'page')
      await (await page).evaluate(`void perform(${JSON.stringify(request)})`)
      return
    }
    if (op === 'open') actors.set(actor, new KINDS[request.kind](request))
    say({ id, answer: await actors.get(actor)[op](request) })
  } catch (error) {
    say({ id, error: String(error.stack || error) })
  }
}

if (process.argv.length > 2) page = openPage(...process.argv.slice(2))
readline.createInterface({ input: process.stdin })
  .on('line', (line) => perform(JSON.parse(line)))
  .on('close', () => process.exit(0))
