// Headless Chromium by its DevTools protocol: one page in a browser of its own.
'use strict'
const { spawn } = require('child_process')
const WebSocket = require('ws')

const FLAGS = [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--ignore-certificate-errors', '--remote-debugging-port=0'
]

// Starts the browser with its profile in `folder`. `page` resolves to the page that it shows:
// `ask(method, params)` calls DevTools, `on(method, handler)` hears its events.
function start (chromium, folder) {
  const browser = spawn(chromium, [...FLAGS, `--user-data-dir=${folder}`, 'about:blank'],
    { stdio: ['ignore', 'ignore', 'pipe'] })
  const page = new Promise((resolve, reject) => {
    let errors = ''
    browser.once('error', reject)
    browser.stderr.on('data', (data) => {
      errors += data
      const found = /DevTools listening on (ws:\S+)/.exec(errors)
      if (found) {
        browser.stderr.removeAllListeners('data')
        browser.stderr.resume()
        attach(found[1]).then(resolve, reject)
      }
    })
  })
  return { browser, page }
}

async function attach (address) {
  const socket = new WebSocket(address, { perMessageDeflate: false })
  await new Promise((resolve, reject) => { socket.once('open', resolve); socket.once('error', reject) })
  const waiting = new Map()
  const handlers = new Map()
  let count = 0
  socket.on('message', (data) => {
    const message = JSON.parse(data)
    if (handlers.has(message.method)) handlers.get(message.method)(message.params)
    const { resolve, reject } = waiting.get(message.id) || {}
    if (!resolve) return
    waiting.delete(message.id)
    if (message.error) reject(new Error(message.error.message))
    else resolve(message.result)
  })
  let sessionId
  const ask = (method, params = {}) => new Promise((resolve, reject) => {
    waiting.set(++count, { resolve, reject })
    socket.send(JSON.stringify({ id: count, method, params, sessionId }))
  })
  const { targetId } = await ask('Target.createTarget', { url: 'about:blank' })
  sessionId = (await ask('Target.attachToTarget', { targetId, flatten: true })).sessionId
  await ask('Runtime.enable')
  const evaluate = async (expression) =>
    (await ask('Runtime.evaluate', { expression, returnByValue: true })).result.value
  return {
    ask,
    evaluate,
    on: (method, handler) => handlers.set(method, handler),
    // Shows the page at `url` and waits until it is loaded.
    async visit (url) {
      await ask('Page.navigate', { url })
      const isLoaded = "location.href !== 'about:blank' && document.readyState === 'complete'"
      while (!(await evaluate(isLoaded))) await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

module.exports = { start }
