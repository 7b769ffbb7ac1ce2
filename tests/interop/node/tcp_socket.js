// What stompjs wants of a WebSocket, over TCP.
const net = require('net')

class TcpSocket {
  constructor ({ host, port }) {
    this.url = `tcp://${host}:${port}/`
    this.binaryType = 'arraybuffer'
    this.readyState = 0
    this.socket = net.connect(port, host, () => { this.readyState = 1; this.onopen({}) })
    this.socket.setNoDelay(true)
    this.socket.on('data', (data) => this.onmessage({ data: new Uint8Array(data).buffer }))
    this.socket.on('error', (error) => this.onerror && this.onerror(error))
    this.socket.on('close', () => {
      this.readyState = 3
      if (this.onclose) this.onclose({ code: 1000, reason: '', wasClean: true })
    })
  }

  send (data) { this.socket.write(typeof data === 'string' ? data : Buffer.from(data)) }
  close () { this.readyState = 2; this.socket.end() }
  terminate () { this.readyState = 2; this.socket.destroy() }
}

module.exports = TcpSocket
