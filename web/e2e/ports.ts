import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';

const startMs = 10_000;

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Waits until a server that was started listens. */
export async function untilListening(name: string, port: number): Promise<void> {
  for (const giveUp = Date.now() + startMs; ; ) {
    const socket = connect(port, '127.0.0.1');
    const connected = await new Promise<boolean>((done) => {
      socket.once('connect', () => done(true));
      socket.once('error', () => done(false));
    });
    socket.destroy();
    if (connected) return;
    if (Date.now() > giveUp) throw new Error(`${name} does not listen`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
