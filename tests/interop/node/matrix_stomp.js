// @stomp/stompjs as a client of the matrix, in Node and in a page: `new StompActor(StompJs,
// socket, tell)`, where `socket()` makes its connection and `tell(message)` hears what comes.
'use strict'
;(function (root) {
  const toBase64 = (bytes) => {
    let text = ''
    for (let at = 0; at < bytes.length; at += 8192) {
      text += String.fromCharCode(...bytes.subarray(at, at + 8192))
    }
    return btoa(text)
  }
  const fromBase64 = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0))

  // Text where it is text, as an application would send it; else octets.
  function content (payload) {
    const bytes = fromBase64(payload)
    try {
      return { body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
    } catch (error) {
      return { binaryBody: bytes }
    }
  }

  root.StompActor = class {
    constructor (StompJs, socket, tell) {
      this.StompJs = StompJs
      this.socket = socket
      this.tell = tell
      this.count = 0
      this.waiting = new Set()
    }

    open ({ clientId, user, password, session }) {
      this.durable = session
      this.client = new this.StompJs.Client({
        webSocketFactory: this.socket,
        connectHeaders: { login: user, passcode: password, 'client-id': clientId },
        reconnectDelay: 0,
        heartbeatIncoming: 0,
        heartbeatOutgoing: 0,
        splitLargeFrames: true,
        maxWebSocketChunkSize: 65536
      })
      return new Promise((resolve, reject) => {
        this.client.onConnect = () => resolve('connected')
        this.client.onStompError = ({ headers }) => { this.error = headers.message }
        this.client.onWebSocketError = (error) => reject(new Error(`no connection: ${error}`))
        this.client.onWebSocketClose = () => {
          reject(new Error(`closed: ${this.error}`))
          for (const told of this.waiting) told(this.error ? 'ERROR, closed' : 'closed')
        }
        this.client.activate()
      })
    }

    // What the server says to the frame that `use` sends with a receipt header.
    answer (use) {
      const receipt = `receipt-${++this.count}`
      return new Promise((resolve) => {
        const told = (answer) => { this.waiting.delete(told); resolve(answer) }
        this.waiting.add(told)
        this.client.watchForReceipt(receipt, () => told('RECEIPT'))
        use(receipt)
      })
    }

    subscribe ({ topic }) {
      return this.answer((receipt) => this.client.subscribe(topic, (message) => {
        this.tell({
          topic: message.headers.destination,
          payload: toBase64(message.binaryBody),
          qos: Number(message.headers.qos),
          retain: message.headers.retain === 'true'
        })
        message.ack()
      }, { id: topic, ack: 'client-individual', receipt, ...(this.durable && { durable: 'true' }) }))
    }

    publish ({ topic, payload, qos, retain }) {
      return this.answer((receipt) => this.client.publish({
        destination: topic,
        ...content(payload),
        headers: { receipt, qos: `${qos}`, ...(retain && { retain: 'true' }) }
      }))
    }

    drop () { this.client.forceDisconnect() }
    async close () { await this.client.deactivate() }
  }
})(typeof window === 'undefined' ? globalThis : window)
