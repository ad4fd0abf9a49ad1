import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { connect } from 'node:tls';
import { classifyFirstBytes, parseClientHello, readFirstBytes } from '../../../electron/proxy/first-bytes.ts';

/** What a TLS client of Node says first. */
function helloOf(options: {
  readonly servername?: string;
  readonly ALPNProtocols?: string[];
}): Promise<Buffer> {
  return new Promise((settle) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (chunk: Buffer) => {
        settle(Buffer.from(chunk));
        socket.destroy();
        server.close();
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }).on(
        'error',
        () => undefined,
      );
    });
  });
}

const startup = (code: number, length = 8): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt32BE(code, 4);
  return bytes;
};

describe('what a connection begins with', () => {
  for (const [name, bytes, kind] of [
    ['a request', 'GET / HTTP/1.1\r\n', 'http'],
    ['a request with a method of WebDAV', 'PROPFIND /x HTTP/1.1\r\n', 'http'],
    ['a request behind an empty line', '\r\nGET / HTTP/1.1\r\n', 'http'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'h2'],
    ['a guard', 'CSN1 abc\n', 'preamble'],
    ['an SSH client', 'SSH-2.0-OpenSSH_9.2\r\n', 'other'],
    ['a request behind many empty lines', '\n\n\r\n\nGET / HTTP/1.1\r\n', 'http'],
    ['a request behind blanks', ' \tGET / HTTP/1.1\r\n', 'http'],
    ['a request in lower case', 'get / http/1.1\r\n', 'http'],
    ['a request with an unusual method', 'M-SEARCH1 /x HTTP/1.1\r\n', 'http'],
    ['a request parted by tabs', 'DELETE\t/x HTTP/1.1\r\n', 'http'],
    ['a request with a target that is none', 'delete ?x HTTP/1.1\r\n', 'http'],
    ['a line that only names HTTP', 'hello HTTP/1.1\r\n', 'http'],
    ['words in lower case', 'get key\r\n', 'other'],
    ['a TLS record that is no ClientHello', '\x16\x03\x01\x00\x04\x02\x00\x00\x00', 'unclear'],
    [
      'a ClientHello that is too long',
      `\x16\x03\x01\x40\x00\x01\x00\x50\x00${'\0'.repeat(20_000)}`,
      'unclear',
    ],
    ['the ClientHello of SSL 2', '\x80\x2e\x01\x03\x03\x00', 'unclear'],
    ['a blank without end', ' '.repeat(2_000), 'unclear'],
    ['options of telnet', '\xff\xfd\x01', 'other'],
    ['an AMQP client', 'AMQP\0\0\x09\x01', 'other'],
    ['a record that is no TLS', '\x16\x09\x01', 'other'],
  ] as const)
    test(`tells ${name}`, () => {
      assert.equal(classifyFirstBytes(Buffer.from(bytes, 'latin1'))?.kind, kind);
    });

  for (const code of [80877103, 80877102, 80877104, 196608])
    test(`tells PostgreSQL by ${code}`, () => {
      assert.equal(classifyFirstBytes(startup(code))?.kind, 'postgres');
    });

  test('does not take a length out of bounds for PostgreSQL', () => {
    assert.equal(classifyFirstBytes(startup(196608, 7))?.kind, 'other');
    assert.equal(classifyFirstBytes(startup(196608, 20_000))?.kind, 'other');
  });

  test('waits for more while it cannot be told', () => {
    for (const bytes of [
      'G',
      'GET',
      'get',
      '\n\n',
      'get ',
      '\x80',
      'PRI * HT',
      'CSN',
      '\r',
      '\x00\x00\x00\x08',
      '\x16\x03\x01\x02',
    ])
      assert.equal(classifyFirstBytes(Buffer.from(bytes, 'latin1')), null, JSON.stringify(bytes));
  });

  test('reads name and protocols of a real ClientHello, at every length of its beginning', async () => {
    const hello = await helloOf({ servername: 'One.Example.Test', ALPNProtocols: ['h2', 'http/1.1'] });
    assert.deepEqual(parseClientHello(hello), {
      serverName: 'one.example.test',
      protocols: ['h2', 'http/1.1'],
    });
    for (let length = 1; length < hello.length; length += 1)
      assert.equal(parseClientHello(hello.subarray(0, length)), 'more', String(length));
  });

  test('reads a ClientHello that stands in several records', async () => {
    const hello = await helloOf({ servername: 'one.test' });
    const body = hello.subarray(5);
    const records: Buffer[] = [];
    for (let at = 0; at < body.length; at += 50) {
      const part = body.subarray(at, at + 50);
      records.push(Buffer.from([0x16, 3, 1, 0, part.length]), part);
    }
    assert.deepEqual(parseClientHello(Buffer.concat(records)), { serverName: 'one.test', protocols: [] });
  });

  test('never throws for a ClientHello with a byte changed', async () => {
    const hello = await helloOf({ servername: 'one.test', ALPNProtocols: ['h2'] });
    for (let at = 0; at < hello.length; at += 1)
      for (const value of [0, 1, 127, 255]) {
        const changed = Buffer.from(hello);
        changed[at] = value;
        parseClientHello(changed);
      }
  });

  test('puts back what it read, and says when nothing came', async () => {
    const wire = new PassThrough();
    wire.write('GE');
    setTimeout(() => wire.write('T / HTTP/1.1\r\n'), 10);
    assert.deepEqual(await readFirstBytes(wire), { kind: 'http' });
    assert.equal(String(wire.read()), 'GET / HTTP/1.1\r\n');
    assert.deepEqual(await readFirstBytes(new PassThrough(), 20), { kind: 'silent' });
    const closed = new PassThrough();
    closed.end();
    assert.deepEqual(await readFirstBytes(closed), { kind: 'closed' });
  });
});
