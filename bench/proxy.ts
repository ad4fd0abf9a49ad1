// What the proxy costs: a request over an open connection, a large download, and memory; beside the same without it, in turns.
// Run: node bench/proxy.ts
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { makeAuthority } from '../test/support/certificates.ts';
import { startProxyDouble } from '../test/support/proxy-double.ts';

const WARM = 400;
const REQUESTS = 1_500;
const ROUNDS = 3;
const GIGABYTE = 1024 ** 3;

/** The server, in a process of its own: it shares no thread with who measures. */
async function serveOrigin(): Promise<void> {
  const pair = await new Promise<{ readonly key: string; readonly cert: string }>((settle) => {
    process.once('message', settle as (message: unknown) => void);
  });
  const chunk = Buffer.alloc(256 * 1024, 'x');
  const server = createServer(pair, (asked, answer) => {
    asked.resume();
    if (asked.url !== '/large') {
      asked.once('end', () => answer.setHeader('content-type', 'application/json').end('{"ok":true}'));
      return;
    }
    answer.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': String(GIGABYTE) });
    let left = GIGABYTE;
    const more = (): void => {
      while (left > 0) {
        left -= chunk.length;
        if (!answer.write(chunk)) return void answer.once('drain', more);
      }
      answer.end();
    };
    more();
  });
  server.listen(0, '127.0.0.1', () => {
    const at = server.address();
    if (at !== null && typeof at === 'object') process.send?.(at.port);
  });
}

/** One request after the other over one connection: milliseconds, sorted. */
async function timeRequests(agent: Agent, port: number): Promise<Float64Array> {
  const samples = new Float64Array(REQUESTS);
  const body = JSON.stringify({
    model: 'a',
    messages: Array.from({ length: 24 }, (_, i) => ({
      role: 'user',
      text: `What does function ${i * 7919} in file ${i * 104729} return, and who calls it?`,
    })),
  });
  for (let i = -WARM; i < REQUESTS; i += 1) {
    const start = performance.now();
    await new Promise<void>((settle, reject) => {
      const sent = request(
        {
          agent,
          host: 'localhost',
          port,
          method: 'POST',
          path: '/echo',
          headers: { 'content-length': body.length },
        },
        (answer) => {
          answer.resume();
          answer.once('end', settle);
        },
      );
      sent.once('error', reject);
      sent.end(body);
    });
    if (i >= 0) samples[i] = performance.now() - start;
  }
  return samples.sort();
}

/** Megabytes a second of one large answer. */
function timeDownload(socket: Duplex): Promise<number> {
  return new Promise((settle, reject) => {
    let got = 0;
    const start = performance.now();
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length;
      if (got < GIGABYTE) return;
      settle(got / 1e6 / ((performance.now() - start) / 1000));
      socket.destroy();
    });
    socket.once('error', reject);
    socket.write('GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n');
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Resident memory of a process in megabytes; null where there is no /proc. */
function residentOf(pid: number | undefined): number | null {
  try {
    const found = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found === null ? null : Number(found[1]) / 1024;
  } catch {
    return null;
  }
}

/** Processor time of a process so far in milliseconds; null where there is no /proc. */
function processorOf(pid: number | undefined): number | null {
  try {
    const words = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(words[11]) + Number(words[12])) * 10;
  } catch {
    return null;
  }
}

async function measure(): Promise<void> {
  const [ca, upstream] = await Promise.all([makeAuthority('bench'), makeAuthority('upstream')]);
  const pair = await upstream.issue(['localhost']);
  const origin = fork(import.meta.filename, ['origin'], { execArgv: process.execArgv });
  origin.send(pair);
  const port = await new Promise<number>((settle) =>
    origin.once('message', settle as (port: unknown) => void),
  );
  const proxy = await startProxyDouble({
    caCertificatePem: ca.cert,
    caKeyPem: ca.key,
    extraRoots: [upstream.cert],
  });

  const direct = (): Duplex =>
    connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca: upstream.cert });
  const through = async (): Promise<Duplex> =>
    connectTls({ socket: await proxy.guard('localhost', port), servername: 'localhost', ca: ca.cert });
  const agentOver = (open: () => Promise<Duplex> | Duplex): Agent => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agent.createConnection = (_options, done) => {
      Promise.resolve(open()).then(
        (socket) => done?.(null, socket),
        (error: Error) => done?.(error, undefined as never),
      );
      return undefined;
    };
    return agent;
  };
  const agents = { direct: agentOver(direct), proxy: agentOver(through) };
  const at = (samples: Float64Array, share: number): number =>
    samples[Math.floor(samples.length * share)] ?? 0;
  const cpu: number[] = [];
  const rounds: { p50: number; p99: number; d50: number; d99: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const d = await timeRequests(agents.direct, port);
    const spent = processorOf(proxy.child.pid);
    const p = await timeRequests(agents.proxy, port);
    const more = processorOf(proxy.child.pid);
    if (spent !== null && more !== null) cpu.push((more - spent) / (REQUESTS + WARM));
    rounds.push({ d50: at(d, 0.5), d99: at(d, 0.99), p50: at(p, 0.5), p99: at(p, 0.99) });
  }
  const of = (pick: (round: (typeof rounds)[number]) => number): string =>
    median(rounds.map(pick)).toFixed(2);
  process.stdout.write(`a request of 2 kB      p50 ms   p99 ms\n`);
  process.stdout.write(
    `direct               ${of((r) => r.d50).padStart(8)} ${of((r) => r.d99).padStart(8)}\n`,
  );
  process.stdout.write(
    `through the proxy    ${of((r) => r.p50).padStart(8)} ${of((r) => r.p99).padStart(8)}\n`,
  );
  process.stdout.write(
    `added                ${of((r) => r.p50 - r.d50).padStart(8)} ${of((r) => r.p99 - r.d99).padStart(8)}   (bars: 0.30, 2.00)\n`,
  );
  if (cpu.length > 0)
    process.stdout.write(`processor time of the proxy for one request: ${median(cpu).toFixed(2)} ms\n`);
  agents.direct.destroy();
  agents.proxy.destroy();

  const before = residentOf(proxy.child.pid);
  let most = before ?? 0;
  const watch = setInterval(() => {
    most = Math.max(most, residentOf(proxy.child.pid) ?? 0);
  }, 20);
  const speeds: { direct: number; proxy: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    speeds.push({ direct: await timeDownload(direct()), proxy: await timeDownload(await through()) });
  clearInterval(watch);
  const ratio = median(speeds.map((s) => s.proxy / s.direct));
  process.stdout.write(
    `download of 1 GB     direct ${median(speeds.map((s) => s.direct)).toFixed(0)} MB/s, through the proxy ${median(speeds.map((s) => s.proxy)).toFixed(0)} MB/s: ${(ratio * 100).toFixed(0)} %   (bar: 60 %)\n`,
  );
  process.stdout.write(
    before === null
      ? 'memory: not known here\n'
      : `memory of the proxy  ${before.toFixed(0)} MB before, ${(most - before).toFixed(0)} MB more at most   (bar: 50 MB)\n`,
  );
  await proxy.stop();
  origin.kill();
}

await (process.argv[2] === 'origin' ? serveOrigin() : measure());
