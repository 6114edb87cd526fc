// Runs of five journaled steps with Restate. `bench/peers/run` starts it, as the worker and as the caller:
//
//     node restate_peer.mjs worker PORT
//     node restate_peer.mjs register ADMIN_PORT WORKER_PORT
//     node restate_peer.mjs measure VERSION INGRESS_PORT IN_FLIGHT RUNS WORKER_PID SERVER_PID
//
// The last prints one row of the table. It keeps IN_FLIGHT requests open, each for one run and its answer; its own CPU is not
// counted.

import { readFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import { createEndpointHandler, service } from '@restatedev/restate-sdk'

const WARM_UP_RUNS = 50
// A handler that fails is tried again for ever.
const ANSWER_MS_MAX = 60_000
const TICKS_PER_SECOND = 100

const five = async (context) => {
  let value = 0
  for (let step = 0; step < 5; step++) {
    const before = value
    value = await context.run('judge', () => before + 1)
  }
  return value
}

function worker(port) {
  const handler = createEndpointHandler({ services: [service({ name: 'peers', handlers: { five } })] })
  http2.createServer(handler).listen(Number(port), '127.0.0.1')
}

async function register(adminPort, workerPort) {
  await post(http.globalAgent, adminPort, '/deployments', { uri: `http://127.0.0.1:${workerPort}` })
}

async function measure(version, port, inFlight, runs, workerPid, serverPid) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number(inFlight) })
  await callMany(agent, port, inFlight, WARM_UP_RUNS)
  const before = { worker: cpuMs(workerPid), server: cpuMs(serverPid), at: performance.now() }
  const tookMs = await callMany(agent, port, inFlight, Number(runs))
  const wallMs = performance.now() - before.at
  const cpu = [cpuMs(workerPid) - before.worker, cpuMs(serverPid) - before.server].map((ms) => (ms / runs).toFixed(2))
  tookMs.sort((a, b) => a - b)
  const [median, late] = [0.5, 0.99].map((part) => tookMs[Math.floor(runs * part)].toFixed(1))
  const perSecond = ((runs * 1000) / wallMs).toFixed(0)
  console.log(`| Restate ${version} | ${inFlight} | ${runs} | ${perSecond} | ${median} | ${late} | ${cpu[0]} | ${cpu[1]} | – |`)
  agent.destroy()
}

// How long each run took from its request to its answer.
async function callMany(agent, port, inFlight, runs) {
  const tookMs = []
  let left = runs
  const caller = async () => {
    while (left-- > 0) {
      const started = performance.now()
      const answer = await post(agent, port, '/peers/five')
      if (answer !== '5') throw new Error(`a run ended with ${answer}`)
      tookMs.push(performance.now() - started)
    }
  }
  await Promise.all(Array.from({ length: Number(inFlight) }, caller))
  return tookMs
}

function post(agent, port, path, body) {
  const headers = body ? { 'content-type': 'application/json' } : {}
  return new Promise((resolve, reject) => {
    const to = { host: '127.0.0.1', port, path, method: 'POST', agent, headers, timeout: ANSWER_MS_MAX }
    const request = http.request(to, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part) => (text += part))
      response.on('end', () => {
        if (response.statusCode < 300) resolve(text)
        else reject(new Error(`${path} was answered with ${response.statusCode}: ${text}`))
      })
    })
    request.on('timeout', () => request.destroy(new Error(`no answer to ${path}`)))
    request.on('error', reject).end(body && JSON.stringify(body))
  })
}

// User and system time of a process, which has no children.
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}

const [what, ...words] = process.argv.slice(2)
await { worker, register, measure }[what](...words)
