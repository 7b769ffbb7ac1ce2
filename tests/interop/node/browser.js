// Opens a page in headless Chromium and prints what it leaves in `window.outcome`, as JSON, once
// that is set. Usage: node browser.js CHROMIUM FOLDER URL SECONDS [SCRIPT]. FOLDER is for the
// profile; SCRIPT runs in the page once it is loaded.
'use strict'
const { spawn } = require('child_process')
const WebSocket = require('ws')

const [chromium, folder, url, seconds, script] = process.argv.slice(2)
const browser = spawn(chromium, [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--ignore-certificate-errors', `--user-data-dir=${folder}`, '--remote-debugging-port=0',
  'about:blank'
], { stdio: ['ignore', 'ignore', 'pipe'] })

function end (code, text) {
  if (text !== undefined) console.log(text)
  process.exitCode = code
  clearTimeout(limit)
  browser.kill('SIGKILL')
  browser.once('exit', () => process.exit(code))
}
const limit = setTimeout(() => end(1, 'the page did not come to an end'), Number(seconds) * 1000)
browser.on('exit', (code) => { if (process.exitCode === undefined) end(1, `chromium ended: ${code}`) })

let errors = ''
browser.stderr.on('data', (data) => {
  errors += data
  const found = /DevTools listening on (ws:\S+)/.exec(errors)
  if (found) {
    browser.stderr.removeAllListeners('data')
    browser.stderr.resume()
    drive(found[1]).catch((error) => end(1, String(error.stack)))
  }
})

async function drive (address) {
  const socket = new WebSocket(address, { perMessageDeflate: false })
  await new Promise((resolve, reject) => { socket.once('open', resolve); socket.once('error', reject) })
  const waiting = new Map()
  let count = 0
  const log = []
  socket.on('message', (data) => {
    const message = JSON.parse(data)
    if (message.method === 'Runtime.consoleAPICalled') {
      log.push(message.params.args.map((one) => one.value ?? one.description).join(' '))
    } else if (message.method === 'Runtime.exceptionThrown') {
      const details = message.params.exceptionDetails
      log.push(`exception: ${details.exception ? details.exception.description : details.text}`)
    }
    const { resolve, reject } = waiting.get(message.id) || {}
    if (!resolve) return
    waiting.delete(message.id)
    if (message.error) reject(new Error(message.error.message))
    else resolve(message.result)
  })
  const ask = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
    waiting.set(++count, { resolve, reject })
    socket.send(JSON.stringify({ id: count, method, params, sessionId }))
  })
  const { targetId } = await ask('Target.createTarget', { url: 'about:blank' })
  const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true })
  await ask('Runtime.enable', {}, sessionId)
  await ask('Page.navigate', { url }, sessionId)
  if (script) {
    const evaluate = (expression) =>
      ask('Runtime.evaluate', { expression, returnByValue: true }, sessionId)
    const isLoaded = "location.href !== 'about:blank' && document.readyState === 'complete'"
    while (!(await evaluate(isLoaded)).result.value) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await evaluate(script)
  }
  while (true) {
    const { result } = await ask('Runtime.evaluate',
      { expression: 'JSON.stringify(window.outcome)', returnByValue: true }, sessionId)
    if (typeof result.value === 'string') {
      const outcome = JSON.parse(result.value)
      return end(0, JSON.stringify({ outcome, log }))
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
