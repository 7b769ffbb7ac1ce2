// sockjs-client through one transport: an echo of all that a browser may send, MQTT, the ends of
// sessions. In a page and in Node: `sockjsChecks(SockJS, base, transport)` gives what it found.
'use strict'
;(function (root) {
  const within = (promise, what) => Promise.race([promise, new Promise((resolve, reject) =>
    setTimeout(() => reject(new Error(`timeout: ${what}`)), 20000))])

  function open (SockJS, url, transport) {
    const link = new SockJS(url, null, { transports: [transport], timeout: 5000 })
    const waiting = []
    const came = []
    link.onmessage = (event) => waiting.length ? waiting.shift()(event.data) : came.push(event.data)
    link.next = (what) => within(new Promise((resolve) =>
      came.length ? resolve(came.shift()) : waiting.push(resolve)), what)
    link.ended = new Promise((resolve) => { link.onclose = resolve })
    return within(Promise.race([new Promise((resolve) => { link.onopen = () => resolve(link) }),
      link.ended.then((event) => { throw new Error(`not open: ${event.code} ${event.reason}`) })]),
    'open')
  }

  const text = (bytes) => Array.from(bytes, (one) => String.fromCharCode(one)).join('')
  const string = (value) => text([value.length >> 8, value.length & 255]) + value
  function packet (first, body) {
    let length = ''
    let rest = body.length
    do {
      length += String.fromCharCode((rest & 127) | (rest > 127 ? 128 : 0))
      rest >>= 7
    } while (rest)
    return String.fromCharCode(first) + length + body
  }

  async function echo (SockJS, base, transport) {
    const link = await open(SockJS, `${base}/echo`, transport)
    const messages = ['a', '', '"quoted" \\ </script>', '\u0000\u0001\u001f\u007f\u0080\u00ad',
      '\u200c\u2028\u2060\ufeff\ufff0\uffff', '\ud83d\ude00 \u20ac 100% %41', 'x'.repeat(20000)]
    for (const one of messages) link.send(one)
    for (const one of messages) {
      const found = await link.next('echo')
      if (found !== one) throw new Error(`sent ${JSON.stringify(one)}, got ${JSON.stringify(found)}`)
    }
    const used = link.transport
    link.close()
    await within(link.ended, 'closed')
    return used
  }

  async function mqtt (SockJS, base, transport) {
    const link = await open(SockJS, `${base}/mqtt`, transport)
    let kept = ''
    const next = async (size, what) => {
      while (kept.length < size) kept += await link.next(what)
      const found = kept.slice(0, size)
      kept = kept.slice(size)
      return found
    }
    const same = (found, wanted, what) => {
      if (found !== wanted) throw new Error(`${what}: ${JSON.stringify(found)}`)
    }
    const id = `sockjs-${Math.random()}`
    const all = text(Array.from({ length: 256 }, (_, index) => index)).repeat(20)
    link.send(packet(0x10, string('MQTT') + '\u0004\u0002\u0000\u003c' + string(id)))
    same(await next(4, 'CONNACK'), '\u0020\u0002\u0000\u0000', 'CONNACK')
    link.send(packet(0x82, '\u0000\u0001' + string(id) + '\u0000'))
    same(await next(5, 'SUBACK'), '\u0090\u0003\u0000\u0001\u0000', 'SUBACK')
    const message = packet(0x30, string(id) + all)
    link.send(message)
    same(await next(message.length, 'PUBLISH'), message, 'PUBLISH')
    link.send(packet(0xe0, ''))
    return (await within(link.ended, 'closed by the server')).code
  }

  // @stomp/stompjs over what `socket()` makes: a SockJS session, or a WebSocket.
  root.stompChecks = async (StompJs, socket) => {
    const came = []
    const client = new StompJs.Client({ webSocketFactory: socket, reconnectDelay: 0,
      heartbeatIncoming: 10000, heartbeatOutgoing: 10000 })
    const topic = `stomp/${Math.random()}`
    const bodies = ['hello', '\u20ac \ud83d\ude00', 'x'.repeat(200000)]
    try {
      await within(new Promise((resolve, reject) => {
        client.onStompError = (frame) => reject(new Error(frame.headers.message))
        client.onWebSocketError = () => reject(new Error('no connection'))
        client.onWebSocketClose = ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`))
        client.onConnect = () => {
          client.subscribe(topic, (message) => {
            came.push(message.body)
            message.ack()
            if (came.length === bodies.length) resolve()
          }, { ack: 'client-individual', receipt: 'subscribed' })
          client.watchForReceipt('subscribed', () =>
            bodies.forEach((body) => client.publish({ destination: topic, body })))
        }
        client.activate()
      }), 'STOMP')
      await client.deactivate()
      return came.join() === bodies.join() ? 'ok' : `got ${came.map((one) => one.length)}`
    } catch (error) {
      return String(error)
    }
  }
  root.sockjsChecks = async (SockJS, base, transport) => {
    try {
      const used = await echo(SockJS, base, transport)
      const goAway = await open(SockJS, `${base}/close`, transport)
      const { code, reason } = await within(goAway.ended, 'told to go away')
      return { used, goAway: `${code} ${reason}`, end: await mqtt(SockJS, base, transport) }
    } catch (error) {
      return { error: String(error) }
    }
  }
  if (typeof module !== 'undefined' && typeof window === 'undefined') {
    const [base, ...transports] = process.argv.slice(2)
    ;(async () => {
      const outcome = {}
      for (const one of transports) {
        outcome[one] = await root.sockjsChecks(require('sockjs-client'), base, one)
        outcome[`stomp ${one}`] = await root.stompChecks(require('@stomp/stompjs'), () =>
          new (require('sockjs-client'))(`${base}/stomp`, null, { transports: [one], timeout: 5000 }))
      }
      outcome['stomp plain'] = await root.stompChecks(require('@stomp/stompjs'), () =>
        new (require('ws'))(`${base.replace('http', 'ws')}/stomp`, ['v12.stomp', 'v11.stomp']))
      console.log(JSON.stringify(outcome))
      process.exit(0)
    })()
  }
})(typeof window === 'undefined' ? globalThis : window)
