// The npm coap client against a gateway: each check is a small function; a failure ends the process
// with 1. Usage: node coap_checks.js HOST PORT. Module "coap" is found through NODE_PATH or beside
// this file.
'use strict'
const assert = require('assert')
const coap = require('coap')

const [host, port] = [process.argv[2], Number(process.argv[3])]
let count = 0
const unique = () => `n${process.pid}-${++count}`

function ask (pathname, options = {}, payload) {
  return new Promise((resolve, reject) => {
    // The module's common agent closes its socket under a request that follows an observation.
    const agent = new coap.Agent({ type: 'udp4' })
    const request = coap.request({ host, port, pathname, agent, ...options })
    request.on('response', resolve)
    request.on('error', reject)
    request.end(payload)
  })
}

const next = (stream) => new Promise(resolve => stream.once('data', resolve))

const checks = {
  async 'publish and read' () {
    const path = `/ps/${unique()}/a`
    const put = await ask(path, { method: 'PUT', query: 'retain=1' }, 'hello')
    assert.strictEqual(put.code, '2.04')
    const get = await ask(path)
    assert.strictEqual(get.code, '2.05')
    assert.strictEqual(get.payload.toString(), 'hello')
  },
  async 'a content format is kept' () {
    const path = `/ps/${unique()}`
    await ask(path, {
      method: 'PUT', query: 'retain=1', options: { 'Content-Format': 'application/json' }
    }, '{}')
    assert.strictEqual((await ask(path)).headers['Content-Format'], 'application/json')
  },
  async 'errors' () {
    assert.strictEqual((await ask(`/ps/${unique()}`)).code, '4.04')
    assert.strictEqual((await ask('/ps/+', { method: 'PUT' }, 'x')).code, '4.00')
    assert.strictEqual((await ask('/elsewhere')).code, '4.04')
  },
  async 'observe until it is enough' () {
    const path = `/ps/${unique()}`
    const stream = await ask(path, { observe: true })
    assert.strictEqual((await next(stream)).toString(), '') // the topic has no value yet
    for (let i = 0; i < 10; i++) {
      const seen = next(stream)
      await ask(path, { method: 'PUT' }, String(i))
      assert.strictEqual((await seen).toString(), String(i))
    }
    stream.close()
  },
  async '64 KiB in blocks' () {
    const path = `/ps/${unique()}`
    const body = Buffer.alloc(65536, 'block')
    const put = await ask(path, {
      method: 'PUT', query: 'retain=1', options: { Block1: Buffer.from([6]) }
    }, body)
    assert.strictEqual(put.code, '2.04')
    const get = await ask(path)
    assert.ok(get.payload.equals(body), `${get.payload.length} bytes`)
  },
  async 'delete' () {
    const path = `/ps/${unique()}`
    await ask(path, { method: 'PUT', query: 'retain=1' }, 'x')
    assert.strictEqual((await ask(path, { method: 'DELETE' })).code, '2.02')
    assert.strictEqual((await ask(path)).code, '4.04')
  },
  async 'discovery' () {
    const found = await ask('/.well-known/core')
    assert.ok(found.payload.toString().includes('</ps>'))
  }
}

async function main () {
  for (const [name, check] of Object.entries(checks)) {
    await Promise.race([check(), new Promise((resolve, reject) =>
      setTimeout(reject, 30000, new Error('took too long')).unref())])
    console.log(`ok ${name}`)
  }
  process.exit(0)
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
