// Opens a page in headless Chromium and prints what it leaves in `window.outcome`, as JSON, once
// that is set. Usage: node browser.js CHROMIUM FOLDER URL SECONDS [SCRIPT]. FOLDER is for the
// profile; SCRIPT runs in the page once it is loaded.
'use strict'
const { start } = require('./chromium')

const [chromium, folder, url, seconds, script] = process.argv.slice(2)
const { browser, page } = start(chromium, folder)

function end (code, text) {
  if (text !== undefined) console.log(text)
  process.exitCode = code
  clearTimeout(limit)
  browser.kill('SIGKILL')
  browser.once('exit', () => process.exit(code))
}
const limit = setTimeout(() => end(1, 'the page did not come to an end'), Number(seconds) * 1000)
browser.on('exit', (code) => { if (process.exitCode === undefined) end(1, `chromium ended: ${code}`) })
page.then(drive).catch((error) => end(1, String(error.stack)))

async function drive ({ ask, evaluate, on, visit }) {
  const log = []
  on('Runtime.consoleAPICalled', ({ args }) =>
    log.push(args.map((one) => one.value ?? one.description).join(' ')))
  on('Runtime.exceptionThrown', ({ exceptionDetails }) => log.push('exception: ' +
    (exceptionDetails.exception ? exceptionDetails.exception.description : exceptionDetails.text)))
  if (script) {
    await visit(url)
    await evaluate(script)
  } else {
    await ask('Page.navigate', { url })
  }
  while (true) {
    const value = await evaluate('JSON.stringify(window.outcome)')
    if (typeof value === 'string') {
      const outcome = JSON.parse(value)
      return end(0, JSON.stringify({ outcome, log }))
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
