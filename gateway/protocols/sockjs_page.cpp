#include "gateway/protocols/sockjs_page.hpp"

namespace gw {

std::string_view sockjs_page() {
    static constexpr std::string_view page = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Mangrove</title>
<style>
  body { font: 16px/1.4 system-ui, sans-serif; margin: 0 auto; max-width: 40em; padding: 1em; }
  h1 { font-size: 1.2em; margin: 0 0 .5em; }
  form, p { display: flex; flex-wrap: wrap; gap: .5em; margin: 0 0 .75em; }
  input, select, button { font: inherit; padding: .45em .6em; border: 1px solid #999;
    border-radius: .3em; min-width: 0; }
  input { flex: 1 1 9em; }
  button { background: #165c43; color: #fff; border-color: #165c43; }
  button:disabled { opacity: .4; }
  #state { font-weight: 600; }
  #log { border-top: 1px solid #ccc; list-style: none; margin: 0; padding: 0; }
  #log li { border-bottom: 1px solid #eee; padding: .3em 0; overflow-wrap: anywhere; }
  #log b { color: #165c43; }
  @media (prefers-color-scheme: dark) { body { background: #111; color: #eee; }
    input, select { background: #222; color: #eee; } #log b { color: #7fd6b5; } }
</style>
</head>
<body>
<h1>Mangrove: <span id="state">not connected</span></h1>
<form id="connect">
  <select id="transport" aria-label="Transport">
    <option value="websocket">WebSocket</option>
    <option value="sockjs">SockJS (WebSocket)</option>
    <option value="xhr">SockJS (polling)</option>
  </select>
  <input id="user" placeholder="user" autocomplete="username" autocapitalize="off">
  <input id="password" type="password" placeholder="password" autocomplete="current-password">
  <button id="go">Connect</button>
</form>
<form id="subscribe">
  <input id="filter" value="demo/#" aria-label="Filter" autocapitalize="off">
  <button disabled>Subscribe</button>
</form>
<form id="publish">
  <input id="topic" value="demo/hello" aria-label="Topic" autocapitalize="off">
  <input id="text" placeholder="message" aria-label="Message">
  <button disabled>Publish</button>
</form>
<ul id="log"></ul>
<script>
'use strict';
const $ = id => document.getElementById(id);
const path = new URLSearchParams(location.search).get('path') || '/mqtt';
const base = location.origin + path;
const utf8 = new TextEncoder(), fromUtf8 = new TextDecoder();

// --- Three ways to carry bytes. Each calls link.onopen, link.onbytes(Uint8Array), link.onclose(why).
// SockJS carries texts: one character from U+0000 to U+00FF a byte.
const toText = bytes => Array.from(bytes, b => String.fromCharCode(b)).join('');
const toBytes = text => Uint8Array.from(text, c => c.charCodeAt(0));
const sessionUrl = () => base + '/' + Math.floor(Math.random() * 1000).toString().padStart(3, '0') +
  '/' + crypto.getRandomValues(new Uint32Array(3)).join('');

function webSocket() {
  const link = {};
  const socket = new WebSocket(base.replace(/^http/, 'ws'), ['mqtt']);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => link.onopen();
  socket.onmessage = event => link.onbytes(new Uint8Array(event.data));
  socket.onclose = event => link.onclose('closed, code ' + event.code);
  link.send = bytes => socket.send(bytes);
  link.close = () => socket.close();
  return link;
}

function takeFrame(link, frame) {
  if (frame[0] === 'o') link.onopen();
  if (frame[0] === 'a') JSON.parse(frame.slice(1)).forEach(text => link.onbytes(toBytes(text)));
  if (frame[0] === 'c') link.onclose(JSON.parse(frame.slice(1)).join(' '));
  return frame[0] !== 'c';
}

function sockjsWebSocket() {
  const link = {};
  const socket = new WebSocket(sessionUrl().replace(/^http/, 'ws') + '/websocket');
  socket.onmessage = event => takeFrame(link, event.data);
  socket.onclose = event => link.onclose('closed, code ' + event.code);
  link.send = bytes => socket.send(JSON.stringify([toText(bytes)]));
  link.close = () => socket.close();
  return link;
}

function sockjsPolling() {
  const link = {}, url = sessionUrl();
  let open = true, sending = Promise.resolve();
  const fail = why => { if (open) { open = false; link.onclose(why); } };
  (async () => {
    while (open) {
      const response = await fetch(url + '/xhr', { method: 'POST' });
      if (!response.ok) throw new Error('status ' + response.status);
      const frame = (await response.text()).trim();
      if (open && !takeFrame(link, frame)) open = false;
    }
  })().catch(error => fail(error.message));
  link.send = bytes => {
    const body = JSON.stringify([toText(bytes)]);
    sending = sending.then(() => open && fetch(url + '/xhr_send', { method: 'POST', body }))
      .catch(error => fail(error.message));
  };
  link.close = () => fail('closed');
  return link;
}

// --- MQTT 3.1.1, as much as a page needs: QoS 0.
const string = text => { const b = utf8.encode(text); return [b.length >> 8, b.length & 255, ...b]; };
function packet(first, body) {
  const length = [];
  for (let n = body.length; length.push(n & 127 | (n > 127 ? 128 : 0)), n > 127; n >>= 7);
  return Uint8Array.from([first, ...length, ...body]);
}

let link = null, rest = new Uint8Array(), alive = 0;

function say(topic, text) {
  const item = document.createElement('li'), name = document.createElement('b');
  name.textContent = topic;
  item.append(name, ' ', text);
  $('log').prepend(item);
  while ($('log').children.length > 200) $('log').lastChild.remove();
}

function show(state, connected) {
  $('state').textContent = state;
  $('go').textContent = link ? 'Disconnect' : 'Connect';
  for (const form of ['subscribe', 'publish']) $(form).querySelector('button').disabled = !connected;
}

function onPacket(type, body) {
  if (type === 2) {
    if (body[1] === 0) {
      show('connected', true);
      alive = setInterval(() => link.send(packet(0xc0, [])), 30000);
    } else {
      show('refused, code ' + body[1], false);
    }
  } else if (type === 3) {
    const size = body[0] << 8 | body[1];
    say(fromUtf8.decode(body.subarray(2, 2 + size)), fromUtf8.decode(body.subarray(2 + size)));
  } else if (type === 9 && body[2] === 0x80) {
    say('subscription', 'refused');
  }
}

function onBytes(bytes) {
  const all = new Uint8Array(rest.length + bytes.length);
  all.set(rest);
  all.set(bytes, rest.length);
  for (rest = all; rest.length > 1;) {
    let size = 0, at = 1, shift = 0;
    do {
      if (at === rest.length) return;
      size |= (rest[at] & 127) << shift;
      shift += 7;
    } while (rest[at++] & 128);
    if (rest.length < at + size) return;
    onPacket(rest[0] >> 4, rest.subarray(at, at + size));
    rest = rest.slice(at + size);
  }
}

function onClose(why) {
  clearInterval(alive);
  link = null;
  show(why, false);
}

$('connect').onsubmit = event => {
  event.preventDefault();
  if (link) {
    link.send(packet(0xe0, []));
    link.close();
    return;
  }
  const user = $('user').value, password = $('password').value;
  link = { websocket: webSocket, sockjs: sockjsWebSocket, xhr: sockjsPolling }[$('transport').value]();
  rest = new Uint8Array();
  link.onopen = () => {
    const flags = 2 | (user ? 0x80 | (password ? 0x40 : 0) : 0);
    link.send(packet(0x10, [...string('MQTT'), 4, flags, 0, 60,
      ...string('page-' + crypto.getRandomValues(new Uint32Array(1))[0].toString(36)),
      ...(user ? string(user) : []), ...(user && password ? string(password) : [])]));
  };
  link.onbytes = onBytes;
  link.onclose = onClose;
  show('connecting', false);
};
$('subscribe').onsubmit = event => {
  event.preventDefault();
  link.send(packet(0x82, [0, 1, ...string($('filter').value), 0]));
};
$('publish').onsubmit = event => {
  event.preventDefault();
  link.send(packet(0x30, [...string($('topic').value), ...utf8.encode($('text').value)]));
};
</script>
</body>
</html>
)html";
    return page;
}

}  // namespace gw
